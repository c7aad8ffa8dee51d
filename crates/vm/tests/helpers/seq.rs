//! The file that an iterator's program writes to.

use super::{World, load, prog};
use skep_vm::{Input, MEM, SeqFile, Vm, address, cells};

/// What stands for the file in the context.
const FILE: u64 = 0x5e9;

/// What the program returns, and what is in the file then.
fn written(text: &str, room: usize, texts: &str) -> (i64, Vec<u8>) {
    let machine = load(&prog(text)).unwrap_or_else(|err| panic!("{text}: {err}"));
    let mut mem = texts.as_bytes().to_vec();
    let args = [address(MEM, 0), 0, 0, 0, 0];
    let mut world = World::new();
    world.file = Some((FILE, SeqFile::new(room)));
    let input = Input { args, mem: cells(&mut mem), ..Input::default() };
    let output = Vm::new().run(&machine, 0, &mut world, input);
    let r0 = output.result.unwrap_or_else(|fault| panic!("{text}: {fault}")).cast_signed();
    let (_, mut file) = world.file.unwrap();
    (r0, file.take().unwrap_or_default())
}

#[test]
fn bytes_are_written_as_far_as_there_is_room() {
    let write = |len| format!("r2 = r1\n r1 = {FILE}\n r3 = {len}\n call 127\n exit");
    assert_eq!(written(&write(5), 64, "hello"), (0, b"hello".to_vec()));
    assert_eq!(written(&write(5), 6, "hello"), (0, b"hello".to_vec()));
    assert_eq!(written(&write(5), 5, "hello"), (-75, vec![]));
}

#[test]
fn numbers_are_written_as_text() {
    let text = format!(
        "*(u64 *)(r10 - 8) = 77\n r2 = r1\n r1 = {FILE}\n r3 = 6\n r4 = r10\n r4 += -8\n r5 = 8\n \
         call 126\n exit"
    );
    assert_eq!(written(&text, 64, "<%lu>\0"), (0, b"<77>".to_vec()));
    assert_eq!(written(&text, 4, "<%lu>\0"), (-75, vec![]));
    assert_eq!(written(&text, 64, "<%q>\0\0"), (-22, vec![]));
}

#[test]
fn only_the_file_is_written() {
    let text = prog("r2 = r1\n r1 = 9\n r3 = 1\n call 127\n exit");
    let machine = load(&text).unwrap();
    let mut mem = vec![0; 8];
    let args = [address(MEM, 0), 0, 0, 0, 0];
    let input = Input { args, mem: cells(&mut mem), ..Input::default() };
    let fault = Vm::new().run(&machine, 0, &mut World::new(), input).result.unwrap_err();
    assert!(fault.to_string().contains("the file that is read"), "{fault}");
}
