//! Listings of classic programs: what is read prints as a listing that says the same.

use skep_cbpf::{Format, parse, print};

/// Input: a text.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match parse(&text) {
        // Without instructions there is nothing to print but a number.
        Ok(insns) if insns.is_empty() => assert_eq!(print(&insns, Format::Decimal), "0\n"),
        Ok(insns) => {
            for format in [Format::C, Format::Decimal] {
                assert_eq!(parse(&print(&insns, format)).as_ref(), Ok(&insns), "{format:?}");
            }
            // The form for people loses unused fields, once.
            let listing = print(&insns, Format::Text);
            if let Ok(again) = parse(&listing) {
                assert_eq!(print(&again, Format::Text), listing);
            }
        }
        Err(error) => {
            assert!(text.is_char_boundary(error.at), "{error}");
            assert!(error.line > 0, "{error}");
        }
    }
}
