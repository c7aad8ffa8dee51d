//! The words of the language, as tables.

use crate::ast::{Dir, Proto};

/// A word with a meaning of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Proto(Proto),
    Src,
    Dst,
    /// `addr1` and so on, of 802.11.
    WlanDir(Dir),
    Host,
    Net,
    Mask,
    Port,
    PortRange,
    ProtoKind,
    ProtoChain,
    Gateway,
    Type,
    Subtype,
    WlanDirection,
    Less,
    Greater,
    Byte,
    Broadcast,
    Multicast,
    And,
    Or,
    Not,
    Len,
    Inbound,
    Outbound,
    IfIndex,
    Vlan,
    Mpls,
    PppoeD,
    PppoeS,
    Geneve,
    Llc,
    PfIfname,
    PfRuleset,
    PfRule,
    PfSubrule,
    PfReason,
    PfAction,
    /// A word of ATM or SS7, whose link types are not supported.
    Other,
    /// A named number.
    Number(u32),
}

macro_rules! words {
    ($($($text:literal)|+ => $word:expr;)*) => {
        /// The meaning of a word.
        pub(crate) fn word(text: &str) -> Option<Word> {
            use Word::*;
            Some(match text {
                $($($text)|+ => $word,)*
                _ => return None,
            })
        }

        const ALL: &[&str] = &[$($($text,)+)*];
    };
}

/// All words, for suggestions.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    ALL.iter().copied()
}

