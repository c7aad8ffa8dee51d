//! The state of one verification, and how rules reach it.

use crate::aux::{AluLimit, Aux, Given, Passed};
use crate::call::{NoProto, Proto};
use crate::env::Env;
use crate::explore::{Remembered, Visits};
use crate::flow::Backwards;
use crate::frame::Frame;
use crate::map_info::MapInfo;
use crate::reg::RegState;
use crate::reject::Res;
use crate::stack_live::StackLive;
use crate::state::State;
use crate::subprog::Subprog;
use crate::verdict::Stats;
use crate::waiting::Waiting;
use crate::workspace::Scratch;
use skep_btf::Btf;
use skep_isa::{Insn, Reg};
use skep_prog::Prog;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Slot before the first.
pub(crate) const NO_PC: u32 = u32::MAX;

/// Bytes of stack that a chain of calls may use. Kernel: `MAX_BPF_STACK`.
pub(crate) const MAX_STACK: i32 = 512;

/// Frames of a chain of calls. Kernel: `MAX_CALL_FRAMES`.
pub(crate) const MAX_FRAMES: usize = 8;

/// Where a step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// To the next instruction.
    Fall,
    /// `pc` was set.
    Jump,
    /// The path ends.
    End,
}

/// One verification. Kernel: `struct bpf_verifier_env`.
pub(crate) struct Verifier<'a> {
    pub(crate) env: &'a Env<'a>,
    pub(crate) prog: &'a Prog,
    /// The kernel's types.
    pub(crate) vmlinux: Option<&'a Btf>,
    /// The program's types.
    pub(crate) btf: Option<&'a Btf>,
    /// By slot; `None` is the second half of `lddw`.
    pub(crate) insns: &'a [Option<Insn>],
    pub(crate) aux: Vec<Aux>,
    /// By slot.
    pub(crate) given: BTreeMap<u32, Given>,
    /// Of calls of helpers, by slot.
    pub(crate) passed: BTreeMap<u32, Passed>,
    /// The operation and limit that masks pointer arithmetic under speculation, by instruction.
    pub(crate) alu_limits: HashMap<u32, AluLimit>,
    /// Calls of `bpf_loop` with the same callback on all paths so far, and whether all without flags.
    pub(crate) loop_callbacks: HashMap<u32, (u32, bool)>,
    pub(crate) subprogs: Vec<Subprog>,
    /// Function that handles exceptions.
    pub(crate) exception_cb: Option<u32>,
    /// The image's maps in order, then templates of maps inside others.
    pub(crate) maps: Vec<MapInfo<'a>>,
    /// Whether the release has all that any instruction is part of.
    pub(crate) knows_all: bool,
    /// Whether any instruction calls or names a function of the program, or calls one of the kernel by its type.
    pub(crate) names_functions: bool,
    /// Whether any instruction names the frame pointer: without it, nothing has an address in the stack.
    pub(crate) names_stack: bool,
    /// Whether any instruction can be followed by itself or one before it in the same function.
    pub(crate) goes_back: bool,
    /// Instructions, each after its successors where there is no loop; none until something asks for them.
    pub(crate) postorder: Vec<u32>,
    /// The way back, once something is asked of it.
    pub(crate) backwards: std::cell::OnceCell<Rc<Backwards>>,

    pub(crate) bpf_capable: bool,
    pub(crate) allow_ptr_leaks: bool,
    pub(crate) allow_uninit_stack: bool,
    /// Whether some path has read stack that it has not written.
    pub(crate) reads_old_stack: std::cell::Cell<bool>,
    pub(crate) bypass_spec_v1: bool,
    pub(crate) bypass_spec_v4: bool,
    pub(crate) strict_alignment: bool,
    pub(crate) test_state_freq: bool,
    pub(crate) explore_alu_limits: bool,
    /// Whether the program stands in for a function of another.
    pub(crate) replaces: bool,
    /// Whether the program may sleep at all.
    pub(crate) sleepable: bool,
    /// Whether the program compares the packet pointer it got from a direct packet access.
    pub(crate) seen_direct_write: bool,
    /// Deepest access to the context.
    pub(crate) max_ctx_offset: u32,

    /// Helpers that were looked up.
    pub(crate) protos: std::cell::RefCell<HashMap<u32, Result<Proto, NoProto>>>,
    /// Functions of the kernel that were looked up.
    pub(crate) kernel_funcs: crate::kfunc::FuncCache,

    pub(crate) cur: Box<State>,
    pub(crate) pc: u32,
    pub(crate) prev_pc: u32,
    /// Index of the current instruction's entry in the history of `cur`.
    pub(crate) hist_entry: Option<usize>,
    pub(crate) pending: Waiting,
    /// States that are done with, for their memory.
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    pub(crate) spare: Vec<Box<State>>,
    pub(crate) scratch: Scratch,
    pub(crate) remembered: Remembered,
    pub(crate) visits: Visits,
    pub(crate) live: StackLive,
    pub(crate) mem: crate::mem::MemState,
    pub(crate) id_gen: u32,
    pub(crate) stats: Stats,
    /// Who sees each step; states are then compared in full.
    pub(crate) watcher: Option<&'a mut dyn FnMut(&crate::trace::Step)>,
    pub(crate) jmps_processed: u64,
    pub(crate) prev_jmps: u64,
    pub(crate) prev_insns: u64,
}

