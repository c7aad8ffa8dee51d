//! Which passes a function goes through.

use crate::lift::Lifted;
use crate::surroundings::Style;
use skep_ir::Flow;

/// Times that values are numbered, at most: once more where branches are decided.
const MOST_ROUNDS: usize = 4;

/// Makes a function quicker; the way control goes through it then.
///
/// Values have been numbered as they were lifted, and `ways` says whether branches were decided then. They are once more where more is known by then of parameters. Switches
/// become tables if the processor may guess where jumps to registers lead. Loops that copy and add up memory do so many bytes
/// at once.
pub(crate) fn optimise(f: &mut Lifted, mut flow: Flow, ways: bool, style: Style) -> Flow {
    let mut is_new = f.prune_lifted_params(&flow, ways) | f.narrow_params(&flow, ways);
    if is_new {
        for _ in 0..MOST_ROUNDS {
            let ways = f.number_values(&flow);
            if ways {
                flow.renew(f);
            }
            f.prune_params(&flow);
            if !ways {
                break;
            }
        }
    }
    flow = straighten(f, flow);
    if f.choose_numbers(&flow) {
        flow = numbered_anew(f, flow);
        is_new = true;
    }
    if f.merge_forks(&flow) {
        flow.renew(f);
        f.prune_params(&flow);
        flow = straighten(f, flow);
        is_new = true;
    }
    if f.widen_loops(&flow) {
        flow.renew(f);
        is_new = true;
    }
    is_new |= f.unroll(&flow);
    if f.repeat_turns(&flow) {
        flow.renew(f);
        f.prune_params(&flow);
        flow = straighten(f, flow);
        is_new = true;
    }
    is_new |= f.multiply_to_divide(&flow);
    // Numbers that are compared were so when that was lifted, unless something has changed since.
    if is_new && f.decide_comparisons(&flow) {
        flow.renew(f);
    }
    if !style.retpolines && f.recover_switches(&flow) {
        flow.renew(f);
    }
    if style.metered {
        if f.gather_charges(&flow) {
            flow.renew(f);
        }
        // What only charged may be left with nothing but a jump.
        flow = straighten(f, flow);
    }
    f.arrange_sums(&flow);
    f.drop_dead(&flow);
    if f.hoist_invariants(&flow) {
        flow.renew(f);
    }
    f.hold_numbers(&flow);
    flow.find_depths();
    check(f);
    flow
}

/// Leads jumps past jumps, and puts together what runs as a whole.
fn straighten(f: &mut Lifted, mut flow: Flow) -> Flow {
    // Blocks that only jump may go round: a few times are enough for those that do not.
    for _ in 0..3 {
        if !f.skip_jumps(&flow) {
            break;
        }
        flow.renew(f);
    }
    f.join_blocks(&mut flow);
    flow
}

/// Takes up what a pass has left for others to simplify, where ways have changed.
fn numbered_anew(f: &mut Lifted, mut flow: Flow) -> Flow {
    flow.renew(f);
    f.prune_params(&flow);
    flow = straighten(f, flow);
    if f.number_values(&flow) {
        flow.renew(f);
        f.prune_params(&flow);
    }
    flow
}

#[cfg(any(test, debug_assertions))]
fn check(f: &Lifted) {
    assert_eq!(skep_ir::check(f), Ok(()), "bug: {f}");
}

#[cfg(not(any(test, debug_assertions)))]
const fn check(_: &Lifted) {}
