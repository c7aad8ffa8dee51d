//! Random functions before and after the passes: what the checker says, and what the interpreter gives.

use skep_ir::{
    BinOp, BlockId, CheckError, Cmp, Cond, Ended, Flow, Func, Inst, Mem, Term, UnOp, Value, World,
    check, eval,
};
use skep_isa::{Size, Width};

/// Numbers that look random. SplitMix64, by Steele, Lea and Flood.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

const OPS: [BinOp; 14] = [
    BinOp::Add,
    BinOp::Sub,
    BinOp::Mul,
    BinOp::Div,
    BinOp::SDiv,
    BinOp::Mod,
    BinOp::SMod,
    BinOp::And,
    BinOp::Or,
    BinOp::Xor,
    BinOp::Shl,
    BinOp::Shr,
    BinOp::Sar,
    BinOp::Ror,
];
const CONDS: [Cond; 12] = [
    Cond::Eq,
    Cond::Ne,
    Cond::Lt,
    Cond::Le,
    Cond::Gt,
    Cond::Ge,
    Cond::SLt,
    Cond::SLe,
    Cond::SGt,
    Cond::SGe,
    Cond::Set,
    Cond::Clear,
];
const SIZES: [Size; 4] = [Size::B, Size::H, Size::W, Size::Dw];
const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const NUMBERS: [u64; 14] =
    [0, 1, 2, 3, 8, 31, 32, 56, 63, 0xff, 0xffff, 0xffff_ffff, 0x8000_0000, u64::MAX];

/// What a function does to memory and hears from calls, all of it noted.
#[derive(Default, PartialEq, Debug)]
struct Notes {
    memory: std::collections::BTreeMap<u64, u8>,
    calls: Vec<(u32, [u64; 5])>,
    turns: u32,
}

impl World for Notes {
    fn load(&mut self, address: u64, size: Size) -> u64 {
        let byte =
            |n: u64| u64::from(*self.memory.get(&(address.wrapping_add(n) % 256)).unwrap_or(&7));
        (0..size.bytes().into()).map(|n| byte(n) << (8 * n)).sum()
    }

    fn store(&mut self, address: u64, size: Size, value: u64) {
        for (n, byte) in (0..).zip(&value.to_le_bytes()[..size.bytes().into()]) {
            self.memory.insert(address.wrapping_add(n) % 256, *byte);
        }
    }

    fn call(&mut self, callee: u32, args: [u64; 5]) -> u64 {
        self.calls.push((callee, args));
        args.iter().fold(callee.into(), |sum, arg| sum.rotate_left(7) ^ arg)
    }

    fn may_goto(&mut self) -> bool {
        self.turns += 1;
        self.turns > 4
    }
}

/// A function whose blocks have up to three parameters, with branches in all directions.
fn function(random: &mut Random) -> Func<()> {
    let mut f: Func<()> = Func::new();
    let blocks: Vec<BlockId> = (0..2 + random.below(7)).map(|_| f.block()).collect();
    for &block in &blocks {
        let params = if block == BlockId(0) { 5 } else { random.below(4) };
        for _ in 0..params {
            f.param(block, 0);
        }
    }
    for &block in &blocks {
        // Only values of the same block: what others give comes by parameters.
        let mut there: Vec<Value> = f.blocks[block.index()].params.clone();
        for _ in 0..3 {
            let number = random.of(&NUMBERS);
            there.push(f.number(number, 0));
        }
        for _ in 0..random.below(12) {
            let inst = inst(random, &there);
            there.push(f.push(block, inst, 0));
            if !f.inst(*there.last().unwrap()).gives() {
                there.pop();
            }
        }
        let edge = |f: &mut Func<()>, random: &mut Random| {
            let to = random.of(&blocks[1..]);
            let args: Vec<Value> =
                f.blocks[to.index()].params.iter().map(|_| random.of(&there)).collect();
            f.edge(to, args)
        };
        let cmp = Cmp {
            cond: random.of(&CONDS),
            width: random.of(&WIDTHS),
            a: random.of(&there),
            b: random.of(&there),
        };
        f.blocks[block.index()].term = match random.below(6) {
            0 => Term::Jump(edge(&mut f, random)),
            1 | 2 => {
                let (yes, no) = (edge(&mut f, random), edge(&mut f, random));
                Term::Branch { cmp, yes, no }
            }
            3 => {
                let (yes, no) = (edge(&mut f, random), edge(&mut f, random));
                Term::MayGoto { yes, no }
            }
            4 => {
                let cases: Vec<_> = (0..3).map(|_| edge(&mut f, random)).collect();
                let default = edge(&mut f, random);
                let table = f.table(cases, default);
                Term::Switch { value: random.of(&there), table }
            }
            _ => Term::Return(random.of(&there)),
        };
    }
    f
}

