//! What libbpf makes of the same objects: the instructions, after relocation, must be equal.
//!
//! Needs root, the types of the running kernel, a C compiler and libbpf with its headers; without them
//! nothing is compared. `SKEP_LIBBPF_FLAGS` replaces the compiler's `-lbpf`, to ask another release.
//! `SKEP_CORE_OBJECTS=DIR` compares all objects below a directory, `SKEP_CORE_BTF=FILE` fits them to
//! the types in a file.

use skep_abi::{AttachType, MapType, SECTIONS, Section};
use skep_btf::Btf;
use skep_btf::fixup::Target;
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc, RawInsn};
use skep_obj::{KernelConfig, fill_kconfig, relocate};
use skep_prog::{DataKind, Extern, Image, Initial, MapDef, Prog};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

#[path = "libbpf/linking.rs"]
mod linking;
#[path = "libbpf/types.rs"]
mod types;

const KERNEL: &str = "/sys/kernel/btf/vmlinux";
const CONFIG: &str = "CONFIG_HZ=250
CONFIG_NR_CPUS=0x2000
CONFIG_LOG_BUF_SHIFT=-17
CONFIG_BPF_SYSCALL=y
CONFIG_NETFILTER_XTABLES=m
CONFIG_NET=y
CONFIG_DEFAULT_HOSTNAME=\"(nobody)\"
";

/// The program that asks libbpf.
fn dumper() -> Result<PathBuf, String> {
    if fs::metadata(KERNEL).is_err() {
        return Err(format!("no {KERNEL}"));
    }
    compile("dump")
}

/// A file of the test that runs.
fn scratch(name: &str) -> PathBuf {
    // Tests run side by side: each has its own.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("main").replace("::", "-");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libbpf-{test}-{name}"))
}

/// One of the programs in C that ask libbpf.
fn compile(name: &str) -> Result<PathBuf, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libbpf");
    let (source, out) = (dir.join(name).with_extension("c"), scratch(name));
    let flags = env::var("SKEP_LIBBPF_FLAGS").unwrap_or("-lbpf".into());
    let status = Command::new("cc")
        .arg("-o")
        .args([&out, &source])
        .args(flags.split_whitespace())
        .output()
        .map_err(|err| format!("no C compiler: {err}"))?;
    match status.status.success() {
        true => Ok(out),
        false => Err("no libbpf with headers".into()),
    }
}

fn skip(why: &str) {
    assert!(env::var_os("SKEP_REQUIRE_KERNEL").is_none(), "not skipped: {why}");
    eprintln!("skipped: {why}");
}

