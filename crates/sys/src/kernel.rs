//! The kernel that this process runs on.

mod batch;

pub use batch::BatchEnd;

use crate::attr::Attr;
use crate::bpf::{Bpf, FuncInfo, MapCreate, ProgLoad, TestInput, TestOutput};
use crate::perf::PerfBuffer;
use crate::{Cmd, SysError, cpus, ring};
use skep_abi::{Errno, MapType};
use skep_isa::RawInsn;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The running kernel, by bpf(2).
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

/// A map of the kernel, with the sizes that it takes on bpf(2).
///
/// Invariant: `key_size` and `value_size` are at least what the kernel reads and writes. Only
/// [`Kernel::map_create`] makes one, from the sizes it gave the kernel.
#[derive(Debug)]
pub struct MapFd {
    fd: OwnedFd,
    key_size: usize,
    value_size: usize,
    max_entries: usize,
}

/// A program of the kernel.
#[derive(Debug)]
pub struct ProgFd(OwnedFd);

/// Types in the kernel.
#[derive(Debug)]
pub struct BtfFd(OwnedFd);

impl AsFd for ProgFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Size of the packet that a test run may leave: more than any kernel's limit for one.
const DATA_OUT: usize = 128 << 10;
/// Size of the verifier's log. What does not fit is lost at the front, as of Linux 6.4.
const LOG: usize = 1 << 20;

/// What a program is to be attached to.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttachTo<'a> {
    /// A function or type: of the kernel's BTF, or of the program's.
    pub btf_id: u32,
    /// A program.
    pub prog: Option<&'a ProgFd>,
}

impl Kernel {
    /// A buffer for what programs on a CPU send through a perf event array.
    ///
    /// # Errors
    /// [`SysError`] if it cannot be made or the array does not take it.
    pub fn perf_open(&self, map: &MapFd, cpu: u32, pages: usize) -> Result<PerfBuffer, SysError> {
        let buffer = PerfBuffer::open(cpu, pages)?;
        let fd = buffer.fd().as_raw_fd().to_ne_bytes();
        self.map_update(map, &cpu.to_ne_bytes(), &fd, 0)?;
        Ok(buffer)
    }

    /// `BPF_PROG_LOAD` with a log as long as `log`, which the caller can read also when the program is
    /// taken, and with the function or type of the kernel that the program is for (`attach_btf_id`; 0
    /// for none).
    ///
    /// # Errors
    /// As of [`Bpf::prog_load`].
    pub fn prog_judge(
        &self,
        def: &ProgLoad<'_, BtfFd>,
        attach: AttachTo<'_>,
        log: &mut [u8],
    ) -> Result<ProgFd, SysError> {
        let op = Cmd::ProgLoad;
        let insns: Vec<u8> = def.insns.iter().flat_map(|&raw| host_bytes(raw)).collect();
        let license = CString::new(def.license)
            .map_err(|_| SysError::new(op, Errno::EINVAL))?
            .into_bytes_with_nul();
        let mut attr = Attr::new()
            .put32(0, def.prog_type.number())
            .put32(4, u32::try_from(def.insns.len()).unwrap_or(u32::MAX))
            .put_bytes(8, &insns)
            .put_bytes(16, &license)
            .put32(24, def.log_level)
            .put32(28, len32(log))
            .put_out(32, log)
            .put32(44, def.flags)
            .put_name(48, def.name)
            .put32(68, def.attach_type.map_or(0, |attach| attach.number()))
            .put32(108, attach.btf_id)
            .put32(112, attach.prog.map_or(0, |prog| number(prog.0.as_fd())));
        let funcs: Vec<u8> = def.btf.iter().flat_map(|(_, funcs)| func_infos(funcs)).collect();
        if let Some((btf, list)) = def.btf {
            attr = attr
                .put32(72, number(btf.0.as_fd()))
                .put32(76, 8)
                .put_bytes(80, &funcs)
                .put32(88, u32::try_from(list.len()).unwrap_or(u32::MAX));
        }
        // SAFETY: instructions, license and function records are as long as the attribute says or
        // NUL-terminated, and only read; the log is writable for the length given.
        let result = unsafe { attr.run(op) };
        result.map(|fd| ProgFd(owned(fd))).map_err(|err| err.of_load(def.prog_type, text(log)))
    }
}

