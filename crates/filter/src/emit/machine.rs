//! Values into registers.

use super::alu;
use super::state::{NO_CELL, NO_VALUE, State};
use crate::error::{Error, ErrorKind};
use crate::form::{
    AUTH, CHAIN_STEPS, Cell, Chain, EXTENSIONS, Effect, Init, NO_NEXT, Value, ValueId, Values,
};
use crate::lower::Meaning;
use skep_cbpf::{AluOp, Ancillary, CondOp, Insn, MAX_INSNS, MEM_CELLS, Reg, Size, Src};
use skep_diag::Span;
use smallvec::SmallVec;

/// Stands for the search of `A` in the set whose number is in `X`; no word of the language makes it.
pub(crate) const MEMBER: Insn = Insn::LoadAnc { size: Size::W, anc: Ancillary::Nlattr };

/// The same for the prefix whose last word is in `A`, and the others in scratch memory from the cell on that the upper
/// bits of `X` say.
pub(crate) const PREFIX: Insn = Insn::LoadAnc { size: Size::W, anc: Ancillary::NlattrNest };
/// Where those bits begin.
pub(crate) const PREFIX_CELL: u32 = 28;

/// Left operands in each other that are many.
const DEEP: usize = 6;

/// Makes the instructions of blocks, one after the other.
pub(super) struct Machine<'a> {
    meaning: &'a Meaning,
    values: &'a Values,
    pub(super) state: State,
    pub(super) code: Vec<Insn>,
    /// Cells of scratch memory: those of the meaning come first.
    slots: SmallVec<[Option<u32>; 8]>,
    free: u32,
    /// Whether some may be stored in.
    pub(super) stores: bool,
    /// Whether registers are remembered.
    optimise: bool,
    /// Whether a left operand may wait in a cell while the right one, which is made of it, is computed. Where operands are
    /// nested there are too few cells for it.
    pub(super) waits: bool,
}

impl<'a> Machine<'a> {
    /// `code` is memory for the instructions.
    pub(super) fn new(meaning: &'a Meaning, optimise: bool, mut code: Vec<Insn>) -> Self {
        code.clear();
        let mut free = 0;
        let slots = meaning.cells.iter().map(|cell| {
            cell.is_some().then(|| {
                free += 1;
                free - 1
            })
        });
        let slots = slots.collect();
        let values = &meaning.values;
        let (state, stores) = (State::NOTHING, free > 0);
        Self { meaning, values, state, code, slots, free, stores, optimise, waits: true }
    }

    pub(super) fn slot(&self, cell: u8) -> u32 {
        self.slots.get(usize::from(cell)).copied().flatten().unwrap_or(0)
    }

    /// A cell for a while; the caller gives it back.
    fn scratch(&mut self) -> Result<u32, Error> {
        if self.free >= MEM_CELLS {
            return Err(Error::new(Span::default(), ErrorKind::Registers));
        }
        self.free += 1;
        self.stores = true;
        Ok(self.free - 1)
    }

    fn known(&self) -> &State {
        if self.optimise { &self.state } else { &State::NOTHING }
    }

    /// `A = value`
    pub(super) fn value(&mut self, id: ValueId) -> Result<(), Error> {
        if self.known().has(id, u32::MAX) {
            return Ok(());
        }
        if self.known().x == id {
            self.code.push(Insn::Txa);
        } else {
            self.compute(id)?;
        }
        self.state.put(id, u32::MAX);
        Ok(())
    }

    /// `A` with the bits of the value that are in the mask; others may be there, too.
    pub(super) fn bits(&mut self, id: ValueId, mask: u32) -> Result<(), Error> {
        let known = self.known();
        if known.a == id && mask & !known.mask == 0 { Ok(()) } else { self.value(id) }
    }

    /// `A = value & mask`
    pub(super) fn masked(&mut self, id: ValueId, mask: u32) -> Result<(), Error> {
        if self.known().has(id, mask) {
            return Ok(());
        }
        self.bits(id, mask)?;
        if mask != u32::MAX {
            self.code.push(alu(AluOp::And, mask));
        }
        self.state.put(id, mask);
        Ok(())
    }

