//! Tasks and cgroups that the user describes.

use super::{packet, run, session};
use skep::{Network, Session, Socket, Task, Transport};
use skep_btf::{Btf, Builder, Def, Int, Member};
use std::sync::Arc;

const MAPS: &str = ".map groups, cgrp_storage, key=4, value=8, entries=0, flags=1\n\
    .map tasks, task_storage, key=4, value=8, entries=0, flags=1\n";

fn with(text: &str) -> Session {
    let mut session = session(&format!("{MAPS}.section \"tc\"\np:\n {text}\n exit\n"));
    let task = |tid, cgroups: &[u64]| Task { tid, cgroups: cgroups.to_vec(), ..Task::default() };
    session.set_task(Task { pid: 30, comm: b"worker".to_vec(), ..task(31, &[1, 20, 21]) });
    session.set_tasks(vec![task(40, &[1, 50])]);
    let mut socket = Socket::new(Transport::Tcp, "10.0.0.2:80".parse().unwrap(), None);
    socket.cgroups = vec![1, 60];
    session.set_network(Network { sockets: vec![socket], ..Network::default() });
    session
}

#[track_caller]
fn code(text: &str) -> i64 {
    i64::from(run(&mut with(text), &mut packet()).verdict.code.cast_signed())
}

#[track_caller]
fn fault(text: &str) -> String {
    with(text).run(&mut packet()).unwrap_err().to_string()
}

#[test]
fn a_cgroup_is_found_by_its_number_and_has_ancestors() {
    let found = |id: u64| {
        code(&format!("r1 = {id}\n call @bpf_cgroup_from_id\n if r0 == 0 goto +1\n r0 = 1"))
    };
    assert_eq!([1, 20, 21, 50, 60, 61].map(found), [1, 1, 1, 1, 1, 0]);
    let same = |id: u64, level: i32, other: u64| {
        code(&format!(
            "r1 = {id}\n call @bpf_cgroup_from_id\n r1 = r0\n r2 = {level}\n \
             call @bpf_cgroup_ancestor\n r6 = r0\n r1 = {other}\n call @bpf_cgroup_from_id\n \
             if r0 == r6 goto +2\n r0 = 0\n exit\n r0 = 1"
        ))
    };
    assert_eq!((same(21, 1, 20), same(21, 0, 1), same(50, 0, 1), same(21, 3, 99)), (1, 1, 1, 1));
    assert_eq!((same(21, 1, 1), same(21, 1, 99)), (0, 0));
}

#[test]
fn a_task_is_in_its_cgroups() {
    let under = |tid: u32, id: u64| {
        code(&format!(
            "r1 = {id}\n call @bpf_cgroup_from_id\n r6 = r0\n r1 = {tid}\n \
             call @bpf_task_from_pid\n if r0 == 0 goto out\n r1 = r0\n r2 = r6\n \
             call @bpf_task_under_cgroup\n out:"
        ))
    };
    assert_eq!(
        [under(31, 20), under(31, 50), under(40, 50), under(40, 1), under(9, 1)],
        [1, 0, 1, 1, 0]
    );
    let wrong = fault("r1 = r10\n r2 = r10\n call @bpf_task_under_cgroup");
    assert!(wrong.contains("argument 1 must be a task"), "{wrong}");
}

#[test]
fn values_are_stored_with_cgroups_and_tasks() {
    let text = |map: &str, kind: &str, find: &str| {
        format!(
            "{find}\n r6 = r0\n r1 = {map} ll\n r2 = r6\n r3 = 0\n r4 = 1\n \
             call bpf_{kind}_storage_get\n if r0 == 0 goto out\n r1 = *(u64 *)(r0 + 0)\n r1 += 1\n \
             *(u64 *)(r0 + 0) = r1\n r0 = r1\n out:"
        )
    };
    for (map, kind, find) in [
        ("groups", "cgrp", "r1 = 50\n call @bpf_cgroup_from_id"),
        ("tasks", "task", "r1 = 40\n call @bpf_task_from_pid"),
        ("tasks", "task", "call bpf_get_current_task_btf"),
    ] {
        let mut session = with(&text(map, kind, find));
        for want in 1..4 {
            assert_eq!(run(&mut session, &mut packet()).verdict.code, want, "{find}");
        }
    }
    let wrong = fault(&text("tasks", "cgrp", "r1 = 50\n call @bpf_cgroup_from_id"));
    assert!(wrong.contains("argument 1 must be a map of cgroup storage"), "{wrong}");
    let wrong = fault(&text("tasks", "task", "r1 = 50\n call @bpf_cgroup_from_id"));
    assert!(wrong.contains("argument 2 must be a task"), "{wrong}");
}

