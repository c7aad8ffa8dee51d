//! The instruction set, printed.

use crate::table::{ALU, ATOMIC, COND, Group, IMM_SRC, SINGLE, SIZE, SWAP, X, class, mode};
use alloc::string::String;
use core::fmt::{self, Write};

/// A Markdown table of every instruction: opcode, the fields that tell it apart, both dialects and
/// the conformance group. `docs/isa.md` is this text.
#[must_use]
pub fn reference() -> String {
    let mut out = String::new();
    write(&mut out).expect("bug: writing to a string failed");
    out
}

fn write(out: &mut String) -> fmt::Result {
    writeln!(out, "| code | fields | C-like | mnemonic | group |\n|---|---|---|---|---|")?;
    write_alu(out)?;
    write_memory(out)?;
    write_jumps(out)?;
    for &(code, fields, c, mnemonic, group) in SINGLE {
        row(out, code, fields, c, mnemonic, group)?;
    }
    Ok(())
}

fn row(
    out: &mut String,
    code: u8,
    fields: impl fmt::Display,
    c: impl fmt::Display,
    mnemonic: impl fmt::Display,
    group: Group,
) -> fmt::Result {
    let group = alloc::format!("{group:?}").to_lowercase();
    // A bare `|` would end the table cell.
    let c = alloc::format!("{c}").replace('|', "\\|");
    writeln!(out, "| {code:#04x} | {fields} | `{c}` | `{mnemonic}` | {group} |")
}

fn write_alu(out: &mut String) -> fmt::Result {
    for (class, reg, suffix, n) in [(class::ALU, 'w', "32", 0), (class::ALU64, 'r', "", 1)] {
        for r in &ALU {
            let (sym, name, group) = (r.symbol, r.mnemonic, r.groups[n]);
            let off = format_args!("off {}", r.off);
            let k = format_args!("{reg}1 {sym} imm");
            row(out, class | r.code, off, k, format_args!("{name}{suffix} %r1, imm"), group)?;
            let x = format_args!("{reg}1 {sym} {reg}2");
            row(out, class | r.code | X, off, x, format_args!("{name}{suffix} %r1, %r2"), group)?;
        }
    }
    for r in &SWAP {
        for bits in [16, 32, 64] {
            let group = if bits == 64 { Group::Base64 } else { Group::Base32 };
            let c = format_args!("r1 = {}{bits} r1", r.mnemonic);
            let mnemonic = format_args!("{}{bits} %r1", r.mnemonic);
            row(out, r.code, format_args!("imm {bits}"), c, mnemonic, group)?;
        }
    }
    Ok(())
}

fn write_memory(out: &mut String) -> fmt::Result {
    for (src, meaning) in IMM_SRC {
        row(out, 0x18, format_args!("src {src}"), meaning, "lddw %r1, imm", Group::Base64)?;
    }
    for s in &SIZE {
        let (ty, sfx) = (s.unsigned, s.suffix);
        let group = if s.suffix == "dw" { Group::Base64 } else { Group::Base32 };
        let c = format_args!("r1 = *({ty} *)(r2 + off)");
        let name = format_args!("ldx{sfx} %r1, [%r2+off]");
        row(out, class::LDX | mode::MEM | s.code, "", c, name, group)?;
        let c = format_args!("*({ty} *)(r1 + off) = imm");
        let name = format_args!("st{sfx} [%r1+off], imm");
        row(out, class::ST | mode::MEM | s.code, "", c, name, group)?;
        let c = format_args!("*({ty} *)(r1 + off) = r2");
        let name = format_args!("stx{sfx} [%r1+off], %r2");
        row(out, class::STX | mode::MEM | s.code, "", c, name, group)?;
        let c = format_args!("r1 = load_acquire(({ty} *)(r2 + off))");
        let name = format_args!("load_acq{sfx} %r1, [%r2+off]");
        row(out, class::STX | mode::ATOMIC | s.code, "imm 0x100", c, name, Group::Linux)?;
        let c = format_args!("store_release(({ty} *)(r1 + off), r2)");
        let name = format_args!("store_rel{sfx} [%r1+off], %r2");
        row(out, class::STX | mode::ATOMIC | s.code, "imm 0x110", c, name, Group::Linux)?;
        if s.suffix == "dw" {
            continue;
        }
        let c = format_args!("r1 = *({} *)(r2 + off)", s.signed);
        let name = format_args!("ldxs{sfx} %r1, [%r2+off]");
        row(out, class::LDX | mode::MEMSX | s.code, "", c, name, Group::Base64)?;
        let c = format_args!("r0 = *({ty} *)skb[imm]");
        row(out, mode::ABS | s.code, "", c, format_args!("ldabs{sfx} imm"), Group::Packet)?;
        let c = format_args!("r0 = *({ty} *)skb[r2 + imm]");
        row(out, mode::IND | s.code, "", c, format_args!("ldind{sfx} %r2, imm"), Group::Packet)?;
    }
    write_atomics(out)
}

fn write_atomics(out: &mut String) -> fmt::Result {
    for (s, group) in [(&SIZE[2], Group::Atomic32), (&SIZE[3], Group::Atomic64)] {
        for a in &ATOMIC {
            let c = format_args!("lock *({} *)(r1 + off), {}, r2", s.unsigned, a.mnemonic);
            let bits = if s.suffix == "w" { "32" } else { "" };
            let name = format_args!("lock {}{bits} [%r1+off], %r2", a.mnemonic);
            let fields = format_args!("imm {:#x}", a.imm);
            row(out, class::STX | mode::ATOMIC | s.code, fields, c, name, group)?;
        }
    }
    Ok(())
}

fn write_jumps(out: &mut String) -> fmt::Result {
    for (class, reg, suffix, group) in
        [(class::JMP, 'r', "", Group::Base64), (class::JMP32, 'w', "32", Group::Base32)]
    {
        for r in &COND {
            let (sym, name) = (r.symbol, r.mnemonic);
            let k = format_args!("if {reg}1 {sym} imm goto pc+off");
            row(out, class | r.code, "", k, format_args!("{name}{suffix} %r1, imm, +off"), group)?;
            let x = format_args!("if {reg}1 {sym} {reg}2 goto pc+off");
            let name = format_args!("{name}{suffix} %r1, %r2, +off");
            row(out, class | r.code | X, "", x, name, group)?;
        }
    }
    Ok(())
}
