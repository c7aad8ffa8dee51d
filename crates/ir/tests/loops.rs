//! What is done to loops: what leaves them, and what is done many bytes at once.

use skep_ir::{
    BinOp, BlockId, Cmp, Cond, Ended, Flow, Func, Inst, Mem, Term, Value, World, check, eval,
};
use skep_isa::{Size, Width};

/// 64 KiB of memory, and what was asked of calls.
#[derive(Clone, PartialEq, Debug)]
struct Memory {
    bytes: Vec<u8>,
    calls: Vec<[u64; 5]>,
}

impl Memory {
    fn new() -> Self {
        let byte = |n: u32| n.wrapping_mul(0x9e37_79b1).to_be_bytes()[0];
        Self { bytes: (0..1 << 16).map(byte).collect(), calls: Vec::new() }
    }
}

fn place(address: u64, n: usize) -> usize {
    usize::try_from(address.wrapping_add(n as u64) & 0xffff).unwrap()
}

impl World for Memory {
    fn load(&mut self, address: u64, size: Size) -> u64 {
        let byte = |n: usize| u64::from(self.bytes[place(address, n)]) << (8 * n);
        (0..size.bytes().into()).map(byte).sum()
    }

    fn store(&mut self, address: u64, size: Size, value: u64) {
        for n in 0..size.bytes().into() {
            self.bytes[place(address, n)] = value.to_le_bytes()[n];
        }
    }

    fn call(&mut self, callee: u32, args: [u64; 5]) -> u64 {
        self.calls.push(args);
        args.iter().fold(callee.into(), |sum, arg| sum.rotate_left(7) ^ arg)
    }

    fn may_goto(&mut self) -> bool {
        true
    }
}

fn run(f: &Func<()>, args: [u64; 5]) -> (Ended, Memory) {
    let mut memory = Memory::new();
    let ended = eval(f, &mut memory, (args, 200), 20_000);
    (ended, memory)
}

const W64: Width = Width::W64;

const fn bin(op: BinOp, a: Value, b: Value) -> Inst {
    Inst::Bin { op, width: W64, a, b }
}