/// `struct task_struct { int pid; int tgid; char comm[16]; }`, `struct cgroup { int level; }` as BTF.
fn types() -> Btf {
    let text: &[u8] = b"\0int\0char\0task_struct\0pid\0tgid\0comm\0cgroup\0level\0";
    let at = |name: &[u8]| {
        let found = text
            .windows(name.len() + 1)
            .position(|w| w[..name.len()] == *name && w[name.len()] == 0);
        u32::try_from(found.unwrap()).unwrap()
    };
    let kind = |kind: u32, vlen: u32| kind << 24 | vlen;
    #[rustfmt::skip]
    let words = [
        at(b"int"), kind(1, 0), 4, 1 << 24 | 32,
        at(b"char"), kind(1, 0), 1, 1 << 24 | 8,
        0, kind(3, 0), 0, 2, 1, 16,
        at(b"task_struct"), kind(4, 3), 24,
        at(b"pid"), 1, 0, at(b"tgid"), 1, 32, at(b"comm"), 3, 64,
        at(b"cgroup"), kind(4, 1), 4, at(b"level"), 1, 0,
    ];
    let types: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let (types_len, text_len) =
        (u32::try_from(types.len()).unwrap(), u32::try_from(text.len()).unwrap());
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    bytes.extend(
        [24, 0, types_len, types_len, text_len].iter().flat_map(|word: &u32| word.to_le_bytes()),
    );
    bytes.extend(types);
    bytes.extend(text);
    Btf::parse(&bytes).unwrap()
}

#[test]
fn objects_are_read_as_the_types_of_the_kernel_say() {
    let read = |text: &str| {
        let mut session = with(text);
        session.set_kernel_types(Arc::new(types()));
        session
            .run(&mut packet())
            .map(|outcome| outcome.verdict.code)
            .map_err(|err| err.to_string())
    };
    let current = |load: &str| read(&format!("call bpf_get_current_task_btf\n {load}"));
    assert_eq!(current("r0 = *(u32 *)(r0 + 0)"), Ok(31));
    assert_eq!(current("r0 = *(u32 *)(r0 + 4)"), Ok(30));
    assert_eq!(current("r0 = *(u32 *)(r0 + 8)"), Ok(u32::from_le_bytes(*b"work")));
    let group = "r1 = 21\n call @bpf_cgroup_from_id\n r0 = *(u32 *)(r0 + 0)";
    assert_eq!(read(group), Ok(2));
    let beyond = current("r0 = *(u64 *)(r0 + 20)").unwrap_err();
    assert!(beyond.contains("byte 20 of task, which has 24"), "{beyond}");
    let write = current("r1 = 1\n *(u32 *)(r0 + 0) = r1").unwrap_err();
    assert!(write.contains("task is read-only"), "{write}");
}

#[test]
fn a_reference_ends_when_it_is_released() {
    let twice = "r1 = 50\n call @bpf_cgroup_from_id\n r6 = r0\n r1 = r6\n call @bpf_cgroup_release\n \
                 r1 = r6\n call @bpf_cgroup_release";
    assert!(fault(twice).contains("argument 1 must be a cgroup"));
    let drop = "r1 = 50\n call @bpf_cgroup_from_id\n r1 = r0\n r2 = 0\n call @bpf_obj_drop_impl";
    assert!(fault(drop).contains("argument 1 must be an object"));
}

#[test]
fn functions_for_other_programs_are_refused() {
    let image = super::image(".section \"xdp\"\np:\n call @bpf_cpumask_create\n exit\n");
    let err = Session::load(&image, None, skep::Options::default()).err().unwrap();
    assert_eq!(err.to_string(), "p, insn 0: programs of type xdp may not call bpf_cpumask_create");
}

