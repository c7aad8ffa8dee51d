//! Loading against a kernel that is none: it writes down what it is asked.

use skep_abi::{Errno, MapType, ProgType};
use skep_isa::{AluOp, Call, ImmSrc, Insn, Insns, Pc, Reg, Src, Width};
use skep_linux::{LoadError, Loaded, TestInput, TestOutput};
use skep_prog::{CoreReloc, DataKind, Image, Initial, Kconfig, MapDef, Prog};
use skep_sys::{Bpf, Cmd, MapCreate, ProgLoad, SysError};
use std::cell::RefCell;
use std::error::Error;

#[derive(Default)]
struct Fake {
    said: RefCell<Vec<String>>,
    /// The program that it refuses.
    refuses: Option<&'static str>,
}

impl Fake {
    fn say(&self, what: String) -> usize {
        self.said.borrow_mut().push(what);
        self.said.borrow().len() - 1
    }
}

impl Bpf for &Fake {
    type Map = (usize, String);
    type Prog = String;
    type Btf = usize;

    fn map_create(&self, def: &MapCreate<'_, Self::Map, usize>) -> Result<Self::Map, SysError> {
        let (name, map_type, entries) = (def.name, def.map_type, def.max_entries);
        let inner = def.inner.map(|(_, name)| format!(" of {name}")).unwrap_or_default();
        Ok((self.say(format!("map {name}: {map_type}, {entries}{inner}")), name.to_string()))
    }

    fn map_lookup(&self, map: &Self::Map, key: &[u8], value: &mut [u8]) -> Result<(), SysError> {
        if map.1 == "gone" {
            return Err(SysError::new(Cmd::MapLookupElem, Errno::ENOENT));
        }
        value.fill(key[0]);
        Ok(())
    }

    fn map_take(&self, _: &Self::Map, _: &[u8], _: &mut [u8]) -> Result<(), SysError> {
        unreachable!("loading takes nothing")
    }

    fn map_update(
        &self,
        map: &Self::Map,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), SysError> {
        self.say(format!("{}[{key:?}] = {value:?}, {flags}", map.1));
        Ok(())
    }

    fn map_delete(&self, _: &Self::Map, _: &[u8]) -> Result<(), SysError> {
        unreachable!("loading deletes nothing")
    }

    /// Keys without end.
    fn map_next_key(
        &self,
        _: &Self::Map,
        key: Option<&[u8]>,
        next: &mut [u8],
    ) -> Result<(), SysError> {
        next[0] = key.map_or(0, |key| key[0].wrapping_add(1));
        Ok(())
    }

    fn map_freeze(&self, map: &Self::Map) -> Result<(), SysError> {
        self.say(format!("freeze {}", map.1));
        Ok(())
    }

    fn map_set_prog(&self, map: &Self::Map, index: u32, prog: &String) -> Result<(), SysError> {
        self.say(format!("{}[{index}] = program {prog}", map.1));
        Ok(())
    }

    fn ring_drain(&self, _: &Self::Map, _: &mut dyn FnMut(&[u8])) -> Result<(), SysError> {
        unreachable!("loading reads nothing")
    }

    fn map_sizes(&self, _: &Self::Map) -> (usize, usize) {
        (4, 2)
    }

    fn map_number(&self, map: &Self::Map) -> i32 {
        100 + i32::try_from(map.0).unwrap()
    }

    fn btf_load(&self, bytes: &[u8]) -> Result<usize, SysError> {
        // The strings stand behind header and types.
        let strings = bytes.split(|&byte| byte == 0).filter(|part| part.is_ascii());
        let names: Vec<&str> =
            strings.map(|part| str::from_utf8(part).unwrap()).filter(|s| s.len() > 2).collect();
        Ok(self.say(format!("types {names:?}")))
    }

