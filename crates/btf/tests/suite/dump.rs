//! C headers, as compilers take them.

use crate::builder::{
    Builder, DECL_TAG, ENUM, FLAG, FUNC, FUNC_PROTO, FWD, PTR, SIGNED, STRUCT, TYPEDEF, UNION,
};
use crate::fixture;
use skep_btf::{Body, Btf, DumpError, Kind, TypeId, dump_c};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Compilers that headers are shown to, with the arguments for them.
const COMPILERS: [(&str, &[&str]); 4] = [
    ("clang-19", &["-target", "bpf"]),
    ("clang-19", &["-target", "x86_64-linux-gnu"]),
    ("gcc", &["-m64"]),
    ("gcc", &["-m64", "-std=gnu2x"]),
];

/// A directory that is removed again.
struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("skep-btf-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Compiles `source` next to the header and panics unless there is nothing to say about it.
fn compile(dir: &Path, header: &str, source: &str) {
    std::fs::write(dir.join("vmlinux.h"), header).unwrap();
    std::fs::write(dir.join("check.c"), source).unwrap();
    for (compiler, args) in COMPILERS {
        let output = Command::new(compiler)
            .args(args)
            .args(["-fsyntax-only", "-Werror", "-I"])
            .args([dir, &dir.join("check.c")])
            .output();
        let Ok(output) = output else {
            assert!(std::env::var_os("SKEP_REQUIRE_TOOLS").is_none(), "no {compiler}");
            eprintln!("skipped: no {compiler}");
            continue;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().take(20).collect();
        assert!(output.status.success(), "{compiler} {args:?}:\n{}", said.join("\n"));
    }
}

/// Statements that sizes and offsets in C are those of the types; also how many.
fn layout_of(btf: &Btf) -> (String, usize) {
    let mut text =
        String::from("#include \"vmlinux.h\"\n#define off(t, m) __builtin_offsetof(t, m)\n");
    let mut count = 0;
    let tags = tags(btf);
    for ty in btf.types() {
        let (word, size, members) = match ty.body {
            Body::Struct { size, members } => ("struct", size, members),
            Body::Union { size, members } => ("union", size, members),
            _ => continue,
        };
        // Other types of the same name have other names in the header.
        if ty.name.is_empty() || tags[ty.name] != ty.id {
            continue;
        }
        let name = format!("{word} {}", ty.name);
        writeln!(text, "_Static_assert(sizeof({name}) == {size}, \"{name}\");").unwrap();
        count += 1;
        for member in members.iter() {
            if member.name.is_empty() || member.bitfield.is_some() {
                continue;
            }
            let (member, at) = (member.name, member.bit_off / 8);
            writeln!(text, "_Static_assert(off({name}, {member}) == {at}, \"{name}.{member}\");")
                .unwrap();
            count += 1;
        }
    }
    (text, count)
}

#[test]
fn running_kernel() {
    let Ok(bytes) = std::fs::read(VMLINUX) else {
        eprintln!("skipped: cannot read {VMLINUX}");
        return;
    };
    let btf = Btf::parse(&bytes).unwrap();
    let header = dump_c(&btf).unwrap();
    assert_eq!(header, dump_c(&btf).unwrap());
    let (checks, count) = layout_of(&btf);
    eprintln!("{} bytes of header, {count} sizes and offsets", header.len());
    assert!(count > 10_000);
    let temp = Temp::new("kernel");
    compile(&temp.0, &header, &checks);
    compare_members(&temp.0, &btf);
}

/// The types that clang makes of the header have the members of `btf`, bitfields included. The header is
/// in `dir`.
fn compare_members(dir: &Path, btf: &Btf) {
    let mut source = String::from("#include \"vmlinux.h\"\n");
    let (mut names, ours) = (Vec::new(), tags(btf));
    for ty in btf.types() {
        let word = match ty.body {
            Body::Struct { .. } => "struct",
            Body::Union { .. } => "union",
            _ => continue,
        };
        // Other types of the same name have other names in the header.
        // Of a kernel one in four is enough to see the rules at work.
        let chosen = btf.len() < 1000 || ty.id.0 % 4 == 0;
        if chosen && !ty.name.is_empty() && ours[ty.name] == ty.id {
            writeln!(source, "{word} {} v{};", ty.name, names.len()).unwrap();
            names.push(ty.name);
        }
    }
    let Some(theirs) = compile_types(dir, &source) else { return };
    let their_tags = tags(&theirs);
    for name in names {
        let theirs = members(&theirs, their_tags[name]);
        assert_eq!(members(btf, ours[name]), theirs, "{name}");
    }
}

/// The first type of each name of a struct, union or enumeration.
fn tags(btf: &Btf) -> BTreeMap<&str, TypeId> {
    let mut tags = BTreeMap::new();
    for ty in btf.types() {
        if matches!(ty.kind(), Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64) {
            tags.entry(ty.name).or_insert(ty.id);
        }
    }
    tags
}

/// Size and members; those of anonymous ones with their places in the whole.
fn members(btf: &Btf, ty: TypeId) -> (u32, Vec<(String, u32, Option<u8>)>) {
    fn list(btf: &Btf, id: TypeId, base: u32, out: &mut Vec<(String, u32, Option<u8>)>) {
        let (Body::Struct { members, .. } | Body::Union { members, .. }) =
            btf.resolve(id).unwrap().body
        else {
            return;
        };
        for member in members.iter() {
            match member.name {
                "" => list(btf, member.ty, base + member.bit_off, out),
                name => out.push((name.into(), base + member.bit_off, member.bitfield)),
            }
        }
    }
    let mut out = Vec::new();
    list(btf, ty, 0, &mut out);
    (btf.size_of(ty).unwrap(), out)
}

/// What clang makes of `source`, in BTF.
fn compile_types(dir: &Path, source: &str) -> Option<Btf> {
    std::fs::write(dir.join("types.c"), source).unwrap();
    let run = |tool: &str, args: &[&str]| {
        let output = Command::new(tool).args(args).current_dir(dir).output();
        if output.is_err() {
            assert!(std::env::var_os("SKEP_REQUIRE_TOOLS").is_none(), "no {tool}");
            eprintln!("skipped: no {tool}");
        }
        let output = output.ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(())
    };
    run("clang-19", &["-target", "bpf", "-g", "-O2", "-c", "types.c", "-o", "types.o"])?;
    run("llvm-objcopy-19", &["--dump-section", ".BTF=types.btf", "types.o", "out.o"])?;
    Some(Btf::parse(&std::fs::read(dir.join("types.btf")).unwrap()).unwrap())
}

#[test]
fn layouts() {
    for name in ["layouts", "flows", "core", "core_target"] {
        let btf = Btf::parse(&fixture(&format!("{name}.el.btf"))).unwrap();
        let header = dump_c(&btf).unwrap();
        let temp = Temp::new(name);
        compile(&temp.0, &header, &layout_of(&btf).0);
        compare_members(&temp.0, &btf);
    }
}

#[track_caller]
fn has(header: &str, text: &str) {
    assert!(header.contains(text), "no {text:?} in\n{header}");
}

#[test]
fn declarations() {
    let btf = Btf::parse(&fixture("layouts.el.btf")).unwrap();
    let header = dump_c(&btf).unwrap();
    for text in [
        "struct node;\n\ntypedef struct node node_t;\n",
        "typedef int (*compare_t)(const node_t *, const node_t *, ...);\n",
        "\tcompare_t compare[3];\n\tstruct node **(*walk)(void (*)(node_t *));\n",
        "struct packed {\n\tu8 a;\n\tu64 b;\n} __attribute__((packed));\n",
        "\tconst int (*row)[4];\n\tint *cells[2][5];\n\tint (*call[6])(int (*)[2]);\n",
        "\tconst char *const name;\n\tvolatile u32 *restrict reg;\n",
        "\tvoid (*const handler)(void);\n",
        "\tenum {\n\t\tANON_A = 0,\n\t\tANON_B = 7,\n\t} x;\n",
        "enum small {\n\tSMALL = 0,\n} __attribute__((mode(QI)));\n",
        "\tBIG = 18446744069414584320ULL,\n",
        "\tNEG = -9223372036854775807LL - 1,\n",
        "\t} g[2][3];\n",
        "\t\tvoid *const volatile *h;\n",
    ] {
        has(&header, text);
    }
}

/// Names that C has for something else, or that are used twice.
#[test]
fn names() {
    let mut b = Builder::default();
    let int = b.int("int", 4, SIGNED);
    b.fields("s", STRUCT, 4, &[("while", int, 0), ("a.b", int, 0)]);
    let second = b.fields("s", STRUCT, 8, &[("a", int, 0), ("b", int, 32)]);
    b.fields("s", UNION, 4, &[("a", int, 0)]);
    b.fields("s___2", STRUCT, 4, &[("a", int, 0)]);
    b.fields("Option<u8>", STRUCT, 4, &[("0", int, 0)]);
    let ptr = b.to("", PTR, second);
    b.to("t", TYPEDEF, ptr);
    b.to("t", TYPEDEF, int);
    let rust = b.int("u16", 2, 0);
    b.to("t", TYPEDEF, rust);
    let [one, two] = ["t", "X"].map(|name| b.string(name));
    let anon = b.ty("", ENUM, 2, 4, &[one, 1, two, 2]);
    b.ty("e", ENUM, 1, 4, &[two, 3]);
    b.fields("uses", STRUCT, 8, &[("x", anon, 0), ("y", anon, 32)]);
    let fwd = b.ty("s", FWD, 0, 0, &[]);
    let other = b.ty("uses", FWD, FLAG, 0, &[]);
    let [fwd, other] = [fwd, other].map(|ty| b.to("", PTR, ty));
    b.fields("points", STRUCT, 16, &[("a", fwd, 0), ("b", other, 64)]);
    let header = dump_c(&b.build()).unwrap();
    for text in [
        "struct s {\n\tint while_;\n\tint a_b;\n}",
        "struct s___2 {\n\tint a;\n\tint b;\n};",
        "union s___3 {",
        "struct s___2___2 {",
        "struct Option_u8_ {\n\tint _;\n};",
        "typedef struct s___2 *t;",
        "typedef int t___2;",
        "typedef unsigned short t___3;",
        "\tenum {\n\t\tt___4 = 1,\n\t\tX = 2,\n\t} x;\n\tunsigned int y;\n",
        "enum e {\n\tX___2 = 3,\n};",
        "\tstruct s *a;\n\tunion uses___2 *b;\n",
    ] {
        has(&header, text);
    }
    compile(&Temp::new("names").0, &header.replace("\tint a_b;\n", ""), "#include \"vmlinux.h\"\n");
}

/// Members without names whose types have names.
#[test]
fn embedded_members() {
    let mut b = Builder::default();
    let int = b.int("int", 4, SIGNED);
    let key = b.fields("key", STRUCT, 8, &[("a", int, 0), ("b", int, 32)]);
    let either = b.fields("either", UNION, 4, &[("c", int, 0), ("d", int, 0)]);
    b.fields("uses", STRUCT, 16, &[("", key, 0), ("", either, 64), ("last", int, 96)]);
    let header = dump_c(&b.build()).unwrap();
    has(&header, "struct key {\n\tint a;\n\tint b;\n};\n");
    has(&header, "\tstruct {\n\t\tint a;\n\t\tint b;\n\t};\n\tunion {\n\t\tint c;\n");
    let source = "#include \"vmlinux.h\"\n\
        _Static_assert(sizeof(struct uses) == 16, \"\");\n\
        _Static_assert(__builtin_offsetof(struct uses, b) == 4, \"\");\n\
        _Static_assert(__builtin_offsetof(struct uses, d) == 8, \"\");\n";
    compile(&Temp::new("embedded").0, &header, source);
}

/// Functions that programs may call are declared, others are not.
#[test]
fn kernel_functions() {
    let mut b = Builder::default();
    let int = b.int("int", 4, SIGNED);
    let task = b.ty("task", FWD, 0, 0, &[]);
    let task = b.to("", PTR, task);
    let [pid, owner] = ["pid", "owner"].map(|name| b.string(name));
    let find = b.ty("", FUNC_PROTO, 2, task.0, &[pid, int.0, owner, task.0]);
    let end = b.ty("", FUNC_PROTO, 0, 0, &[]);
    let tag = |b: &mut Builder, name: &str, proto: TypeId, component: u32| {
        let func = b.ty(name, FUNC, 0, proto.0, &[]);
        b.ty("bpf_kfunc", DECL_TAG, 0, func.0, &[component]);
    };
    tag(&mut b, "rust::end", end, u32::MAX);
    tag(&mut b, "task_find", find, u32::MAX);
    tag(&mut b, "all_end", end, u32::MAX);
    tag(&mut b, "all_end", find, u32::MAX);
    tag(&mut b, "of_a_parameter", find, 0);
    tag(&mut b, "number", end, u32::MAX);
    b.to("number", TYPEDEF, int);
    b.ty("secret", FUNC, 0, end.0, &[]);
    let header = dump_c(&b.build()).unwrap();
    let externs: Vec<&str> = header.lines().filter(|line| line.starts_with("extern")).collect();
    assert_eq!(
        externs,
        [
            "extern void all_end(void) __weak __ksym;",
            "extern struct task *task_find(int pid, struct task *owner) __weak __ksym;",
        ]
    );
    let temp = Temp::new("kfuncs");
    let source = "#include \"vmlinux.h\"\nvoid *call(void) { return task_find(1, 0); }\n";
    compile(&temp.0, &header, source);
    let own = "#define BPF_NO_KFUNC_PROTOTYPES\n#include \"vmlinux.h\"\nint task_find(void);\n";
    compile(&temp.0, &header, own);
}

/// Types that no compiler makes.
#[test]
fn work_is_bounded() {
    // A struct without name that points to itself has no end.
    let mut b = Builder::default();
    b.fields("", STRUCT, 8, &[("next", TypeId(2), 0)]);
    b.to("", PTR, TypeId(1));
    b.to("t", TYPEDEF, TypeId(1));
    assert!(matches!(dump_c(&b.build()), Err(DumpError::Deep { .. })));

    // Each level uses that below twice.
    let mut b = Builder::default();
    let mut last = b.int("int", 4, SIGNED);
    for _ in 0..50 {
        last = b.fields("", UNION, 4, &[("a", last, 0), ("b", last, 0)]);
    }
    b.to("t", TYPEDEF, last);
    assert!(matches!(dump_c(&b.build()), Err(DumpError::Size { .. })));

    // The same with names for the unions, not for the members.
    let mut b = Builder::default();
    let mut last = b.int("int", 4, SIGNED);
    for level in 0..50 {
        last = b.fields(&format!("u{level}"), UNION, 4, &[("", last, 0), ("", last, 0)]);
    }
    assert!(matches!(dump_c(&b.build()), Err(DumpError::Size { .. })));

    // Nothing but padding.
    let mut b = Builder::default();
    b.fields("s", STRUCT, u32::MAX, &[]);
    assert!(matches!(dump_c(&b.build()), Err(DumpError::Size { .. })));

    // A chain of typedefs and pointers is long and harmless.
    let mut b = Builder::default();
    let mut last = b.int("int", 4, SIGNED);
    for level in 0..20_000 {
        last = b.to("", PTR, last);
        last = b.to(&format!("t{level}"), TYPEDEF, last);
    }
    let header = dump_c(&b.build()).unwrap();
    has(&header, "typedef int *t0;\n\ntypedef t0 *t1;\n");
    has(&header, "typedef t19998 *t19999;\n");

    let mut b = Builder::default();
    b.to("", PTR, TypeId(9));
    assert!(matches!(dump_c(&Btf::open(b.bytes()).unwrap()), Err(DumpError::Btf(_))));
}
