//! The expression to the middle form.
//!
//! What a word means is what libpcap makes of it, test by test and in its order, because the order
//! decides which packets are too short. The text is walked once from front to back, as libpcap's parser
//! does, since `vlan`, `mpls`, `pppoes` and `geneve` move the headers for all the text that follows.

mod address;
mod arith;
mod deep;
mod encap;
mod host;
mod linktype;
mod port;
mod proto;
mod record;
mod set;
mod wlan;

use crate::ast::{Expr, NodeId, NodeKind, Proto, Scope};
use crate::error::{Error, ErrorKind};
use crate::form::{Cell, Cmp, Effect, Form, FormId, Init, Rhs, Test, Value, ValueId, Values};
use crate::link::LinkType;
use crate::memory::bytes;
use crate::names::{Numeric, Resolver};
use crate::table::Prefixes;
use skep_cbpf::Size;
use skep_diag::Span;

/// Cells that libpcap has for positions and numbers.
const REGISTERS: u32 = 16;

/// Where packets come from, which decides what is known of them besides their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// Nobody knows yet: `inbound`, `outbound` and `ifindex` ask the kernel, `vlan` looks at the
    /// bytes only.
    #[default]
    Unknown,
    /// A capture file: what only the kernel knows is refused.
    File,
    /// A packet socket of Linux: the outermost VLAN tag may stand outside the bytes.
    Live,
}

/// The process that packets belong to, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its number.
    pub pid: Option<u32>,
    /// Its name.
    pub name: String,
}

/// What an expression alone does not say.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// What packets begin with.
    pub link: LinkType,
    /// Bytes to keep of a matching packet, which is what the program returns.
    pub snaplen: u32,
    /// Netmask of the network, for `ip broadcast`.
    pub netmask: Option<u32>,
    /// Where packets come from.
    pub source: Source,
    /// Whether the program is to be made small. What it means is the same.
    pub optimise: bool,
    /// Whether the program may be larger if that makes it faster: where it looks behind IPv4 headers, headers of
    /// 20 bytes have a way of their own, whose loads are at constant places. In the kernel those are
    /// instructions, others are calls.
    pub fast: bool,
    /// Whether some milliseconds may be spent on a program that is smaller still: without loads of which a proof over all
    /// packets ([`diff`](crate::diff())) finds that none is too short for them alone. An
    /// expression that no packet matches is found out more often. Lists of numbers in programs of up to 256 instructions
    /// are no search trees. Fast programs stay as they are.
    pub smallest: bool,
    /// Whether large lists become tables, which only [`Meaning::compile_with_tables`] can make.
    pub tables: bool,
    /// The process whose packets the meaning is for: no program can find out.
    pub process: Option<&'a Process>,
    /// Who looks up names.
    pub resolver: &'a dyn Resolver,
}

impl Default for Options<'_> {
    /// Ethernet, 262,144 bytes, no netmask, source unknown, optimised, small, no names.
    fn default() -> Self {
        Self {
            link: LinkType::Ethernet,
            snaplen: 262_144,
            netmask: None,
            source: Source::default(),
            optimise: true,
            fast: false,
            smallest: false,
            tables: false,
            process: None,
            resolver: &Numeric,
        }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("link", &self.link)
            .field("snaplen", &self.snaplen)
            .field("netmask", &self.netmask)
            .field("source", &self.source)
            .field("optimise", &self.optimise)
            .field("fast", &self.fast)
            .field("smallest", &self.smallest)
            .finish_non_exhaustive()
    }
}

/// What an expression means on a link type: which packets match.
#[derive(Clone, Debug, Default)]
pub struct Meaning {
    pub(crate) values: Values,
    pub(crate) forms: Vec<Form>,
    /// First values of cells, nothing for those that no condition asks.
    pub(crate) cells: Vec<Option<Init>>,
    pub(crate) effects: Vec<Effect>,
    /// The form of each node of the expression; the last is the whole.
    pub(crate) nodes: Vec<FormId>,
    /// Nodes that are comparisons, and what they compare.
    pub(crate) sides: Vec<(NodeId, ValueId, ValueId)>,
    pub(crate) root: FormId,
    pub(crate) snaplen: u32,
    /// Words whose constants make no sense, though libpcap only sees it when it optimises.
    pub(crate) folded: Option<Error>,
    /// Whether the program may be larger if that makes it faster.
    pub(crate) fast: bool,
    /// Whether a proof may be looked for that a smaller one does.
    pub(crate) smallest: bool,
    /// Large sets, in order, that are looked up in tables.
    pub(crate) sets: Vec<Vec<u32>>,
    /// The same of prefixes of IPv6.
    pub(crate) prefixes: Vec<Prefixes>,
    /// Whether libpcap optimises nothing, for there are jumps inside its conditions.
    pub(crate) as_it_stands: bool,
    /// Forms of comparisons of numbers, from the first one to before another one, and of what, if that is computed.
    pub(crate) relations: Vec<(FormId, FormId, Option<ValueId>)>,
}