/// A loop below a branch, in which something happens: what it does is in the frame, or in memory that others see.
#[test]
fn what_does_not_change_in_loops_is_computed_before_them() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum What {
        Nothing,
        StoreBeside,
        StoreThere,
        StoreAnywhere,
        Call,
    }
    use What::{Call, Nothing, StoreAnywhere, StoreBeside, StoreThere};
    for what in [Nothing, StoreBeside, StoreThere, StoreAnywhere, Call] {
        let mut f: Func<()> = Func::new();
        let (entry, body, rare, back, end) =
            (f.block(), f.block(), f.block(), f.block(), f.block());
        let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
        let (i, sum, more) = (f.param(body, 0), f.param(body, 0), f.param(back, 0));
        let [zero, one, ten] = [0, 1, 10].map(|number| f.number(number, 0));
        let frame = f.add(Inst::Frame, 0);
        f.frame = Some(frame);
        let width = W64;
        let (enter, leave) = (f.edge(body, [zero, args[0]]), f.edge(end, [args[0]]));
        let cmp = Cmp { cond: Cond::Ne, width, a: args[0], b: zero };
        f.blocks[0].term = Term::Branch { cmp, yes: enter, no: leave };
        // Two that go together, each because the other does, and a load of 4 bytes.
        let scaled = f.push(body, bin(BinOp::Mul, args[1], args[2]), 0);
        let scaled = f.push(body, bin(BinOp::Xor, scaled, args[3]), 0);
        let mem = Mem::new(frame, -16);
        let slot = f.push(body, Inst::Load { size: Size::W, signed: false, mem }, 0);
        let shared = Inst::Load { size: Size::W, signed: false, mem: Mem::new(args[4], 0) };
        let shared = f.push(body, shared, 0);
        let store = |base, disp| Inst::Store { size: Size::H, mem: Mem::new(base, disp), value: i };
        match what {
            Nothing => None,
            StoreBeside => Some(store(frame, -18)),
            StoreThere => Some(store(frame, -17)),
            StoreAnywhere => Some(store(args[4], 100)),
            Call => Some(Inst::Call { callee: 3, args: [sum; 5] }),
        }
        .map(|inst| f.push(body, inst, 0));
        let mut new = sum;
        for value in [scaled, slot, shared] {
            new = f.push(body, bin(BinOp::Add, new, value), 0);
        }
        let cmp = Cmp { cond: Cond::Set, width, a: i, b: one };
        let (yes, no) = (f.edge(rare, []), f.edge(back, [new]));
        f.blocks[1].term = Term::Branch { cmp, yes, no };
        // This does not happen in each turn.
        let quotient = f.push(rare, bin(BinOp::Div, args[1], args[2]), 0);
        let other = f.push(rare, bin(BinOp::Add, new, quotient), 0);
        let edge = f.edge(back, [other]);
        f.blocks[2].term = Term::Jump(edge);
        let next = f.push(back, bin(BinOp::Add, i, one), 0);
        let cmp = Cmp { cond: Cond::Lt, width, a: next, b: ten };
        let (yes, no) = (f.edge(body, [next, more]), f.edge(end, [more]));
        f.blocks[3].term = Term::Branch { cmp, yes, no };
        let result = f.param(end, 0);
        f.blocks[4].term = Term::Return(result);
        assert_eq!(check(&f), Ok(()));
        let inputs = [[5, 7, 3, 11, 190], [0; 5], [1, u64::MAX, 0, 1, 20]];
        let want = inputs.map(|args| run(&f, args));
        // More is alive in this loop than calls keep registers for.
        assert_eq!(f.hoist_invariants(&Flow::new(&f)), what != Call, "{f}");
        assert_eq!(check(&f), Ok(()), "{f}");
        assert_eq!(inputs.map(|args| run(&f, args)), want, "{f}");
        if what == Call {
            continue;
        }
        let before = &f.blocks.last().unwrap().insts;
        let loads = matches!(what, Nothing | StoreBeside);
        assert_eq!(before.len(), 2 + usize::from(loads), "{what:?}: {f}");
        assert_eq!(before.contains(&slot), loads, "{what:?}: {f}");
        assert!(
            f.blocks[2].insts.contains(&quotient) && f.blocks[1].insts.contains(&shared),
            "{f}"
        );
    }
}

/// A loop that uses so many values of outside has no register for one more.
#[test]
fn what_has_no_register_stays_in_its_loop() {
    for used in 1..16 {
        let mut f: Func<()> = Func::new();
        let (entry, body, end) = (f.block(), f.block(), f.block());
        let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
        let (i, sum) = (f.param(body, 0), f.param(body, 0));
        let [zero, one, ten] = [0, 1, 10].map(|number| f.number(number, 0));
        let width = W64;
        let others: Vec<Value> = (0..used)
            .map(|n| {
                let number = f.number(0x10 + n, 0);
                f.push(entry, bin(BinOp::Xor, args[0], number), 0)
            })
            .collect();
        let enter = f.edge(body, [zero, zero]);
        f.blocks[0].term = Term::Jump(enter);
        let product = f.push(body, bin(BinOp::Mul, others[0], ten), 0);
        let mut new = f.push(body, bin(BinOp::Xor, sum, product), 0);
        for &other in &others {
            new = f.push(body, bin(BinOp::Add, new, other), 0);
        }
        let next = f.push(body, bin(BinOp::Add, i, one), 0);
        let cmp = Cmp { cond: Cond::Lt, width, a: next, b: ten };
        let (yes, no) = (f.edge(body, [next, new]), f.edge(end, []));
        f.blocks[1].term = Term::Branch { cmp, yes, no };
        f.blocks[2].term = Term::Return(new);
        let want = run(&f, [5, 0, 0, 0, 0]);
        f.hoist_invariants(&Flow::new(&f));
        assert_eq!((check(&f), run(&f, [5, 0, 0, 0, 0])), (Ok(()), want), "{f}");
        // Two parameters, the sum between, and one for the product itself.
        let moves = used + 4 <= 11;
        assert_eq!(f.blocks[0].insts.contains(&product), moves, "{used}: {f}");
    }
}

