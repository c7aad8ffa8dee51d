//! The kernel's sentences and what they mean for the program.

use super::Told;

/// A sentence that is told in other words, without help of its own.
const fn told(says: &'static str, title: &'static str) -> Told {
    Told { says, title, help: "" }
}

/// A sentence that is told in other words, and what would do.
const fn help(says: &'static str, title: &'static str, help: &'static str) -> Told {
    Told { says, title, help }
}

const UNLOCK: &str = "call bpf_spin_unlock() on every way to the exit, also the early ones";
const RCU_UNLOCK: &str = "call bpf_rcu_read_unlock() on every way to the exit, also the early ones";
const ENABLE: &str =
    "call bpf_preempt_enable() as often as bpf_preempt_disable(), on every way to the exit";
const RESTORE: &str = "call bpf_local_irq_restore() on every way to the exit";
const OUTSIDE: &str = "do it before the lock is taken or after it is released";
const NULL: &str = "compare {name} with null first: `if (!p) return …;`";
const INSIDE_RCU: &str =
    "call it between bpf_rcu_read_lock() and bpf_rcu_read_unlock(), or let the program not sleep";
const ROOT: &str = "load it with CAP_BPF and CAP_PERFMON";
const CONSTANT: &str = "use a constant offset, or load it with CAP_BPF and CAP_PERFMON";
const DIRECT: &str = "call the functions that are for it; the other members may be accessed";
const KPTR: &str = "exchange it by bpf_kptr_xchg(): it gives what was there before";
const RESERVED: &str =
    "clear what the instruction does not use: which fields those are depends on its opcode";