fn inst(random: &mut Random, there: &[Value]) -> Inst {
    let (a, b) = (random.of(there), random.of(there));
    let (size, width) = (random.of(&SIZES), random.of(&WIDTHS));
    let mem = Mem::new(a, i32::try_from(random.below(64)).unwrap());
    match random.below(12) {
        0 => Inst::Un { op: UnOp::Zext(size), a },
        1 => Inst::Un { op: UnOp::Sext(random.of(&SIZES[..3]), Width::W64), a },
        2 => Inst::Un { op: UnOp::Bswap(random.of(&SIZES[1..])), a },
        3 => Inst::Un { op: UnOp::Neg(width), a },
        4 => Inst::Load { size, signed: random.below(2) == 1, mem },
        5 => Inst::Store { size, mem, value: b },
        6 => {
            let cmp = Cmp { cond: random.of(&CONDS), width, a: random.of(there), b };
            Inst::Select { cmp, yes: a, no: random.of(there) }
        }
        7 => Inst::Call { callee: 3, args: [a, b, Value::NONE, Value::NONE, Value::NONE] },
        8 => Inst::Charge(3),
        _ => Inst::Bin { op: random.of(&OPS), width, a, b },
    }
}

fn run(f: &Func<()>, args: [u64; 5]) -> (Ended, Notes) {
    let mut notes = Notes::default();
    let ended = eval(f, &mut notes, (args, 200), 2_000);
    (ended, notes)
}

#[test]
fn passes_keep_what_functions_mean() {
    let mut ended = 0;
    for seed in 0..6_000 {
        let mut random = Random(seed);
        let f = function(&mut random);
        assert_eq!(check(&f), Ok(()), "{f}");
        let args = [random.next(), random.of(&NUMBERS), random.next() >> 40, 1, 0];
        let want = run(&f, args);
        if want.0 == Ended::TooLong {
            continue;
        }
        ended += 1;
        let mut new = f.clone();
        let mut passes = |name: &str, pass: &mut dyn FnMut(&mut Func<()>)| {
            pass(&mut new);
            assert_eq!(check(&new), Ok(()), "seed {seed}, {name}:\n{f}\n{new}");
            assert_eq!(run(&new, args), want, "seed {seed}, {name}:\n{f}\n{new}");
        };
        passes("prune", &mut |f| {
            f.prune_params(&Flow::new(f));
        });
        passes("narrow", &mut |f| {
            f.narrow_params(&Flow::new(f), true);
        });
        passes("number", &mut |f| {
            while f.number_values(&Flow::new(f)) {
                f.prune_params(&Flow::new(f));
            }
        });
        passes("skip", &mut |f| {
            // Blocks that only jump may go round.
            for _ in 0..4 {
                f.skip_jumps(&Flow::new(f));
            }
        });
        passes("join", &mut |f| {
            let mut flow = Flow::new(f);
            f.join_blocks(&mut flow);
            same_flow(&flow, &Flow::new(f));
        });
        passes("choose", &mut |f| {
            f.choose_numbers(&Flow::new(f));
        });
        passes("forks", &mut |f| {
            f.merge_forks(&Flow::new(f));
        });
        passes("repeat", &mut |f| {
            f.repeat_turns(&Flow::new(f));
        });
        passes("divide", &mut |f| {
            f.multiply_to_divide(&Flow::new(f));
        });
        passes("widen", &mut |f| {
            f.widen_loops(&Flow::new(f));
        });
        passes("unroll", &mut |f| {
            f.unroll(&Flow::new(f));
        });
        passes("switch", &mut |f| {
            f.recover_switches(&Flow::new(f));
        });
        passes("decide", &mut |f| {
            f.decide_comparisons(&Flow::new(f));
        });
        passes("balance", &mut |f| f.arrange_sums(&Flow::new(f)));
        passes("account", &mut |f| {
            f.gather_charges(&Flow::new(f));
            assert!(loops_ask(f), "seed {seed}:\n{f}");
        });
        passes("addresses", &mut |f| f.arrange_sums(&Flow::new(f)));
        passes("dead", &mut |f| f.drop_dead(&Flow::new(f)));
        passes("invariant", &mut |f| {
            f.hoist_invariants(&Flow::new(f));
        });
        passes("hold", &mut |f| {
            f.hold_numbers(&Flow::new(f));
        });
    }
    assert!(ended > 2_000, "{ended} functions came to an end");
}