/// How a loop comes to its addresses.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Addresses {
    /// Both are the sum of one value and the index; they are so far apart.
    Apart(i32),
    /// Each is the sum of a value of its own and the index.
    Sums,
    /// Each is a parameter that grows.
    Pointers,
    /// The index counts elements.
    Scaled,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    Copy,
    Sum(Width),
}

/// When a loop goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Goes {
    /// For so many turns.
    Turns(u64),
    /// While the next index compares so with an argument.
    While(Cond),
    /// The same with operands exchanged.
    Until(Cond),
}

/// A loop that deals with memory from the first argument on, and the second, up to the index in the third; it returns a mix
/// of all that it had last.
fn memory_loop(
    (work, size): (Work, Size),
    addresses: Addresses,
    goes: Goes,
    counter: Width,
) -> Func<()> {
    let mut f: Func<()> = Func::new();
    let (entry, body, end) = (f.block(), f.block(), f.block());
    let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
    let (i, sum, p, q) = (f.param(body, 0), f.param(body, 0), f.param(body, 0), f.param(body, 0));
    let bytes = u64::from(size.bytes());
    let step = if addresses == Addresses::Scaled { 1 } else { bytes };
    let [zero, step_of, bytes_of, shift] =
        [0, step, bytes, bytes.ilog2().into()].map(|number| f.number(number, 0));
    let start = if matches!(goes, Goes::Turns(_)) { zero } else { args[3] };
    let enter = f.edge(body, [start, args[4], args[0], args[1]]);
    f.blocks[0].term = Term::Jump(enter);
    f.push(body, Inst::Charge(5), 0);
    let (from, to) = match addresses {
        Addresses::Apart(disp) => {
            let base = f.push(body, bin(BinOp::Add, args[0], i), 0);
            (Mem::new(base, 8), Mem::new(base, 8 + disp))
        }
        Addresses::Sums => {
            let from = f.push(body, bin(BinOp::Add, args[0], i), 0);
            let to = f.push(body, bin(BinOp::Add, i, args[1]), 0);
            (Mem::new(from, 0), Mem::new(to, 3))
        }
        Addresses::Pointers => (Mem::new(p, 0), Mem::new(q, -3)),
        Addresses::Scaled => {
            let scaled = f.push(body, bin(BinOp::Shl, i, shift), 0);
            let from = f.push(body, bin(BinOp::Add, args[0], scaled), 0);
            let to = f.push(body, bin(BinOp::Add, args[1], scaled), 0);
            (Mem::new(from, 1), Mem::new(to, 0))
        }
    };
    let loaded = f.push(body, Inst::Load { size, signed: false, mem: from }, 0);
    let new_sum = match work {
        Work::Copy => {
            f.push(body, Inst::Store { size, mem: to, value: loaded }, 0);
            sum
        }
        Work::Sum(width) => f.push(body, Inst::Bin { op: BinOp::Add, width, a: loaded, b: sum }, 0),
    };
    let add = |width, a, b| Inst::Bin { op: BinOp::Add, width, a, b };
    let next = f.push(body, add(counter, i, step_of), 0);
    let [next_p, next_q] = [p, q].map(|p| f.push(body, bin(BinOp::Add, p, bytes_of), 0));
    let (cond, a, b) = match goes {
        Goes::Turns(turns) => (Cond::Ne, next, f.number(turns * step, 0)),
        Goes::While(cond) => (cond, next, args[2]),
        Goes::Until(cond) => (cond.swap(), args[2], next),
    };
    let yes = f.edge(body, [next, new_sum, next_p, next_q]);
    let no = f.edge(end, []);
    f.blocks[1].term = Term::Branch { cmp: Cmp { cond, width: W64, a, b }, yes, no };
    let mut mix = next;
    for value in [loaded, new_sum, next_p, q, i] {
        let number = f.number(0x1_0001, 0);
        mix = f.push(end, bin(BinOp::Mul, mix, number), 0);
        mix = f.push(end, bin(BinOp::Xor, mix, value), 0);
    }
    f.blocks[2].term = Term::Return(mix);
    f
}

