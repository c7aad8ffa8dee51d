//! Which passes a function goes through.

use crate::lift::Lifted;
use skep_ir::Flow;

/// Times that values are numbered, at most: once more where branches are decided.
const MOST_ROUNDS: usize = 4;

/// Makes a function quicker; the way control goes through it then.
pub(crate) fn optimise(f: &mut Lifted, mut flow: Flow) -> Flow {
    for _ in 0..MOST_ROUNDS {
        let ways = f.number_values(&flow);
        if ways {
            flow = Flow::new(f);
        }
        f.prune_params(&flow);
        if !ways {
            break;
        }
    }
    flow = straighten(f, flow);
    if f.choose_numbers(&flow) {
        flow = renewed(f);
        flow = straighten(f, flow);
        if f.number_values(&flow) {
            flow = renewed(f);
        }
    }
    if f.unroll(&flow) && f.number_values(&flow) {
        flow = renewed(f);
    }
    if f.repeat_turns(&flow) {
        flow = renewed(f);
        flow = straighten(f, flow);
        if f.number_values(&flow) {
            flow = renewed(f);
        }
    }
    f.multiply_to_divide(&flow);
    if f.decide_comparisons(&flow) {
        flow = Flow::new(f);
    }
    f.balance_sums(&flow);
    if f.gather_charges(&flow) {
        flow = Flow::new(f);
    }
    f.fold_addresses(&flow);
    f.drop_dead(&flow);
    check(f);
    flow
}

/// The way control goes after a change, by which parameters may have become needless.
fn renewed(f: &mut Lifted) -> Flow {
    let flow = Flow::new(f);
    f.prune_params(&flow);
    flow
}

/// Leads jumps past jumps. Blocks that only jump may go round: a few times are enough for those that do not.
fn straighten(f: &mut Lifted, mut flow: Flow) -> Flow {
    for _ in 0..3 {
        if !f.straighten(&flow) {
            break;
        }
        flow = renewed(f);
    }
    flow
}

#[cfg(any(test, debug_assertions))]
fn check(f: &Lifted) {
    assert_eq!(skep_ir::check(f), Ok(()), "bug: {f}");
}

#[cfg(not(any(test, debug_assertions)))]
const fn check(_: &Lifted) {}
