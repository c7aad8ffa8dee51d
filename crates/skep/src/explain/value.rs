//! Values in words: what stands in a register, in terms of the program.

use skep_abi::MapType;
use skep_asm::Dialect;
use skep_btf::{Body, Btf, TypeId};
use skep_isa::{Call, Insn, Pc};
use skep_prog::{Extern, Image, Prog};
use skep_verifier::{Base, BtfRef, Extra, RegState, reg_flag};

/// A map without a name, or inside a map.
const UNNAMED: &str = "a map";

/// Where names come from.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    /// Maps and the program's types.
    pub(super) image: &'a Image,
    /// Functions.
    pub(super) prog: &'a Prog,
    /// The kernel's types, where they are known.
    pub(super) types: Option<&'a Btf>,
}

impl<'a> Words<'a> {
    /// A value in terms of the program.
    pub(super) fn describe(self, reg: &RegState) -> String {
        if reg.ty.base == Base::Scalar {
            return number(reg);
        }
        if reg.ty.base == Base::NotInit {
            return "not initialised".into();
        }
        let null = if reg.ty.may_be_null() { ", or null" } else { "" };
        let (what, off) = self.pointer(reg);
        format!("{what}{off}{null}")
    }

    /// What a pointer leads to, and the offset in it.
    fn pointer(self, reg: &RegState) -> (String, String) {
        if let (Base::MapValue, Extra::Map { map, .. }) = (reg.ty.base, reg.extra)
            && let Some((name, at)) = self.variable(map, reg)
        {
            let off = i32::try_from(at).ok().and_then(|at| reg.off.checked_sub(at));
            let inside = RegState { off: off.unwrap_or(reg.off), ..*reg };
            return (format!("the variable {name}"), offset(&inside));
        }
        let has = |flags| reg.ty.has(flags);
        let size = reg.mem_size();
        let what = match (reg.ty.base, reg.extra) {
            (Base::Ctx, _) => "the context".into(),
            (Base::ConstMap, Extra::Map { map, .. }) if self.map(map) != UNNAMED => {
                format!("the map {}", self.map(map))
            }
            (Base::ConstMap, _) => UNNAMED.into(),
            (Base::MapValue, Extra::Map { map, .. }) => format!("a value of {}", self.map(map)),
            (Base::MapValue, _) => "a value of a map".into(),
            (Base::MapKey, Extra::Map { map, .. }) => format!("a key of {}", self.map(map)),
            (Base::MapKey, _) => "a key of a map".into(),
            (Base::Stack, _) => "the stack".into(),
            (Base::Packet, _) => "the packet".into(),
            (Base::PacketMeta, _) => "the packet's metadata".into(),
            (Base::PacketEnd, _) => "the end of the packet".into(),
            (Base::FlowKeys, _) => "the flow keys".into(),
            (Base::Mem, _) if has(reg_flag::RINGBUF) && size > 0 => {
                format!("a record of {size} bytes in a ring buffer")
            }
            (Base::Mem, _) if has(reg_flag::RINGBUF) => "a record of a ring buffer".into(),
            (Base::Mem, _) if has(reg_flag::UNTRUSTED) => "memory that may not be there".into(),
            (Base::Mem, _) if size == 0 && has(reg_flag::RDONLY) => "read-only memory".into(),
            (Base::Mem, _) if size == 0 => "memory".into(),
            (Base::Mem, _) if has(reg_flag::RDONLY) => format!("{size} bytes of read-only memory"),
            (Base::Mem, _) => format!("{size} bytes of memory"),
            (Base::Socket, _) => "a socket".into(),
            (Base::SockCommon, _) => "a socket".into(),
            (Base::TcpSock, _) => "a TCP socket".into(),
            (Base::XdpSock, _) => "an AF_XDP socket".into(),
            (Base::TpBuffer, _) => "the tracepoint's buffer".into(),
            (Base::Buf, _) if has(reg_flag::RDONLY) => "a read-only buffer".into(),
            (Base::Buf, _) => "a buffer".into(),
            (Base::Arena, _) => "the arena".into(),
            (Base::ConstDynptr, _) => "a dynptr".into(),
            (Base::Func, Extra::Subprog(at)) => {
                let sub = usize::try_from(at).ok().and_then(|at| self.prog.subprogs.get(at));
                sub.map_or_else(
                    || "a function of the program".into(),
                    |sub| format!("the function {}", sub.name),
                )
            }
            (Base::Func, _) => "a function of the program".into(),
            (Base::BtfId, _) => return (self.object(reg), String::new()),
            (Base::Scalar | Base::NotInit, _) => String::new(),
        };
        (what, offset(reg))
    }

