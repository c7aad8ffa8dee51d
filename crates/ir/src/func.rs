//! A function.

use crate::fold;
use crate::inst::{BinOp, BlockId, Cmp, Edge, Inst, Table, Term, Value};
use alloc::vec::Vec;

/// A straight run of instructions.
#[derive(Clone, Debug)]
pub struct Block {
    /// [`Inst::Param`]s that edges to it give values to.
    pub params: Vec<Value>,
    /// In order.
    pub insts: Vec<Value>,
    /// How it ends.
    pub term: Term,
    /// By what blocks are laid out: those of greater numbers lie behind.
    pub place: u32,
}

/// What is known of an instruction and its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// Where in the source it comes from.
    origin: u32,
    /// What its value is the same as.
    alias: Value,
    /// How many bits of its value may be other than 0, from the lowest on.
    pub(crate) bits: u8,
}

/// A function in SSA form: each value is given once, where its instruction stands, and used only where control comes
/// through there. The first block is entered by the caller, and by no edge.
#[derive(Clone, Debug, Default)]
pub struct Func<C> {
    /// All instructions, by the number of their value.
    pub insts: Vec<Inst>,
    /// What else is known of each.
    pub(crate) notes: Vec<Note>,
    /// All blocks.
    pub blocks: Vec<Block>,
    /// What calls lead to.
    pub callees: Vec<C>,
    /// Arguments of edges.
    pub(crate) pool: Vec<Value>,
    /// Edges of tables.
    pub(crate) tables: Vec<Edge>,
    /// The one value of [`Inst::Frame`], if there is one.
    pub frame: Option<Value>,
    /// Whether a value may be used that is the same as another.
    is_aliased: bool,
    /// What instructions there may be, among those that some passes are about alone.
    pub(crate) kinds: Kinds,
}

/// Which kinds of instructions a function may have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kinds {
    pub(crate) divisions: bool,
    pub(crate) choices: bool,
    pub(crate) charges: bool,
    /// Numbers that no instruction of 64 bits has.
    pub(crate) large: bool,
}

impl Kinds {
    #[inline]
    fn note(&mut self, inst: &Inst) {
        match *inst {
            Inst::Const(number) => self.large |= is_large(number),
            Inst::Bin { op: BinOp::Div | BinOp::SDiv | BinOp::Mod | BinOp::SMod, .. } => {
                self.divisions = true;
            }
            Inst::Select { .. } => self.choices = true,
            Inst::Charge(_) => self.charges = true,
            _ => {}
        }
    }
}

