//! A verification from beginning to end.
//!
//! Kernel: `bpf_check`, `do_check_common`, `do_check_main`, `do_check_subprogs`.

use crate::aux::Aux;
use crate::env::Env;
use crate::explore::Visits;
use crate::frame::{Frame, MAIN};
use crate::load::maps_of;
use crate::reg::Base;
use crate::reject::{Res, Stop};
use crate::state::State;
use crate::subprog::Subprog;
use crate::trace::Step;
use crate::verdict::{
    FuncFacts, InsnFacts, Rejection, Stats, Through, Unsupported, Verdict, Verified, map_facts,
};
use crate::verifier::{NO_PC, Verifier};
use crate::workspace::Workspace;
use skep_abi::{Feature, ProgType};
use skep_isa::Pc;
use skep_prog::Prog;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::mem;

/// Whether the kernel would take `prog`.
#[must_use]
pub fn verify<'p>(prog: &'p Prog, env: &Env<'_>) -> Verdict<'p> {
    conclude(prog, Verifier::new(prog, env))
}

/// As [`verify`], and shows what is known before each instruction, each time it is followed.
///
/// States are compared in full, whatever matters, so that it takes longer and may come to the limit of
/// instructions sooner. In return, whatever a run of an accepted program comes to is within some step
/// that was shown, as far as registers are concerned that are read later.
#[must_use]
pub fn watch<'p>(prog: &'p Prog, env: &Env<'_>, seen: &mut dyn FnMut(&Step)) -> Verdict<'p> {
    let mut verifier = Verifier::new(prog, env);
    verifier.watcher = Some(seen);
    conclude(prog, verifier)
}

fn conclude<'p>(prog: &'p Prog, mut verifier: Verifier<'_>) -> Verdict<'p> {
    let stopped = verifier.run();
    verifier.finish_stats();
    let pc = (verifier.pc != NO_PC).then_some(Pc(verifier.pc));
    let verdict = match stopped {
        Ok(()) => {
            let facts =
                verifier.aux.iter().map(|aux| InsnFacts { through: through(aux), ways: aux.ways });
            let insns = facts.collect();
            let reads_old_stack = verifier.reads_old_stack.get();
            let maps = verifier.env.image.maps.iter().map(map_facts).collect();
            // Functions that no path comes to are taken out.
            let is_there = |sub: &&Subprog| verifier.aux[sub.start as usize].seen;
            let funcs = verifier.subprogs.iter().filter(is_there).map(|sub| FuncFacts {
                func: sub.func,
                is_reliable: sub.func.is_some() && !sub.unreliable,
                is_exception_cb: sub.is_exception_cb,
                changes_pkt_data: sub.changes_pkt_data,
                might_sleep: sub.might_sleep,
            });
            let funcs: Vec<_> = funcs.collect();
            let stats = mem::take(&mut verifier.stats);
            let cpus = verifier.env.kernel.cpus.max(1);
            let given = mem::take(&mut verifier.given);
            let passed = mem::take(&mut verifier.passed);
            Verdict::Accepted(Verified {
                prog,
                stats,
                insns,
                given,
                passed,
                reads_old_stack,
                maps,
                funcs,
                cpus,
            })
        }
        Err(Stop::Unsupported(what)) => Verdict::Unsupported(Unsupported { pc, ..*what }),
        Err(Stop::Reject(reject)) => {
            let path = verifier.path();
            Verdict::Rejected(Box::new(Rejection {
                pc,
                reject: *reject,
                path,
                stats: mem::take(&mut verifier.stats),
            }))
        }
    };
    verifier.leave_workspace();
    verdict
}

/// What machine code must know of a pointer that it follows.
fn through(aux: &Aux) -> Option<Through> {
    // The context is the only kind on all paths, or the program is refused.
    let is_ctx = aux.ptr_type.is_some_and(|ty| ty.base == Base::Ctx);
    // The same goes for arenas.
    match (is_ctx, aux.leads_to_arena, aux.leads_to_map, aux.leads_to_kernel) {
        (true, ..) => Some(Through::Ctx),
        (_, true, ..) => Some(Through::Arena),
        (_, _, true, _) => Some(Through::Map),
        (.., true) => Some(Through::Kernel),
        (.., false) => None,
    }
}

