//! Hostile programs in the interpreter: every run ends, and the same program does the same again, if
//! possible in a form in which instructions cannot be executed several at a time.

use super::bytes::Bytes;
use super::program;
use skep_abi::{MapType, ProgType};
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc};
use skep_map::{Cpu, KeyValue, Map};
use skep_prog::{MapDef, Prog};
use skep_vm::{
    CTX, Env, FaultKind, Headers, Input, Limits, MEM, Machine, PACKET_BASE, PacketBuf, Vm, address,
    builtin, cells,
};

/// Instructions of a run.
const BUDGET: u64 = 100_000;
/// Bytes in front of and behind the packet.
const ROOM: usize = 64;
const CPUS: u32 = 2;
const MAPS: usize = 12;
const RDONLY_PROG: u32 = 1 << 7;

/// Input: packet with a byte of length, slots.
pub fn check(data: &[u8]) {
    let mut input = Bytes::new(data);
    let packet = input.short();
    let helpers: Vec<i32> = builtin::<World>().ids().collect();
    let slots = input.rest();
    let repaired = program::insns(slots, &helpers, MAPS);
    let plain = skep_isa::decode(slots).ok().filter(|plain| *plain != repaired);
    for insns in [Some(repaired), plain].into_iter().flatten() {
        let Some(first) = run(&insns, packet, BUDGET) else { continue };
        assert!(first.insns <= BUDGET + insns.len() as u64, "{} instructions", first.insns);
        if knows_its_place(&insns) {
            assert_eq!(Some(&first), run(&insns, packet, BUDGET).as_ref());
        } else {
            same_one_by_one(&insns, packet, first);
        }
    }
}

/// Programs that see addresses of functions, or make them up, see where these are.
fn knows_its_place(insns: &Insns) -> bool {
    insns.iter().any(|(_, insn)| match insn {
        Insn::LoadImm { imm: ImmSrc::Func(_), .. }
        | Insn::JumpReg { .. }
        | Insn::Call(Call::Reg(_)) => true,
        Insn::LoadImm { imm: ImmSrc::Value(value), .. } => value >> 32 > MAP_HANDLES,
        _ => false,
    })
}

/// The region of map handles, in front of those of function addresses.
const MAP_HANDLES: u64 = 0x4000_0000;

/// The interpreter executes common sequences as one; it has to do the same with something between.
fn same_one_by_one(insns: &Insns, packet: &[u8], first: Outcome) {
    let (spread, origin) = program::spread(insns);
    let mut second = run(&spread, packet, 3 * BUDGET).expect("the same instructions load");
    let out_of_budget =
        |outcome: &Outcome| matches!(outcome.result, Err((_, FaultKind::Budget { .. })));
    if out_of_budget(&first) || out_of_budget(&second) {
        return;
    }
    if let Err((pc, _)) = &mut second.result {
        *pc = origin[pc.index()];
    }
    second.insns = first.insns;
    assert_eq!(first, second);
}

/// What a run leaves.
#[derive(Debug, PartialEq)]
struct Outcome {
    result: Result<u64, (Pc, FaultKind)>,
    insns: u64,
    packet: Vec<u8>,
    ctx: Vec<u8>,
    mem: Vec<u8>,
    maps: Vec<Vec<u8>>,
    printed: Vec<String>,
}

/// A run with fresh maps, of a program that loads.
fn run(insns: &Insns, packet: &[u8], budget: u64) -> Option<Outcome> {
    let mut machine = Machine::new(builtin(), maps().into()).with_cpus(CPUS);
    let prog = machine.load(&Prog::new("prog", ProgType::Xdp, insns.clone())).ok()?;
    fill(machine.maps(), prog);
    let mut world = World::default();
    let mut packet = lend(packet);
    let (mut ctx, mut mem) = (ctx(&packet), [0x55; 64]);
    let input = Input {
        args: [address(CTX, 0), address(MEM, 0), u64::MAX, 0, 8],
        ctx: cells(&mut ctx),
        ctx_writable: true,
        mem: cells(&mut mem),
        packet: Some(&mut packet),
        cpu: 1,
        limits: Limits { insns: budget, ..Limits::default() },
        ..Input::default()
    };
    let output = Vm::new().run(&machine, prog, &mut world, input);
    if let Err(fault) = &output.result {
        assert!(!fault.to_string().is_empty());
    }
    Some(Outcome {
        result: output.result.map_err(|fault| (fault.pc, fault.kind)),
        insns: output.insns,
        packet: packet.bytes,
        ctx,
        mem: mem.to_vec(),
        maps: machine.maps().iter().map(content).collect(),
        printed: world.printed,
    })
}