/// Whether all ways round look at the account, but for loops of one block that charge nothing.
fn loops_ask<C>(f: &Func<C>) -> bool {
    if !f.insts.iter().any(|inst| matches!(inst, Inst::Charge(_))) {
        return true;
    }
    let has = |at: usize, is: fn(&Inst) -> bool| {
        f.blocks[at].insts.iter().any(|value| is(f.inst(*value)))
    };
    let mut open: Vec<usize> = Flow::new(f).order.iter().map(|block| block.index()).collect();
    open.retain(|&at| !has(at, |inst| *inst == Inst::Ask));
    // Without the blocks that look, whatever leads to nothing else any more comes to an end.
    loop {
        let before = open.len();
        let goes_on = |&at: &usize| {
            let mut found = false;
            let is_silent = !has(at, |inst| matches!(inst, Inst::Charge(_)));
            f.edges(BlockId(u32::try_from(at).unwrap()), |edge| {
                let to = edge.to.index();
                found |= open.contains(&to) && !(to == at && is_silent);
            });
            found
        };
        open = open.iter().copied().filter(goes_on).collect();
        if open.len() == before {
            return open.is_empty();
        }
    }
}

/// What is known of ways is what is found anew, but for the order of blocks that may come in any.
fn same_flow(known: &Flow, new: &Flow) {
    let sorted = |flow: &Flow| {
        let mut order = flow.order.clone();
        order.sort_unstable();
        order
    };
    assert_eq!(sorted(known), sorted(new));
    for &block in &known.order {
        let sorted = |flow: &Flow| {
            let mut preds = flow.preds(block).to_vec();
            preds.sort_unstable();
            preds
        };
        assert_eq!(sorted(known), sorted(new), "{block:?}");
        assert_eq!(known.idom[block.index()], new.idom[block.index()], "{block:?}");
        assert_eq!(known.order[known.place[block.index()] as usize], block);
        for &other in &known.order {
            assert_eq!(known.dominates(block, other), new.dominates(block, other));
        }
    }
}

/// Loops are told by jumps back to what dominates them; each block is in those from which it gets back to their start.
#[test]
fn depths_are_how_many_loops_are_around() {
    let mut deepest = 0;
    for seed in 0..3_000 {
        let f = function(&mut Random(seed));
        let mut flow = Flow::new(&f);
        flow.find_depths();
        let mut depths = vec![0u8; f.blocks.len()];
        for &head in &flow.order {
            let mut body: Vec<BlockId> = Vec::new();
            let mut next: Vec<BlockId> = flow.preds(head).to_vec();
            next.retain(|&pred| flow.is_back(pred, head));
            if !next.is_empty() {
                body.push(head);
            }
            while let Some(block) = next.pop() {
                if !body.contains(&block) {
                    body.push(block);
                    next.extend_from_slice(flow.preds(block));
                }
            }
            body.iter().for_each(|block| depths[block.index()] += 1);
        }
        assert_eq!(flow.depth, depths, "{f}");
        deepest = deepest.max(depths.into_iter().max().unwrap_or(0));
    }
    assert!(deepest >= 3, "{deepest}");
}

/// A value that is handed on by parameters past branches is found at once, however many those are.
#[test]
fn parameters_that_hand_on_one_value_go() {
    let mut f: Func<()> = Func::new();
    let entry = f.block();
    let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
    let blocks: Vec<BlockId> = (0..300).map(|_| f.block()).collect();
    let handed: Vec<Value> = blocks.iter().map(|&block| f.param(block, 0)).collect();
    let edge = f.edge(blocks[0], [args[0]]);
    f.blocks[0].term = Term::Jump(edge);
    for (at, &block) in blocks.iter().enumerate() {
        let value = handed[at];
        let Some(&next) = blocks.get(at + 1) else {
            f.blocks[block.index()].term = Term::Return(value);
            continue;
        };
        // One way leads past the next block.
        let far = blocks.get(at + 2).copied().unwrap_or(next);
        let (yes, no) = (f.edge(far, [value]), f.edge(next, [value]));
        let cmp = Cmp { cond: Cond::Eq, width: Width::W64, a: args[1], b: args[2] };
        f.blocks[block.index()].term = Term::Branch { cmp, yes, no };
    }
    assert_eq!(check(&f), Ok(()));
    assert!(!f.prune_params(&Flow::new(&f)), "no more is known of what the caller gives");
    assert!(blocks.iter().all(|block| f.blocks[block.index()].params.is_empty()));
    assert_eq!(f.blocks.last().map(|block| block.term), Some(Term::Return(args[0])));
}

