//! Branches one behind the other that ask the same.

use skep_ir::{
    BinOp, BlockId, Cmp, Cond, Edge, Ended, Flow, Func, Inst, Term, Value, World, check, eval,
};
use skep_isa::{Size, Width};

/// What calls and memory are not asked of.
struct Nothing;

impl World for Nothing {
    fn load(&mut self, address: u64, _: Size) -> u64 {
        address
    }

    fn store(&mut self, _: u64, _: Size, _: u64) {}

    fn call(&mut self, _: u32, args: [u64; 5]) -> u64 {
        args[0]
    }

    fn may_goto(&mut self) -> bool {
        true
    }
}

fn runs(f: &Func<()>) -> Vec<Ended> {
    let all = (0..6).flat_map(|a| (0..6).map(move |b| [a, b, 1000, 77, 31]));
    all.map(|args| eval(f, &mut Nothing, (args, 0), 1000)).collect()
}

const fn bin(op: BinOp, a: Value, b: Value) -> Inst {
    Inst::Bin { op, width: Width::W64, a, b }
}

/// An edge that charges on the way.
fn charged(f: &mut Func<()>, insns: i32, to: BlockId, args: &[Value]) -> Edge {
    let between = f.block();
    f.push(between, Inst::Charge(insns), 0);
    let edge = f.edge(to, args.iter().copied());
    f.blocks[between.index()].term = Term::Jump(edge);
    f.edge(between, [])
}

/// Three branches, each where the ways of the one before meet; what comes between the first two uses what the first decides
/// on, or does not.
fn chain(conds: [Cond; 3], uses_decided: bool) -> Func<()> {
    let mut f = Func::new();
    let [entry, second, third, end] = [0; 4].map(|_| f.block());
    let args: Vec<Value> = (0..5).map(|_| f.param(entry, 0)).collect();
    let cmp = |cond| Cmp { cond, width: Width::W64, a: args[0], b: args[1] };
    f.push(entry, Inst::Charge(2), 0);
    let (yes, no) = (f.edge(second, [args[2]]), charged(&mut f, 1, second, &[args[3]]));
    f.blocks[entry.index()].term = Term::Branch { cmp: cmp(conds[0]), yes, no };

    let first = f.param(second, 0);
    f.push(second, Inst::Charge(4), 0);
    let used = if uses_decided { first } else { args[4] };
    let sum = f.push(second, bin(BinOp::Add, used, args[0]), 0);
    let (yes, no) = (f.edge(third, [sum]), charged(&mut f, 8, third, &[first]));
    f.blocks[second.index()].term = Term::Branch { cmp: cmp(conds[1]), yes, no };

    let decided = f.param(third, 0);
    f.push(third, Inst::Charge(16), 0);
    let (yes, no) = (f.edge(end, [first, sum]), charged(&mut f, 32, end, &[args[1], decided]));
    f.blocks[third.index()].term = Term::Branch { cmp: cmp(conds[2]), yes, no };

    let [a, b] = [0; 2].map(|_| f.param(end, 0));
    let product = f.push(end, bin(BinOp::Mul, a, b), 0);
    let both = f.push(end, bin(BinOp::Sub, product, decided), 0);
    let all = f.push(end, bin(BinOp::Xor, both, first), 0);
    f.blocks[end.index()].term = Term::Return(all);
    assert_eq!(check(&f), Ok(()));
    f
}

#[test]
fn branches_that_ask_the_same_are_one() {
    use Cond::{Ge, Gt, Le, Lt};
    let cases = [
        ([Lt, Lt, Lt], false, 1),
        ([Lt, Ge, Lt], false, 1),
        ([Ge, Lt, Lt], false, 1),
        ([Lt, Lt, Gt], false, 2),
        ([Le, Lt, Lt], false, 2),
        ([Lt, Le, Gt], false, 2),
        ([Lt, Gt, Le], false, 2),
        ([Lt, Gt, Lt], false, 3),
        // What the second computes differs by what the first decides, and third and second are one.
        ([Lt, Lt, Lt], true, 2),
        ([Lt, Lt, Gt], true, 3),
    ];
    for (conds, uses_decided, branches) in cases {
        let mut f = chain(conds, uses_decided);
        let want = runs(&f);
        f.merge_forks(&Flow::new(&f));
        assert_eq!(check(&f), Ok(()), "{f}");
        assert_eq!(runs(&f), want, "{f}");
        assert_eq!(count_branches(&f), branches, "{conds:?} {f}");
    }
}

fn count_branches(f: &Func<()>) -> usize {
    let is_branch = |block: &&BlockId| matches!(f.blocks[block.index()].term, Term::Branch { .. });
    Flow::new(f).order.iter().filter(is_branch).count()
}

/// What many decide on is not all handed on to where the last of them ends.
#[test]
fn many_branches_are_put_together_in_groups() {
    const FORKS: usize = 40;
    let mut f = Func::new();
    let mut block = f.block();
    let args: Vec<Value> = (0..5).map(|_| f.param(block, 0)).collect();
    let cmp = Cmp { cond: Cond::Lt, width: Width::W64, a: args[0], b: args[1] };
    let mut sum = args[4];
    for n in 0..FORKS {
        let meet = f.block();
        let (yes, no) = (f.edge(meet, [args[2 + n % 2]]), charged(&mut f, 1, meet, &[args[3]]));
        f.blocks[block.index()].term = Term::Branch { cmp, yes, no };
        let decided = f.param(meet, 0);
        sum = f.push(meet, bin(BinOp::Mul, sum, args[4]), 0);
        sum = if n + 1 < FORKS { sum } else { f.push(meet, bin(BinOp::Add, sum, decided), 0) };
        block = meet;
    }
    f.blocks[block.index()].term = Term::Return(sum);
    let want = runs(&f);
    f.merge_forks(&Flow::new(&f));
    assert_eq!(check(&f), Ok(()), "{f}");
    assert_eq!(runs(&f), want, "{f}");
    assert_eq!(count_branches(&f), 3, "{f}");
    assert!(f.blocks.iter().all(|block| block.params.len() < 20), "{f}");
}