impl Bpf for Kernel {
    type Map = MapFd;
    type Prog = ProgFd;
    type Btf = BtfFd;

    fn map_create(&self, def: &MapCreate<'_, MapFd, BtfFd>) -> Result<MapFd, SysError> {
        let value_size = value_size(def)?;
        let mut attr = Attr::new()
            .put32(0, def.map_type.number())
            .put32(4, def.key_size)
            .put32(8, def.value_size)
            .put32(12, def.max_entries)
            .put32(16, def.flags)
            .put32(20, def.inner.map_or(0, |inner| number(inner.fd.as_fd())))
            .put32(24, def.numa_node)
            .put_name(28, def.name)
            .put64(64, def.map_extra);
        if let Some((btf, key, value)) = def.btf {
            attr = attr.put32(48, number(btf.0.as_fd())).put32(52, key).put32(56, value);
        }
        // SAFETY: this command uses no addresses.
        let fd = unsafe { attr.run(Cmd::MapCreate) }?;
        Ok(MapFd {
            fd: owned(fd),
            key_size: def.key_size as usize,
            value_size,
            max_entries: def.max_entries as usize,
        })
    }

    fn map_lookup(&self, map: &MapFd, key: &[u8], value: &mut [u8]) -> Result<(), SysError> {
        map.read(Cmd::MapLookupElem, key, value)
    }

    fn map_take(&self, map: &MapFd, key: &[u8], value: &mut [u8]) -> Result<(), SysError> {
        map.read(Cmd::MapLookupAndDeleteElem, key, value)
    }

    fn map_update(
        &self,
        map: &MapFd,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), SysError> {
        let op = Cmd::MapUpdateElem;
        map.sized(op, Some(key), Some(value))?;
        let mut attr = map.elem(Some(key)).put_bytes(16, value).put64(24, flags);
        // SAFETY: key and value have the sizes of the map, and are only read.
        unsafe { attr.run(op) }.map(drop)
    }

    fn map_delete(&self, map: &MapFd, key: &[u8]) -> Result<(), SysError> {
        let op = Cmd::MapDeleteElem;
        map.sized(op, Some(key), None)?;
        // SAFETY: the key has the size of the map's, and is only read.
        unsafe { map.elem(Some(key)).run(op) }.map(drop)
    }

    fn map_next_key(
        &self,
        map: &MapFd,
        key: Option<&[u8]>,
        next: &mut [u8],
    ) -> Result<(), SysError> {
        let op = Cmd::MapGetNextKey;
        map.sized(op, key, None)?;
        map.sized(op, Some(next), None)?;
        let mut attr = map.elem(key).put_out(16, next);
        // SAFETY: both keys have the size of the map's; the second is writable.
        unsafe { attr.run(op) }.map(drop)
    }

    fn map_freeze(&self, map: &MapFd) -> Result<(), SysError> {
        let mut attr = Attr::new().put32(0, number(map.fd.as_fd()));
        // SAFETY: this command uses no addresses.
        unsafe { attr.run(Cmd::MapFreeze) }.map(drop)
    }

    fn map_set_prog(&self, map: &MapFd, index: u32, prog: &ProgFd) -> Result<(), SysError> {
        self.map_update(map, &index.to_ne_bytes(), &prog.0.as_raw_fd().to_ne_bytes(), 0)
    }

    fn ring_drain(&self, map: &MapFd, sink: &mut dyn FnMut(&[u8])) -> Result<(), SysError> {
        ring::drain(map.fd.as_fd(), map.max_entries, sink)
    }

    fn map_sizes(&self, map: &MapFd) -> (usize, usize) {
        (map.key_size, map.value_size)
    }

    fn map_number(&self, map: &MapFd) -> i32 {
        map.fd.as_raw_fd()
    }

