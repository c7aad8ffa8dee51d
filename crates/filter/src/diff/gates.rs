//! Bits as gates over inputs, equal gates shared, and the solver that finds values for them.

use batsat::{Callbacks, Lit, Solver, SolverInterface, SolverOpts, lbool};
use std::cell::Cell;
use std::collections::HashMap;

/// A bit: a gate, or its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Bit(u32);

impl Bit {
    pub(super) const FALSE: Self = Self(0);
    pub(super) const TRUE: Self = Self(1);

    pub(super) const fn of(value: bool) -> Self {
        if value { Self::TRUE } else { Self::FALSE }
    }

    pub(super) const fn not(self) -> Self {
        Self(self.0 ^ 1)
    }

    /// The value of a bit that depends on nothing.
    pub(super) const fn known(self) -> Option<bool> {
        match self {
            Self::FALSE => Some(false),
            Self::TRUE => Some(true),
            _ => None,
        }
    }

    const fn gate(self) -> usize {
        (self.0 >> 1) as usize
    }

    const fn is_opposite(self) -> bool {
        self.0 & 1 != 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gate {
    /// False, which only the first gate is.
    Nothing,
    Input(u32),
    And(Bit, Bit),
    Xor(Bit, Bit),
    /// The second if the first, else the third.
    Choice(Bit, Bit, Bit),
}

/// More gates than these are not made.
pub(super) const MAX_GATES: usize = 12_000_000;

/// Gates, those that one is made of before it.
#[derive(Debug)]
pub(super) struct Gates {
    list: Vec<Gate>,
    index: HashMap<Gate, u32>,
    inputs: u32,
    most: usize,
}

impl Gates {
    /// No gates, and not more than so many.
    pub(super) fn new(most: usize) -> Self {
        Self { list: vec![Gate::Nothing], index: HashMap::new(), inputs: 0, most }
    }

    /// Whether there are too many. Those made after that make no sense.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= self.most
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn input(&mut self) -> Bit {
        self.inputs += 1;
        self.add(Gate::Input(self.inputs))
    }

    fn add(&mut self, gate: Gate) -> Bit {
        if let Some(&at) = self.index.get(&gate) {
            return Bit(at << 1);
        }
        if self.is_full() {
            return Bit::FALSE;
        }
        let at = u32::try_from(self.list.len()).unwrap_or(0);
        self.list.push(gate);
        self.index.insert(gate, at);
        Bit(at << 1)
    }

    pub(super) fn and(&mut self, a: Bit, b: Bit) -> Bit {
        let (a, b) = (a.min(b), a.max(b));
        match (a, b) {
            (Bit::FALSE, _) => Bit::FALSE,
            (Bit::TRUE, b) => b,
            _ if a == b => a,
            _ if a == b.not() => Bit::FALSE,
            _ => self.add(Gate::And(a, b)),
        }
    }

    pub(super) fn or(&mut self, a: Bit, b: Bit) -> Bit {
        self.and(a.not(), b.not()).not()
    }

    pub(super) fn xor(&mut self, a: Bit, b: Bit) -> Bit {
        let (a, b) = (a.min(b), a.max(b));
        match (a, b) {
            (Bit::FALSE, b) => return b,
            (Bit::TRUE, b) => return b.not(),
            _ if a == b => return Bit::FALSE,
            _ if a == b.not() => return Bit::TRUE,
            _ => {}
        }
        let turned = a.is_opposite() != b.is_opposite();
        let (a, b) = (Bit(a.0 & !1), Bit(b.0 & !1));
        let gate = self.add(Gate::Xor(a, b));
        if turned { gate.not() } else { gate }
    }

    /// `yes` if the condition holds, else `no`.
    pub(super) fn choice(&mut self, cond: Bit, yes: Bit, no: Bit) -> Bit {
        let (cond, yes, no) =
            if cond.is_opposite() { (cond.not(), no, yes) } else { (cond, yes, no) };
        if cond == Bit::FALSE || yes == no {
            return no;
        }
        let yes = if yes == cond { Bit::TRUE } else { yes };
        let no = if no == cond { Bit::FALSE } else { no };
        match (yes, no) {
            (Bit::TRUE, _) => self.or(cond, no),
            (Bit::FALSE, _) => self.and(cond.not(), no),
            (_, Bit::FALSE) => self.and(cond, yes),
            (_, Bit::TRUE) => self.or(cond.not(), yes),
            _ if yes == no.not() => self.xor(cond, no),
            _ if yes.is_opposite() => self.add(Gate::Choice(cond, yes.not(), no.not())).not(),
            _ => self.add(Gate::Choice(cond, yes, no)),
        }
    }
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Model,
    /// There is none.
    Nothing,
    /// It was given up.
    Unknown,
}

/// Values of all bits.
pub(super) struct Model {
    values: Vec<bool>,
}

impl Model {
    pub(super) fn value(&self, bit: Bit) -> bool {
        self.values.get(bit.gate()).copied().unwrap_or(false) != bit.is_opposite()
    }
}

/// Stops a search after so many conflicts.
struct Budget {
    left: Cell<u64>,
}

impl Callbacks for Budget {
    fn on_new_clause(&mut self, _: &[Lit], _: batsat::ClauseKind) {
        self.left.set(self.left.get().saturating_sub(1));
    }

    fn stop(&self) -> bool {
        self.left.get() == 0
    }
}

/// The solver, told of the gates that are asked for.
pub(super) struct Search {
    solver: Solver<Budget>,
    told: Vec<Option<Lit>>,
}

impl Search {
    pub(super) fn new(conflicts: u64) -> Self {
        let budget = Budget { left: Cell::new(conflicts) };
        Self { solver: Solver::new(SolverOpts::default(), budget), told: Vec::new() }
    }

    /// Allows so many dead ends from here on.
    pub(super) fn restart(&mut self, conflicts: u64) {
        self.solver.cb_mut().left.set(conflicts);
    }

    /// Only values with which one of the bits holds.
    pub(super) fn require(&mut self, gates: &Gates, any: &[Bit]) {
        if any.contains(&Bit::TRUE) {
            return;
        }
        let mut clause: Vec<Lit> = any.iter().map(|&bit| self.lit(gates, bit)).collect();
        self.solver.add_clause_reuse(&mut clause);
    }

    /// Values with which all the bits hold.
    pub(super) fn find(&mut self, gates: &Gates, all: &[Bit]) -> Found {
        let lits: Vec<Lit> = all.iter().map(|&bit| self.lit(gates, bit)).collect();
        if !self.solver.is_ok() {
            return Found::Nothing;
        }
        match self.solver.solve_limited(&lits) {
            answer if answer == lbool::TRUE => Found::Model,
            answer if answer == lbool::FALSE => Found::Nothing,
            _ => Found::Unknown,
        }
    }

    /// All bits in the values that were found. Inputs that do not matter are false.
    pub(super) fn model(&self, gates: &Gates) -> Model {
        let mut values: Vec<bool> = Vec::with_capacity(gates.list.len());
        for (at, &gate) in gates.list.iter().enumerate() {
            let told = self.told.get(at).copied().flatten();
            let told = told.map(|lit| self.solver.value_lit(lit)).filter(|&it| it != lbool::UNDEF);
            let of =
                |bit: Bit| values.get(bit.gate()).copied().unwrap_or(false) != bit.is_opposite();
            let value = match (told, gate) {
                (Some(value), _) => value == lbool::TRUE,
                (None, Gate::Nothing | Gate::Input(_)) => false,
                (None, Gate::And(a, b)) => of(a) && of(b),
                (None, Gate::Xor(a, b)) => of(a) != of(b),
                (None, Gate::Choice(cond, yes, no)) => {
                    if of(cond) {
                        of(yes)
                    } else {
                        of(no)
                    }
                }
            };
            values.push(value);
        }
        Model { values }
    }

    /// The literal of a bit; the solver learns of all gates that it is made of.
    fn lit(&mut self, gates: &Gates, bit: Bit) -> Lit {
        self.told.resize(gates.list.len(), None);
        let mut pending = vec![bit.gate()];
        while let Some(&at) = pending.last() {
            if self.told[at].is_some() {
                pending.pop();
                continue;
            }
            let operands: &[Bit] = match &gates.list[at] {
                Gate::Nothing | Gate::Input(_) => &[],
                Gate::And(a, b) | Gate::Xor(a, b) => &[*a, *b],
                Gate::Choice(a, b, c) => &[*a, *b, *c],
            };
            let before = pending.len();
            pending.extend(
                operands.iter().map(|bit| bit.gate()).filter(|&gate| self.told[gate].is_none()),
            );
            if pending.len() == before {
                pending.pop();
                self.tell(at, gates.list[at]);
            }
        }
        self.of(bit)
    }

    fn of(&self, bit: Bit) -> Lit {
        let lit = self.told[bit.gate()].expect("bug: operands are told first");
        if bit.is_opposite() { !lit } else { lit }
    }

    fn tell(&mut self, at: usize, gate: Gate) {
        let this = Lit::new(self.solver.new_var_default(), true);
        self.told[at] = Some(this);
        let clauses: Vec<Vec<Lit>> = match gate {
            Gate::Input(_) => return,
            Gate::Nothing => vec![vec![!this]],
            Gate::And(a, b) => {
                let (a, b) = (self.of(a), self.of(b));
                vec![vec![!this, a], vec![!this, b], vec![this, !a, !b]]
            }
            Gate::Xor(a, b) => {
                let (a, b) = (self.of(a), self.of(b));
                vec![vec![!this, a, b], vec![!this, !a, !b], vec![this, !a, b], vec![this, a, !b]]
            }
            Gate::Choice(cond, yes, no) => {
                let (cond, yes, no) = (self.of(cond), self.of(yes), self.of(no));
                vec![
                    vec![!cond, !yes, this],
                    vec![!cond, yes, !this],
                    vec![cond, !no, this],
                    vec![cond, no, !this],
                    vec![!yes, !no, this],
                    vec![yes, no, !this],
                ]
            }
        };
        for mut clause in clauses {
            self.solver.add_clause_reuse(&mut clause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_what_they_say() {
        let mut gates = Gates::new(MAX_GATES);
        let (a, b, c) = (gates.input(), gates.input(), gates.input());
        for inputs in 0..8u32 {
            let value = |at: u32| inputs >> at & 1 != 0;
            let (va, vb, vc) = (value(0), value(1), value(2));
            for signs in 0..8u32 {
                let signed = |bit: Bit, at: u32| if signs >> at & 1 != 0 { bit.not() } else { bit };
                let told = |value: bool, at: u32| value != (signs >> at & 1 != 0);
                let made = [
                    (gates.and(signed(a, 0), signed(b, 1)), told(va, 0) && told(vb, 1)),
                    (gates.xor(signed(a, 0), signed(b, 1)), told(va, 0) != told(vb, 1)),
                    (
                        gates.choice(signed(a, 0), signed(b, 1), signed(c, 2)),
                        if told(va, 0) { told(vb, 1) } else { told(vc, 2) },
                    ),
                    (
                        gates.choice(signed(a, 0), signed(a, 1), signed(c, 2)),
                        if told(va, 0) { told(va, 1) } else { told(vc, 2) },
                    ),
                ];
                for (bit, want) in made {
                    let mut search = Search::new(1000);
                    let pins = [(a, va), (b, vb), (c, vc)];
                    let pins = pins.map(|(bit, value)| if value { bit } else { bit.not() });
                    let with = |bit: Bit| [pins[0], pins[1], pins[2], bit];
                    let right = if want { bit } else { bit.not() };
                    assert_eq!(search.find(&gates, &with(right)), Found::Model);
                    assert_eq!(search.find(&gates, &with(right.not())), Found::Nothing);
                }
            }
        }
    }
}
