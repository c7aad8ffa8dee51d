//! Functions of the second tier, as they are before registers are allocated, by Cranelift's back end in place of ours.

use crate::engines::Engine;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, BlockCall, Function, InstBuilder, JumpTableData, MemFlags,
    Signature, StackSlot, StackSlotData, StackSlotKind, Type, UserFuncName, Value as Clif, types,
};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::Configurable;
use cranelift_codegen::{Context, settings};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module, default_libcall_names};
use skep_abi::ProgType;
use skep_benches::{Program, memory};
use skep_ir::{BinOp, BlockId, Cmp, Cond, Edge, Flow, Func, Inst, Mem, Term, UnOp, Value};
use skep_isa::{Size, Width};
use skep_jit::{NoSurroundings, Outer};
use skep_prog::Prog;

type Entry = unsafe extern "C" fn(u64, u64, u64, u64, u64) -> u64;

/// Code for this host, made for speed.
pub(crate) fn isa() -> OwnedTargetIsa {
    let mut flags = settings::builder();
    for (name, value) in [("opt_level", "speed"), ("enable_verifier", "false")] {
        flags.set(name, value).expect("Cranelift has the setting");
    }
    let builder = cranelift_native::builder().expect("Cranelift knows this host");
    builder.finish(settings::Flags::new(flags)).expect("the settings fit")
}

/// The only function of a program, if it calls nothing.
pub(crate) fn function(prog: &Prog) -> Option<Func<Outer>> {
    let mut functions = skep_jit::x64::functions(prog, &NoSurroundings).ok()?;
    functions.pop().filter(|f| functions.is_empty() && f.callees.is_empty())
}

/// The bytes of code that Cranelift makes of a function.
pub(crate) fn compile(f: &Func<Outer>, isa: &OwnedTargetIsa) -> usize {
    let mut context = Context::for_function(translate(f));
    let code = context.compile(&**isa, &mut Default::default()).expect("it compiles");
    code.code_buffer().len()
}

/// A function as Cranelift has it.
fn translate(f: &Func<Outer>) -> Function {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend([AbiParam::new(types::I64); 5]);
    signature.returns.push(AbiParam::new(types::I64));
    let mut function = Function::with_name_signature(UserFuncName::default(), signature);
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut context);
    let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, FRAME, 3);
    let frame = builder.create_sized_stack_slot(slot);
    let blocks = f.blocks.iter().map(|_| builder.create_block()).collect();
    let values = vec![None; f.insts.len()];
    Translation { f, b: builder, blocks, values, frame }.run();
    function
}

/// Bytes of a frame of the stack.
const FRAME: u32 = 512;

struct Translation<'a, 'b> {
    f: &'a Func<Outer>,
    b: FunctionBuilder<'b>,
    blocks: Vec<Block>,
    values: Vec<Option<Clif>>,
    frame: StackSlot,
}

const fn int(size: Size) -> Type {
    match size {
        Size::B => types::I8,
        Size::H => types::I16,
        Size::W => types::I32,
        Size::Dw => types::I64,
    }
}

impl Translation<'_, '_> {
    fn run(mut self) {
        // Each value is given before it is used along the tree of dominators, which the order of blocks follows.
        let order = Flow::new(self.f).order;
        for &block in &order {
            for &param in &self.f.blocks[block.index()].params {
                let to = self.blocks[block.index()];
                self.values[param.index()] = Some(self.b.append_block_param(to, types::I64));
            }
        }
        for block in order {
            self.b.switch_to_block(self.blocks[block.index()]);
            for &value in &self.f.blocks[block.index()].insts {
                self.values[value.index()] = self.inst(*self.f.inst(value));
            }
            self.term(block);
        }
        self.b.seal_all_blocks();
        self.b.finalize();
    }

