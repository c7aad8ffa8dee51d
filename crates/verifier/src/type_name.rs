//! Kinds of values as the kernel's messages name them.

use crate::reg::{Base, RegType, flag};

/// Flags that stand before the name, in this order.
pub(crate) const PREFIXES: [(u32, &str); 7] = [
    (flag::RDONLY, "rdonly_"),
    (flag::RINGBUF, "ringbuf_"),
    (flag::USER, "user_"),
    (flag::PERCPU, "percpu_"),
    (flag::RCU, "rcu_"),
    (flag::UNTRUSTED, "untrusted_"),
    (flag::TRUSTED, "trusted_"),
];

impl Base {
    /// As the kernel names it.
    #[must_use]
    pub const fn kernel_name(self) -> &'static str {
        match self {
            Self::NotInit => "?",
            Self::Scalar => "scalar",
            Self::Ctx => "ctx",
            Self::ConstMap => "map_ptr",
            Self::MapValue => "map_value",
            Self::MapKey => "map_key",
            Self::Stack => "fp",
            Self::PacketMeta => "pkt_meta",
            Self::Packet => "pkt",
            Self::PacketEnd => "pkt_end",
            Self::FlowKeys => "flow_keys",
            Self::Socket => "sock",
            Self::SockCommon => "sock_common",
            Self::TcpSock => "tcp_sock",
            Self::TpBuffer => "tp_buffer",
            Self::XdpSock => "xdp_sock",
            Self::BtfId => "ptr_",
            Self::Mem => "mem",
            Self::Arena => "arena",
            Self::Buf => "buf",
            Self::Func => "func",
            Self::ConstDynptr => "dynptr_ptr",
        }
    }
}

impl RegType {
    /// As the kernel's messages name it. Kernel: `reg_type_str`.
    #[must_use]
    pub fn kernel_name(self) -> String {
        let mut name: String =
            PREFIXES.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, text)| *text).collect();
        name.push_str(self.base.kernel_name());
        if self.may_be_null() {
            name.push_str(if self.base == Base::BtfId { "or_null_" } else { "_or_null" });
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_before_the_name_and_null_after_it() {
        let name = |base, flags| RegType { base, flags }.kernel_name();
        assert_eq!(name(Base::Stack, 0), "fp");
        assert_eq!(name(Base::MapValue, flag::MAYBE_NULL), "map_value_or_null");
        assert_eq!(name(Base::BtfId, flag::MAYBE_NULL | flag::TRUSTED), "trusted_ptr_or_null_");
        assert_eq!(name(Base::Mem, flag::RDONLY | flag::UNTRUSTED), "rdonly_untrusted_mem");
    }
}