impl<'a> Verifier<'a> {
    /// A number that was not used.
    pub(crate) fn new_id(&mut self) -> u32 {
        self.id_gen += 1;
        self.id_gen
    }

    /// The innermost frame.
    pub(crate) fn frame(&self) -> &Frame {
        self.cur.top()
    }

    /// The innermost frame, to change.
    pub(crate) fn frame_mut(&mut self) -> &mut Frame {
        self.cur.top_mut()
    }

    /// The register in the innermost frame.
    pub(crate) fn reg(&self, reg: Reg) -> &RegState {
        self.cur.top().reg(reg)
    }

    /// The same, to change.
    pub(crate) fn reg_mut(&mut self, reg: Reg) -> &mut RegState {
        self.cur.top_mut().reg_mut(reg)
    }

    /// The frame whose stack a stack pointer points into. Kernel: `func`.
    pub(crate) fn frame_of(&self, reg: &RegState) -> usize {
        reg.frame as usize
    }

    /// The instruction at a slot that holds one.
    pub(crate) fn insn(&self, pc: u32) -> Insn {
        self.insns[pc as usize].expect("bug: the middle of lddw is no instruction")
    }

    /// What the current instruction gets from the kernel.
    pub(crate) fn given_here(&mut self) -> &mut Given {
        self.given.entry(self.pc).or_default()
    }

    /// What is known of the current instruction.
    pub(crate) fn aux_here(&mut self) -> &mut Aux {
        &mut self.aux[self.pc as usize]
    }

    /// The function that starts at the slot.
    pub(crate) fn subprog_starting(&self, pc: u32) -> Option<u32> {
        let at = self.subprogs.binary_search_by_key(&pc, |subprog| subprog.start).ok()?;
        u32::try_from(at).ok()
    }

    /// The function that holds the slot.
    pub(crate) fn subprog_of(&self, pc: u32) -> usize {
        self.subprogs.partition_point(|subprog| subprog.start <= pc) - 1
    }

    /// Makes a register an unknown number. Kernel: `mark_reg_unknown`.
    pub(crate) fn mark_unknown(&mut self, reg: Reg) {
        *self.reg_mut(reg) = self.unknown();
    }

    /// An unknown number; without privileges all numbers are precise.
    pub(crate) fn unknown(&self) -> RegState {
        RegState { precise: !self.bpf_capable, ..RegState::UNKNOWN }
    }

    /// A known number.
    pub(crate) fn constant(&self, value: u64) -> RegState {
        RegState { precise: !self.bpf_capable, ..RegState::constant(value) }
    }

    /// Clobbers r0 to r5. Kernel: `clear_caller_saved_regs`.
    pub(crate) fn clear_caller_saved(&mut self) {
        for reg in &mut self.frame_mut().regs[..6] {
            *reg = RegState::NOT_INIT;
        }
    }

    /// Whether the innermost section may sleep. Kernel: `in_sleepable`.
    pub(crate) fn in_sleepable(&self) -> bool {
        self.sleepable || self.cur.in_sleepable
    }

    /// The register can be read. Kernel: `check_reg_arg(SRC_OP)`.
    #[inline]
    pub(crate) fn check_src(&self, reg: Reg) -> Res<()> {
        match self.reg(reg).ty.base {
            crate::reg::Base::NotInit => self.refuse_unwritten(reg),
            _ => Ok(()),
        }
    }

    #[cold]
    fn refuse_unwritten(&self, reg: Reg) -> Res<()> {
        crate::reject::Reject::new(crate::rule::Rule::RegUninit, format!("R{} !read_ok", reg.num()))
            .fact(crate::reject::Fact::Reg(reg, *self.reg(reg)))
            .stop()
    }

    /// The register can be written; it is not yet. Kernel: `check_reg_arg(DST_OP_NO_MARK)`.
    #[inline]
    pub(crate) fn check_dst_no_mark(&mut self, reg: Reg) -> Res<()> {
        if reg == Reg::FP {
            return crate::reject::reject(
                crate::rule::Rule::RegFramePointer,
                "frame pointer is read only",
            );
        }
        Ok(())
    }

    /// The register can be written, and becomes unknown. Kernel: `check_reg_arg(DST_OP)`.
    pub(crate) fn check_dst(&mut self, reg: Reg) -> Res<()> {
        self.check_dst_no_mark(reg)?;
        self.mark_unknown(reg);
        Ok(())
    }
}
