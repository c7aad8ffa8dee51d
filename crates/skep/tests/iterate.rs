//! Iterators and programs that are called.

use skep::{
    CallError, IterateError, LoadError, Options, Over, Packet, Runs, Session, Task, read_image,
};
use std::sync::Arc;

fn session(asm: &str) -> Result<Session, LoadError> {
    let image = read_image(asm.as_bytes(), "test.s").unwrap_or_else(|err| panic!("{asm}: {err}"));
    Session::load(&image.image, None, Options::default())
}

/// What an iterator over five numbers writes, read by read, and what ended it.
fn read(body: &str) -> (Vec<Vec<u8>>, Result<usize, IterateError>) {
    let text = format!(
        ".map five, array, key=4, value=8, entries=5\n\
         .section \"iter/bpf_map_elem\"\ngo:\n r6 = *(u64 *)(r1 + 16)\n r7 = *(u64 *)(r1 + 24)\n \
         r8 = *(u64 *)(r1 + 0)\n r9 = *(u64 *)(r8 + 16)\n r8 = *(u64 *)(r8 + 0)\n{body}\n"
    );
    let mut session = session(&text).unwrap();
    let mut reads = Vec::new();
    let ended = session.iterate(Some("five"), &mut |bytes| reads.push(bytes.to_vec()));
    (reads, ended)
}

/// Writes the key.
const WRITE_KEY: &str = " r1 = r8\n r2 = r6\n r3 = 4\n call 127\n";

#[test]
fn each_entry_is_shown_and_then_the_end() {
    let body = format!(
        " if r6 != 0 goto entry\n *(u64 *)(r10 - 8) = 0x2e\n r1 = r8\n r2 = r10\n r2 += -8\n r3 = 1\n \
         call 127\n r0 = 1\n exit\nentry:\n *(u64 *)(r7 + 0) = r9\n{WRITE_KEY} exit"
    );
    let (reads, ended) = read(&body);
    assert_eq!(ended.unwrap(), 5);
    let want: Vec<u8> = (0..5u32).flat_map(u32::to_le_bytes).chain([b'.']).collect();
    assert_eq!(reads, [want]);
}

/// Kernel: `bpf_seq_read`, which gives up a thing that does not fit what is left, and shows it again.
#[test]
fn what_does_not_fit_is_shown_again_after_a_read() {
    // 20,000 bytes each of 32,768.
    let body = " r0 = 0\n if r6 == 0 goto end\n r9 = 2500\nmore:\n r1 = r8\n r2 = r7\n r3 = 8\n call 127\n \
                r9 += -1\n if r9 != 0 goto more\n r0 = 0\nend:\n exit";
    let (reads, ended) = read(body);
    assert_eq!(ended.unwrap(), 5);
    assert_eq!(reads.iter().map(Vec::len).collect::<Vec<_>>(), [20_000; 5]);
    let (reads, ended) = read(&body.replace("2500", "4096"));
    assert!(matches!(ended, Err(IterateError::Read { errno }) if errno.name() == "E2BIG"));
    assert!(reads.is_empty());
}

#[test]
fn a_program_may_ask_for_the_same_thing_again() {
    // Each number once more if something is in the file.
    let again = format!(
        " r0 = 0\n if r6 == 0 goto end\n{WRITE_KEY} r0 = 0\n if r9 != 2 goto end\n r0 = 1\nend:\n exit"
    );
    let (reads, ended) = read(&again);
    let number =
        |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    assert_eq!(reads, [number(&[0, 1])]);
    assert!(matches!(ended, Err(IterateError::Read { errno }) if errno.name() == "EAGAIN"));
}

#[test]
fn maps_are_named_or_the_only_ones() {
    let text = ".map only, hash, key=4, value=8, entries=5\n.map ring, ringbuf, key=0, value=0, entries=4096\n\
                .section \"iter/bpf_map_elem\"\ngo:\n r0 = 0\n exit\n";
    let mut session = session(text).unwrap();
    assert_eq!(session.runs(), Runs::Items(Over::Entries));
    assert_eq!(session.iterate(None, &mut |_| {}).unwrap(), 0);
    for name in ["ring", "nothing"] {
        let err = session.iterate(Some(name), &mut |_| {}).unwrap_err();
        assert_eq!(err.to_string(), format!("no map `{name}` that go can go over; there are only"));
    }
}

#[test]
fn targets_that_a_process_does_not_have_are_refused_by_name() {
    for (target, why) in [
        ("iter/netlink", "only sockets of TCP and UDP can be described"),
        ("iter/bpf_link", "programs run here are attached by no links"),
        ("iter/nothing", "there is nothing of that name to go over"),
    ] {
        let text = format!(".section \"{target}\"\ngo:\n r0 = 0\n exit\n");
        let err = session(&text).err().unwrap();
        assert!(err.to_string().ends_with(why), "{err}");
    }
}

#[test]
fn threads_are_those_of_the_user_or_of_this_process() {
    let text = ".section \"iter/task\"\ngo:\n r0 = 0\n exit\n";
    let mut own = session(text).unwrap();
    assert!(own.iterate(None, &mut |_| {}).unwrap() >= 1);
    let mut given = session(text).unwrap();
    given.set_task(Task { tid: 1, pid: 1, ..Task::default() });
    given.set_tasks(vec![Task { tid: 9, pid: 1, ..Task::default() }]);
    assert_eq!(given.iterate(None, &mut |_| {}).unwrap(), 2);
}

#[test]
fn paths_of_open_files_are_told() {
    let object =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/iterators.o")).unwrap();
    let mut image = read_image(&object, "iterators.o").unwrap().image;
    let types = image.btf.clone().unwrap();
    let kernel = skep::Kernel { types: Some(&types), ..skep::Kernel::default() };
    skep::fit(&mut image, &kernel).unwrap();
    let mut session = Session::load(&image, Some("files"), Options::default()).unwrap();
    session.set_kernel_types(Arc::clone(&types));
    let held = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let mut text = Vec::new();
    session.iterate(None, &mut |bytes| text.extend_from_slice(bytes)).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.lines().any(|line| line.ends_with("/Cargo.toml")), "{text}");
    drop(held);
}

#[test]
fn calls_get_bytes_and_give_them_back() {
    let text = ".section \"syscall\"\ngo:\n r2 = *(u32 *)(r1 + 4)\n *(u32 *)(r1 + 0) = r2\n r0 = -3\n exit\n";
    let mut called = session(text).unwrap();
    assert_eq!((called.runs(), called.hook()), (Runs::Call, None));
    let mut ctx = [1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(called.call(&mut ctx).unwrap(), (-3i32).cast_unsigned());
    assert_eq!(ctx, [5, 6, 7, 8, 5, 6, 7, 8]);
    assert!(matches!(called.call(&mut ctx[..6]), Err(CallError::Fault(_))));
    assert!(matches!(called.call(&mut vec![0; 65_536]), Err(CallError::TooLong { len: 65_536 })));
    assert!(called.call(&mut vec![0; 65_535]).is_ok());
    assert!(called.run(&mut Packet::new()).unwrap_err().to_string().contains("a packet"));
    assert!(matches!(called.iterate(None, &mut |_| {}), Err(IterateError::NoIterator { .. })));
    let mut xdp = session(".section \"xdp\"\ngo:\n r0 = 2\n exit\n").unwrap();
    assert!(matches!(xdp.call(&mut []), Err(CallError::NotCalled { .. })));
}
