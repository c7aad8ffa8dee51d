//! Lists: `host in {…}`, `port in @file`, `vlan in {…}`.
//!
//! What is in a list is brought into order first: numbers as ranges that do not touch, prefixes of IPv6 by
//! their first bits. What others cover is left out, and what is long is searched as a tree.

use super::port::Ports;
use super::{ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_REVARP, Lowering};
use crate::ast::{Kind, List, Proto, Qual};
use crate::error::{Error, ErrorKind};
use crate::form::{Cmp, FormId, Rhs, Value, ValueId};
use crate::table::{LARGE, Prefixes};
use skep_cbpf::Size;
use skep_diag::Span;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges that are tried one after the other.
const LEAF: usize = 8;

/// Both ends of a range are in it.
pub(super) type Range = (u32, u32);

/// A word of a list.
struct Item {
    word: String,
    /// The word, or the name of the file that it is in.
    span: Span,
    /// Where in the file.
    line: Option<u64>,
}

/// Addresses, in order.
#[derive(Debug, Default)]
struct Hosts {
    ip4: Vec<Range>,
    /// Prefixes and their lengths.
    ip6: Vec<(u128, u32)>,
}

impl Lowering<'_> {
    /// `host in …`, `net in …`, `port in …`, `src in …`
    pub(super) fn in_list(&mut self, qual: Qual, list: List) -> Result<FormId, Error> {
        match qual.kind {
            Kind::Port => self.ports_in_list(qual, list),
            _ => self.hosts_in_list(qual, list),
        }
    }

    /// Words of a list, and where they stand.
    fn items(&self, list: List) -> Result<Vec<Item>, Error> {
        let expr = self.expr;
        let name = expr.slice(list.span);
        let text = if list.is_file {
            self.options.resolver.list(name).map_err(|err| {
                let kind = ErrorKind::Unread { file: name.into(), why: err.to_string() };
                Error::new(list.span, kind)
            })?
        } else {
            name.to_owned()
        };
        let mut items = Vec::new();
        let mut at = 0;
        for (row, line) in (1..).zip(text.split_inclusive('\n')) {
            let code = line.split('#').next().unwrap_or("");
            let mut start = 0;
            for part in code.split_inclusive(|c: char| c == ',' || c.is_whitespace()) {
                let word = part.trim_end_matches(|c: char| c == ',' || c.is_whitespace());
                if !word.is_empty() {
                    let begin = list.span.start + at + start;
                    let span = Span::new(begin, begin + word.len());
                    items.push(if list.is_file {
                        Item { word: word.to_owned(), span: list.span, line: Some(row) }
                    } else {
                        Item { word: word.to_owned(), span, line: None }
                    });
                }
                start += part.len();
            }
            at += line.len();
        }
        if items.is_empty() {
            return Err(Error::new(list.span, ErrorKind::EmptyList));
        }
        Ok(items)
    }

    /// What is wrong with an item.
    fn wrong_item(&self, item: &Item, kind: ErrorKind) -> Error {
        let kind = match item.line {
            Some(line) => {
                let file = self.expr.slice(item.span).into();
                ErrorKind::InFile { file, line, kind: Box::new(kind) }
            }
            None => kind,
        };
        Error::new(item.span, kind)
    }

    /// Numbers and ranges of them, up to a greatest one.
    fn numbers(
        &self,
        list: List,
        what: &'static str,
        most: u32,
        named: impl Fn(&str) -> Option<u32>,
    ) -> Result<Vec<Range>, Error> {
        let mut ranges = Vec::new();
        for item in self.items(list)? {
            let number = |text: &str| number(text).or_else(|| named(text));
            let range = match number(&item.word) {
                Some(one) => Some((one, one)),
                None => item
                    .word
                    .split_once('-')
                    .and_then(|(first, last)| Some((number(first)?, number(last)?))),
            };
            let Some((first, last)) = range else {
                let kind = ErrorKind::Item { text: item.word.clone(), what };
                return Err(self.wrong_item(&item, kind));
            };
            let greatest = first.max(last);
            if greatest > most {
                let kind = ErrorKind::TooLarge { what, value: greatest.into(), most: most.into() };
                return Err(self.wrong_item(&item, kind));
            }
            ranges.push((first.min(last), greatest));
        }
        Ok(merged(ranges))
    }

    /// The numbers of VLANs in a list.
    pub(super) fn vlans(&self, list: List) -> Result<Vec<Range>, Error> {
        self.numbers(list, "VLAN", 0xfff, |_| None)
    }

    fn ports_in_list(&mut self, qual: Qual, list: List) -> Result<FormId, Error> {
        let resolver = self.options.resolver;
        let named = |name: &str| resolver.port(name).map(|port| u32::from(port.port));
        let ranges = self.numbers(list, "port", 0xffff, named)?;
        let protocol = self.port_protocol(qual)?;
        let ports = Ports { first: 0, last: 0, is_range: true, ranges: Some(&ranges) };
        self.ports(ports, protocol, qual.dir)
    }

    fn hosts_in_list(&mut self, qual: Qual, list: List) -> Result<FormId, Error> {
        let hosts = self.hosts(list)?;
        let mut all: Option<FormId> = None;
        let mut either = |this: &mut Self, form: FormId| {
            all = Some(match all {
                Some(all) => this.or(all, form),
                None => form,
            });
        };
        let kinds: &[(u32, [u32; 2])] = match qual.proto {
            None if self.headers.labels > 0 => &[(ETHERTYPE_IP, [12, 16])],
            None => {
                &[(ETHERTYPE_IP, [12, 16]), (ETHERTYPE_ARP, [14, 24]), (ETHERTYPE_REVARP, [14, 24])]
            }
            Some(Proto::Ip) => &[(ETHERTYPE_IP, [12, 16])],
            Some(Proto::Arp) => &[(ETHERTYPE_ARP, [14, 24])],
            Some(Proto::Rarp) => &[(ETHERTYPE_REVARP, [14, 24])],
            Some(Proto::Ip6) => &[],
            Some(proto) => return Err(self.qualifier(proto, "lists of addresses")),
        };
        if !hosts.ip4.is_empty() {
            if kinds.is_empty() {
                return Err(self.qualifier(Proto::Ip6, "an IPv4 address"));
            }
            for &(kind, places) in kinds {
                let kind = self.linktype(kind)?;
                let ends = self.either_end(qual.dir, |this, is_src| {
                    let at = places[usize::from(!is_src)];
                    let field = this.load(this.network(), at, Size::W)?;
                    Ok(this.in_ranges(field, u32::MAX, &hosts.ip4))
                })?;
                let form = self.and(kind, ends);
                either(self, form);
            }
        }
        if !hosts.ip6.is_empty() {
            if let Some(proto) = qual.proto.filter(|&proto| proto != Proto::Ip6) {
                return Err(self.qualifier(proto, "an IPv6 address"));
            }
            let kind = self.linktype(ETHERTYPE_IPV6)?;
            let ends = self.either_end(qual.dir, |this, is_src| {
                this.in_hosts6(if is_src { 8 } else { 24 }, &hosts.ip6)
            })?;
            let form = self.and(kind, ends);
            either(self, form);
        }
        Ok(all.unwrap_or_else(|| self.constant(false)))
    }

    fn hosts(&self, list: List) -> Result<Hosts, Error> {
        let mut hosts = Hosts::default();
        for item in self.items(list)? {
            let word = &item.word;
            if hosts.add(word) {
                continue;
            }
            let is_name =
                word.bytes().any(|byte| byte.is_ascii_alphabetic()) && !word.contains([':', '/']);
            if !is_name {
                let what = "address, network or range";
                return Err(self.wrong_item(&item, ErrorKind::Item { text: word.clone(), what }));
            }
            let found = self.options.resolver.host(word);
            if found.is_empty() {
                let kind = ErrorKind::Name { what: "host", name: word.clone() };
                return Err(self.wrong_item(&item, kind));
            }
            for addr in found {
                match addr {
                    IpAddr::V4(addr) => hosts.ip4.push((addr.to_bits(), addr.to_bits())),
                    IpAddr::V6(addr) => hosts.ip6.push((addr.to_bits(), 128)),
                }
            }
        }
        hosts.ip4 = merged(hosts.ip4);
        hosts.ip6.sort_unstable();
        // What a shorter prefix covers stands behind it.
        hosts.ip6.dedup_by(|next, kept| (next.0 ^ kept.0) & mask6(kept.1) == 0);
        Ok(hosts)
    }

    /// Whether the bits of the value are in one of the ranges, which are in order and do not touch.
    pub(super) fn in_ranges(&mut self, value: ValueId, mask: u32, ranges: &[Range]) -> FormId {
        if self.options.tables && mask == u32::MAX {
            let (single, wide): (Vec<Range>, Vec<Range>) =
                ranges.iter().partition(|range| range.0 == range.1);
            if single.len() >= LARGE {
                let member = self.in_table(value, single.iter().map(|range| range.0).collect());
                if wide.is_empty() {
                    return member;
                }
                let wide = self.in_ranges(value, mask, &wide);
                return self.or(member, wide);
            }
        }
        if ranges.len() > LEAF {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let first = high.first().map_or(0, |range| range.0);
            let above = self.test(value, mask, Cmp::Ge, Rhs::Const(first));
            let below = self.not(above);
            let (low, high) = (self.in_ranges(value, mask, low), self.in_ranges(value, mask, high));
            let (low, high) = (self.and(below, low), self.and(above, high));
            return self.or(high, low);
        }
        let mut all = None;
        for &(first, last) in ranges {
            let form = if first == last {
                self.masked(value, mask, first)
            } else {
                let least = self.test(value, mask, Cmp::Ge, Rhs::Const(first));
                let above = self.test(value, mask, Cmp::Gt, Rhs::Const(last));
                let most = self.not(above);
                self.and(least, most)
            };
            all = Some(match all {
                Some(all) => self.or(all, form),
                None => form,
            });
        }
        all.unwrap_or_else(|| self.constant(false))
    }

    /// Whether the value is one of many numbers, which are in order.
    fn in_table(&mut self, value: ValueId, numbers: Vec<u32>) -> FormId {
        let sets = &mut self.meaning.sets;
        let set = sets.iter().position(|set| *set == numbers).unwrap_or_else(|| {
            sets.push(numbers);
            sets.len() - 1
        });
        let set = u32::try_from(set).unwrap_or(u32::MAX);
        let member = self.meaning.values.add(Value::Member(set, value));
        self.equals(member, 0)
    }

    /// Whether an IPv6 address has one of the prefixes. Many of one length are a table, where there are tables; a packet
    /// that ends before what these ask for is rejected, with tables and without.
    fn in_hosts6(&mut self, at: u32, prefixes: &[(u128, u32)]) -> Result<FormId, Error> {
        let mut counts = [0usize; 129];
        for &(_, len) in prefixes {
            if let Some(count) = counts.get_mut(len as usize) {
                *count += 1;
            }
        }
        let is_many = |len: u32| counts.get(len as usize).is_some_and(|&count| count >= LARGE);
        let Some(longest) = (1..=128).rev().find(|&len| is_many(len)) else {
            return self.in_prefixes(at, 0, prefixes);
        };
        let last = self.load(self.network(), at + 4 * (longest.div_ceil(32) - 1), Size::W)?;
        let is_there = self.test(last, 0, Cmp::Eq, Rhs::Const(0));
        if !self.options.tables {
            let is_in = self.in_prefixes(at, 0, prefixes)?;
            return Ok(self.and(is_there, is_in));
        }
        let place = self.network();
        let base = match place.cell {
            Some(cell) => self.cell(cell)?,
            None => self.meaning.values.add(Value::Const(0)),
        };
        let off = place.at.wrapping_add(at);
        let mut all = None;
        for len in (1..=128).filter(|&len| is_many(len)) {
            let list = prefixes.iter().filter(|prefix| prefix.1 == len).map(|prefix| prefix.0);
            let set = Prefixes { len, list: list.collect() };
            let sets = &mut self.meaning.prefixes;
            let number = sets.iter().position(|other| *other == set).unwrap_or_else(|| {
                sets.push(set);
                sets.len() - 1
            });
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let member = self.meaning.values.add(Value::Prefix(number, base, off));
            let member = self.equals(member, 0);
            all = Some(all.map_or(member, |all| self.or(all, member)));
        }
        let few: Vec<(u128, u32)> =
            prefixes.iter().copied().filter(|&(_, len)| !is_many(len)).collect();
        let mut is_in = all.unwrap_or_else(|| self.constant(false));
        if !few.is_empty() {
            let is_few = self.in_prefixes(at, 0, &few)?;
            is_in = self.or(is_in, is_few);
        }
        Ok(self.and(is_there, is_in))
    }

    /// Whether an IPv6 address has one of the prefixes, from its word number `word` on.
    fn in_prefixes(
        &mut self,
        at: u32,
        word: u32,
        prefixes: &[(u128, u32)],
    ) -> Result<FormId, Error> {
        let of = |addr: u128| u32::try_from(addr >> (96 - 32 * word) & 0xffff_ffff).unwrap_or(0);
        let field = self.load(self.network(), at + 4 * word, Size::W)?;
        let mut all: Option<FormId> = None;
        let mut rest = prefixes;
        while let Some(&(addr, len)) = rest.first() {
            let here = of(addr);
            let bits = len.saturating_sub(32 * word);
            let (form, count) = if bits <= 32 {
                let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
                (self.masked(field, mask, here & mask), 1)
            } else {
                let same = rest
                    .iter()
                    .take_while(|other| of(other.0) == here && other.1 > 32 * (word + 1));
                let count = same.count();
                let here = self.equals(field, here);
                let behind = self.in_prefixes(at, word + 1, &rest[..count])?;
                (self.and(here, behind), count)
            };
            all = Some(match all {
                Some(all) => self.or(all, form),
                None => form,
            });
            rest = &rest[count..];
        }
        Ok(all.unwrap_or_else(|| self.constant(false)))
    }
}

