//! Programs to text.

use super::Format;
use crate::insn::{Ancillary, Insn, Reg};
use crate::raw::RawInsn;
use crate::table::{Operand, Row, TABLE};
use alloc::string::String;
use core::fmt::{self, Write};

/// The listing of a program, byte for byte as tcpdump prints it. Any fields will do.
///
/// Sources: `bpf_dump.c` and `bpf_image.c` of libpcap.
#[must_use]
pub fn print(insns: &[RawInsn], format: Format) -> String {
    let mut out = String::new();
    write(&mut out, insns, format).expect("bug: writing to a string failed");
    out
}

fn write(out: &mut String, insns: &[RawInsn], format: Format) -> fmt::Result {
    if format == Format::Decimal {
        writeln!(out, "{}", insns.len())?;
    }
    for (insn, pc) in insns.iter().zip(0u32..) {
        let RawInsn { code, jt, jf, k } = *insn;
        match format {
            Format::Text => image(out, pc, *insn)?,
            Format::C => write!(out, "{{ {code:#x}, {jt}, {jf}, {k:#010x} }},")?,
            Format::Decimal => write!(out, "{code} {jt} {jf} {k}")?,
        }
        out.push('\n');
    }
    Ok(())
}

/// libpcap: `bpf_image`.
fn image(out: &mut String, pc: u32, insn: RawInsn) -> fmt::Result {
    let mut operand = String::new();
    let mnemonic = match TABLE.iter().find(|row| row.code == insn.code).filter(known) {
        Some(row) => {
            write_operand(&mut operand, row.operand, pc, insn.k)?;
            row.mnemonic
        }
        None => {
            write!(operand, "{:#x}", insn.code)?;
            "unimp"
        }
    };
    // The class of jumps, and any of them but `ja`; opcodes without a meaning count too.
    if insn.code & 7 == 5 && insn.code & 0xf0 != 0 {
        let next = pc.wrapping_add(1);
        let jt = next.wrapping_add(insn.jt.into());
        let jf = next.wrapping_add(insn.jf.into());
        write!(out, "({pc:03}) {mnemonic:<8} {operand:<16} jt {jt}\tjf {jf}")
    } else {
        write!(out, "({pc:03}) {mnemonic:<8} {operand}")
    }
}

/// Whether libpcap knows the instruction: all that Linux allows but `ldx #pktlen`.
fn known(row: &&Row) -> bool {
    row.insn != Insn::LoadLen { reg: Reg::X }
}

fn write_operand(out: &mut String, operand: Operand, pc: u32, k: u32) -> fmt::Result {
    let dec = k.cast_signed();
    match operand {
        Operand::None => Ok(()),
        Operand::Hex => write!(out, "#{k:#x}"),
        Operand::Dec => write!(out, "#{dec}"),
        Operand::Abs => match Ancillary::at(k) {
            Some(anc) => write!(out, "[{}]", anc.name()),
            None => write!(out, "[{dec}]"),
        },
        Operand::Ind => write!(out, "[x + {dec}]"),
        Operand::Msh => write!(out, "4*([{dec}]&0xf)"),
        Operand::Mem => write!(out, "M[{dec}]"),
        Operand::Len => out.write_str("#pktlen"),
        Operand::X => out.write_str("x"),
        Operand::Target => {
            write!(out, "{}", pc.wrapping_add(1).wrapping_add(k).cast_signed())
        }
    }
}