    /// Left operands may be nested as deep as the expression is long.
    fn compute(&mut self, id: ValueId) -> Result<(), Error> {
        let (mut leaf, mut operations) = (id, SmallVec::<[(AluOp, ValueId); 8]>::new());
        while let Value::Alu(op, left, right) = self.values.get(leaf) {
            if self.values.constant(right).is_none() {
                break;
            }
            operations.push((op, right));
            leaf = left;
            if self.known().has(leaf, u32::MAX) {
                break;
            }
        }
        if !operations.is_empty() {
            self.value(leaf)?;
            for (op, right) in operations.into_iter().rev() {
                self.code.push(alu(op, self.values.constant(right).unwrap_or(0)));
            }
            self.state.a = NO_VALUE;
            return Ok(());
        }
        match self.values.get(id) {
            Value::Const(k) => self.code.push(Insn::LoadImm { reg: Reg::A, k }),
            Value::Len => self.code.push(Insn::LoadLen { reg: Reg::A }),
            Value::Abs(size, k) => self.code.push(Insn::LoadAbs { size, k }),
            Value::Ind(size, base, k) => {
                let place = match self.values.get(base) {
                    Value::Cell(cell) => self.known().constant(cell),
                    _ => None,
                };
                let place = place.map(|at| k.wrapping_add(at));
                match place.filter(|&at| at <= i32::MAX.cast_unsigned()) {
                    Some(k) => self.code.push(Insn::LoadAbs { size, k }),
                    None => {
                        self.index(base)?;
                        self.code.push(Insn::LoadInd { size, k });
                    }
                }
            }
            Value::Msh(k) => {
                self.code.push(Insn::LoadMsh { k });
                self.code.push(Insn::Txa);
                self.state.x = id;
            }
            Value::Anc(anc) => self.code.push(Insn::LoadAnc { size: Size::W, anc }),
            Value::Cell(cell) => {
                self.code.push(Insn::LoadMem { reg: Reg::A, k: self.slot(cell) });
            }
            Value::Neg(operand) => {
                self.value(operand)?;
                self.code.push(Insn::Neg);
            }
            Value::Member(set, operand) => {
                // What the two stand for is put in their place when the program is translated.
                self.value(operand)?;
                self.code.push(Insn::LoadImm { reg: Reg::X, k: set });
                self.code.push(MEMBER);
                self.state.x = NO_VALUE;
            }
            Value::Prefix(set, base, off) => self.prefix(set, base, off)?,
            Value::Alu(..) if self.is_deep(id) => self.long(id)?,
            Value::Alu(op @ AluOp::Add, left, right)
                if let Value::Cell(cell) = self.values.get(right)
                    && let Some(k) = self.known().constant(cell) =>
            {
                self.value(left)?;
                if k != 0 {
                    self.code.push(alu(op, k));
                }
            }
            Value::Alu(op, left, right) => {
                let commutes =
                    matches!(op, AluOp::Add | AluOp::Mul | AluOp::And | AluOp::Or | AluOp::Xor);
                self.pair(left, right, commutes)?;
                self.code.push(Insn::Alu { op, src: Src::X });
            }
            Value::Chain(chain) => self.chain(chain)?,
            Value::Fault => {}
        }
        self.state.a = NO_VALUE;
        Ok(())
    }

    /// The words of an address, as far as the prefixes of a set are long, and what stands for their search.
    fn prefix(&mut self, set: u32, base: ValueId, off: u32) -> Result<(), Error> {
        let Some(prefixes) = self.meaning.prefixes.get(set as usize) else { return Ok(()) };
        let (words, first) = (prefixes.words(), self.free);
        for word in 0..words {
            let k = off.wrapping_add(4 * word);
            match self.values.constant(base) {
                Some(base) => {
                    self.code.push(Insn::LoadAbs { size: Size::W, k: base.wrapping_add(k) });
                }
                None => {
                    self.index(base)?;
                    self.code.push(Insn::LoadInd { size: Size::W, k });
                }
            }
            let bits = prefixes.len - 32 * word;
            if bits < 32 {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                self.code.push(alu(AluOp::And, mask));
            }
            self.state.a = NO_VALUE;
            if word + 1 < words {
                let slot = self.scratch()?;
                self.code.push(Insn::Store { reg: Reg::A, k: slot });
            }
        }
        self.free -= words - 1;
        self.code.push(Insn::LoadImm { reg: Reg::X, k: set | first << PREFIX_CELL });
        self.code.push(PREFIX);
        self.state.x = NO_VALUE;
        Ok(())
    }