/// How many tasks an iterator gives for the flags, with the task in r2.
fn tasks(find: &str, flags: u32) -> i64 {
    code(&format!(
        "{find}\n r7 = r0\n r6 = r10\n r6 += -24\n r8 = 0\n r1 = r6\n r2 = r7\n r3 = {flags}\n \
         call @bpf_iter_task_new\n if r0 == 0 goto next\n r8 = r0\n next: r1 = r6\n \
         call @bpf_iter_task_next\n if r0 == 0 goto out\n r8 += 1\n goto next\n out: r1 = r6\n \
         call @bpf_iter_task_destroy\n r0 = r8"
    ))
}

#[test]
fn tasks_are_gone_through() {
    let current = "call bpf_get_current_task_btf";
    // Thread 31 is of process 30, and thread 40 of process 0.
    assert_eq!(tasks("r0 = 0", 1), 2);
    assert_eq!(tasks("r0 = 0", 0), 0);
    assert_eq!(tasks(current, 2), 1);
    assert_eq!(tasks("r0 = 0", 2), -22);
    assert_eq!(tasks("r0 = 0", 3), -22);
}

#[test]
fn values_are_printed_by_the_kernels_types() {
    let mut builder = Builder::new();
    let int = Int { size: 4, bits: 32, bit_off: 0, signed: true, char: false, bool: false };
    let int = builder.add("int", Def::Int(int)).unwrap();
    let member = |name, bit_off| Member { name, ty: int, bit_off, bitfield: None };
    let members = [member("a", 0), member("b", 32)];
    builder.add("pair", Def::Struct { size: 8, members: &members }).unwrap();
    let types = Arc::new(builder.finish().unwrap());
    let print = |id: u32, size: u32, flags: u32, then: &str, with_types: bool| {
        let mut session = with(&format!(
            "r1 = 7\n *(u64 *)(r10 - 8) = r1\n r1 = r10\n r1 += -8\n *(u64 *)(r10 - 24) = r1\n \
             r1 = {id}\n *(u64 *)(r10 - 16) = r1\n r6 = r10\n r6 += -64\n r1 = r6\n r2 = {size}\n \
             r3 = r10\n r3 += -24\n r4 = 16\n r5 = {flags}\n call bpf_snprintf_btf\n {then}"
        ));
        if with_types {
            session.set_kernel_types(types.clone());
        }
        i64::from(run(&mut session, &mut packet()).verdict.code.cast_signed())
    };
    // (struct pair){.a = (int)7,}
    assert_eq!(print(2, 32, 1, "", true), 27);
    assert_eq!(print(2, 8, 1, "", true), 27);
    let word = i64::from(i32::from_le_bytes(*b"(str"));
    assert_eq!(print(2, 32, 1, "r0 = *(u32 *)(r6 + 0)", true), word);
    assert_eq!(print(2, 4, 1, "r0 = *(u8 *)(r6 + 3)", true), 0);
    // (struct pair){ .a = (int)7, .b = (int)0, } with newlines, then names and types left out.
    assert_eq!(print(2, 32, 8, "", true), 45);
    assert_eq!(print(2, 32, 3, "", true), 4);
    assert_eq!(print(3, 32, 0, "", true), -2);
    assert_eq!(print(0, 32, 0, "", true), -22);
    assert_eq!(print(2, 32, 16, "", true), -22);
    assert_eq!(print(2, 32, 0, "", false), -22);
}

#[test]
fn arrays_of_cgroups_have_those_of_the_task() {
    let under = |index: u32| {
        let put = |index: u32, id: u32| {
            format!(
                "r1 = {index}\n *(u32 *)(r10 - 4) = r1\n r1 = {id}\n *(u32 *)(r10 - 8) = r1\n \
                 r1 = known ll\n r2 = r10\n r2 += -4\n r3 = r10\n r3 += -8\n r4 = 0\n \
                 call bpf_map_update_elem\n"
            )
        };
        let text = format!(
            ".map known, cgroup_array, key=4, value=4, entries=4\n.section \"tc\"\np:\n {}{} \
             r1 = known ll\n r2 = {index}\n call bpf_current_task_under_cgroup\n exit\n",
            put(0, 20),
            put(1, 50)
        );
        let mut session = session(&text);
        session.set_task(Task { tid: 31, cgroups: vec![1, 20, 21], ..Task::default() });
        i64::from(run(&mut session, &mut packet()).verdict.code.cast_signed())
    };
    assert_eq!([under(0), under(1), under(2), under(4)], [1, 0, -11, -7]);
}
