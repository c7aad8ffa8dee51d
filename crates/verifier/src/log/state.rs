//! What is known, as the kernel prints it.

use crate::btf_ref::BtfRef;
use crate::frame::{Byte, Slot};
use crate::reg::{ADD_CONST, Base, DynptrKind, Extra, IterState, RegState, flag};
use crate::trace::Step;
use skep_btf::{Btf, TypeId};
use skep_domain::{Ranges, Signed, Unsigned};
use skep_prog::Image;
use std::fmt::Write;

/// Where names come from.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) image: &'a Image,
    pub(super) kernel: Option<&'a Btf>,
}

impl Names<'_> {
    fn type_name(&self, btf: BtfRef, id: TypeId) -> String {
        let btf = match btf {
            BtfRef::Kernel => self.kernel,
            BtfRef::Prog => self.image.btf.as_deref(),
        };
        btf.and_then(|btf| btf.get(id)).map_or_else(String::new, |ty| ty.name.to_string())
    }
}

/// Registers (bit `n` for `rn`) and slots of the stack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Touched {
    pub(super) regs: u16,
    pub(super) slots: u64,
}

/// Everything that is known. Kernel: `print_verifier_state` with `print_all`.
pub(super) fn all(names: &Names<'_>, step: &Step) -> String {
    some(names, step, Touched { regs: u16::MAX, slots: u64::MAX })
}

/// What is known of some registers and slots; empty where nothing is.
pub(super) fn some(names: &Names<'_>, step: &Step, touched: Touched) -> String {
    let mut out = String::new();
    if step.frame > 0 {
        let _ = write!(out, " frame{}:", step.frame);
    }
    let empty = out.len();
    for (at, reg) in step.regs.iter().enumerate() {
        if touched.regs >> at & 1 == 1 && reg.ty.base != Base::NotInit {
            let _ = write!(out, " R{at}={}", value(names, step.frame, reg));
        }
    }
    let mut at = 0;
    while let Some(slot) = step.stack.get(at) {
        if at >= 64 || touched.slots >> at & 1 == 1 {
            at += self::slot(names, step, at, slot, &mut out);
        }
        at += 1;
    }
    // Locks have no number, and what comes after one is not told.
    if touched.regs != 0 && step.refs.first().is_some_and(|&first| first != 0) {
        let refs = step.refs.iter().filter(|&&id| id != 0);
        let refs: Vec<String> = refs.map(u32::to_string).collect();
        let _ = write!(out, " refs={}", refs.join(","));
    }
    if touched.regs != 0 {
        out.push_str(if step.in_callback { " cb" } else { "" });
        out.push_str(if step.in_async_callback { " async_cb" } else { "" });
    }
    if out.len() == empty { String::new() } else { out }
}

/// Writes a slot; how many slots more belong to it.
fn slot(names: &Names<'_>, step: &Step, at: usize, slot: &Slot, out: &mut String) -> usize {
    let types: String = slot.bytes.iter().map(|&byte| letter(byte)).collect();
    if slot.bytes.iter().all(|&byte| byte == Byte::Invalid) {
        return 0;
    }
    let place = |at: usize| (at + 1) * 8;
    match (slot.bytes[7], slot.reg.extra) {
        (Byte::Spill, _) => {
            let above: String = types.chars().take_while(|&c| c != 'r').collect();
            let known = value(names, step.frame, &slot.reg);
            let _ = write!(out, " fp-{}={above}{known}", place(at));
        }
        (Byte::Dynptr, _) => {
            // The kind is told at the second slot, the lower one.
            let Some(main) = step.stack.get(at + 1) else { return 0 };
            let kind = match main.reg.extra {
                Extra::Dynptr { kind, .. } => kind,
                _ => DynptrKind::Invalid,
            };
            let _ = write!(out, " fp-{}=dynptr_{}(", place(at + 1), dynptr_name(kind));
            let mut sep = "";
            let (id, of) = (main.reg.id, main.reg.ref_obj_id);
            for (name, id) in [("id", id), ("ref_id", of), ("dynptr_id", id)] {
                if id != 0 {
                    let _ = write!(out, "{sep}{name}={id}");
                    sep = ",";
                }
            }
            out.push(')');
            return 1;
        }
        (Byte::Iter, Extra::Iter { btf, id, state, depth }) => {
            if slot.reg.ref_obj_id == 0 {
                return 0;
            }
            let name = names.type_name(btf, id);
            let name = name.strip_prefix("bpf_iter_").unwrap_or(&name);
            let state = match state {
                IterState::Active => "active",
                IterState::Drained => "drained",
                IterState::Invalid => "<invalid>",
            };
            let _ = write!(
                out,
                " fp-{}=iter_{name}(ref_id={},state={state},depth={depth})",
                place(at),
                slot.reg.ref_obj_id
            );
        }
        _ => {
            let _ = write!(out, " fp-{}={types}", place(at));
        }
    }
    0
}

