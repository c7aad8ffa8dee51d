//! The types that the kernel wants of a program of several functions.
//!
//! Without a function type for each, it allows neither callbacks nor `LD_ABS` and tail calls in
//! subprograms (`check_ld_imm`, `check_abnormal_return`). It needs no more of them than that they
//! exist: all functions here are static and return `int`, so that each is verified in the state of
//! its callers. A global function of the source loses its own verification thereby, and no program
//! its meaning.

use skep_isa::{Call, ImmSrc, Insn, Pc};
use skep_prog::Prog;
use skep_sys::FuncInfo;
use std::collections::BTreeSet;

const KIND_INT: u32 = 1;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
/// Id of the first function: 1 is `int`, 2 the prototype of all.
const FIRST: u32 = 3;

/// The types, and the type of each function; none for a program of one.
pub(crate) fn types(prog: &Prog) -> Option<(Vec<u8>, Vec<FuncInfo>)> {
    let starts = functions(prog);
    if starts.len() < 2 {
        return None;
    }
    let mut strings = b"\0int\0".to_vec();
    let mut words = vec![1, KIND_INT << 24, 4, 1 << 24 | 32, 0, KIND_FUNC_PROTO << 24, 1];
    let mut infos = Vec::new();
    for (pc, type_id) in starts.into_iter().zip(FIRST..) {
        words.extend([len32(&strings), KIND_FUNC << 24, 2]);
        strings.extend(name(prog, pc).bytes());
        strings.push(0);
        infos.push(FuncInfo { insn_off: pc.0, type_id });
    }
    Some((btf(&words, &strings), infos))
}

/// First slots of all functions, the entry's among them.
fn functions(prog: &Prog) -> BTreeSet<Pc> {
    let called = prog.insns.iter().filter_map(|(pc, insn)| match insn {
        Insn::Call(Call::Local(off)) | Insn::LoadImm { imm: ImmSrc::Func(off), .. } => pc.jump(off),
        _ => None,
    });
    called.chain([Pc(0)]).collect()
}

/// An identifier of C: the function's symbol as far as it is one. Kernel: `btf_name_valid_identifier`.
fn name(prog: &Prog, pc: Pc) -> String {
    let known = prog.subprogs.iter().find(|sub| sub.start == pc);
    let Some(known) = known.filter(|sub| sub.name.len() < 128) else { return format!("f{pc}") };
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!(
        "{}{}",
        if known.name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" },
        known.name.chars().map(allowed).collect::<String>()
    )
}

/// Source: `struct btf_header`, `include/uapi/linux/btf.h`.
fn btf(words: &[u32], strings: &[u8]) -> Vec<u8> {
    const MAGIC: u16 = 0xeb9f;
    const HEADER: u32 = 24;
    let types: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut out = MAGIC.to_ne_bytes().to_vec();
    out.extend([1, 0]);
    for word in [HEADER, 0, len32(&types), len32(&types), len32(strings)] {
        out.extend(word.to_ne_bytes());
    }
    out.extend(types);
    out.extend(strings);
    out
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
