//! Conditions that begin with a word.

use super::{Cond, Operand, Parser};
use crate::ast::{ByteOp, Dir, Id, Kind, Llc, NodeKind, Proto, Qual};
use crate::error::{Error, ErrorKind, list_of};
use crate::lex::Tok;
use crate::words::{
    LLC_S, LLC_U, Names, PF_ACTIONS, PF_REASONS, WLAN_DIRECTIONS, WLAN_SUBTYPES, WLAN_TYPES, Word,
    find,
};
use skep_diag::Span;

/// What may follow a protocol.
const AFTER_PROTO: &str = "`host`, `net`, `port`, `src`, `dst` or the like";

impl Parser<'_> {
    pub(super) fn primitive(&mut self, word: Word) -> Result<Operand, Error> {
        let start = self.current.span.start;
        let proto = match word {
            Word::Proto(proto) => {
                self.advance()?;
                if self.is_punct(b'[') {
                    let load = self.load(start, proto)?;
                    let number = self.arith_tail(load, 0)?;
                    return self.after_number(number, None, false);
                }
                Some(proto)
            }
            _ => None,
        };
        match (self.current.tok, proto) {
            (Tok::Word(Word::Broadcast), _) => {
                self.advance()?;
                Ok(self.term(start, NodeKind::Broadcast(proto)))
            }
            (Tok::Word(Word::Multicast), _) => {
                self.advance()?;
                Ok(self.term(start, NodeKind::Multicast(proto)))
            }
            (Tok::Word(Word::Type | Word::Subtype | Word::WlanDirection), _) => self.wlan(start),
            (Tok::Word(word), _) if begins_qualifiers(word) => self.qualified(start, proto),
            (_, Some(proto)) => Ok(self.term(start, NodeKind::Proto(proto))),
            (Tok::Word(word), None) => self.other(start, word),
            _ => Err(self.unexpected("a condition")),
        }
    }

    fn term(&mut self, start: usize, kind: NodeKind) -> Operand {
        Operand::Term(Cond { node: self.push(start, kind), qual: None })
    }

    /// Direction, kind and identifier.
    fn qualified(&mut self, start: usize, proto: Option<Proto>) -> Result<Operand, Error> {
        let dir = self.dir()?;
        let kind = match (self.current.tok, dir) {
            (Tok::Word(Word::Host), _) => Some(Kind::Host),
            (Tok::Word(Word::Net), _) => Some(Kind::Net),
            (Tok::Word(Word::Port), _) => Some(Kind::Port),
            (Tok::Word(Word::PortRange), _) => Some(Kind::PortRange),
            (Tok::Word(Word::Gateway), None) => Some(Kind::Gateway),
            (Tok::Word(Word::ProtoKind), None) => Some(Kind::Proto),
            (Tok::Word(Word::ProtoChain), None) => Some(Kind::ProtoChain),
            (_, None) => return Err(self.unexpected(AFTER_PROTO)),
            (_, Some(_)) => None,
        };
        if kind.is_some() {
            self.advance()?;
        }
        let kind = kind.unwrap_or_default();
        let qual = Qual { proto, dir: dir.unwrap_or_default(), kind };
        if let Some(list) = self.list()? {
            return self.in_list(start, qual, list);
        }
        let at = self.current.span;
        if !begins_id(self.current.tok) {
            return Err(self.unexpected(wanted(kind)));
        }
        let operand = if self.current.tok == Tok::Name {
            // Even one that looks like a word beyond libpcap.
            let id = self.id()?;
            let node = self.push(at.start, NodeKind::Id(qual, id));
            Operand::Id(Cond { node, qual: Some(qual) })
        } else {
            self.operand(Some(qual), true)?
        };
        let cond = match operand {
            Operand::Id(cond) => cond,
            Operand::Number(number) => self.lone_number(number, Some(qual))?,
            Operand::Term(_) => return Err(self.not_an_id(at.start)),
        };
        self.widen(cond.node, start);
        Ok(Operand::Term(cond))
    }

    fn dir(&mut self) -> Result<Option<Dir>, Error> {
        let (this, other) = match self.current.tok {
            Tok::Word(Word::WlanDir(dir)) => {
                self.advance()?;
                return Ok(Some(dir));
            }
            Tok::Word(Word::Src) => (Dir::Src, Word::Dst),
            Tok::Word(Word::Dst) => (Dir::Dst, Word::Src),
            _ => return Ok(None),
        };
        self.advance()?;
        let both = match self.current.tok {
            Tok::Word(Word::Or) => Dir::Or,
            Tok::Word(Word::And) => Dir::And,
            _ => return Ok(Some(this)),
        };
        self.advance()?;
        if !self.is_word(other) {
            return Err(self.unexpected(if this == Dir::Src { "`dst`" } else { "`src`" }));
        }
        self.advance()?;
        Ok(Some(both))
    }

    /// An identifier other than a number.
    pub(super) fn id(&mut self) -> Result<Id, Error> {
        let token = self.advance()?;
        Ok(match token.tok {
            Tok::Name => Id::Name(token.span),
            Tok::Mac(mac) => Id::Mac(mac),
            Tok::Ip6(addr) if self.is_punct(b'/') => {
                self.advance()?;
                Id::Ip6(addr, Some(self.number_token()?))
            }
            Tok::Ip6(addr) => Id::Ip6(addr, None),
            Tok::Ip4 if self.is_punct(b'/') => {
                self.advance()?;
                Id::Net4(token.span, self.number_token()?)
            }
            Tok::Ip4 if self.is_word(Word::Mask) => {
                self.advance()?;
                if self.current.tok != Tok::Ip4 {
                    return Err(self.unexpected("a mask, such as 255.255.255.0"));
                }
                Id::Mask4(token.span, self.advance()?.span)
            }
            Tok::Ip4 => Id::Ip4(token.span),
            _ => Id::Arcnet,
        })
    }

    /// A number that may follow, perhaps in parentheses.
    fn optional_number(&mut self) -> Result<Option<u32>, Error> {
        let mut depth = 0;
        while self.is_punct(b'(') {
            self.advance()?;
            depth += 1;
        }
        if depth == 0 && !matches!(self.current.tok, Tok::Number(_)) {
            return Ok(None);
        }
        let number = self.number_token()?;
        for _ in 0..depth {
            self.expect(b')', "`)`")?;
        }
        Ok(Some(number))
    }

    fn other(&mut self, start: usize, word: Word) -> Result<Operand, Error> {
        let span = self.advance()?.span;
        let kind = match word {
            Word::Less => NodeKind::Less(self.number_token()?),
            Word::Greater => NodeKind::Greater(self.number_token()?),
            Word::Byte => self.byte()?,
            Word::Inbound => NodeKind::Bound(false),
            Word::Outbound => NodeKind::Bound(true),
            Word::IfIndex => NodeKind::IfIndex(self.number_token()?),
            Word::Vlan => match self.list()? {
                Some(list) => NodeKind::VlanIn(list),
                None => NodeKind::Vlan(self.optional_number()?),
            },
            Word::Mpls => NodeKind::Mpls(self.optional_number()?),
            Word::PppoeD => NodeKind::PppoeD,
            Word::PppoeS => NodeKind::PppoeS(self.optional_number()?),
            Word::Geneve => NodeKind::Geneve(self.optional_number()?),
            Word::PfIfname => NodeKind::PfIfname(self.name("the name of an interface")?),
            Word::PfRuleset => NodeKind::PfRuleset(self.name("the name of a ruleset")?),
            Word::PfRule => NodeKind::PfRule(self.number_token()?),
            Word::PfSubrule => NodeKind::PfSubrule(self.number_token()?),
            Word::PfReason => {
                NodeKind::PfReason(self.number_or_name(PF_REASONS, "a reason of PF")?)
            }
            Word::PfAction => NodeKind::PfAction(self.listed(PF_ACTIONS, "an action of PF")?),
            Word::Llc => NodeKind::Llc(self.llc()?),
            Word::Other => {
                let text = self.expr.slice(span).into();
                return Err(Error::new(span, ErrorKind::OtherLink(text)));
            }
            _ => {
                let found = self.expr.slice(span).into();
                let expected = "a condition";
                return Err(Error::new(span, ErrorKind::Unexpected { expected, found }));
            }
        };
        Ok(self.term(start, kind))
    }

    fn byte(&mut self) -> Result<NodeKind, Error> {
        let at = self.number_token()?;
        let op = match self.current.tok {
            Tok::Punct(b'=') => ByteOp::Eq,
            Tok::Punct(b'<') => ByteOp::Lt,
            Tok::Punct(b'>') => ByteOp::Gt,
            Tok::Punct(b'&') => ByteOp::And,
            Tok::Punct(b'|') => ByteOp::Or,
            _ => return Err(self.unexpected("`=`, `<`, `>`, `&` or `|`")),
        };
        self.advance()?;
        Ok(NodeKind::Byte(at, op, self.number_token()?))
    }

    fn name(&mut self, expected: &'static str) -> Result<Span, Error> {
        match self.current.tok {
            Tok::Name => Ok(self.advance()?.span),
            _ => Err(self.unexpected(expected)),
        }
    }

    /// A name from a list.
    fn listed(&mut self, names: Names, what: &'static str) -> Result<u32, Error> {
        let span = self.name(what)?;
        let text = self.expr.slice(span);
        find(names, text).ok_or_else(|| {
            let kind = ErrorKind::Name { what, name: text.into() };
            Error::new(span, kind).with_help(list_of(names))
        })
    }

    fn number_or_name(&mut self, names: Names, what: &'static str) -> Result<u32, Error> {
        match self.current.tok {
            Tok::Number(_) => self.number_token(),
            _ => self.listed(names, what),
        }
    }

    /// A number that may have only the bits of a mask, or a name.
    fn field(&mut self, names: Names, mask: u32, what: &'static str) -> Result<u32, Error> {
        let span = self.current.span;
        let value = self.number_or_name(names, what)?;
        if value & !mask != 0 {
            let kind = ErrorKind::TooLarge { what, value: value.into(), most: mask.into() };
            return Err(Error::new(span, kind));
        }
        Ok(value)
    }

    /// `type T`, `type T subtype S`, `subtype S` and `dir D` of 802.11.
    fn wlan(&mut self, start: usize) -> Result<Operand, Error> {
        const TYPE: u32 = 0x0c;
        const SUBTYPE: u32 = 0xf0;
        let word = self.advance()?.tok;
        let kind = match word {
            Tok::Word(Word::Type) => {
                let frame = self.field(WLAN_TYPES, TYPE, "an 802.11 frame type")?;
                if self.is_word(Word::Subtype) {
                    self.advance()?;
                    let names = WLAN_SUBTYPES.iter().find(|row| row.0 == frame);
                    let names = names.map_or(&[][..], |row| row.1);
                    let subtype = self.field(names, SUBTYPE, "a subtype of that frame type")?;
                    NodeKind::WlanType(frame | subtype, TYPE | SUBTYPE)
                } else {
                    NodeKind::WlanType(frame, TYPE)
                }
            }
            Tok::Word(Word::Subtype) => {
                const WHAT: &str = "an 802.11 frame subtype";
                let span = self.name(WHAT)?;
                let text = self.expr.slice(span);
                let found = WLAN_SUBTYPES
                    .iter()
                    .find_map(|(frame, names)| find(names, text).map(|subtype| frame | subtype));
                let Some(value) = found else {
                    let kind = ErrorKind::Name { what: WHAT, name: text.into() };
                    let all: Vec<_> = WLAN_SUBTYPES.iter().flat_map(|row| row.1).copied().collect();
                    return Err(Error::new(span, kind).with_help(list_of(&all)));
                };
                NodeKind::WlanType(value, TYPE | SUBTYPE)
            }
            _ => {
                let what = "`nods`, `tods`, `fromds` or `dstods`";
                NodeKind::WlanDirection(self.number_or_name(WLAN_DIRECTIONS, what)?)
            }
        };
        Ok(self.term(start, kind))
    }

    fn llc(&mut self) -> Result<Llc, Error> {
        let span = self.current.span;
        match self.current.tok {
            // The name of a frame is a word of PF, too.
            Tok::Word(Word::PfRule) => {
                let text = self.expr.slice(span);
                if !text.eq_ignore_ascii_case("rnr") && text != "rulenum" {
                    return Ok(Llc::Any);
                }
                self.advance()?;
                Ok(Llc::SType(5))
            }
            Tok::Name => {
                self.advance()?;
                let text = self.expr.slice(span);
                let is = |name: &str| text.eq_ignore_ascii_case(name);
                if is("i") {
                    return Ok(Llc::I);
                } else if is("s") {
                    return Ok(Llc::S);
                } else if is("u") {
                    return Ok(Llc::U);
                }
                let s = find(LLC_S, text).map(Llc::SType);
                s.or_else(|| find(LLC_U, text).map(Llc::UType)).ok_or_else(|| {
                    let kind = ErrorKind::Name { what: "LLC frame", name: text.into() };
                    let all = [&[("i", 0), ("s", 0), ("u", 0)], LLC_S, LLC_U].concat();
                    Error::new(span, kind).with_help(list_of(&all))
                })
            }
            _ => Ok(Llc::Any),
        }
    }
}

const fn begins_qualifiers(word: Word) -> bool {
    matches!(
        word,
        Word::Src
            | Word::Dst
            | Word::WlanDir(_)
            | Word::Host
            | Word::Net
            | Word::Port
            | Word::PortRange
            | Word::Gateway
            | Word::ProtoKind
            | Word::ProtoChain
    )
}

const fn begins_id(tok: Tok) -> bool {
    matches!(
        tok,
        Tok::Name
            | Tok::Number(_)
            | Tok::Ip4
            | Tok::Ip6(_)
            | Tok::Mac(_)
            | Tok::Arcnet
            | Tok::Punct(b'(')
            | Tok::Word(Word::Not)
    )
}

/// What should follow.
const fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Default => "`host`, `net`, `port` or an address",
        Kind::Host | Kind::Gateway => "the address or name of a host",
        Kind::Net => "the address of a network",
        Kind::Port => "a port",
        Kind::PortRange => "two ports with `-` between them",
        Kind::Proto | Kind::ProtoChain => "a protocol: its number, or its name after `\\`",
    }
}
