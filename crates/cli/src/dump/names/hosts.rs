//! Names of hosts, asked for in parallel, without waiting for long for those who do not answer.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// More names are not remembered: hostile packets have as many addresses as they like.
const MOST: usize = 1 << 16;
/// Addresses that are asked for at the same time: name servers drop what they cannot take at once.
const MOST_ASKED: usize = 8;
/// Answers that come within that are no reason to lose patience.
const QUICK: Duration = Duration::from_millis(250);
/// Even without patience that long: names in files are there at once.
const GLIMPSE: Duration = Duration::from_millis(20);

type Ask = fn(IpAddr) -> Option<String>;

/// Each address is asked for once.
pub(super) struct Hosts {
    ask: Ask,
    known: HashMap<IpAddr, Option<String>>,
    /// Those that are asked for, since when.
    asked: HashMap<IpAddr, Instant>,
    tell: Sender<(IpAddr, Option<String>)>,
    told: Receiver<(IpAddr, Option<String>)>,
    /// How long answers are still waited for, in all.
    patience: Duration,
}

impl Hosts {
    pub(super) fn new(ask: Ask, patience: Duration) -> Self {
        let (tell, told) = mpsc::channel();
        let (known, asked) = (HashMap::new(), HashMap::new());
        Self { ask, known, asked, tell, told, patience }
    }

    /// The name, as far as it is known by now or soon. Those that will be wanted are asked for meanwhile.
    pub(super) fn name(&mut self, addr: IpAddr, wanted: &mut VecDeque<IpAddr>) -> Option<&str> {
        while let Ok(answer) = self.told.try_recv() {
            self.learn(answer);
        }
        self.wait(addr, wanted);
        self.known.get(&addr)?.as_deref()
    }

    fn ask(&mut self, addr: IpAddr) {
        let is_new = !self.known.contains_key(&addr) && !self.asked.contains_key(&addr);
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
            self.asked.insert(addr, Instant::now());
        }
    }

    fn wait(&mut self, addr: IpAddr, wanted: &mut VecDeque<IpAddr>) {
        let begun = Instant::now();
        while !self.known.contains_key(&addr) {
            self.ask(addr);
            while self.asked.len() < MOST_ASKED
                && let Some(addr) = wanted.pop_front()
            {
                self.ask(addr);
            }
            let glimpse = self
                .asked
                .get(&addr)
                .map_or(Duration::ZERO, |at| GLIMPSE.saturating_sub(at.elapsed()));
            let left = self.patience.saturating_sub(begun.elapsed()).max(glimpse);
            let Ok(answer) = self.told.recv_timeout(left) else {
                self.patience = Duration::ZERO;
                return;
            };
            self.learn(answer);
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
        let mut wanted = (0..32).map(addr).collect();
        for n in 0..32 {
            let name = hosts.name(addr(n), &mut wanted);
            assert_eq!(name, Some(format!("host-0.0.0.{n}").as_str()));
        }
        // One after the other take 13 s.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn more_names_than_are_asked_for_at_once() {
        let mut hosts = Hosts::new(|addr| Some(addr.to_string()), LONG);
        let mut wanted: VecDeque<_> = (0..1000).map(addr).collect();
        for n in 0..1000 {
            let name = hosts.name(addr(n), &mut wanted);
            assert_eq!(name, Some(addr(n).to_string().as_str()));
            assert!(hosts.asked.len() <= MOST_ASKED);
        }
    }

    /// Names in files are known, whatever name servers do.
    #[test]
    fn what_is_known_here_needs_no_patience() {
        let ask =
            |asked: IpAddr| if asked == addr(7) { Some("here".to_owned()) } else { never(asked) };
        let mut hosts = Hosts::new(ask, Duration::ZERO);
        let mut wanted = [addr(1), addr(2)].into();
        assert_eq!(hosts.name(addr(3), &mut wanted), None);
        let known = (0..100).any(|_| hosts.name(addr(7), &mut wanted) == Some("here"));
        assert!(known);
    }

    /// All that is not answered is waited for once.
    #[test]
    fn patience_ends() {
        let mut hosts = Hosts::new(never, Duration::from_millis(300));
        let (begun, mut none) = (Instant::now(), VecDeque::new());
        for n in 0..1000 {
            assert_eq!(hosts.name(addr(n), &mut none), None);
        }
        assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(hosts.asked.len(), MOST_ASKED);
    }

    /// What comes late is known from then on.
    #[test]
    fn late_answers_are_not_lost() {
        let (mut hosts, mut none) = (Hosts::new(slow, Duration::from_millis(1)), VecDeque::new());
        assert_eq!(hosts.name(addr(1), &mut none), None);
        let end = Instant::now() + Duration::from_secs(60);
        while hosts.name(addr(1), &mut none).is_none() {
            assert!(Instant::now() < end);
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(hosts.name(addr(1), &mut none), Some("host-0.0.0.1"));
    }
}
