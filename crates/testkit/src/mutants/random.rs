//! Random programs that do not aim at being valid.

use crate::mutants::mutate::NOP;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_abi::{AttachType, ProgType};
use skep_isa::{Insns, RawInsn, SlotError};
use skep_prog::{Image, MapDef, Prog};

/// A program of a few dozen instructions over an array and a hash. What it is made of is likely to make
/// sense in itself and unlikely to be allowed where it stands. The same seed makes the same program.
#[must_use]
pub fn random(seed: u64) -> Image {
    let mut rng = StdRng::seed_from_u64(seed);
    let (prog_type, attach_type) = match rng.random_range(0..8) {
        0..3 => (ProgType::SocketFilter, None),
        3..5 => (ProgType::Xdp, None),
        5..7 => (ProgType::SchedCls, None),
        _ => (ProgType::CgroupSkb, Some(AttachType::CgroupInetIngress)),
    };
    let mut code = Code { rng, insns: Vec::new() };
    code.body();
    let insns = decoded(code.insns);
    let mut prog = Prog::new("random", prog_type, insns);
    prog.attach_type = attach_type;
    let maps = vec![
        MapDef::new("array", skep_abi::MapType::Array, 4, 48, 3),
        MapDef::new("hash", skep_abi::MapType::Hash, 8, 16, 3),
    ];
    Image { progs: vec![prog], maps, license: "GPL".into(), ..Image::default() }
}

/// What is no instruction does nothing.
fn decoded(mut insns: Vec<RawInsn>) -> Insns {
    loop {
        match Insns::decode(insns.iter().copied()) {
            Ok(insns) => return insns,
            Err(SlotError::Insn { pc, .. }) => insns[pc.index()] = NOP,
            Err(_) => return Insns::default(),
        }
    }
}

struct Code {
    rng: StdRng,
    insns: Vec<RawInsn>,
}

const SIZES: [u8; 4] = [0x00, 0x08, 0x10, 0x18];

impl Code {
    fn push(&mut self, code: u8, dst: u8, src: u8, off: i16, imm: i32) {
        self.insns.push(RawInsn::new(code, dst, src, off, imm));
    }

    fn body(&mut self) {
        if self.rng.random_ratio(7, 8) {
            self.push(0xbf, 6, 1, 0, 0);
        }
        for reg in [0, 7, 8, 9] {
            if self.rng.random_ratio(3, 4) {
                let imm = self.imm();
                self.push(0xb7, reg, 0, 0, imm);
            }
        }
        for _ in 0..self.rng.random_range(2..14) {
            self.statement();
        }
        self.land();
        if self.rng.random_ratio(3, 4) {
            let result = self.rng.random_range(0..3);
            self.push(0xb7, 0, 0, 0, result);
        }
        self.push(0x95, 0, 0, 0, 0);
    }

    fn statement(&mut self) {
        match self.rng.random_range(0..13) {
            0..4 => self.compute(),
            4 | 5 => self.branch(),
            6 => self.stack(),
            7 => self.context(),
            8 => self.lookup(),
            9 => self.packet(),
            10 => self.access(),
            11 => self.helper(),
            _ => self.atomic(),
        }
    }

    /// Mostly registers that calls do not change.
    fn reg(&mut self) -> u8 {
        match self.rng.random_range(0..12) {
            0 => self.rng.random_range(1..6),
            1 => 10,
            2 | 3 => 0,
            4 => 6,
            _ => self.rng.random_range(7..10),
        }
    }

    fn imm(&mut self) -> i32 {
        match self.rng.random_range(0..8) {
            0 => self.rng.random(),
            1 => 1 << self.rng.random_range(0..31),
            2 => -1 << self.rng.random_range(0..31),
            3 => self.rng.random_range(-64..64),
            _ => self.rng.random_range(0..48),
        }
    }

    fn compute(&mut self) {
        let class = if self.rng.random_ratio(1, 3) { 0x04 } else { 0x07 };
        let op = self.rng.random_range(0..13) << 4;
        let (dst, src) = (self.reg(), self.reg());
        if self.rng.random() {
            let off = match op {
                0xb0 if self.rng.random_ratio(1, 4) => [8, 16, 32][self.rng.random_range(0..3)],
                0x30 | 0x90 if self.rng.random_ratio(1, 4) => 1,
                _ => 0,
            };
            let op = if op == 0x80 { 0xb0 } else { op };
            self.push(class | op | 0x08, dst, src, off, 0);
        } else {
            let imm = match op {
                0x60 | 0x70 | 0xc0 => self.rng.random_range(0..70),
                _ => self.imm(),
            };
            self.push(class | op, dst, 0, 0, imm);
        }
    }

    /// Forward over some statements; seldom backward.
    fn branch(&mut self) {
        let class = if self.rng.random_ratio(1, 3) { 0x06 } else { 0x05 };
        let op = [1, 2, 3, 4, 5, 6, 7, 0xa, 0xb, 0xc, 0xd][self.rng.random_range(0..11)] << 4;
        let (dst, src) = (self.reg(), self.reg());
        let off = match self.rng.random_range(0..20) {
            0 => self.rng.random_range(-6..0),
            _ => self.rng.random_range(1..9),
        };
        if self.rng.random_ratio(1, 3) {
            self.push(class | op | 0x08, dst, src, off, 0);
        } else {
            let imm = self.imm();
            self.push(class | op, dst, 0, off, imm);
        }
    }