    /// Whether there are many left operands in each other.
    fn is_deep(&self, mut id: ValueId) -> bool {
        for _ in 0..DEEP {
            let Value::Alu(_, left, _) = self.values.get(id) else { return false };
            id = left;
        }
        true
    }

    /// Left operands in each other, as deep as the expression is long: from the innermost on.
    fn long(&mut self, id: ValueId) -> Result<(), Error> {
        let (mut leaf, mut operations) = (id, Vec::new());
        while let Value::Alu(op, left, right) = self.values.get(leaf) {
            operations.push((op, right));
            leaf = left;
        }
        if operations.len() > MAX_INSNS {
            let kind = ErrorKind::TooLong { insns: operations.len(), most: MAX_INSNS };
            return Err(Error::new(Span::default(), kind));
        }
        self.value(leaf)?;
        for (op, right) in operations.into_iter().rev() {
            // The result so far is no value with a name.
            self.state.a = NO_VALUE;
            if let Some(k) = self.values.constant(right) {
                self.code.push(alu(op, k));
                continue;
            }
            if self.is_simple(right) {
                self.simple_index(right)?;
            } else {
                let slot = self.scratch()?;
                self.code.push(Insn::Store { reg: Reg::A, k: slot });
                self.index(right)?;
                self.code.push(Insn::LoadMem { reg: Reg::A, k: slot });
                self.free -= 1;
            }
            self.code.push(Insn::Alu { op, src: Src::X });
        }
        Ok(())
    }

    /// `A = left` and `X = right`, or the other way round, which it says.
    pub(super) fn pair(
        &mut self,
        left: ValueId,
        right: ValueId,
        may_swap: bool,
    ) -> Result<bool, Error> {
        for (in_a, in_x, swapped) in [(left, right, false), (right, left, true)] {
            if swapped && !may_swap {
                break;
            }
            if self.is_simple(in_x) {
                self.value(in_a)?;
                self.simple_index(in_x)?;
                return Ok(swapped);
            }
            if self.known().x == in_x && self.keeps_x(in_a, in_x) {
                self.value(in_a)?;
                return Ok(swapped);
            }
        }
        for (in_a, in_x, swapped) in [(left, right, false), (right, left, true)] {
            if (may_swap || !swapped) && self.keeps_x(in_a, in_x) {
                self.index(in_x)?;
                // What was in `A` made way for what is in `X` now.
                self.value(in_a)?;
                return Ok(swapped);
            }
        }
        // What is in `A` already need not be loaded again, nor its index; nor what the other one is made of.
        let is_first = self.begins_in_a(left) || self.waits && self.is_made_of(right, left);
        self.value(if is_first { left } else { right })?;
        let slot = self.scratch()?;
        self.code.push(Insn::Store { reg: Reg::A, k: slot });
        if is_first {
            self.index(right)?;
            self.code.push(Insn::LoadMem { reg: Reg::A, k: slot });
            self.state.put(left, u32::MAX);
        } else {
            self.value(left)?;
            self.code.push(Insn::LoadMem { reg: Reg::X, k: slot });
            self.state.x = right;
        }
        self.free -= 1;
        Ok(false)
    }

    /// Whether the load behind a header that the value is computed of is in `A`.
    fn begins_in_a(&self, id: ValueId) -> bool {
        let mut id = id;
        while let Value::Alu(_, left, right) = self.values.get(id)
            && self.values.constant(right).is_some()
            && !self.known().has(id, u32::MAX)
        {
            id = left;
        }
        self.known().has(id, u32::MAX) && matches!(self.values.get(id), Value::Ind(..))
    }

