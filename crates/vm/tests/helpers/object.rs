//! Objects, and lists and trees of them. An object is a node of up to 32 bytes and a number.

use super::{fault, r0};

/// Makes an object with a number in r8, or ends with -1.
fn make(number: i32) -> String {
    format!(
        " r1 = 1\n r2 = 0\n call @bpf_obj_new_impl\n if r0 != 0 goto +2\n r0 = -1\n exit\n r8 = r0\n \
         r1 = {number}\n *(u64 *)(r8 + 32) = r1\n"
    )
}

/// Numbers put in by `push` (r1 the head, r2 the object), taken out by `pop` until it gives null, as
/// digits.
fn through(numbers: &[i32], push: &str, pop: &str) -> i64 {
    let pushes: String = numbers
        .iter()
        .map(|&number| make(number) + &format!(" r1 = r6\n r2 = r8\n {push}\n"))
        .collect();
    let text = format!(
        "r6 = r1\n r7 = 0\n{pushes} pop: r1 = r6\n {pop}\n if r0 == 0 goto out\n r1 = *(u64 *)(r0 + 32)\n \
         r7 *= 10\n r7 += r1\n r1 = r0\n r2 = 0\n call @bpf_obj_drop_impl\n goto pop\n out: r0 = r7\n exit\n \
         less: r0 = 0\n r1 = *(u64 *)(r1 + 32)\n r2 = *(u64 *)(r2 + 32)\n if r1 >= r2 goto +1\n r0 = 1\n exit"
    );
    r0(&text, &mut [0; 16])
}

#[test]
fn lists_have_two_ends() {
    let [front, back] = ["front", "back"].map(|end| format!("call @bpf_list_push_{end}_impl"));
    let [pop_front, pop_back] = ["front", "back"].map(|end| format!("call @bpf_list_pop_{end}"));
    assert_eq!(through(&[1, 2, 3], &back, &pop_front), 123);
    assert_eq!(through(&[1, 2, 3], &front, &pop_front), 321);
    assert_eq!(through(&[1, 2, 3], &back, &pop_back), 321);
    assert_eq!(through(&[], &back, &pop_back), 0);
}

#[test]
fn trees_give_the_smallest_first() {
    let add = "r3 = less ll\n r4 = 0\n r5 = 0\n call @bpf_rbtree_add_impl";
    let pop = "call @bpf_rbtree_first\n if r0 == 0 goto out\n r1 = r6\n r2 = r0\n call @bpf_rbtree_remove";
    assert_eq!(through(&[3, 1, 4, 1, 5, 9, 2, 6], add, pop), 11_234_569);
}

#[test]
fn a_node_is_in_one_list() {
    let text = format!(
        "r6 = r1\n{} r1 = r6\n r2 = r8\n call @bpf_list_push_back_impl\n r1 = r6\n r2 = r8\n \
         call @bpf_list_push_back_impl\n exit",
        make(1)
    );
    assert_eq!(r0(&text, &mut [0; 16]), -22);
    let other = format!("r6 = r1\n{} r1 = r6\n r2 = r8\n call @bpf_rbtree_remove\n exit", make(1));
    assert_eq!(r0(&other, &mut [0; 16]), 0);
}

#[test]
fn an_object_lasts_as_long_as_its_references() {
    let drop = " r1 = r8\n r2 = 0\n call @bpf_obj_drop_impl\n";
    let acquire = " r1 = r8\n r2 = 0\n call @bpf_refcount_acquire_impl\n";
    let read = " r0 = *(u64 *)(r8 + 32)\n exit";
    assert_eq!(r0(&format!("{}{acquire}{drop}{read}", make(7)), &mut []), 7);
    let gone = fault(&format!("{}{drop}{read}", make(7)), &mut []);
    assert!(gone.contains("no memory there"), "{gone}");
    let twice = fault(&format!("{}{drop}{drop}{read}", make(7)), &mut []);
    assert!(twice.contains("argument 1 must be an object"), "{twice}");
    let beyond = fault(&format!("{} r0 = *(u64 *)(r8 + 33)\n exit", make(7)), &mut []);
    assert!(beyond.contains("byte 33 of object, which has 40"), "{beyond}");
}

#[test]
fn objects_find_room_only_up_to_a_limit() {
    let text = "r6 = 100000\n next: r1 = 1\n r2 = 0\n call @bpf_obj_new_impl\n if r0 == 0 goto out\n \
                r6 += -1\n if r6 != 0 goto next\n out: r0 = 100000\n r0 -= r6\n exit";
    assert_eq!(r0(text, &mut []), 65_536);
    assert_eq!(r0("r1 = 9\n r2 = 0\n call @bpf_obj_new_impl\n exit", &mut []), 0, "no such type");
}
