//! Values for the variables of `.kconfig`.

use crate::build::{FUNC, Object, PROGBITS, Types};
use crate::refused;
use skep_isa::Insn;
use skep_obj::{KernelConfig, fill_kconfig};
use skep_prog::{DataKind, Image, Initial};

const EXTERNS: &[u8] = include_bytes!("../../../../corpus/obj/externs.o");

const CONFIG: &str = "\
#
# Automatically generated file; DO NOT EDIT.
# CONFIG_UNHEARD_OF is not set
CONFIG_HZ=250
CONFIG_HZ=1000
CONFIG_NR_CPUS=0x2000
CONFIG_LOG_BUF_SHIFT=-17

CONFIG_BPF_SYSCALL=y
CONFIG_NETFILTER_XTABLES=m
CONFIG_NET=y
CONFIG_DEFAULT_HOSTNAME=\"(nobody)\"
";

fn kernel(text: &str) -> KernelConfig<'_> {
    KernelConfig { version: 0x06_12_05, bpf_cookie: true, syscall_wrapper: false, text }
}

fn image() -> Image {
    skep_obj::parse(EXTERNS).unwrap()
}

/// The bytes of a variable.
fn value<'a>(image: &'a Image, name: &str) -> &'a [u8] {
    let map = image.maps.iter().find(|map| map.data == Some(DataKind::Kconfig)).unwrap();
    let Initial::Value(bytes) = &map.initial else { panic!("{:?}", map.initial) };
    let at = |at: u32| usize::try_from(at).unwrap();
    let var = image.kconfig.iter().position(|var| var.name == name).unwrap();
    let end = image.kconfig.get(var + 1).map_or(bytes.len(), |next| at(next.at));
    &bytes[at(image.kconfig[var].at)..end]
}

#[test]
fn variables_take_their_values() {
    let mut image = image();
    assert_eq!(image.unfilled().map(|var| &*var.name), Some("CONFIG_NR_CPUS"));
    fill_kconfig(&mut image, &kernel(CONFIG)).unwrap();
    assert_eq!(image.unfilled(), None);
    let cases: &[(&str, &[u8])] = &[
        ("LINUX_KERNEL_VERSION", &[5, 18, 6, 0]),
        ("LINUX_HAS_BPF_COOKIE", &[1]),
        ("LINUX_HAS_SYSCALL_WRAPPER", &[0]),
        ("LINUX_UNHEARD_OF", &[0; 4]),
        ("CONFIG_HZ", &[250, 0, 0, 0]),
        ("CONFIG_NR_CPUS", &[0, 0x20, 0, 0, 0, 0, 0, 0]),
        ("CONFIG_LOG_BUF_SHIFT", &[0xef, 0xff]),
        ("CONFIG_BPF_SYSCALL", &[1]),
        ("CONFIG_NETFILTER_XTABLES", &[2, 0, 0, 0]),
        ("CONFIG_NET", b"y"),
        ("CONFIG_DEFAULT_HOSTNAME", b"(nobody\0"),
        ("CONFIG_UNHEARD_OF", &[0; 8]),
    ];
    for (name, want) in cases {
        assert_eq!(value(&image, name), *want, "{name}");
    }
    assert_eq!(cases.len(), image.kconfig.len());
}

/// Fills in `CONFIG` with a line before it, which counts.
#[track_caller]
fn with(line: &str, want: Result<(&str, &[u8]), &str>) {
    let text = format!("{line}\n{CONFIG}");
    let mut image = image();
    let got = fill_kconfig(&mut image, &kernel(&text)).map_err(|err| err.to_string());
    match want {
        Ok((name, bytes)) => {
            got.unwrap();
            assert_eq!(value(&image, name), bytes, "{line}");
        }
        Err(want) => assert_eq!(got.unwrap_err(), want, "{line}"),
    }
}

#[test]
fn values_must_suit_their_variables() {
    with("CONFIG_NET=m", Ok(("CONFIG_NET", b"m")));
    with("CONFIG_NET=-128", Ok(("CONFIG_NET", &[0x80])));
    with("CONFIG_HZ=-2147483648", Ok(("CONFIG_HZ", &[0, 0, 0, 0x80])));
    with("CONFIG_NETFILTER_XTABLES=y", Ok(("CONFIG_NETFILTER_XTABLES", &[1, 0, 0, 0])));
    with("CONFIG_NETFILTER_XTABLES=n", Ok(("CONFIG_NETFILTER_XTABLES", &[0, 0, 0, 0])));
    with("CONFIG_DEFAULT_HOSTNAME=\"\"", Ok(("CONFIG_DEFAULT_HOSTNAME", &[0; 8])));
    with("CONFIG_OF_NO_INTEREST=\"", Ok(("CONFIG_BPF_SYSCALL", &[1])));

    let range = |name: &str, value: u64, size: u32| {
        format!("extern 'CONFIG_{name}': value {value} does not fit in {size} bytes")
    };
    with("CONFIG_NET=128", Err(&range("NET", 128, 1)));
    with("CONFIG_HZ=2147483648", Err(&range("HZ", 1 << 31, 4)));
    with("CONFIG_LOG_BUF_SHIFT=-32769", Err(&range("LOG_BUF_SHIFT", 32769_u64.wrapping_neg(), 2)));
    let implies = |name: &str, value: &str, ty: &str| {
        format!("extern 'CONFIG_{name}': value '{value}' implies {ty} type")
    };
    with("CONFIG_HZ=y", Err(&implies("HZ", "y", "bool, tristate or char")));
    with("CONFIG_BPF_SYSCALL=m", Err(&implies("BPF_SYSCALL", "m", "tristate or char")));
    with("CONFIG_BPF_SYSCALL=1", Err(&implies("BPF_SYSCALL", "1", "integer")));
    with("CONFIG_NETFILTER_XTABLES=1", Err(&implies("NETFILTER_XTABLES", "1", "integer")));
    with("CONFIG_HZ=\"250\"", Err(&implies("HZ", "\"250\"", "char array")));
    with("CONFIG_DEFAULT_HOSTNAME=3", Err(&implies("DEFAULT_HOSTNAME", "3", "integer")));
    with(
        "CONFIG_DEFAULT_HOSTNAME=\"host",
        Err("extern 'CONFIG_DEFAULT_HOSTNAME': value '\"host' is no string"),
    );
    with(
        "CONFIG_HZ=1kHz",
        Err(
            "extern 'CONFIG_HZ': value '1kHz' is no number (strings stand between quotation marks)",
        ),
    );
    with("CONFIG_HZ", Err("line 1 of the configuration: 'CONFIG_HZ' has no value"));
    with("CONFIG_HZ=", Err("line 1 of the configuration: 'CONFIG_HZ=' has no value"));
}

