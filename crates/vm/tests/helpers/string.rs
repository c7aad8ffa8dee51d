//! Kernel functions and helpers on texts.

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

/// `bpf_strncmp(a, size, b)`, the texts one after the other at the end of memory.
#[test]
fn comparison_of_so_many_bytes() {
    let x = |len: usize| "x".repeat(len);
    #[rustfmt::skip]
    let cases = [
        ("abc".into(), 8, "abc".into(), 0),
        ("abc".into(), 8, "abd".into(), -1),
        ("b".into(), 8, "abd".into(), 1),
        ("abX".into(), 2, "abY".into(), 0),
        ("anything".into(), 0, "else".into(), 0),
        (x(200), 200, x(200), 0),
        (x(64) + "a", 65, x(64) + "b", -1),
        (x(127) + "b", 500, x(127) + "a", 1),
        (x(130), 500, x(131), -1),
    ];
    for (a, size, b, want) in cases {
        let mut mem: Vec<u8> = [a.as_bytes(), b.as_bytes()].join(&0);
        mem.push(0);
        let at = a.len() + 1;
        let asm = format!("r3 = r1\n r3 += {at}\n r2 = {size}\n call bpf_strncmp\n exit");
        assert_eq!(r0(&asm, &mut mem), want, "{a} {size} {b}");
    }
}
