//! The rules, each with the name that never changes.

use skep_abi::Errno;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $errno:ident;)*) => {
        /// A rule that a program can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Rule {
            /// All, by group.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable name: in output, in `docs/rules.md`, in the corpus.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it demands, in a sentence.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)* }
            }

            /// What bpf(2) answers when it is broken, if nothing else is said.
            #[must_use]
            pub const fn errno(self) -> Errno {
                match self { $(Self::$variant => Errno::$errno,)* }
            }
        }
    };
}

rules! {
    /// Every instruction is one that the kernel knows, with unused fields zero.
    InsnEncoding "insn.encoding" EINVAL;
    /// Every jump and call leads to an instruction of the same function.
    CfgTarget "cfg.target" EINVAL;
    /// Every instruction can be reached.
    CfgUnreachable "cfg.unreachable" EINVAL;
    /// No function runs off its end.
    CfgFallThrough "cfg.fall-through" EINVAL;
    /// Unprivileged programs jump forward only.
    CfgBackEdge "cfg.back-edge" EINVAL;
    /// A program has no more functions than the kernel can count.
    CfgTooManySubprogs "cfg.too-many-subprogs" E2BIG;
    /// Functions call each other at most eight deep.
    CallDepth "call.depth" E2BIG;
    /// All frames of a chain of calls share 512 bytes of stack.
    StackDepth "stack.depth" EACCES;
    /// Exploring all paths takes no more than one million instructions.
    LimitInsns "limit.insns" E2BIG;
    /// No more than 8192 branches wait to be followed.
    LimitBranches "limit.branches" E2BIG;
    /// Every loop ends.
    LoopInfinite "loop.infinite" EINVAL;
    /// A register is written before it is read.
    RegUninit "reg.uninit" EACCES;
    /// r10 is never written.
    RegFramePointer "reg.frame-pointer" EACCES;
    /// Only operations that keep a pointer a pointer are done with pointers.
    PtrArith "ptr.arith" EACCES;
    /// The offset of a pointer stays within bounds that cannot overflow.
    PtrBounds "ptr.bounds" EACCES;
    /// A pointer that may be null is compared with null first.
    PtrNull "ptr.null" EACCES;
    /// Addresses do not leave the program.
    PtrLeak "ptr.leak" EACCES;
    /// Pointers are not compared where that tells their value.
    PtrCompare "ptr.compare" EACCES;
    /// The divisor of an immediate division is not zero.
    AluDivZero "alu.div-zero" EINVAL;
    /// Shifts by an immediate stay below the width.
    AluShift "alu.shift" EINVAL;
    /// Memory is reached through a pointer.
    MemNotPointer "mem.not-pointer" EACCES;
    /// An access is aligned where the program type or flag asks for it.
    MemAlign "mem.align" EACCES;
    /// An access stays inside the map value.
    MemMapValue "mem.map-value" EACCES;
    /// An access stays inside the part of the packet that was compared with its end.
    MemPacket "mem.packet" EACCES;
    /// An access stays inside the stack frame.
    MemStack "mem.stack" EACCES;
    /// Stack is written before it is read.
    MemStackUninit "mem.stack-uninit" EACCES;
    /// Spilled registers are read and written whole.
    MemSpill "mem.spill" EACCES;
    /// The context is used as its table says.
    MemCtx "mem.ctx" EACCES;
    /// An access stays inside a piece of memory of known size.
    MemRegion "mem.region" EACCES;
    /// A buffer is accessed at constant offsets that do not go below its start.
    MemBuffer "mem.buffer" EACCES;
    /// Read-only memory is not written.
    MemReadOnly "mem.read-only" EACCES;
    /// A kernel structure is accessed where BTF says that there is something to read.
    MemBtf "mem.btf" EACCES;
    /// Fields with a meaning (locks, timers, pointers to objects) are used only by their functions.
    MemSpecialField "mem.special-field" EACCES;
    /// Atomic operations are done on memory that allows them.
    MemAtomic "mem.atomic" EACCES;
    /// One instruction reaches one kind of memory, whatever path leads to it.
    MemPtrKind "mem.pointer-kind" EINVAL;
    /// A map has what the operation needs: type, access, frozen content.
    MapUse "map.use" EINVAL;
    /// The helper is one that the kernel, the program type and the place have.
    HelperUnknown "helper.unknown" EINVAL;
    /// A helper for GPL-compatible programs is called by one.
    HelperGpl "helper.gpl" EINVAL;
    /// Arguments are of the kinds that the helper takes.
    HelperArg "helper.arg" EACCES;
    /// A size argument is bounded.
    HelperSize "helper.size" EACCES;
    /// A helper gets a map that it works with.
    HelperMap "helper.map" EINVAL;
    /// What may sleep is called where sleeping is allowed.
    HelperSleep "helper.sleep" EINVAL;
    /// The program type may do what it asks for.
    ProgType "prog.type" EINVAL;
    /// Features that need privileges are used by those who have them.
    Privilege "prog.privilege" EPERM;
    /// What is acquired is released, once.
    RefLeak "ref.leak" EINVAL;
    /// Only references are released.
    RefRelease "ref.release" EINVAL;
    /// Locks, RCU sections, preemption and interrupts are balanced and nothing forbidden happens between.
    Lock "lock" EINVAL;
    /// The result is in the range that the hook takes.
    ReturnRange "return.range" EINVAL;
    /// A global function is called with what its prototype says.
    SubprogArg "subprog.arg" EINVAL;
    /// A global function's prototype is one that can be verified by itself.
    SubprogProto "subprog.proto" EINVAL;
    /// A callback is a static function that returns what its caller takes.
    Callback "callback" EINVAL;
    /// Tail calls and packet loads stand where they may.
    CallPlace "call.place" EINVAL;
    /// The kernel function is one that the program may call.
    KfuncUnknown "kfunc.unknown" EACCES;
    /// Arguments are of the kinds that the kernel function takes.
    KfuncArg "kfunc.arg" EINVAL;
    /// A dynptr is initialized, used and released by its functions.
    Dynptr "dynptr" EINVAL;
    /// An iterator is made, moved and destroyed by its functions.
    Iter "iter" EINVAL;
    /// Objects in lists and trees are added and removed under their lock.
    Collection "collection" EINVAL;
    /// A pointer field holds objects of its type.
    Kptr "kptr" EACCES;
    /// The attach target is one that the program type can have.
    AttachTarget "attach.target" EINVAL;
    /// Debug information describes the program.
    Btf "btf" EINVAL;
    /// A value could be leaked by a mispredicting CPU, and no barrier can prevent it.
    Speculation "speculation" EACCES;
    /// The verifier found its own state inconsistent.
    Internal "internal" EFAULT;
}