    /// So that forward jumps from the end of the body stay inside.
    fn land(&mut self) {
        for _ in 0..8 {
            self.push(0x05, 0, 0, 0, 0);
        }
    }

    fn stack(&mut self) {
        let off = -(self.rng.random_range(1..9) * 8) + i16::from(self.rng.random_ratio(1, 8));
        let size = SIZES[self.rng.random_range(0..4)];
        let reg = self.reg();
        match self.rng.random_range(0..4) {
            0 => self.push(0x61 | size, reg, 10, off, 0),
            1 => {
                let imm = self.imm();
                self.push(0x62 & 0xe7 | size, 10, 0, off, imm);
            }
            2 => self.push(0x79, reg, 10, off & -8, 0),
            _ => self.push(0x7b, 10, reg, off & -8, 0),
        }
    }

    fn context(&mut self) {
        let reg = self.reg();
        let size = if self.rng.random_ratio(7, 8) {
            0x61
        } else {
            0x61 & 0xe7 | SIZES[self.rng.random_range(0..4)]
        };
        let off = self.rng.random_range(0..48) * 4 + i16::from(self.rng.random_ratio(1, 10));
        if self.rng.random_ratio(3, 4) {
            self.push(size, reg, 6, off, 0);
        } else {
            self.push(0x63, 6, reg, off, 0);
        }
    }

    /// A value of a map in r0, mostly checked.
    fn lookup(&mut self) {
        let map = self.rng.random_range(0..2);
        let key = self.imm();
        self.push(0x7a, 10, 0, -8, key);
        self.push(0xbf, 2, 10, 0, 0);
        self.push(0x07, 2, 0, 0, -8);
        self.push(0x18, 1, 5, 0, map);
        self.push(0, 0, 0, 0, 0);
        self.push(0x85, 0, 0, 0, 1);
        if self.rng.random_ratio(3, 4) {
            let over = self.rng.random_range(1..5);
            self.push(0x15, 0, 0, over, 0);
        }
        let to = self.rng.random_range(6..10);
        if self.rng.random() {
            self.push(0xbf, to, 0, 0, 0);
        }
        for _ in 0..self.rng.random_range(0..4) {
            if self.rng.random() { self.access() } else { self.compute() }
        }
    }

    /// Packet pointers in r7 and r8, mostly compared.
    fn packet(&mut self) {
        let (data, end) = if self.rng.random() { (0, 4) } else { (76, 80) };
        self.push(0x61, 7, 6, data, 0);
        self.push(0x61, 8, 6, end, 0);
        self.push(0xbf, 2, 7, 0, 0);
        let need = self.rng.random_range(1..40);
        self.push(0x07, 2, 0, 0, need);
        let op = [0x2d, 0x3d, 0xad, 0xbd][self.rng.random_range(0..4)];
        let over = self.rng.random_range(1..6);
        if self.rng.random() {
            self.push(op, 2, 8, over, 0);
        } else {
            self.push(op, 8, 2, over, 0);
        }
        for _ in 0..self.rng.random_range(1..4) {
            let off = self.rng.random_range(0..i16::try_from(need).unwrap_or(40) + 2);
            let reg = self.rng.random_range(0..10);
            let size = SIZES[self.rng.random_range(0..4)];
            self.push(0x61 & 0xe7 | size, reg, 7, off, 0);
        }
    }

    /// Memory behind a register.
    fn access(&mut self) {
        let (base, value) = (self.reg(), self.reg());
        let off = self.rng.random_range(-4..48);
        let size = SIZES[self.rng.random_range(0..4)];
        match self.rng.random_range(0..3) {
            0 => self.push(0x63 & 0xe7 | size, base, value, off, 0),
            1 => {
                let imm = self.imm();
                self.push(0x62 & 0xe7 | size, base, 0, off, imm);
            }
            _ => self.push(0x61 & 0xe7 | size, value, base, off, 0),
        }
    }

    fn helper(&mut self) {
        for arg in 1..self.rng.random_range(1..6) {
            match self.rng.random_range(0..4) {
                0 => {
                    let imm = self.imm();
                    self.push(0xb7, arg, 0, 0, imm);
                }
                1 => {
                    self.push(0xbf, arg, 10, 0, 0);
                    let off = -8 * self.rng.random_range(1..9);
                    self.push(0x07, arg, 0, 0, off);
                }
                2 => {
                    let map = self.rng.random_range(0..2);
                    self.push(0x18, arg, 5, 0, map);
                    self.push(0, 0, 0, 0, 0);
                }
                _ => {
                    let from = self.reg();
                    self.push(0xbf, arg, from, 0, 0);
                }
            }
        }
        // What any of the types may call, and a few that only some may.
        let helper =
            [1, 2, 3, 5, 7, 8, 26, 28, 87, 11, 23, 25, 9, 10, 44][self.rng.random_range(0..15)];
        self.push(0x85, 0, 0, 0, helper);
    }

    fn atomic(&mut self) {
        let (base, value) = (self.reg(), self.reg());
        let op = [0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1]
            [self.rng.random_range(0..10)];
        let code = if self.rng.random() { 0xdb } else { 0xc3 };
        let off = if base == 10 {
            -8 * self.rng.random_range(1..9)
        } else {
            self.rng.random_range(0..6) * 4
        };
        self.push(code, base, value, off, op);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_program() {
        for seed in 0..200 {
            let (a, b) = (random(seed), random(seed));
            assert_eq!(a.progs[0].insns, b.progs[0].insns);
        }
        assert!((0..200).all(|seed| random(seed).progs[0].insns.len() > 10));
    }
}
