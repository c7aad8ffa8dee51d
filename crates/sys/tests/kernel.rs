//! The running kernel, where it lets this process use bpf(2).

use skep_abi::{AttachType, Errno, MapType, ProgType};
use skep_isa::RawInsn;
use skep_sys::{
    Bpf, Cmd, FuncInfo, Kernel, MapCreate, ProgLoad, SysError, TestInput, possible_cpus,
};

/// Whether there is a kernel to ask; says so if not.
fn kernel() -> bool {
    match Kernel.map_create(&MapCreate::new("probe", MapType::Array, 4, 8, 1)) {
        Ok(_) => true,
        Err(err) => {
            let required = std::env::var_os("SKEP_REQUIRE_KERNEL").is_some_and(|v| v == "1");
            assert!(!required, "SKEP_REQUIRE_KERNEL is set, and the kernel cannot be asked: {err}");
            eprintln!("skipped: {err}");
            false
        }
    }
}

const MOV: u8 = 0xb7;
const EXIT: RawInsn = RawInsn { code: 0x95, regs: 0, off: 0, imm: 0 };

fn ret(imm: i32) -> [RawInsn; 2] {
    [RawInsn::new(MOV, 0, 0, 0, imm), EXIT]
}

fn def<'a, B>(insns: &'a [RawInsn], license: &'a str) -> ProgLoad<'a, B> {
    ProgLoad {
        name: "test",
        prog_type: ProgType::Xdp,
        insns,
        license,
        flags: 0,
        attach_type: None,
        btf: None,
        log_level: 0,
    }
}

fn errno<T>(result: Result<T, SysError>) -> Option<(Cmd, Errno)> {
    result.err().map(|err| (err.op, err.errno))
}

#[test]
fn a_map_from_making_to_freezing() {
    if !kernel() {
        return;
    }
    let map = Kernel.map_create(&MapCreate::new("words", MapType::Hash, 4, 8, 2)).unwrap();
    assert_eq!(Kernel.map_sizes(&map), (4, 8));
    let (a, b, mut value, mut key) = ([1; 4], [2; 4], [0; 8], [0; 4]);
    let none = (Cmd::MapLookupElem, Errno::ENOENT);
    assert_eq!(errno(Kernel.map_lookup(&map, &a, &mut value)), Some(none));
    Kernel.map_update(&map, &a, &[7; 8], 0).unwrap();
    Kernel.map_update(&map, &b, &[8; 8], 1).unwrap();
    let again = Kernel.map_update(&map, &b, &[8; 8], 1);
    assert_eq!(errno(again), Some((Cmd::MapUpdateElem, Errno::EEXIST)));
    Kernel.map_lookup(&map, &a, &mut value).unwrap();
    assert_eq!(value, [7; 8]);
    Kernel.map_take(&map, &b, &mut value).unwrap();
    assert_eq!(value, [8; 8]);
    Kernel.map_next_key(&map, None, &mut key).unwrap();
    assert_eq!(key, a);
    let last = Kernel.map_next_key(&map, Some(&a), &mut key);
    assert_eq!(errno(last), Some((Cmd::MapGetNextKey, Errno::ENOENT)));
    Kernel.map_delete(&map, &a).unwrap();
    let empty = Kernel.map_delete(&map, &a);
    assert_eq!(errno(empty), Some((Cmd::MapDeleteElem, Errno::ENOENT)));
    Kernel.map_freeze(&map).unwrap();
    let frozen = Kernel.map_update(&map, &a, &[7; 8], 0).unwrap_err();
    assert_eq!(frozen.errno, Errno::EPERM);
}

/// The kernel would write beyond a buffer that is too short; it is not asked.
#[test]
fn other_sizes_than_the_map_s_are_refused() {
    if !kernel() {
        return;
    }
    let map = Kernel.map_create(&MapCreate::new("pairs", MapType::PercpuArray, 4, 12, 1)).unwrap();
    let cpus = possible_cpus().unwrap() as usize;
    assert_eq!(Kernel.map_sizes(&map), (4, 16 * cpus));
    let invalid = Some(Errno::EINVAL);
    for (key, value) in [(3, 16 * cpus), (5, 16 * cpus), (4, 12), (4, 16 * cpus - 1), (0, 0)] {
        let (key, mut value) = (vec![0; key], vec![0; value]);
        let lookup = Kernel.map_lookup(&map, &key, &mut value).err().map(|err| err.errno);
        let update = Kernel.map_update(&map, &key, &value, 0).err().map(|err| err.errno);
        assert_eq!((lookup, update), (invalid, invalid), "{} and {}", key.len(), value.len());
    }
    let mut value = vec![1; 16 * cpus];
    Kernel.map_lookup(&map, &[0; 4], &mut value).unwrap();
    assert!(value.iter().all(|&byte| byte == 0));
}

