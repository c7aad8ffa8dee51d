//! The seam: what the kernel engine asks of a kernel.

use crate::SysError;
use skep_abi::{AttachType, MapType, ProgType};
use skep_isa::RawInsn;
use std::time::Duration;

/// A kernel, or what stands in for one.
///
/// Keys and values have the sizes that the map was made with; the value of a per-CPU map is that of
/// all possible CPUs, each padded to eight bytes. Any other length is `EINVAL`.
pub trait Bpf {
    /// A map; gone when dropped, unless a program uses it.
    type Map;
    /// A program; gone when dropped, unless it is attached or in a map.
    type Prog;
    /// Types.
    type Btf;

    /// `BPF_MAP_CREATE`
    ///
    /// # Errors
    /// [`SysError`] with what the kernel says.
    fn map_create(&self, def: &MapCreate<'_, Self::Map, Self::Btf>) -> Result<Self::Map, SysError>;

    /// `BPF_MAP_LOOKUP_ELEM`
    ///
    /// # Errors
    /// `ENOENT` where there is no entry.
    fn map_lookup(&self, map: &Self::Map, key: &[u8], value: &mut [u8]) -> Result<(), SysError>;

    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`
    ///
    /// # Errors
    /// `ENOENT` where there is no entry; kinds of map that cannot do it have errors of their own.
    fn map_take(&self, map: &Self::Map, key: &[u8], value: &mut [u8]) -> Result<(), SysError>;

    /// `BPF_MAP_UPDATE_ELEM`, with its flags.
    ///
    /// # Errors
    /// [`SysError`] with what the kernel says.
    fn map_update(
        &self,
        map: &Self::Map,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), SysError>;

    /// `BPF_MAP_DELETE_ELEM`
    ///
    /// # Errors
    /// `ENOENT` where there is no entry.
    fn map_delete(&self, map: &Self::Map, key: &[u8]) -> Result<(), SysError>;

    /// `BPF_MAP_GET_NEXT_KEY`; the first key after none and after one that is not there.
    ///
    /// # Errors
    /// `ENOENT` after the last.
    fn map_next_key(
        &self,
        map: &Self::Map,
        key: Option<&[u8]>,
        next: &mut [u8],
    ) -> Result<(), SysError>;

    /// `BPF_MAP_FREEZE`: user space cannot write to it from now on.
    ///
    /// # Errors
    /// [`SysError`] with what the kernel says.
    fn map_freeze(&self, map: &Self::Map) -> Result<(), SysError>;

    /// Puts a program at an index of a prog array.
    ///
    /// # Errors
    /// [`SysError`] with what the kernel says.
    fn map_set_prog(&self, map: &Self::Map, index: u32, prog: &Self::Prog) -> Result<(), SysError>;

    /// Takes the records out of a ring buffer, in order.
    ///
    /// # Errors
    /// [`SysError`] if its memory cannot be had.
    fn ring_drain(&self, map: &Self::Map, sink: &mut dyn FnMut(&[u8])) -> Result<(), SysError>;

    /// Bytes of a key, and of a value as it is passed here.
    fn map_sizes(&self, map: &Self::Map) -> (usize, usize);

    /// The number by which an instruction refers to the map.
    fn map_number(&self, map: &Self::Map) -> i32;

    /// `BPF_BTF_LOAD`
    ///
    /// # Errors
    /// [`SysError`] with what the kernel says.
    fn btf_load(&self, bytes: &[u8]) -> Result<Self::Btf, SysError>;

    /// `BPF_PROG_LOAD`
    ///
    /// # Errors
    /// [`SysError`]; with the verifier's log if one was asked for.
    fn prog_load(&self, def: &ProgLoad<'_, Self::Btf>) -> Result<Self::Prog, SysError>;

    /// `BPF_PROG_TEST_RUN`: one run on bytes instead of a packet, on the CPU of the calling thread.
    ///
    /// # Errors
    /// `EINVAL` for packets that the kernel does not take, `ENOTSUPP` where programs of the type
    /// cannot be run so.
    fn prog_test_run(
        &self,
        prog: &Self::Prog,
        input: &TestInput<'_>,
    ) -> Result<TestOutput, SysError>;
}

/// What a map is to be.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "fields are those of union bpf_attr")]
pub struct MapCreate<'a, M, B> {
    pub name: &'a str,
    pub map_type: MapType,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub flags: u32,
    pub numa_node: u32,
    pub map_extra: u64,
    /// A map like those to be put in, for maps of maps.
    pub inner: Option<&'a M>,
    /// Types, and the ids of key and value in them.
    pub btf: Option<(&'a B, u32, u32)>,
}

impl<'a, M, B> MapCreate<'a, M, B> {
    /// A map without flags and types.
    #[must_use]
    pub const fn new(
        name: &'a str,
        map_type: MapType,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> Self {
        Self {
            name,
            map_type,
            key_size,
            value_size,
            max_entries,
            flags: 0,
            numa_node: 0,
            map_extra: 0,
            inner: None,
            btf: None,
        }
    }
}

/// A program to be loaded.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "fields are those of union bpf_attr")]
pub struct ProgLoad<'a, B> {
    pub name: &'a str,
    pub prog_type: ProgType,
    pub insns: &'a [RawInsn],
    pub license: &'a str,
    /// `BPF_F_*` of program loading.
    pub flags: u32,
    pub attach_type: Option<AttachType>,
    /// Types, and the function types of the program in them.
    pub btf: Option<(&'a B, &'a [FuncInfo])>,
    /// How much the verifier is to write, as `log_level`; 0 for nothing.
    pub log_level: u32,
}

/// Where a function begins and its `FUNC` in the types. Source: `struct bpf_func_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of the kernel")]
pub struct FuncInfo {
    pub insn_off: u32,
    pub type_id: u32,
}

/// What a test run starts from.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestInput<'a> {
    /// The packet.
    pub data: &'a [u8],
    /// `struct __sk_buff` or `struct xdp_md`; empty for the kernel's choice.
    pub ctx: &'a [u8],
    /// Runs, which share the packet; 0 is 1.
    pub repeat: u32,
}

/// What a test run leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestOutput {
    /// Low half of r0.
    pub retval: u32,
    /// The packet.
    pub data: Vec<u8>,
    /// The context, as long as the one given.
    pub ctx: Vec<u8>,
    /// Time of one run, on average.
    pub duration: Duration,
}