impl Hosts {
    /// Takes an address, a network or a range, if the word is one.
    fn add(&mut self, word: &str) -> bool {
        if let Some((addr, len)) = word.split_once('/') {
            let Ok(len) = len.parse::<u32>() else { return false };
            return match addr.parse::<IpAddr>() {
                Ok(IpAddr::V4(addr)) if len <= 32 => {
                    let mask = if len == 0 { 0 } else { u32::MAX << (32 - len) };
                    self.ip4.push((addr.to_bits() & mask, addr.to_bits() | !mask));
                    true
                }
                Ok(IpAddr::V6(addr)) if len <= 128 => {
                    self.ip6.push((addr.to_bits() & mask6(len), len));
                    true
                }
                _ => false,
            };
        }
        if let Some((first, last)) = word.split_once('-') {
            let (Ok(first), Ok(last)) = (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>())
            else {
                return false;
            };
            let (first, last) = (first.to_bits(), last.to_bits());
            self.ip4.push((first.min(last), first.max(last)));
            return true;
        }
        if let Ok(addr) = word.parse::<Ipv4Addr>() {
            self.ip4.push((addr.to_bits(), addr.to_bits()));
            return true;
        }
        if let Ok(addr) = word.parse::<Ipv6Addr>() {
            self.ip6.push((addr.to_bits(), 128));
            return true;
        }
        false
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?,
    }
}

const fn mask6(len: u32) -> u128 {
    if len == 0 { 0 } else { u128::MAX << (128 - len) }
}

/// In order, those that touch as one.
fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(merged(vec![(5, 9), (1, 3), (4, 4), (20, 30), (22, 25)]), [(1, 9), (20, 30)]);
        assert_eq!(merged(vec![(0, u32::MAX), (7, 7)]), [(0, u32::MAX)]);
    }

    #[test]
    fn words_of_lists() {
        let mut hosts = Hosts::default();
        for word in ["10.0.0.0/8", "192.168.1.7-192.168.1.9", "2001:db8::/32", "::1", "1.2.3.4"] {
            assert!(hosts.add(word), "{word}");
        }
        for word in ["10.0.0.0/33", "10.0.0.1-x", "::1/129", "1.2.3", "host"] {
            assert!(!hosts.add(word), "{word}");
        }
        assert_eq!(hosts.ip4[0], (0x0a00_0000, 0x0aff_ffff));
        assert_eq!(hosts.ip6[0], (0x2001_0db8 << 96, 32));
    }
}
