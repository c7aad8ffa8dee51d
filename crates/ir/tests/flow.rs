//! Ways of control through graphs of any kind, and what is told of parameters.

use skep_ir::{BlockId, Cmp, Cond, Flow, Func, Inst, Term, Value, check};
use skep_isa::Width;

/// A function whose blocks only branch, to any blocks but the first.
fn graph(mut seed: u64) -> Func<()> {
    let mut random = |most: u64| {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        u32::try_from((seed >> 33) % most).unwrap()
    };
    let mut f = Func::new();
    let blocks: Vec<BlockId> = (0..3 + random(8)).map(|_| f.block()).collect();
    let a = f.param(blocks[0], 0);
    let b = f.param(blocks[0], 0);
    for &block in &blocks {
        let count = u64::try_from(blocks.len() - 1).unwrap();
        let [yes, no] = [random(count), random(count)].map(|to| f.edge(BlockId(1 + to), []));
        f.blocks[block.index()].term = match random(4) {
            0 if block != blocks[0] => Term::Return(a),
            1 => Term::Jump(yes),
            _ => Term::Branch { cmp: Cmp { cond: Cond::Lt, width: Width::W64, a, b }, yes, no },
        };
    }
    f
}

/// Blocks that control reaches without coming through another.
fn reached_without(f: &Func<()>, without: BlockId) -> Vec<BlockId> {
    let (mut found, mut next) = (Vec::new(), vec![BlockId(0)]);
    while let Some(block) = next.pop() {
        if block != without && !found.contains(&block) {
            found.push(block);
            f.edges(block, |edge| next.push(edge.to));
        }
    }
    found
}

/// A block dominates those that control does not reach without it, in loops with several entries as well.
#[test]
fn dominators_are_what_control_does_not_get_round() {
    let mut entered_twice = 0;
    for seed in 0..5_000 {
        let f = graph(seed);
        let flow = Flow::new(&f);
        assert_eq!(flow.order.len(), reached_without(&f, BlockId(u32::MAX)).len(), "{f}");
        for &block in &flow.order {
            let reached = reached_without(&f, block);
            for other in &flow.order {
                let want = !reached.contains(other);
                assert_eq!(flow.dominates(block, *other), want, "{block:?} {other:?}: {f}");
            }
            let is_ahead = |pred: &&BlockId| flow.place[pred.index()] >= flow.place[block.index()];
            let back = flow.preds(block).iter().find(is_ahead);
            assert_eq!(flow.heads.contains(&block), back.is_some(), "{block:?}: {f}");
            entered_twice += u32::from(back.is_some_and(|pred| !flow.is_back(*pred, block)));
        }
    }
    assert!(entered_twice > 500, "{entered_twice}");
}

/// Where loops start is told in order, and once.
#[test]
fn starts_of_loops_are_in_order() {
    for seed in 0..1_000 {
        let f = graph(seed);
        let flow = Flow::new(&f);
        let places: Vec<u32> = flow.heads.iter().map(|head| flow.place[head.index()]).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}: {f}");
    }
}

/// In a function as it is lifted, only parameters of blocks that edges lead back to are looked at, unless one of them goes.
#[test]
fn parameters_of_loops_decide_for_all() {
    let pruned = |is_loop: bool, ways: bool| {
        let mut f: Func<()> = Func::new();
        let [entry, next, end] = [(); 3].map(|()| f.block());
        let [a, b] = [(); 2].map(|()| f.param(entry, 0));
        let param = f.param(next, 0);
        let edge = f.edge(next, [a]);
        f.blocks[entry.index()].term = Term::Jump(edge);
        let no = f.edge(end, []);
        f.blocks[next.index()].term = if is_loop {
            let yes = f.edge(next, [a]);
            Term::Branch { cmp: Cmp { cond: Cond::Lt, width: Width::W64, a: param, b }, yes, no }
        } else {
            Term::Jump(no)
        };
        f.blocks[end.index()].term = Term::Return(param);
        assert_eq!(check(&f), Ok(()));
        f.set_bits(a, 8);
        let flow = Flow::new(&f);
        let narrower = f.narrow_params(&flow, ways);
        assert_eq!(narrower, is_loop || ways);
        f.prune_lifted_params(&flow, ways);
        assert_eq!(check(&f), Ok(()));
        f.blocks[next.index()].params.is_empty()
    };
    assert!(pruned(true, false));
    assert!(pruned(true, true));
    assert!(pruned(false, true));
}

/// What is told of parameters that go is whether more is known of what takes their place.
#[test]
fn parameters_tell_when_numbers_take_their_place() {
    let pruned = |hands_on: fn(&mut Func<()>, Value) -> Value| {
        let mut f = Func::new();
        let (entry, next) = (f.block(), f.block());
        let caller = f.param(entry, 0);
        let param = f.param(next, 0);
        let arg = hands_on(&mut f, caller);
        let edge = f.edge(next, [arg]);
        f.blocks[entry.index()].term = Term::Jump(edge);
        f.blocks[next.index()].term = Term::Return(param);
        assert_eq!(check(&f), Ok(()));
        let tells = f.prune_params(&Flow::new(&f));
        assert_eq!(f.blocks[next.index()].term, Term::Return(arg), "{f}");
        tells
    };
    assert!(!pruned(|_, caller| caller));
    assert!(pruned(|f, _| f.number(7, 0)));
    assert!(pruned(|f, caller| {
        let seven = f.number(7, 0);
        let op = skep_ir::BinOp::Add;
        f.push(BlockId(0), Inst::Bin { op, width: Width::W64, a: caller, b: seven }, 0)
    }));
}