    /// An object of a type, and what is known of its life.
    fn object(self, reg: &RegState) -> String {
        let has = |flags| reg.ty.has(flags);
        let name = reg.btf().and_then(|(btf, id)| self.type_name(btf, id));
        let of = match name {
            Some(name) => format!("`{name}`"),
            None if has(reg_flag::ALLOC) => "an object".into(),
            None => "a kernel structure".into(),
        };
        let of = format!("{of}{}", offset(reg));
        let kept = if has(reg_flag::PERCPU) {
            return format!("a per-CPU pointer to {of}");
        } else if has(reg_flag::USER) {
            " of a process"
        } else if has(reg_flag::UNTRUSTED) {
            " that may not be valid"
        } else if has(reg_flag::NON_OWN_REF) {
            " that does not own it"
        } else if has(reg_flag::RCU) {
            " that RCU keeps"
        } else if has(reg_flag::TRUSTED | reg_flag::ALLOC) || reg.ref_obj_id != 0 {
            ""
        } else {
            " that nothing keeps valid"
        };
        format!("a pointer to {of}{kept}")
    }

    /// `struct task_struct`
    fn type_name(self, btf: BtfRef, id: TypeId) -> Option<String> {
        let btf = match btf {
            BtfRef::Kernel => self.types?,
            BtfRef::Prog => self.image.btf.as_deref()?,
        };
        let ty = btf.get(id)?;
        if ty.name.is_empty() {
            return None;
        }
        Some(match ty.body {
            Body::Struct { .. } => format!("struct {}", ty.name),
            Body::Union { .. } => format!("union {}", ty.name),
            _ => ty.name.to_string(),
        })
    }

    /// The variable of a data section that a pointer leads to, and where it begins.
    fn variable(self, map: u32, reg: &RegState) -> Option<(&'a str, u32)> {
        let def = self.image.maps.get(usize::try_from(map).ok()?)?;
        def.data?;
        let btf = self.image.btf.as_deref()?;
        let Body::Datasec { vars, .. } = btf.get(def.value_type?)?.body else { return None };
        let fixed = match reg.num.is_const() {
            Some(var) => i64::from(reg.off).checked_add(var.cast_signed())?,
            None => i64::from(reg.off),
        };
        let at = u32::try_from(fixed).ok()?;
        let var = vars.iter().find(|var| {
            var.off <= at && at.checked_sub(var.off).is_some_and(|inside| inside < var.size.max(1))
        })?;
        let name = btf.get(var.var)?.name;
        (!name.is_empty()).then_some((name, var.off))
    }

    /// What a pointer leads to, where something is done with it.
    pub(super) fn target(self, reg: &RegState) -> String {
        match reg.btf().and_then(|(btf, id)| self.type_name(btf, id)) {
            Some(name) if reg.ty.base == Base::BtfId => format!("`{name}`"),
            _ if reg.ty.base == Base::BtfId => "a kernel structure".into(),
            _ => self.describe(reg),
        }
    }