impl<'a> Verifier<'a> {
    pub(crate) fn new(prog: &'a Prog, env: &'a Env<'a>) -> Self {
        let insns = prog.insns.slots();
        let caps = env.caps;
        let perfmon = caps.perfmon || caps.sys_admin;
        let len = insns.len();
        let btf = env.image.btf.as_deref();
        let Workspace {
            mut aux,
            postorder,
            subprogs,
            pending,
            mut spare,
            scratch,
            remembered,
            live,
        } = Workspace::take();
        let mut cur = spare.pop().unwrap_or_else(|| Box::new(State::empty(0, false)));
        cur.vacate(0, false);
        aux.resize(len, Aux::default());
        Self {
            env,
            prog,
            vmlinux: env.kernel.btf.as_deref(),
            btf,
            aux,
            given: BTreeMap::new(),
            passed: BTreeMap::new(),
            alu_limits: HashMap::new(),
            loop_callbacks: HashMap::new(),
            insns,
            subprogs,
            exception_cb: None,
            maps: maps_of(env.image, btf, env.kernel.btf.as_deref()),
            knows_all: env.kernel.release >= Feature::ALL_SINCE,
            names_functions: false,
            names_stack: true,
            goes_back: false,
            postorder,
            backwards: OnceCell::new(),
            bpf_capable: caps.bpf || caps.sys_admin,
            allow_ptr_leaks: perfmon,
            allow_uninit_stack: perfmon,
            reads_old_stack: Cell::new(false),
            bypass_spec_v1: perfmon || env.kernel.mitigations_off,
            bypass_spec_v4: perfmon || env.kernel.mitigations_off,
            strict_alignment: env.flags.strict_alignment && !env.flags.any_alignment,
            test_state_freq: env.flags.test_state_freq && (caps.bpf || caps.sys_admin),
            explore_alu_limits: false,
            replaces: prog.prog_type == ProgType::Ext,
            sleepable: env.flags.sleepable,
            seen_direct_write: false,
            max_ctx_offset: 0,
            protos: RefCell::default(),
            kernel_funcs: crate::kfunc::FuncCache::default(),
            cur,
            pc: NO_PC,
            prev_pc: NO_PC,
            hist_entry: None,
            pending,
            spare,
            scratch,
            remembered,
            visits: Visits::default(),
            live,
            mem: crate::mem::MemState::default(),
            id_gen: 0,
            stats: Stats { visits: vec![0; len], ..Stats::default() },
            watcher: None,
            jmps_processed: 0,
            prev_jmps: 0,
            prev_insns: 0,
        }
    }

    fn run(&mut self) -> Res<()> {
        self.prepare()?;
        self.follow_function(0)?;
        self.follow_called()?;
        self.pc = NO_PC;
        self.check_max_stack_depth()
    }

    /// Everything before the first path.
    pub(crate) fn prepare(&mut self) -> Res<()> {
        self.check_release()?;
        self.check_load_permission()?;
        self.check_types()?;
        self.find_subprogs()?;
        self.check_subprogs()?;
        self.pc = NO_PC;
        self.check_func_info()?;
        self.resolve_maps()?;
        self.check_cfg()?;
        self.pc = NO_PC;
        self.check_attach()?;
        self.compute_scc();
        self.compute_live_regs();
        self.mark_fastcall_patterns();
        Ok(())
    }

    /// Verifies a function by itself. Kernel: `do_check_common`.
    fn follow_function(&mut self, subprog: u32) -> Res<()> {
        self.enter_function(subprog)?;
        self.explore()
    }

    /// Stands at the start of a function.
    pub(crate) fn enter_function(&mut self, subprog: u32) -> Res<()> {
        self.forget();
        let start = self.subprogs[subprog as usize].start;
        let frame = Frame::new(MAIN, 0, subprog);
        self.cur.restart(frame, start, self.sleepable);
        self.pc = start;
        self.prev_pc = NO_PC;
        self.setup_entry(subprog)
    }

    /// Verifies the global functions that verified functions call. Kernel: `do_check_subprogs`.
    fn follow_called(&mut self) -> Res<()> {
        loop {
            let next = (1..self.subprogs.len()).find(|&at| {
                let subprog = &self.subprogs[at];
                let handler = self.exception_cb == u32::try_from(at).ok();
                subprog.is_global && !subprog.verified && (subprog.called || handler)
            });
            let Some(next) = next else { return Ok(()) };
            self.subprogs[next].verified = true;
            self.follow_function(u32::try_from(next).unwrap_or(u32::MAX))?;
        }
    }

    fn finish_stats(&mut self) {
        self.stats.stack = self.subprogs.iter().map(|subprog| subprog.stack_depth).collect();
    }
}
