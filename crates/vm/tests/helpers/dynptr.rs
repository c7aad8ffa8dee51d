//! Dynptrs over memory.

use super::{fault, r0};
use skep_abi::Errno;

/// A dynptr over `len` bytes of the memory at r10-16, then the text, with r6 the memory's address.
fn with(len: u32, text: &str) -> String {
    format!(
        "r6 = r1\n r2 = {len}\n r3 = 0\n r4 = r10\n r4 += -16\n call bpf_dynptr_from_mem\n \
         if r0 != 0 goto out\n {text}\n out: exit"
    )
}

const PTR: &str = "r1 = r10\n r1 += -16\n ";

#[test]
fn bytes_go_in_and_out_within_bounds() {
    let read = |off: u32, len: u32| {
        let text = format!(
            "r1 = r10\n r1 += -32\n r2 = {len}\n r3 = r10\n r3 += -16\n r4 = {off}\n r5 = 0\n \
             call bpf_dynptr_read\n if r0 != 0 goto out\n r0 = *(u16 *)(r10 - 32)"
        );
        r0(&with(8, &text), &mut [1, 2, 3, 4, 5, 6, 7, 8, 9])
    };
    let cases =
        [((0, 2), 0x201), ((6, 2), 0x807), ((7, 2), -7), ((8, 0), 0), ((9, 0), -7), ((0, 9), -7)];
    for ((off, len), want) in cases {
        assert_eq!(read(off, len), want, "{off} {len}");
    }
    assert_eq!(read(u32::MAX, 2), -7);

    let mut mem = [0; 8];
    let write = |off: u32, flags: u32| {
        format!(
            "*(u64 *)(r10 - 32) = 0x55\n {PTR} r2 = {off}\n r3 = r10\n r3 += -32\n r4 = 4\n \
             r5 = {flags}\n call bpf_dynptr_write"
        )
    };
    assert_eq!(r0(&with(8, &write(2, 0)), &mut mem), 0);
    assert_eq!(mem, [0, 0, 0x55, 0, 0, 0, 0, 0]);
    assert_eq!(r0(&with(8, &write(5, 0)), &mut mem), -7);
    assert_eq!(r0(&with(8, &write(2, 1)), &mut mem), -22);
}

#[test]
fn parts_clones_and_sizes() {
    let adjusted = |start: u32, end: u32, then: &str| {
        let adjust = format!("{PTR} r2 = {start}\n r3 = {end}\n call @bpf_dynptr_adjust\n ");
        with(8, &format!("{adjust} if r0 != 0 goto out\n {then}"))
    };
    let size = format!("{PTR} call @bpf_dynptr_size");
    let byte = format!(
        "{PTR} r2 = 1\n r3 = 0\n r4 = 1\n call @bpf_dynptr_slice\n if r0 == 0 goto out\n \
         r0 = *(u8 *)(r0 + 0)"
    );
    let clone = format!(
        "{PTR} r2 = r10\n r2 += -32\n call @bpf_dynptr_clone\n r1 = r10\n r1 += -32\n \
                         call @bpf_dynptr_size"
    );
    let copied = format!(
        "{PTR} r2 = 0\n r3 = r10\n r3 += -16\n r4 = 1\n r5 = 2\n call @bpf_dynptr_copy\n \
                          if r0 != 0 goto out\n r0 = *(u32 *)(r6 + 2)"
    );
    let filled = format!(
        "{PTR} r2 = 1\n r3 = 2\n r4 = 0x1ff\n call @bpf_dynptr_memset\n \
                          if r0 != 0 goto out\n r0 = *(u32 *)(r6 + 2)"
    );
    #[rustfmt::skip]
    let cases = [
        (2, 6, &size, 4), (2, 2, &size, 0), (3, 2, &size, -22), (2, 9, &size, -34),
        (2, 6, &byte, 13), (7, 8, &byte, 0), (2, 6, &clone, 4),
        (2, 6, &copied, 0x0f0e_0e0d), (2, 4, &copied, -7),
        (2, 6, &filled, 0x0fff_ff0c), (2, 4, &filled, -7),
    ];
    for (start, end, then, want) in cases {
        let mem = &mut [10, 11, 12, 13, 14, 15, 16, 17];
        let got = r0(&adjusted(start, end, then), mem);
        assert_eq!(got, want, "{start}..{end} {then}");
    }
}

