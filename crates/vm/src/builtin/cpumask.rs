//! Sets of CPUs, of as many as the machine has.
//!
//! Kernel: `kernel/bpf/cpumask.c`.

use super::argument;
use crate::Cx;
use crate::helper::{Helpers, Stop};
use crate::memory::What;
use alloc::vec::Vec;
use skep_abi::Errno;

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    let helpers = helpers
        .with_kfunc("bpf_cpumask_create", |cx: &mut Cx<'_, S>| {
            let bytes = alloc::vec![0; cx.machine.cpus().div_ceil(64) as usize * 8];
            cx.mem.heap.put(What::Cpumask, bytes).unwrap_or(0)
        })
        .with_kfunc("bpf_cpumask_acquire", |cx: &mut Cx<'_, S>, mask: u64| {
            get(cx, "bpf_cpumask_acquire", 1, mask)?;
            Ok::<_, Stop>(cx.mem.heap.acquire(mask).map_or(0, |()| mask))
        })
        .with_kfunc("bpf_cpumask_release", |cx: &mut Cx<'_, S>, mask: u64| {
            get(cx, "bpf_cpumask_release", 1, mask)?;
            let released = cx.mem.heap.release(mask);
            released.ok_or_else(|| argument("bpf_cpumask_release", 1, WANTS, mask))
        });
    let helpers = add_questions(helpers);
    let helpers = add_bits(helpers);
    add_sets(helpers)
}

const WANTS: &str = "a CPU mask";

/// The set in an argument.
fn get<S>(cx: &Cx<'_, S>, kfunc: &str, arg: u8, mask: u64) -> Result<Vec<u64>, Stop> {
    let is_mask = cx.mem.heap.what(mask) == Some(What::Cpumask);
    let bytes = cx.mem.heap.content(mask).filter(|_| is_mask);
    let bytes = bytes.ok_or_else(|| argument(kfunc, arg, WANTS, mask))?;
    Ok(bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
}

fn set<S>(cx: &mut Cx<'_, S>, kfunc: &str, mask: u64, words: &[u64]) -> Result<(), Stop> {
    get(cx, kfunc, 1, mask)?;
    let bytes = cx.mem.heap.content_mut(mask).unwrap_or_default();
    for (to, word) in bytes.chunks_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    Ok(())
}

/// CPUs of the machine that are in the set, ascending.
fn cpus<'a, S>(cx: &Cx<'_, S>, words: &'a [u64]) -> impl Iterator<Item = u32> + use<'a, S> {
    (0..cx.machine.cpus()).filter(|&cpu| has(words, cpu))
}

fn has(words: &[u64], cpu: u32) -> bool {
    words.get(cpu as usize / 64).is_some_and(|word| word >> (cpu % 64) & 1 == 1)
}

/// All CPUs of the machine.
fn all<S>(cx: &Cx<'_, S>) -> Vec<u64> {
    let cpus = cx.machine.cpus();
    let bits = |word: u32| match cpus.saturating_sub(word * 64) {
        rest @ 0..64 => (1 << rest) - 1,
        _ => u64::MAX,
    };
    (0..cpus.div_ceil(64)).map(bits).collect()
}

fn both(a: &[u64], b: &[u64], op: fn(u64, u64) -> u64) -> Vec<u64> {
    a.iter().zip(b).map(|(a, b)| op(*a, *b)).collect()
}

/// Questions to one set or two. A CPU that is not there is the number of CPUs.
fn add_questions<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    fn first<S>(cx: &Cx<'_, S>, words: &[u64]) -> u32 {
        cpus(cx, words).next().unwrap_or(cx.machine.cpus())
    }
    type One<S> = fn(&mut Cx<'_, S>, &[u64]) -> u32;
    let one: [(&'static str, One<S>); 6] = [
        ("bpf_cpumask_first", |cx, mask| first(cx, mask)),
        ("bpf_cpumask_first_zero", |cx, mask| {
            let zeroes: Vec<u64> = mask.iter().map(|word| !word).collect();
            first(cx, &zeroes)
        }),
        ("bpf_cpumask_empty", |cx, mask| u32::from(cpus(cx, mask).next().is_none())),
        ("bpf_cpumask_full", |cx, mask| u32::from(mask == all(cx))),
        ("bpf_cpumask_weight", |_, mask| mask.iter().map(|word| word.count_ones()).sum()),
        ("bpf_cpumask_any_distribute", |cx, mask| pick(cx, mask)),
    ];
    let helpers = one.into_iter().fold(helpers, |helpers, (name, ask)| {
        helpers.with_kfunc(name, move |cx: &mut Cx<'_, S>, mask: u64| {
            let mask = get(cx, name, 1, mask)?;
            Ok::<_, Stop>(ask(cx, &mask))
        })
    });
    type Two<S> = fn(&mut Cx<'_, S>, &[u64], &[u64]) -> u32;
    let two: [(&'static str, Two<S>); 5] = [
        ("bpf_cpumask_first_and", |cx, a, b| first(cx, &both(a, b, |a, b| a & b))),
        ("bpf_cpumask_equal", |_, a, b| u32::from(a == b)),
        ("bpf_cpumask_intersects", |_, a, b| {
            u32::from(both(a, b, |a, b| a & b).iter().any(|word| *word != 0))
        }),
        ("bpf_cpumask_subset", |_, a, b| {
            u32::from(both(a, b, |a, b| a & !b).iter().all(|word| *word == 0))
        }),
        ("bpf_cpumask_any_and_distribute", |cx, a, b| pick(cx, &both(a, b, |a, b| a & b))),
    ];
    two.into_iter().fold(helpers, |helpers, (name, ask)| {
        helpers.with_kfunc(name, move |cx: &mut Cx<'_, S>, a: u64, b: u64| {
            let (a, b) = (get(cx, name, 1, a)?, get(cx, name, 2, b)?);
            Ok::<_, Stop>(ask(cx, &a, &b))
        })
    })
}

/// The CPU after the one that was picked last, around the end. Kernel: `cpumask_any_distribute`.
fn pick<S>(cx: &mut Cx<'_, S>, mask: &[u64]) -> u32 {
    let last = cx.mem.heap.picked;
    let next = cpus(cx, mask).find(|&cpu| cpu > last).or_else(|| cpus(cx, mask).next());
    if let Some(cpu) = next {
        cx.mem.heap.picked = cpu;
    }
    next.unwrap_or(cx.machine.cpus())
}

/// Single CPUs. Those that the machine does not have are in no set and get into none.
fn add_bits<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    let helpers = helpers.with_kfunc("bpf_cpumask_test_cpu", |cx: &mut Cx<'_, S>, cpu, mask| {
        let mask = get(cx, "bpf_cpumask_test_cpu", 2, mask)?;
        Ok::<_, Stop>(u64::from(cpu < cx.machine.cpus() && has(&mask, cpu)))
    });
    let changes = [
        ("bpf_cpumask_set_cpu", true, false),
        ("bpf_cpumask_clear_cpu", false, false),
        ("bpf_cpumask_test_and_set_cpu", true, true),
        ("bpf_cpumask_test_and_clear_cpu", false, true),
    ];
    changes.into_iter().fold(helpers, |helpers, (name, value, tells)| {
        helpers.with_kfunc(name, move |cx: &mut Cx<'_, S>, cpu: u32, mask: u64| {
            let mut words = get(cx, name, 2, mask)?;
            let had = has(&words, cpu);
            if cpu >= cx.machine.cpus() {
                return Ok::<_, Stop>(0);
            }
            if let Some(word) = words.get_mut(cpu as usize / 64) {
                *word = *word & !(1 << (cpu % 64)) | u64::from(value) << (cpu % 64);
            }
            set(cx, name, mask, &words)?;
            Ok(u64::from(tells && had))
        })
    })
}