const fn letter(byte: Byte) -> char {
    match byte {
        Byte::Invalid => '?',
        Byte::Spill => 'r',
        Byte::Misc => 'm',
        Byte::Zero => '0',
        Byte::Dynptr => 'd',
        Byte::Iter => 'i',
        Byte::IrqFlag => 'f',
    }
}

const fn dynptr_name(kind: DynptrKind) -> &'static str {
    match kind {
        DynptrKind::Invalid => "<invalid>",
        DynptrKind::Local => "local",
        DynptrKind::Ringbuf => "ringbuf",
        DynptrKind::Skb => "skb",
        DynptrKind::Xdp => "xdp",
        DynptrKind::SkbMeta => "skb_meta",
        DynptrKind::File => "file",
    }
}

/// A value. Kernel: `print_reg_state`.
fn value(names: &Names<'_>, frame: u32, reg: &RegState) -> String {
    let mut out = String::new();
    let is_scalar = reg.is_scalar();
    if is_scalar && reg.precise {
        out.push('P');
    }
    let fixed = reg.num.is_const();
    if let Some(known) = fixed.filter(|_| is_scalar) {
        let _ = write!(out, "{}", Signed(known.cast_signed()));
        return out;
    }
    out.push_str(&reg.ty.kernel_name());
    match reg.ty.base {
        Base::Arena => return out,
        Base::Stack => {
            if reg.frame != frame {
                let _ = write!(out, "[{}]", reg.frame);
            }
            if let Some(known) = fixed {
                let off = known.cast_signed().wrapping_add(i64::from(reg.off));
                if off != 0 || reg.ty.flags != 0 {
                    let _ = write!(out, "{}", Signed(off));
                } else {
                    out.push('0');
                }
                return out;
            }
        }
        Base::BtfId => {
            if let Some((btf, id)) = reg.btf() {
                out.push_str(&names.type_name(btf, id));
            }
        }
        _ => {}
    }
    out.push('(');
    let mut sep = "";
    let mut add = |out: &mut String, text: String| {
        out.push_str(sep);
        out.push_str(&text);
        sep = ",";
    };
    if reg.id != 0 {
        let delta = if reg.id & ADD_CONST == 0 { String::new() } else { format!("{:+}", reg.off) };
        add(&mut out, format!("id={}{delta}", reg.id & !ADD_CONST));
    }
    if reg.ref_obj_id != 0 {
        add(&mut out, format!("ref_obj_id={}", reg.ref_obj_id));
    }
    if reg.ty.has(flag::NON_OWN_REF) {
        add(&mut out, "non_own_ref".into());
    }
    if let Some(map) = reg.map() {
        let def = usize::try_from(map).ok().and_then(|at| names.image.maps.get(at));
        if let Some(def) = def {
            if !def.name.is_empty() {
                let name: String = def.name.chars().take(15).collect();
                add(&mut out, format!("map={name}"));
            }
            add(&mut out, format!("ks={},vs={}", def.key_size, def.value_size));
        }
    }
    if !is_scalar && reg.off != 0 {
        add(&mut out, format!("off={}", Signed(reg.off.into())));
    }
    if reg.ty.is_packet() {
        add(&mut out, format!("r={}", Unsigned(u64::from(reg.range().unsigned_abs()))));
    }
    if reg.ty.base == Base::Mem {
        add(&mut out, format!("sz={}", Unsigned(reg.mem_size().into())));
    }
    if let (Base::ConstDynptr, Extra::Dynptr { kind, .. }) = (reg.ty.base, reg.extra) {
        add(&mut out, format!("type={}", dynptr_name(kind)));
    }
    match fixed {
        Some(0) => {}
        Some(known) => add(&mut out, format!("imm={}", Signed(known.cast_signed()))),
        None => {
            let _ = write!(out, "{}", Ranges { scalar: &reg.num, sep });
        }
    }
    out.push(')');
    out
}