/// An object whose program asks for a variable of this type and name.
fn asking(name: &str, types: Types, ty: u32) -> Object {
    let mut types = types;
    let var = types.var(name, ty, 2);
    types.datasec(".kconfig", var, 4);
    let mut object = Object::default();
    let xdp = object.code("xdp", &[crate::build::LDDW, Insn::Exit]);
    object.symbol("f", FUNC, xdp, 0, 24);
    let asked = object.symbol(name, 0, 0, 0, 0);
    object.relocs(xdp, &[(0, asked, 1)]);
    object.section(".BTF", PROGBITS, 0, &types.build());
    object
}

#[test]
fn only_some_types_have_values() {
    let case = |ty: fn(&mut Types) -> u32, size: Option<u32>| {
        let mut types = Types::new();
        let ty = ty(&mut types);
        let bytes = asking("CONFIG_X", types, ty).build();
        match size {
            Some(size) => assert_eq!(skep_obj::parse(&bytes).unwrap().maps[0].value_size, size),
            None => refused(
                &bytes,
                "extern 'CONFIG_X' of section '.kconfig' is no bool, char, integer, tristate or char array",
            ),
        }
    };
    case(|_| 1, Some(4));
    case(|t| t.push("typedef", 8, 0, 1, &[]), Some(4));
    case(|t| t.push("bool", 1, 0, 1, &[4 << 24 | 8]), Some(1));
    case(|t| t.push("bool", 1, 0, 4, &[4 << 24 | 32]), None);
    case(|t| t.push("__int128", 1, 0, 16, &[128]), None);
    case(|t| t.push("libbpf_tristate", 6, 0, 4, &[]), Some(4));
    case(|t| t.push("tristate", 6, 0, 4, &[]), None);
    case(|t| t.array(1, 4), None);
    case(
        |t| {
            let char = t.push("char", 1, 0, 1, &[8]);
            t.array(char, 4)
        },
        Some(4),
    );
    case(
        |t| {
            let char = t.push("char", 1, 0, 1, &[8]);
            t.array(char, 0)
        },
        None,
    );
    case(|t| t.ptr(1), None);
    case(|t| t.push("void", 8, 0, 0, &[]), None);

    let mut types = Types::new();
    let char = types.push("char", 1, 0, 1, &[8]);
    let long = types.array(char, u32::MAX);
    refused(
        &asking("CONFIG_X", types, long).build(),
        "section '.kconfig' has 4294967295 bytes, the limit is 1048576",
    );
}

#[test]
fn names_must_be_known() {
    let image = |name: &str| skep_obj::parse(&asking(name, Types::new(), 1).build()).unwrap();
    let fill =
        |name: &str| fill_kconfig(&mut image(name), &kernel("")).map_err(|err| err.to_string());
    fill("LINUX_KERNEL_VERSION").unwrap();
    assert_eq!(
        fill("CONFIG_X").unwrap_err(),
        "extern 'CONFIG_X' is not in the kernel's configuration and not weak"
    );
    for name in ["LINUX_X", "X"] {
        let want = format!(
            "extern '{name}' is no CONFIG_…, LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE or LINUX_HAS_SYSCALL_WRAPPER"
        );
        assert_eq!(fill(name).unwrap_err(), want);
    }
    let mut beyond = image("LINUX_KERNEL_VERSION");
    beyond.kconfig[0].at = u32::MAX;
    let err = fill_kconfig(&mut beyond, &kernel("")).unwrap_err().to_string();
    assert_eq!(
        err,
        "extern 'LINUX_KERNEL_VERSION' has a type or place that no value can be stored to"
    );
}

#[test]
fn images_without_variables_need_no_configuration() {
    let mut image = skep_obj::parse(include_bytes!("../../../../corpus/obj/basic.clang19.o"));
    fill_kconfig(image.as_mut().unwrap(), &kernel("CONFIG_broken")).unwrap();
}