/// A loop with two ways out, whose values are used behind it, does several turns in one, and gives and charges the same.
#[test]
fn small_loops_do_several_turns_in_one() {
    let mut f: Func<()> = Func::new();
    let [entry, head, latch, found, end] = [0; 5].map(|_| f.block());
    let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
    let at = f.param(head, 0);
    let [one, zero] = [1, 0].map(|number| f.number(number, 0));
    let cmp = |cond, a, b| Cmp { cond, width: Width::W64, a, b };
    let bin = |op, a, b| Inst::Bin { op, width: Width::W64, a, b };
    let edge = f.edge(head, [zero]);
    f.blocks[0].term = Term::Jump(edge);
    f.push(head, Inst::Charge(3), 0);
    let product = f.push(head, bin(BinOp::Mul, at, args[1]), 0);
    let (yes, no) = (f.edge(found, []), f.edge(latch, []));
    f.blocks[head.index()].term = Term::Branch { cmp: cmp(Cond::Eq, product, args[2]), yes, no };
    f.push(latch, Inst::Charge(2), 0);
    let next = f.push(latch, bin(BinOp::Add, at, one), 0);
    let (yes, no) = (f.edge(head, [next]), f.edge(end, []));
    f.blocks[latch.index()].term = Term::Branch { cmp: cmp(Cond::Lt, next, args[0]), yes, no };
    f.push(found, Inst::Charge(7), 0);
    let sum = f.push(found, bin(BinOp::Xor, at, args[3]), 0);
    f.blocks[found.index()].term = Term::Return(sum);
    let sum = f.push(end, bin(BinOp::Add, next, product), 0);
    f.blocks[end.index()].term = Term::Return(sum);
    assert_eq!(check(&f), Ok(()));
    let runs = |f: &Func<()>| -> Vec<_> {
        let all = (0..12).flat_map(|turns| (0..12).map(move |at| [turns, 5, at * 5, 90, 0]));
        all.map(|args| run(f, args)).collect()
    };
    let want = runs(&f);
    assert!(f.repeat_turns(&Flow::new(&f)));
    assert_eq!(check(&f), Ok(()), "{f}");
    assert_eq!(f.blocks.len(), 5 + 3 * 2, "{f}");
    assert_eq!(runs(&f), want, "{f}");
    f.gather_charges(&Flow::new(&f));
    assert!(loops_ask(&f), "{f}");
    assert_eq!(runs(&f), want, "{f}");
}

/// Branches between numbers become choices, and what is charged on one way only is put back on the other.
#[test]
fn branches_between_numbers_are_choices() {
    let (mut f, cmp) = (Func::<()>::new(), |a, b| Cmp { cond: Cond::Gt, width: Width::W64, a, b });
    let [entry, own, end] = [0; 3].map(|_| f.block());
    let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
    let [one, zero, eight] = [1, 0, 8].map(|number| f.number(number, 0));
    let (yes, no) = (f.edge(end, [one, args[1], eight]), f.edge(own, []));
    f.push(entry, Inst::Charge(2), 0);
    f.blocks[0].term = Term::Branch { cmp: cmp(args[0], eight), yes, no };
    f.push(own, Inst::Charge(1), 0);
    let edge = f.edge(end, [zero, args[1], eight]);
    f.blocks[own.index()].term = Term::Jump(edge);
    let params: Vec<Value> = (0..3).map(|_| f.param(end, 0)).collect();
    let sum = Inst::Bin { op: BinOp::Add, width: Width::W64, a: params[0], b: params[1] };
    let sum = f.push(end, sum, 0);
    f.push(end, Inst::Charge(1), 0);
    f.blocks[end.index()].term = Term::Return(sum);
    assert_eq!(check(&f), Ok(()));
    let runs = |f: &Func<()>| [7, 8, 9, 1 << 40].map(|n| run(f, [n, 70, 0, 0, 0]));
    let want = runs(&f);
    assert!(f.choose_numbers(&Flow::new(&f)));
    assert_eq!(check(&f), Ok(()));
    assert_eq!(runs(&f), want);
    assert_eq!(f.blocks[0].term, Term::Jump(edge_of(&f, entry)));
    // The choice and what is put back are one value.
    f.number_values(&Flow::new(&f));
    let is_select = |value: &&Value| matches!(f.inst(**value), Inst::Select { .. });
    assert_eq!(f.blocks[0].insts.iter().filter(is_select).count(), 1, "{f}");
    assert_eq!(runs(&f), want);
}