    fn get(&mut self, value: Value) -> Clif {
        match *self.f.inst(value) {
            Inst::Const(number) => self.b.ins().iconst(types::I64, number.cast_signed()),
            Inst::Frame => {
                let end = i32::try_from(FRAME).expect("a small frame");
                self.b.ins().stack_addr(types::I64, self.frame, end)
            }
            _ => self.values[value.index()].expect("it has been given"),
        }
    }

    /// A value on a width.
    fn on(&mut self, width: Width, value: Value) -> Clif {
        let value = self.get(value);
        self.cut(if width == Width::W32 { types::I32 } else { types::I64 }, value)
    }

    fn cut(&mut self, to: Type, value: Clif) -> Clif {
        if to == types::I64 { value } else { self.b.ins().ireduce(to, value) }
    }

    fn extended(&mut self, value: Clif) -> Clif {
        let from = self.b.func.dfg.value_type(value);
        if from == types::I64 { value } else { self.b.ins().uextend(types::I64, value) }
    }

    fn bin(&mut self, op: BinOp, width: Width, a: Value, b: Value) -> Clif {
        let number = self.f.known(b).map(|b| if width == Width::W32 { b & 0xffff_ffff } else { b });
        let (a, b) = (self.on(width, a), self.on(width, b));
        let ins = self.b.ins();
        let result = match op {
            BinOp::Add => ins.iadd(a, b),
            BinOp::Sub => ins.isub(a, b),
            BinOp::Mul => ins.imul(a, b),
            BinOp::And => ins.band(a, b),
            BinOp::Or => ins.bor(a, b),
            BinOp::Xor => ins.bxor(a, b),
            BinOp::Shl => ins.ishl(a, b),
            BinOp::Shr => ins.ushr(a, b),
            BinOp::Sar => ins.sshr(a, b),
            BinOp::Ror => ins.rotr(a, b),
            BinOp::Div | BinOp::Mod | BinOp::SDiv | BinOp::SMod => self.divide(op, a, b, number),
        };
        self.extended(result)
    }

    /// Division, which traps in Cranelift where it gives something here.
    fn divide(&mut self, op: BinOp, a: Clif, b: Clif, number: Option<u64>) -> Clif {
        let is_signed = matches!(op, BinOp::SDiv | BinOp::SMod);
        let ty = self.b.func.dfg.value_type(a);
        let one = self.b.ins().iconst(ty, 1);
        let zero = self.b.ins().iconst(ty, 0);
        let is_zero = self.b.ins().icmp_imm(IntCC::Equal, b, 0);
        let is_ones = self.b.ins().icmp_imm(IntCC::Equal, b, -1);
        let mut by = b;
        // Numbers that are neither need no care.
        let is_plain = number.is_some_and(|number| number != 0 && !is_signed);
        if !is_plain {
            by = self.b.ins().select(is_zero, one, by);
            if is_signed {
                by = self.b.ins().select(is_ones, one, by);
            }
        }
        let result = match op {
            BinOp::Div => self.b.ins().udiv(a, by),
            BinOp::Mod => self.b.ins().urem(a, by),
            BinOp::SDiv => self.b.ins().sdiv(a, by),
            _ => self.b.ins().srem(a, by),
        };
        if is_plain {
            return result;
        }
        let is_remainder = matches!(op, BinOp::Mod | BinOp::SMod);
        let mut result = result;
        if op == BinOp::SDiv {
            let negative = self.b.ins().ineg(a);
            result = self.b.ins().select(is_ones, negative, result);
        }
        self.b.ins().select(is_zero, if is_remainder { a } else { zero }, result)
    }

