//! Tracked connections, of a table that the user fills and programs add to.
//!
//! A connection that a program holds is bytes of a `struct nf_conn`, of which it may write the mark. The same
//! connection is at the same address however often it is looked up.
//!
//! Kernel: `net/netfilter/nf_conntrack_bpf.c`, `nf_nat_bpf.c`.

use super::socket::tuple_of;
use super::status;
use crate::conntrack::{Flow, Zone};
use crate::host::Host;
use crate::layout;
use crate::network::{Connection, Transport};
use skep_abi::Errno;
use skep_vm::{Cx, Env, FaultKind, Helpers, Stop};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `enum ip_conntrack_status`
mod bits {
    pub(super) const EXPECTED: u32 = 1 << 0;
    pub(super) const SEEN_REPLY: u32 = 1 << 1;
    pub(super) const ASSURED: u32 = 1 << 2;
    pub(super) const CONFIRMED: u32 = 1 << 3;
    pub(super) const SRC_NAT: u32 = 1 << 4;
    pub(super) const DST_NAT: u32 = 1 << 5;
    pub(super) const SRC_NAT_DONE: u32 = 1 << 7;
    pub(super) const DST_NAT_DONE: u32 = 1 << 8;
    pub(super) const DYING: u32 = 1 << 9;
    pub(super) const FIXED_TIMEOUT: u32 = 1 << 10;
    /// `IPS_UNCHANGEABLE_MASK`
    pub(super) const UNCHANGEABLE: u32 = 0xdbf9;
}

/// Nanoseconds of a timer's tick, as timeouts are told in such.
const TICK_NS: u64 = 4_000_000;
/// What an entry gets that is not told: ten seconds.
const FIRST_TIMEOUT_NS: u64 = 10_000_000_000;

/// A connection that a program holds.
#[derive(Debug)]
pub(crate) struct Tracked {
    addr: u64,
    refs: u32,
    /// Its mark as the program was given it.
    mark: u32,
    what: What,
}

#[derive(Debug)]
enum What {
    /// In the table, under this number.
    Known(u64),
    /// Not yet in the table; its timeout is still to come.
    New(Box<Connection>),
}

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    type Args = (u64, u32, u64, u32);
    type Run = fn(&mut Cx<'_, Host>, Args) -> Result<u64, Stop>;
    let found: [(&str, Run); 4] = [
        ("bpf_xdp_ct_lookup", look_up),
        ("bpf_skb_ct_lookup", look_up),
        ("bpf_xdp_ct_alloc", make),
        ("bpf_skb_ct_alloc", make),
    ];
    let helpers = found.into_iter().fold(helpers, |helpers, (name, run)| {
        helpers.with_kfunc(
            name,
            move |cx: &mut Cx<'_, Host>, _ctx: u64, tuple: u64, len: u32, opts: u64, size: u32| {
                run(cx, (tuple, len, opts, size))
            },
        )
    });
    helpers
        .with_kfunc("bpf_ct_insert_entry", insert)
        .with_kfunc("bpf_ct_release", release)
        .with_kfunc("bpf_ct_set_timeout", |cx: &mut Cx<'_, Host>, ct: u64, ms: u32| {
            set_timeout(cx, "bpf_ct_set_timeout", ct, ms).map(|_| ())
        })
        .with_kfunc("bpf_ct_change_timeout", |cx: &mut Cx<'_, Host>, ct: u64, ms: u32| {
            set_timeout(cx, "bpf_ct_change_timeout", ct, ms)
        })
        .with_kfunc("bpf_ct_set_status", |cx: &mut Cx<'_, Host>, ct: u64, bits: u32| {
            set_status(cx, "bpf_ct_set_status", ct, bits)
        })
        .with_kfunc("bpf_ct_change_status", |cx: &mut Cx<'_, Host>, ct: u64, bits: u32| {
            set_status(cx, "bpf_ct_change_status", ct, bits)
        })
        .with_kfunc("bpf_ct_set_nat_info", set_nat)
}

/// `struct bpf_ct_opts`
const OPTS: u32 = 16;
const OLD_OPTS: u32 = 12;
const ERROR: u64 = 4;
const DIR: u64 = 9;
const ZONE_DIRS: u64 = 12;
/// `NF_CT_DEFAULT_ZONE_DIR`
const BOTH: u8 = 3;

