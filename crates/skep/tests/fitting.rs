//! Programs that depend on a kernel run once they are fitted to one, and not before.

use skep::{Options, Packet, PacketMeta, Session};
use skep_abi::ProgType;
use skep_btf::{StrOff, TypeId};
use skep_isa::{AluOp, Call, CondOp, Insn, Pc, Reg, Src, Width};
use skep_obj::{KernelConfig, fill_kconfig};
use skep_prog::{CoreReloc, Image, Prog};

const EXTERNS: &[u8] = include_bytes!("../../../corpus/obj/externs.o");

/// The verdict on an empty packet.
fn run(image: &Image, prog: &str) -> Result<String, String> {
    let mut session = Session::load(image, Some(prog), Options::default())
        .map_err(|err| format!("load: {err}"))?;
    let mut packet = Packet::new();
    packet.reset(&[0; 14], PacketMeta::default());
    let outcome = session.run(&mut packet).map_err(|err| format!("run: {err}"))?;
    Ok(outcome.verdict.to_string())
}

#[test]
fn configuration_has_to_be_given() {
    let mut image = skep_obj::parse(EXTERNS).unwrap();
    assert_eq!(
        run(&image, "version").unwrap_err(),
        "load: version needs the kernel's configuration, CONFIG_NR_CPUS and more, and none was given"
    );
    // `return LINUX_KERNEL_VERSION > CONFIG_HZ;`
    for (version, verdict) in [(251, "XDP_DROP"), (250, "XDP_ABORTED")] {
        let text = "CONFIG_HZ=250\nCONFIG_NR_CPUS=8\nCONFIG_BPF_SYSCALL=y\nCONFIG_NET=y\n\
                    CONFIG_DEFAULT_HOSTNAME=\"(none)\"";
        let kernel = KernelConfig { version, text, ..KernelConfig::default() };
        fill_kconfig(&mut image, &kernel).unwrap();
        assert_eq!(run(&image, "version").unwrap(), verdict);
    }
}

#[test]
fn types_have_to_be_given() {
    let mov = Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Src::Imm(2) };
    let mut prog = Prog::new("f", ProgType::Xdp, [mov, Insn::Exit].into_iter().collect());
    prog.core_relocs = vec![CoreReloc { pc: Pc(0), ty: TypeId(1), access: StrOff(0), kind: 0 }];
    let image = Image { progs: vec![prog], ..Image::default() };
    assert_eq!(
        run(&image, "f").unwrap_err(),
        "load: f, insn 0 depends on the types of a kernel (CO-RE), and none were given"
    );
}

#[test]
fn what_no_type_matched_stops_a_program_only_where_it_comes_to_it() {
    let image = |len: i32| {
        let size = Insn::Load { size: skep_isa::Size::W, dst: Reg::R2, base: Reg::R1, off: 4 };
        let begin = Insn::Load { size: skep_isa::Size::W, dst: Reg::R3, base: Reg::R1, off: 0 };
        let sub =
            Insn::Alu { width: Width::W64, op: AluOp::Sub, dst: Reg::R2, src: Src::Reg(Reg::R3) };
        let mov = Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Src::Imm(2) };
        let (width, op, dst) = (Width::W64, CondOp::Eq, Reg::R2);
        let skip = Insn::JumpIf { width, op, dst, src: Src::Imm(len), off: 1 };
        let poison = Insn::Call(Call::Helper(CoreReloc::POISON));
        let insns = [size, begin, sub, mov, skip, poison, Insn::Exit].into_iter().collect();
        Image { progs: vec![Prog::new("f", ProgType::Xdp, insns)], ..Image::default() }
    };
    assert_eq!(run(&image(14), "f").unwrap(), "XDP_PASS");
    let err = run(&image(15), "f").unwrap_err();
    assert!(err.contains("insn 5"), "{err}");
    assert!(err.contains("what depends on a type or field that the given types lack"), "{err}");
}