/// Whether the function has instructions on many bytes.
fn is_wide(f: &Func<()>) -> bool {
    let is_wide = |value: &Value| matches!(f.inst(*value), Inst::Copy { .. } | Inst::Sum { .. });
    f.blocks.iter().any(|block| block.insts.iter().any(is_wide))
}

#[test]
fn loops_that_copy_and_add_up_do_many_bytes_at_once() {
    let works = [Work::Copy, Work::Sum(Width::W32), Work::Sum(W64)];
    let places = [
        Addresses::Apart(4096),
        Addresses::Apart(-1),
        Addresses::Apart(0),
        Addresses::Apart(32),
        Addresses::Sums,
        Addresses::Pointers,
        Addresses::Scaled,
    ];
    let conds = [Cond::Ne, Cond::Lt, Cond::SLt];
    let all = conds.map(Goes::While).into_iter().chain(conds.map(Goes::Until));
    let goes: Vec<Goes> = all.chain([1, 95, 96, 500, 640, 641].map(Goes::Turns)).collect();
    let mut counts = [0; 2];
    for work in works {
        for size in [Size::B, Size::H, Size::W, Size::Dw] {
            for addresses in places {
                for &goes in &goes {
                    let f = memory_loop((work, size), addresses, goes, W64);
                    let wide = widened(&f, size, goes);
                    let is_long = !matches!(goes, Goes::Turns(..500));
                    let is_known = work == Work::Copy || size != Size::Dw;
                    if is_long || !is_known {
                        assert_eq!(wide, is_known, "{work:?} {size:?} {addresses:?} {goes:?}");
                    }
                    counts[usize::from(wide)] += 1;
                }
            }
        }
    }
    assert!(counts[0] > 100 && counts[1] > 500, "{counts:?}");
}

/// Whether the pass changes a loop; it means the same then, wherever it copies from and to, and however far.
fn widened(f: &Func<()>, size: Size, goes: Goes) -> bool {
    assert_eq!(check(f), Ok(()), "{f}");
    let mut new = f.clone();
    assert_eq!(new.widen_loops(&Flow::new(&new)), is_wide(&new));
    assert_eq!(check(&new), Ok(()), "{f}\n{new}");
    let mut unrolled = new.clone();
    unrolled.unroll(&Flow::new(&unrolled));
    unrolled.arrange_sums(&Flow::new(&unrolled));
    assert_eq!(check(&unrolled), Ok(()), "{f}\n{unrolled}");
    let distances = [-33i64, -32, -1, 0, 1, 8, 29, 30, 31, 32, 33, 64, 900];
    let ends = [1u64, 2, 31, 32, 33, 34, 63, 64, 65, 127, 128, 129, 130, 257, 385];
    for (n, &distance) in distances.iter().enumerate() {
        let end = if matches!(goes, Goes::Turns(_)) { 0 } else { ends[(n * 7) % ends.len()] };
        for start in [0, 8u64.wrapping_neg()] {
            // Ends that are met by equality are so many steps away.
            let step = u64::from(size.bytes());
            let end = start.wrapping_add(end.wrapping_mul(step));
            let args = [0x4000, 0x4000u64.wrapping_add_signed(distance), end, start, 77];
            let want = run(f, args);
            if want.0 == Ended::TooLong {
                continue;
            }
            assert!(run(&new, args) == want, "{args:x?}: {f}\n{new}");
            assert!(run(&unrolled, args) == want, "{args:x?}: {f}\n{unrolled}");
        }
    }
    is_wide(&new)
}

