//! Open-coded iterators.

use super::{fault, r0};

/// The sum of the numbers that an iterator over `start..end` gives, and 1000 for each.
fn sum(start: i32, end: i32) -> i64 {
    let text = format!(
        "r1 = r10\n r1 += -8\n r2 = {start}\n r3 = {end}\n call @bpf_iter_num_new\n r6 = r0\n r7 = 0\n \
         next: r1 = r10\n r1 += -8\n call @bpf_iter_num_next\n if r0 == 0 goto done\n \
         r1 = *(s32 *)(r0 + 0)\n r7 += r1\n r7 += 1000\n goto next\n \
         done: r1 = r10\n r1 += -8\n call @bpf_iter_num_destroy\n r0 = r6\n \
         if r0 s< 0 goto +1\n r0 = r7\n exit"
    );
    r0(&text, &mut [])
}

#[test]
fn numbers_from_start_to_end() {
    let cases = [
        (0, 5, 5010),
        (-2, 1, 2997),
        (3, 3, 0),
        (i32::MAX - 1, i32::MAX, 1000 + i64::from(i32::MAX) - 1),
        (i32::MIN, i32::MIN + 1, 1000 + i64::from(i32::MIN)),
        (4, 3, -22),
        (0, 8 * 1024 * 1024 + 1, -7),
        (i32::MIN, i32::MAX, -7),
    ];
    for (start, end, want) in cases {
        assert_eq!(sum(start, end), want, "{start}..{end}");
    }
}

#[test]
fn an_iterator_lies_where_the_program_may_write() {
    let text = fault("r1 = 8\n r2 = 0\n r3 = 1\n call @bpf_iter_num_new\n exit", &mut []);
    assert_eq!(text, "bpf_iter_num_new: store of 8 bytes at 0x8: null pointer");
}

/// Positions of the bits in `mem`, each as a digit.
fn bits(mem: &mut [u8]) -> i64 {
    let words = mem.len() / 8;
    let text = format!(
        "r2 = r1\n r1 = r10\n r1 += -16\n r3 = {words}\n call @bpf_iter_bits_new\n r6 = r0\n r7 = 0\n \
         next: r1 = r10\n r1 += -16\n call @bpf_iter_bits_next\n if r0 == 0 goto done\n \
         r1 = *(u32 *)(r0 + 0)\n r7 *= 1000\n r7 += r1\n goto next\n \
         done: r1 = r10\n r1 += -16\n call @bpf_iter_bits_destroy\n r0 = r6\n \
         if r0 s< 0 goto +1\n r0 = r7\n exit"
    );
    r0(&text, mem)
}

#[test]
fn bits_of_one_word_and_of_many() {
    assert_eq!(bits(&mut [0; 8]), 0);
    assert_eq!(bits(&mut [0x81, 0, 0, 0, 0, 0, 0, 0x80]), 7_063);
    assert_eq!(bits(&mut [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40]), 1_126);
    assert_eq!(bits(&mut [0; 8 * 512]), -7);
    assert_eq!(bits(&mut []), -22);
}

#[test]
fn iterators_that_nobody_destroys_take_no_more_than_their_share() {
    let text = "r6 = r1\n r7 = 5000\n next: r1 = r10\n r1 += -16\n r2 = r6\n r3 = 2\n \
                call @bpf_iter_bits_new\n if r0 != 0 goto out\n r7 += -1\n if r7 != 0 goto next\n out: exit";
    assert_eq!(r0(text, &mut [0; 16]), -12);
}

#[test]
fn a_forged_iterator_frees_and_reads_nothing_of_others() {
    // The address of the stack itself, then far more bits than there are.
    let forge = |bits: u32, call: &str| {
        format!(
            "r1 = r10\n *(u64 *)(r10 - 16) = r1\n r2 = {bits}\n *(u32 *)(r10 - 8) = r2\n \
             *(u32 *)(r10 - 4) = -1\n r1 += -16\n call @{call}\n r0 = *(u32 *)(r10 - 4)\n exit"
        )
    };
    assert_eq!(r0(&forge(u32::MAX >> 1, "bpf_iter_bits_next"), &mut []), 0);
    assert!(fault(&forge(128, "bpf_iter_bits_next"), &mut []).contains("of stack"));
    assert!(fault(&forge(128, "bpf_iter_bits_destroy"), &mut []).contains("of stack"));
}
