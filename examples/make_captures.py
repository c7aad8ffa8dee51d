#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes the captures of this directory; `make_captures.py --check` compares them instead.

Python's standard library only (and the `zstd` command for traffic.pcap.zst), no clock and no random
device: the same bytes every time. Compressed bytes depend on the compressor's version, so that the
check compares what they unpack to.

Addresses are those set aside for documentation (RFC 5737, RFC 3849) and private ones (RFC 1918).
"""

import gzip
import io
import ipaddress
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
START_NS = 1_700_000_000 * 10**9

ETH_IPV4, ETH_ARP, ETH_VLAN, ETH_IPV6, ETH_QINQ = 0x0800, 0x0806, 0x8100, 0x86DD, 0x88A8
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

GATEWAY_MAC = bytes.fromhex("020000000001")
WEB, TLS, DNS, SERVER = "192.0.2.80", "192.0.2.44", "10.0.0.53", "10.0.0.80"


# --- packets, from the inside out


def checksum(data):
    """The Internet checksum, RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(addr):
    return ipaddress.ip_address(addr).packed


def transport_checksum(saddr, daddr, proto, segment):
    """Over the pseudo-header of RFC 9293, section 3.1, or of RFC 8200, section 8.1."""
    src, dst = packed(saddr), packed(daddr)
    if len(src) == 4:
        pseudo = src + dst + struct.pack("!BBH", 0, proto, len(segment))
    else:
        pseudo = src + dst + struct.pack("!IxxxB", len(segment), proto)
    return checksum(pseudo + segment)


def mac(addr):
    """A locally administered MAC made of the address."""
    return b"\x02\x00" + packed(addr)[-4:]


def ethernet(saddr, daddr, proto, payload, tags=()):
    """`tags` from the outside in, as (ethertype, VLAN id). Padded to the least length."""
    frame = mac(daddr) + mac(saddr)
    for tag_type, vlan in tags:
        frame += struct.pack("!HH", tag_type, vlan)
    frame += struct.pack("!H", proto) + payload
    return frame.ljust(60, b"\0")


def ipv4(saddr, daddr, proto, payload, ttl=64, ident=0, options=b"", fragment=0x4000):
    words = 5 + len(options) // 4
    fields = [words | 0x40, 0, words * 4 + len(payload), ident, fragment, ttl, proto, 0]
    head = struct.pack("!BBHHHBBH", *fields) + packed(saddr) + packed(daddr) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(saddr, daddr, proto, payload, hops=64):
    head = struct.pack("!IHBB", 6 << 28, len(payload), proto, hops)
    return head + packed(saddr) + packed(daddr) + payload


def tcp(saddr, daddr, sport, dport, seq, ack, flags, payload=b"", window=64240, options=b""):
    words = 5 + len(options) // 4
    fields = [sport, dport, seq % 2**32, ack % 2**32, words << 4, flags, window, 0, 0]
    segment = struct.pack("!HHIIBBHHH", *fields) + options + payload
    check = transport_checksum(saddr, daddr, TCP, segment)
    return segment[:16] + struct.pack("!H", check) + segment[18:]


def udp(saddr, daddr, sport, dport, payload):
    datagram = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    # 0 would mean "no checksum".
    check = transport_checksum(saddr, daddr, UDP, datagram) or 0xFFFF
    return datagram[:6] + struct.pack("!H", check) + datagram[8:]


def icmp_echo(kind, ident, seq, payload):
    message = struct.pack("!BBHHH", kind, 0, 0, ident, seq) + payload
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def icmpv6(saddr, daddr, kind, body):
    message = struct.pack("!BBH", kind, 0, 0) + body
    check = transport_checksum(saddr, daddr, ICMPV6, message)
    return message[:2] + struct.pack("!H", check) + message[4:]


def arp(operation, sender, target):
    target_mac = bytes(6) if operation == 1 else mac(target)
    head = struct.pack("!HHBBH", 1, ETH_IPV4, 6, 4, operation)
    return head + mac(sender) + packed(sender) + target_mac + packed(target)


