//! The kernel's messages, each with the rule that it is about.

use crate::rule::Rule;

/// Messages by what they look like; `*` stands for any text. `None` says that the line before tells more.
/// Of the wordings of several releases each has its line; the first that fits counts.
const MESSAGES: &[(&str, Option<Rule>)] = &[
    ("arg#* memory, len pair leads to invalid memory access", None),
    ("arg#* arg#* memory, len pair leads to invalid memory access", None),
    ("Caller passes invalid args into func#*", Some(Rule::SubprogArg)),
    ("R* min value is outside of the allowed memory range", None),
    ("R* max value is outside of the allowed memory range", None),
    ("R* min value is outside of the array range", Some(Rule::MemMapValue)),
    ("R* max value is outside of the array range", Some(Rule::MemMapValue)),
    ("invalid access to map value, value_size=*", Some(Rule::MemMapValue)),
    ("invalid access to map key, key_size=*", Some(Rule::MemMapValue)),
    ("invalid access to memory, mem_size=*", Some(Rule::MemRegion)),
    ("invalid access to flow keys*", Some(Rule::MemRegion)),
    ("invalid access to packet, *", Some(Rule::MemPacket)),
    ("R* offset is outside of the packet", Some(Rule::MemPacket)),
    ("R* min value is negative, either use unsigned index*", Some(Rule::MemMapValue)),
    ("R* unbounded memory access, make sure to bounds check*", Some(Rule::MemMapValue)),
    ("R* min value is negative, either use unsigned*", Some(Rule::HelperSize)),
    ("R* unbounded memory access, use*", Some(Rule::HelperSize)),
    ("R* invalid zero-sized read*", Some(Rule::HelperSize)),
    ("R* memory size * is too large", Some(Rule::HelperSize)),
    ("R* invalid mem access '*or_null*'", Some(Rule::PtrNull)),
    ("R* invalid mem access '*'", Some(Rule::MemNotPointer)),
    ("R* pointer arithmetic of map value goes out of range, *", Some(Rule::MemMapValue)),
    ("R* stack pointer arithmetic goes out of range, *", Some(Rule::MemStack)),
    ("R* variable stack access prohibited for !root, *", Some(Rule::MemStack)),
    ("R* pointer arithmetic prohibited", Some(Rule::PtrArith)),
    ("R* sign-extension part of pointer", Some(Rule::PtrArith)),
    ("R* pointer arithmetic with it prohibited for !root", Some(Rule::Speculation)),
    ("R* pointer arithmetic on *or_null* prohibited*", Some(Rule::PtrNull)),
    ("R* pointer arithmetic * prohibited*", Some(Rule::PtrArith)),
    ("R* pointer * pointer prohibited", Some(Rule::PtrArith)),
    ("R* bitwise operator * on pointer prohibited", Some(Rule::PtrArith)),
    ("R* 32-bit pointer arithmetic prohibited", Some(Rule::PtrArith)),
    ("R* subtraction from stack pointer prohibited", Some(Rule::PtrArith)),
    ("R* tried to subtract pointer from scalar", Some(Rule::PtrArith)),
    ("R* partial copy of pointer", Some(Rule::PtrArith)),
    ("R* pointer comparison prohibited", Some(Rule::PtrCompare)),
    ("R* leaks addr *", Some(Rule::PtrLeak)),
    ("cannot return stack pointer to the caller", Some(Rule::PtrLeak)),
    ("cannot spill pointers to stack into stack frame of the caller", Some(Rule::PtrLeak)),
    ("leaking pointer from stack off *", Some(Rule::PtrLeak)),
    ("math between * pointer and *", Some(Rule::PtrBounds)),
    ("value * makes * pointer be out of bounds", Some(Rule::PtrBounds)),
    ("* pointer offset * is not allowed", Some(Rule::PtrBounds)),
    ("dereference of modified * ptr R* off=* disallowed", Some(Rule::PtrBounds)),
    ("negative offset * ptr R* off=* disallowed", Some(Rule::PtrBounds)),
    ("variable * access var_off=* disallowed", Some(Rule::PtrBounds)),
    ("R* !read_ok", Some(Rule::RegUninit)),
    ("frame pointer is read only", Some(Rule::RegFramePointer)),
    ("same insn cannot be used with different pointers", Some(Rule::MemPtrKind)),
    ("invalid bpf_context access *", Some(Rule::MemCtx)),
    ("func '*' arg* has btf_id * type *", Some(Rule::MemCtx)),
    ("R* invalid *sock* access off=*", Some(Rule::MemCtx)),
    ("misaligned * access off *", Some(Rule::MemAlign)),
    ("BPF_ATOMIC * is not allowed", Some(Rule::MemAtomic)),
    ("BPF_XADD stores into *", Some(Rule::MemAtomic)),
    ("access beyond *", Some(Rule::MemBtf)),
    ("cannot access ptr member * with moff * in struct *", Some(Rule::MemBtf)),
    ("R* is * invalid negative access: off=*", Some(Rule::MemBtf)),
    ("R* invalid * buffer access: *", Some(Rule::MemBuffer)),
    ("R* invalid variable buffer offset: *", Some(Rule::MemBuffer)),
    ("R* cannot write into *", Some(Rule::MemReadOnly)),
    ("cannot write into packet", Some(Rule::MemReadOnly)),
    ("only read * supported", Some(Rule::MemReadOnly)),
    ("no write support to * at off *", Some(Rule::MemReadOnly)),
    ("write to change key R* not allowed", Some(Rule::MemReadOnly)),
    ("write into map forbidden, *", Some(Rule::MemReadOnly)),
    ("read from map forbidden, *", Some(Rule::MemReadOnly)),
    ("direct access to * is disallowed", Some(Rule::MemSpecialField)),
    ("* cannot be accessed directly by load/store", Some(Rule::MemSpecialField)),
    ("kptr access *", Some(Rule::MemSpecialField)),
    ("kptr cannot be accessed indirectly by helper", Some(Rule::MemSpecialField)),
    ("invalid size of register *", Some(Rule::MemSpill)),
    ("attempt to corrupt spilled pointer on stack", Some(Rule::MemSpill)),
    ("spilled ptr in range of var-offset stack write*", Some(Rule::MemSpill)),
    ("corrupted spill memory", Some(Rule::MemSpill)),
    ("invalid read from stack*", Some(Rule::MemStackUninit)),
    ("invalid indirect read from stack*", Some(Rule::MemStackUninit)),
    ("uninit stack in range of var-offset write*", Some(Rule::MemStackUninit)),
    ("invalid write to stack*", Some(Rule::MemStack)),
    ("invalid variable-offset *stack*", Some(Rule::MemStack)),
    ("invalid unbounded variable-offset *stack*", Some(Rule::MemStack)),
    ("invalid *indirect access to stack*", Some(Rule::MemStack)),
    ("invalid stack type R* off=*", Some(Rule::MemStack)),
    ("invalid stack off=*", Some(Rule::MemStack)),
    ("R* variable offset stack access prohibited for !root*", Some(Rule::Privilege)),
    ("variable offset stack pointer cannot be passed into helper function*", Some(Rule::MemStack)),
    ("div by zero", Some(Rule::AluDivZero)),
    ("invalid shift *", Some(Rule::AluShift)),
    ("unknown opcode *", Some(Rule::InsnEncoding)),
    ("R* is invalid", Some(Rule::InsnEncoding)),
    ("BPF_* uses reserved fields", Some(Rule::InsnEncoding)),
    ("jump out of range from insn *", Some(Rule::CfgTarget)),
    ("jump into the middle of ldimm64 insn *", Some(Rule::CfgTarget)),
    ("call to invalid destination", Some(Rule::CfgTarget)),
    ("unreachable insn *", Some(Rule::CfgUnreachable)),
    ("last insn is not an exit or jmp", Some(Rule::CfgFallThrough)),
    ("back-edge from insn * to *", Some(Rule::CfgBackEdge)),
    ("too many subprograms", Some(Rule::CfgTooManySubprogs)),
    ("the call stack of * frames is too deep*", Some(Rule::CallDepth)),
    ("combined stack size of * calls is *", Some(Rule::StackDepth)),
    ("BPF program is too large. Processed * insn", Some(Rule::LimitInsns)),
    ("The sequence of * jumps is too complex*", Some(Rule::LimitBranches)),
    ("infinite loop detected at insn *", Some(Rule::LoopInfinite)),
    ("Unreleased reference id=* alloc_insn=*", Some(Rule::RefLeak)),
    ("* would lead to reference leak", Some(Rule::RefLeak)),
    ("R* must be referenced when passed to release function", Some(Rule::RefRelease)),
    ("R* must have zero offset when passed to release func*", Some(Rule::RefRelease)),
    ("arg * is an unacquired reference", Some(Rule::RefRelease)),
    ("cannot release unowned const *", Some(Rule::RefRelease)),
    ("release kernel function * expects refcounted PTR_TO_BTF_ID", Some(Rule::RefRelease)),
    ("*reference has not been acquired before", Some(Rule::RefRelease)),
    ("At callback return the register *", Some(Rule::Callback)),
    ("* cannot be called from callback subprog *", Some(Rule::Callback)),
    ("callback function not allowed for map", Some(Rule::HelperMap)),
    ("callback function *", Some(Rule::Callback)),
    ("At * the register R* should have been in *", Some(Rule::ReturnRange)),
    ("At * the register R* is not a known value *", Some(Rule::ReturnRange)),
    ("Note, BPF_LSM_CGROUP that attach to void LSM hooks*", Some(Rule::ReturnRange)),
    ("Invalid return type of *", Some(Rule::ReturnRange)),
    ("* cannot be used inside *-ed region", Some(Rule::Lock)),
    ("*bpf_spin_unlock is missing*", Some(Rule::Lock)),
    ("bpf_rcu_read_unlock is missing", Some(Rule::Lock)),
    ("* bpf_preempt_enable* missing", Some(Rule::Lock)),
    ("*bpf_spin_unlock of different lock*", Some(Rule::Lock)),
    ("*bpf_res_spin_unlock*of different lock*", Some(Rule::Lock)),
    ("* without taking a lock", Some(Rule::Lock)),
    ("can't *spin_{lock,unlock} in rbtree cb", Some(Rule::Lock)),
    ("function calls are not allowed while holding a lock", Some(Rule::Lock)),
    ("kernel func * is sleepable within rcu_read_lock region", Some(Rule::Lock)),
    ("kernel func * requires RCU critical section protection", Some(Rule::Lock)),
    ("map '*' has no valid *", Some(Rule::Lock)),
    ("map '*' is not a struct type or bpf_spin_lock is mangled", Some(Rule::Lock)),
    ("nested rcu read lock *", Some(Rule::Lock)),
    ("unmatched rcu read unlock *", Some(Rule::Lock)),
    ("off * doesn't point to 'struct bpf_wq' that is at *", Some(Rule::MemSpecialField)),
    ("off * doesn't point to 'struct * that is at *", Some(Rule::Lock)),
    ("use static function instead", Some(Rule::Lock)),
    ("* at off=* must be held for *", Some(Rule::Collection)),
    ("* can only take non-owning or refcounted * pointer", Some(Rule::Collection)),
    ("* not allowed in rbtree cb", Some(Rule::Collection)),
    ("rbtree_remove node input must be non-owning ref", Some(Rule::Collection)),
    ("* not found at offset=*", Some(Rule::Collection)),
    ("arg#* expected pointer to allocated object", Some(Rule::Collection)),
    ("arg#* offset=*, but expected * at offset=* in struct *", Some(Rule::Collection)),
    ("operation on * expects arg#* * at offset=* in struct *", Some(Rule::Collection)),
    ("R* has no valid kptr", Some(Rule::Kptr)),
    ("invalid kptr access, *", Some(Rule::Kptr)),
    ("off=* kptr isn't referenced kptr", Some(Rule::Kptr)),
    ("store to referenced kptr disallowed", Some(Rule::Kptr)),
    ("R* doesn't have constant offset. kptr has to be at the constant offset", Some(Rule::Kptr)),
    ("R* doesn't have constant offset. bpf_spin_lock has to be *", Some(Rule::Lock)),
    ("R* doesn't have constant offset. * has to be at the constant offset", Some(Rule::Collection)),
    ("Dynptr has to be an uninitialized dynptr", Some(Rule::Dynptr)),
    ("Expected an initialized dynptr as arg #*", Some(Rule::Dynptr)),
    ("arg#* expected pointer to stack or const struct bpf_dynptr", Some(Rule::Dynptr)),
    ("cannot overwrite referenced dynptr", Some(Rule::Dynptr)),
    ("potential write to dynptr at off=* disallowed", Some(Rule::Dynptr)),
    ("expected an RCU CS when using *", Some(Rule::Iter)),
    ("expected an initialized iter_* as arg #*", Some(Rule::Iter)),
    ("expected uninitialized iter_* as arg #*", Some(Rule::Iter)),
    ("multiple exception callback tags for main subprog", Some(Rule::Btf)),
    ("missing btf func_info", Some(Rule::Btf)),
    ("number of funcs in func_info *", Some(Rule::Btf)),
    ("exception callback *", Some(Rule::Btf)),
    ("LD_ABS is only allowed in functions that return 'int'.", Some(Rule::CallPlace)),
    ("tail_call is only allowed in functions that return 'int'.", Some(Rule::CallPlace)),
    ("* not allowed in subprogs without BTF", Some(Rule::CallPlace)),
    ("insn * cannot call exception cb directly", Some(Rule::CallPlace)),
    ("BPF_LD_[ABS|IND] instructions not allowed for this program type", Some(Rule::CallPlace)),
    ("at the time of BPF_LD_ABS|IND R6 != pointer to skb", Some(Rule::CallPlace)),
    ("Tracing programs must provide btf_id", Some(Rule::AttachTarget)),
    ("attach to unsupported member *", Some(Rule::AttachTarget)),
    ("attach_btf_id * points to disabled hook *", Some(Rule::AttachTarget)),
    ("Attaching * is rejected.", Some(Rule::AttachTarget)),
    ("* must have a GPL compatible license", Some(Rule::AttachTarget)),
    ("*() is not modifiable", Some(Rule::AttachTarget)),
    ("Cannot access kernel '*' from non-GPL compatible program", Some(Rule::HelperGpl)),
    ("cannot call GPL-restricted function from non-GPL compatible program", Some(Rule::HelperGpl)),
    ("cannot pass map_type * into func *", Some(Rule::HelperMap)),
    ("expected prog array map for tail call", Some(Rule::HelperMap)),
    ("workqueue pointer in R* map_uid=*", Some(Rule::KfuncArg)),
    ("* pointer in R* map_uid=* doesn't match map pointer in *", Some(Rule::HelperMap)),
    ("helper call might sleep in a non-sleepable prog", Some(Rule::HelperSleep)),
    ("sleepable helper * in *", Some(Rule::HelperSleep)),
    ("* is not sleepable", Some(Rule::HelperSleep)),
    ("Sleepable programs can only use *", Some(Rule::MapUse)),
    ("helper call is not allowed in probe", Some(Rule::HelperUnknown)),
    ("invalid func *", Some(Rule::HelperUnknown)),
    ("unknown func *", Some(Rule::HelperUnknown)),
    ("program of this type cannot use helper *", Some(Rule::HelperUnknown)),
    ("calling kernel function * is not allowed", Some(Rule::KfuncUnknown)),
    ("metadata kfuncs require device-bound program", Some(Rule::KfuncUnknown)),
    ("R* type=* expected=*", Some(Rule::HelperArg)),
    ("R* is of type * but * is expected", Some(Rule::HelperArg)),
    ("R* does not point to a readonly map*", Some(Rule::HelperArg)),
    ("Possibly NULL pointer passed to helper arg*", Some(Rule::HelperArg)),
    ("* may write into memory pointed by R* type=*", Some(Rule::HelperArg)),
    ("Unsupported reg type * for bpf_dynptr_from_mem data", Some(Rule::HelperArg)),
    ("get_local_storage() doesn't support non-zero flags", Some(Rule::HelperArg)),
    ("helper access to the packet is not allowed", Some(Rule::HelperArg)),
    ("string is not zero-terminated", Some(Rule::HelperArg)),
    ("Possibly NULL pointer passed to trusted arg*", Some(Rule::KfuncArg)),
    ("kernel function * args#* expected pointer to *", Some(Rule::KfuncArg)),
    ("* type ID argument must *", Some(Rule::KfuncArg)),
    ("* type size (*) is greater than *", Some(Rule::KfuncArg)),
    ("R* must be *", Some(Rule::KfuncArg)),
    ("arg#* *", Some(Rule::KfuncArg)),
    ("pointer in R* isn't map pointer", Some(Rule::KfuncArg)),
    ("the prog does not allow writes to packet data", Some(Rule::KfuncArg)),
    ("css_task_iter is only allowed in *", Some(Rule::KfuncArg)),
    ("tracing progs cannot use * yet", Some(Rule::MapUse)),
    ("The total number of maps per program has reached the limit *", Some(Rule::MapUse)),
    ("invalid access to map value pointer, *", Some(Rule::MapUse)),
    ("no direct value access support for this map type", Some(Rule::MapUse)),
    ("'struct * access is allowed only to *", Some(Rule::Privilege)),
    ("function calls to other bpf functions are allowed for *", Some(Rule::Privilege)),
    ("loading/calling other bpf or kernel functions are allowed for *", Some(Rule::Privilege)),
    ("Syscall programs can only be sleepable", Some(Rule::ProgType)),
    ("Only * programs can be sleepable", Some(Rule::ProgType)),
    ("Global function *() doesn't return *", Some(Rule::SubprogProto)),
    ("exception cb only supports single integer argument", Some(Rule::SubprogProto)),
];

