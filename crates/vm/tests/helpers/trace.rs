//! The function that a tracing program is attached to.

use super::{World, load, prog, r0};
use skep_vm::{Input, Traced, Vm};

fn traced(text: &str) -> i64 {
    let mut world = World::new();
    world.traced = Some(Traced { args: vec![3, 4], ret: Some(9), ip: 0xf00, cookie: 77 });
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