    /// Whether a value is computed of another one, which is loaded from behind a header.
    fn is_made_of(&self, id: ValueId, load: ValueId) -> bool {
        let (mut id, is_load) = (id, matches!(self.values.get(load), Value::Ind(..)));
        while is_load && id != load {
            id = match self.values.get(id) {
                // Nested no deeper than parentheses.
                Value::Alu(_, left, right) if !self.is_made_of(right, load) => left,
                Value::Neg(operand) | Value::Ind(_, operand, _) => operand,
                value => return matches!(value, Value::Alu(..)),
            };
        }
        is_load
    }

    /// `X = value`
    fn index(&mut self, id: ValueId) -> Result<(), Error> {
        if self.known().x == id {
            return Ok(());
        }
        if self.is_simple(id) {
            return self.simple_index(id);
        }
        self.value(id)?;
        self.code.push(Insn::Tax);
        self.state.x = id;
        Ok(())
    }

    /// Whether `X` can have the value without `A`.
    fn is_simple(&self, id: ValueId) -> bool {
        matches!(self.values.get(id), Value::Msh(_) | Value::Cell(_) | Value::Len | Value::Const(_))
    }

    fn simple_index(&mut self, id: ValueId) -> Result<(), Error> {
        if self.known().x == id {
            return Ok(());
        }
        let insn = match self.values.get(id) {
            Value::Msh(k) => Insn::LoadMsh { k },
            Value::Cell(cell) => Insn::LoadMem { reg: Reg::X, k: self.slot(cell) },
            Value::Len => Insn::LoadLen { reg: Reg::X },
            Value::Const(k) => Insn::LoadImm { reg: Reg::X, k },
            _ => return self.index(id),
        };
        self.code.push(insn);
        self.state.x = id;
        Ok(())
    }

    /// Whether `X`, which holds `in_x`, still does when the value has been computed.
    fn keeps_x(&self, id: ValueId, in_x: ValueId) -> bool {
        let mut id = id;
        loop {
            if id == in_x && self.optimise {
                return true;
            }
            match self.values.get(id) {
                Value::Const(_)
                | Value::Len
                | Value::Abs(..)
                | Value::Anc(_)
                | Value::Cell(_)
                | Value::Fault => return true,
                Value::Ind(_, base, _) => return self.optimise && base == in_x,
                Value::Msh(_) | Value::Chain(_) | Value::Member(..) | Value::Prefix(..) => {
                    return false;
                }
                Value::Neg(operand) => id = operand,
                Value::Alu(_, left, right) if self.values.constant(right).is_some() => id = left,
                // Its own operand is in `X` already.
                Value::Alu(_, left, right) if right == in_x && self.optimise => id = left,
                Value::Alu(..) => return false,
            }
        }
    }

    /// Cells that effects set are written before.
    pub(super) fn write_all(&mut self) {
        let later = self.meaning.cells.iter().enumerate();
        let later = later.filter(|(_, init)| matches!(init, Some(Init::Later)));
        let slots: Vec<u32> =
            later.filter_map(|(cell, _)| self.slots.get(cell).copied().flatten()).collect();
        self.code.push(Insn::LoadImm { reg: Reg::A, k: 0 });
        self.code.extend(slots.into_iter().map(|k| Insn::Store { reg: Reg::A, k }));
    }

