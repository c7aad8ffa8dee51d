//! ELF objects: what parses is a consistent image of bounded size.

use skep_abi::MapType;
use skep_isa::{ImmSrc, Insn};
use skep_prog::{Image, Initial, Prog};

/// Bytes that programs and data of any object may take, and how many times its own size beyond that.
const BASE: usize = 64 << 20;
const TIMES: usize = 16;

/// Input: a file.
pub fn check(data: &[u8]) {
    if let Err(error) = skep_obj::layout(data) {
        assert!(!error.to_string().is_empty());
    }
    let each = skep_obj::parse_each(data);
    if let Ok((image, undecoded)) = &each {
        consistent(image);
        for one in undecoded {
            assert!(one.pc.index() < one.prog.insns.len() && one.at <= image.progs.len());
            assert!(Insn::decode(one.raw, None).is_err() || one.raw.code == 0x18);
        }
    }
    match skep_obj::parse(data) {
        Ok(image) => {
            consistent(&image);
            let (other, undecoded) = each.expect("what is read whole is read in parts");
            assert!(undecoded.is_empty() && other.progs == image.progs);
            assert!(size(&image) <= BASE + TIMES * data.len(), "{} bytes", size(&image));
            for prog in &image.progs {
                let _ = skep_asm::list(prog, &image.maps, &skep_asm::ListOptions::default());
            }
            if image.progs.iter().map(|prog| prog.insns.len()).sum::<usize>() < 1000 {
                prints(&image);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn consistent(image: &Image) {
    for prog in &image.progs {
        let len = prog.insns.len();
        assert!(prog.subprogs.iter().all(|sub| sub.start.index() < len), "{}", prog.name);
        assert!(prog.subprogs.is_sorted_by(|a, b| a.start < b.start), "{}", prog.name);
        assert!(prog.lines.iter().all(|line| line.pc.index() < len), "{}", prog.name);
        assert!(prog.lines.is_sorted_by_key(|line| line.pc), "{}", prog.name);
        maps_exist(image, prog);
    }
    for map in &image.maps {
        if let (Some(btf), Some(ty)) = (&image.btf, map.value_type) {
            assert!(btf.get(ty).is_some(), "{}", map.name);
        }
        let len = match (&map.initial, map.map_type) {
            // Variables of an arena are its first bytes.
            (Initial::Value(_), MapType::Arena) => continue,
            (Initial::Value(value), _) => value.len(),
            (Initial::StructOps(ops), _) => {
                let end = |&(at, _): &(u32, String)| at as usize + 8 <= ops.value.len();
                assert!(ops.progs.iter().all(end), "{}", map.name);
                ops.value.len()
            }
            _ => continue,
        };
        assert_eq!(len, map.value_size as usize, "{}", map.name);
    }
}

fn maps_exist(image: &Image, prog: &Prog) {
    for (pc, insn) in prog.insns.iter() {
        let Insn::LoadImm { imm: ImmSrc::MapIdx(idx) | ImmSrc::MapIdxValue { idx, .. }, .. } = insn
        else {
            continue;
        };
        let idx = usize::try_from(idx).expect("a map has an index");
        assert!(idx < image.maps.len(), "insn {pc} of {}: map {idx}", prog.name);
    }
}

fn size(image: &Image) -> usize {
    let progs = image.progs.iter().map(|prog| prog.insns.len() * 8 + prog.lines.len() * 8);
    let data = image.maps.iter().map(|map| match &map.initial {
        Initial::Value(value) => value.len(),
        Initial::StructOps(ops) => ops.value.len(),
        _ => 0,
    });
    progs.chain(data).sum()
}

/// Images print; names of an ELF file need not be names of the language, so nothing is read back.
fn prints(image: &Image) {
    for dialect in [skep_asm::Dialect::CLike, skep_asm::Dialect::Mnemonic] {
        let _ = skep_asm::print(image, &skep_asm::PrintOptions { dialect, source: true });
    }
}
