//! What a function is made of: values, instructions, conditions, edges.

use skep_isa::{AtomicOp, Size, Width};

/// A value: what an instruction gives, by the instruction's number. Values are words of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub u32);

impl Value {
    /// In place of a value where there is none.
    pub const NONE: Self = Self(u32::MAX);

    /// As an index into tables of values.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A block, by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u32);

impl BlockId {
    /// As an index into tables of blocks.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Arithmetic on two operands. On 32 bits the upper halves of operands do not count, and that of the result is 0.
/// Division by zero gives 0, the remainder of it the dividend; counts of shifts are taken modulo the width. RFC
/// 9669, section 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names say it")]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Div,
    SDiv,
    Mod,
    SMod,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    Sar,
    /// A rotation to the right.
    Ror,
}

impl BinOp {
    /// Whether the operands may change places.
    #[must_use]
    pub const fn is_commutative(self) -> bool {
        matches!(self, Self::Add | Self::Mul | Self::And | Self::Or | Self::Xor)
    }
}

/// Arithmetic on one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnOp {
    /// `-a`
    Neg(Width),
    /// The low bits of a size, the rest 0.
    Zext(Size),
    /// The low bits of a size, their sign in the rest of the width, 0 above.
    Sext(Size, Width),
    /// The low bytes of a size the other way round, the rest 0.
    Bswap(Size),
    /// The same: a number that is best held in a register; see [`Func::hold_numbers`](crate::Func::hold_numbers).
    Hold,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names say it")]
pub enum Cond {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    SLt,
    SLe,
    SGt,
    SGe,
    /// They have a bit in common.
    Set,
    /// They have none.
    Clear,
}

impl Cond {
    /// What holds exactly where this does not.
    #[must_use]
    pub const fn not(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
            Self::SLt => Self::SGe,
            Self::SLe => Self::SGt,
            Self::SGt => Self::SLe,
            Self::SGe => Self::SLt,
            Self::Set => Self::Clear,
            Self::Clear => Self::Set,
        }
    }

    /// The same with operands exchanged.
    #[must_use]
    pub const fn swap(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::SLt => Self::SGt,
            Self::SLe => Self::SGe,
            Self::SGt => Self::SLt,
            Self::SGe => Self::SLe,
            same => same,
        }
    }
}

/// A comparison of two values on a width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names say it")]
pub struct Cmp {
    pub cond: Cond,
    pub width: Width,
    pub a: Value,
    pub b: Value,
}

/// A place in memory: `base + (index << scale) + disp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names say it")]
pub struct Mem {
    pub base: Value,
    /// [`Value::NONE`] where there is none.
    pub index: Value,
    /// 0 to 3.
    pub scale: u8,
    pub disp: i32,
}

impl Mem {
    /// `base + disp`
    #[must_use]
    pub const fn new(base: Value, disp: i32) -> Self {
        Self { base, index: Value::NONE, scale: 0, disp }
    }
}

/// Calls `f` with an operand that may not be there.
#[inline]
fn some(value: Value, mut f: impl FnMut(Value)) {
    if value != Value::NONE {
        f(value);
    }
}

#[inline]
fn some_mut(value: &mut Value, mut f: impl FnMut(&mut Value)) {
    if *value != Value::NONE {
        f(value);
    }
}

/// An instruction, which gives a value or has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "fields are the field's own terms")]
pub enum Inst {
    /// What a block gets from the edges that lead to it, or a function from its caller.
    Param,
    Const(u64),
    /// The end of the function's stack frame.
    Frame,
    Bin {
        op: BinOp,
        width: Width,
        a: Value,
        b: Value,
    },
    Un {
        op: UnOp,
        a: Value,
    },
    /// `yes` if the comparison holds, else `no`.
    Select {
        cmp: Cmp,
        yes: Value,
        no: Value,
    },
    /// What lies there, zero-extended, or sign-extended to 64 bits.
    Load {
        size: Size,
        signed: bool,
        mem: Mem,
    },
    Store {
        size: Size,
        mem: Mem,
        value: Value,
    },
    /// A read-modify-write operation, which gives the old value if it fetches; `expected` is what
    /// [`AtomicOp::CmpXchg`] compares with, else [`Value::NONE`].
    Atomic {
        op: AtomicOp,
        size: Size,
        mem: Mem,
        value: Value,
        expected: Value,
    },
    /// So many bytes from `from + disp` to a place, all of them read before any is written; see
    /// [`Func::widen_loops`](crate::Func::widen_loops).
    Copy {
        len: u8,
        to: Mem,
        from: Value,
        disp: i32,
    },
    /// The sum of the numbers of a size in so many bytes, each zero-extended.
    Sum {
        size: Size,
        len: u8,
        mem: Mem,
    },
    /// Something outside, by its number among [`Func::callees`](crate::Func::callees), which may do anything to
    /// memory other than a frame whose address it cannot know. Arguments may be [`Value::NONE`].
    Call {
        callee: u32,
        args: [Value; 5],
    },
    /// So many instructions of the source are taken off the account.
    Charge(i32),
    /// So many are put back.
    Refund(Value),
    /// Looks whether the account is used up; [`Func::gather_charges`](crate::Func::gather_charges) says where.
    Ask,
}