    fn un(&mut self, op: UnOp, a: Value) -> Clif {
        let a = self.get(a);
        let result = match op {
            UnOp::Neg(width) => {
                let a = self.cut(if width == Width::W32 { types::I32 } else { types::I64 }, a);
                self.b.ins().ineg(a)
            }
            UnOp::Zext(size) => self.cut(int(size), a),
            UnOp::Sext(Size::Dw, _) | UnOp::Hold => a,
            UnOp::Sext(size, width) => {
                let a = self.cut(int(size), a);
                let to = if width == Width::W32 { types::I32 } else { types::I64 };
                if int(size) == to { a } else { self.b.ins().sextend(to, a) }
            }
            UnOp::Bswap(Size::B) => self.cut(types::I8, a),
            UnOp::Bswap(size) => {
                let a = self.cut(int(size), a);
                self.b.ins().bswap(a)
            }
        };
        self.extended(result)
    }

    fn compare(&mut self, Cmp { cond, width, a, b }: Cmp) -> Clif {
        let (a, b) = (self.on(width, a), self.on(width, b));
        let code = match cond {
            Cond::Eq => IntCC::Equal,
            Cond::Ne => IntCC::NotEqual,
            Cond::Lt => IntCC::UnsignedLessThan,
            Cond::Le => IntCC::UnsignedLessThanOrEqual,
            Cond::Gt => IntCC::UnsignedGreaterThan,
            Cond::Ge => IntCC::UnsignedGreaterThanOrEqual,
            Cond::SLt => IntCC::SignedLessThan,
            Cond::SLe => IntCC::SignedLessThanOrEqual,
            Cond::SGt => IntCC::SignedGreaterThan,
            Cond::SGe => IntCC::SignedGreaterThanOrEqual,
            Cond::Set | Cond::Clear => {
                let both = self.b.ins().band(a, b);
                let code = if cond == Cond::Set { IntCC::NotEqual } else { IntCC::Equal };
                return self.b.ins().icmp_imm(code, both, 0);
            }
        };
        self.b.ins().icmp(code, a, b)
    }

    fn address(&mut self, Mem { base, index, scale, .. }: Mem) -> Clif {
        let base = self.get(base);
        if index == Value::NONE {
            return base;
        }
        let index = self.get(index);
        let index = self.b.ins().ishl_imm(index, i64::from(scale));
        self.b.ins().iadd(base, index)
    }

    fn inst(&mut self, inst: Inst) -> Option<Clif> {
        let flags = MemFlags::trusted();
        match inst {
            Inst::Bin { op, width, a, b } => Some(self.bin(op, width, a, b)),
            Inst::Un { op, a } => Some(self.un(op, a)),
            Inst::Select { cmp, yes, no } => {
                let cond = self.compare(cmp);
                let (yes, no) = (self.get(yes), self.get(no));
                Some(self.b.ins().select(cond, yes, no))
            }
            Inst::Load { size, signed, mem } => {
                let at = self.address(mem);
                let loaded = self.b.ins().load(int(size), flags, at, mem.disp);
                if signed && size != Size::Dw {
                    return Some(self.b.ins().sextend(types::I64, loaded));
                }
                Some(self.extended(loaded))
            }
            Inst::Store { size, mem, value } => {
                let at = self.address(mem);
                let value = self.get(value);
                let value = self.cut(int(size), value);
                self.b.ins().store(flags, value, at, mem.disp);
                None
            }
            Inst::Copy { len, to, from, disp } => {
                let (to_at, from) = (self.address(to), self.get(from));
                let parts: Vec<i32> = (0..i32::from(len)).step_by(16).collect();
                let load = |this: &mut Self, part: &i32| {
                    this.b.ins().load(types::I8X16, flags, from, disp + part)
                };
                let loaded: Vec<Clif> = parts.iter().map(|part| load(self, part)).collect();
                for (part, vector) in parts.iter().zip(loaded) {
                    self.b.ins().store(flags, vector, to_at, to.disp + part);
                }
                None
            }
            Inst::Sum { size, len, mem } => {
                // Each of them, as Cranelift has it: a sum of parts of vectors would be one of its own making.
                let at = self.address(mem);
                let mut sum = self.b.ins().iconst(types::I64, 0);
                for n in (0..i32::from(len)).step_by(size.bytes().into()) {
                    let loaded = self.b.ins().load(int(size), flags, at, mem.disp + n);
                    let loaded = self.extended(loaded);
                    sum = self.b.ins().iadd(sum, loaded);
                }
                Some(sum)
            }
            Inst::Atomic { .. }
            | Inst::Call { .. }
            | Inst::Charge(_)
            | Inst::Refund(_)
            | Inst::Ask => {
                panic!("the programs here have no {inst:?}")
            }
            Inst::Param | Inst::Const(_) | Inst::Frame => None,
        }
    }