words! {
    "src" => Src;
    "dst" => Dst;
    "link" | "ether" | "ppp" | "slip" | "fddi" | "tr" | "wlan" => Proto(crate::ast::Proto::Link);
    "arp" => Proto(crate::ast::Proto::Arp);
    "rarp" => Proto(crate::ast::Proto::Rarp);
    "ip" => Proto(crate::ast::Proto::Ip);
    "ip6" => Proto(crate::ast::Proto::Ip6);
    "tcp" => Proto(crate::ast::Proto::Tcp);
    "udp" => Proto(crate::ast::Proto::Udp);
    "sctp" => Proto(crate::ast::Proto::Sctp);
    "icmp" => Proto(crate::ast::Proto::Icmp);
    "icmp6" => Proto(crate::ast::Proto::Icmp6);
    "igmp" => Proto(crate::ast::Proto::Igmp);
    "igrp" => Proto(crate::ast::Proto::Igrp);
    "pim" => Proto(crate::ast::Proto::Pim);
    "vrrp" => Proto(crate::ast::Proto::Vrrp);
    "carp" => Proto(crate::ast::Proto::Carp);
    "radio" => Proto(crate::ast::Proto::Radio);
    "ah" => Proto(crate::ast::Proto::Ah);
    "esp" => Proto(crate::ast::Proto::Esp);
    "atalk" => Proto(crate::ast::Proto::Atalk);
    "aarp" => Proto(crate::ast::Proto::Aarp);
    "decnet" => Proto(crate::ast::Proto::Decnet);
    "lat" => Proto(crate::ast::Proto::Lat);
    "sca" => Proto(crate::ast::Proto::Sca);
    "moprc" => Proto(crate::ast::Proto::Moprc);
    "mopdl" => Proto(crate::ast::Proto::Mopdl);
    "iso" => Proto(crate::ast::Proto::Iso);
    "esis" | "es-is" => Proto(crate::ast::Proto::Esis);
    "isis" | "is-is" => Proto(crate::ast::Proto::Isis);
    "l1" => Proto(crate::ast::Proto::IsisL1);
    "l2" => Proto(crate::ast::Proto::IsisL2);
    "iih" => Proto(crate::ast::Proto::IsisIih);
    "lsp" => Proto(crate::ast::Proto::IsisLsp);
    "snp" => Proto(crate::ast::Proto::IsisSnp);
    "csnp" => Proto(crate::ast::Proto::IsisCsnp);
    "psnp" => Proto(crate::ast::Proto::IsisPsnp);
    "clnp" => Proto(crate::ast::Proto::Clnp);
    "stp" => Proto(crate::ast::Proto::Stp);
    "ipx" => Proto(crate::ast::Proto::Ipx);
    "netbeui" => Proto(crate::ast::Proto::Netbeui);
    "host" => Host;
    "net" => Net;
    "mask" => Mask;
    "port" => Port;
    "portrange" => PortRange;
    "proto" => ProtoKind;
    "protochain" => ProtoChain;
    "gateway" => Gateway;
    "type" => Type;
    "subtype" => Subtype;
    "direction" | "dir" => WlanDirection;
    "address1" | "addr1" => WlanDir(Dir::Addr1);
    "address2" | "addr2" => WlanDir(Dir::Addr2);
    "address3" | "addr3" => WlanDir(Dir::Addr3);
    "address4" | "addr4" => WlanDir(Dir::Addr4);
    "ra" => WlanDir(Dir::Ra);
    "ta" => WlanDir(Dir::Ta);
    "less" => Less;
    "greater" => Greater;
    "byte" => Byte;
    "broadcast" => Broadcast;
    "multicast" => Multicast;
    "and" => And;
    "or" => Or;
    "not" => Not;
    "len" | "length" => Len;
    "inbound" => Inbound;
    "outbound" => Outbound;
    "ifindex" => IfIndex;
    "vlan" => Vlan;
    "mpls" => Mpls;
    "pppoed" => PppoeD;
    "pppoes" => PppoeS;
    "geneve" => Geneve;
    "llc" => Llc;
    "on" | "ifname" => PfIfname;
    "rset" | "ruleset" => PfRuleset;
    "rnr" | "rulenum" => PfRule;
    "srnr" | "subrulenum" => PfSubrule;
    "reason" => PfReason;
    "action" => PfAction;
    "lane" | "metac" | "bcc" | "oam" | "oamf4" | "oamf4ec" | "oamf4sc" | "sc" | "ilmic" | "vpi"
        | "vci" | "connectmsg" | "metaconnect" | "fisu" | "lssu" | "lsu" | "msu" | "hfisu"
        | "hlssu" | "hmsu" | "sio" | "opc" | "dpc" | "sls" | "hsio" | "hopc" | "hdpc" | "hsls"
        => Other;
    "icmptype" | "icmp6type" | "icmp-echoreply" => Number(0);
    "icmpcode" | "icmp6code" | "icmp6-destinationunreach" | "tcp-fin" => Number(1);
    "icmp6-packettoobig" | "tcp-syn" => Number(2);
    "icmp-unreach" | "icmp6-timeexceeded" => Number(3);
    "icmp-sourcequench" | "icmp6-parameterproblem" | "tcp-rst" => Number(4);
    "icmp-redirect" => Number(5);
    "icmp-echo" | "tcp-push" => Number(8);
    "icmp-routeradvert" => Number(9);
    "icmp-routersolicit" => Number(10);
    "icmp-timxceed" => Number(11);
    "icmp-paramprob" => Number(12);
    "icmp-tstamp" | "tcpflags" => Number(13);
    "icmp-tstampreply" => Number(14);
    "icmp-ireq" => Number(15);
    "icmp-ireqreply" | "tcp-ack" => Number(16);
    "icmp-maskreq" => Number(17);
    "icmp-maskreply" => Number(18);
    "tcp-urg" => Number(32);
    "tcp-ece" => Number(64);
    "tcp-cwr" | "icmp6-echo" => Number(128);
    "icmp6-echoreply" => Number(129);
    "icmp6-multicastlistenerquery" => Number(130);
    "icmp6-multicastlistenerreportv1" => Number(131);
    "icmp6-multicastlistenerdone" => Number(132);
    "icmp6-routersolicit" => Number(133);
    "icmp6-routeradvert" => Number(134);
    "icmp6-neighborsolicit" => Number(135);
    "icmp6-neighboradvert" => Number(136);
    "icmp6-redirect" => Number(137);
    "icmp6-routerrenum" => Number(138);
    "icmp6-nodeinformationquery" => Number(139);
    "icmp6-nodeinformationresponse" => Number(140);
    "icmp6-ineighbordiscoverysolicit" => Number(141);
    "icmp6-ineighbordiscoveryadvert" => Number(142);
    "icmp6-multicastlistenerreportv2" => Number(143);
    "icmp6-homeagentdiscoveryrequest" => Number(144);
    "icmp6-homeagentdiscoveryreply" => Number(145);
    "icmp6-mobileprefixsolicit" => Number(146);
    "icmp6-mobileprefixadvert" => Number(147);
    "icmp6-certpathsolicit" => Number(148);
    "icmp6-certpathadvert" => Number(149);
    "icmp6-multicastrouteradvert" => Number(151);
    "icmp6-multicastroutersolicit" => Number(152);
    "icmp6-multicastrouterterm" => Number(153);
}