/// Reads what is asked for; the order of the checks is the kernel's, which differs for new entries.
fn asked(
    cx: &mut Cx<'_, Host>,
    (tuple, len, opts, size): (u64, u32, u64, u32),
    new: bool,
) -> Result<Result<Flow, Errno>, Stop> {
    if tuple == 0 || opts == 0 || !matches!(size, OPTS | OLD_OPTS) {
        return Ok(Err(Errno::EINVAL));
    }
    let mut bytes = [0; OPTS as usize];
    cx.mem.read(opts, bytes.get_mut(..size as usize).unwrap_or_default())?;
    let tuple = cx.mem.read_vec(tuple, len.into())?;
    let [n0, n1, n2, n3, _, _, _, _, proto, _, z0, z1, dirs, reserved @ ..] = bytes;
    let (ns, id) = (i32::from_le_bytes([n0, n1, n2, n3]), u16::from_le_bytes([z0, z1]));
    if reserved != [0; 3] || (size == OLD_OPTS && id != 0) {
        return Ok(Err(Errno::EINVAL));
    }
    let transport = match proto {
        6 => Ok(Transport::Tcp),
        17 => Ok(Transport::Udp),
        _ => Err(Errno::EPROTO),
    };
    let ns_known = if ns < -1 { Err(Errno::EINVAL) } else { Ok(()) };
    let transport = if new { ns_known.and(transport) } else { transport };
    let flow = transport.and_then(|transport| {
        ns_known?;
        let ends = tuple_of(&tuple).ok_or(Errno::EAFNOSUPPORT)?;
        // There is one namespace, and it has no numbers for others.
        if ns >= 0 {
            return Err(Errno::ENONET);
        }
        let dirs = if dirs == 0 { BOTH } else { dirs };
        Ok(Flow { transport, ends, zone: Zone { id, dirs } })
    });
    if let (Ok(flow), OPTS) = (&flow, size) {
        cx.mem.write(opts + ZONE_DIRS, &[flow.zone.dirs])?;
    }
    Ok(flow)
}

/// Tells the program an error, and null.
fn fail(cx: &mut Cx<'_, Host>, opts: u64, size: u32, errno: Errno) -> Result<u64, Stop> {
    if opts != 0 && u64::from(size) >= ERROR + 4 {
        let number = u32::try_from(errno.r0() & 0xffff_ffff).unwrap_or(u32::MAX);
        cx.mem.write(opts + ERROR, &number.to_le_bytes())?;
    }
    Ok(0)
}

/// Kernel: `__bpf_nf_ct_lookup`.
fn look_up(cx: &mut Cx<'_, Host>, args: (u64, u32, u64, u32)) -> Result<u64, Stop> {
    let (_, _, opts, size) = args;
    let flow = match asked(cx, args, false)? {
        Ok(flow) => flow,
        Err(errno) => return fail(cx, opts, size, errno),
    };
    collect_marks(cx)?;
    let now = cx.state.monotonic_ns();
    let found = cx
        .state
        .connections()
        .find(&flow, now)
        .map(|(id, known, reply)| (id, known.clone(), reply));
    let Some((id, known, reply)) = found else { return fail(cx, opts, size, Errno::ENOENT) };
    cx.mem.write(opts + DIR, &[u8::from(reply)])?;
    let held =
        cx.state.tracked.iter_mut().find(|held| matches!(held.what, What::Known(i) if i == id));
    if let Some(held) = held {
        held.refs += 1;
        return Ok(held.addr);
    }
    hold(cx, &known, What::Known(id)).map(|addr| addr.unwrap_or(0))
}

/// Kernel: `__bpf_nf_ct_alloc_entry`.
fn make(cx: &mut Cx<'_, Host>, args: (u64, u32, u64, u32)) -> Result<u64, Stop> {
    let (_, _, opts, size) = args;
    let flow = match asked(cx, args, true)? {
        Ok(flow) => flow,
        Err(errno) => return fail(cx, opts, size, errno),
    };
    let (from, to) = flow.ends;
    let mut new = Connection::new(flow.transport, from, to);
    (new.zone, new.zone_dirs, new.status) = (flow.zone.id, flow.zone.dirs, 0);
    new.expires = Some(FIRST_TIMEOUT_NS);
    match hold(cx, &new.clone(), What::New(Box::new(new)))? {
        Some(addr) => Ok(addr),
        None => fail(cx, opts, size, Errno::ENOMEM),
    }
}