    fn prog_load(&self, def: &ProgLoad<'_, usize>) -> Result<String, SysError> {
        let funcs: Vec<u32> =
            def.btf.iter().flat_map(|(_, list)| list.iter().map(|func| func.insn_off)).collect();
        let maps: Vec<i32> =
            def.insns.iter().filter(|raw| raw.code == 0x18).map(|raw| raw.imm).collect();
        self.say(format!("load {}, maps {maps:?}, functions {funcs:?}", def.name));
        if self.refuses == Some(def.name) {
            let mut err = SysError::new(Cmd::ProgLoad, Errno::EACCES);
            err.log = format!("log of level {}", def.log_level);
            return Err(err);
        }
        Ok(def.name.to_string())
    }

    fn prog_test_run(&self, prog: &String, input: &TestInput<'_>) -> Result<TestOutput, SysError> {
        self.say(format!("run {prog} on {} bytes", input.data.len()));
        Ok(TestOutput::default())
    }
}

fn load_map(idx: i32) -> Insn {
    Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::MapIdx(idx) }
}

fn prog(name: &str, insns: impl IntoIterator<Item = Insn>) -> Prog {
    let zero = Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Src::Imm(0) };
    let insns: Insns = insns.into_iter().chain([zero, Insn::Exit]).collect();
    Prog::new(name, ProgType::Xdp, insns)
}

/// Two programs that share a prog array, two on their own, and a map for each purpose.
fn image() -> Image {
    let map = |name: &str, map_type, entries| MapDef::new(name, map_type, 4, 4, entries);
    let mut jumps = map("jumps", MapType::ProgArray, 3);
    jumps.initial = Initial::Progs(vec![(2, "second".into()), (0, "first".into())]);
    let mut constants = map(".rodata", MapType::Array, 1);
    constants.data = Some(DataKind::Rodata);
    constants.initial = Initial::Value(vec![1, 2, 3, 4]);
    let mut outer = map("outer", MapType::ArrayOfMaps, 2);
    outer.inner = Some(Box::new(map("like", MapType::Array, 1)));
    outer.initial = Initial::Maps(vec![(1, "inner".into())]);
    let constant = ImmSrc::MapIdxValue { idx: 3, at: 2 };
    let local = Insn::Call(Call::Local(2));
    Image {
        progs: vec![
            prog("first", [load_map(1)]),
            prog("second", [Insn::LoadImm { dst: Reg::R1, imm: constant }]),
            prog("alone", [load_map(4)]),
            prog("nested", [local, Insn::Exit, Insn::Jump { off: 0 }]),
        ],
        maps: vec![
            map("unused", MapType::Hash, 1),
            jumps,
            map("inner", MapType::Array, 1),
            constants,
            outer,
        ],
        license: "GPL".into(),
        ..Image::default()
    }
}

fn core_reloc() -> CoreReloc {
    CoreReloc { pc: Pc(2), ty: Default::default(), access: Default::default(), kind: 0 }
}

fn config_hz() -> Kconfig {
    Kconfig { name: "CONFIG_HZ".into(), at: 0, type_id: Default::default(), weak: false }
}

fn said(image: &Image, prog: &str) -> Vec<String> {
    let fake = Fake::default();
    Loaded::load(&fake, image, prog).map(drop).unwrap();
    fake.said.into_inner()
}

#[test]
fn what_a_program_reaches_is_made_before_it() {
    assert_eq!(
        said(&image(), "first"),
        [
            "map jumps: prog_array, 3",
            "map .rodata: array, 1",
            ".rodata[[0, 0, 0, 0]] = [1, 2, 3, 4], 0",
            "freeze .rodata",
            "load first, maps [100], functions []",
            "load second, maps [101], functions []",
            "jumps[2] = program second",
            "jumps[0] = program first",
        ]
    );
}

#[test]
fn a_map_of_maps_gets_its_maps() {
    assert_eq!(
        said(&image(), "alone"),
        [
            "map like: array, 1",
            "map outer: array_of_maps, 2 of like",
            "map inner: array, 1",
            "load alone, maps [101], functions []",
            "outer[[1, 0, 0, 0]] = [102, 0, 0, 0], 0",
        ]
    );
}