impl Inst {
    /// Whether it has an effect, so that it stays although nothing uses its value.
    #[must_use]
    pub const fn has_effect(&self) -> bool {
        matches!(
            self,
            Self::Store { .. }
                | Self::Copy { .. }
                | Self::Atomic { .. }
                | Self::Call { .. }
                | Self::Charge(_)
                | Self::Refund(_)
                | Self::Ask
        )
    }

    /// Whether equal instructions give equal values, wherever they stand.
    #[must_use]
    pub const fn is_pure(&self) -> bool {
        matches!(
            self,
            Self::Const(_) | Self::Frame | Self::Bin { .. } | Self::Un { .. } | Self::Select { .. }
        )
    }

    /// Whether it gives a value.
    #[must_use]
    pub const fn gives(&self) -> bool {
        !matches!(
            self,
            Self::Store { .. } | Self::Copy { .. } | Self::Charge(_) | Self::Refund(_) | Self::Ask
        )
    }

    /// Calls `f` with each operand.
    #[inline]
    pub fn operands(&self, mut f: impl FnMut(Value)) {
        match *self {
            Self::Param | Self::Const(_) | Self::Frame | Self::Charge(_) | Self::Ask => {}
            Self::Bin { a, b, .. } => {
                f(a);
                f(b);
            }
            Self::Un { a, .. } | Self::Refund(a) => f(a),
            Self::Load { mem, .. } | Self::Sum { mem, .. } => {
                f(mem.base);
                some(mem.index, f);
            }
            Self::Store { mem, value, .. } => {
                f(mem.base);
                if mem.index != Value::NONE {
                    f(mem.index);
                }
                f(value);
            }
            Self::Select { cmp, yes, no } => [cmp.a, cmp.b, yes, no].into_iter().for_each(f),
            Self::Copy { to, from, .. } => {
                f(to.base);
                if to.index != Value::NONE {
                    f(to.index);
                }
                f(from);
            }
            Self::Atomic { mem, value, expected, .. } => {
                f(mem.base);
                if mem.index != Value::NONE {
                    f(mem.index);
                }
                f(value);
                some(expected, f);
            }
            Self::Call { args, .. } => {
                args.into_iter().filter(|arg| *arg != Value::NONE).for_each(f)
            }
        }
    }

    /// Calls `f` with each operand, to be changed.
    #[inline]
    pub fn operands_mut(&mut self, mut f: impl FnMut(&mut Value)) {
        match self {
            Self::Param | Self::Const(_) | Self::Frame | Self::Charge(_) | Self::Ask => {}
            Self::Bin { a, b, .. } => {
                f(a);
                f(b);
            }
            Self::Un { a, .. } | Self::Refund(a) => f(a),
            Self::Load { mem, .. } | Self::Sum { mem, .. } => {
                f(&mut mem.base);
                some_mut(&mut mem.index, f);
            }
            Self::Store { mem, value, .. } => {
                f(&mut mem.base);
                if mem.index != Value::NONE {
                    f(&mut mem.index);
                }
                f(value);
            }
            Self::Select { cmp, yes, no } => {
                [&mut cmp.a, &mut cmp.b, yes, no].into_iter().for_each(f);
            }
            Self::Copy { to, from, .. } => {
                f(&mut to.base);
                if to.index != Value::NONE {
                    f(&mut to.index);
                }
                f(from);
            }
            Self::Atomic { mem, value, expected, .. } => {
                f(&mut mem.base);
                if mem.index != Value::NONE {
                    f(&mut mem.index);
                }
                f(value);
                some_mut(expected, f);
            }
            Self::Call { args, .. } => {
                args.iter_mut().filter(|arg| **arg != Value::NONE).for_each(f)
            }
        }
    }

    /// The place in memory that it accesses; of a copy, where it writes.
    #[must_use]
    pub const fn mem(&self) -> Option<&Mem> {
        match self {
            Self::Load { mem, .. }
            | Self::Store { mem, .. }
            | Self::Copy { to: mem, .. }
            | Self::Sum { mem, .. }
            | Self::Atomic { mem, .. } => Some(mem),
            _ => None,
        }
    }

    /// The same, to be changed.
    #[must_use]
    pub const fn mem_mut(&mut self) -> Option<&mut Mem> {
        match self {
            Self::Load { mem, .. }
            | Self::Store { mem, .. }
            | Self::Copy { to: mem, .. }
            | Self::Sum { mem, .. }
            | Self::Atomic { mem, .. } => Some(mem),
            _ => None,
        }
    }
}

/// A way to a block, with the values that its parameters get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Where it leads.
    pub to: BlockId,
    /// The first of its arguments in the function's pool.
    pub(crate) start: u32,
    /// How many there are.
    pub(crate) len: u32,
}

/// How a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are the field's own terms")]
pub enum Term {
    Jump(Edge),
    Branch {
        cmp: Cmp,
        yes: Edge,
        no: Edge,
    },
    /// To the case whose number the value is, from 0 on, else to the table's default.
    Switch {
        value: Value,
        table: Table,
    },
    /// To `no` as long as the function's budget of loops allows, then to `yes`.
    MayGoto {
        yes: Edge,
        no: Edge,
    },
    Return(Value),
}

/// Where a [`Term::Switch`] leads: cases, in the function's pool of edges, and what else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    pub(crate) start: u32,
    pub(crate) len: u32,
    /// Where all values lead that are no case.
    pub default: Edge,
}
