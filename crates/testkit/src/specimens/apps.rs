//! Text protocols and what is encrypted.

use super::build::{cat, hex, tcp4, tcp6, udp4};

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let to = |port: u16, text: &str| tcp4(40000, port, 0x18, &[], text.as_bytes());
    let from = |port: u16, text: &str| tcp4(port, 40000, 0x18, &[], text.as_bytes());
    let hello = hex(
        "16030100 4a 01000046 0303 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 00 0002 1301 0100 \
         001b 0000 0010 000e 00 000b 6578616d706c652e636f6d 0010 0003 0002 0168",
    );
    vec![
        ("http get", to(80, "GET /index.html HTTP/1.1\r\nHost: example.com\r\nUser-Agent: x\r\n\r\n")),
        ("http answer", from(80, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")),
        ("http body", from(80, "just the rest of a body\nwith lines\n")),
        ("http post", to(8080, "POST /form HTTP/1.0\r\n\r\na=b&c=d")),
        ("http 6", tcp6(40000, 80, 0x18, &[], b"HEAD / HTTP/1.1\r\n\r\n")),
        ("http odd", to(80, "\u{1}\u{2}GET nothing")),
        ("http control", to(80, "GET /\u{7}\u{1b}[31m HTTP/1.1\r\n\r\n")),
        ("smtp", to(25, "MAIL FROM:<a@example.com>\r\n")),
        ("smtp answer", from(25, "250 ok\r\n")),
        ("ftp", to(21, "USER anonymous\r\n")),
        ("ftp answer", from(21, "220 ready\r\n")),
        ("ssh", from(22, "SSH-2.0-OpenSSH_9.2\r\n")),
        ("ssh data", from(22, "\u{0}\u{0}\u{5}binary")),
        ("whois", to(43, "example.com\r\n")),
        ("rtsp", to(554, "OPTIONS rtsp://example.com/a RTSP/1.0\r\nCSeq: 1\r\n\r\n")),
        ("sip", udp4(5060, 5060, b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nCSeq: 1 INVITE\r\n\r\n")),
        ("sip answer", udp4(5060, 5060, b"SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n")),
        ("sip odd", udp4(5060, 5060, b"hello\r\n")),
        ("sip tcp", to(5060, "REGISTER sip:example.com SIP/2.0\r\n\r\n")),
        ("tls hello", tcp4(40000, 443, 0x18, &[], &hello)),
        ("tls data", tcp4(443, 40000, 0x18, &[], &hex("1703030005 0102030405"))),
        ("quic", udp4(50000, 443, &cat(&[&hex("c3 00000001 08 0102030405060708 00 00 4004 01020304")]))),
        ("quic short", udp4(50000, 443, &hex("43 0102030405060708 0102030405"))),
        ("rtp", udp4(5004, 5004, &hex("80 00 0001 00000001 01020304 d5d5d5d5"))),
    ]
}