/// A position: a constant, and a cell if it depends on the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    cell: Option<Cell>,
    at: u32,
}

impl Place {
    const fn at(at: u32) -> Self {
        Self { cell: None, at }
    }

    const fn after(self, more: u32) -> Self {
        Self { cell: self.cell, at: self.at.wrapping_add(more) }
    }
}

/// The headers that the words look at.
#[derive(Clone, Copy, Debug)]
struct Headers {
    link: LinkType,
    /// The link-layer header.
    header: Place,
    /// The field with the type of the payload, if the link layer has one.
    kind: Option<Place>,
    /// The payload of the link layer: an LLC header, if there is one.
    payload: Place,
    /// From the payload to the network header, behind LLC and SNAP and labels.
    network: u32,
    /// The same behind LLC without SNAP.
    network_no_snap: u32,
    labels: u32,
    tags: u32,
    in_geneve: bool,
}

struct Lowering<'a> {
    expr: &'a Expr,
    options: &'a Options<'a>,
    meaning: &'a mut Meaning,
    headers: Headers,
    /// Cells that libpcap would hold now.
    registers: u32,
    /// Values that may reject the packet, of the number at hand, though it does not depend on them.
    left_out: Vec<ValueId>,
    /// Which of `meaning.cells` are asked for.
    used: Vec<bool>,
    /// The words at hand.
    span: Span,
    deep: deep::Deep,
}

impl Expr {
    /// What the expression means.
    ///
    /// # Errors
    /// [`Error`] for words that go with no packet of the link type, names that the resolver does not
    /// know, numbers out of range: whatever libpcap refuses.
    pub fn meaning(&self, options: &Options<'_>) -> Result<Meaning, Error> {
        let mut meaning = Meaning::default();
        self.lower(options, &mut meaning)?;
        Ok(meaning)
    }

    /// The same in the memory of a meaning that was cleared.
    pub(crate) fn lower(&self, options: &Options<'_>, meaning: &mut Meaning) -> Result<(), Error> {
        if options.snaplen == 0 {
            return Err(Error::new(Span::default(), ErrorKind::SnapLen));
        }
        let count = self.nodes.len();
        meaning.values.reserve(count + 14);
        meaning.forms.reserve(count * 9 + 24);
        meaning.nodes.reserve(count);
        (meaning.snaplen, meaning.fast) = (options.snaplen, options.fast);
        meaning.smallest = options.smallest;
        let mut lowering = Lowering {
            expr: self,
            options,
            meaning,
            headers: Headers::of(options.link),
            registers: 0,
            left_out: Vec::new(),
            used: Vec::new(),
            span: Span::default(),
            deep: deep::Deep::default(),
        };
        lowering.cells_of_link();
        lowering.run()
    }
}

impl Meaning {
    /// Forgets all; the memory stays, but for that of tables.
    pub(crate) fn clear(&mut self) {
        let Self { values, forms, cells, effects, nodes, sides, sets, prefixes, relations, .. } =
            self;
        values.clear();
        forms.clear();
        cells.clear();
        effects.clear();
        nodes.clear();
        sides.clear();
        sets.clear();
        prefixes.clear();
        relations.clear();
        self.root = 0;
        self.folded = None;
        self.as_it_stands = false;
    }

    /// Bytes that it takes when it was cleared.
    pub(crate) fn bytes(&self) -> usize {
        let Self { values, forms, cells, effects, nodes, sides, relations, .. } = self;
        let conditions = bytes(forms) + bytes(nodes) + bytes(sides) + bytes(relations);
        values.bytes() + conditions + bytes(cells) + bytes(effects)
    }
}

