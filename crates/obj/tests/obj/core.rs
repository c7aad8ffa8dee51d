//! What relocation by types does to instructions.

use crate::build::Types;
use skep_abi::ProgType;
use skep_btf::fixup::Target;
use skep_btf::{Btf, StrOff, TypeId};
use skep_isa::{AluOp, AtomicOp, Call, ImmSrc, Insn, Pc, Reg, Size, Src, Width};
use skep_obj::{PoisonedBy, Report, relocate};
use skep_prog::{CoreReloc, Image, Prog};
use std::error::Error;
use std::sync::Arc;

const BYTE_OFFSET: u32 = 0;
const EXISTS: u32 = 2;
const POISON: Insn = Insn::Call(Call::Helper(195_896_080));

/// `struct s { u64 before[pad]; ty x; }` and the access string of `x`.
fn types(size: u32, signed: bool, pad: u32) -> (Arc<Btf>, StrOff) {
    let mut types = Types::new();
    let encoding = u32::from(signed) << 24;
    let long = types.push("u64", 1, 0, 8, &[64]);
    let int = types.push("x_t", 1, 0, size, &[encoding | (size * 8)]);
    let before = types.array(long, pad);
    let names = [types.string("before"), types.string("x")];
    let members = [names[0], before, 0, names[1], int, pad * 64];
    types.push("s", 4, 2, pad * 8 + size, &members);
    let access = types.string("0:1");
    (Arc::new(Btf::parse(&types.build()).unwrap()), StrOff(access))
}

/// A program of this instruction, which depends on `x` of a struct with 4 bytes at 8.
fn image(insn: Insn, kind: u32) -> Image {
    let (btf, access) = types(4, false, 1);
    let mut prog = Prog::new("f", ProgType::Xdp, [insn, Insn::Exit].into_iter().collect());
    prog.core_relocs = vec![CoreReloc { pc: Pc(0), ty: TypeId(5), access, kind }];
    Image { progs: vec![prog], btf: Some(btf), ..Image::default() }
}

/// Relocates against a struct with `x` of `size` bytes behind `pad` longs.
fn against(image: &mut Image, (size, signed, pad): (u32, bool, u32)) -> Result<Report, String> {
    let (btf, _) = types(size, signed, pad);
    relocate(image, &[Target { name: "kernel", btf: &btf }]).map_err(|err| {
        err.source().map_or_else(|| err.to_string(), |source| format!("{err}: {source}"))
    })
}

fn load(size: Size, off: i16) -> Insn {
    Insn::Load { size, dst: Reg::R0, base: Reg::R1, off }
}

fn mov(imm: i32) -> Insn {
    Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Src::Imm(imm) }
}

fn lddw(value: u64) -> Insn {
    Insn::LoadImm { dst: Reg::R0, imm: ImmSrc::Value(value) }
}

fn atomic(size: Size, off: i16) -> Insn {
    Insn::Atomic { size, op: AtomicOp::Add, base: Reg::R1, off, src: Reg::R0 }
}

#[test]
fn values_and_offsets_and_sizes_change() {
    let store = |size, off| Insn::Store { size, base: Reg::R1, off, src: Src::Imm(7) };
    let signed = |size, off| Insn::LoadSx { size, dst: Reg::R0, base: Reg::R1, off };
    let cases = [
        (mov(8), (4, false, 3), mov(24)),
        (mov(8), (4, false, 0), mov(0)),
        (lddw(8), (4, false, 5), lddw(40)),
        (load(Size::W, 8), (4, false, 4095), load(Size::W, 32760)),
        (load(Size::W, 8), (8, false, 2), load(Size::Dw, 16)),
        (load(Size::W, 8), (2, false, 1), load(Size::H, 8)),
        (load(Size::W, 8), (1, false, 1), load(Size::B, 8)),
        (load(Size::B, 8), (4, false, 2), load(Size::B, 16)),
        (store(Size::W, 8), (8, false, 2), store(Size::Dw, 16)),
        (signed(Size::W, 8), (2, false, 2), signed(Size::H, 16)),
        (atomic(Size::W, 8), (8, false, 2), atomic(Size::Dw, 16)),
    ];
    for (insn, target, want) in cases {
        let mut image = image(insn, BYTE_OFFSET);
        let report = against(&mut image, target).unwrap();
        assert_eq!(report, Report { applied: 1, poisoned: Vec::new() }, "{insn:?}");
        let prog = &image.progs[0];
        let got: Vec<Insn> = prog.insns.iter().map(|(_, insn)| insn).collect();
        assert_eq!(got, [want, Insn::Exit], "{insn:?}");
        assert!(prog.core_relocs.is_empty());
    }
}

