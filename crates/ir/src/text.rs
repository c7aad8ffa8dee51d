//! Functions as text, for readers.

use crate::func::Func;
use crate::inst::{BlockId, Cmp, Edge, Inst, Mem, Term, Value};
use core::fmt::{self, Display, Formatter};

impl<C: fmt::Debug> Display for Func<C> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for at in 0..self.blocks.len() {
            let block = &self.blocks[at];
            write!(out, "b{at}(")?;
            self.list(out, &block.params)?;
            writeln!(out, "):")?;
            for &value in &block.insts {
                write!(out, "    ")?;
                if self.inst(value).gives() {
                    write!(out, "v{} = ", value.0)?;
                }
                self.inst_text(out, self.inst(value))?;
                writeln!(out)?;
            }
            write!(out, "    ")?;
            self.term_text(out, BlockId(crate::func::number(at)))?;
            writeln!(out)?;
        }
        Ok(())
    }
}

impl<C: fmt::Debug> Func<C> {
    fn list(&self, out: &mut Formatter<'_>, values: &[Value]) -> fmt::Result {
        for (n, &value) in values.iter().enumerate() {
            write!(out, "{}{}", if n == 0 { "" } else { ", " }, self.name(value))?;
        }
        Ok(())
    }

    fn name(&self, value: Value) -> Name<'_> {
        Name(value, self.insts.get(value.index()))
    }

    fn edge_text(&self, out: &mut Formatter<'_>, edge: Edge) -> fmt::Result {
        write!(out, "b{}(", edge.to.0)?;
        self.list(out, self.args(edge))?;
        write!(out, ")")
    }

    fn cmp_text(&self, out: &mut Formatter<'_>, Cmp { cond, width, a, b }: Cmp) -> fmt::Result {
        write!(out, "{cond:?}.{} {} {}", width.bits(), self.name(a), self.name(b))
    }

    fn mem_text(
        &self,
        out: &mut Formatter<'_>,
        Mem { base, index, scale, disp }: Mem,
    ) -> fmt::Result {
        write!(out, "[{}", self.name(base))?;
        if index != Value::NONE {
            write!(out, " + {} << {scale}", self.name(index))?;
        }
        write!(out, " + {disp}]")
    }

    fn inst_text(&self, out: &mut Formatter<'_>, inst: &Inst) -> fmt::Result {
        match *inst {
            Inst::Bin { op, width, a, b } => {
                write!(out, "{op:?}.{} {} {}", width.bits(), self.name(a), self.name(b))
            }
            Inst::Un { op, a } => write!(out, "{op:?} {}", self.name(a)),
            Inst::Select { cmp, yes, no } => {
                write!(out, "Select ")?;
                self.cmp_text(out, cmp)?;
                write!(out, " ? {} : {}", self.name(yes), self.name(no))
            }
            Inst::Load { size, signed, mem } => {
                write!(out, "Load{}.{} ", if signed { "Sx" } else { "" }, size.bits())?;
                self.mem_text(out, mem)
            }
            Inst::Store { size, mem, value } => {
                write!(out, "Store.{} ", size.bits())?;
                self.mem_text(out, mem)?;
                write!(out, " {}", self.name(value))
            }
            Inst::Copy { len, to, from, disp } => {
                write!(out, "Copy.{len} ")?;
                self.mem_text(out, to)?;
                write!(out, " ")?;
                self.mem_text(out, Mem::new(from, disp))
            }
            Inst::Sum { size, len, mem } => {
                write!(out, "Sum.{}.{len} ", size.bits())?;
                self.mem_text(out, mem)
            }
            Inst::Atomic { op, size, mem, value, expected } => {
                write!(out, "{op:?}.{} ", size.bits())?;
                self.mem_text(out, mem)?;
                write!(out, " {} {}", self.name(value), self.name(expected))
            }
            Inst::Call { callee, args } => {
                write!(out, "Call {:?} ", self.callees.get(callee as usize))?;
                self.list(out, &args)
            }
            Inst::Refund(insns) => write!(out, "Refund {}", self.name(insns)),
            inst => write!(out, "{inst:?}"),
        }
    }

    fn term_text(&self, out: &mut Formatter<'_>, block: BlockId) -> fmt::Result {
        match self.blocks[block.index()].term {
            Term::Jump(edge) => {
                write!(out, "Jump ")?;
                self.edge_text(out, edge)
            }
            Term::Branch { cmp, yes, no } => {
                write!(out, "If ")?;
                self.cmp_text(out, cmp)?;
                write!(out, " ")?;
                self.edge_text(out, yes)?;
                write!(out, " else ")?;
                self.edge_text(out, no)
            }
            Term::MayGoto { yes, no } => {
                write!(out, "MayGoto ")?;
                self.edge_text(out, yes)?;
                write!(out, " else ")?;
                self.edge_text(out, no)
            }
            Term::Switch { value, table } => {
                write!(out, "Switch {}:", self.name(value))?;
                for &edge in self.cases_of(table) {
                    write!(out, " ")?;
                    self.edge_text(out, edge)?;
                }
                write!(out, " else ")?;
                self.edge_text(out, table.default)
            }
            Term::Return(value) => write!(out, "Return {}", self.name(value)),
        }
    }
}

/// How a value is named: numbers as such.
struct Name<'a>(Value, Option<&'a Inst>);

impl Display for Name<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self(_, Some(Inst::Const(number))) => write!(out, "{:#x}", number),
            Self(_, Some(Inst::Frame)) => write!(out, "frame"),
            Self(_, None) => write!(out, "none"),
            Self(value, _) => write!(out, "v{}", value.0),
        }
    }
}