    /// Cells get their first values. Those that no block asks for any more have only their loads
    /// left, which may reject the packet.
    /// Those that end among the bytes that an accepted packet has anyway are left out.
    pub(super) fn prologue(&mut self, asked: u64, needed: u32) -> Result<State, Error> {
        for (cell, init) in self.meaning.cells.iter().enumerate() {
            let Some(init) = init else { continue };
            if asked & 1 << cell == 0 {
                match init {
                    Init::Const(_) | Init::Later => continue,
                    Init::Radiotap | Init::Pflog => {
                        let k = if *init == Init::Radiotap { 3 } else { 0 };
                        if k >= needed {
                            self.code.push(Insn::LoadAbs { size: Size::B, k });
                        }
                        continue;
                    }
                    // Always asked for.
                    Init::Wlan { .. } => {}
                }
            }
            let slot = self.slot(u8::try_from(cell).unwrap_or(u8::MAX));
            let store = Insn::Store { reg: Reg::A, k: slot };
            match *init {
                Init::Later => continue,
                Init::Const(k) => {
                    self.code.extend([Insn::LoadImm { reg: Reg::A, k }, store]);
                    self.state.cell = Cell::try_from(cell).unwrap_or(NO_CELL);
                    self.state.constant = k;
                    continue;
                }
                Init::Radiotap => self.code.extend([
                    Insn::LoadAbs { size: Size::B, k: 3 },
                    alu(AluOp::Lsh, 8),
                    Insn::Tax,
                    Insn::LoadAbs { size: Size::B, k: 2 },
                    Insn::Alu { op: AluOp::Or, src: Src::X },
                    store,
                    Insn::Tax,
                ]),
                Init::Pflog => self.code.extend([
                    Insn::LoadAbs { size: Size::B, k: 0 },
                    alu(AluOp::Add, 3),
                    alu(AluOp::And, !3),
                    store,
                    Insn::Tax,
                ]),
                Init::Wlan { header, pads } => {
                    self.wlan_payload(header, pads, slot);
                    self.state.x = NO_VALUE;
                    continue;
                }
            }
            let value = Value::Cell(Cell::try_from(cell).unwrap_or(NO_CELL));
            self.state.x = self.values.find(value).unwrap_or(NO_VALUE);
        }
        Ok(self.state)
    }

    /// Where the payload of an 802.11 frame begins; `crate::eval` says it plainly.
    fn wlan_payload(&mut self, header: Option<u8>, pads: bool, slot: u32) {
        let load = Insn::LoadMem { reg: Reg::A, k: slot };
        let store = Insn::Store { reg: Reg::A, k: slot };
        let first = match header {
            Some(cell) => {
                let k = self.slot(cell);
                self.code.push(Insn::LoadMem { reg: Reg::X, k });
                self.code.push(Insn::Txa);
                self.code.push(alu(AluOp::Add, 24));
                Insn::LoadInd { size: Size::B, k: 0 }
            }
            None => {
                self.code.push(Insn::LoadImm { reg: Reg::A, k: 24 });
                Insn::LoadAbs { size: Size::B, k: 0 }
            }
        };
        self.code.extend([store, first]);
        let set = |k, jt, jf| Insn::JumpIf { op: CondOp::Set, src: Src::K(k), jt, jf };
        if !pads {
            self.code.extend([
                set(0x08, 0, 5),
                set(0x04, 4, 0),
                set(0x80, 0, 3),
                load,
                alu(AluOp::Add, 2),
                store,
            ]);
            return;
        }
        self.code.extend([
            set(0x08, 0, 17),
            set(0x04, 16, 0),
            set(0x80, 0, 3),
            load,
            alu(AluOp::Add, 2),
            store,
            Insn::LoadAbs { size: Size::W, k: 4 },
            set(0x0200_0000, 0, 10),
            set(0x0000_0080, 9, 0),
            set(0x0100_0000, 0, 2),
            Insn::LoadAbs { size: Size::B, k: 16 },
            Insn::Jump { k: 1 },
            Insn::LoadAbs { size: Size::B, k: 8 },
            set(0x20, 0, 4),
            load,
            alu(AluOp::Add, 3),
            alu(AluOp::And, !3),
            store,
        ]);
    }

