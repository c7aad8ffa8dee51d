#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Runs a command on another kernel, in an emulated machine: guest.sh KERNEL.deb DIR 'COMMAND'
#
# KERNEL.deb is a Debian package with a kernel (linux-image-*-cloud-amd64). DIR is the guest's /in, and what
# the command leaves in /out comes back as DIR/out, with its words as DIR/out/log. Programs in DIR get the
# libraries that they need. Neither root nor KVM is needed; a second of the host is about twenty of the guest.
#
#   apt-get install qemu-system-x86 busybox-static e2fsprogs linux-source-6.12 lz4 zstd xz-utils
#   cargo build --release -p skep-testkit --bin agreement
#   mkdir in && cp target/release/agreement target/agreement/objs/*.o in
#   crates/testkit/guest.sh linux-image-*.deb in '/in/agreement --set real --real /in --dir /out --kernel-only --save-kernel /out/kernel'
#   target/release/agreement --set real --real in --dir in/out --kernel in/out/kernel
set -eu
[ $# = 3 ] && [ -f "$1" ] && [ -d "$2" ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
for tool in qemu-system-x86_64 mkfs.ext4 debugfs dpkg busybox; do
    command -v "$tool" >/dev/null || { echo "guest.sh: $tool is missing" >&2; exit 3; }
done
source=/usr/src/linux-source-6.12.tar.xz
[ -e "$source" ] || { echo "guest.sh: $source is missing: install linux-source-6.12" >&2; exit 3; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dpkg -x "$1" "$work/kernel"
tar xf "$source" -C "$work" linux-source-6.12/scripts/extract-vmlinux
bash "$work"/linux-source-6.12/scripts/extract-vmlinux "$(find "$work/kernel" -type f -name 'vmlinuz*')" >"$work/vmlinux"

root=$work/root
for dir in bin dev proc sys tmp boot in out; do mkdir -p "$root/$dir"; done
cp "$(command -v busybox)" "$root/bin/busybox"
for name in sh mount mkdir ip uname sync poweroff cat; do ln -s busybox "$root/bin/$name"; done
# Kernels without /proc/config.gz are asked for their options by this name.
config=$(find "$work/kernel" -type f -name 'config*' | head -n 1)
[ -z "$config" ] || cp "$config" "$root/boot/config-$(strings "$work/vmlinux" | sed -n 's/^Linux version \([^ ]*\) .*/\1/p' | head -n 1)"
cp -r "$2"/. "$root/in"
rm -rf "$root/in/out"
find "$root/in" -type f -perm -u+x | while read -r file; do
    strip "$file" 2>/dev/null || true
    ldd "$file" 2>/dev/null | sed -n 's/.*\s\(\/[^ ]*\) (0x.*/\1/p'
done | sort -u | while read -r library; do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
done
printf '%s\n' "$3" >"$root/job.sh"
cat >"$root/init" <<'I'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs security /sys/kernel/security
mkdir -p /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
echo 0 >/proc/sys/kernel/unprivileged_bpf_disabled
sh /job.sh >/out/log 2>&1
echo "guest: exit code $?"
sync
poweroff -f
I
chmod +x "$root/init"
truncate -s 2G "$work/disk"
mkfs.ext4 -q -F -d "$root" "$work/disk"

# QEMU 7.2 computes flags wrongly after cmpxchg16b and adcx, which kernels use where the CPU has them.
qemu-system-x86_64 -accel tcg,thread=single -cpu max,cx16=off,adx=off -m 3000 -smp 1 -nodefaults \
    -no-user-config -no-reboot -display none -serial stdio -kernel "$work/vmlinux" \
    -drive "file=$work/disk,if=none,id=disk,format=raw" -device nvme,drive=disk,serial=1 \
    -append 'console=ttyS0 panic=-1 loglevel=4 root=/dev/nvme0n1 rw init=/init nokaslr tsc=reliable cryptomgr.notests'
rm -rf "$2/out"
debugfs -R "rdump /out $2" "$work/disk" 2>/dev/null