    /// Whether a map holds variables of the program.
    pub(super) fn holds_variables(self, map: u32) -> bool {
        let def = usize::try_from(map).ok().and_then(|at| self.image.maps.get(at));
        def.is_some_and(|def| def.data.is_some())
    }

    /// The type of the n-th parameter, from 1, of a function, where it is a pointer to something named.
    pub(super) fn parameter_type(self, start: Pc, n: usize) -> Option<String> {
        let sub = self.prog.subprogs.iter().find(|sub| sub.start == start)?;
        let btf = self.image.btf.as_deref()?;
        let Body::Func { proto, .. } = btf.get(sub.type_id?)?.body else { return None };
        let Body::FuncProto { params, .. } = btf.get(proto)?.body else { return None };
        let ty = btf.resolve(params.get(n.checked_sub(1)?)?.ty)?;
        let Body::Ptr(to) = ty.body else {
            return (!ty.name.is_empty()).then(|| ty.name.to_string());
        };
        let to = btf.resolve(to)?;
        Some(match to.body {
            Body::Void => "void *".into(),
            _ if to.name.is_empty() => return None,
            Body::Struct { .. } | Body::Fwd { union: false } => format!("struct {} *", to.name),
            Body::Union { .. } | Body::Fwd { .. } => format!("union {} *", to.name),
            Body::Enum { .. } | Body::Enum64 { .. } => format!("enum {} *", to.name),
            _ => format!("{} *", to.name),
        })
    }

    /// What to call a map.
    pub(super) fn map(self, map: u32) -> &'a str {
        let def = usize::try_from(map).ok().and_then(|at| self.image.maps.get(at));
        def.map(|def| def.name.as_str()).filter(|name| !name.is_empty()).unwrap_or(UNNAMED)
    }

    /// The memory that a pointer leads to, without the offset.
    pub(super) fn region(self, reg: &RegState) -> String {
        let whole = RegState { off: 0, num: RegState::constant(0).num, ..*reg };
        match reg.ty.base {
            Base::Scalar => "memory".into(),
            Base::MapValue => self.pointer(reg).0,
            _ => self.pointer(&whole).0,
        }
    }

    /// A value where it is clear that numbers are numbers: `0..=3`.
    pub(super) fn range(self, reg: &RegState) -> String {
        range_of(&self.describe(reg)).to_string()
    }

    /// A map with its sizes.
    pub(super) fn name_map(self, map: u32) -> String {
        let def = usize::try_from(map).ok().and_then(|at| self.image.maps.get(at));
        let Some(def) = def else { return "the map is one inside a map".into() };
        if def.data.is_some() {
            return format!("{} holds {} bytes of variables", def.name, def.value_size);
        }
        // Logs do not tell the type.
        let kind = match def.map_type {
            MapType::Unspec => String::new(),
            known => format!(" of type {}", known.name()),
        };
        format!(
            "{} is a map{kind}, keys of {} and values of {} bytes",
            if def.name.is_empty() { "it" } else { &def.name },
            def.key_size,
            def.value_size
        )
    }

    /// The symbol of a function that is called at `pc`.
    fn symbol(self, pc: Pc, call: Call) -> String {
        let name = match call {
            Call::Helper(id) => {
                let helper = u32::try_from(id).ok().and_then(skep_abi::Helper::find);
                return helper.map_or_else(
                    || format!("helper {id}"),
                    |helper| format!("bpf_{}", helper.name),
                );
            }
            Call::Kfunc { id, module: Extern::MODULE } => {
                let named = usize::try_from(id).ok().and_then(|at| self.prog.externs.get(at));
                named.map(|named| named.name.as_str())
            }
            Call::Local(off) => {
                let target = pc.jump(off);
                let sub = self.prog.subprogs.iter().find(|sub| Some(sub.start) == target);
                sub.map(|sub| sub.name.as_str())
            }
            _ => None,
        };
        name.filter(|name| !name.is_empty()).unwrap_or("the call").into()
    }

    /// What to call a function that is called at `pc`, as programs write it: macros stand for some.
    pub(super) fn callee(self, pc: Pc, call: Call) -> String {
        let name = self.symbol(pc, call);
        match name.strip_suffix("_impl") {
            Some(base) if base.starts_with("bpf_") => base.into(),
            _ => name,
        }
    }

    /// An instruction as text; functions are called by their names.
    pub(super) fn insn(self, pc: Pc, insn: &Insn) -> String {
        if let Insn::Call(call @ (Call::Kfunc { .. } | Call::Local(_))) = *insn {
            let name = self.symbol(pc, call);
            if name != "the call" {
                return format!("call {name}");
            }
        }
        skep_asm::print_insn(insn, Dialect::CLike, &self.image.maps)
    }

    /// Name of the n-th parameter, from 1, of the function that begins at `start`, and of the function.
    pub(super) fn parameter(self, start: Pc, n: usize) -> Option<(Option<&'a str>, &'a str)> {
        let sub = self.prog.subprogs.iter().find(|sub| sub.start == start)?;
        let name = || -> Option<&'a str> {
            let btf = self.image.btf.as_deref()?;
            let Body::Func { proto, .. } = btf.get(sub.type_id?)?.body else { return None };
            let Body::FuncProto { params, .. } = btf.get(proto)?.body else { return None };
            let name = params.get(n.checked_sub(1)?)?.name;
            (!name.is_empty()).then_some(name)
        };
        (!sub.name.is_empty()).then(|| (name(), sub.name.as_str()))
    }
}

