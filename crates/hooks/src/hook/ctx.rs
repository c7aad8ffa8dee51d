//! Contexts: `struct xdp_md` and `struct __sk_buff` of `include/uapi/linux/bpf.h`, in the byte
//! order of the host.

use super::Hook;
use crate::{Packet, PacketMeta};

/// `sizeof(struct xdp_md)`.
const XDP_MD: usize = 24;
/// `sizeof(struct __sk_buff)`.
const SK_BUFF: usize = 192;
/// `NO_QUEUE_MAPPING`: the kernel ignores writes of it and above.
const NO_QUEUE_MAPPING: u32 = 0xffff;

/// Byte positions in `struct __sk_buff`.
mod at {
    pub(super) const LEN: usize = 0;
    pub(super) const PKT_TYPE: usize = 4;
    pub(super) const MARK: usize = 8;
    pub(super) const QUEUE_MAPPING: usize = 12;
    pub(super) const PROTOCOL: usize = 16;
    pub(super) const VLAN_PRESENT: usize = 20;
    pub(super) const VLAN_TCI: usize = 24;
    pub(super) const VLAN_PROTO: usize = 28;
    pub(super) const PRIORITY: usize = 32;
    pub(super) const INGRESS_IFINDEX: usize = 36;
    pub(super) const IFINDEX: usize = 40;
    pub(super) const TC_INDEX: usize = 44;
    pub(super) const CB: usize = 48;
    pub(super) const HASH: usize = 68;
    pub(super) const TC_CLASSID: usize = 72;
    pub(super) const DATA: usize = 76;
    pub(super) const DATA_END: usize = 80;
    pub(super) const NAPI_ID: usize = 84;
    pub(super) const FAMILY: usize = 88;
    pub(super) const REMOTE_IP4: usize = 92;
    pub(super) const LOCAL_IP4: usize = 96;
    pub(super) const REMOTE_IP6: usize = 100;
    pub(super) const LOCAL_IP6: usize = 116;
    pub(super) const REMOTE_PORT: usize = 132;
    pub(super) const LOCAL_PORT: usize = 136;
    pub(super) const DATA_META: usize = 140;
    pub(super) const TSTAMP: usize = 152;
    pub(super) const WIRE_LEN: usize = 160;
    pub(super) const GSO_SEGS: usize = 164;
    pub(super) const GSO_SIZE: usize = 176;
    pub(super) const TSTAMP_TYPE: usize = 180;
    pub(super) const HWTSTAMP: usize = 184;
}

impl Hook {
    /// Size of the context.
    #[must_use]
    pub const fn ctx_len(self) -> usize {
        if self.is_skb() { SK_BUFF } else { XDP_MD }
    }

    /// Writes the context of `packet`. `base` is the address of the first byte of
    /// [`Packet::buffer_mut`] in the program's address space, in which the packet fills
    /// [`Packet::window`].
    ///
    /// Programs of a socket filter read packets by helpers and by `LD_ABS` only: to them `data` and
    /// its kin are 0.
    pub fn write_ctx(self, packet: &Packet, base: u32, ctx: &mut Vec<u8>) {
        ctx.resize(self.ctx_len(), 0);
        self.fill_ctx(packet, base, ctx);
    }

    /// The same in place of what is there already.
    ///
    /// # Panics
    /// If there are fewer bytes than [`Hook::ctx_len`].
    pub fn fill_ctx(self, packet: &Packet, base: u32, ctx: &mut [u8]) {
        let addrs = packet.addrs(base);
        if self == Self::Xdp {
            let ctx = ctx.first_chunk_mut().expect("bug: a context that is too short");
            write_xdp_md(ctx, packet, addrs);
            return;
        }
        let ctx = ctx.first_chunk_mut::<SK_BUFF>().expect("bug: a context that is too short");
        ctx.fill(0);
        let mut ctx = Ctx(ctx);
        write_packet(&mut ctx, packet);
        write_meta(&mut ctx, &packet.meta);
        write_sock(&mut ctx, &packet.meta);
        if self != Self::SocketFilter {
            ctx.put32(at::DATA, addrs.data);
            ctx.put32(at::DATA_END, addrs.end);
        }
        if self.is_tc() {
            ctx.put32(at::DATA_META, addrs.meta);
        }
    }

    /// Takes over what a program of this hook may write: nothing for XDP, scratch words for all
    /// others; `mark`, `priority` and `tstamp` for cgroups and tc; `tc_index`, `tc_classid` and
    /// `queue_mapping` for tc. Fields narrower in the kernel than in the context lose their upper
    /// bits.
    ///
    /// Kernel: `tc_cls_act_is_valid_access`, `cg_skb_is_valid_access`,
    /// `sk_filter_is_valid_access`, `bpf_convert_ctx_access`. A shorter `ctx` is not the hook's:
    /// nothing is taken from it.
    #[inline]
    pub fn read_ctx(self, packet: &mut Packet, ctx: &[u8]) {
        if let Some(ctx) = ctx.first_chunk().filter(|_| self.is_skb()) {
            self.read_skb(packet, ctx);
        }
    }