    /// What a condition does besides.
    pub(super) fn effect(&mut self, effect: u32) -> Result<(), Error> {
        const ETHERNET: u32 = 0x6558;
        let mut known = State::NOTHING;
        match self.meaning.effects.get(effect as usize).copied() {
            Some(Effect::Tag(cell)) => {
                let slot = self.slot(cell);
                self.code.extend([
                    Insn::LoadImm { reg: Reg::A, k: 4 },
                    Insn::Store { reg: Reg::A, k: slot },
                ]);
                (known.cell, known.constant) = (cell, 4);
            }
            Some(Effect::Set(cell, value)) => {
                self.value(value)?;
                let k = self.slot(cell);
                self.code.push(Insn::Store { reg: Reg::A, k });
            }
            Some(Effect::Geneve { kind, header, payload }) => {
                let (kind, header, payload) =
                    (self.slot(kind), self.slot(header), self.slot(payload));
                let store = |k| Insn::Store { reg: Reg::A, k };
                self.code.extend([
                    Insn::LoadMem { reg: Reg::X, k: header },
                    Insn::LoadInd { size: Size::B, k: 0 },
                    alu(AluOp::And, 0x3f),
                    alu(AluOp::Lsh, 2),
                    alu(AluOp::Add, 8),
                    Insn::Alu { op: AluOp::Add, src: Src::X },
                    store(header),
                    store(payload),
                    Insn::LoadInd { size: Size::H, k: 2 },
                    Insn::JumpIf { op: CondOp::Eq, src: Src::K(ETHERNET), jt: 3, jf: 0 },
                    Insn::Txa,
                    alu(AluOp::Add, 2),
                    Insn::Jump { k: 4 },
                    Insn::LoadMem { reg: Reg::A, k: header },
                    alu(AluOp::Add, 14),
                    store(payload),
                    alu(AluOp::Sub, 2),
                    store(kind),
                ]);
            }
            Some(Effect::Outer(start, level)) => self.outer(start, level),
            Some(Effect::Transport(level)) => self.transport(level),
            Some(Effect::Inner(from, to)) => self.inner(from, to),
            Some(Effect::Payload(level, to)) => self.payload(level, to),
            None => {}
        }
        self.state = known;
        Ok(())
    }

    /// The walk of `protochain`, as many steps as it may take, one after the other: programs in the
    /// kernel have no loops.
    fn chain(&mut self, chain: Chain) -> Result<(), Error> {
        let Chain { network, wanted, is_6 } = chain;
        let at = |off: u32| network.wrapping_add(off);
        let slot = self.scratch()?;
        let store = Insn::Store { reg: Reg::A, k: slot };
        let load = Insn::LoadMem { reg: Reg::A, k: slot };
        let byte = |off| Insn::LoadInd { size: Size::B, k: at(off) };
        let mut steps: Vec<Insn> = Vec::new();
        // What is behind the last step is reached by jumps whose distance is known from the end.
        for _ in 0..CHAIN_STEPS {
            let eq = |k, jt, jf| Insn::JumpIf { op: CondOp::Eq, src: Src::K(k), jt, jf };
            // Conditional jumps to the end are made below.
            const END: u8 = u8::MAX;
            steps.push(eq(wanted, END, 0));
            steps.push(eq(NO_NEXT, END, 0));
            if is_6 {
                steps.extend([
                    eq(EXTENSIONS[0], 3, 0),
                    eq(EXTENSIONS[1], 2, 0),
                    eq(EXTENSIONS[2], 1, 0),
                    eq(EXTENSIONS[3], 0, 8),
                    byte(0),
                    store,
                    byte(1),
                    alu(AluOp::Add, 1),
                    alu(AluOp::Lsh, 3),
                    Insn::Alu { op: AluOp::Add, src: Src::X },
                    Insn::Tax,
                    Insn::Jump { k: 7 },
                ]);
            }
            steps.push(eq(AUTH, 0, END));
            steps.extend([
                byte(0),
                store,
                byte(1),
                alu(AluOp::Add, 2),
                alu(AluOp::Lsh, 2),
                Insn::Tax,
                load,
            ]);
        }
        let total = steps.len();
        for (pc, insn) in steps.iter_mut().enumerate() {
            if let Insn::JumpIf { jt, jf, .. } = insn {
                let far = u8::try_from(total - pc - 1).unwrap_or(u8::MAX);
                for jump in [jt, jf] {
                    if *jump == u8::MAX {
                        *jump = far;
                    }
                }
            }
        }
        self.code.push(Insn::LoadAbs { size: Size::B, k: at(if is_6 { 6 } else { 9 }) });
        self.code.push(if is_6 {
            Insn::LoadImm { reg: Reg::X, k: 40 }
        } else {
            Insn::LoadMsh { k: network }
        });
        self.code.extend(steps);
        self.free -= 1;
        self.state = State::NOTHING;
        Ok(())
    }
}
