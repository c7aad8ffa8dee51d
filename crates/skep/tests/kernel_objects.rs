//! Objects of the kernel that are not there read as zero in every engine. Needs a host that there is a back end for.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use skep::{
    CheckOptions, CodeOptions, Engine, Options, Packet, PacketMeta, Release, Session, read_image,
};
use skep_btf::{Btf, Builder, Def, Int, Member};
use skep_vm::Task;
use std::sync::Arc;

/// `struct mm_struct { u64 total_vm; }; struct task_struct { u32 pid; u32 tgid; struct mm_struct *mm; }`
fn types() -> Btf {
    let mut builder = Builder::new();
    let int = |size, bits| Int { size, bits, bit_off: 0, signed: false, char: false, bool: false };
    let word = builder.add("u32", Def::Int(int(4, 32))).unwrap();
    let long = builder.add("u64", Def::Int(int(8, 64))).unwrap();
    let member = |name, ty, bit_off| Member { name, ty, bit_off, bitfield: None };
    let members = [member("total_vm", long, 0)];
    let mm = builder.add("mm_struct", Def::Struct { size: 8, members: &members }).unwrap();
    let mm = builder.add("", Def::Ptr(mm)).unwrap();
    let members = [member("pid", word, 0), member("tgid", word, 32), member("mm", mm, 64)];
    builder.add("task_struct", Def::Struct { size: 16, members: &members }).unwrap();
    builder.finish().unwrap()
}

#[test]
fn loads_through_pointers_that_lead_nowhere_give_zero() {
    let types = Arc::new(types());
    let release = Release { major: 6, minor: 18 };
    let options = CheckOptions { types: Some(Arc::clone(&types)), ..CheckOptions::new(release) };
    for section in ["tc", "xdp", "cgroup_skb/egress"] {
        let text = format!(
            ".license \"GPL\"\n.section \"{section}\"\nrun:\n call bpf_get_current_task_btf\n \
             r6 = r0\n r1 = *(u64 *)(r6 + 8)\n r1 = *(u64 *)(r1 + 0)\n r0 = *(u32 *)(r6 + 0)\n \
             r0 += r1\n r0 &= 1\n exit\n"
        );
        let image = read_image(text.as_bytes(), "test.s").unwrap().image;
        for (engine, code) in
            [(Engine::Interp, CodeOptions::default()), (Engine::Checked, CodeOptions::default())]
        {
            let mut session = Session::load(&image, Some("run"), Options::default()).unwrap();
            session.set_kernel_types(Arc::clone(&types));
            session.set_task(Task { tid: 3, pid: 2, ..Task::default() });
            match engine {
                Engine::Checked => {
                    session.verify(&options).unwrap();
                    session.compile_checked(code).unwrap();
                }
                _ => session.verify(&options).unwrap(),
            }
            assert_eq!(session.engine(), engine);
            let mut packet = Packet::new();
            packet.reset(&[0; 64], PacketMeta::default());
            let code = session.run(&mut packet).unwrap().verdict.code;
            assert_eq!(code, 1, "{section} by {}", engine.name());
        }
    }
}

/// An object's address is none of the host, which a helper that takes memory would read.
#[test]
fn objects_are_no_memory_of_the_host() {
    let types = Arc::new(types());
    let release = Release { major: 6, minor: 18 };
    let options = CheckOptions { types: Some(Arc::clone(&types)), ..CheckOptions::new(release) };
    let text = ".license \"GPL\"\n.rodata texts\nabc: .asciz \"abcdefg\"\n.section \"xdp\"\nrun:\n \
                call bpf_get_current_task_btf\n r1 = r0\n r2 = 1\n r3 = abc ll\n call bpf_strncmp\n \
                r0 = 2\n exit\n";
    let image = read_image(text.as_bytes(), "test.s").unwrap().image;
    for engine in [Engine::Interp, Engine::Checked] {
        let mut session = Session::load(&image, Some("run"), Options::default()).unwrap();
        session.set_kernel_types(Arc::clone(&types));
        assert!(session.compile(&options).is_err());
        if engine == Engine::Checked {
            session.compile_checked(CodeOptions::default()).unwrap();
        }
        assert_eq!(session.engine(), engine);
        let mut packet = Packet::new();
        packet.reset(&[0; 64], PacketMeta::default());
        assert_eq!(session.run(&mut packet).unwrap().verdict.code, 2);
    }
}

/// What compilation has learnt holds for whatever runs the program, if that is refused.
#[test]
fn a_program_that_is_not_compiled_reads_zero_as_well() {
    let types = Arc::new(types());
    let release = Release { major: 6, minor: 18 };
    let options = CheckOptions { types: Some(Arc::clone(&types)), ..CheckOptions::new(release) };
    let text = ".license \"GPL\"\n.map tasks, task_storage, key=4, value=8, flags=1\n\
                .section \"tc\"\nrun:\n call bpf_get_current_task_btf\n r6 = r0\n r2 = r0\n \
                r1 = tasks ll\n r3 = 0\n r4 = 0\n call bpf_task_storage_get\n \
                r1 = *(u64 *)(r6 + 8)\n r0 = *(u64 *)(r1 + 0)\n exit\n";
    let image = read_image(text.as_bytes(), "test.s").unwrap().image;
    let mut session = Session::load(&image, Some("run"), Options::default()).unwrap();
    session.set_kernel_types(Arc::clone(&types));
    assert!(session.compile(&options).is_err());
    for engine in [Engine::Interp, Engine::Checked] {
        if engine == Engine::Checked {
            session.compile_checked(CodeOptions::default()).unwrap();
        }
        assert_eq!(session.engine(), engine);
        let mut packet = Packet::new();
        packet.reset(&[0; 64], PacketMeta::default());
        assert_eq!(session.run(&mut packet).unwrap().verdict.code, 0);
    }
}