def dns_name(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def dns_query(ident, name):
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + dns_name(name) + b"\0\x01\0\x01"


def dns_answer(ident, name, addr):
    head = struct.pack("!HHHHHH", ident, 0x8180, 1, 1, 0, 0)
    # The answer's name is a pointer to the question's, at byte 12.
    record = struct.pack("!HHHIH", 0xC00C, 1, 1, 300, 4) + packed(addr)
    return head + dns_name(name) + b"\0\x01\0\x01" + record


# --- conversations: lists of frames


def link(saddr, daddr, payload, tags=()):
    proto = ETH_IPV4 if len(packed(saddr)) == 4 else ETH_IPV6
    return ethernet(saddr, daddr, proto, payload, tags)


def network(saddr, daddr, proto, payload, ident):
    if len(packed(saddr)) == 4:
        return ipv4(saddr, daddr, proto, payload, ident=ident)
    return ipv6(saddr, daddr, proto, payload)


class TcpConversation:
    """Both ends of a connection, with sequence numbers that fit."""

    def __init__(self, client, server, sport, dport, rng, tags=()):
        self.ends = [(client, sport), (server, dport)]
        self.seq = [rng.getrandbits(32), rng.getrandbits(32)]
        self.ident = rng.getrandbits(15)
        self.tags = tags
        self.frames = []

    def send(self, end, flags, payload=b"", options=b""):
        (saddr, sport), (daddr, dport) = self.ends[end], self.ends[1 - end]
        ack = self.seq[1 - end] if flags & ACK else 0
        segment = tcp(
            saddr, daddr, sport, dport, self.seq[end], ack, flags, payload, options=options
        )
        self.ident += 1
        packet = network(saddr, daddr, TCP, segment, self.ident % 2**16)
        self.frames.append(link(saddr, daddr, packet, self.tags))
        self.seq[end] += len(payload) + bool(flags & SYN) + bool(flags & FIN)

    def open(self):
        options = bytes.fromhex("020405b4 0402 0101")  # MSS 1460, SACK permitted, padding
        self.send(0, SYN, options=options)
        self.send(1, SYN | ACK, options=options)
        self.send(0, ACK)

    def close(self):
        self.send(0, FIN | ACK)
        self.send(1, FIN | ACK)
        self.send(0, ACK)


def http(client, server, port, dport, rng, path, pieces, tags=(), piece_len=(80, 240)):
    talk = TcpConversation(client, server, port, dport, rng, tags)
    talk.open()
    talk.send(0, PSH | ACK, f"GET /{path} HTTP/1.1\r\nHost: www.example\r\n\r\n".encode())
    talk.send(1, ACK)
    talk.send(1, PSH | ACK, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    for piece in range(pieces):
        text = f"{path} {piece} ".encode() * 200
        talk.send(1, PSH | ACK, text[: rng.randrange(*piece_len)])
        talk.send(0, ACK)
    talk.close()
    return talk.frames


def tls(client, server, port, rng, records):
    """Only the record headers mean something."""
    talk = TcpConversation(client, server, port, 443, rng)
    talk.open()
    for record in range(records):
        body = rng.randbytes(40 + rng.randrange(120))
        talk.send(record % 2, PSH | ACK, struct.pack("!BHH", 23, 0x0303, len(body)) + body)
    talk.close()
    return talk.frames


def resolve(client, port, ident, name, addr, tags=()):
    asked = udp(client, DNS, port, 53, dns_query(ident, name))
    answered = udp(DNS, client, 53, port, dns_answer(ident, name, addr))
    return [
        link(client, DNS, ipv4(client, DNS, UDP, asked, ident=ident), tags),
        link(DNS, client, ipv4(DNS, client, UDP, answered, ident=ident), tags),
    ]


def ping(client, server, ident, count):
    frames = []
    for seq in range(1, count + 1):
        body = bytes(range(48))
        for saddr, daddr, kind in [(client, server, 8), (server, client, 0)]:
            packet = ipv4(saddr, daddr, ICMP, icmp_echo(kind, ident, seq, body), ident=seq)
            frames.append(link(saddr, daddr, packet))
    return frames


def ping6(client, server, ident, count):
    frames = []
    for seq in range(1, count + 1):
        body = struct.pack("!HH", ident, seq) + bytes(range(32))
        for saddr, daddr, kind in [(client, server, 128), (server, client, 129)]:
            packet = ipv6(saddr, daddr, ICMPV6, icmpv6(saddr, daddr, kind, body))
            frames.append(link(saddr, daddr, packet))
    return frames


def who_has(asker, target):
    asked = b"\xff" * 6 + mac(asker) + struct.pack("!H", ETH_ARP) + arp(1, asker, target)
    return [asked.ljust(60, b"\0"), ethernet(target, asker, ETH_ARP, arp(2, target, asker))]


def scan(attacker, target, ports):
    """SYNs without answer."""
    frames = []
    for n, port in enumerate(ports):
        segment = tcp(attacker, target, 54321, port, 0x1000 + n, 0, SYN, window=1024)
        frames.append(link(attacker, target, ipv4(attacker, target, TCP, segment, ident=n)))
    return frames


def odd_frames(rng):
    """What a filter must survive: right in itself, but rare."""
    client = "10.0.0.12"
    big = udp(client, SERVER, 4000, 9000, bytes(n % 251 for n in range(600)))
    echo = icmp_echo(8, 77, 1, b"abcdefgh")
    syn = tcp(client, WEB, 40999, 80, 1, 0, SYN)
    query = udp(client, DNS, 5353, 53, dns_query(9, "options.example"))
    noise = udp(client, WEB, 40123, 40124, rng.randbytes(90))
    record_route = bytes([7, 7, 4, 0, 0, 0, 0, 0])
    return [
        # Expires on the way.
        link(client, WEB, ipv4(client, WEB, ICMP, echo, ttl=1)),
        link(client, WEB, ipv4(client, WEB, TCP, syn, ttl=1)),
        link(client, WEB, ipv4(client, WEB, UDP, udp(client, WEB, 33434, 33434, b""), ttl=1)),
        # Two fragments; the second has no ports.
        link(client, SERVER, ipv4(client, SERVER, UDP, big[:304], ident=99, fragment=0x2000)),
        link(client, SERVER, ipv4(client, SERVER, UDP, big[304:], ident=99, fragment=304 // 8)),
        # IPv4 options move the transport header.
        link(client, DNS, ipv4(client, DNS, UDP, query, options=record_route)),
        # Sources that cannot be.
        link("127.0.0.1", WEB, ipv4("127.0.0.1", WEB, ICMP, echo)),
        link("224.0.0.5", WEB, ipv4("224.0.0.5", WEB, ICMP, echo)),
        link("0.1.2.3", WEB, ipv4("0.1.2.3", WEB, ICMP, echo)),
        # A protocol nobody asked for (GRE around nothing), and a random payload.
        link(client, WEB, ipv4(client, WEB, 47, bytes.fromhex("00000800"))),
        link(client, WEB, ipv4(client, WEB, UDP, noise)),
    ]


def broken_frames():
    """What no stack accepts: each wrong in one way."""
    client = "10.0.0.13"
    segment = tcp(client, WEB, 40000, 80, 7, 0, SYN)
    whole = link(client, WEB, ipv4(client, WEB, TCP, segment))
    frames = [whole[:length] for length in (14, 20, 33, 38, 53)]  # cut off
    frames.append(whole[:14] + b"\x44" + whole[15:])  # header length of 4 words
    frames.append(whole[:14] + b"\x4f" + whole[15:50])  # header longer than the packet
    frames.append(whole[:14] + b"\x65" + whole[15:])  # version 6 in an IPv4 frame
    frames.append(whole[:24] + bytes([whole[24] ^ 0xFF]) + whole[25:])  # IPv4 checksum
    frames.append(whole[:50] + bytes([whole[50] ^ 0xFF]) + whole[51:])  # TCP checksum
    frames.append(whole[:12] + b"\x81\x00\x00")  # half a VLAN tag
    return frames


# --- the capture


def traffic(seed=1):
    """About a thousand frames, conversations interleaved as they would be on a wire."""
    rng = Random(seed)
    clients = [f"10.0.0.{host}" for host in range(10, 18)]
    talks = []
    for n, client in enumerate(clients):
        talks.append(who_has(client, "10.0.0.1"))
        for k in range(4):
            name = ("www", "api", "mail", "cdn")[k] + ".example"
            talks.append(resolve(client, 50000 + 8 * n + k, 256 * n + k, name, WEB))
        for k in range(3):
            talks.append(http(client, WEB, 41000 + 8 * n + k, 80, rng, f"page{k}", 4 + 2 * k))
        talks.append(tls(client, TLS, 42000 + n, rng, 6))
        talks.append(ping(client, WEB, 100 + n, 2))
    talks.append(http("10.0.0.19", SERVER, 43001, 8080, rng, "status", 3))
    talks.append(http("10.0.0.20", WEB, 43005, 80, rng, "download", 9, piece_len=(1400, 1461)))
    talks.append(http("10.66.0.5", WEB, 43002, 80, rng, "quarantined", 1))
    talks.append(http("10.66.0.1", WEB, 43003, 80, rng, "gateway", 1))
    talks.append(http("198.51.100.7", WEB, 43004, 80, rng, "denied", 1))
    talks.append(scan("203.0.113.66", WEB, [21, 22, 23, 25, 80, 110, 143, 443, 3306, 8080]))
    talks.append(scan("10.0.0.14", "10.0.0.23", [23, 23, 23]))
    for n in range(3):
        client, server = f"2001:db8::{n + 10}", "2001:db8::80"
        talks.append(http(client, server, 44000 + n, 80, rng, f"six{n}", 2))
        talks.append(ping6(client, server, 200 + n, 3))
    one, two = [(ETH_VLAN, 10)], [(ETH_QINQ, 100), (ETH_VLAN, 20)]
    talks.append(http("10.10.0.2", WEB, 45001, 80, rng, "tagged", 4, one))
    talks.append(http("10.20.0.2", WEB, 45002, 80, rng, "twice", 4, two))
    talks.append(resolve("10.10.0.2", 45100, 4000, "vlan.example", WEB, one))
    talks.append(resolve("10.20.0.2", 45101, 4001, "qinq.example", WEB, two))
    talks.extend([frame] for frame in odd_frames(rng))
    talks.extend([frame] for frame in broken_frames())
    return interleave(talks, rng)


def interleave(talks, rng):
    """Merges the conversations, each in order: [(nanoseconds, frame)]."""
    open_talks, waiting, now, merged = [], [iter(talk) for talk in talks], START_NS, []
    rng.shuffle(waiting)
    while open_talks or waiting:
        while waiting and len(open_talks) < 6:
            open_talks.append(waiting.pop())
        talk = rng.choice(open_talks)
        frame = next(talk, None)
        if frame is None:
            open_talks.remove(talk)
            continue
        now += rng.randrange(20_000, 2_000_000)
        merged.append((now, frame))
    return merged


def tunnels():
    """A request for a page, bare and inside of what may be around it, one a second."""
    client, server, near, far = "10.1.0.1", "10.2.0.80", "192.0.2.1", "192.0.2.2"
    client6, server6, near6, far6 = (f"2001:db8::{n}" for n in (1, 80, 101, 102))
    request = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"
    syn = ipv4(client, server, TCP, tcp(client, server, 40000, 80, 1, 0, SYN))
    page = ipv4(client, server, TCP, tcp(client, server, 40000, 80, 2, 1, PSH | ACK, request))
    segment6 = tcp(client6, server6, 40000, 80, 2, 1, PSH | ACK, request)
    page6 = ipv6(client6, server6, TCP, segment6)

    def carried(proto, payload):
        return ethernet(near, far, ETH_IPV4, ipv4(near, far, proto, payload))

    def on_port(port, payload):
        return carried(UDP, udp(near, far, 50000, port, payload))

    def extended(kind, options):
        head = struct.pack("!BB", TCP, len(options) // 8 - 1) + options[2:]
        return ethernet(client, server, ETH_IPV6, ipv6(client6, server6, kind, head + segment6))

    def fragment(offset, more, payload):
        head = struct.pack("!BBHI", TCP, 0, offset | more, 7)
        return ethernet(client, server, ETH_IPV6, ipv6(client6, server6, 44, head + payload))

    inner, inner6 = (ethernet(client, server, kind, packet)
                     for kind, packet in ((ETH_IPV4, page), (ETH_IPV6, page6)))
    tags = [(ETH_QINQ, 10), (ETH_VLAN, 20)]
    label = struct.pack("!I", 16 << 12 | 1 << 8 | 64)
    frames = [
        ethernet(client, server, ETH_IPV4, syn),
        inner,
        inner6,
        ethernet(client, server, ETH_IPV4, page, tags[1:]),
        ethernet(client, server, ETH_IPV4, page, tags),
        ethernet(client, server, 0x8847, label + page),
        ethernet(client, server, 0x8864, struct.pack("!HHHH", 0x1100, 3, 2 + len(page), 0x21) + page),
        carried(4, page),
        carried(41, page6),
        carried(47, struct.pack("!HH", 0, ETH_IPV4) + page),
        carried(47, struct.pack("!HHI", 0x2000, 0x6558, 5) + inner6),
        on_port(4789, struct.pack("!II", 0x08 << 24, 5 << 8) + inner),
        on_port(6081, struct.pack("!BBHII", 1, 0, 0x6558, 5 << 8, 0) + inner),
        ethernet(near, far, ETH_IPV6, ipv6(near6, far6, 41, page6)),
        extended(0, bytes(8)),
        extended(60, bytes(16)),
        fragment(0, 1, segment6[:40]),
        fragment(40, 0, segment6[40:]),
    ]
    return [(START_NS + n * 10**9, frame) for n, frame in enumerate(frames)]


# --- files


def pcap(packets, order="<", nanoseconds=False, snaplen=262144):
    """draft-ietf-opsawg-pcap."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    out = io.BytesIO()
    out.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, 1))
    for ns, frame in packets:
        fraction = ns % 10**9 if nanoseconds else ns % 10**9 // 1000
        kept = frame[:snaplen]
        out.write(struct.pack(order + "IIII", ns // 10**9, fraction, len(kept), len(frame)))
        out.write(kept)
    return out.getvalue()


def padded(data):
    return data + bytes(-len(data) % 4)


def option(code, value):
    return struct.pack("<HH", code, len(value)) + padded(value)


def block(kind, body):
    """draft-ietf-opsawg-pcapng, section 3.1: the length stands at both ends."""
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


def pcapng(packets, interfaces):
    """Packets of the interfaces in turn; odd ones carry a comment."""
    end = option(0, b"")
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    out = io.BytesIO()
    out.write(block(0x0A0D0D0A, section + option(4, b"make_captures.py") + end))
    for name, description in interfaces:
        options = option(2, name) + option(3, description) + option(9, b"\x09") + end
        out.write(block(1, struct.pack("<HHI", 1, 0, 262144) + options))
    for n, (ns, frame) in enumerate(packets):
        head = [n % len(interfaces), ns >> 32, ns & 0xFFFFFFFF, len(frame), len(frame)]
        comment = option(1, f"packet {n}".encode()) + end if n % 2 else b""
        out.write(block(6, struct.pack("<IIIII", *head) + padded(frame) + comment))
    return out.getvalue()


def captures():
    packets = traffic()
    interfaces = [(b"eth0", b"towards the clients"), (b"eth1", b"towards the servers")]
    return {
        "traffic.pcap": pcap(packets),
        "traffic.pcapng": pcapng(packets[:200], interfaces),
        "tunnels.pcap": pcap(tunnels()),
        "big-endian.pcap": pcap(packets[:100], ">", nanoseconds=True, snaplen=96),
    }


def zstd(data, *options):
    command = ["zstd", "--quiet", "--stdout", *options]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def gzip_packed(data):
    return gzip.compress(data, 9, mtime=0)


def compressors():
    """Suffix to how to pack and unpack."""
    known = {".gz": (gzip_packed, gzip.decompress)}
    if shutil.which("zstd"):
        known[".zst"] = (lambda data: zstd(data, "-19"), lambda data: zstd(data, "-d"))
    else:
        print("make_captures.py: no zstd command (on Debian: apt-get install zstd);"
              " traffic.pcap.zst is left as it is", file=sys.stderr)
    return known


def write():
    for name, data in captures().items():
        (HERE / name).write_bytes(data)
        if name == "traffic.pcap":
            for suffix, (pack, _) in compressors().items():
                (HERE / (name + suffix)).write_bytes(pack(data))


def check():
    """The names of the files that differ from what `write` makes."""
    differ = []
    for name, data in captures().items():
        found = {name: (HERE / name).read_bytes()}
        if name == "traffic.pcap":
            for suffix, (_, unpack) in compressors().items():
                found[name + suffix] = unpack((HERE / (name + suffix)).read_bytes())
        differ += [file for file, contents in found.items() if contents != data]
    return differ


def main(arguments):
    if arguments == ["--check"]:
        differ = check()
        for name in differ:
            print(f"make_captures.py: {name} is not what this script makes", file=sys.stderr)
        return 1 if differ else 0
    if arguments:
        print("usage: make_captures.py [--check]", file=sys.stderr)
        return 2
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
