//! What kernels promise, as tables: program types with contexts, attach and link types, helpers, kernel
//! functions, map types, and the first release of each.
//!
//! Numbers and names are Linux's, so that a `u32` from an object file or from bpf(2) and a word in a
//! text find the same row. This crate implements none of what it names. [`reference()`] prints it all.
//!
//! ```
//! use skep_abi::{Helper, MapType, ProgType, helper_name};
//!
//! assert_eq!(ProgType::from_number(6), Some(ProgType::Xdp));
//! assert_eq!(MapType::from_name("lpm_trie"), Some(MapType::LpmTrie));
//! assert_eq!(helper_name(1), Some("map_lookup_elem"));
//! let helper = Helper::find(44).unwrap();
//! assert_eq!((helper.name, helper.since.to_string().as_str()), ("xdp_adjust_head", "4.10"));
//! assert!(helper.admits(ProgType::Xdp, None) && !helper.admits(ProgType::SchedCls, None));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod access;
pub mod attach;
mod attach_type;
mod ctx;
mod errno;
mod feature;
mod helper;
pub mod hooks;
mod iter;
mod kfunc;
mod link_type;
mod map_flag;
mod map_type;
pub mod older;
mod ops;
mod prog_type;
mod reference;
mod release;
mod section;
mod table_enum;
pub mod trust;

pub use access::{
    CtxAlign, CtxField, CtxKind, CtxRefusal, CtxRule, CtxSizes, CtxTable, FLOW_KEYS_SIZE, Viewed,
    ctx_access, view_access,
};
pub use attach_type::AttachType;
pub use ctx::{Ctx, Field, FieldKind};
pub use errno::Errno;
pub use feature::Feature;
pub use helper::{
    Admission, Arg, ArgKind, Callback, CallbackArg, Calls, Cap, HELPERS, Helper, Lockdown, Only,
    Proto, ResultBound, Ret, RetKind, arg_flag, helper_id, helper_name,
};
pub use iter::{IterArg, IterTarget};
pub use kfunc::{Kfunc, KfuncGroup, flag as kfunc_flag};
pub use link_type::LinkType;
pub use map_flag::MapFlag;
pub use map_type::{MapEntries, MapInfo, MapKey, MapType, MapValue, Special, may_update_sockets};
pub use ops::{Ops, Store};
pub use prog_type::{
    KfuncHook, LoadCap, PacketAccess, PacketPass, ProgInfo, ProgType, ProgTypes, ResultRule,
    Results, Returns,
};
pub use reference::reference;
pub use release::Release;
pub use section::{SECTIONS, Section};
use table_enum::table_enum;
