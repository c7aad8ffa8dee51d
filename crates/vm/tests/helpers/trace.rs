//! The function that a tracing program is attached to.

use super::{World, load, prog, r0};
use skep_vm::{Input, Traced, Vm};

fn traced(text: &str) -> i64 {
    let mut world = World::new();
    world.traced =
        Some(Traced { args: vec![3, 4], ret: Some(9), ip: 0xf00, cookie: 77, ..Traced::default() });
    let output = Vm::new().run(&load(&prog(text)).unwrap(), 0, &mut world, Input::default());
    output.result.unwrap().cast_signed()
}

/// What the helper puts at the address in register `to`, for argument 2.
fn fetch(helper: &str, arg: u32, to: u32) -> String {
    format!(
        "r2 = {arg}\n r{to} = r10\n r{to} += -8\n call {helper}\n if r0 != 0 goto +1\n \
         r0 = *(u64 *)(r10 - 8)\n exit"
    )
}

#[test]
fn arguments_and_result_of_the_call() {
    let cases = [
        (fetch("bpf_get_func_arg", 0, 3), 3, -22),
        (fetch("bpf_get_func_arg", 1, 3), 4, -22),
        (fetch("bpf_get_func_arg", 2, 3), -22, -22),
        (fetch("bpf_get_func_ret", 0, 2), 9, -95),
        ("call bpf_get_func_arg_cnt\n exit".into(), 2, 0),
        ("call bpf_get_func_ip\n exit".into(), 0xf00, 0),
        ("call bpf_get_attach_cookie\n exit".into(), 77, 0),
    ];
    for (text, want, untraced) in cases {
        assert_eq!(traced(&text), want, "{text}");
        assert_eq!(r0(&text, &mut []), untraced, "{text}");
    }
}

/// The result of a helper that fills 32 bytes of the stack, and the first, second and fourth word there.
fn stack(flags: u64, size: u32) -> [i64; 4] {
    let seen = |rest: &str| {
        let text = format!(
            "r6 = r10\n r6 += -32\n r1 = -1\n *(u64 *)(r6 + 0) = r1\n *(u64 *)(r6 + 8) = r1\n \
             *(u64 *)(r6 + 16) = r1\n *(u64 *)(r6 + 24) = r1\n r2 = r6\n r3 = {size}\n \
             r4 = {flags}\n call bpf_get_stack\n {rest}\n exit"
        );
        let mut world = World::new();
        world.traced = Some(Traced {
            stack: vec![0x10, 0x20, 0x30],
            user_stack: vec![0x40, 0x50],
            ..Traced::default()
        });
        let output = Vm::new().run(&load(&prog(&text)).unwrap(), 0, &mut world, Input::default());
        output.result.unwrap().cast_signed()
    };
    let word = |at: u32| seen(&format!("r0 = *(u64 *)(r6 + {at})"));
    [seen(""), word(0), word(8), word(24)]
}

#[test]
fn stacks_are_those_of_the_call() {
    const USER: u64 = 1 << 8;
    const BUILD_ID: u64 = 1 << 11;
    assert_eq!(stack(0, 32), [24, 0x10, 0x20, 0]);
    assert_eq!(stack(1, 32), [16, 0x20, 0x30, 0]);
    assert_eq!(stack(0, 16), [16, 0x10, 0x20, -1]);
    assert_eq!(stack(3, 32), [0, 0, 0, 0]);
    assert_eq!(stack(4, 32), [-14, 0, 0, 0]);
    assert_eq!(stack(USER | 1, 32), [8, 0x50, 0, 0]);
    assert_eq!(stack(USER | BUILD_ID, 32), [32, 2, 0, 0x40]);
    assert_eq!(stack(BUILD_ID, 32), [-22, 0, 0, 0]);
    // The first twelve bytes are cleared.
    assert_eq!(stack(0, 12), [-22, 0, -1 << 32, -1]);
    assert_eq!(stack(1 << 20, 32), [-22, 0, 0, 0]);
}