fn edge_of<C>(f: &Func<C>, block: BlockId) -> skep_ir::Edge {
    let mut found = skep_ir::Edge::default();
    f.edges(block, |edge| found = edge);
    found
}

/// A loop whose parameter is a number from everywhere, which a comparison waits for.
#[test]
fn comparisons_of_numbers_are_decided() {
    let mut f: Func<()> = Func::new();
    let (entry, head, end) = (f.block(), f.block(), f.block());
    let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
    let handed = f.param(head, 0);
    let (three, four) = (f.number(3, 0), f.number(4, 0));
    let edge = f.edge(head, [three]);
    f.blocks[0].term = Term::Jump(edge);
    let cmp = Cmp { cond: Cond::Lt, width: Width::W64, a: handed, b: four };
    let yes = args[0];
    let chosen = f.push(head, Inst::Select { cmp, yes, no: args[1] }, 0);
    let cmp = Cmp { cond: Cond::Gt, ..cmp };
    let (back, on) = (f.edge(head, [handed]), f.edge(end, []));
    f.blocks[1].term = Term::Branch { cmp, yes: back, no: on };
    f.blocks[2].term = Term::Return(chosen);
    // Values are numbered without looking for others: only the parameter goes.
    f.prune_params(&Flow::new(&f));
    assert!(f.decide_comparisons(&Flow::new(&f)));
    assert_eq!(f.blocks[1].term, Term::Jump(on));
    assert_eq!(f.blocks[2].term, Term::Return(args[0]));
    assert_eq!(check(&f), Ok(()));
}

/// Numbers of a loop that take more than 32 bits, or are chosen, are given before it, each once; small ones stay.
#[test]
fn numbers_of_loops_are_held_before_them() {
    for calls in [false, true] {
        let mut f: Func<()> = Func::new();
        let (entry, body, end) = (f.block(), f.block(), f.block());
        let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
        let (i, sum) = (f.param(body, 0), f.param(body, 0));
        let [zero, one, ten, seven, large] =
            [0, 1, 10, 7, 0x1234_5678_9abc].map(|number| f.number(number, 0));
        let edge = f.edge(body, [zero, args[0]]);
        f.blocks[0].term = Term::Jump(edge);
        let width = Width::W64;
        let bin = |op, a, b| Inst::Bin { op, width, a, b };
        let new = f.push(body, bin(BinOp::Mul, sum, large), 0);
        let new = f.push(body, bin(BinOp::Xor, new, large), 0);
        let cmp = Cmp { cond: Cond::Gt, width, a: new, b: large };
        let chosen = f.push(body, Inst::Select { cmp, yes: seven, no: i }, 0);
        let bit = f.push(body, Inst::Select { cmp, yes: one, no: zero }, 0);
        let new = f.push(body, bin(BinOp::Add, new, chosen), 0);
        let new = f.push(body, bin(BinOp::Add, new, bit), 0);
        if calls {
            f.push(body, Inst::Call { callee: 3, args: [new; 5] }, 0);
        }
        let next = f.push(body, bin(BinOp::Add, i, one), 0);
        let (yes, no) = (f.edge(body, [next, new]), f.edge(end, []));
        let cmp = Cmp { cond: Cond::Lt, width, a: next, b: ten };
        f.blocks[1].term = Term::Branch { cmp, yes, no };
        f.blocks[2].term = Term::Return(new);
        assert_eq!(check(&f), Ok(()));
        let want = run(&f, [5, 0, 0, 0, 0]);
        assert_eq!(f.hold_numbers(&Flow::new(&f)), !calls);
        assert_eq!(check(&f), Ok(()), "{f}");
        assert_eq!(run(&f, [5, 0, 0, 0, 0]), want, "{f}");
        let held = f.blocks[0].insts.iter().map(|value| match *f.inst(*value) {
            Inst::Un { op: UnOp::Hold, a } => f.known(a).unwrap(),
            other => panic!("{other:?}"),
        });
        let held: Vec<u64> = held.collect();
        assert_eq!(held, if calls { vec![] } else { vec![0x1234_5678_9abc, 7] }, "{f}");
    }
}