/// What libbpf printed: name to bytes. `None` if it could not open or relocate the object.
fn ask(dumper: &Path, object: &Path, btf: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let config = scratch("config");
    fs::write(&config, CONFIG).unwrap();
    let out = Command::new(dumper).arg(object).arg(btf).arg(config).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    out.status.success().then(|| lines.map(|(name, hex)| (name.into(), bytes(hex))).collect())
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Objects below a directory.
fn objects(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(objects(&path));
        } else if path.extension().is_some_and(|ext| ext == "o") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[derive(Default)]
struct Tally {
    objects: usize,
    progs: usize,
    maps: usize,
    insns: usize,
    relocs: usize,
    poisoned: usize,
    /// Objects that one of both does not take.
    refused: Vec<String>,
    differences: Vec<String>,
}

#[test]
fn instructions_are_those_of_libbpf() {
    let dumper = match dumper() {
        Ok(dumper) => dumper,
        Err(why) => return skip(&why),
    };
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/obj");
    let dir = env::var_os("SKEP_CORE_OBJECTS").map_or(corpus, PathBuf::from);
    let file = env::var("SKEP_CORE_BTF").unwrap_or_default();
    let path = if file.is_empty() { KERNEL } else { &file };
    let target = Btf::parse(&fs::read(path).unwrap()).unwrap();
    let kernel = Btf::parse(&fs::read(KERNEL).unwrap()).unwrap();
    let mut tally = Tally::default();
    for object in objects(&dir) {
        let Some(theirs) = ask(&dumper, &object, &file) else {
            tally.refused.push(format!("libbpf: {}", object.display()));
            continue;
        };
        match ours(&object, &target, &mut tally) {
            Ok(image) => tally.compare(&object, &image, &theirs, &kernel),
            Err(why) => tally.refused.push(format!("skep: {}: {why}", object.display())),
        }
    }
    let Tally { objects, progs, maps, insns, relocs, poisoned, refused, differences } = tally;
    eprintln!("{}", refused.join("\n"));
    eprintln!(
        "{objects} objects, {maps} maps, {progs} programs, {insns} instructions, {relocs} relocations, {poisoned} poisoned"
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn ours(object: &Path, target: &Btf, tally: &mut Tally) -> Result<Image, String> {
    let mut image =
        skep_obj::parse(&fs::read(object).unwrap()).map_err(|err| format!("{err:?}"))?;
    let report = relocate(&mut image, &[Target { name: "vmlinux", btf: target }])
        .map_err(|err| format!("{err:?}"))?;
    let kernel = KernelConfig { text: CONFIG, ..KernelConfig::default() };
    fill_kconfig(&mut image, &kernel).map_err(|err| err.to_string())?;
    tally.relocs += report.applied;
    tally.poisoned += report.poisoned.len();
    Ok(image)
}

impl Tally {
    fn compare(
        &mut self,
        object: &Path,
        image: &Image,
        theirs: &BTreeMap<String, Vec<u8>>,
        kernel: &Btf,
    ) {
        self.objects += 1;
        for prog in &image.progs {
            let Some(theirs) = theirs.get(&prog.name) else { continue };
            let at = format!("{}: {}", object.display(), prog.name);
            self.progs += 1;
            self.insns += prog.insns.len();
            match skep_isa::decode(theirs) {
                Ok(theirs) => self.differences.extend(
                    Pair { prog, theirs, kernel }.differences().map(|text| format!("{at}: {text}")),
                ),
                Err(err) => self.differences.push(format!("{at}: theirs: {err}")),
            }
        }
        self.maps += image.maps.len();
        let at = object.display();
        // Those of type struct_ops are not printed: their size is the kernel's.
        let maps = image.maps.iter().filter(|map| map.map_type != MapType::StructOps);
        for (index, map) in maps.enumerate() {
            let pairs = [(":map", Some(map)), (":inner", map.inner.as_deref())];
            for (what, map) in pairs {
                let theirs = theirs.get(&format!("{what}{index}"));
                let ours = map.map(words);
                if ours.as_ref() != theirs {
                    self.differences
                        .push(format!("{at}: {what}{index}: {map:?}, theirs {theirs:?}"));
                }
            }
        }
        let map = image.maps.iter().find(|map| map.data == Some(DataKind::Kconfig));
        if let (Some(theirs), Some(Initial::Value(ours))) =
            (theirs.get(".kconfig"), map.map(|map| &map.initial))
            && (ours.len() != theirs.len() || known(image, ours) != known(image, theirs))
        {
            self.differences.push(format!("{at}: .kconfig: {ours:?}, theirs {theirs:?}"));
        }
    }
}

/// What a definition says, as the dumper prints it.
fn words(map: &MapDef) -> Vec<u8> {
    let extra = u32::try_from(map.map_extra & 0xffff_ffff).unwrap();
    let words = [
        map.map_type.number(),
        map.key_size,
        map.value_size,
        map.max_entries,
        map.flags,
        map.numa_node,
        extra,
    ];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// The variables whose values do not depend on the kernel.
fn known(image: &Image, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let at = |at: u32| usize::try_from(at).unwrap();
    let ends = image.kconfig.iter().skip(1).map(|var| at(var.at)).chain([bytes.len()]);
    let given = |name: &str| CONFIG.lines().any(|line| line.split('=').next() == Some(name));
    let vars = image.kconfig.iter().zip(ends).filter(|(var, _)| given(&var.name));
    vars.map(|(var, end)| (var.name.clone(), bytes[at(var.at)..end].to_vec())).collect()
}

/// A program of both.
struct Pair<'a> {
    prog: &'a Prog,
    theirs: Insns,
    kernel: &'a Btf,
}

impl Pair<'_> {
    fn differences(&self) -> impl Iterator<Item = String> {
        let (ours, theirs) = (self.prog.insns.encode(), self.theirs.encode());
        let length = (ours.len() != theirs.len())
            .then(|| format!("{} slots, theirs {}", ours.len(), theirs.len()));
        let insns = self.prog.insns.iter().filter_map(|(pc, ours)| {
            let theirs = self.theirs.get(pc);
            let equal = theirs.is_some_and(|&theirs| self.equal(ours, theirs));
            (!equal).then(|| format!("insn {pc}: {ours:?}, theirs {theirs:?}"))
        });
        length.into_iter().chain(insns.collect::<Vec<_>>())
    }

    /// Maps and what a kernel has are named in other words.
    fn equal(&self, ours: Insn, theirs: Insn) -> bool {
        match (ours, theirs) {
            (Insn::LoadImm { dst, imm }, Insn::LoadImm { dst: their_dst, imm: theirs }) => {
                dst == their_dst
                    && match (imm, theirs) {
                        (ImmSrc::MapIdx(_), ImmSrc::MapFd(_)) => true,
                        (ImmSrc::MapIdxValue { at, .. }, ImmSrc::MapValue { at: their, .. }) => {
                            at == their
                        }
                        (ImmSrc::BtfId { id, fd: Extern::FD }, theirs) => self.symbol(id, theirs),
                        (ours, theirs) => ours == theirs,
                    }
            }
            (
                Insn::Call(Call::Kfunc { id, module: Extern::MODULE }),
                Insn::Call(Call::Kfunc { id: theirs, .. }),
            ) => self.name(id) == self.kernel_name(theirs) || (self.ext(id).weak && theirs == 0),
            // A weak function that the kernel does not have; before libbpf 1.3 it was number 0.
            (Insn::Call(Call::Kfunc { id, .. }), Insn::Call(Call::Helper(poison))) => {
                self.ext(id).weak && poison / 1_000_000 == 2002
            }
            (ours, theirs) => ours == theirs,
        }
    }

    fn symbol(&self, id: i32, theirs: ImmSrc) -> bool {
        match theirs {
            ImmSrc::BtfId { id: theirs, .. } => {
                self.name(id) == self.kernel_name(theirs) || (self.ext(id).weak && theirs == 0)
            }
            // An address, or none.
            ImmSrc::Value(addr) => {
                self.ext(id).type_id.is_none() || (self.ext(id).weak && addr == 0)
            }
            _ => false,
        }
    }

    fn ext(&self, id: i32) -> &Extern {
        &self.prog.externs[usize::try_from(id).unwrap()]
    }

    fn name(&self, id: i32) -> &str {
        let name = &self.ext(id).name;
        name.split("___").next().unwrap_or(name)
    }

    fn kernel_name(&self, id: i32) -> &str {
        let id = skep_btf::TypeId(id.cast_unsigned());
        self.kernel.get(id).map_or("", |ty| ty.name)
    }
}

#[test]
fn sections_mean_what_they_mean_to_libbpf() {
    let dumper = match dumper() {
        Ok(dumper) => dumper,
        Err(why) => return skip(&why),
    };
    let mut names = Vec::new();
    for row in SECTIONS {
        names.push(row.name.to_owned());
        names.push(format!("{}/target", row.name));
        names.push(format!("{}1", row.name));
    }
    let out = Command::new(dumper).arg("-s").args(&names).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let known: BTreeMap<&str, Vec<u32>> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, types)| (name, types.split(' ').map(|ty| ty.parse().unwrap()).collect()))
        .collect();
    for name in &names {
        let ours = Section::find(name);
        let theirs = known.get(name.as_str());
        let base = ours.map_or("", |(row, _)| row.name);
        // Older releases lack some rows, and what they have has no meaning without.
        let (Some(theirs), true) = (theirs, ours.is_none() || known.contains_key(base)) else {
            assert!(ours.is_none() || !known.contains_key(base), "{name} only here");
            continue;
        };
        let (row, _) = ours.unwrap_or_else(|| panic!("{name} only there"));
        let attach = row.attach_type.map_or(0, AttachType::number);
        assert_eq!(&[row.prog_type.number(), attach][..], theirs, "{name}");
    }
    assert!(known.len() > 100, "{}", known.len());
    eprintln!("{} of {} names have a meaning", known.len(), names.len());
}

#[test]
fn slots_of_a_poisoned_load_are_calls() {
    // Guards the comparison: both slots of a wide load must be looked at.
    let poison = RawInsn::new(0x85, 0, 0, 0, 0x0bad_2310);
    let insns = Insns::decode([poison, poison]).unwrap();
    assert!(insns.get(Pc(1)).is_some());
}
