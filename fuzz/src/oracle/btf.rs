//! BTF: what parses can be walked and shown over any bytes, in bounded time.

use super::bytes::Bytes;
use skep_btf::{Btf, BtfExt, ByteOrder, Kind};

/// Types shown of one input: each costs up to the limit of a shown value.
const SHOWN: usize = 24;

/// Input: two bytes of length, BTF of that length, BTF.ext.
pub fn check(data: &[u8]) {
    let mut input = Bytes::new(data);
    let len = usize::from(u16::from_le_bytes([input.u8(), input.u8()]));
    let bytes = input.take(len);
    match Btf::parse(bytes) {
        Ok(btf) => {
            walk(&btf);
            ext(&btf, input.rest());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn walk(btf: &Btf) {
    let value: Vec<u8> = (0..=255).collect();
    let count = btf.types().count();
    let section = btf.types().find(|ty| ty.kind() == Kind::Datasec);
    assert!(section.is_none_or(|ty| btf.clone().place_vars(ty.id, 64, |_| Some(8))));
    for (n, ty) in btf.types().enumerate() {
        assert_eq!(btf.get(ty.id).map(|ty| ty.id), Some(ty.id));
        let _ = btf.size_of(ty.id);
        if let Some(target) = btf.resolve(ty.id) {
            assert!(target.body.alias_of().is_none());
        }
        if n % count.div_ceil(SHOWN) == 0 {
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let _ = btf.show(ty.id, &value, order).to_string();
            }
        }
    }
}

fn ext(btf: &Btf, bytes: &[u8]) {
    match BtfExt::parse(bytes, btf) {
        Ok(ext) => {
            for line in ext.line_info.iter().flat_map(|section| &section.records) {
                let _ = (line.file(btf), line.text(btf));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