/// Loops that count, with an account and a value that comes out of them.
#[test]
fn loops_whose_turns_are_known_mean_the_same_unrolled() {
    for (start, step, bound, cond) in [
        (0, 1, 64, Cond::Ne),
        (0, 2, 60, Cond::Lt),
        (64, u64::MAX, 0, Cond::Ne),
        (3, 3, 100, Cond::Le),
        (0, 1, 7, Cond::SLt),
    ] {
        let mut f: Func<()> = Func::new();
        let (entry, body, end) = (f.block(), f.block(), f.block());
        let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
        let (i, sum) = (f.param(body, 0), f.param(body, 0));
        let first = f.number(start, 0);
        let edge = f.edge(body, [first, args[0]]);
        f.blocks[0].term = Term::Jump(edge);
        let w64 = Width::W64;
        f.push(body, Inst::Charge(5), 0);
        f.push(body, Inst::Ask, 0);
        let mem = Mem::new(i, 3);
        let loaded = f.push(body, Inst::Load { size: Size::B, signed: false, mem }, 0);
        let new = f.push(body, Inst::Bin { op: BinOp::Xor, width: w64, a: sum, b: loaded }, 0);
        let new = f.push(body, Inst::Bin { op: BinOp::Mul, width: w64, a: new, b: args[1] }, 0);
        f.push(body, Inst::Store { size: Size::H, mem: Mem::new(i, 0), value: new }, 0);
        let step = f.number(step, 0);
        let next = f.push(body, Inst::Bin { op: BinOp::Add, width: w64, a: i, b: step }, 0);
        let b = f.number(bound, 0);
        let (yes, no) = (f.edge(body, [next, new]), f.edge(end, []));
        f.blocks[1].term = Term::Branch { cmp: Cmp { cond, width: w64, a: next, b }, yes, no };
        // The sum as it was before the last turn, and as it is behind it.
        let both = f.push(end, Inst::Bin { op: BinOp::Sub, width: w64, a: new, b: sum }, 0);
        f.blocks[2].term = Term::Return(both);
        assert_eq!(check(&f), Ok(()));
        let args = [77, 0x1234_5677, 0, 0, 0];
        let want = run(&f, args);
        let mut new = f.clone();
        assert!(new.unroll(&Flow::new(&new)));
        new.number_values(&Flow::new(&new));
        new.arrange_sums(&Flow::new(&new));
        new.gather_charges(&Flow::new(&new));
        new.drop_dead(&Flow::new(&new));
        assert_eq!(check(&new), Ok(()), "{new}");
        assert_eq!(run(&new, args), want, "{f}\n{new}");
        assert!(!new.blocks[1].insts.iter().any(|v| matches!(new.inst(*v), Inst::Charge(_))));
    }
}

/// A decision about the first argument, or the low bits of it: comparisons by a tree, or one after the other. Each charges.
struct Switch {
    f: Func<()>,
    value: Value,
    width: Width,
    /// The block of each way, which returns its number.
    ways: Vec<BlockId>,
}

impl Switch {
    fn new(mask: Option<u64>, width: Width) -> Self {
        let mut f: Func<()> = Func::new();
        let entry = f.block();
        let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
        let mut value = args[0];
        if let Some(mask) = mask {
            let b = f.number(mask, 0);
            value = f.push(entry, Inst::Bin { op: BinOp::And, width: Width::W64, a: value, b }, 0);
        }
        // Each way has its number by a parameter, so that edges have values.
        let mut ways = Vec::new();
        for _ in 0..4 {
            let way = f.block();
            let number = f.param(way, 0);
            f.blocks[way.index()].term = Term::Return(number);
            ways.push(way);
        }
        let first = f.block();
        let edge = f.edge(first, []);
        f.blocks[0].term = Term::Jump(edge);
        Self { f, value, width, ways }
    }

    /// An edge to where a number leads.
    fn leaf(&mut self, number: Option<u64>) -> skep_ir::Edge {
        let n = number.map_or(3, |number| number % 3);
        let way = self.ways[usize::try_from(n).unwrap()];
        let arg = self.f.number(number.map_or(77, |number| number.wrapping_mul(5)), 0);
        self.f.edge(way, [arg])
    }

    fn test(&mut self, block: BlockId, cond: Cond, number: u64) -> Cmp {
        self.f.push_as_is(block, Inst::Charge(i32::try_from(block.0 % 3).unwrap() + 1), 0);
        let b = self.f.number(number, 0);
        Cmp { cond, width: self.width, a: self.value, b }
    }