/// Whole sets.
fn add_sets<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    type Op = fn(u64, u64) -> u64;
    let ops: [(&'static str, Op, bool); 3] = [
        ("bpf_cpumask_and", |a, b| a & b, true),
        ("bpf_cpumask_or", |a, b| a | b, false),
        ("bpf_cpumask_xor", |a, b| a ^ b, false),
    ];
    let helpers = ops.into_iter().fold(helpers, |helpers, (name, op, tells)| {
        helpers.with_kfunc(name, move |cx: &mut Cx<'_, S>, to: u64, a: u64, b: u64| {
            let words = both(&get(cx, name, 2, a)?, &get(cx, name, 3, b)?, op);
            set(cx, name, to, &words)?;
            Ok::<_, Stop>(u64::from(tells && words.iter().any(|word| *word != 0)))
        })
    });
    helpers
        .with_kfunc("bpf_cpumask_setall", |cx: &mut Cx<'_, S>, mask: u64| {
            let words = all(cx);
            set(cx, "bpf_cpumask_setall", mask, &words)
        })
        .with_kfunc("bpf_cpumask_clear", |cx: &mut Cx<'_, S>, mask: u64| {
            let words = alloc::vec![0; all(cx).len()];
            set(cx, "bpf_cpumask_clear", mask, &words)
        })
        .with_kfunc("bpf_cpumask_copy", |cx: &mut Cx<'_, S>, to: u64, from: u64| {
            let words = get(cx, "bpf_cpumask_copy", 2, from)?;
            set(cx, "bpf_cpumask_copy", to, &words)
        })
        .with_kfunc("bpf_cpumask_populate", populate)
}

/// A set from bytes. Kernel: `bpf_cpumask_populate`.
fn populate<S>(cx: &mut Cx<'_, S>, mask: u64, from: u64, size: u64) -> Result<u64, Stop> {
    let words = all(cx);
    if size < words.len() as u64 * 8 {
        return Ok(Errno::EACCES.r0());
    }
    let bytes = cx.mem.read_vec(from, words.len() as u64 * 8)?;
    let given = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    let given: Vec<u64> = given.collect();
    set(cx, "bpf_cpumask_populate", mask, &both(&given, &words, |a, b| a & b))?;
    Ok(0)
}
