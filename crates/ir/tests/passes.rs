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
        passes("prune", &mut |f| f.prune_params(&Flow::new(f)));
        passes("number", &mut |f| {
            while f.number_values(&Flow::new(f)) {
                f.prune_params(&Flow::new(f));
            }
        });
        passes("straighten", &mut |f| {
            // Blocks that only jump may go round.
            for _ in 0..4 {
                f.straighten(&Flow::new(f));
                f.prune_params(&Flow::new(f));
            }
        });
        passes("choose", &mut |f| {
            f.choose_numbers(&Flow::new(f));
        });
        passes("repeat", &mut |f| {
            f.repeat_turns(&Flow::new(f));
        });
        passes("divide", &mut |f| f.multiply_to_divide(&Flow::new(f)));
        passes("unroll", &mut |f| {
            f.unroll(&Flow::new(f));
        });
        passes("decide", &mut |f| {
            f.decide_comparisons(&Flow::new(f));
        });
        passes("balance", &mut |f| f.balance_sums(&Flow::new(f)));
        passes("account", &mut |f| {
            f.gather_charges(&Flow::new(f));
            assert!(loops_ask(f), "seed {seed}:\n{f}");
        });
        passes("addresses", &mut |f| f.fold_addresses(&Flow::new(f)));
        passes("dead", &mut |f| f.drop_dead(&Flow::new(f)));
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
    f.prune_params(&Flow::new(&f));
    assert!(blocks.iter().all(|block| f.blocks[block.index()].params.is_empty()));
    assert_eq!(f.blocks.last().map(|block| block.term), Some(Term::Return(args[0])));
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
        new.balance_sums(&Flow::new(&new));
        new.gather_charges(&Flow::new(&new));
        new.drop_dead(&Flow::new(&new));
        assert_eq!(check(&new), Ok(()), "{new}");
        assert_eq!(run(&new, args), want, "{f}\n{new}");
        assert!(!new.blocks[1].insts.iter().any(|v| matches!(new.inst(*v), Inst::Charge(_))));
    }
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
}
