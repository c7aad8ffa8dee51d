//! Tests of the public interface.

mod check;
mod cooked;
mod ebpf;
mod generate;
mod kernel;
mod listing;
mod payload;
mod random;
mod roundtrip;
mod run;
mod tcpdump;
mod translate;