#[test]
fn what_is_refused_leaves_a_null_dynptr() {
    let text = |len: &str, flags: u32, then: &str| {
        format!(
            "r2 = {len}\n r3 = {flags}\n r4 = r10\n r4 += -16\n call bpf_dynptr_from_mem\n r6 = r0\n \
             {PTR} call @{then}\n r0 *= 1000\n r0 += r6\n exit"
        )
    };
    let cases = [
        ("8", 0, "bpf_dynptr_is_null", 0),
        ("0x1000000", 0, "bpf_dynptr_is_null", 1000 - 7),
        ("8", 1, "bpf_dynptr_is_null", 1000 - 22),
        ("8", 1, "bpf_dynptr_size", -22_022),
        ("8", 1, "bpf_dynptr_is_rdonly", -22),
    ];
    for (len, flags, then, want) in cases {
        assert_eq!(r0(&text(len, flags, then), &mut [0; 8]), want, "{len} {flags} {then}");
    }
}

/// Each reads through 16 bytes that the program has written itself.
#[test]
fn a_forged_dynptr_reaches_nothing_beyond_the_programs_memory() {
    let forged = |data: &str, size: &str, off: &str| {
        let text = format!(
            "r1 = {data} ll\n *(u64 *)(r10 - 16) = r1\n r1 = {size} ll\n *(u32 *)(r10 - 8) = r1\n \
             r1 = {off} ll\n *(u32 *)(r10 - 4) = r1\n r1 = r10\n r1 += -32\n r2 = 8\n r3 = r10\n \
             r3 += -16\n r4 = 0\n r5 = 0\n call bpf_dynptr_read\n exit"
        );
        super::run_in(&text, &mut [0; 8]).result.map_err(|fault| fault.kind.to_string())
    };
    let einval = Ok(Errno::EINVAL.r0());
    assert_eq!(forged("0", "0x10000008", "0"), einval, "null");
    assert_eq!(forged("0x300000000", "0x00000008", "0"), einval, "no kind");
    assert_eq!(forged("0x300000000", "0x70000008", "0"), einval, "an unknown kind");
    assert_eq!(forged("0x300000000", "0x10000008", "0"), Ok(0), "as bpf_dynptr_from_mem makes it");
    assert!(
        forged("0x300000000", "0x10ffffff", "1").unwrap_err().contains("of memory, which has 8")
    );
    assert!(forged("0x300000000", "0x10ffffff", "0xffffffff").is_err());
    assert!(forged("0x3ffffffff", "0x10ffffff", "0xffffffff").is_err());
    assert!(forged("0xffffffffffffffff", "0x10000008", "0").is_err());
    assert!(forged("8", "0x10000008", "0").unwrap_err().contains("null pointer"));
    assert_eq!(
        forged("0x200000000", "0x30000008", "0"),
        Ok(Errno::EFAULT.r0()),
        "without a packet"
    );
    let text = "*(u64 *)(r10 - 16) = 8\n r1 = 0x20000008\n *(u64 *)(r10 - 8) = r1\n r1 = r10\n \
                r1 += -16\n r2 = 0\n call bpf_ringbuf_submit_dynptr\n exit";
    assert!(fault(text, &mut []).starts_with("bpf_ringbuf_submit_dynptr: argument 1 must be"));
}

#[test]
fn what_can_be_read_goes_into_a_dynptr() {
    let probe = |kfunc: &str, off: u32, len: u32, from: &str| {
        let mut mem = *b"........text\0more";
        let text = format!(
            "r7 = r6\n r7 += 8\n {PTR} r2 = {off}\n r3 = {len}\n r4 = {from}\n call @{kfunc}"
        );
        (r0(&with(8, &text), &mut mem), mem[..8].to_vec())
    };
    let untouched = b"........".to_vec();
    let (copy, text) = ("bpf_probe_read_kernel_dynptr", "bpf_copy_from_user_str_dynptr");
    assert_eq!(probe(copy, 1, 6, "r7"), (0, b".text\0m.".to_vec()));
    assert_eq!(probe(copy, 3, 6, "r7"), (-7, untouched.clone()));
    assert_eq!(probe(copy, 1, 6, "8"), (-14, untouched.clone()));
    assert_eq!(probe(text, 1, 7, "r7"), (5, b".text\0..".to_vec()));
    assert_eq!(probe(text, 1, 3, "r7"), (3, b".te\0....".to_vec()));
    assert_eq!(probe(text, 1, 0, "r7"), (0, untouched.clone()));
    assert_eq!(probe(text, 2, 7, "r7"), (-7, untouched));
}