    fn args(&mut self, edge: Edge) -> Vec<BlockArg> {
        self.f.args(edge).iter().map(|&arg| BlockArg::Value(self.get(arg))).collect()
    }

    fn block_call(&mut self, edge: Edge) -> BlockCall {
        let args = self.args(edge);
        let to = self.blocks[edge.to.index()];
        self.b.func.dfg.block_call(to, &args)
    }

    fn term(&mut self, block: BlockId) {
        match self.f.blocks[block.index()].term {
            Term::Jump(edge) => {
                let args = self.args(edge);
                let to = self.blocks[edge.to.index()];
                self.b.ins().jump(to, &args);
            }
            Term::Branch { cmp, yes, no } => {
                let cond = self.compare(cmp);
                let (yes_args, no_args) = (self.args(yes), self.args(no));
                let (yes, no) = (self.blocks[yes.to.index()], self.blocks[no.to.index()]);
                self.b.ins().brif(cond, yes, &yes_args, no, &no_args);
            }
            Term::Switch { value, table } => {
                let cases: Vec<BlockCall> =
                    self.f.cases_of(table).iter().map(|&edge| self.block_call(edge)).collect();
                let default = self.block_call(table.default);
                // Tables take numbers of 32 bits.
                let value = self.get(value);
                let len = i64::try_from(cases.len()).expect("a short table");
                let beyond = self.b.ins().iconst(types::I64, len);
                let value = self.b.ins().umin(value, beyond);
                let value = self.b.ins().ireduce(types::I32, value);
                let table = self.b.create_jump_table(JumpTableData::new(default, &cases));
                self.b.ins().br_table(value, table);
            }
            Term::MayGoto { .. } => panic!("the programs here have no may_goto"),
            Term::Return(value) => {
                let value = self.get(value);
                self.b.ins().return_(&[value]);
            }
        }
    }
}

/// The same function by both back ends.
pub(crate) struct IrByCranelift {
    entry: Entry,
    mem: Vec<u8>,
    /// What holds the code.
    _module: JITModule,
}

impl IrByCranelift {
    pub(crate) fn new(program: Program) -> Option<Self> {
        let insns = skep_isa::decode(program.bytes).expect("clang writes instructions");
        let f = function(&Prog::new(program.name, ProgType::SocketFilter, insns))?;
        let mut module = JITModule::new(JITBuilder::with_isa(isa(), default_libcall_names()));
        let mut context = Context::for_function(translate(&f));
        let signature = context.func.signature.clone();
        let id = module.declare_function("entry", Linkage::Export, &signature);
        let id = id.expect("the module is empty");
        module.define_function(id, &mut context).expect("it compiles");
        module.finalize_definitions().expect("there is memory for code");
        let code = module.get_finalized_function(id);
        // SAFETY: the signature is that of `translate`.
        let entry = unsafe { std::mem::transmute::<*const u8, Entry>(code) };
        Some(Self { entry, mem: memory(), _module: module })
    }
}

impl Engine for IrByCranelift {
    fn name(&self) -> &'static str {
        "ir cranelift"
    }

    fn run(&mut self) -> u64 {
        let address = self.mem.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: the interpreter runs these programs with every access checked.
        unsafe { (self.entry)(address, 0, 0, 0, 0) }
    }
}
