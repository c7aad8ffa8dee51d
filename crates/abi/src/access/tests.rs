//! What the tables promise to whoever reads them without a kernel.

use super::*;
use crate::AttachType::*;

fn size_of(prog: ProgType, attach: Option<AttachType>, at: i32, size: u32) -> Option<u8> {
    ctx_access(prog, attach, at, size, false).ok().map(|field| field.whole)
}

#[test]
fn every_type_but_extensions_has_a_context() {
    for &prog in ProgType::ALL {
        let none = matches!(prog, ProgType::Ext | ProgType::Unspec);
        assert_eq!(CtxTable::of(prog).is_none(), none, "{prog}");
    }
}

#[test]
fn rules_stand_by_offset_and_inside_their_context() {
    let views = [Viewed::Socket, Viewed::SockCommon, Viewed::TcpSock, Viewed::XdpSock];
    let tables = ProgType::ALL.iter().filter_map(|&prog| CtxTable::of(prog));
    for table in tables.chain(views.map(CtxTable::of_view)) {
        assert!(table.rules.is_sorted_by_key(|rule| rule.at), "{}", table.name);
        for rule in table.rules {
            assert!(u32::from(rule.at) + u32::from(rule.size) <= table.size, "{}", rule.name);
        }
        let lists = [table.hidden, table.writable.unwrap_or_default()].concat();
        for name in lists.into_iter().chain(table.guarded.iter().map(|row| row.0)) {
            assert!(table.rules.iter().any(|rule| rule.name == name), "{name}");
        }
    }
}

#[test]
fn absurd_questions_are_refused() {
    for &prog in ProgType::ALL {
        for off in [i32::MIN, -1, i32::MAX] {
            for size in [0, 3, u32::MAX] {
                assert!(ctx_access(prog, None, off, size, false).is_err(), "{prog}");
            }
        }
    }
}

#[test]
fn narrow_and_wide_loads_tell_the_size_of_the_value() {
    assert_eq!(size_of(ProgType::SchedCls, None, 9, 1), Some(4));
    assert_eq!(size_of(ProgType::SchedCls, None, 48, 8), Some(0));
    assert_eq!(size_of(ProgType::SchedCls, None, 64, 8), None);
    assert_eq!(size_of(ProgType::PerfEvent, None, 168, 4), Some(8));
    let place = Some(CgroupUdp6Sendmsg);
    assert_eq!(size_of(ProgType::CgroupSockAddr, place, 48, 8), Some(4));
    assert_eq!(size_of(ProgType::CgroupSockAddr, place, 56, 8), None);
    assert_eq!(size_of(ProgType::SkLookup, None, 36, 4), Some(0));
    assert_eq!(size_of(ProgType::SkLookup, None, 36, 2), Some(2));
}

#[test]
fn the_place_decides_and_is_named_when_it_is_another() {
    let prog = ProgType::CgroupSock;
    assert!(ctx_access(prog, None, 16, 4, true).is_ok());
    let bound = ctx_access(prog, Some(CgroupInet4PostBind), 16, 4, true);
    assert_eq!(bound, Err(CtxRefusal::OtherPlace("mark")));
    assert!(ctx_access(prog, Some(CgroupInet4PostBind), 24, 4, false).is_ok());
    assert!(ctx_access(ProgType::Xdp, Some(XdpDevmap), 20, 4, false).is_ok());
    assert!(ctx_access(ProgType::Xdp, Some(Xdp), 20, 4, false).is_err());
}

#[test]
fn some_fields_need_a_capability() {
    let needs = |off, size, write| {
        ctx_access(ProgType::CgroupSkb, None, off, size, write).map(|field| field.needs_cap_bpf)
    };
    assert_eq!(needs(76, 4, false), Ok(true));
    assert_eq!(needs(152, 8, false), Ok(false));
    assert_eq!(needs(152, 8, true), Ok(true));
    assert_eq!(needs(8, 4, true), Ok(false));
}

#[test]
fn sockets_that_may_be_requests_show_less() {
    assert!(view_access(Viewed::Socket, 8, 4).is_ok());
    assert!(view_access(Viewed::SockCommon, 8, 4).is_err());
    assert!(view_access(Viewed::SockCommon, 4, 4).is_ok());
    assert!(view_access(Viewed::TcpSock, 80, 8).is_ok());
    assert!(view_access(Viewed::TcpSock, 80, 4).is_err());
    assert!(view_access(Viewed::TcpSock, 84, 4).is_err());
}

/// The fields that documentation shows were asked of the kernel one by one; both tables say the same.
#[test]
fn fields_of_the_types_rows_are_accessed_as_they_say() {
    let mut compared = 0;
    for info in crate::ProgInfo::all() {
        let crate::Ctx::Struct { fields, .. } = info.ctx else { continue };
        for field in fields {
            let places: alloc::vec::Vec<_> =
                if !field.only.is_empty() { field.only.to_vec() } else { info.attach.to_vec() };
            let places = places.into_iter().map(Some).chain(field.only.is_empty().then_some(None));
            for (place, size) in places.flat_map(|place| [1, 2, 4, 8].map(|size| (place, size))) {
                let may = |write| {
                    ctx_access(info.prog_type, place, i32::from(field.at), size, write).is_ok()
                };
                let bit = |mask: u8| u32::from(mask) & size != 0;
                // Several rows may stand for one field at different places.
                let alone = fields.iter().filter(|row| row.at == field.at).count() == 1;
                compared += 2;
                if alone {
                    assert_eq!(may(false), bit(field.read), "{} {}", info.prog_type, field.name);
                    assert_eq!(may(true), bit(field.write), "{} {}", info.prog_type, field.name);
                }
            }
        }
    }
    assert!(compared > 3_000);
}