#[test]
fn instructions_that_do_not_fit_are_refused_and_nothing_changes() {
    let small = (4, false, 1);
    let cases = [
        (mov(9), small, "the instruction holds 9, expected 8"),
        (lddw(u64::MAX), small, "the instruction holds -1, expected 8"),
        (load(Size::W, -8), small, "the instruction holds -8, expected 8"),
        (load(Size::W, 8), (4, false, 4096), "32768 is more than an offset can be"),
        (load(Size::H, 8), (8, false, 1), "the instruction accesses 2 bytes, the field has 4"),
        (load(Size::W, 8), (16, false, 1), "no such instruction accesses 16 bytes"),
        (atomic(Size::W, 8), (1, false, 1), "no such instruction accesses 1 bytes"),
        (Insn::Jump { off: 0 }, small, "the instruction has no place for a value"),
        (
            Insn::LoadImm { dst: Reg::R0, imm: ImmSrc::MapFd(8) },
            small,
            "the instruction has no place for a value",
        ),
        (
            Insn::LoadSx { size: Size::W, dst: Reg::R0, base: Reg::R1, off: 8 },
            (8, false, 1),
            "no such instruction accesses 8 bytes",
        ),
    ];
    for (insn, target, why) in cases {
        let mut image = image(insn, BYTE_OFFSET);
        let want = format!("program 'f', insn 0: struct s.x: {why}");
        assert_eq!(against(&mut image, target).unwrap_err(), want);
        assert_eq!(image.progs[0].insns.get(Pc(0)), Some(&insn));
        assert_eq!(image.progs[0].core_relocs.len(), 1);
    }
}

#[test]
fn what_has_no_match_is_poisoned() {
    let poisoned = |insn, kind, target| {
        let mut image = image(insn, kind);
        let report = match target {
            Some(target) => against(&mut image, target).unwrap(),
            None => relocate(&mut image, &[]).unwrap(),
        };
        let insns: Vec<Insn> = image.progs[0].insns.iter().map(|(_, insn)| insn).collect();
        (insns, report.poisoned.into_iter().map(|one| one.why).collect::<Vec<_>>())
    };
    let (insns, why) = poisoned(load(Size::W, 8), BYTE_OFFSET, None);
    assert_eq!(insns, [POISON, Insn::Exit]);
    assert_eq!(why[0].to_string(), "the target has no struct s.x");
    let (insns, _) = poisoned(lddw(8), BYTE_OFFSET, None);
    assert_eq!(insns, [POISON, POISON, Insn::Exit]);
    let (insns, why) = poisoned(load(Size::W, 8), BYTE_OFFSET, Some((8, true, 1)));
    assert_eq!(insns, [POISON, Insn::Exit]);
    assert_eq!(why, [PoisonedBy::Size { local: "struct s.x".into(), old: 4, new: 8 }]);
    // That it does not exist is an answer.
    let (insns, why) = poisoned(mov(1), EXISTS, None);
    assert_eq!((insns, why), (vec![mov(0), Insn::Exit], Vec::new()));
}

#[test]
fn relocations_that_make_no_sense_are_refused() {
    let relocated = |change: fn(&mut Image)| {
        let mut image = image(mov(8), BYTE_OFFSET);
        change(&mut image);
        against(&mut image, (4, false, 1)).unwrap_err()
    };
    assert_eq!(
        relocated(|image| image.btf = None),
        "program 'f' depends on the types of a kernel, but has none itself"
    );
    assert_eq!(
        relocated(|image| image.progs[0].core_relocs[0].pc = Pc(9)),
        "program 'f', insn 9: struct s.x: the instruction has no place for a value"
    );
    assert_eq!(
        relocated(|image| image.progs[0].core_relocs[0].kind = 99),
        "program 'f', insn 0: relocation kind 99 is not known, known are 0 to 12"
    );
    assert_eq!(
        relocated(|image| image.progs[0].core_relocs[0].ty = TypeId(99)),
        "program 'f', insn 0: type 99 does not exist in the program's types"
    );
    let mut none = Image::default();
    assert_eq!(relocate(&mut none, &[]), Ok(Report::default()));
}