/// A name and its number, looked up without regard to case.
pub(crate) type Names = &'static [(&'static str, u32)];

pub(crate) fn find(names: Names, text: &str) -> Option<u32> {
    names.iter().find(|row| row.0.eq_ignore_ascii_case(text)).map(|row| row.1)
}

/// Frame types of 802.11.
pub(crate) const WLAN_TYPES: Names =
    &[("data", 8), ("mgt", 0), ("management", 0), ("ctl", 4), ("control", 4)];

/// Subtypes of 802.11 frames, by type.
pub(crate) const WLAN_SUBTYPES: &[(u32, Names)] = &[
    (
        0,
        &[
            ("assocreq", 0x00),
            ("assoc-req", 0x00),
            ("assocresp", 0x10),
            ("assoc-resp", 0x10),
            ("reassocreq", 0x20),
            ("reassoc-req", 0x20),
            ("reassocresp", 0x30),
            ("reassoc-resp", 0x30),
            ("probereq", 0x40),
            ("probe-req", 0x40),
            ("proberesp", 0x50),
            ("probe-resp", 0x50),
            ("beacon", 0x80),
            ("atim", 0x90),
            ("disassoc", 0xa0),
            ("disassociation", 0xa0),
            ("auth", 0xb0),
            ("authentication", 0xb0),
            ("deauth", 0xc0),
            ("deauthentication", 0xc0),
        ],
    ),
    (
        4,
        &[
            ("ps-poll", 0xa0),
            ("rts", 0xb0),
            ("cts", 0xc0),
            ("ack", 0xd0),
            ("cf-end", 0xe0),
            ("cf-end-ack", 0xf0),
        ],
    ),
    (
        8,
        &[
            ("data", 0x00),
            ("data-cf-ack", 0x10),
            ("data-cf-poll", 0x20),
            ("data-cf-ack-poll", 0x30),
            ("null", 0x40),
            ("cf-ack", 0x50),
            ("cf-poll", 0x60),
            ("cf-ack-poll", 0x70),
            ("qos-data", 0x80),
            ("qos-data-cf-ack", 0x90),
            ("qos-data-cf-poll", 0xa0),
            ("qos-data-cf-ack-poll", 0xb0),
            ("qos", 0xc0),
            ("qos-cf-poll", 0xe0),
            ("qos-cf-ack-poll", 0xf0),
        ],
    ),
];

/// Which addresses of an 802.11 frame are those of access points.
pub(crate) const WLAN_DIRECTIONS: Names = &[("nods", 0), ("tods", 1), ("fromds", 2), ("dstods", 3)];

/// Supervisory LLC frames.
pub(crate) const LLC_S: Names = &[("rr", 1), ("rnr", 5), ("rej", 9)];

/// Unnumbered LLC frames.
pub(crate) const LLC_U: Names = &[
    ("ui", 0x03),
    ("ua", 0x63),
    ("disc", 0x43),
    ("dm", 0x0f),
    ("sabme", 0x6f),
    ("test", 0xe3),
    ("xid", 0xaf),
    ("frmr", 0x87),
];

/// Why PF logged a packet.
pub(crate) const PF_REASONS: Names = &[
    ("match", 0),
    ("bad-offset", 1),
    ("fragment", 2),
    ("short", 3),
    ("normalize", 4),
    ("memory", 5),
    ("bad-timestamp", 6),
    ("congestion", 7),
    ("ip-option", 8),
    ("proto-cksum", 9),
    ("state-mismatch", 10),
    ("state-insert", 11),
    ("state-limit", 12),
    ("src-limit", 13),
    ("synproxy", 14),
];

/// What PF did with a packet.
pub(crate) const PF_ACTIONS: Names = &[
    ("pass", 0),
    ("accept", 0),
    ("drop", 1),
    ("block", 1),
    ("scrub", 2),
    ("noscrub", 3),
    ("nat", 4),
    ("nonat", 5),
    ("binat", 6),
    ("nobinat", 7),
    ("rdr", 8),
    ("nordr", 9),
    ("synproxy-drop", 10),
];
