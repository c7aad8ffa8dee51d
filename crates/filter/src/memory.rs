//! Memory of a compilation, kept for the next one on the same thread.
//!
//! A compilation works in some twenty vectors, of a few dozen bytes or, for a thousand hosts, a megabyte in all. To ask for them each
//! time takes a tenth of the time of a short expression; an allocator that then gives them back to the system
//! makes the kernel clear their pages anew each time, which takes a third of that of a long one.

use crate::lower::Meaning;
use crate::{emit, graph};
use std::cell::Cell;

/// Bytes that a thread keeps, at most.
const MOST: usize = 4 << 20;

thread_local! {
    static KEPT: Cell<Option<Box<Workspace>>> = const { Cell::new(None) };
}

/// What the passes work in.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) graph: graph::Memory,
    pub(crate) emit: emit::Memory,
}

/// What a compilation works in.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// For expressions that are compiled at once.
    pub(crate) meaning: Meaning,
    pub(crate) memory: Memory,
}

impl Workspace {
    /// What `work` returns, which may use the thread's memory.
    pub(crate) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        // The thread may be ending.
        let kept = KEPT.try_with(Cell::take).ok().flatten();
        let mut workspace = kept.unwrap_or_default();
        let result = work(&mut workspace);
        workspace.meaning.clear();
        if workspace.is_small() || workspace.bytes() <= MOST {
            // If another one is there by now, one of the two goes.
            let _ = KEPT.try_with(|kept| kept.set(Some(workspace)));
        }
        result
    }

    /// Whether it is so small that it need not be measured.
    const fn is_small(&self) -> bool {
        const FEW: usize = 1 << 10;
        let Self { meaning, memory } = self;
        // One condition may have any number of values.
        let conditions = meaning.forms.capacity() <= FEW && memory.graph.room() <= FEW;
        conditions && meaning.values.room() <= FEW
    }

    fn bytes(&self) -> usize {
        self.meaning.bytes() + self.memory.graph.bytes() + self.memory.emit.bytes()
    }
}

/// Bytes that a vector takes.
pub(crate) const fn bytes<T>(vec: &Vec<T>) -> usize {
    vec.capacity() * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Expr, LinkType, Options};
    use skep_cbpf::Program;

    fn compiled(text: &str, link: LinkType, optimise: bool) -> Result<Program, Error> {
        let options = Options { link, optimise, ..Options::default() };
        Expr::parse(text).and_then(|expr| expr.compile(&options))
    }

    fn hosts(count: u32) -> String {
        let host = |at: u32| format!("host {}", std::net::Ipv4Addr::from_bits(at.wrapping_mul(97)));
        (1..=count).map(host).collect::<Vec<_>>().join(" or ")
    }

    /// What another compilation left behind, one that failed too, changes no program.
    #[test]
    fn what_was_there_before_changes_nothing() {
        let (few, many) = (hosts(3), hosts(300));
        let texts = [
            ("tcp port 80", LinkType::Ethernet),
            (&*few, LinkType::Ethernet),
            ("tcp[13] & 2 != 0 and (len > 99 or ip[ip[0] & 15] = 7)", LinkType::Ethernet),
            ("vlan 5 and geneve and ip6 host 2001:db8::1", LinkType::Ethernet),
            ("type mgt and ether host 0:1:2:3:4:5", LinkType::Ieee80211Radio),
            ("ip and ip6", LinkType::Ethernet),
            ("host nowhere.invalid", LinkType::Ethernet),
            ("ip[0] / 0 = 1", LinkType::Ethernet),
            (&*many, LinkType::Ethernet),
        ];
        for optimise in [true, false] {
            let fresh = texts.map(|(text, link)| {
                std::thread::scope(|scope| {
                    scope.spawn(|| compiled(text, link, optimise)).join().unwrap()
                })
            });
            assert!(fresh.iter().any(Result::is_err) && fresh.iter().any(Result::is_ok));
            for (before, before_link) in texts {
                for ((text, link), fresh) in texts.iter().zip(&fresh) {
                    let _ = compiled(before, before_link, optimise);
                    assert_eq!(&compiled(text, *link, optimise), fresh, "{before}, then {text}");
                }
            }
        }
    }

    #[test]
    fn little_is_kept() {
        let kept = || {
            let kept = KEPT.take();
            let bytes = kept.as_ref().map(|workspace| workspace.bytes());
            KEPT.set(kept);
            bytes
        };
        compiled("tcp port 80", LinkType::Ethernet, true).unwrap();
        assert!(kept().is_some_and(|bytes| bytes < 1 << 14), "{:?}", kept());
        compiled(&hosts(1000), LinkType::Ethernet, true).unwrap();
        assert!(kept().is_some_and(|bytes| bytes > 1 << 18), "{:?}", kept());
        // Many conditions, and one of many values.
        let sum: String = (0..100_000).map(|at| format!("ip[{at}] + ")).collect();
        let scaled: String = "ip[0]".to_owned() + &" * 3 + 1".repeat(200_000);
        for text in [hosts(20_000), format!("{sum} 1 = 5"), format!("{scaled} = 5")] {
            let _ = compiled(&text, LinkType::Ethernet, true);
            assert!(kept().is_none_or(|bytes| bytes <= MOST), "{:?}", kept());
        }
    }
}