impl Lowering<'_> {
    fn run(&mut self) -> Result<(), Error> {
        for node in &self.expr.nodes {
            self.span = node.span;
            let expr = self.expr;
            let at_word = |error| expr.at_word(node, error);
            let id = u32::try_from(self.meaning.nodes.len()).unwrap_or(NodeId::MAX);
            let form = match node.kind {
                kind if node.scope.is_some() => {
                    self.scoped(id, node.scope.unwrap_or(Scope::Any), kind).map_err(at_word)?
                }
                NodeKind::Deep(scope, operand) => self.of_levels(scope, operand)?,
                NodeKind::And(left, right) => {
                    let (left, right) = (self.done(left), self.done(right));
                    self.and(left, right)
                }
                NodeKind::Or(left, right) => {
                    let (left, right) = (self.done(left), self.done(right));
                    self.or(left, right)
                }
                NodeKind::Not(operand) => {
                    let operand = self.done(operand);
                    self.not(operand)
                }
                kind => self.primitive(kind).map_err(at_word)?,
            };
            self.meaning.nodes.push(form);
        }
        let mut root = match self.meaning.nodes.last() {
            Some(&form) => form,
            None => self.constant(true),
        };
        if self.headers.link == LinkType::Ppi && !self.expr.nodes.is_empty() {
            // The capture is of 802.11 frames behind the header.
            let kind = self.meaning.values.load_at(Size::W, 4);
            let check = self.equals(kind, LinkType::Ieee80211.dlt().swap_bytes());
            root = self.and(check, root);
        }
        self.meaning.root = self.after_walk(root)?;
        for (cell, &used) in self.used.iter().enumerate() {
            if !used {
                self.meaning.cells[cell] = None;
            }
        }
        let is_wlan = |init: &Option<Init>| matches!(init, Some(Init::Wlan { .. }));
        self.meaning.as_it_stands |= self.meaning.cells.iter().any(is_wlan);
        Ok(())
    }

    fn done(&self, node: u32) -> FormId {
        self.meaning.nodes.get(node as usize).copied().unwrap_or(0)
    }

    fn primitive(&mut self, kind: NodeKind) -> Result<FormId, Error> {
        match kind {
            NodeKind::Proto(proto) => self.proto_alone(proto),
            NodeKind::Id(qual, id) => self.id(qual, id),
            NodeKind::Relation(op, left, right) => self.relation(op, left, right),
            NodeKind::Broadcast(proto) => self.broadcast(proto),
            NodeKind::Multicast(proto) => self.multicast(proto),
            NodeKind::Less(most) => Ok(self.length_above(most, true)),
            NodeKind::Greater(least) => Ok(self.length_at_least(least)),
            NodeKind::Byte(at, op, value) => self.byte(at, op, value),
            NodeKind::Bound(out) => self.bound(out),
            NodeKind::IfIndex(index) => self.ifindex(index),
            NodeKind::Vlan(None) if self.any_depth() => self.any_vlan(None),
            NodeKind::Vlan(Some(id)) if self.any_depth() => {
                self.limit("VLAN", id, 0xfff)?;
                self.any_vlan(Some(&[(id, id)]))
            }
            NodeKind::VlanIn(list) if self.any_depth() => {
                let ids = self.vlans(list)?;
                self.any_vlan(Some(&ids))
            }
            NodeKind::Vlan(None) => self.vlan(None),
            NodeKind::Vlan(Some(id)) => {
                self.vlan_allowed()?;
                self.limit("VLAN", id, 0xfff)?;
                self.vlan(Some(&[(id, id)]))
            }
            NodeKind::VlanIn(list) => {
                let ids = self.vlans(list)?;
                self.vlan(Some(&ids))
            }
            NodeKind::In(qual, list) => self.in_list(qual, list),
            NodeKind::Flag(field) => self.flag_of(field),
            NodeKind::Contains(text, within) => self.contains(text, within),
            NodeKind::ProcessId(pid) => self.of_process(|process, _| process.pid == Some(pid)),
            NodeKind::ProcessName(text) => {
                self.of_process(|process, this| process.name == this.expr.slice(text))
            }
            NodeKind::Mpls(label) => self.mpls(label),
            NodeKind::PppoeD => self.linktype(ETHERTYPE_PPPOED),
            NodeKind::PppoeS(session) => self.pppoes(session),
            NodeKind::Geneve(vni) => self.geneve(vni),
            NodeKind::PfIfname(name) => self.pf_ifname(name),
            NodeKind::PfRuleset(name) => self.pf_ruleset(name),
            NodeKind::PfRule(number) => self.pf_field(36, Size::W, number, "`rulenum`"),
            NodeKind::PfSubrule(number) => self.pf_field(40, Size::W, number, "`subrulenum`"),
            NodeKind::PfReason(reason) => self.pf_field(3, Size::B, reason, "`reason`"),
            NodeKind::PfAction(action) => self.pf_field(2, Size::B, action, "`action`"),
            NodeKind::WlanType(value, mask) => self.wlan_field(0, value, mask, "`type`"),
            NodeKind::WlanDirection(value) => self.wlan_field(1, value, 3, "`dir`"),
            NodeKind::Llc(kind) => self.llc(kind),
            NodeKind::And(..) | NodeKind::Or(..) | NodeKind::Not(_) | NodeKind::Deep(..) => {
                Ok(self.constant(true))
            }
        }
    }

    /// The same for all packets of a process.
    fn of_process(&mut self, holds: impl Fn(&Process, &Self) -> bool) -> Result<FormId, Error> {
        let Some(process) = self.options.process else {
            return Err(self.error(ErrorKind::NoProcess));
        };
        let holds = holds(process, self);
        Ok(self.constant(holds))
    }

    fn push(&mut self, form: Form) -> FormId {
        let id = self.meaning.forms.len();
        self.meaning.forms.push(form);
        u32::try_from(id).unwrap_or(u32::MAX)
    }

    fn constant(&mut self, value: bool) -> FormId {
        self.push(Form::Const(value))
    }

    fn and(&mut self, left: FormId, right: FormId) -> FormId {
        self.push(Form::And(left, right))
    }

    fn or(&mut self, left: FormId, right: FormId) -> FormId {
        self.push(Form::Or(left, right))
    }

    fn not(&mut self, operand: FormId) -> FormId {
        self.push(Form::Not(operand))
    }

    fn test(&mut self, value: ValueId, mask: u32, cmp: Cmp, rhs: Rhs) -> FormId {
        self.push(Form::Test(Test { value, mask, cmp, rhs }))
    }

    fn equals(&mut self, value: ValueId, wanted: u32) -> FormId {
        self.test(value, u32::MAX, Cmp::Eq, Rhs::Const(wanted))
    }

    fn masked(&mut self, value: ValueId, mask: u32, wanted: u32) -> FormId {
        self.test(value, mask, Cmp::Eq, Rhs::Const(wanted))
    }

    /// Whether any of the bits is set.
    fn any_bit(&mut self, value: ValueId, bits: u32) -> FormId {
        let none = self.masked(value, bits, 0);
        self.not(none)
    }

    fn above(&mut self, value: ValueId, limit: u32) -> FormId {
        self.test(value, u32::MAX, Cmp::Gt, Rhs::Const(limit))
    }

    fn at_least(&mut self, value: ValueId, limit: u32) -> FormId {
        self.test(value, u32::MAX, Cmp::Ge, Rhs::Const(limit))
    }

    /// The value of a cell; from here on it is needed.
    fn cell(&mut self, cell: Cell) -> Result<ValueId, Error> {
        if let Some(used) = self.used.get_mut(cell as usize)
            && !*used
        {
            *used = true;
            self.register()?;
        }
        Ok(self.meaning.values.add(Value::Cell(cell)))
    }

    /// A cell that libpcap would hold from here on.
    fn register(&mut self) -> Result<(), Error> {
        if self.registers >= REGISTERS {
            return Err(self.error(ErrorKind::Registers));
        }
        self.registers += 1;
        Ok(())
    }

    fn new_cell(&mut self, init: Init, used: bool) -> Cell {
        let cell = self.meaning.cells.len();
        self.meaning.cells.push(Some(init));
        self.used.push(used);
        Cell::try_from(cell).unwrap_or(Cell::MAX)
    }

    /// Bytes at a position.
    fn load(&mut self, place: Place, off: u32, size: Size) -> Result<ValueId, Error> {
        let at = place.at.wrapping_add(off);
        match place.cell {
            None => Ok(self.meaning.values.load_at(size, at)),
            Some(cell) => {
                let base = self.cell(cell)?;
                Ok(self.meaning.values.load(size, base, at))
            }
        }
    }

    /// The network header.
    fn network(&self) -> Place {
        if let Some(level) = self.level() {
            return Place { cell: Some(level.net), at: 0 };
        }
        self.headers.payload.after(self.headers.network)
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(self.span, kind)
    }

    fn not_on_link(&self, what: &'static str) -> Error {
        self.error(ErrorKind::Link { what, link: self.headers.link.name() })
    }

    fn qualifier(&self, word: Proto, with: &'static str) -> Error {
        self.error(ErrorKind::Qualifier { word: word.name(), with })
    }

    fn limit(&self, what: &'static str, value: u32, most: u32) -> Result<(), Error> {
        if value > most {
            let kind = ErrorKind::TooLarge { what, value: value.into(), most: most.into() };
            return Err(self.error(kind));
        }
        Ok(())
    }
}

const ETHERTYPE_IP: u32 = 0x0800;
const ETHERTYPE_ARP: u32 = 0x0806;
const ETHERTYPE_REVARP: u32 = 0x8035;
const ETHERTYPE_IPV6: u32 = 0x86dd;
const ETHERTYPE_PPPOED: u32 = 0x8863;
const ETHERTYPE_PPPOES: u32 = 0x8864;
const ETHERTYPE_DECNET: u32 = 0x6003;
const ETHERTYPE_ATALK: u32 = 0x809b;
const ETHERTYPE_AARP: u32 = 0x80f3;
const SAP_IP: u32 = 0x06;
const SAP_BRIDGE: u32 = 0x42;
const SAP_IPX: u32 = 0xe0;
const SAP_NETBEUI: u32 = 0xf0;
const SAP_OSI: u32 = 0xfe;
const UDP_GENEVE: u32 = 6081;
