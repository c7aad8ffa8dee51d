//! Runs of an accepted program under the eyes of whoever knows its states.

use super::states::States;
use crate::packet;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep::{Clock, Fault, Image, LinkType, Moment, Observer, Options, Packet, PacketMeta, Session};
use skep_isa::Pc;
use skep_map::{Cpu, Map};
use skep_prog::DataKind;
use skep_vm::FaultKind;
use std::collections::HashMap;
use std::time::Duration;

/// `BPF_F_RDONLY_PROG`
const RDONLY_PROG: u32 = 1 << 7;
/// Instructions of a run.
const BUDGET: u64 = 1 << 16;
/// Longest value that is made of random bytes.
const LONG: u32 = 4096;

/// What came of the runs of a program.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Instructions that were looked at.
    pub(crate) insns: u64,
    /// What must not be, in words.
    pub(crate) wrong: Option<String>,
    /// What the user engine has no meaning for.
    pub(crate) unsupported: Option<String>,
}

/// Runs a program over random packets. `states` are those of the programs it may go on with, too.
pub(crate) fn observe(
    image: &Image,
    prog: &str,
    states: &mut HashMap<String, States>,
    seed: u64,
    runs: u32,
) -> Seen {
    let mut seen = Seen::default();
    let time = Duration::from_secs(2);
    let options =
        Options { cpus: 2, insns: BUDGET, time, clock: Clock::Packet, untag: seed & 1 == 0 };
    let mut session = match Session::load(image, Some(prog), options) {
        Ok(session) => session,
        Err(error) => {
            seen.unsupported = Some(error.to_string());
            return seen;
        }
    };
    let mut rng = StdRng::seed_from_u64(seed);
    let mut frame = Packet::new();
    for _ in 0..runs {
        let len = match rng.random_range(0..4) {
            0 => rng.random_range(14..64),
            1 => rng.random_range(64..68),
            _ => rng.random_range(64..300),
        };
        frame.reset(&packet(rng.random(), len), meta(&mut rng, len));
        let fill = rng.random_bool(0.5).then(|| rng.random());
        let mut eye = Eye { states, fill, next: None, insns: 0, wrong: None };
        let result = session.run_observed(&mut frame, &mut eye);
        seen.insns += eye.insns;
        seen.wrong = eye.wrong;
        match result.map_err(|fault| faulty(&fault)) {
            Ok(_) | Err(Told::Limit) => {}
            Err(Told::Unsupported(what)) => seen.unsupported = Some(what),
            Err(Told::Wrong(what)) => seen.wrong = seen.wrong.or(Some(what)),
        }
        session.events(&mut |_| {});
        if seen.wrong.is_some() || seen.unsupported.is_some() {
            break;
        }
    }
    seen
}

enum Told {
    Limit,
    Unsupported(String),
    Wrong(String),
}

fn faulty(fault: &Fault) -> Told {
    match &fault.kind {
        FaultKind::Budget { .. } | FaultKind::Deadline => Told::Limit,
        FaultKind::Unsupported { what } => Told::Unsupported(what.clone()),
        _ => Told::Wrong(fault.to_string()),
    }
}

fn meta(rng: &mut StdRng, len: usize) -> PacketMeta {
    PacketMeta {
        timestamp: rng.random(),
        wire_len: u32::try_from(len).unwrap_or(u32::MAX),
        link: LinkType::ETHERNET,
        ifindex: rng.random_range(1..5),
        ingress_ifindex: rng.random_range(0..5),
        rx_queue: rng.random_range(0..4),
        mark: rng.random(),
        priority: rng.random(),
        hash: rng.random(),
        queue_mapping: rng.random(),
        tc_index: rng.random(),
        cb: rng.random(),
        tc_classid: rng.random(),
        napi_id: rng.random(),
        tstamp: rng.random(),
        ..PacketMeta::default()
    }
}

/// Looks at every instruction.
struct Eye<'a> {
    states: &'a mut HashMap<String, States>,
    /// Fills the maps before the first instruction.
    fill: Option<u64>,
    /// Where control has to be next.
    next: Option<Pc>,
    insns: u64,
    wrong: Option<String>,
}

impl Observer for Eye<'_> {
    fn before(&mut self, moment: &Moment<'_>) {
        if let Some(seed) = self.fill.take() {
            fill(moment.maps(), seed);
        }
        if self.wrong.is_some() {
            return;
        }
        let (name, pc) = (&moment.frame().prog.name, moment.pc());
        if let Some(next) = self.next.take().filter(|next| *next != pc) {
            self.wrong =
                Some(format!("{name}, insn {}, and not {} as is always next", pc.0, next.0));
        } else if let Some(states) = self.states.get_mut(name) {
            self.insns += 1;
            self.wrong = states.check(moment).err().map(|what| format!("{name}, {what}"));
            self.next = states.only_next(pc);
        }
    }
}

/// Random bytes into maps that a program does not know the content of.
fn fill(maps: &[Map], seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for map in maps {
        let def = map.def();
        let known = def.flags & RDONLY_PROG != 0
            || matches!(def.data, Some(DataKind::Rodata | DataKind::Kconfig));
        let Map::KeyValue(map) = map else { continue };
        if known || def.value_size > LONG || def.map_type.name().contains("map") {
            continue;
        }
        for _ in 0..4 {
            let mut bytes = |len: u32, small: bool| -> Vec<u8> {
                let at = |n: u32| if small && n > 0 { 0 } else { rng.random() };
                (0..len).map(at).map(|byte: u8| if small { byte % 4 } else { byte }).collect()
            };
            let (key, value) = (bytes(def.key_size, true), bytes(def.value_size, false));
            // An index beyond the end, or a full map: another key may do.
            let _ = map.update(&key, &value, 0, Cpu(0));
        }
    }
}