#[test]
fn a_program_is_run_on_a_packet() {
    if !kernel() {
        return;
    }
    let prog = Kernel.prog_load(&def(&ret(2), "GPL")).unwrap();
    let data: Vec<u8> = (0..60).collect();
    let output =
        Kernel.prog_test_run(&prog, &TestInput { data: &data, ctx: &[], repeat: 3 }).unwrap();
    assert_eq!((output.retval, &output.data), (2, &data));
    let short = Kernel.prog_test_run(&prog, &TestInput { data: &data[..13], ctx: &[], repeat: 1 });
    assert_eq!(errno(short), Some((Cmd::ProgTestRun, Errno::EINVAL)));
}

#[test]
fn a_context_goes_in_and_comes_out() {
    if !kernel() {
        return;
    }
    // r0 = ctx->mark; ctx->mark = 9
    let insns = [RawInsn::new(0x61, 0, 1, 8, 0), RawInsn::new(0x62, 1, 0, 8, 9), EXIT];
    let def = ProgLoad { prog_type: ProgType::SchedCls, ..def(&insns, "GPL") };
    let prog = Kernel.prog_load(&def).unwrap();
    let mut ctx = [0; 192];
    ctx[8] = 5;
    let input = TestInput { data: &[0; 60], ctx: &ctx, repeat: 1 };
    let output = Kernel.prog_test_run(&prog, &input).unwrap();
    assert_eq!((output.retval, output.ctx[8], output.ctx.len()), (5, 9, 192));
}

#[test]
fn a_refused_program_comes_with_the_log_if_asked() {
    if !kernel() {
        return;
    }
    let insns = [EXIT];
    let silent = Kernel.prog_load(&def(&insns, "GPL")).unwrap_err();
    assert_eq!((silent.errno, &silent.log[..]), (Errno::EACCES, ""));
    let err = Kernel.prog_load(&ProgLoad { log_level: 1, ..def(&insns, "GPL") }).unwrap_err();
    assert!(err.log.contains("R0 !read_ok"), "{}", err.log);
    assert_eq!(err.to_string(), "BPF_PROG_LOAD: permission denied (EACCES)");
    let nul = Kernel.prog_load(&def(&ret(0), "G\0PL")).unwrap_err();
    assert_eq!(nul.errno, Errno::EINVAL);
}

#[test]
fn an_attach_type_is_passed_on() {
    if !kernel() {
        return;
    }
    let insns = ret(1);
    let egress = ProgLoad {
        prog_type: ProgType::CgroupSkb,
        attach_type: Some(AttachType::CgroupInetEgress),
        ..def(&insns, "GPL")
    };
    Kernel.prog_load(&egress).unwrap();
    let wrong = ProgLoad { attach_type: Some(AttachType::CgroupInet4Connect), ..egress };
    assert_eq!(errno(Kernel.prog_load(&wrong)), Some((Cmd::ProgLoad, Errno::EINVAL)));
}

#[test]
fn types_are_loaded_and_used() {
    if !kernel() {
        return;
    }
    // int; int (void); f: such a function
    let types = [1u32, 1 << 24, 4, 1 << 24 | 32, 0, 13 << 24, 1, 5, 12 << 24, 2];
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    for word in [24, 0, 40, 40, 7].iter().chain(&types) {
        bytes.extend(u32::to_le_bytes(*word));
    }
    bytes.extend(b"\0int\0f\0");
    let btf = Kernel.btf_load(&bytes).unwrap();
    let funcs = [FuncInfo { insn_off: 0, type_id: 3 }];
    let insns = ret(0);
    Kernel.prog_load(&ProgLoad { btf: Some((&btf, &funcs)), ..def(&insns, "GPL") }).unwrap();
    let broken = [FuncInfo { insn_off: 0, type_id: 1 }];
    let refused = Kernel.prog_load(&ProgLoad { btf: Some((&btf, &broken)), ..def(&insns, "GPL") });
    assert_eq!(errno(refused), Some((Cmd::ProgLoad, Errno::EINVAL)));
    assert_eq!(errno(Kernel.btf_load(&[0; 24])), Some((Cmd::BtfLoad, Errno::EINVAL)));
}