    /// Comparisons in a block that tell apart numbers in order, as compilers have them.
    fn tree(&mut self, block: BlockId, numbers: &[u64], is_signed: bool) {
        match *numbers {
            [] => {
                let edge = self.leaf(None);
                self.f.blocks[block.index()].term = Term::Jump(edge);
            }
            [number] => {
                let cmp = self.test(block, Cond::Eq, number);
                let (yes, no) = (self.leaf(Some(number)), self.leaf(None));
                self.f.blocks[block.index()].term = Term::Branch { cmp, yes, no };
            }
            _ => {
                let (low, high) = numbers.split_at(numbers.len() / 2);
                let cond = if is_signed { Cond::SGt } else { Cond::Gt };
                let cmp = self.test(block, cond, low[low.len() - 1]);
                let (above, below) = (self.f.block(), self.f.block());
                let (yes, no) = (self.f.edge(above, []), self.f.edge(below, []));
                self.f.blocks[block.index()].term = Term::Branch { cmp, yes, no };
                self.tree(above, high, is_signed);
                self.tree(below, low, is_signed);
            }
        }
    }

    fn chain(&mut self, mut block: BlockId, numbers: &[u64]) {
        for &number in numbers {
            let cmp = self.test(block, Cond::Eq, number);
            let next = self.f.block();
            let (yes, no) = (self.leaf(Some(number)), self.f.edge(next, []));
            self.f.blocks[block.index()].term = Term::Branch { cmp, yes, no };
            block = next;
        }
        let edge = self.leaf(None);
        self.f.blocks[block.index()].term = Term::Jump(edge);
    }

    /// Cases of the tables that there are, after the pass. All values lead where they led, and are charged what they were.
    #[track_caller]
    fn recovered(&self, numbers: &[u64]) -> Vec<usize> {
        assert_eq!(check(&self.f), Ok(()), "{}", self.f);
        let mut new = self.f.clone();
        let any = new.recover_switches(&Flow::new(&new));
        assert_eq!(check(&new), Ok(()), "{}\n{new}", self.f);
        let near =
            numbers.iter().flat_map(|n| (0..5).map(move |m| n.wrapping_add(m).wrapping_sub(2)));
        let far =
            NUMBERS.into_iter().chain([u64::MAX - 1, 1 << 31, 1 << 32, 1 << 63, (1 << 32) + 3]);
        for value in near.chain(far).flat_map(|n| [n, n | 1 << 40]).chain(0..300) {
            let args = [value, 0, 0, 0, 0];
            assert_eq!(run(&new, args), run(&self.f, args), "{value:#x}: {}\n{new}", self.f);
        }
        let terms = new.blocks.iter().map(|block| block.term);
        let tables: Vec<usize> = terms
            .filter_map(|term| match term {
                Term::Switch { table, .. } => Some(new.cases_of(table).len()),
                _ => None,
            })
            .collect();
        assert_eq!(any, !tables.is_empty());
        tables
    }
}

#[test]
fn dense_comparisons_become_a_table() {
    let sixteen: Vec<u64> = (0..16).collect();
    let holes: Vec<u64> = (100..140).filter(|n| n % 3 != 0).collect();
    let negative: Vec<u64> = (0..24).map(|n: u64| n.wrapping_sub(12)).collect();
    let one_far: Vec<u64> = (3..20).chain([5000]).collect();
    for (numbers, cases) in [(&sixteen, 16), (&holes, 40), (&negative, 12), (&one_far, 20)] {
        for width in WIDTHS {
            for is_signed in [false, true] {
                // Short values are negative on neither width.
                let mut numbers: Vec<u64> = numbers.clone();
                if is_signed {
                    numbers.sort_unstable_by_key(|number| number.cast_signed());
                } else {
                    numbers.sort_unstable();
                }
                let mut tree = Switch::new(None, width);
                tree.tree(BlockId(5), &numbers, is_signed);
                assert_eq!(tree.recovered(&numbers), [cases], "{numbers:?} {width:?} {is_signed}");
            }
            let mut chain = Switch::new(None, width);
            chain.chain(BlockId(5), numbers);
            assert_eq!(chain.recovered(numbers), [cases], "{numbers:?} {width:?}");
        }
    }
    // A table of all that there can be, whatever the comparisons name.
    let most: Vec<u64> = (0..29).collect();
    let mut masked = Switch::new(Some(31), Width::W32);
    masked.tree(BlockId(5), &most, true);
    assert_eq!(masked.recovered(&most), [32]);
}