#[test]
fn several_functions_get_types() {
    let mut image = image();
    assert_eq!(
        said(&image, "nested"),
        [r#"types ["int"]"#, "load nested, maps [], functions [0, 3]"]
    );
    image.progs[3].subprogs = ["entry point", "2nd"]
        .into_iter()
        .zip([0, 3])
        .map(|(name, start)| skep_prog::Subprog {
            name: name.into(),
            start: Pc(start),
            type_id: None,
        })
        .collect();
    assert_eq!(said(&image, "nested")[0], r#"types ["int", "entry_point", "_2nd"]"#);
}

#[test]
fn a_refused_program_is_tried_again_for_its_log() {
    let fake = Fake { refuses: Some("second"), ..Fake::default() };
    let err = Loaded::load(&fake, &image(), "first").map(drop).unwrap_err();
    assert_eq!(err.to_string(), "program second");
    let LoadError::Prog { source, .. } = &err else { panic!("{err:?}") };
    assert_eq!(source.log, "log of level 1");
    let cause = err.source().unwrap().to_string();
    assert_eq!(cause, "BPF_PROG_LOAD: permission denied (EACCES)");
}

#[test]
fn what_is_not_there_is_named() {
    let check = |change: fn(&mut Image), prog: &str, want: &str| {
        let (mut image, fake) = (image(), Fake::default());
        change(&mut image);
        let err = Loaded::load(&fake, &image, prog).map(drop).unwrap_err();
        assert_eq!(err.to_string(), want);
        assert!(fake.said.borrow().is_empty(), "nothing was made");
    };
    check(|_| {}, "third", "no program `third`");
    let fields = "first, insn 2 depends on the types of a kernel (CO-RE), and none were given";
    check(|image| image.progs[0].core_relocs = vec![core_reloc()], "first", fields);
    let config = "second needs the kernel's configuration, CONFIG_HZ and more, and none was given";
    check(
        |image| {
            image.maps[3] = MapDef::new(".kconfig", MapType::Array, 4, 4, 1);
            image.maps[3].data = Some(DataKind::Kconfig);
            image.kconfig = vec![config_hz()];
        },
        "second",
        config,
    );
    check(|image| image.maps.truncate(1), "first", "first: there is no map 1, the image has 1");
    check(
        |image| image.progs[0] = prog("first", [load_map(-1)]),
        "first",
        "first, insn 0: there is no map -1",
    );
    check(
        |image| image.progs[1].name = "other".into(),
        "first",
        "map jumps: entry 2 names `second`, which does not exist",
    );
    check(
        |image| image.maps[2].name = "other".into(),
        "alone",
        "map outer: entry 1 names `inner`, which does not exist",
    );
}

/// A map that others change has an end all the same, and what vanishes meanwhile is left out.
#[test]
fn entries_end_with_the_map_s_size() {
    let mut image = image();
    let fake = Fake::default();
    image.maps[4] = MapDef::new("many", MapType::Hash, 4, 2, 3);
    let loaded = Loaded::load(&fake, &image, "alone").unwrap();
    let entries = loaded.entries("many").unwrap().unwrap();
    let want = [0, 1, 2].map(|n| (vec![n, 0, 0, 0], vec![n, n]));
    assert_eq!(entries, want);
    assert!(loaded.entries("jumps").is_none(), "the program does not reach it");

    image.maps[4].name = "gone".into();
    let loaded = Loaded::load(&fake, &image, "alone").unwrap();
    assert_eq!(loaded.entries("gone").unwrap().unwrap(), []);
    loaded.test_run(&TestInput { data: &[0; 14], ..TestInput::default() }).unwrap();
    assert_eq!(fake.said.borrow().last().unwrap(), "run alone on 14 bytes");
}
