//! Keys and values of maps.

use super::{Access, By};
use crate::map_info::MapInfo;
use crate::record::{Field, Kinds, Record};
use crate::reg::{Base, RegState};
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::MapType;
use skep_isa::Reg;

impl Verifier<'_> {
    /// The map of a map pointer, key or value.
    pub(crate) fn map_of(&self, reg: &RegState) -> Option<&MapInfo<'_>> {
        self.maps.get(reg.map()? as usize)
    }

    /// Fields with a meaning of what a pointer points into. Kernel: `reg_btf_record`.
    pub(crate) fn record_of(&self, reg: &RegState) -> Option<&Record> {
        if reg.ty.without(crate::reg::flag::MAYBE_NULL).is(Base::MapValue) {
            return self.map_of(reg).map(|map| &map.record);
        }
        if crate::null::is_alloc(reg.ty) {
            return self.struct_record(reg.btf()?);
        }
        None
    }

    pub(super) fn access_map_key(&mut self, reg: &RegState, access: Access) -> Res<()> {
        if access.write {
            return Reject::new(
                Rule::MemReadOnly,
                format!("write to change key R{} not allowed", access.base.num()),
            )
            .fact(Fact::Reg(access.base, *reg))
            .stop();
        }
        let size = self.map_of(reg).map_or(0, |map| map.def.key_size);
        self.check_mem_region_access(access.base, access.off, access.size, size, false)?;
        self.loads_unknown(access);
        Ok(())
    }

    pub(super) fn access_map_value(&mut self, reg: &RegState, access: Access) -> Res<()> {
        self.refuse_leak(access, "map")?;
        self.check_map_access_type(reg, access.off, access.size, access.write)?;
        self.check_map_access(access.base, access.off, access.size, false, By::Insn)?;
        let fixed = reg.num.is_const().map(|var| access.off.wrapping_add(super::int(var)));
        let at = fixed.and_then(|off| u32::try_from(off).ok());
        let record = self.map_of(reg).map(|map| &map.record);
        let field =
            at.zip(record).and_then(|(at, record)| record.find(at, Kinds::POINTER)).copied();
        if let Some(field) = field {
            return self.check_map_kptr_access(access, &field);
        }
        if access.write || access.value.is_none() {
            return Ok(());
        }
        match at.and_then(|at| self.constant_at(reg, at, access)) {
            Some(value) => {
                if let Some(dst) = access.value {
                    *self.reg_mut(dst) = self.constant(value);
                }
            }
            None => self.loads_unknown(access),
        }
        Ok(())
    }

    /// What a load finds in a map that cannot change any more. Kernel: `bpf_map_direct_read`.
    fn constant_at(&self, reg: &RegState, at: u32, access: Access) -> Option<u64> {
        let map = self.map_of(reg)?;
        if map.map_type() != MapType::Array || map.def.max_entries != 1 {
            return None;
        }
        let content = map.constant()?;
        let at = at as usize;
        let size = usize::try_from(access.size).ok()?;
        let mut bytes = [0; 8];
        for (nth, byte) in bytes.iter_mut().take(size).enumerate() {
            // Content may be given short; the rest is zero.
            *byte = content.get(at + nth).copied().unwrap_or(0);
        }
        let value = u64::from_le_bytes(bytes);
        let unused = 64 - 8 * u32::try_from(size).ok()?;
        Some(match access.sx {
            true => ((value << unused).cast_signed() >> unused).cast_unsigned(),
            false => value,
        })
    }

    /// Whether the program may read or write values. Kernel: `check_map_access_type`.
    pub(crate) fn check_map_access_type(
        &self,
        reg: &RegState,
        off: i32,
        size: i32,
        write: bool,
    ) -> Res<()> {
        let Some(map) = self.map_of(reg) else { return Ok(()) };
        let what = match write {
            true if !map.may_write() => "write into map",
            false if !map.may_read() => "read from map",
            _ => return Ok(()),
        };
        Reject::new(
            Rule::MemReadOnly,
            format!("{what} forbidden, value_size={} off={off} size={size}", map.def.value_size),
        )
        .fact(Fact::Map(reg.map().unwrap_or(0)))
        .stop()
    }

    /// An access to a value stays inside and keeps away from fields with a meaning.
    /// Kernel: `check_map_access`.
    pub(crate) fn check_map_access(
        &self,
        base: Reg,
        off: i32,
        size: i32,
        zero_size_allowed: bool,
        by: By,
    ) -> Res<()> {
        let reg = self.reg(base);
        let Some(map) = self.map_of(reg) else {
            return reject(Rule::Internal, "a value without a map");
        };
        self.check_mem_region_access(base, off, size, map.def.value_size, zero_size_allowed)?;
        for field in &map.record.fields {
            let start = i64::from(field.offset);
            let touches = reg.num.smin.wrapping_add(i64::from(off)) < start + i64::from(field.size)
                && start.cast_unsigned()
                    < reg
                        .num
                        .umax
                        .wrapping_add(i64::from(off).cast_unsigned())
                        .wrapping_add(i64::from(size).cast_unsigned());
            if touches {
                self.check_field_access(base, reg, (off, size), field, by)?;
            }
        }
        Ok(())
    }

    /// Only pointers are reached by instructions, whole and at a known place.
    fn check_field_access(
        &self,
        base: Reg,
        reg: &RegState,
        (off, size): (i32, i32),
        field: &Field,
        by: By,
    ) -> Res<()> {
        let name = field.kind.name();
        let at = reg.num.is_const().map(|var| i64::from(off).cast_unsigned().wrapping_add(var));
        let kernel = if !Kinds::POINTER.has(field.kind) {
            format!("{name} cannot be accessed directly by load/store")
        } else if by == By::Helper {
            format!("{name} cannot be accessed indirectly by helper")
        } else {
            match at {
                None => format!("{name} access cannot have variable offset"),
                Some(at) if at != u64::from(field.offset) => {
                    format!("{name} access misaligned expected={} off={at}", field.offset)
                }
                _ if size != 8 => format!("{name} access size must be BPF_DW"),
                _ => return Ok(()),
            }
        };
        Reject::new(Rule::MemSpecialField, kernel)
            .fact(Fact::Reg(base, *reg))
            .fact(Fact::Map(reg.map().unwrap_or(0)))
            .stop()
    }
}
