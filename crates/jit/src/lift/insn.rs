//! One instruction after the other.

use super::{Lifter, NUMBERS, Outer};
use crate::code::CompileError;
use crate::env::Env;
use crate::surroundings::{Access, ArrayLookup, Callee, Surroundings};
use skep_ir::{BinOp, Cmp, Cond, Inst, Mem, Term, UnOp, Value, fold};
use skep_isa::{AluOp, AtomicOp, Call, CondOp, Insn, Pc, Reg, Size, Src, Swap, Width};

const fn unsupported(pc: Pc, what: &'static str) -> CompileError {
    CompileError::Unsupported { pc, what }
}

impl<O: Surroundings + ?Sized> Lifter<'_, O> {
    #[inline]
    fn get(&mut self, reg: Reg) -> Value {
        if reg != Reg::FP {
            return self.now[usize::from(reg.num())];
        }
        match self.f.frame {
            Some(frame) => frame,
            None => {
                let frame = self.f.add(Inst::Frame, 0);
                self.f.frame = Some(frame);
                frame
            }
        }
    }

    fn set(&mut self, reg: Reg, value: Value) {
        if let Some(now) = self.now.get_mut(usize::from(reg.num())) {
            *now = value;
        }
    }

    #[inline]
    fn src(&mut self, pc: Pc, src: Src) -> Value {
        match src {
            Src::Reg(reg) => self.get(reg),
            Src::Imm(imm) => self.number(pc, i64::from(imm).cast_unsigned()),
        }
    }

    /// A number, as one value for as long as it is remembered.
    #[inline]
    fn number(&mut self, pc: Pc, number: u64) -> Value {
        let at = usize::from(number.to_le_bytes()[0]) % NUMBERS;
        if self.f.known(self.numbers[at]) != Some(number) {
            self.numbers[at] = self.f.number(number, pc.0);
        }
        self.numbers[at]
    }

    fn push(&mut self, pc: Pc, inst: Inst) -> Value {
        self.f.push_once(&mut self.given, self.flow, (self.block, pc.0), inst)
    }

    fn bin(&mut self, pc: Pc, op: BinOp, width: Width, a: Value, b: Value) -> Value {
        self.push(pc, Inst::Bin { op, width, a, b })
    }

    fn un(&mut self, pc: Pc, op: UnOp, a: Value) -> Value {
        self.push(pc, Inst::Un { op, a })
    }

    fn outer(&mut self, pc: Pc, outer: Outer, args: [Value; 5]) -> Value {
        let callee = u32::try_from(self.f.callees.len()).unwrap_or(u32::MAX);
        self.f.callees.push(outer);
        self.push(pc, Inst::Call { callee, args })
    }

    /// The end of a block, if the instruction is one. Where it leads is known; what is left to say is on what condition.
    pub(super) fn end(&mut self, pc: Pc, insn: &Insn) -> bool {
        let outlined = self.f.blocks[self.block.index()].term;
        let term = match (*insn, outlined) {
            (Insn::Exit, _) => Term::Return(self.now[0]),
            (Insn::MayGoto { .. }, Term::Branch { yes, no, .. }) => Term::MayGoto { yes, no },
            (Insn::MayGoto { .. }, Term::Jump(yes)) => {
                let no = self.f.copy_edge(yes);
                Term::MayGoto { yes, no }
            }
            (Insn::JumpIf { width, op, dst, src, .. }, Term::Branch { yes, no, .. }) => {
                let (a, b) = (self.get(dst), self.src(pc, src));
                let cmp = fold::compare(&self.f, Cmp { cond: cond(op), width, a, b });
                match fold::decided(&self.f, cmp) {
                    Some(holds) => {
                        self.ways = true;
                        Term::Jump(if holds { yes } else { no })
                    }
                    None => Term::Branch { cmp, yes, no },
                }
            }
            (Insn::JumpIf { .. } | Insn::Jump { .. } | Insn::JumpLong { .. }, jump)
            | (Insn::Static { .. } | Insn::StaticLong { .. }, jump) => jump,
            _ => return false,
        };
        self.f.blocks[self.block.index()].term = term;
        true
    }

    /// Any other instruction.
    pub(super) fn insn(&mut self, pc: Pc, insn: &Insn) -> Result<(), CompileError> {
        match *insn {
            Insn::Alu { width, op, dst, src } => {
                let b = self.src(pc, src);
                let a = self.get(dst);
                let value = self.alu(pc, width, op, a, b);
                self.set(dst, value);
            }
            Insn::MovSx { width, from, dst, src } => {
                let a = self.get(src);
                let value = self.un(pc, UnOp::Sext(from, width), a);
                self.set(dst, value);
            }
            Insn::Neg { width, dst } => {
                let a = self.get(dst);
                let value = self.un(pc, UnOp::Neg(width), a);
                self.set(dst, value);
            }
            Insn::Swap { kind, size, dst } => {
                let a = self.get(dst);
                let op = match kind {
                    Swap::Le => UnOp::Zext(size),
                    Swap::Be | Swap::Always => UnOp::Bswap(size),
                };
                let value = self.un(pc, op, a);
                self.set(dst, value);
            }
            Insn::AddrSpaceCast { dst, src, .. } => {
                let arena = self.outside.arena(pc).map_err(|what| unsupported(pc, what))?;
                let a = self.get(src);
                let low = self.un(pc, UnOp::Zext(Size::W), a);
                let arena = self.f.number(arena, pc.0);
                let there = self.bin(pc, BinOp::Or, Width::W64, low, arena);
                let cmp = Cmp { cond: Cond::Eq, width: Width::W64, a, b: self.zero };
                let value = self.push(pc, Inst::Select { cmp, yes: self.zero, no: there });
                self.set(dst, value);
            }
            Insn::LoadImm { dst, imm } => {
                let imm = self.outside.imm(pc, imm).map_err(|what| unsupported(pc, what))?;
                let value = self.f.number(imm, pc.0);
                self.set(dst, value);
            }
            Insn::LoadAbs { size, imm } => self.packet(pc, size, Value::NONE, imm),
            Insn::LoadInd { size, src, imm } => {
                let src = self.get(src);
                self.packet(pc, size, src, imm);
            }
            Insn::Load { size, dst, base, off } | Insn::LoadAcquire { size, dst, base, off } => {
                let value = self.load(pc, (size, false), base, off);
                self.set(dst, value);
            }
            Insn::LoadSx { size, dst, base, off } => {
                let value = self.load(pc, (size, true), base, off);
                self.set(dst, value);
            }
            Insn::Store { size, base, off, src } => {
                let value = self.src(pc, src);
                self.store(pc, size, (base, off), value);
            }
            Insn::StoreRelease { size, base, off, src } => {
                let (base, value) = (self.get(base), self.get(src));
                let mem = Mem::new(base, off.into());
                self.push(pc, Inst::Store { size, mem, value });
            }
            Insn::Atomic { size, op, base, off, src } => {
                let (base, value) = (self.get(base), self.get(src));
                let mem = Mem::new(base, off.into());
                let expected = if op == AtomicOp::CmpXchg { self.now[0] } else { Value::NONE };
                let old = self.push(pc, Inst::Atomic { op, size, mem, value, expected });
                if let Some(to) = insn.writes() {
                    self.set(to, old);
                }
            }
            Insn::Call(call) => self.call(pc, call)?,
            Insn::JumpReg { .. } => return Err(unsupported(pc, "a jump to a register")),
            Insn::JumpIf { .. }
            | Insn::Jump { .. }
            | Insn::JumpLong { .. }
            | Insn::MayGoto { .. }
            | Insn::Static { .. }
            | Insn::StaticLong { .. }
            | Insn::Exit => return Err(CompileError::Flow { pc }),
        }
        Ok(())
    }

    fn alu(&mut self, pc: Pc, width: Width, op: AluOp, a: Value, b: Value) -> Value {
        let op = match op {
            AluOp::Mov if width == Width::W64 => return b,
            AluOp::Mov => return self.un(pc, UnOp::Zext(Size::W), b),
            AluOp::Add => BinOp::Add,
            AluOp::Sub => BinOp::Sub,
            AluOp::Mul => BinOp::Mul,
            AluOp::Div => BinOp::Div,
            AluOp::SDiv => BinOp::SDiv,
            AluOp::Or => BinOp::Or,
            AluOp::And => BinOp::And,
            AluOp::Lsh => BinOp::Shl,
            AluOp::Rsh => BinOp::Shr,
            AluOp::Mod => BinOp::Mod,
            AluOp::SMod => BinOp::SMod,
            AluOp::Xor => BinOp::Xor,
            AluOp::Arsh => BinOp::Sar,
        };
        self.bin(pc, op, width, a, b)
    }

    fn packet(&mut self, pc: Pc, size: Size, src: Value, at: i32) {
        let none = Value::NONE;
        let value = self.outer(pc, Outer::Packet { size, at }, [src, none, none, none, none]);
        self.clobber();
        self.set(Reg::R0, value);
    }

    /// What r1 to r5 are after a call nothing reads.
    fn clobber(&mut self) {
        self.now[1..6].fill(self.zero);
    }

    fn load(&mut self, pc: Pc, (size, signed): (Size, bool), base: Reg, off: i16) -> Value {
        if let Some((var, _)) = self.vars.slot(base, off) {
            let op = if signed { UnOp::Sext(size, Width::W64) } else { UnOp::Zext(size) };
            return self.un(pc, op, self.now[var]);
        }
        let base = self.get(base);
        let kind = match self.outside.access(pc) {
            Access::Pointer { off } => {
                let mem = Mem::new(base, off);
                return self.push(pc, Inst::Load { size: Size::Dw, signed: false, mem });
            }
            Access::Plain => {
                let mem = Mem::new(base, off.into());
                return self.push(pc, Inst::Load { size, signed, mem });
            }
            Access::Arena if signed => Env::LOAD_ARENA_SX,
            Access::Arena => Env::LOAD_ARENA,
            // The first pass lets none be refused.
            _ if signed => Env::LOAD_SX,
            _ => Env::LOAD,
        };
        let at = self.f.number(i64::from(off).cast_unsigned(), pc.0);
        let address = self.bin(pc, BinOp::Add, Width::W64, base, at);
        let none = Value::NONE;
        self.outer(pc, Outer::Load { kind, size }, [address, none, none, none, none])
    }

    fn store(&mut self, pc: Pc, size: Size, (base, off): (Reg, i16), value: Value) {
        if let Some((var, size)) = self.vars.slot(base, off) {
            self.now[var] = self.un(pc, UnOp::Zext(size), value);
            return;
        }
        let is_number = matches!(self.insns.get(pc), Some(Insn::Store { src: Src::Imm(_), .. }));
        let base = self.get(base);
        let kind = match self.outside.access(pc) {
            Access::Arena => Env::STORE_ARENA,
            Access::Bridged if is_number => Env::STORE_IMM,
            Access::Bridged => Env::STORE,
            _ => {
                let mem = Mem::new(base, off.into());
                self.push(pc, Inst::Store { size, mem, value });
                return;
            }
        };
        let at = self.f.number(i64::from(off).cast_unsigned(), pc.0);
        let address = self.bin(pc, BinOp::Add, Width::W64, base, at);
        let none = Value::NONE;
        self.outer(pc, Outer::Store { kind, size }, [address, value, none, none, none]);
    }

    fn call(&mut self, pc: Pc, call: Call) -> Result<(), CompileError> {
        let mut args: [Value; 5] = core::array::from_fn(|n| self.now[n + 1]);
        let outer = match call {
            Call::Local(off) => {
                let start = pc.jump(off).unwrap_or_default().0;
                let reads = self.reads.iter().find(|(at, _)| *at == start);
                let reads = reads.map_or(u64::MAX, |(_, reads)| *reads);
                for (n, arg) in args.iter_mut().enumerate() {
                    if reads >> (n + 1) & 1 == 0 {
                        *arg = Value::NONE;
                    }
                }
                Outer::Local(start)
            }
            Call::Reg(_) => return Err(unsupported(pc, "a call of a register")),
            call => match self.outside.call(pc, call).map_err(|what| unsupported(pc, what))? {
                Callee::Constant(number) => {
                    let value = self.f.number(number, pc.0);
                    self.clobber();
                    self.set(Reg::R0, value);
                    return Ok(());
                }
                Callee::Array(array) => {
                    let value = self.array(pc, array);
                    self.clobber();
                    self.set(Reg::R0, value);
                    return Ok(());
                }
                callee => {
                    let count = match callee {
                        Callee::WithContext { .. } => 4,
                        Callee::Cpu => 0,
                        _ => 5,
                    };
                    args[count..].fill(Value::NONE);
                    Outer::Callee(callee)
                }
            },
        };
        let value = self.outer(pc, outer, args);
        self.clobber();
        self.set(Reg::R0, value);
        Ok(())
    }

    /// `&array[*(u32 *)r2]`, or null.
    fn array(&mut self, pc: Pc, array: ArrayLookup) -> Value {
        let ArrayLookup { base, stride, len, cpu_stride } = array;
        let mem = Mem::new(self.now[2], 0);
        let index = self.push(pc, Inst::Load { size: Size::W, signed: false, mem });
        let [base, stride, len] =
            [base, stride.into(), len.into()].map(|number| self.f.number(number, pc.0));
        let at = self.bin(pc, BinOp::Mul, Width::W64, index, stride);
        let mut there = self.bin(pc, BinOp::Add, Width::W64, at, base);
        if cpu_stride > 0 {
            let cpu = self.outer(pc, Outer::Callee(Callee::Cpu), [Value::NONE; 5]);
            let stride = self.f.number(cpu_stride.into(), pc.0);
            let from = self.bin(pc, BinOp::Mul, Width::W64, cpu, stride);
            there = self.bin(pc, BinOp::Add, Width::W64, there, from);
        }
        let cmp = Cmp { cond: Cond::Lt, width: Width::W32, a: index, b: len };
        self.push(pc, Inst::Select { cmp, yes: there, no: self.zero })
    }
}

const fn cond(op: CondOp) -> Cond {
    match op {
        CondOp::Eq => Cond::Eq,
        CondOp::Ne => Cond::Ne,
        CondOp::Gt => Cond::Gt,
        CondOp::Ge => Cond::Ge,
        CondOp::Lt => Cond::Lt,
        CondOp::Le => Cond::Le,
        CondOp::SGt => Cond::SGt,
        CondOp::SGe => Cond::SGe,
        CondOp::SLt => Cond::SLt,
        CondOp::SLe => Cond::SLe,
        CondOp::Set => Cond::Set,
    }
}
