//! Packets, hooks, captures and devices.

mod csum;
mod ctx;
mod files;
mod frames;
mod hostile;
mod live;
mod pcap;
mod pcapng;
mod skb;
mod verdict;
mod vlan;
mod xdp;
