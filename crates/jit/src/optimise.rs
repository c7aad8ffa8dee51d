//! Which passes a function goes through.

use crate::lift::Lifted;
use skep_ir::Flow;

/// Makes a function quicker.
pub(crate) fn optimise(f: &mut Lifted) {
    let mut flow = Flow::new(f);
    while f.number_values(&flow) {
        flow = Flow::new(f);
        f.prune_params(&flow);
    }
    // Blocks that only jump may go round: a few times are enough for those that do not.
    for _ in 0..3 {
        if !f.straighten(&flow) {
            break;
        }
        flow = Flow::new(f);
        f.prune_params(&flow);
    }
    if f.unroll(&flow) && f.number_values(&flow) {
        flow = Flow::new(f);
        f.prune_params(&flow);
    }
    f.balance_sums(&flow);
    f.gather_charges(&flow);
    f.fold_addresses(&flow);
    f.drop_dead(&flow);
    check(f);
}

#[cfg(any(test, debug_assertions))]
fn check(f: &Lifted) {
    assert_eq!(skep_ir::check(f), Ok(()), "bug: {f}");
}

#[cfg(not(any(test, debug_assertions)))]
const fn check(_: &Lifted) {}
