//! Names of hosts, asked for in parallel, without waiting for long for those who do not answer.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// More names are not remembered: hostile packets have as many addresses as they like.
const MOST: usize = 1 << 16;
/// Addresses that are asked for at the same time.
const MOST_ASKED: usize = 64;
/// Answers that come within that are no reason to lose patience.
const QUICK: Duration = Duration::from_millis(250);

type Ask = fn(IpAddr) -> Option<String>;

/// Each address is asked for once.
pub(super) struct Hosts {
    ask: Ask,
    known: HashMap<IpAddr, Option<String>>,
    /// Those that are asked for.
    asked: HashSet<IpAddr>,
    tell: Sender<(IpAddr, Option<String>)>,
    told: Receiver<(IpAddr, Option<String>)>,
    /// How long answers are still waited for, in all.
    patience: Duration,
}

impl Hosts {
    pub(super) fn new(ask: Ask, patience: Duration) -> Self {
        let (tell, told) = mpsc::channel();
        let (known, asked) = (HashMap::new(), HashSet::new());
        Self { ask, known, asked, tell, told, patience }
    }

    /// Asks for as many as may be asked for at once.
    pub(super) fn ask_ahead(&mut self, wanted: &mut VecDeque<IpAddr>) {
        while self.asked.len() < MOST_ASKED
            && let Some(addr) = wanted.pop_front()
        {
            self.ask(addr);
        }
    }

    /// The name, as far as it is known by now or soon.
    pub(super) fn name(&mut self, addr: IpAddr) -> Option<&str> {
        while let Ok(answer) = self.told.try_recv() {
            self.learn(answer);
        }
        self.ask(addr);
        self.wait(addr);
        self.known.get(&addr)?.as_deref()
    }

    fn ask(&mut self, addr: IpAddr) {
        let is_new = !self.known.contains_key(&addr) && !self.asked.contains(&addr);
        if !is_new || self.asked.len() >= MOST_ASKED {
            return;
        }
        let (ask, tell) = (self.ask, self.tell.clone());
        // A name server that does not answer keeps its thread, not the command.
        let thread = thread::Builder::new().spawn(move || {
            // Nobody listens any more when all lines are shown.
            let _ = tell.send((addr, ask(addr)));
        });
        if thread.is_ok() {
            self.asked.insert(addr);
        }
    }

    fn wait(&mut self, addr: IpAddr) {
        let begun = Instant::now();
        while !self.known.contains_key(&addr) && !self.asked.is_empty() {
            let left = self.patience.saturating_sub(begun.elapsed());
            let Ok(answer) = self.told.recv_timeout(left) else {
                self.patience = Duration::ZERO;
                return;
            };
            self.learn(answer);
            self.ask(addr);
        }
        let waited = begun.elapsed();
        if waited > QUICK {
            self.patience = self.patience.saturating_sub(waited);
        }
    }

    fn learn(&mut self, (addr, name): (IpAddr, Option<String>)) {
        self.asked.remove(&addr);
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(addr, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LONG: Duration = Duration::from_secs(60);

    fn addr(n: u32) -> IpAddr {
        Ipv4Addr::from(n).into()
    }

    fn slow(addr: IpAddr) -> Option<String> {
        thread::sleep(Duration::from_millis(400));
        Some(format!("host-{addr}"))
    }

    fn never(_: IpAddr) -> Option<String> {
        loop {
            thread::park();
        }
    }

    #[test]
    fn names_are_asked_for_at_once() {
        let mut hosts = Hosts::new(slow, LONG);
        let begun = Instant::now();
        hosts.ask_ahead(&mut (0..60).map(addr).collect());
        for n in 0..60 {
            assert_eq!(hosts.name(addr(n)), Some(format!("host-0.0.0.{n}").as_str()));
        }
        // One after the other take 24 s.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn more_names_than_are_asked_for_at_once() {
        let mut hosts = Hosts::new(|addr| Some(addr.to_string()), LONG);
        let mut wanted: VecDeque<_> = (0..1000).map(addr).collect();
        for n in 0..1000 {
            hosts.ask_ahead(&mut wanted);
            assert!(hosts.asked.len() <= MOST_ASKED);
            assert_eq!(hosts.name(addr(n)), Some(addr(n).to_string().as_str()));
        }
        assert!(wanted.is_empty());
    }

    /// All that is not answered is waited for once.
    #[test]
    fn patience_ends() {
        let mut hosts = Hosts::new(never, Duration::from_millis(300));
        let begun = Instant::now();
        for n in 0..1000 {
            assert_eq!(hosts.name(addr(n)), None);
        }
        assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(hosts.asked.len(), MOST_ASKED);
    }

    /// What comes late is known from then on.
    #[test]
    fn late_answers_are_not_lost() {
        let mut hosts = Hosts::new(slow, Duration::from_millis(1));
        assert_eq!(hosts.name(addr(1)), None);
        let end = Instant::now() + Duration::from_secs(60);
        while hosts.name(addr(1)).is_none() {
            assert!(Instant::now() < end);
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(hosts.name(addr(1)), Some("host-0.0.0.1"));
    }
}