#[test]
fn sparse_and_few_comparisons_stay() {
    let sparse: Vec<u64> = (0..40).map(|n| n * 17).collect();
    let few: Vec<u64> = (0..5).collect();
    // A tree of these is left after four comparisons.
    let shallow: Vec<u64> = (0..13).collect();
    // As many of them as tables have cases, and no more.
    let many: Vec<u64> = (0..1000).collect();
    for (numbers, tables) in [(&sparse, &[][..]), (&few, &[]), (&shallow, &[]), (&many, &[256])] {
        let mut tree = Switch::new(None, Width::W64);
        tree.tree(BlockId(5), numbers, false);
        let found = tree.recovered(numbers);
        assert!(found.len() >= tables.len() && found.iter().all(|cases| *cases <= 256));
        assert_eq!(found.is_empty(), tables.is_empty(), "{numbers:?}: {found:?}");
    }
    let mut chain = Switch::new(None, Width::W64);
    chain.chain(BlockId(5), &sparse);
    assert_eq!(chain.recovered(&sparse), []);
}

#[test]
fn random_decisions_lead_where_they_led() {
    let mut tables = 0;
    for seed in 0..1_500 {
        let mut random = Random(seed);
        let base = random.of(&NUMBERS).wrapping_sub(random.next() % 20);
        let spread = 1 + random.next() % 40;
        let mut numbers: Vec<u64> =
            (0..2 + random.below(30)).map(|_| base.wrapping_add(random.next() % spread)).collect();
        let mask = random.of(&[None, Some(7), Some(31), Some(0xffff), Some(u64::MAX >> 33)]);
        let width = random.of(&WIDTHS);
        if width == Width::W32 {
            numbers.iter_mut().for_each(|n| *n &= 0xffff_ffff);
        }
        let mut switch = Switch::new(mask, width);
        if random.below(2) == 0 {
            switch.chain(BlockId(5), &numbers);
        } else {
            // A tree in no order at all is one all the same.
            if random.below(4) > 0 {
                numbers.sort_unstable();
            }
            switch.tree(BlockId(5), &numbers, random.below(2) == 0);
        }
        tables += switch.recovered(&numbers).len();
    }
    assert!(tables > 150, "{tables}");
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let start = || {
        let mut f: Func<()> = Func::new();
        let (entry, next) = (f.block(), f.block());
        let arg = f.param(entry, 0);
        let param = f.param(next, 0);
        let edge = f.edge(next, [arg]);
        f.blocks[0].term = Term::Jump(edge);
        f.blocks[1].term = Term::Return(param);
        (f, entry, next, arg, param)
    };
    assert_eq!(check(&start().0), Ok(()));
    assert_eq!(check(&Func::<()>::new()), Err(CheckError::Empty));
    let (mut f, _, _, _, param) = start();
    f.blocks[0].term = Term::Return(param);
    assert_eq!(check(&f), Err(CheckError::Undefined { value: param.0, block: 0 }));
    let (mut f, _, next, ..) = start();
    let edge = f.edge(next, []);
    f.blocks[0].term = Term::Jump(edge);
    assert_eq!(check(&f), Err(CheckError::Args { from: 0, to: 1, args: 0, params: 1 }));
    let (mut f, entry, ..) = start();
    let edge = f.edge(entry, []);
    f.blocks[1].term = Term::Jump(edge);
    assert_eq!(check(&f), Err(CheckError::Edge { from: 1, to: 0 }));
    let (mut f, entry, _, arg, _) = start();
    let sum = f.push(entry, Inst::Un { op: UnOp::Neg(Width::W64), a: arg }, 0);
    f.blocks[1].insts.push(sum);
    assert_eq!(check(&f), Err(CheckError::Twice { value: sum.0 }));
    f.blocks[1].insts.clear();
    f.blocks[0].insts.push(arg);
    assert_eq!(check(&f), Err(CheckError::Kind { value: arg.0 }));
    let mem = Mem::new(arg, 0);
    let copy = |len| Inst::Copy { len, to: mem, from: arg, disp: 0 };
    let sum = |size, len| Inst::Sum { size, len, mem };
    let wide = [copy(16), copy(64), sum(Size::B, 16), sum(Size::H, 128), sum(Size::W, 48)];
    let odd = [copy(0), copy(8), copy(80), sum(Size::Dw, 64), sum(Size::B, 144), sum(Size::H, 0)];
    for (inst, is_odd) in wide.map(|i| (i, false)).into_iter().chain(odd.map(|i| (i, true))) {
        let (mut f, entry, ..) = start();
        let value = f.push(entry, inst, 0).0;
        let want = if is_odd { Err(CheckError::Bytes { value }) } else { Ok(()) };
        assert_eq!(check(&f), want, "{f}");
    }
}