/// More special sentences stand before more general ones.
pub(super) const TABLE: &[Told] = &[
    // Locks and sections.
    help(
        "BPF_EXIT instruction in * cannot be used inside bpf_spin_lock-ed region",
        "{owner} ends while a lock is held",
        UNLOCK,
    ),
    help(
        "BPF_EXIT instruction in * cannot be used inside bpf_rcu_read_lock-ed region",
        "{owner} ends inside an RCU section",
        RCU_UNLOCK,
    ),
    help(
        "BPF_EXIT instruction in * cannot be used inside bpf_preempt_disable-ed region",
        "{owner} ends while preemption is disabled",
        ENABLE,
    ),
    help(
        "BPF_EXIT instruction in * cannot be used inside bpf_local_irq_save-ed region",
        "{owner} ends while interrupts are disabled",
        RESTORE,
    ),
    help(
        "BPF_LD_[ABS|IND] cannot be used inside bpf_spin_lock-ed region",
        "the packet is read by LD_ABS while a lock is held, which may end the program",
        OUTSIDE,
    ),
    help(
        "BPF_LD_[ABS|IND] cannot be used inside *-ed region",
        "the packet is read by LD_ABS inside a section that {1} began, which may end the program",
        "do it before the section or after it",
    ),
    help(
        "tail_call cannot be used inside *-ed region",
        "a tail call inside a section that {1} began would never end it",
        "end the section before the call",
    ),
    help(
        "* cannot be used inside *-ed region",
        "{1} is called inside a section that {2} began",
        "end the section before",
    ),
    help("*bpf_spin_unlock is missing", "{owner} ends while a lock is held", UNLOCK),
    help("bpf_rcu_read_unlock is missing", "{owner} ends inside an RCU section", RCU_UNLOCK),
    help("* bpf_preempt_enable* missing", "{owner} ends while preemption is disabled", ENABLE),
    help(
        "*_unlock of different lock",
        "{call} is given another lock than the one that is held",
        "release the lock of the same map value or object that was taken: two look-ups give two locks, even of the same key",
    ),
    help(
        "held lock and object are not in the same allocation",
        "the lock that is held is not the one of what {call} works on",
        "take the lock that is in the same map value or object",
    ),
    help(
        "*_unlock cannot be out of order",
        "locks are released in another order than they were taken",
        "release the lock first that was taken last",
    ),
    help(
        "*_unlock without taking a lock",
        "{call} is called while no lock is held",
        "take the lock before, on every way that leads here",
    ),
    help(
        "Locking two bpf_spin_locks are not allowed",
        "a second lock is taken while one is held",
        "release the first lock before the second is taken, or use bpf_res_spin_lock",
    ),
    help(
        "Acquiring the same lock again, AA deadlock detected",
        "a lock is taken that is held already",
        "release it before it is taken again",
    ),
    help(
        "function calls are not allowed while holding a lock",
        "{call} is called while a lock is held",
        OUTSIDE,
    ),
    help(
        "global function calls are not allowed while holding a lock,",
        "the global function {call} is called while a lock is held",
        "make it static: static functions are followed into, global ones are not",
    ),
    help(
        "global function calls are not allowed with preemption disabled,",
        "the global function {call} is called while preemption is disabled",
        "make it static: static functions are followed into, global ones are not",
    ),
    help(
        "global functions that may sleep are not allowed in non-sleepable context,",
        "the global function {call} may sleep, and is called where nothing may",
        "call it outside of RCU sections and locks, from a program that may sleep",
    ),
    help(
        "can't *spin_{lock,unlock} in rbtree cb",
        "{call} is called in the comparison function of a tree",
        "whoever calls bpf_rbtree_add() holds the lock: the comparison leaves it alone",
    ),
    help(
        "map '*' has no valid *",
        "what {call} is given is in `{1}`, which has no {2}",
        "put a {2} into the same map value or section as what it is for",
    ),
    help(
        "map '*' has to have BTF in order to use *",
        "the values of {1} have no type, so that their lock is not found",
        "define the map with `__type(value, struct …)` and compile with -g",
    ),
    help(
        "map '*' is not a struct type or bpf_spin_lock is mangled",
        "the values of {1} are no structures with one lock",
        "give the map a struct with one `struct bpf_spin_lock`",
    ),
    help(
        "off * doesn't point to 'struct *' that is at *",
        "{name} leads to byte {1}, and the {2} is at byte {3}",
        "pass the address of the member itself: `&v->lock`",
    ),
    help(
        "R* doesn't have constant offset. * has to be at the constant offset",
        "the {2} that {call} gets must be at a constant offset: {name} is {what}",
        "compute the address without a variable index",
    ),
    help(
        "kernel func * is sleepable within * region",
        "{1} may sleep, and is called where nothing may: in a section of {2}",
        "call it before the section or after it",
    ),
    help(
        "kernel func * requires RCU critical section protection",
        "{1} is called outside of an RCU section",
        INSIDE_RCU,
    ),
    help(
        "nested rcu read lock *",
        "an RCU section begins inside another one",
        "one bpf_rcu_read_lock() is enough",
    ),
    help(
        "unmatched rcu read unlock *",
        "an RCU section ends that did not begin",
        "call bpf_rcu_read_lock() before, on every way that leads here",
    ),
    help(
        "unmatched attempt to enable preemption *",
        "preemption is enabled that was not disabled",
        "call bpf_preempt_disable() before, on every way that leads here",
    ),
    help(
        "cannot restore irq state out of order, *",
        "interrupts are restored in another order than they were saved",
        "restore first what was saved last",
    ),
    told(
        "irq flag acquired by * kfuncs cannot be restored with * kfuncs",
        "interrupts that {1} functions disabled are restored by {2} functions",
    ),
    help(
        "expected uninitialized irq flag as arg#*",
        "{call} would write over a flag that is in use",
        "use a variable of its own for each section",
    ),
    help(
        "expected an initialized irq flag as arg#*",
        "{call} is given no flag that bpf_local_irq_save() made",
        "pass the address of the same variable that bpf_local_irq_save() got",
    ),
    told(
        "arg#* doesn't point to an irq flag on stack",
        "{call} takes the address of a variable on the stack, not {what}",
    ),
    // Lists and trees.
    help(
        "* at off=* must be held for *",
        "{call} works on a {3}, whose lock is not held",
        "take the {1} in the same map value, section or object before, and release it after",
    ),
    help(
        "* not allowed in rbtree cb",
        "{1} is called in the comparison function of a tree",
        "compare, and do nothing else",
    ),
    help(
        "rbtree_remove node input must be non-owning ref",
        "bpf_rbtree_remove takes a node that is in the tree",
        "pass what bpf_rbtree_first() or bpf_rbtree_add() left while the lock is held",
    ),
    help(
        "* can only take non-owning or refcounted * pointer",
        "{1} takes a node that is in the tree, not {what}",
        "pass a pointer to the node that was got while the lock was held, and not released since",
    ),
    told("* not found at offset=*", "there is no {1} at byte {2} of what {name} leads to"),
    help(
        "arg#* expected pointer to allocated object",
        "{call} takes an object that the program owns as its {1st+1} argument, not {what}",
        "pass what bpf_obj_new() or a function that removes gave, once, after a comparison with null",
    ),
    told(
        "arg#* offset=*, but expected * at offset=* in struct *",
        "{name} leads to byte {2} of `struct {5}`, and its {3} is at byte {4}",
    ),
    told(
        "operation on * expects arg#* * at offset=* in struct *, but arg is at offset=* in struct *",
        "the {1} is for the {3} at byte {4} of `struct {5}`, not for one at byte {6} of `struct {7}`",
    ),
    // Pointers kept in maps.
    help(
        "store to referenced kptr disallowed",
        "a pointer field that owns what it points to is stored into",
        KPTR,
    ),
    help(
        "R* has no valid kptr",
        "{call} takes a pointer field of a map value in {name}, and none is there",
        "pass the address of a member that is marked `__kptr`",
    ),
    told(
        "invalid kptr access, R* type=* expected=* or *",
        "the field takes {kind:3}, not {kind:2}",
    ),
    told("invalid kptr access, R* type=* expected=*", "the field takes {kind:3}, not {kind:2}"),
    help(
        "off=* kptr isn't referenced kptr",
        "{call} exchanges pointers that own, and the field at byte {1} does not",
        "mark the member `__kptr`, not `__kptr_untrusted`",
    ),
    told(
        "BPF_ST imm must be 0 when storing to kptr at off=*",
        "the only number that a pointer field takes is 0",
    ),
    help(
        "kptr access misaligned expected=* off=*",
        "{through} reaches into the middle of a pointer field",
        "access the whole member",
    ),
    help(
        "kptr access size must be BPF_DW",
        "{through} accesses a part of a pointer field",
        "access the whole member, 8 bytes",
    ),
    help(
        "kptr access cannot have variable offset",
        "{through} may reach a pointer field, at an offset that is not constant",
        "keep pointer fields away from arrays with a variable index",
    ),
    help(
        "kptr cannot be accessed indirectly by helper",
        "{call} would access a pointer field of the map value",
        "pass memory without the field",
    ),
    // Dynptrs and iterators.
    help(
        "Expected an initialized dynptr as arg #*",
        "{call} takes a dynptr as its {1st+1} argument, and none is there",
        "make it before, on every way that leads here: bpf_dynptr_from_…(), bpf_ringbuf_reserve_dynptr(); stores into it and its release end it",
    ),
    help(
        "Dynptr has to be an uninitialized dynptr",
        "{call} makes a dynptr where one is already, or where none fits",
        "use a variable `struct bpf_dynptr` of its own on the stack for each",
    ),
    help(
        "arg#* expected pointer to stack or const struct bpf_dynptr",
        "{call} takes the address of a dynptr on the stack as its {1st+1} argument, not {what}",
        "declare `struct bpf_dynptr` as a local variable and pass its address",
    ),
    help(
        "cannot overwrite referenced dynptr",
        "a dynptr is overwritten whose memory must still be given back",
        "submit or discard it before",
    ),
    help(
        "potential write to dynptr at off=* disallowed",
        "{call} may write over the dynptr at fp{1}",
        "pass memory that ends before the dynptr",
    ),
    told(
        "cannot release unowned const *",
        "the dynptr that a callback is given belongs to its caller, and is released here",
    ),
    help(
        "expected an initialized iter_* as arg #*",
        "{call} takes an iterator that bpf_iter_{1}_new() made, and none is there",
        "call bpf_iter_{1}_new() before, on every way that leads here; stores into it and its destruction end it",
    ),
    help(
        "expected uninitialized iter_* as arg #*",
        "{call} makes an iterator where one is in use",
        "destroy it before by bpf_iter_{1}_destroy(), or use another variable",
    ),
    help("expected an RCU CS when using *", "{1} is called outside of an RCU section", INSIDE_RCU),
    // The stack.
    help(
        "R* variable stack access prohibited for !root, *",
        "the stack is accessed at an offset that is not constant, which takes privileges: {name} is {what}",
        CONSTANT,
    ),
    help(
        "R* variable offset stack access prohibited for !root*",
        "the stack is accessed at an offset that is not constant, which takes privileges: {name} is {what}",
        CONSTANT,
    ),
    help(
        "R* stack pointer arithmetic goes out of range, *",
        "a pointer would leave the stack, which takes privileges even where nothing is accessed",
        CONSTANT,
    ),
    help(
        "R* pointer arithmetic of map value goes out of range, *",
        "a pointer may leave the map value, which takes privileges even where nothing is accessed",
        "test the index before it is added: `if (i < N)`, or load it with CAP_BPF and CAP_PERFMON",
    ),
    help(
        "invalid size of register fill",
        "a part of a pointer is read from the stack, where it is kept whole",
        "read all 8 bytes of it",
    ),
    help(
        "invalid size of register spill",
        "a part of a pointer is kept on the stack",
        "store all 8 bytes of it",
    ),
    help(
        "attempt to corrupt spilled pointer on stack",
        "a part of a pointer that is kept on the stack is overwritten, which takes privileges",
        "store 8 bytes, aligned, or use another part of the stack",
    ),
    told(
        "corrupted spill memory",
        "what is read from the stack was a register of which a part was overwritten",
    ),
    help(
        "leaking pointer from stack off *",
        "a pointer that is kept on the stack is read as data, which takes privileges",
        ROOT,
    ),
    help(
        "spilled ptr in range of var-offset stack write*",
        "a store at a variable offset may overwrite a pointer that is kept on the stack",
        CONSTANT,
    ),
    help(
        "uninit stack in range of var-offset write*",
        "a store at a variable offset may reach stack that was never written, which takes privileges",
        "initialise the whole array first: `= {}`",
    ),
    help(
        "cannot spill pointers to stack into stack frame of the caller",
        "a pointer to this function's stack would be kept on its caller's, and outlive it",
        "let the caller own the variable and pass its address",
    ),
    help(
        "cannot return stack pointer to the caller",
        "the function returns a pointer to its own stack",
        "let the caller own the variable and pass its address",
    ),
    help(
        "combined stack size of * calls is *. Too large",
        "functions that call each other, {1} in a row, take {2} bytes of stack together, and 512 are there",
        "keep large variables in a per-CPU array map instead of the stack",
    ),
    help(
        "the call stack of * frames is too deep*",
        "calls are nested {1} deep, and 8 are the most",
        "let the compiler inline one of the functions: `static __always_inline`",
    ),
    // Where nothing may be known of addresses.
    help(
        "R* leaks addr as return value",
        "the program would return an address: {name} is {what}",
        "return a number, or load it with CAP_BPF and CAP_PERFMON",
    ),
    help(
        "R* leaks addr into helper function",
        "{call} would see an address as if it were a number: {name} is {what}",
        ROOT,
    ),
    help(
        "R* leaks addr into map",
        "an address would be written into a map, where users read it: {name} is {what}",
        "store a number instead, or load it with CAP_BPF and CAP_PERFMON",
    ),
    help(
        "R* leaks addr into ctx",
        "an address would be written into the context: {name} is {what}",
        "store a number instead",
    ),
    help(
        "R* leaks addr into *",
        "an address would be written where it can be read as a number: {name} is {what}",
        "store a number instead, or load it with CAP_BPF and CAP_PERFMON",
    ),
    help(
        "R* pointer comparison prohibited",
        "pointers are compared in a way that tells their value, which takes privileges: {name} is {what}",
        "compare pointers with null, and those to the packet with its end; or load it with CAP_BPF and CAP_PERFMON",
    ),
    // Computing with pointers.
    help(
        "R* pointer += pointer prohibited",
        "a pointer is added to a pointer",
        "add a number, or subtract the pointers first",
    ),
    help(
        "R* pointer -= pointer prohibited",
        "a pointer is subtracted from a pointer, which takes privileges",
        ROOT,
    ),
    help(
        "R* tried to subtract pointer from scalar",
        "a pointer is subtracted from a number",
        "subtract the number from the pointer",
    ),
    help(
        "R* subtraction from stack pointer prohibited",
        "a number that is not constant is subtracted from a pointer to the stack",
        "begin at the start of the array and add the index",
    ),
    help(
        "R* pointer arithmetic on *_or_null* prohibited, null-check it first",
        "{name} is computed with before it is compared with null: it is {what}",
        NULL,
    ),
    told(
        "R* pointer arithmetic on * prohibited",
        "nothing may be added to {name}, which is {what}",
    ),
    help(
        "R* bitwise operator * on pointer prohibited",
        "`{2}` is applied to a pointer: {name} is {what}",
        "apply it to the number before it is added to the pointer",
    ),
    help(
        "R* 32-bit pointer arithmetic prohibited",
        "a pointer is computed with in 32 bits, which cuts it: {name} is {what}",
        "use 64-bit types (`long`, `__u64`, pointers) for what holds addresses",
    ),
    told(
        "R* pointer arithmetic with * operator prohibited",
        "`{2}` is applied to a pointer: {name} is {what}",
    ),
    told("R* sign-extension part of pointer", "a part of a pointer is copied and sign-extended"),
    help(
        "R* partial copy of pointer",
        "a part of a pointer is copied, which takes privileges: {name} is {what}",
        ROOT,
    ),
    told("R* pointer arithmetic prohibited", "a pointer is negated or swapped: {name} is {what}"),
    help(
        "R* has pointer with unsupported alu operation, *",
        "a pointer is computed with in a way that no barrier against speculation is known for, which takes privileges",
        ROOT,
    ),
    help(
        "R* has unknown scalar with mixed signed bounds, *",
        "what is added to a pointer may be negative and positive, which takes privileges",
        "make the index unsigned and test it: `if (i < N)`",
    ),
    help(
        "R* tried to * from different maps, paths or scalars, *",
        "the same instruction moves pointers of different kinds or by different ways, which takes privileges",
        "let each way have its own access",
    ),
    help(
        "math between * pointer and register with unbounded min value is not allowed",
        "the number added to {kind:1} has no lower bound: it is {what}",
        "make the index unsigned and test it before: `if (i < N)`; the test must be of the variable that is added",
    ),
    told(
        "math between * pointer and * is not allowed",
        "{2} is added to a pointer, which is further than 2^29 bytes away",
    ),
    help(
        "value * makes * pointer be out of bounds",
        "the number added to a pointer may be {1}, which is further than 2^29 bytes away",
        "make the index unsigned and test it before: `if (i < N)`; the test must be of the variable that is added",
    ),
    told(
        "* pointer offset * is not allowed",
        "the pointer would be {2} bytes off, and 2^29 are the most",
    ),
    help(
        "dereference of modified * ptr R* off=* disallowed",
        "{through} takes the pointer as it was given, and {3} bytes were added to {base}",
        "use the pointer as it was given: members are accessed at constant offsets",
    ),
    help(
        "negative offset * ptr R* off=* disallowed",
        "{through} takes the pointer as it was given, and something was subtracted from {base}",
        "use the pointer as it was given: members are accessed at constant offsets",
    ),
    help(
        "variable * access var_off=* disallowed",
        "{through} takes the pointer as it was given, and a number that is not constant was added to {base}",
        "use the pointer as it was given: members are accessed at constant offsets",
    ),
    help(
        "frame pointer is read only",
        "r10 is written, which points to the stack",
        "copy it first: `r2 = r10`",
    ),
    help(
        "div by zero",
        "a number is divided by the constant 0",
        "dividing by a variable that is 0 gives 0, and by a constant is a mistake",
    ),
    told("invalid shift *", "a number is shifted by {1}, which is its width or more"),
    // Memory.
    help(
        "same insn cannot be used with different pointers",
        "one instruction accesses different kinds of memory, by the way that leads to it: here {what}",
        "let each way have its own access; barrier_var() keeps compilers from merging them",
    ),
    help(
        "misaligned * access off * size *",
        "{through} is not aligned to its {3} bytes",
        "access it at a multiple of its size, or byte by byte: __builtin_memcpy(), `__attribute__((packed))`",
    ),
    told(
        "BPF_ATOMIC stores into R* * is not allowed",
        "an atomic operation is done on {where}, which is not for that",
    ),
    help(
        "access beyond the end of member * (mend:*) in struct * with off * size *",
        "{5} bytes are read at byte {4} of `struct {3}`, and its member `{1}` ends at {2}",
        "read no more than the member has",
    ),
    told(
        "access beyond struct * at off * size *",
        "{3} bytes at byte {2} are beyond the end of `struct {1}`",
    ),
    help(
        "cannot access ptr member * with moff * in struct * with off * size *",
        "a part of the pointer `{1}` of `struct {3}` is read",
        "read all 8 bytes of it",
    ),
    told(
        "R* is * invalid negative access: off=*",
        "{through} begins before `struct {2}`, at byte {3}",
    ),
    told(
        "R* invalid * buffer access: off=*, size=*",
        "{through} begins before the buffer, at byte {3}",
    ),
    told(
        "R* invalid variable buffer offset: *",
        "{through} reaches into a buffer at an offset that is not constant: {what}",
    ),
    help(
        "R* cannot write into *",
        "{through} writes {where}, which may only be read",
        "copy it to the stack or into a map, and change that",
    ),
    told("cannot write into packet", "{kind}programs may read the packet and not write it"),
    told(
        "only read from * is supported",
        "{through} writes into a map itself, which may only be read",
    ),
    help(
        "only read is supported",
        "{through} writes into {where}, which may only be read",
        "programs change what functions of the kernel change for them",
    ),
    told(
        "no write support to * at off *",
        "byte {2} of `struct {1}` is not among those that programs may write",
    ),
    told("write to change key R* not allowed", "{through} writes into the key of a map"),
    told("write into map forbidden, *", "{through} writes into a map that programs may only read"),
    told("read from map forbidden, *", "{through} reads from a map that programs may only write"),
    help(
        "direct access to * is disallowed",
        "{through} accesses a {1}, which only its functions may",
        DIRECT,
    ),
    help(
        "* cannot be accessed directly by load/store",
        "{through} accesses a {1}, which only its functions may",
        DIRECT,
    ),
    told(
        "R* invalid * access off=* size=*",
        "{4} bytes at byte {3} of {where} may not be accessed",
    ),
    told("func '*' doesn't have *-th argument", "{through} is beyond the arguments of {1}()"),
    told(
        "func '*' arg* has btf_id * type *",
        "argument {2} of {1}() is of a type that programs cannot read",
    ),
    help(
        "func '*' arg* type * is not a struct",
        "argument {2} of {1}() points to no structure",
        "read it by bpf_probe_read_kernel()",
    ),
    // Maps and helpers.
    told("tracing progs cannot use * yet", "{kind}programs cannot use maps whose values hold {1}"),
    told(
        "invalid access to map value pointer, value_size=* off=*",
        "byte {2} is beyond the {1} bytes of the map's value",
    ),
    help(
        "no direct value access support for this map type",
        "the value of the map is used like a variable, which is for arrays",
        "look it up: bpf_map_lookup_elem()",
    ),
    told(
        "direct value offset of * is not allowed",
        "byte {1} is further than a map's value can reach",
    ),
    told("fd * is not pointing to valid bpf_map", "the instruction names a map that is not there"),
    told("cannot pass map_type * into func *", "{call} does not work with maps of type {map:1}"),
    told(
        "* pointer in R* map_uid=* doesn't match map pointer in *",
        "{call} is given a {1} of one map, and another map",
    ),
    told("expected prog array map for tail call", "bpf_tail_call takes a map of type prog_array"),
    told(
        "R* is of type * but * is expected",
        "{call} takes a pointer to `struct {3}` in {name}, not one to `struct {2}`",
    ),
    help(
        "R* does not point to a readonly map*",
        "{call} takes a string that cannot change in {name}, not {what}",
        "make it a constant: `static const char text[] = …;`",
    ),
    told(
        "string is not zero-terminated",
        "{call} takes a string that ends with a zero byte, and none follows here",
    ),
    help(
        "Possibly NULL pointer passed to helper arg*",
        "{call} takes a pointer that is not null in {name}: it is {what}",
        NULL,
    ),
    told(
        "* may write into memory pointed by R* type=*",
        "{call} would write into {where}, which may only be read",
    ),
    told(
        "Unsupported reg type * for bpf_dynptr_from_mem data",
        "bpf_dynptr_from_mem takes memory of a map in {name}, not {what}",
    ),
    told(
        "get_local_storage() doesn't support non-zero flags",
        "the flags of bpf_get_local_storage must be 0",
    ),
    help(
        "helper access to the packet is not allowed",
        "{call} takes no memory in the packet: {name} is {what}",
        "copy it to the stack first: bpf_skb_load_bytes(), __builtin_memcpy()",
    ),
    told(
        "Cannot access kernel '*' from non-GPL compatible program",
        "the kernel's `{1}` is for programs under a GPL-compatible licence",
    ),
    help(
        "helper call might sleep in a non-sleepable prog",
        "{call} may sleep, and the program may not",
        "make the program one that may: `SEC(\"fentry.s/…\")`, lsm.s, uprobe.s, iter.s, syscall; or call what does not sleep, bpf_probe_read_user() for one",
    ),
    help(
        "sleepable helper * in *",
        "{call} may sleep, and is called in {2}",
        "call it before the section or after it",
    ),
    help(
        "* is not sleepable",
        "a program that may sleep cannot be attached to `{1}`",
        "name the section without `.s`, or attach to a function that may sleep",
    ),
    // Functions of the kernel.
    help(
        "Possibly NULL pointer passed to trusted arg*",
        "{call} takes a pointer that is not null as its {1st+1} argument: {name} is {what}",
        NULL,
    ),
    help(
        "R* must be referenced or trusted",
        "{call} takes a pointer that is held or trusted in {name}, not {what}",
        "acquire it first (bpf_task_acquire() and the like), or take it as the kernel passes it in the context",
    ),
    help(
        "R* must be referenced",
        "{call} takes a pointer that is held in {name}, not {what}",
        "acquire it first: bpf_task_acquire() and the like",
    ),
    help(
        "R* must be a rcu pointer",
        "{call} takes a pointer that RCU keeps in {name}, not {what}",
        "read it from its structure inside an RCU section: bpf_rcu_read_lock()",
    ),
    told("R* must be a known constant", "{call} takes a constant in {name}, not {what}"),
    told(
        "kernel function * args#* expected pointer to STRUCT * but R* has a pointer to STRUCT *",
        "{1} takes a pointer to `struct {3}` as its {2nd+1} argument, not one to `struct {5}`",
    ),
    told(
        "kernel function * args#* expected pointer to *",
        "{1} takes a pointer to {3} as its {2nd+1} argument, not {what}",
    ),
    told(
        "arg#* pointer type STRUCT * must point to scalar, or struct with scalar",
        "{call} takes a pointer to the kernel's `struct {2}` as its {1st+1} argument, not {what}",
    ),
    told(
        "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct",
        "bpf_obj_new() is for structures of the program",
    ),
    told(
        "bpf_percpu_obj_new type ID argument must be of a struct of scalars",
        "bpf_percpu_obj_new() is for structures of numbers",
    ),
    told(
        "bpf_percpu_obj_new type ID argument must not contain special fields",
        "bpf_percpu_obj_new() is for structures without locks, timers and pointer fields",
    ),
    told(
        "bpf_percpu_obj_new type size (*) is greater than *",
        "bpf_percpu_obj_new() is for structures of at most {2} bytes, not {1}",
    ),
    told(
        "* type ID argument must be of a struct or void",
        "{call} takes the type of a structure, or void",
    ),
    told(
        "* type ID argument must be in range *",
        "{call} takes the type of a structure of the program: {what} is no type",
    ),
    told(
        "arg#* expected for bpf_percpu_obj_drop_impl()",
        "{call} does not take {what}: that is for bpf_percpu_obj_drop()",
    ),
    told(
        "arg#* expected for bpf_obj_drop_impl()",
        "{call} does not take {what}: that is for bpf_obj_drop()",
    ),
    help(
        "the prog does not allow writes to packet data",
        "{call} gives packet memory to write to, and {kind}programs may only read the packet",
        "read it by bpf_dynptr_slice()",
    ),
    told(
        "css_task_iter is only allowed in *",
        "{call} is for LSM programs, iterators and programs that may sleep",
    ),
    told("pointer in R* isn't map pointer", "{call} takes a map in {name}, not {what}"),
    told("calling kernel function * is not allowed", "{kind}programs may not call {1}"),
    help(
        "metadata kfuncs require device-bound program",
        "functions that read metadata of a packet are for programs that are loaded for one device",
        "load it with BPF_F_XDP_DEV_BOUND_ONLY and the index of the device",
    ),
    // Acquired and released.
    told(
        "R* must be referenced when passed to release function",
        "{call} releases what the program does not hold: {name} is {what}",
    ),
    told("arg * is an unacquired reference", "{call} releases what the program does not hold"),
    told(
        "R* must have zero offset when passed to release func*",
        "{call} takes the pointer as it was given, without anything added: {name} is {what}",
    ),
    told(
        "release kernel function * expects refcounted PTR_TO_BTF_ID",
        "{1} releases what the program does not hold: {name} is {what}",
    ),
    // Functions of the program.
    told(
        "bpf_throw kfunc (insn *) cannot be called from callback subprog *",
        "bpf_throw() is called in a function that the kernel calls back",
    ),
    told(
        "Global function *() doesn't return scalar. *",
        "the global function {1} returns no number",
    ),
    told(
        "exception cb only supports single integer argument",
        "a function that is called when the program throws takes one number",
    ),
    told(
        "multiple exception callback tags for main subprog",
        "more than one function is named to be called when the program throws",
    ),
    told(
        "insn * cannot call exception cb directly",
        "the function that is called when the program throws is called like any other",
    ),
    help(
        "LD_ABS is only allowed in functions that return 'int'.",
        "LD_ABS, which may end the program with 0, stands in a function that returns no int",
        "let the function return int, or use bpf_skb_load_bytes()",
    ),
    help(
        "tail_call is only allowed in functions that return 'int'.",
        "a tail call stands in a function that returns no int",
        "let the function return int",
    ),
    told(
        "At * the register R* is not a known value (*)",
        "{owner} returns {what}, and only numbers are allowed here",
    ),
    help(
        "arg#* reference type('*') size cannot be determined*",
        "the {1st+1} parameter of a global function points to a type without a size: {2}",
        "include the definition of the type, or make the function static",
    ),
    told(
        "arg#* reference type('*') has no matches*",
        "the {1st+1} parameter of a global function is tagged as a pointer to a type that the kernel does not have: {2}",
    ),
    told(
        "arg#* reference type('*') is ambiguous*",
        "the {1st+1} parameter of a global function is tagged as a pointer to a type that the kernel has more than one of: {2}",
    ),
    told(
        "arg#* has invalid combination of tags",
        "the tags of the {1st+1} parameter of a global function contradict each other",
    ),
    told(
        "arg#* * cannot be combined with any other tags",
        "the {1st+1} parameter of a global function is tagged {2}, which goes with no other tag",
    ),
    told("R0 not a scalar value", "a callback returns no number: r0 is {what}"),
    // The whole program.
    help(
        "Tracing programs must provide btf_id",
        "the section does not say what to attach to",
        "name the function or tracepoint: `SEC(\"fentry/vfs_read\")`",
    ),
    told("attach to unsupported member * of struct *", "`{1}` of `struct {2}` cannot be a program"),
    help(
        "*() is not modifiable",
        "fmod_ret is for functions that may be made to fail, and {1}() is none",
        "use fentry or fexit to watch it",
    ),
    told(
        "attach_btf_id * points to disabled hook *",
        "programs cannot be attached to the hook {2}",
    ),
    told(
        "struct ops programs must have a GPL compatible license",
        "programs for structures of the kernel must be under a GPL-compatible licence",
    ),
    told("* must have a GPL compatible license", "{1} must be under a GPL-compatible licence"),
    told(
        "Note, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!",
        "the hook returns nothing, and the program does not return 1",
    ),
    told("unreachable insn *", "no way through the program leads to instruction {1}"),
    told("last insn is not an exit or jmp", "the program runs on behind its last instruction"),
    told(
        "jump out of range from insn * to *",
        "instruction {1} jumps to {2}, which is outside of its function",
    ),
    told(
        "jump into the middle of ldimm64 insn *",
        "a jump leads into the middle of instruction {1}, which takes two slots",
    ),
    told("call to invalid destination", "a call leads out of the program"),
    told("back-edge from insn * to *", "instruction {1} jumps back to {2}: loops take privileges"),
    told(
        "loading/calling other bpf or kernel functions are allowed for *",
        "functions other than helpers are called, which takes privileges",
    ),
    told(
        "function calls to other bpf functions are allowed for *",
        "functions other than helpers are called, which takes privileges",
    ),
    told(
        "'struct *' access is allowed only to *",
        "the members of a map itself are read, which takes privileges",
    ),
    told(
        "* access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
        "the members of a map itself are read, which takes privileges",
    ),
    help(
        "unknown opcode *",
        "there is no instruction of opcode 0x{1}",
        "compile for what the kernel knows: `-mcpu=v3`, or v4 since Linux 6.6",
    ),
    told("R* is invalid", "there is no register {1}"),
    help("* uses reserved fields", "a field is set that {1} does not use", RESERVED),
];
