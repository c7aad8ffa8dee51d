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
            // Byte by byte, not word by word.
            Some(match text.as_bytes() {
                $($($text)|+ => $word,)*
                _ => return None,
            })
        }

        const ALL: &[&[u8]] = &[$($($text,)+)*];
    };
}

/// All words, for suggestions.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    ALL.iter().filter_map(|word| std::str::from_utf8(word).ok())
}

words! {
    b"src" => Src;
    b"dst" => Dst;
    b"link" | b"ether" | b"ppp" | b"slip" | b"fddi" | b"tr" | b"wlan" => Proto(crate::ast::Proto::Link);
    b"arp" => Proto(crate::ast::Proto::Arp);
    b"rarp" => Proto(crate::ast::Proto::Rarp);
    b"ip" => Proto(crate::ast::Proto::Ip);
    b"ip6" => Proto(crate::ast::Proto::Ip6);
    b"tcp" => Proto(crate::ast::Proto::Tcp);
    b"udp" => Proto(crate::ast::Proto::Udp);
    b"sctp" => Proto(crate::ast::Proto::Sctp);
    b"icmp" => Proto(crate::ast::Proto::Icmp);
    b"icmp6" => Proto(crate::ast::Proto::Icmp6);
    b"igmp" => Proto(crate::ast::Proto::Igmp);
    b"igrp" => Proto(crate::ast::Proto::Igrp);
    b"pim" => Proto(crate::ast::Proto::Pim);
    b"vrrp" => Proto(crate::ast::Proto::Vrrp);
    b"carp" => Proto(crate::ast::Proto::Carp);
    b"radio" => Proto(crate::ast::Proto::Radio);
    b"ah" => Proto(crate::ast::Proto::Ah);
    b"esp" => Proto(crate::ast::Proto::Esp);
    b"atalk" => Proto(crate::ast::Proto::Atalk);
    b"aarp" => Proto(crate::ast::Proto::Aarp);
    b"decnet" => Proto(crate::ast::Proto::Decnet);
    b"lat" => Proto(crate::ast::Proto::Lat);
    b"sca" => Proto(crate::ast::Proto::Sca);
    b"moprc" => Proto(crate::ast::Proto::Moprc);
    b"mopdl" => Proto(crate::ast::Proto::Mopdl);
    b"iso" => Proto(crate::ast::Proto::Iso);
    b"esis" | b"es-is" => Proto(crate::ast::Proto::Esis);
    b"isis" | b"is-is" => Proto(crate::ast::Proto::Isis);
    b"l1" => Proto(crate::ast::Proto::IsisL1);
    b"l2" => Proto(crate::ast::Proto::IsisL2);
    b"iih" => Proto(crate::ast::Proto::IsisIih);
    b"lsp" => Proto(crate::ast::Proto::IsisLsp);
    b"snp" => Proto(crate::ast::Proto::IsisSnp);
    b"csnp" => Proto(crate::ast::Proto::IsisCsnp);
    b"psnp" => Proto(crate::ast::Proto::IsisPsnp);
    b"clnp" => Proto(crate::ast::Proto::Clnp);
    b"stp" => Proto(crate::ast::Proto::Stp);
    b"ipx" => Proto(crate::ast::Proto::Ipx);
    b"netbeui" => Proto(crate::ast::Proto::Netbeui);
    b"host" => Host;
    b"net" => Net;
    b"mask" => Mask;
    b"port" => Port;
    b"portrange" => PortRange;
    b"proto" => ProtoKind;
    b"protochain" => ProtoChain;
    b"gateway" => Gateway;
    b"type" => Type;
    b"subtype" => Subtype;
    b"direction" | b"dir" => WlanDirection;
    b"address1" | b"addr1" => WlanDir(Dir::Addr1);
    b"address2" | b"addr2" => WlanDir(Dir::Addr2);
    b"address3" | b"addr3" => WlanDir(Dir::Addr3);
    b"address4" | b"addr4" => WlanDir(Dir::Addr4);
    b"ra" => WlanDir(Dir::Ra);
    b"ta" => WlanDir(Dir::Ta);
    b"less" => Less;
    b"greater" => Greater;
    b"byte" => Byte;
    b"broadcast" => Broadcast;
    b"multicast" => Multicast;
    b"and" => And;
    b"or" => Or;
    b"not" => Not;
    b"len" | b"length" => Len;
    b"inbound" => Inbound;
    b"outbound" => Outbound;
    b"ifindex" => IfIndex;
    b"vlan" => Vlan;
    b"mpls" => Mpls;
    b"pppoed" => PppoeD;
    b"pppoes" => PppoeS;
    b"geneve" => Geneve;
    b"llc" => Llc;
    b"on" | b"ifname" => PfIfname;
    b"rset" | b"ruleset" => PfRuleset;
    b"rnr" | b"rulenum" => PfRule;
    b"srnr" | b"subrulenum" => PfSubrule;
    b"reason" => PfReason;
    b"action" => PfAction;
    b"lane" | b"metac" | b"bcc" | b"oam" | b"oamf4" | b"oamf4ec" | b"oamf4sc" | b"sc" | b"ilmic" | b"vpi"
        | b"vci" | b"connectmsg" | b"metaconnect" | b"fisu" | b"lssu" | b"lsu" | b"msu" | b"hfisu"
        | b"hlssu" | b"hmsu" | b"sio" | b"opc" | b"dpc" | b"sls" | b"hsio" | b"hopc" | b"hdpc" | b"hsls"
        => Other;
    b"icmptype" | b"icmp6type" | b"icmp-echoreply" => Number(0);
    b"icmpcode" | b"icmp6code" | b"icmp6-destinationunreach" | b"tcp-fin" => Number(1);
    b"icmp6-packettoobig" | b"tcp-syn" => Number(2);
    b"icmp-unreach" | b"icmp6-timeexceeded" => Number(3);
    b"icmp-sourcequench" | b"icmp6-parameterproblem" | b"tcp-rst" => Number(4);
    b"icmp-redirect" => Number(5);
    b"icmp-echo" | b"tcp-push" => Number(8);
    b"icmp-routeradvert" => Number(9);
    b"icmp-routersolicit" => Number(10);
    b"icmp-timxceed" => Number(11);
    b"icmp-paramprob" => Number(12);
    b"icmp-tstamp" | b"tcpflags" => Number(13);
    b"icmp-tstampreply" => Number(14);
    b"icmp-ireq" => Number(15);
    b"icmp-ireqreply" | b"tcp-ack" => Number(16);
    b"icmp-maskreq" => Number(17);
    b"icmp-maskreply" => Number(18);
    b"tcp-urg" => Number(32);
    b"tcp-ece" => Number(64);
    b"tcp-cwr" | b"icmp6-echo" => Number(128);
    b"icmp6-echoreply" => Number(129);
    b"icmp6-multicastlistenerquery" => Number(130);
    b"icmp6-multicastlistenerreportv1" => Number(131);
    b"icmp6-multicastlistenerdone" => Number(132);
    b"icmp6-routersolicit" => Number(133);
    b"icmp6-routeradvert" => Number(134);
    b"icmp6-neighborsolicit" => Number(135);
    b"icmp6-neighboradvert" => Number(136);
    b"icmp6-redirect" => Number(137);
    b"icmp6-routerrenum" => Number(138);
    b"icmp6-nodeinformationquery" => Number(139);
    b"icmp6-nodeinformationresponse" => Number(140);
    b"icmp6-ineighbordiscoverysolicit" => Number(141);
    b"icmp6-ineighbordiscoveryadvert" => Number(142);
    b"icmp6-multicastlistenerreportv2" => Number(143);
    b"icmp6-homeagentdiscoveryrequest" => Number(144);
    b"icmp6-homeagentdiscoveryreply" => Number(145);
    b"icmp6-mobileprefixsolicit" => Number(146);
    b"icmp6-mobileprefixadvert" => Number(147);
    b"icmp6-certpathsolicit" => Number(148);
    b"icmp6-certpathadvert" => Number(149);
    b"icmp6-multicastrouteradvert" => Number(151);
    b"icmp6-multicastroutersolicit" => Number(152);
    b"icmp6-multicastrouterterm" => Number(153);
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
