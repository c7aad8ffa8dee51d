//! Two filter expressions and a packet: what is called equal is equal on the packet, too, and what is shown tells
//! them apart.

use skep_cbpf::{Packet, Program};
use skep_filter::{Difference, Effort, Expr, Options, diff};

/// Programs that take long to compare are not.
const LONG: usize = 400;

/// Two expressions, each up to a zero, then a packet.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == 0);
    let (Some(one), Some(other)) = (parts.next(), parts.next()) else { return };
    let packet = Packet::new(parts.next().unwrap_or_default());
    let (Some(one), Some(other)) = (program(one), program(other)) else { return };
    match diff(&one, &other, Effort::new(300)) {
        Difference::Equal(_) => {
            assert_eq!(one.run(&packet) != 0, other.run(&packet) != 0, "called equal");
        }
        Difference::Packet(witness) => {
            let packet = witness.packet();
            assert_ne!(one.run(&packet) != 0, other.run(&packet) != 0, "said to tell apart");
        }
        Difference::Undecided(_) => {}
    }
}

fn program(text: &[u8]) -> Option<Program> {
    let expr = Expr::parse(std::str::from_utf8(text).ok()?).ok()?;
    let program = expr.compile(&Options::default()).ok()?;
    (program.insns().len() <= LONG).then_some(program)
}