/// Shows a connection to the program.
fn hold(cx: &mut Cx<'_, Host>, connection: &Connection, what: What) -> Result<Option<u64>, Stop> {
    let (bytes, mark) = match cx.state.kernel.as_deref() {
        Some(btf) => layout::nf_conn(btf, connection, ticks(connection)),
        None => (Vec::new(), 0..0),
    };
    let Some(addr) = cx.mem.lend("connection", bytes, mark) else { return Ok(None) };
    cx.state.tracked.push(Tracked { addr, refs: 1, mark: connection.mark, what });
    Ok(Some(addr))
}

/// A timeout as `struct nf_conn` has it.
fn ticks(connection: &Connection) -> u32 {
    let ticks = connection.expires.map_or(u64::MAX, |at| at / TICK_NS);
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// Takes over the marks that the program has written.
fn collect_marks(cx: &mut Cx<'_, Host>) -> Result<(), Stop> {
    let Some(field) = cx.state.kernel.as_deref().and_then(layout::nf_conn_mark) else {
        return Ok(());
    };
    for at in 0..cx.state.tracked.len() {
        let Some(held) = cx.state.tracked.get(at) else { break };
        let mut mark = [0; 4];
        cx.mem.read(held.addr + u64::from(field), &mut mark)?;
        let mark = u32::from_le_bytes(mark);
        if mark != held.mark {
            change(cx, at, |connection| connection.mark = mark);
            if let Some(held) = cx.state.tracked.get_mut(at) {
                held.mark = mark;
            }
        }
    }
    Ok(())
}

/// Changes a connection that is held; it may be gone from the table.
fn change<R>(
    cx: &mut Cx<'_, Host>,
    at: usize,
    operation: impl FnOnce(&mut Connection) -> R,
) -> Option<R> {
    let host = &mut *cx.state;
    match &mut host.tracked.get_mut(at)?.what {
        What::New(new) => Some(operation(new)),
        What::Known(id) => {
            let mut table = host.connections.lock().unwrap_or_else(|err| err.into_inner());
            table.get_mut(*id).map(operation)
        }
    }
}

/// Shows the program what has become of a connection that it holds.
fn renew(cx: &mut Cx<'_, Host>, at: usize) {
    let Some(connection) = change(cx, at, |connection| connection.clone()) else { return };
    let (Some(held), Some(btf)) = (cx.state.tracked.get(at), cx.state.kernel.as_deref()) else {
        return;
    };
    let (addr, bytes) = (held.addr, layout::nf_conn(btf, &connection, ticks(&connection)).0);
    cx.mem.change_copy(addr, &bytes);
}

/// The place of a connection that the program holds.
fn held(cx: &mut Cx<'_, Host>, kfunc: &str, ct: u64) -> Result<usize, Stop> {
    collect_marks(cx)?;
    let wants = "a connection that the program holds";
    cx.state.tracked.iter().position(|held| held.addr == ct).ok_or_else(|| {
        FaultKind::Argument { helper: kfunc.into(), arg: 1, wants, value: ct }.into()
    })
}

/// Kernel: `bpf_ct_insert_entry`.
fn insert(cx: &mut Cx<'_, Host>, ct: u64) -> Result<u64, Stop> {
    let at = held(cx, "bpf_ct_insert_entry", ct)?;
    let now = cx.state.monotonic_ns();
    let Some(Tracked { what: What::New(new), .. }) = cx.state.tracked.get(at) else {
        let wants = "a connection that is not in the table";
        let helper = "bpf_ct_insert_entry".into();
        return Err(FaultKind::Argument { helper, arg: 1, wants, value: ct }.into());
    };
    let mut new = (**new).clone();
    new.status |= bits::CONFIRMED;
    new.expires = new.expires.map(|after| now.saturating_add(after));
    let inserted = cx.state.connections().insert(new, now);
    match inserted {
        Some(id) => {
            if let Some(held) = cx.state.tracked.get_mut(at) {
                held.what = What::Known(id);
            }
            renew(cx, at);
            Ok(ct)
        }
        None => {
            drop_at(cx, at);
            Ok(0)
        }
    }
}

fn release(cx: &mut Cx<'_, Host>, ct: u64) -> Result<(), Stop> {
    let at = held(cx, "bpf_ct_release", ct)?;
    match cx.state.tracked.get_mut(at) {
        Some(held) if held.refs > 1 => held.refs -= 1,
        _ => drop_at(cx, at),
    }
    Ok(())
}

fn drop_at(cx: &mut Cx<'_, Host>, at: usize) {
    let gone = cx.state.tracked.swap_remove(at);
    cx.mem.drop_copy(gone.addr);
}

/// Kernel: `__nf_ct_change_timeout`.
fn set_timeout(cx: &mut Cx<'_, Host>, kfunc: &str, ct: u64, ms: u32) -> Result<u64, Stop> {
    let at = held(cx, kfunc, ct)?;
    let now = cx.state.monotonic_ns();
    let after = u64::from(ms) * 1_000_000;
    let changed = change(cx, at, |connection| {
        let confirmed = connection.status & bits::CONFIRMED != 0;
        if confirmed && connection.status & bits::FIXED_TIMEOUT != 0 {
            return Err(Errno::EPERM);
        }
        connection.expires = Some(if confirmed { now.saturating_add(after) } else { after });
        Ok(())
    });
    renew(cx, at);
    // One that is gone meanwhile is dying.
    Ok(status(changed.unwrap_or(Err(Errno::ETIME))))
}

/// Kernel: `nf_ct_change_status_common`.
fn set_status(cx: &mut Cx<'_, Host>, kfunc: &str, ct: u64, wanted: u32) -> Result<u64, Stop> {
    use bits::*;
    let at = held(cx, kfunc, ct)?;
    let changed = change(cx, at, |connection| {
        let different = connection.status ^ wanted;
        let taken_away = different & !wanted;
        if different & (EXPECTED | CONFIRMED | DYING) != 0
            || taken_away & (SEEN_REPLY | ASSURED) != 0
        {
            return Err(Errno::EBUSY);
        }
        connection.status |= wanted & 0xffff & !UNCHANGEABLE;
        Ok(())
    });
    renew(cx, at);
    Ok(status(changed.unwrap_or(Err(Errno::EBUSY))))
}

/// Kernel: `bpf_ct_set_nat_info`. A port that is not told stays what it is.
fn set_nat(cx: &mut Cx<'_, Host>, ct: u64, addr: u64, port: i32, which: u32) -> Result<u64, Stop> {
    let at = held(cx, "bpf_ct_set_nat_info", ct)?;
    let bytes = cx.mem.read_vec(addr, 16)?;
    let (source, bit, done) = match which {
        0 => (true, bits::SRC_NAT, bits::SRC_NAT_DONE),
        1 => (false, bits::DST_NAT, bits::DST_NAT_DONE),
        _ => return Ok(Errno::EINVAL.r0()),
    };
    let changed = change(cx, at, |connection| {
        // Kernel: `nf_nat_setup_info` leaves what is in the table as it is.
        if connection.status & bits::CONFIRMED != 0 {
            return Ok(());
        }
        if connection.status & done != 0 {
            return Err(Errno::ENOMEM);
        }
        let (from, to) = &mut connection.reply;
        let end = if source { to } else { from };
        let before = *end;
        end.set_ip(match (before.ip(), bytes.first_chunk::<4>(), bytes.first_chunk::<16>()) {
            (IpAddr::V4(_), Some(addr), _) => Ipv4Addr::from(*addr).into(),
            (IpAddr::V6(_), _, Some(addr)) => Ipv6Addr::from(*addr).into(),
            (addr, ..) => addr,
        });
        if let Some(port) = u16::try_from(port & 0xffff).ok().filter(|_| port > 0) {
            end.set_port(port);
        }
        connection.status |= done | if *end == before { 0 } else { bit };
        Ok(())
    });
    renew(cx, at);
    Ok(status(changed.unwrap_or(Err(Errno::ENOMEM))))
}

/// Ends what the program held when its run ended.
pub(crate) fn forget(host: &mut Host) {
    host.tracked.clear();
}