    fn btf_load(&self, bytes: &[u8]) -> Result<BtfFd, SysError> {
        let mut attr = Attr::new().put_bytes(0, bytes).put32(16, len32(bytes));
        // SAFETY: the command reads the given number of bytes.
        unsafe { attr.run(Cmd::BtfLoad) }.map(|fd| BtfFd(owned(fd)))
    }

    fn prog_load(&self, def: &ProgLoad<'_, BtfFd>) -> Result<ProgFd, SysError> {
        let mut log = vec![0; if def.log_level == 0 { 0 } else { LOG }];
        self.prog_judge(def, AttachTo::default(), &mut log)
    }

    fn prog_test_run(&self, prog: &ProgFd, input: &TestInput<'_>) -> Result<TestOutput, SysError> {
        let mut data = vec![0; if input.data.is_empty() { 0 } else { DATA_OUT }];
        let mut ctx = vec![0; input.ctx.len()];
        let mut attr = Attr::new()
            .put32(0, number(prog.as_fd()))
            .put32(8, len32(input.data))
            .put32(12, len32(&data))
            .put_bytes(16, input.data)
            .put_out(24, &mut data)
            .put32(32, input.repeat)
            .put32(40, len32(input.ctx))
            .put32(44, len32(&ctx))
            .put_bytes(48, input.ctx)
            .put_out(56, &mut ctx);
        // SAFETY: both inputs are read and both outputs written within the lengths given.
        unsafe { attr.run(Cmd::ProgTestRun) }?;
        data.truncate(attr.get32(12) as usize);
        ctx.truncate(attr.get32(44) as usize);
        let duration = Duration::from_nanos(attr.get32(36).into());
        Ok(TestOutput { retval: attr.get32(4), data, ctx, duration })
    }
}

impl MapFd {
    /// The start of all commands on entries.
    fn elem(&self, key: Option<&[u8]>) -> Attr {
        Attr::new().put32(0, number(self.fd.as_fd())).put_bytes(8, key.unwrap_or_default())
    }

    fn read(&self, op: Cmd, key: &[u8], value: &mut [u8]) -> Result<(), SysError> {
        self.sized(op, Some(key), Some(value))?;
        let mut attr = self.elem(Some(key)).put_out(16, value);
        // SAFETY: key and value have the sizes of the map; the value is writable.
        unsafe { attr.run(op) }.map(drop)
    }

    fn sized(&self, op: Cmd, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), SysError> {
        let fits = key.is_none_or(|key| key.len() == self.key_size)
            && value.is_none_or(|value| value.len() == self.value_size);
        if fits { Ok(()) } else { Err(SysError::new(op, Errno::EINVAL)) }
    }
}

/// Bytes of a value on bpf(2). Kernel: `bpf_map_value_size`.
fn value_size(def: &MapCreate<'_, MapFd, BtfFd>) -> Result<usize, SysError> {
    let size = def.value_size as usize;
    Ok(match def.map_type {
        MapType::PercpuArray
        | MapType::PercpuHash
        | MapType::LruPercpuHash
        | MapType::PercpuCgroupStorage => {
            let cpus = cpus::possible_cpus().map_err(|err| {
                let errno = err.raw_os_error().unwrap_or(libc::EINVAL);
                SysError::new(Cmd::MapCreate, Errno::from_number(errno))
            })?;
            // A product that does not fit belongs to a map that no kernel makes.
            size.next_multiple_of(8).saturating_mul(cpus as usize)
        }
        _ => size,
    })
}

fn func_infos(funcs: &[FuncInfo]) -> impl Iterator<Item = u8> + '_ {
    let words = funcs.iter().flat_map(|func| [func.insn_off, func.type_id]);
    words.flat_map(u32::to_ne_bytes)
}

/// A slot as the kernel of this host reads it.
const fn host_bytes(raw: RawInsn) -> [u8; RawInsn::SIZE] {
    if cfg!(target_endian = "big") { raw.to_be_bytes() } else { raw.to_le_bytes() }
}

fn text(log: &[u8]) -> String {
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).into_owned()
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    u32::try_from(fd.as_raw_fd()).expect("bug: an open file descriptor is not negative")
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn owned(fd: i32) -> OwnedFd {
    // SAFETY: called with what a command that makes descriptors has just returned, once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