fn lend(packet: &[u8]) -> PacketBuf {
    let end = ROOM + packet.len();
    PacketBuf {
        bytes: [&[0; ROOM], packet, &[0; ROOM]].concat(),
        start: ROOM,
        end,
        writable: true,
        headers: Headers { mac: ROOM, net: end.min(ROOM + 14) },
    }
}

/// `data`, `data_end` and more, as in `struct xdp_md`.
fn ctx(packet: &PacketBuf) -> Vec<u8> {
    let addr = |at: usize| PACKET_BASE + u32::try_from(at).expect("packets are short");
    [addr(packet.start), addr(packet.end), addr(packet.start), 1, 0, 2]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect()
}

/// A map of every kind. The first two have one value.
fn maps() -> [Map; MAPS] {
    let def = |map_type, key, value, entries, flags| {
        let mut def = MapDef::new("map", map_type, key, value, entries);
        def.flags |= flags;
        Map::new(&def, CPUS).expect("the kernel would make it too")
    };
    [
        def(MapType::Array, 4, 40, 1, 0),
        def(MapType::Array, 4, 8, 1, RDONLY_PROG),
        def(MapType::Array, 4, 12, 4, 0),
        def(MapType::PercpuArray, 4, 8, 4, 0),
        def(MapType::Hash, 4, 8, 4, 0),
        def(MapType::PercpuHash, 8, 4, 4, 0),
        def(MapType::LruHash, 4, 8, 2, 0),
        def(MapType::LruPercpuHash, 4, 8, 2, 0),
        def(MapType::LpmTrie, 8, 4, 4, 0),
        def(MapType::ProgArray, 4, 4, 4, 0),
        def(MapType::Ringbuf, 0, 0, 4096, 0),
        def(MapType::PerfEventArray, 4, 4, 0, 0),
    ]
}

/// Something to find in each map.
fn fill(maps: &[Map], prog: usize) {
    for map in maps {
        match map {
            Map::KeyValue(map) => {
                let def = KeyValue::def(&**map);
                let (key, value) =
                    (vec![0; def.key_size as usize], vec![7; def.value_size as usize]);
                map.update(&key, &value, 0, Cpu(1)).expect("there is room for one");
            }
            Map::Progs(progs) => {
                progs.set(0, u32::try_from(prog).ok()).expect("there is room for one");
            }
            _ => {}
        }
    }
}

/// All that is in a map, as bytes.
fn content(map: &Map) -> Vec<u8> {
    let mut out = Vec::new();
    match map {
        Map::KeyValue(map) => {
            let mut key = vec![0; KeyValue::def(&**map).key_size as usize];
            let mut last: Option<Vec<u8>> = None;
            while map.next_key(last.as_deref(), &mut key).is_ok() {
                let mut value = Vec::new();
                map.lookup_user(&key, &mut value).expect("a key leads to a value");
                out.extend([&key[..], &value].concat());
                last = Some(key.clone());
            }
        }
        Map::RingBuf(ring) => {
            ring.consume(&mut |bytes| out.extend(bytes));
        }
        Map::PerfEvents(events) => {
            while let Some(event) = events.next() {
                out.extend(format!("{event:?}").into_bytes());
            }
        }
        _ => {}
    }
    out
}

/// A world where time and chance are counters.
#[derive(Default)]
struct World {
    time: u64,
    random: u32,
    printed: Vec<String>,
}

impl Env for World {
    fn monotonic_ns(&mut self) -> u64 {
        self.time += 1_000_003;
        self.time
    }

    fn random(&mut self) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.random
    }

    fn print(&mut self, text: String) {
        self.printed.push(text);
    }
}
