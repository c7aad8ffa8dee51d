//! Objects of the kernel that maps hold, or that values belong to.

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::net::{bind, socket_with, sockopt::set_socket_reuseport};
use rustix::process::{Pid, PidfdFlags, getpid, getppid, pidfd_open};
use skep_abi::{MapType, ProgType};
use skep_isa::RawInsn;
use skep_sys::{Bpf, BtfFd, Kernel, ProgLoad};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// Objects for a map of a type; none for types that hold bytes.
pub(super) fn of(map_type: MapType) -> Vec<OwnedFd> {
    let objects: io::Result<Vec<OwnedFd>> = match map_type {
        MapType::Sockmap | MapType::Sockhash | MapType::SkStorage => {
            (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").map(OwnedFd::from)).collect()
        }
        MapType::ReuseportSockarray => (0..3).map(|_| reuseport()).collect(),
        MapType::Xskmap => (0..3).map(|_| xdp()).collect(),
        MapType::TaskStorage => Ok(tasks()),
        MapType::InodeStorage => {
            ["/dev/null", "/proc/self/exe", "/"].iter().map(|path| open(path.into())).collect()
        }
        MapType::CgrpStorage | MapType::CgroupArray => {
            Ok(cgroups().into_iter().take(3).filter_map(|dir| open(dir).ok()).collect())
        }
        MapType::ProgArray => Ok((0..3).map(|_| prog()).collect()),
        _ => return Vec::new(),
    };
    let objects = objects.unwrap_or_else(|err| panic!("objects for {map_type}: {err}"));
    assert!(!objects.is_empty(), "objects for {map_type}");
    objects
}

/// Whether the kernel can be asked about maps of this type here.
pub(super) fn are_there(map_type: MapType) -> bool {
    match map_type {
        MapType::CgrpStorage | MapType::CgroupArray => !cgroups().is_empty(),
        MapType::Xskmap => xdp().is_ok(),
        _ => true,
    }
}

/// Whether values of the map belong to objects, and keys name those.
pub(super) const fn own_values(map_type: MapType) -> bool {
    matches!(
        map_type,
        MapType::SkStorage | MapType::TaskStorage | MapType::InodeStorage | MapType::CgrpStorage
    )
}

fn open(path: PathBuf) -> io::Result<OwnedFd> {
    File::open(path).map(OwnedFd::from)
}

/// A bound socket that others may share the port of.
fn reuseport() -> io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    set_socket_reuseport(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    Ok(socket)
}

fn xdp() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    Ok(socket)
}

/// Different processes: this one, who started it, and the first one.
fn tasks() -> Vec<OwnedFd> {
    let pids = [Some(getpid()), getppid(), Some(Pid::INIT)];
    let open = |pid| pidfd_open(pid, PidfdFlags::empty()).ok();
    pids.into_iter().flatten().filter_map(open).collect()
}

/// Directories of cgroups of version 2, the outermost first.
fn cgroups() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut words = mounts.lines().map(|line| line.split(' '));
    let root = words.find_map(|mut words| match (words.nth(1), words.next()) {
        (Some(dir), Some("cgroup2")) => Some(PathBuf::from(dir)),
        _ => None,
    });
    let Some(root) = root else { return Vec::new() };
    let below = std::fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut below: Vec<_> = below.filter(|path| path.is_dir()).collect();
    below.sort();
    std::iter::once(root).chain(below).collect()
}

/// A program that returns at once.
fn prog() -> OwnedFd {
    let insn = |code| RawInsn { code, ..RawInsn::default() };
    // r0 = 0; exit
    let insns = [insn(0xb7), insn(0x95)];
    let def = ProgLoad::<BtfFd> {
        name: "pair",
        prog_type: ProgType::SocketFilter,
        insns: &insns,
        license: "GPL",
        flags: 0,
        attach_type: None,
        btf: None,
        log_level: 0,
    };
    let prog = Kernel.prog_load(&def).unwrap_or_else(|err| panic!("a program: {err}"));
    prog.as_fd().try_clone_to_owned().unwrap_or_else(|err| panic!("a program: {err}"))
}
