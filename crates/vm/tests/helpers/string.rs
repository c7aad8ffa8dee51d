//! Kernel functions on texts.

use super::r0;

/// The result of `name(a, b, c)`; texts are in memory one after the other, numbers go as they are.
#[track_caller]
fn call(name: &str, args: &[Arg<'_>]) -> i64 {
    let mut mem = Vec::new();
    let mut asm = String::from("r6 = r1\n ");
    for (n, arg) in args.iter().enumerate() {
        match arg {
            Arg::Text(text) => {
                asm.push_str(&format!("r{} = r6\n r{} += {}\n ", n + 1, n + 1, mem.len()));
                mem.extend(text.bytes().chain([0]));
            }
            Arg::Number(number) => asm.push_str(&format!("r{} = {number}\n ", n + 1)),
        }
    }
    asm.push_str(&format!("call @{name}\n exit"));
    r0(&asm, &mut mem)
}

enum Arg<'a> {
    Text(&'a str),
    Number(i32),
}
use Arg::{Number as N, Text as T};

#[test]
fn positions_and_comparisons() {
    let long = "x".repeat(65_536);
    let almost = "x".repeat(65_535);
    #[rustfmt::skip]
    let cases: &[(&str, &[Arg<'_>], i64)] = &[
        ("bpf_strlen", &[T("")], 0),
        ("bpf_strlen", &[T("abc")], 3),
        ("bpf_strlen", &[T(&almost)], 65_535),
        ("bpf_strlen", &[T(&long)], -7),
        ("bpf_strlen", &[N(1)], -34),
        ("bpf_strlen", &[N(-1)], -14),
        ("bpf_strnlen", &[T("abc"), N(2)], 2),
        ("bpf_strnlen", &[T("abc"), N(9)], 3),
        ("bpf_strcmp", &[T("abc"), T("abc")], 0),
        ("bpf_strcmp", &[T("abc"), T("abd")], -1),
        ("bpf_strcmp", &[T("b"), T("abd")], 1),
        ("bpf_strcmp", &[T("ab"), T("abd")], -1),
        ("bpf_strcmp", &[T("ab"), N(1)], -34),
        ("bpf_strcmp", &[T(&long), T(&long)], -7),
        ("bpf_strcmp", &[T(&long), T("y")], -1),
        ("bpf_strcasecmp", &[T("aBc"), T("AbC")], 0),
        ("bpf_strcasecmp", &[T("aBc"), T("AbD")], -1),
        ("bpf_strchr", &[T("abcb"), N(98)], 1),
        ("bpf_strchr", &[T("abcb"), N(0)], 4),
        ("bpf_strchr", &[T("abcb"), N(120)], -2),
        ("bpf_strnchr", &[T("abcb"), N(2), N(99)], -2),
        ("bpf_strnchr", &[T("abcb"), N(3), N(99)], 2),
        ("bpf_strchrnul", &[T("abcb"), N(120)], 4),
        ("bpf_strchrnul", &[T("abcb"), N(99)], 2),
        ("bpf_strrchr", &[T("abcb"), N(98)], 3),
        ("bpf_strrchr", &[T("abcb"), N(0)], 4),
        ("bpf_strrchr", &[T("abcb"), N(120)], -2),
        ("bpf_strspn", &[T("aabbc"), T("ab")], 4),
        ("bpf_strspn", &[T("aab"), T("ab")], 3),
        ("bpf_strcspn", &[T("aabbc"), T("bc")], 2),
        ("bpf_strcspn", &[T("aab"), T("xy")], 3),
        ("bpf_strstr", &[T("hello world"), T("world")], 6),
        ("bpf_strstr", &[T("aaab"), T("aab")], 1),
        ("bpf_strstr", &[T("abacabad"), T("abad")], 4),
        ("bpf_strstr", &[T("hello"), T("")], 0),
        ("bpf_strstr", &[T("hello"), T("help")], -2),
        ("bpf_strnstr", &[T("hello world"), T("world"), N(11)], 6),
        ("bpf_strnstr", &[T("hello world"), T("world"), N(10)], -2),
        ("bpf_strstr", &[T(&long), T("y")], -7),
    ];
    for (name, args, want) in cases {
        assert_eq!(call(name, args), *want, "{name}");
    }
}

#[test]
fn a_search_made_to_hurt_is_over_soon() {
    let text = "a".repeat(65_535);
    let sub = "a".repeat(30_000) + "b";
    let start = std::time::Instant::now();
    assert_eq!(call("bpf_strstr", &[T(&text), T(&sub)]), -2);
    assert!(start.elapsed().as_secs() < 5);
}