/// The rule that messages of the kernel are about, of which the last tells most.
pub(super) fn rule_of(lines: &[&str]) -> Option<Rule> {
    let known = |line: &&str| MESSAGES.iter().find(|(pattern, _)| fits(pattern, line.trim()));
    let rules: Vec<_> = lines.iter().rev().filter_map(known).collect();
    // What a global function returns is said before the call that was to have its result.
    if rules.iter().any(|(_, rule)| *rule == Some(Rule::SubprogProto)) {
        return Some(Rule::SubprogProto);
    }
    let told = rules.iter().find_map(|(_, rule)| *rule);
    told.or_else(|| rules.first().map(|_| Rule::MemRegion))
}

/// Whether a line looks like a pattern.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_lines() {
        assert!(fits("div by zero", "div by zero"));
        assert!(!fits("div by zero", "div by zero!"));
        assert!(fits("R* !read_ok", "R10 !read_ok"));
        assert!(!fits("R* !read_ok", "R1 !read_ok now"));
        assert!(fits("math between * pointer and *", "math between fp pointer and 5"));
        assert!(!fits("a*b*b", "ab"), "parts do not overlap");
    }

    #[test]
    fn lines_before_tell_more() {
        let range = "R1 min value is outside of the allowed memory range";
        let map = "invalid access to map value, value_size=8 off=-4 size=4";
        assert_eq!(rule_of(&[map, range]), Some(Rule::MemMapValue));
        assert_eq!(
            rule_of(&["invalid access to memory, mem_size=1 off=2 size=1", range]),
            Some(Rule::MemRegion)
        );
        assert_eq!(rule_of(&[range]), Some(Rule::MemRegion));
        assert_eq!(rule_of(&["no such message"]), None);
    }
}