/// The offset of a pointer.
fn offset(reg: &RegState) -> String {
    let fixed = i64::from(reg.off);
    match reg.num.is_const() {
        Some(var) => match fixed.wrapping_add(var.cast_signed()) {
            0 => String::new(),
            sum if sum < 0 => format!(" - {}", sum.unsigned_abs()),
            sum => format!(" + {sum}"),
        },
        None => {
            let low = fixed.saturating_add(reg.num.smin);
            let high = fixed.saturating_add(reg.num.smax);
            match (reg.num.smin < i64::MIN / 2, reg.num.smax > i64::MAX / 2) {
                (true, true) => " + any number".into(),
                (true, false) => format!(" + at most {high}"),
                (false, true) => format!(" + at least {low}"),
                (false, false) => format!(" + {low}..={high}"),
            }
        }
    }
}

/// A number's range.
fn number(reg: &RegState) -> String {
    let num = &reg.num;
    if let Some(value) = num.is_const() {
        let signed = value.cast_signed();
        return if signed.unsigned_abs() < 1 << 32 {
            signed.to_string()
        } else {
            format!("{value:#x}")
        };
    }
    if num.smin >= 0 {
        return match (num.umin, num.umax) {
            (0, most) if most > u64::MAX / 4 => "any number that is not negative".into(),
            (least, most) if most > u64::MAX / 4 => format!("a number of at least {least}"),
            (least, most) => format!("a number of {least}..={most}"),
        };
    }
    // All but a few bits that shifts and masks leave.
    let is_wide = num.smin < i64::MIN / 2 && num.smax > i64::MAX / 2;
    if is_wide && num.umin == 0 && num.umax > u64::MAX / 2 {
        return "any number".into();
    }
    match (num.smin < i64::MIN / 2, num.smax > i64::MAX / 2) {
        (false, false) => return format!("a number of {}..={}", num.smin, num.smax),
        (true, false) => return format!("a number of at most {}", num.smax),
        (false, true) => return format!("a number of at least {}", num.smin),
        (true, true) => {}
    }
    if num.umax < u64::MAX || num.umin > 0 {
        return format!("a number of {}..={}", num.umin, num.umax);
    }
    "any number".into()
}

/// A value without saying that it is a number.
pub(super) fn range_of(what: &str) -> &str {
    what.strip_prefix("a number of ").unwrap_or(what)
}