#[test]
fn loops_at_the_ends_of_numbers_mean_the_same() {
    let far =
        [0, 1, 100, 1 << 31, (1 << 31) - 50, (1 << 32) - 40, 1 << 63, u64::MAX, u64::MAX - 300];
    let mut ended = 0;
    for cond in [Cond::Ne, Cond::Lt, Cond::SLt] {
        for goes in [Goes::While(cond), Goes::Until(cond)] {
            for work in [(Work::Copy, Size::B), (Work::Sum(W64), Size::B), (Work::Copy, Size::W)] {
                let f = memory_loop(work, Addresses::Sums, goes, W64);
                let mut new = f.clone();
                assert!(new.widen_loops(&Flow::new(&new)), "{f}");
                for end in far {
                    for back in [0, 1, 32, 33, 128, 129, 300, 1 << 40] {
                        let start = end.wrapping_sub(back);
                        let args = [7, 0x5000, end, start, 0];
                        let want = run(&f, args);
                        if want.0 != Ended::TooLong {
                            ended += 1;
                            assert!(run(&new, args) == want, "{args:x?}: {f}\n{new}");
                        }
                    }
                }
            }
        }
    }
    assert!(ended > 500, "{ended}");
}

#[test]
fn loops_are_widened_only_where_they_mean_the_same() {
    // Each byte that is copied is read again by a later turn.
    for disp in [1, 8, 31] {
        let goes = Goes::Turns(500);
        let f = memory_loop((Work::Copy, Size::B), Addresses::Apart(disp), goes, W64);
        assert!(!widened(&f, Size::B, goes), "{disp}");
    }
    // A counter that goes down to where it ends.
    let mut f = memory_loop((Work::Copy, Size::H), Addresses::Pointers, Goes::While(Cond::Ne), W64);
    let minus = f.number(2u64.wrapping_neg(), 0);
    let Term::Branch { cmp, .. } = f.blocks[1].term else { panic!("{f}") };
    let Inst::Bin { op, width, a, .. } = *f.inst(cmp.a) else { panic!("{f}") };
    f.insts[cmp.a.index()] = Inst::Bin { op, width, a, b: minus };
    let mut new = f.clone();
    assert!(new.widen_loops(&Flow::new(&new)), "{f}");
    for turns in 1..120u64 {
        for (end, distance) in [(0, 100), (5, 17), (4u64.wrapping_neg(), 0), (1 << 63, 2)] {
            let args = [0x4000, 0x4003 + distance, end, (2 * turns).wrapping_add(end), 0];
            assert!(run(&new, args) == run(&f, args), "{args:x?}: {f}\n{new}");
        }
    }
    // An index of 32 bits may start again from 0, unless turns are known.
    for (goes, want) in [(Goes::While(Cond::Lt), false), (Goes::Turns(500), true)] {
        let f = memory_loop((Work::Copy, Size::B), Addresses::Sums, goes, Width::W32);
        assert_eq!(widened(&f, Size::B, goes), want, "{goes:?}");
    }
    // So may one that starts below 0, whose turns are counted.
    let mut f = memory_loop((Work::Copy, Size::Dw), Addresses::Sums, Goes::Turns(2), Width::W32);
    let start = f.number(0xffff_ffa0, 0);
    let Term::Jump(edge) = f.blocks[0].term else { panic!("{f}") };
    f.args_mut(edge)[0] = start;
    assert!(!widened(&f, Size::Dw, Goes::Turns(2)));
    // Something else happens in the loop, or what is loaded decides when it ends.
    let goes = Goes::Turns(500);
    for n in 0..4 {
        let mut f = memory_loop((Work::Copy, Size::B), Addresses::Sums, goes, W64);
        let body = BlockId(1);
        let is_load = |value: &&Value| matches!(f.inst(**value), Inst::Load { .. });
        let loaded = *f.blocks[1].insts.iter().find(is_load).unwrap();
        let [address, byte] = [0x100, 0x33].map(|number| f.number(number, 0));
        let mem = Mem::new(address, 0);
        match n {
            0 => _ = f.push(body, Inst::Load { size: Size::B, signed: false, mem }, 0),
            1 => _ = f.push(body, Inst::Store { size: Size::B, mem, value: loaded }, 0),
            2 => _ = f.push(body, Inst::Call { callee: 1, args: [loaded; 5] }, 0),
            _ => {
                let Term::Branch { yes, no, .. } = f.blocks[1].term else { panic!("{f}") };
                let cmp = Cmp { cond: Cond::Ne, width: W64, a: loaded, b: byte };
                f.blocks[1].term = Term::Branch { cmp, yes, no };
            }
        }
        assert!(!widened(&f, Size::B, goes), "{n}: {f}");
    }
}

