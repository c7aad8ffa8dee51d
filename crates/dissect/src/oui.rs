//! Organisations that give numbers to protocols of their own.

use crate::tok::Toks;

pub(crate) const CISCO: usize = 0x00000c;
pub(crate) const CISCO_90: usize = 0x0000f8;
pub(crate) const IANA: usize = 0x00005e;
pub(crate) const RFC2684: usize = 0x0080c2;
pub(crate) const IEEE_8023: usize = 0x00120f;
pub(crate) const TIA: usize = 0x0012bb;
pub(crate) const DCBX: usize = 0x001b21;
pub(crate) const APPLETALK: usize = 0x080007;

pub(crate) const OUIS: &Toks = &[
    (0x000000, "Ethernet"),
    (CISCO, "Cisco"),
    (IANA, "IANA"),
    (0x000081, "Nortel Networks SONMP"),
    (CISCO_90, "Cisco bridged"),
    (RFC2684, "Ethernet bridged"),
    (0x00a03e, "ATM Forum"),
    (0x00e02f, "DOCSIS Spanning Tree"),
    (APPLETALK, "Appletalk"),
    (0x009069, "Juniper"),
    (0x080009, "Hewlett-Packard"),
    (IEEE_8023, "IEEE 802.3 Private"),
    (TIA, "ANSI/TIA"),
    (DCBX, "DCBX"),
    (0x002320, "Nicira Networks"),
    (0x5c16c7, "Big Switch Networks"),
    (0xb0d2f5, "Vello Systems"),
    (0x002481, "HP"),
    (0x0004ea, "HP-Labs"),
    (0x748771, "Infoblox Inc"),
    (0xa42305, "Open Networking Lab"),
    (0x00049f, "Freescale"),
    (0x0015ad, "Netronome"),
    (0x001018, "Broadcom"),
    (0x00e004, "PMC-Sierra"),
    (0xd0f0db, "Ericsson"),
];
