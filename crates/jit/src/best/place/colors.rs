//! Registers for values, by a walk down the tree of dominators.

use super::{Host, Life, Lives, Loc, Places, Rows, Set, one};
use alloc::vec;
use alloc::vec::Vec;
use skep_ir::{BlockId, Inst, Value};

impl<H: Host> Lives<'_, H> {
    /// Registers for all values.
    pub(super) fn color(&self, taken: Set, two: bool) -> Places<H> {
        let f = self.f;
        let reserved = taken | H::RESERVED | if two { H::SPARE } else { 0 };
        let loc = |inst: &Inst| match *inst {
            Inst::Const(number) => Loc::Number(number),
            Inst::Frame => Loc::Frame,
            _ => Loc::Nowhere,
        };
        let locs = f.insts.iter().map(loc).collect();
        let mut colors = Colors {
            lives: self,
            places: Places {
                locs,
                slots: 0,
                saved: 0,
                two,
                account: None,
                lives: Vec::new(),
                live_in: Rows::default(),
            },
            reserved,
            busy: 0,
            held: [Value::NONE; 32],
            written: 0,
            shared: vec![None; f.insts.len()],
        };
        for &block in &colors.lives.flow.order {
            colors.block(block);
        }
        for (bit, saved) in H::SAVED.iter().enumerate() {
            colors.places.saved |= u8::from(one::<H>(*saved) & colors.written != 0) << bit;
        }
        colors.places
    }
}

struct Colors<'a, 'f, H: Host> {
    lives: &'a Lives<'f, H>,
    places: Places<H>,
    reserved: Set,
    /// Registers that hold a value.
    busy: Set,
    /// What each of them holds.
    held: [Value; 32],
    /// Registers that have held any.
    written: Set,
    /// The register of those that become a parameter, by the parameter.
    shared: Vec<Option<H::Gpr>>,
}

impl<H: Host> Colors<'_, '_, H> {
    fn block(&mut self, block: BlockId) {
        self.busy = 0;
        for &value in self.lives.live_in.of(block) {
            if let Loc::Reg(reg) = self.places.locs[value.index()] {
                self.hold(reg, value);
            }
        }
        let f = self.lives.f;
        for &param in &f.blocks[block.index()].params {
            if self.lives.each[param.index()].uses > 0 {
                self.choose(param, [Value::NONE; 2]);
            }
        }
        let (start, end) = self.lives.ranges[block.index()];
        let mut deaths = &self.lives.deaths[start..end];
        for (at, &value) in (0..).zip(&f.blocks[block.index()].insts) {
            let inst = f.inst(value);
            let is_late = matches!(inst, Inst::Atomic { .. });
            if !is_late {
                self.free_dying(at, &mut deaths);
            }
            if inst.gives() && self.lives.each[value.index()].uses > 0 {
                let like = match *inst {
                    Inst::Bin { op, a, b, .. } if op.is_commutative() => [a, b],
                    Inst::Bin { a, .. } | Inst::Un { a, .. } => [a, Value::NONE],
                    Inst::Select { yes, no, .. } => [no, yes],
                    _ => [Value::NONE; 2],
                };
                self.choose(value, like);
            }
            if is_late {
                self.free_dying(at, &mut deaths);
            }
        }
    }

    /// Frees what is used last by the instruction at a position, the last of `deaths`.
    #[inline]
    fn free_dying(&mut self, at: u32, deaths: &mut &[(u32, Value)]) {
        while let Some((&(when, dead), rest)) = deaths.split_last()
            && when == at
        {
            *deaths = rest;
            self.free(dead);
        }
    }

    fn hold(&mut self, reg: H::Gpr, value: Value) {
        self.held[usize::from(H::num(reg))] = value;
        self.busy |= one::<H>(reg);
    }

    fn free(&mut self, value: Value) {
        if let Loc::Reg(reg) = self.places.locs[value.index()]
            && self.held[usize::from(H::num(reg))] == value
        {
            self.busy &= !one::<H>(reg);
        }
    }

    /// A place for a value, best where one of `like` was.
    fn choose(&mut self, value: Value, like: [Value; 2]) {
        let at = value.index();
        let Life { forbidden, wish, becomes, .. } = self.lives.each[at];
        let forbidden = forbidden | self.reserved;
        let free = !(forbidden | self.busy);
        let is_free = |reg: &H::Gpr| one::<H>(*reg) & free != 0;
        let shared =
            |param: Value| self.shared.get(param.index()).copied().flatten().filter(is_free);
        let was = |value: Value| match self.places.locs.get(value.index()) {
            Some(Loc::Reg(reg)) => Some(*reg).filter(is_free),
            _ => None,
        };
        let found = shared(value)
            .or_else(|| shared(becomes))
            .or_else(|| wish.filter(is_free))
            .or_else(|| was(like[0]))
            .or_else(|| was(like[1]))
            .or_else(|| H::ORDER.iter().copied().find(is_free));
        let reg = match found {
            Some(reg) => reg,
            None => match self.least(value, forbidden) {
                Some((other, reg)) => {
                    self.put_away(other);
                    reg
                }
                None => return self.put_away(value),
            },
        };
        self.hold(reg, value);
        self.written |= one::<H>(reg);
        self.places.locs[at] = Loc::Reg(reg);
        // Where a parameter is counts for whatever becomes it from now on.
        self.shared[at] = Some(reg);
        if let Some(shared @ None) = self.shared.get_mut(becomes.index()) {
            *shared = Some(reg);
        }
    }

    /// Gives a value a place that is no register.
    fn put_away(&mut self, value: Value) {
        self.places.locs[value.index()] = match self.lives.held(value) {
            Some(number) => Loc::Number(number),
            None => {
                self.places.slots += 1;
                Loc::Slot(self.places.slots - 1)
            }
        };
    }

    /// The value that is missed least of those in registers that another may have, if less than that.
    fn least(&self, value: Value, forbidden: Set) -> Option<(Value, H::Gpr)> {
        let may = self.busy & !forbidden;
        let may = H::ORDER.iter().copied().filter(|&reg| one::<H>(reg) & may != 0);
        let held = may.map(|reg| (self.held[usize::from(H::num(reg))], reg));
        let (other, reg) = held
            .reduce(|least, next| if self.lives.is_less(next.0, least.0) { next } else { least })?;
        self.lives.is_less(other, value).then_some((other, reg))
    }
}