/// Ways of a turn that meet at its end, each with so many instructions of its own, charge at once for all of the turn where they
/// do not all have the same: the function and the block where they meet.
fn turn_of_ways(own: &[i32]) -> (Func<()>, BlockId) {
    let mut f = Func::<()>::new();
    let [entry, head, meet, end] = [0; 4].map(|_| f.block());
    let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
    let [zero, one] = [0, 1].map(|number| f.number(number, 0));
    let [at, sum] = [0; 2].map(|_| f.param(head, 0));
    let enter = f.edge(head, [zero, args[1]]);
    f.blocks[entry.index()].term = Term::Jump(enter);
    let three = f.number(3, 0);
    let way = f.push(head, bin(BinOp::And, sum, three), 0);
    f.push(head, Inst::Charge(2), 0);
    let joined = f.param(meet, 0);
    let mut from = head;
    for (n, &own) in (0..).zip(own) {
        let [here, next] = [0; 2].map(|_| f.block());
        let number = f.number(n, 0);
        let (yes, no) = (f.edge(here, []), f.edge(next, []));
        let cmp = Cmp { cond: Cond::Eq, width: W64, a: way, b: number };
        f.blocks[from.index()].term = Term::Branch { cmp, yes, no };
        let factor = f.number(2 * n + 3, 0);
        let product = f.push(here, bin(BinOp::Mul, sum, factor), 0);
        f.push(here, Inst::Charge(own), 0);
        let edge = f.edge(meet, [product]);
        f.blocks[here.index()].term = Term::Jump(edge);
        from = next;
    }
    let edge = f.edge(meet, [args[2]]);
    f.blocks[from.index()].term = Term::Jump(edge);
    f.push(meet, Inst::Charge(3), 0);
    let next = f.push(meet, bin(BinOp::Add, at, one), 0);
    let changed = f.push(meet, bin(BinOp::Add, joined, next), 0);
    let (yes, no) = (f.edge(head, [next, changed]), f.edge(end, []));
    let cmp = Cmp { cond: Cond::Lt, width: W64, a: next, b: args[0] };
    f.blocks[meet.index()].term = Term::Branch { cmp, yes, no };
    f.blocks[end.index()].term = Term::Return(changed);
    assert_eq!(check(&f), Ok(()));
    (f, meet)
}

#[test]
fn ways_of_a_turn_charge_once() {
    for (own, on_ways) in [(&[4, 1, 9][..], true), (&[0, 0, 7], true), (&[0, 0, 0], false)] {
        let (mut f, meet) = turn_of_ways(own);
        let runs =
            |f: &Func<()>| -> Vec<_> { (0..40).map(|n| run(f, [n, n * 7, n * 3, 0, 0])).collect() };
        let want = runs(&f);
        f.gather_charges(&Flow::new(&f));
        assert_eq!(check(&f), Ok(()), "{f}");
        assert_eq!(runs(&f), want, "{f}");
        let has = |block: BlockId, is: fn(&Inst) -> bool| {
            f.blocks[block.index()].insts.iter().filter(|value| is(f.inst(**value))).count()
        };
        let ways: Vec<BlockId> = Flow::new(&f).preds(meet).to_vec();
        let all = if on_ways { ways } else { vec![meet] };
        for block in (0..).map(BlockId).take(f.blocks.len()).skip(1) {
            let once = usize::from(all.contains(&block));
            assert_eq!(has(block, |inst| matches!(inst, Inst::Charge(_))), once, "{block:?} {f}");
            assert_eq!(has(block, |inst| *inst == Inst::Ask), once, "{block:?} {f}");
        }
    }
}
