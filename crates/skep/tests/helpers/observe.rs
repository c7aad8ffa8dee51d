//! What an observer sees of a run.

use super::{image, packet};
use skep::{Moment, Observer, Options, Session, Value};
use skep_isa::{Pc, Reg};

/// A program that hands pointers of all kinds to a function called back twice.
const TEXT: &str = ".map counts, array, key=4, value=24, entries=3\n.section \"tc\"\np:\n \
    r6 = r1\n r7 = *(u32 *)(r1 + 76)\n r7 += 2\n r1 = 2\n *(u32 *)(r10 - 4) = r1\n \
    r1 = counts ll\n r2 = r10\n r2 += -4\n call bpf_map_lookup_elem\n if r0 == 0 goto done\n \
    r8 = r0\n r8 += 5\n r9 = 65600\n r1 = 2\n r2 = again ll\n r3 = r10\n r3 += -16\n r4 = 0\n \
    call bpf_loop\n done:\n r0 = 0\n exit\n\
    again:\n *(u64 *)(r10 - 8) = 7\n *(u64 *)(r2 + 0) = 9\n r0 = 0\n exit\n";

struct See<F>(F);

impl<F: FnMut(&Moment<'_>)> Observer for See<F> {
    fn before(&mut self, moment: &Moment<'_>) {
        (self.0)(moment);
    }
}

fn observe(see: impl FnMut(&Moment<'_>)) -> (u32, Option<u64>) {
    let image = image(TEXT);
    let mut session = Session::load(&image, None, Options::default()).unwrap();
    let outcome = session.run_observed(&mut packet(), &mut See(see)).unwrap();
    (outcome.verdict.code, outcome.insns)
}

#[test]
fn an_observer_is_told_of_each_instruction() {
    let mut seen = 0;
    let (code, insns) = observe(|_| seen += 1);
    let mut session = Session::load(&image(TEXT), None, Options::default()).unwrap();
    let outcome = session.run(&mut packet()).unwrap();
    assert_eq!((code, insns), (outcome.verdict.code, outcome.insns));
    assert_eq!(Some(seen), insns);
}

#[test]
fn registers_of_all_functions_are_pointers_with_offsets() {
    let mut callbacks = 0;
    observe(|moment| {
        if moment.frames().len() != 2 {
            return;
        }
        let outer = moment.frames()[0].regs;
        let value = |reg: usize| moment.value(outer[reg]);
        assert_eq!(value(6), Value::Ctx { off: 0 });
        assert_eq!(value(7), Value::Packet { off: 2 });
        assert_eq!(value(8), Value::MapValue { map: 0, at: 48, off: 5 });
        assert_eq!(moment.maps()[0].def().name, "counts");
        // A length that looks like an address of the packet.
        assert_eq!(
            (outer[9], value(9)),
            (65_600, Value::Packet { off: 65_600 - moment.packet().start.cast_signed() })
        );
        assert_eq!(value(10), Value::Stack { frame: 0, off: 0 });
        assert_eq!(moment.frame_pointer(0), Some(outer[10]));
        assert!(matches!(value(2), Value::Func { prog: 0, pc } if pc > moment.frames()[0].pc));
        assert_eq!(moment.reg(Reg::FP), Value::Stack { frame: 1, off: 0 });
        callbacks += u32::from(moment.pc() == pc_of(moment, value(2)));
    });
    assert_eq!(callbacks, 2);
}

fn pc_of(moment: &Moment<'_>, value: Value) -> Pc {
    match value {
        Value::Func { pc, .. } => pc,
        other => panic!("{other:?} at {}", moment.pc()),
    }
}

#[test]
fn stacks_and_other_memory_can_be_read() {
    let (mut exits, mut bytes) = (0, [0; 8]);
    observe(|moment| {
        let [.., inner] = moment.frames() else { return };
        let exits_now = matches!(inner.prog.insns.get(inner.pc), Some(skep_isa::Insn::Exit));
        if moment.frames().len() != 2 || !exits_now {
            return;
        }
        exits += 1;
        moment.read_stack(1, -8, &mut bytes).unwrap();
        assert_eq!(u64::from_le_bytes(bytes), 7);
        moment.read_stack(0, -16, &mut bytes).unwrap();
        assert_eq!(u64::from_le_bytes(bytes), 9);
        moment.read(moment.frames()[0].regs[7], &mut bytes[..2]).unwrap();
        assert_eq!(bytes[..2], [0xff, 0xff]);
        assert!(moment.read_stack(2, -8, &mut bytes).is_err(), "no third function is active");
        assert!(moment.read(0, &mut bytes).is_err());
    });
    assert_eq!(exits, 2);
}
