//! What is told of a run, in one of two forms.

use super::arg::WhichMaps;
use super::counts::Counts;
use super::input::Inputs;
use super::{json::Json, text::Text};
use crate::term::Out;
use skep::{Event, Hook, Outcome, Packet, Session};
use std::io;
use std::path::Path;
use std::time::Duration;

/// A form. Nothing is kept back: what is told first is written first.
pub(crate) trait Report {
    /// Before the first packet.
    fn start(
        &mut self,
        out: &mut Out<'_>,
        file: &Path,
        session: (&Session, How<'_>),
        inputs: &Inputs<'_>,
    ) -> io::Result<()>;

    /// A packet has been run.
    fn packet(&mut self, out: &mut Out<'_>, passed: &Passed<'_>) -> io::Result<()>;

    /// The program reported something.
    fn event(&mut self, out: &mut Out<'_>, event: &Event<'_>) -> io::Result<()>;

    /// What a program that is not run over packets has answered.
    fn answer(&mut self, out: &mut Out<'_>, prog: &str, answer: &Answer<'_>) -> io::Result<()>;

    /// The maps, as they are now.
    fn maps(&mut self, out: &mut Out<'_>, session: &Session) -> io::Result<()>;

    /// After the last packet.
    fn end(
        &mut self,
        out: &mut Out<'_>,
        summary: &Summary<'_>,
        session: &Session,
    ) -> io::Result<()>;
}

/// What is told of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How<'a> {
    /// Nothing.
    Untold,
    /// Which it is, and why there is no machine code or none that is optimised, where there was to be some.
    Told(Option<&'a str>),
}

/// A packet that has been run.
pub(crate) struct Passed<'a> {
    /// From 1, over all inputs.
    pub(crate) number: u64,
    /// Bytes it came with.
    pub(crate) bytes: usize,
    pub(crate) outcome: &'a Outcome,
    /// As the program left it.
    pub(crate) packet: &'a Packet,
}

/// What comes of a program that is not run over packets.
pub(crate) enum Answer<'a> {
    /// A call returned.
    Returned {
        value: u32,
        /// The context, as the program left it.
        ctx: &'a [u8],
    },
    /// An iterator has written something.
    Wrote(&'a [u8]),
}

/// A whole run.
pub(crate) struct Summary<'a> {
    pub(crate) counts: &'a Counts,
    /// From before the first packet to after the last.
    pub(crate) time: Duration,
    /// Whether most of the time went by waiting for packets.
    pub(crate) live: bool,
    /// Why there is no machine code, if there was to be some.
    pub(crate) why_not: Option<&'a str>,
    /// Outputs and numbers of packets.
    pub(crate) written: Vec<(String, u64)>,
}

/// The form that was asked for.
pub(crate) fn reporter(json: bool, maps: WhichMaps, most: Option<usize>) -> Box<dyn Report> {
    let limit = |most| if most == 0 { usize::MAX } else { most };
    if json {
        Box::new(Json { maps, most: limit(most.unwrap_or(0)) })
    } else {
        Box::new(Text::new(maps, limit(most.unwrap_or(20))))
    }
}

/// What to call a hook.
pub(crate) const fn hook_name(hook: Option<Hook>) -> &'static str {
    let Some(hook) = hook else { return "no hook" };
    match hook {
        Hook::Xdp => "xdp",
        Hook::TcIngress => "tc ingress",
        Hook::TcEgress => "tc egress",
        Hook::SchedAct => "tc action",
        Hook::SocketFilter => "socket filter",
        Hook::CgroupSkbIngress => "cgroup_skb ingress",
        Hook::CgroupSkbEgress => "cgroup_skb egress",
    }
}