impl<C> Func<C> {
    /// A function without blocks.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            insts: Vec::new(),
            notes: Vec::new(),
            blocks: Vec::new(),
            callees: Vec::new(),
            pool: Vec::new(),
            tables: Vec::new(),
            frame: None,
            is_aliased: false,
            kinds: Kinds { divisions: false, choices: false, charges: false, large: false },
        }
    }

    /// The same with room for so many instructions and numbers, and for blocks.
    #[must_use]
    pub fn with_capacity(insts: usize, blocks: usize) -> Self {
        Self {
            insts: Vec::with_capacity(insts),
            notes: Vec::with_capacity(insts),
            blocks: Vec::with_capacity(blocks),
            ..Self::new()
        }
    }

    /// Makes room for so many instructions and numbers.
    pub fn reserve(&mut self, insts: usize) {
        self.insts.reserve(insts);
        self.notes.reserve(insts);
    }

    /// Makes room for so many arguments of edges.
    pub fn reserve_args(&mut self, args: usize) {
        self.pool.reserve(args);
    }

    /// A new block, which returns nothing yet.
    pub fn block(&mut self) -> BlockId {
        let term = Term::Return(Value::NONE);
        let place = number(self.blocks.len());
        self.blocks.push(Block { params: Vec::new(), insts: Vec::new(), term, place });
        BlockId(place)
    }

    /// An instruction that stands nowhere yet.
    #[inline]
    pub fn add(&mut self, inst: Inst, origin: u32) -> Value {
        self.kinds.note(&inst);
        let bits = fold::bits(self, &inst);
        self.row(inst, origin, bits)
    }

    #[inline]
    fn row(&mut self, inst: Inst, origin: u32, bits: u8) -> Value {
        let value = Value(number(self.insts.len()));
        self.insts.push(inst);
        self.notes.push(Note { origin, alias: value, bits });
        value
    }

    /// A parameter of a block.
    pub fn param(&mut self, block: BlockId, origin: u32) -> Value {
        let value = self.add(Inst::Param, origin);
        self.blocks[block.index()].params.push(value);
        value
    }

    /// The value of an instruction at the end of a block: a simpler one or a value that is there already, where that is
    /// the same.
    #[inline]
    pub fn push(&mut self, block: BlockId, inst: Inst, origin: u32) -> Value {
        match fold::simpler(self, block, inst, origin) {
            Ok(value) => value,
            Err(inst) => self.push_as_is(block, inst, origin),
        }
    }

    /// The same, without looking for anything simpler.
    #[inline]
    pub fn push_as_is(&mut self, block: BlockId, inst: Inst, origin: u32) -> Value {
        let value = self.add(inst, origin);
        self.blocks[block.index()].insts.push(value);
        value
    }

    /// A number. It stands in no block: it is there everywhere.
    #[inline]
    pub fn number(&mut self, number: u64, origin: u32) -> Value {
        self.kinds.large |= is_large(number);
        self.row(Inst::Const(number), origin, fold::bits_of(number))
    }

    /// How many bits of a value may be other than 0, from the lowest on.
    #[inline]
    #[must_use]
    pub fn bits(&self, value: Value) -> u8 {
        self.notes.get(value.index()).map_or(64, |note| note.bits)
    }

    /// From now on so many bits of a value may be other than 0.
    #[inline]
    pub fn set_bits(&mut self, value: Value, bits: u8) {
        self.notes[value.index()].bits = bits;
    }

    /// Where in the source an instruction comes from.
    #[inline]
    #[must_use]
    pub fn origin(&self, value: Value) -> u32 {
        self.notes[value.index()].origin
    }

    /// The instruction of a value.
    #[inline]
    #[must_use]
    pub fn inst(&self, value: Value) -> &Inst {
        &self.insts[value.index()]
    }

    /// The number that a value is known to be.
    #[inline]
    #[must_use]
    pub fn known(&self, value: Value) -> Option<u64> {
        match self.insts.get(value.index()) {
            Some(Inst::Const(number)) => Some(*number),
            _ => None,
        }
    }

    /// An edge.
    pub fn edge(&mut self, to: BlockId, args: impl IntoIterator<Item = Value>) -> Edge {
        let start = self.pool.len();
        self.pool.extend(args);
        Edge { to, start: number(start), len: number(self.pool.len() - start) }
    }

    /// An edge to the same block with the same values, which can be changed on its own.
    pub fn copy_edge(&mut self, edge: Edge) -> Edge {
        let start = self.pool.len();
        self.pool.extend_from_within(edge.start as usize..(edge.start + edge.len) as usize);
        Edge { start: number(start), ..edge }
    }

    /// Arguments of an edge.
    #[inline]
    #[must_use]
    pub fn args(&self, edge: Edge) -> &[Value] {
        self.pool.get(edge.start as usize..(edge.start + edge.len) as usize).unwrap_or_default()
    }

    /// The same, to be changed.
    #[inline]
    #[must_use]
    pub fn args_mut(&mut self, edge: Edge) -> &mut [Value] {
        self.pool.get_mut(edge.start as usize..(edge.start + edge.len) as usize).unwrap_or_default()
    }

    /// A table of edges.
    pub fn table(&mut self, cases: impl IntoIterator<Item = Edge>, default: Edge) -> Table {
        let start = self.tables.len();
        self.tables.extend(cases);
        Table { start: number(start), len: number(self.tables.len() - start), default }
    }

    /// The edges of a table that are for numbers, from 0 on.
    #[must_use]
    pub fn cases_of(&self, table: Table) -> &[Edge] {
        self.tables
            .get(table.start as usize..(table.start + table.len) as usize)
            .unwrap_or_default()
    }

    /// Where a table leads for a number.
    #[must_use]
    pub fn case_of(&self, table: Table, number: u64) -> Edge {
        let at = usize::try_from(number).ok();
        at.and_then(|at| self.cases_of(table).get(at)).copied().unwrap_or(table.default)
    }

    /// Calls `f` with each edge of a block's end.
    #[inline]
    pub fn edges(&self, block: BlockId, mut f: impl FnMut(Edge)) {
        match self.blocks[block.index()].term {
            Term::Jump(edge) => f(edge),
            Term::Branch { yes, no, .. } | Term::MayGoto { yes, no } => {
                f(yes);
                f(no);
            }
            Term::Switch { table, .. } => {
                self.cases_of(table).iter().copied().for_each(&mut f);
                f(table.default);
            }
            Term::Return(_) => {}
        }
    }

    /// Puts in place of each edge of a block's end what `f` makes of it.
    pub fn change_edges(&mut self, block: BlockId, mut f: impl FnMut(&mut Self, Edge) -> Edge) {
        let mut term = self.blocks[block.index()].term;
        match &mut term {
            Term::Jump(edge) => *edge = f(self, *edge),
            Term::Branch { yes, no, .. } | Term::MayGoto { yes, no } => {
                *yes = f(self, *yes);
                *no = f(self, *no);
            }
            Term::Switch { table, .. } => {
                for at in table.start as usize..(table.start + table.len) as usize {
                    self.tables[at] = f(self, self.tables[at]);
                }
                table.default = f(self, table.default);
            }
            Term::Return(_) => {}
        }
        self.blocks[block.index()].term = term;
    }

    /// Calls `f` with each operand of a block's end, those of its edges aside.
    #[inline]
    pub fn term_operands(&self, block: BlockId, mut f: impl FnMut(Value)) {
        match self.blocks[block.index()].term {
            Term::Branch { cmp: Cmp { a, b, .. }, .. } => {
                f(a);
                f(b);
            }
            Term::Switch { value, .. } => f(value),
            Term::Return(value) if value != Value::NONE => f(value),
            _ => {}
        }
    }

    /// From now on a value is the same as another; [`Func::resolve_all`] puts it in its place.
    #[inline]
    pub fn same(&mut self, value: Value, as_other: Value) {
        self.notes[value.index()].alias = as_other;
        self.is_aliased = true;
    }

    /// What a value has been said to be the same as, or itself.
    pub(crate) fn alias_of(&self, value: Value) -> Value {
        self.notes[value.index()].alias
    }

    /// What a value is the same as in the end.
    #[inline]
    pub fn resolve(&mut self, value: Value) -> Value {
        resolve(&mut self.notes, value)
    }

    /// The operands of an instruction, each by what it is the same as.
    #[inline]
    #[must_use]
    pub fn resolved(&mut self, mut inst: Inst) -> Inst {
        inst.operands_mut(|value| *value = self.resolve(*value));
        inst
    }

    /// Puts what values are the same as in place of them in the end of a block.
    pub fn resolve_term(&mut self, block: BlockId) {
        let mut term = self.blocks[block.index()].term;
        match &mut term {
            Term::Branch { cmp, .. } => {
                cmp.a = self.resolve(cmp.a);
                cmp.b = self.resolve(cmp.b);
            }
            Term::Switch { value, .. } | Term::Return(value) => *value = self.resolve(*value),
            Term::Jump(_) | Term::MayGoto { .. } => {}
        }
        self.blocks[block.index()].term = term;
    }

    /// Puts what values are the same as in place of them, everywhere.
    pub fn resolve_all(&mut self) {
        if !core::mem::take(&mut self.is_aliased) {
            return;
        }
        let notes = &mut self.notes[..];
        for inst in &mut self.insts {
            inst.operands_mut(|value| *value = resolve(notes, *value));
        }
        for value in &mut self.pool {
            *value = resolve(notes, *value);
        }
        for block in 0..self.blocks.len() {
            self.resolve_term(BlockId(number(block)));
        }
    }
}

/// The end of a chain of values that are the same, which becomes shorter.
#[inline]
fn resolve(notes: &mut [Note], value: Value) -> Value {
    // There is no such value as [`Value::NONE`].
    let mut at = value;
    while let Some(&Note { alias: next, .. }) = notes.get(at.index())
        && next != at
    {
        let beyond = notes[next.index()].alias;
        notes[at.index()].alias = beyond;
        at = beyond;
    }
    at
}

/// Whether no instruction of 64 bits has such a number.
#[inline]
pub(crate) fn is_large(number: u64) -> bool {
    i32::try_from(number.cast_signed()).is_err()
}

/// A number of a table's rows. What is longer than numbers reach is not built: functions are bounded long before.
#[inline]
pub(crate) fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
