//! What images need of a kernel: each feature by the instruction that uses it, and the examples in full.

use skep::{NeedKind, Needs, Release, needs, read_image};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn of_text(section: &str, code: &str) -> Needs {
    let text = format!(".section \"{section}\"\nprog:\n{code}\n");
    needs(&read_image(text.as_bytes(), "case.s").unwrap_or_else(|err| panic!("{err:?}")).image)
}

/// Section, code, and the newest thing in it.
#[track_caller]
fn check(section: &str, code: &str, release: (u8, u8), reason: &str) {
    let needs = of_text(section, code);
    let oldest = needs.oldest().unwrap();
    assert_eq!(oldest, Release { major: release.0, minor: release.1 }, "{code}: {needs:?}");
    let reasons: Vec<_> = needs.reasons().map(|need| need.name.as_str()).collect();
    assert!(reasons.contains(&reason), "{code}: {reasons:?}");
    assert_eq!(needs.unknown().count(), 0, "{code}");
}

#[test]
fn instructions_have_their_release() {
    let check = |code: &str, release, reason| check("socket", code, release, reason);
    check("r0 = 0\nexit", (3, 19), "socket_filter");
    check("lock *(u64 *)(r10 - 8) += r1\nexit", (3, 19), "socket_filter");
    check("if r1 > 1 goto +0\nexit", (3, 19), "socket_filter");
    check("if r1 < 1 goto +0\nexit", (4, 14), "jumps on less than");
    check("call f\nexit\nf:\nexit", (4, 16), "calls of BPF functions");
    check("if w1 > 1 goto +0\nexit", (5, 1), "32-bit jumps (v3)");
    check("r1 = 9\nagain:\nr1 -= 1\nif r1 != 0 goto again\nexit", (5, 3), "bounded loops");
    check("r1 = atomic_fetch_add((u64 *)(r10 - 8), r1)\nexit", (5, 12), "atomic operations");
    check("lock *(u64 *)(r10 - 8) |= r1\nexit", (5, 12), "atomic operations");
    check("r1 = (s8)r2\nexit", (6, 6), "instructions of v4");
    check("r1 = *(s8 *)(r10 - 8)\nexit", (6, 6), "instructions of v4");
    check("r1 s/= r2\nexit", (6, 6), "instructions of v4");
    check("r1 = bswap32 r1\nexit", (6, 6), "instructions of v4");
    check("gotol +0\nexit", (6, 6), "instructions of v4");
    check("may_goto +0\nexit", (6, 9), "may_goto");
    check("r1 = load_acquire((u64 *)(r10 - 8))\nexit", (6, 15), "load-acquire and store-release");
}

#[test]
fn a_jump_back_is_no_loop_unless_it_closes_a_cycle() {
    // Two ways into `out`, one of them from below.
    let code = "goto in\nout:\nr0 = 0\nexit\nin:\nif r1 == 0 goto out\ngoto out";
    check("socket", code, (3, 19), "socket_filter");
    check("socket", "r0 = 0\nself:\ngoto self", (5, 3), "bounded loops");
}

#[test]
fn long_programs_and_tail_calls_have_their_release() {
    let long = |slots: usize| "r0 = 0\n".repeat(slots - 1) + "exit";
    check("socket", &long(4096), (3, 19), "socket_filter");
    check("socket", &long(4097), (5, 2), "more than 4096 instructions");
    check("socket", "call 12\nexit", (4, 2), "bpf_tail_call");
    let mixed = "call 12\ncall f\nexit\nf:\nexit";
    check("socket", mixed, (5, 10), "tail calls besides function calls");
}

#[test]
fn sections_have_their_release() {
    let check = |section: &str, release, reason| check(section, "r0 = 0\nexit", release, reason);
    check("xdp", (4, 8), "xdp");
    check("xdp.frags", (5, 18), "XDP with fragments");
    check("xdp/cpumap", (5, 9), "xdp_cpumap");
    check("tc/ingress", (4, 1), "sched_cls");
    check("tcx/ingress", (6, 6), "tcx_ingress");
    check("sk_reuseport", (4, 19), "sk_reuseport");
    check("sk_reuseport/migrate", (5, 14), "sk_reuseport_select_or_migrate");
    check("fentry/f", (5, 5), "trace_fentry");
    check("fentry.s/f", (5, 10), "sleepable programs");
    check("iter.s/task", (5, 18), "sleepable iterators");
    check("uprobe.s/f", (6, 0), "sleepable probes of user space");
    check("kprobe.multi/f", (5, 18), "trace_kprobe_multi");
    check("syscall", (5, 14), "syscall");
}

#[test]
fn what_is_not_known_is_said() {
    let needs = of_text("socket", "call 4711\nexit");
    let unknown: Vec<_> = needs.unknown().map(|need| (need.kind, need.name.as_str())).collect();
    assert_eq!(unknown, [(NeedKind::Helper, "helper 4711")]);
    assert_eq!(needs.oldest(), Some(Release { major: 3, minor: 19 }));
}

#[test]
fn weak_symbols_and_types_from_a_file_are_optional() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/obj");
    let of = |name| needs(&read_image(&fs::read(root.join(name)).unwrap(), name).unwrap().image);
    let optional = |needs: &Needs| -> Vec<String> {
        needs.list.iter().filter(|need| need.optional).map(|need| need.name.clone()).collect()
    };
    let kfuncs = of("kfunc.o");
    assert_eq!(optional(&kfuncs), ["bpf_unheard_of"]);
    assert_eq!(kfuncs.unknown().count(), 0);
    assert_eq!(kfuncs.oldest(), Some(Release { major: 6, minor: 3 }));
    let core = of("core.o");
    assert_eq!(optional(&core), ["types of the kernel (CO-RE)"]);
    assert_eq!(core.reasons().next().unwrap().name, "bpf_probe_read_kernel");
}

/// Objects of a directory, by name.
fn objects(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "o")).collect();
    paths.sort();
    paths
}

#[test]
fn examples_need_what_is_on_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut got = String::new();
    for path in objects(&root.join("examples")) {
        let name = path.file_name().unwrap().to_string_lossy();
        let needs = needs(&read_image(&fs::read(&path).unwrap(), &name).unwrap().image);
        writeln!(got, "{name}: {}", needs.oldest().unwrap()).unwrap();
        for need in needs.list {
            let since = need.since.unwrap();
            let optional = if need.optional { ", optional" } else { "" };
            writeln!(got, "  {} {}: {since}{optional}", need.kind.name(), need.name).unwrap();
        }
    }
    let path = root.join("corpus/needs/examples.txt");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &got).unwrap();
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    assert!(got == want, "corpus/needs/examples.txt differs, UPDATE=1 rewrites it:\n{got}");
}