    fn read_skb(self, packet: &mut Packet, ctx: &[u8; SK_BUFF]) {
        let meta = &mut packet.meta;
        for (i, word) in meta.cb.iter_mut().enumerate() {
            *word = get32(ctx, at::CB + 4 * i);
        }
        if self == Self::SocketFilter {
            return;
        }
        meta.mark = get32(ctx, at::MARK);
        meta.priority = get32(ctx, at::PRIORITY);
        meta.tstamp = u64::from_ne_bytes(get(ctx, at::TSTAMP));
        if self.is_tc() {
            read_tc(meta, ctx);
        }
    }

    const fn is_tc(self) -> bool {
        matches!(self, Self::TcIngress | Self::TcEgress | Self::SchedAct)
    }
}

fn read_tc(meta: &mut PacketMeta, ctx: &[u8; SK_BUFF]) {
    meta.tc_index = low16(get32(ctx, at::TC_INDEX));
    meta.tc_classid = low16(get32(ctx, at::TC_CLASSID));
    let queue = get32(ctx, at::QUEUE_MAPPING);
    if queue < NO_QUEUE_MAPPING {
        meta.queue_mapping = low16(queue);
    }
}

fn write_xdp_md(ctx: &mut [u8; XDP_MD], packet: &Packet, addrs: Addrs) {
    let mut ctx = Ctx(ctx);
    ctx.put32(0, addrs.data);
    ctx.put32(4, addrs.end);
    ctx.put32(8, addrs.meta);
    ctx.put32(12, packet.meta.ingress_ifindex);
    ctx.put32(16, packet.meta.rx_queue);
    ctx.put32(20, packet.meta.egress_ifindex);
}

fn write_packet(ctx: &mut Ctx<'_, SK_BUFF>, packet: &Packet) {
    let meta = &packet.meta;
    ctx.put32(at::LEN, len32(packet.data().len()));
    ctx.put32(at::PKT_TYPE, meta.pkt_type as u32);
    ctx.put32(at::PROTOCOL, u32::from(meta.protocol.to_be()));
    if let Some(tag) = meta.vlan {
        ctx.put32(at::VLAN_PRESENT, 1);
        ctx.put32(at::VLAN_TCI, u32::from(tag.tci));
        ctx.put32(at::VLAN_PROTO, u32::from(tag.proto.to_be()));
    }
    ctx.put32(at::WIRE_LEN, packet.entered_len());
    ctx.put32(at::GSO_SEGS, meta.gso_segs);
    ctx.put32(at::GSO_SIZE, meta.gso_size);
}

fn write_meta(ctx: &mut Ctx<'_, SK_BUFF>, meta: &PacketMeta) {
    ctx.put32(at::MARK, meta.mark);
    ctx.put32(at::QUEUE_MAPPING, u32::from(meta.queue_mapping));
    ctx.put32(at::PRIORITY, meta.priority);
    ctx.put32(at::INGRESS_IFINDEX, meta.ingress_ifindex);
    ctx.put32(at::IFINDEX, meta.ifindex);
    ctx.put32(at::TC_INDEX, u32::from(meta.tc_index));
    for (i, &word) in meta.cb.iter().enumerate() {
        ctx.put32(at::CB + 4 * i, word);
    }
    ctx.put32(at::HASH, meta.hash);
    ctx.put32(at::TC_CLASSID, u32::from(meta.tc_classid));
    ctx.put32(at::NAPI_ID, meta.napi_id);
    ctx.put(at::TSTAMP, meta.tstamp.to_ne_bytes());
    ctx.put(at::TSTAMP_TYPE, [meta.tstamp_type]);
    ctx.put(at::HWTSTAMP, meta.hwtstamp.to_ne_bytes());
}

fn write_sock(ctx: &mut Ctx<'_, SK_BUFF>, meta: &PacketMeta) {
    let sock = &meta.sock;
    ctx.put32(at::FAMILY, sock.family);
    ctx.put(at::REMOTE_IP4, sock.remote_ip4);
    ctx.put(at::LOCAL_IP4, sock.local_ip4);
    ctx.put(at::REMOTE_IP6, sock.remote_ip6);
    ctx.put(at::LOCAL_IP6, sock.local_ip6);
    // In network order as a 32-bit number, unlike `protocol` and `vlan_proto`.
    ctx.put32(at::REMOTE_PORT, u32::from(sock.remote_port).to_be());
    ctx.put32(at::LOCAL_PORT, u32::from(sock.local_port));
}

/// Where a packet is in the program's address space.
#[derive(Clone, Copy)]
struct Addrs {
    meta: u32,
    data: u32,
    end: u32,
}

impl Packet {
    fn addrs(&self, base: u32) -> Addrs {
        let window = self.window();
        let data = window.end - self.data().len();
        let addr = |at| base.wrapping_add(len32(at));
        Addrs { meta: addr(window.start), data: addr(data), end: addr(window.end) }
    }
}

/// A context being written, all of whose fields are at constant places.
struct Ctx<'a, const LEN: usize>(&'a mut [u8; LEN]);

impl<const LEN: usize> Ctx<'_, LEN> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&bytes);
    }

    #[inline(always)]
    fn put32(&mut self, at: usize, value: u32) {
        self.put(at, value.to_ne_bytes());
    }
}

fn get<const N: usize>(ctx: &[u8; SK_BUFF], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&ctx[at..at + N]);
    bytes
}

fn get32(ctx: &[u8; SK_BUFF], at: usize) -> u32 {
    u32::from_ne_bytes(get(ctx, at))
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel stores 16 bits")]
const fn low16(value: u32) -> u16 {
    value as u16
}

fn len32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
