//! Many opinions on two threads, whatever a judge does.

use crate::agreement::{Judge, Mode, Ours, Subject, Timed};
use skep_prog::Prog;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

/// How long a judge may take for one program.
pub const LIMIT: Duration = Duration::from_secs(30);
const THREADS: usize = 2;
/// A recursion that is deep and not endless shall not end the process.
const STACK: usize = 256 << 20;

thread_local! {
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

type Work = Arc<Vec<(Subject, Mode)>>;

/// Asks the judge about each subject. A panic and a program that takes too long are answers too; the
/// thread of the latter is left to itself.
#[must_use]
pub fn judge_all(judge: &Arc<dyn Judge>, work: &Work, limit: Duration) -> Vec<Timed> {
    catch_messages();
    let (send, receive) = mpsc::channel();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers: Vec<Worker> =
        (0..THREADS).map(|_| Worker::start(judge, work, &next, &send)).collect();
    let mut found: Vec<Option<Timed>> = vec![None; work.len()];
    let mut left = work.len();
    while left > 0 {
        match receive.recv_timeout(Duration::from_millis(50)) {
            Ok((at, timed)) => {
                let slot: &mut Option<Timed> = &mut found[at];
                left -= usize::from(slot.is_none());
                slot.get_or_insert(timed);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => unreachable!("bug: the sender is held here"),
        }
        for worker in &mut workers {
            let Some((at, since)) = worker.busy() else { continue };
            if since > limit && found[at].is_none() {
                found[at] = Some(Timed { ours: Ours::Timeout, took: since });
                left -= 1;
                worker.left.store(true, Ordering::Relaxed);
                *worker = Worker::start(judge, work, &next, &send);
            }
        }
    }
    found.into_iter().map(|timed| timed.expect("bug: a subject was not judged")).collect()
}

struct Worker {
    /// Set when nobody waits for it any more.
    left: Arc<AtomicBool>,
    /// Position of its subject, [`IDLE`] for none, and when it took it, in milliseconds after `start`.
    at: Arc<AtomicUsize>,
    since: Arc<AtomicUsize>,
    start: Instant,
}

const IDLE: usize = usize::MAX;

impl Worker {
    fn start(
        judge: &Arc<dyn Judge>,
        work: &Work,
        next: &Arc<AtomicUsize>,
        send: &Sender<(usize, Timed)>,
    ) -> Self {
        let this = Self {
            left: Arc::default(),
            at: Arc::new(AtomicUsize::new(IDLE)),
            since: Arc::default(),
            start: Instant::now(),
        };
        let (left, at, since) = (this.left.clone(), this.at.clone(), this.since.clone());
        let (judge, work, next, send) = (judge.clone(), work.clone(), next.clone(), send.clone());
        let start = this.start;
        let run = move || {
            while !left.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((subject, mode)) = work.get(index) else { break };
                let began = Instant::now();
                let millis = began.duration_since(start).as_millis();
                since.store(usize::try_from(millis).unwrap_or(usize::MAX), Ordering::Relaxed);
                at.store(index, Ordering::Release);
                let ours = match subject.raw.as_ref().and_then(|raw| raw.undecoded.as_ref()) {
                    Some(why) => Ours::undecoded(why),
                    None => one(&*judge, subject, subject.prog(), *mode),
                };
                at.store(IDLE, Ordering::Release);
                if send.send((index, Timed { ours, took: began.elapsed() })).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new()
            .name("judge".into())
            .stack_size(STACK)
            .spawn(run)
            .expect("a thread can be had");
        this
    }

    fn busy(&self) -> Option<(usize, Duration)> {
        let at = self.at.load(Ordering::Acquire);
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed) as u64);
        (at != IDLE).then(|| (at, self.start.elapsed().saturating_sub(since)))
    }
}

/// One opinion, of a thread named `judge`; a panic is one.
#[must_use]
pub fn judge_one(judge: &dyn Judge, subject: &Subject, prog: &Prog, mode: Mode) -> Ours {
    catch_messages();
    one(judge, subject, prog, mode)
}

fn one(judge: &dyn Judge, subject: &Subject, prog: &Prog, mode: Mode) -> Ours {
    match panic::catch_unwind(AssertUnwindSafe(|| judge.judge(subject, prog, mode))) {
        Ok(ours) => ours,
        Err(_) => {
            let message = MESSAGE.with(|message| message.borrow_mut().take());
            Ours::Panic { message: message.unwrap_or_default() }
        }
    }
}

/// Panics of judges say where, and are not printed.
fn catch_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name() == Some("judge") {
                MESSAGE.with(|message| *message.borrow_mut() = Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
}
