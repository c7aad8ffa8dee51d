//! Packets of any bytes become lines and records: at once, whole lines of text, the same each time.

use super::bytes::Bytes as Input;
use skep_dissect::{Bytes, Carried, Dissector, Field, Options, Packet, Record, Time};

/// Link types that have lines, and one that has none.
const LINKS: [u16; 14] = [0, 1, 9, 12, 50, 51, 101, 108, 113, 228, 229, 276, 14, 147];

/// Output that no packet of this size can need, however its tunnels and names are nested.
const MOST: usize = 4 << 20;

/// Input: link type, options, packets each with a byte of length.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let link = LINKS[input.below(LINKS.len())];
    let options = options(&mut input);
    let mut dissector = Dissector::new(options);
    let mut again = Dissector::new(options);
    let (mut lines, mut same) = (Vec::new(), Vec::new());
    let mut number: u64 = 0;
    while !input.is_empty() {
        number += 1;
        // Most of the time all that is left is one packet.
        let bytes = if input.u8() & 1 == 0 { input.short() } else { input.take(usize::MAX) };
        let more = u32::from(bytes.first().copied().unwrap_or(0) & 3);
        let packet = Packet {
            bytes,
            wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX) + more * more * more,
            time: number * 1_234_567_891,
            link,
            interface: Some("eth0").filter(|_| more == 1),
        };
        lines.clear();
        dissector.line(number, &packet, &mut lines);
        assert!(lines.ends_with(b"\n"), "a line ends");
        assert!(lines.len() < MOST, "{} bytes of lines", lines.len());
        same.clear();
        again.line(number, &packet, &mut same);
        assert!(lines == same, "the same packet has the same line");
        record(&packet);
    }
}

fn record(packet: &Packet<'_>) {
    let record = Record::new(packet);
    let mut json = Vec::new();
    record.write_json(1, &mut json);
    let text = std::str::from_utf8(&json).expect("JSON is UTF-8");
    assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
    let mut value = Vec::new();
    for name in Field::names() {
        let field = Field::named(name).expect("a field has its name");
        value.clear();
        record.write_field(field, &mut value);
        let _ = record.number(field);
    }
}

fn options(input: &mut Input<'_>) -> Options {
    let times =
        [Time::OfDay, Time::No, Time::Unix, Time::SincePrevious, Time::Date, Time::SinceFirst];
    let (bits, more) = (input.u8(), input.u8());
    let is = |bit: u8| bits & bit != 0;
    let link = is(1);
    Options {
        number: is(2),
        time: times[usize::from(more & 7) % times.len()],
        nanos: is(4),
        link,
        quick: is(8) && is(16),
        verbose: bits >> 6,
        absolute_seq: is(8),
        no_checksums: is(16),
        bytes: match more >> 3 & 3 {
            0 => Bytes::No,
            1 => Bytes::Hex { link },
            2 => Bytes::HexAscii { link },
            _ => Bytes::Ascii { link },
        },
        carried: match more >> 5 {
            1 => Some(Carried::Domain),
            2 => Some(Carried::Radius),
            3 => Some(Carried::Rtp),
            4 => Some(Carried::Rtcp),
            5 => Some(Carried::Snmp),
            6 => Some(Carried::Vat),
            7 => Some(Carried::Vxlan),
            _ => None,
        },
        beyond: is(32),
        ..Options::default()
    }
}
