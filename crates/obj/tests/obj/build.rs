//! Objects and types made by hand.

use skep_isa::{Call, ImmSrc, Insn, Insns, Reg};

pub(crate) const PROGBITS: u32 = 1;
pub(crate) const SYMTAB: u32 = 2;
pub(crate) const STRTAB: u32 = 3;
pub(crate) const RELA: u32 = 4;
pub(crate) const NOBITS: u32 = 8;
pub(crate) const REL: u32 = 9;
/// `SHF_ALLOC | SHF_EXECINSTR`
pub(crate) const CODE: u64 = 6;

pub(crate) const OBJECT: u8 = 1;
pub(crate) const FUNC: u8 = 2;
pub(crate) const SECTION: u8 = 3;

#[derive(Clone, Default)]
pub(crate) struct Section {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) data: Vec<u8>,
    /// Size in the header, if it is not that of `data`.
    pub(crate) size: Option<u64>,
    /// Position in the header, if it is not that of `data`.
    pub(crate) at: Option<u64>,
    pub(crate) link: u32,
    pub(crate) info: u32,
}

#[derive(Clone, Default)]
pub(crate) struct Symbol {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) global: bool,
    pub(crate) weak: bool,
    /// `STV_*`
    pub(crate) visibility: u8,
    pub(crate) section: u16,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

/// An object whose sections count from 1; symbol table and names follow them.
#[derive(Clone, Default)]
pub(crate) struct Object {
    pub(crate) sections: Vec<Section>,
    /// Counted from 1.
    pub(crate) symbols: Vec<Symbol>,
}

impl Object {
    /// Adds a section and says its number.
    pub(crate) fn section(&mut self, name: &str, kind: u32, flags: u64, data: &[u8]) -> u16 {
        let (name, data) = (name.into(), data.into());
        self.sections.push(Section { name, kind, flags, data, ..Section::default() });
        self.sections.len().try_into().unwrap()
    }

    /// Adds a section of code.
    pub(crate) fn code(&mut self, name: &str, insns: &[Insn]) -> u16 {
        let insns: Insns = insns.iter().copied().collect();
        self.section(name, PROGBITS, CODE, &insns.to_le_bytes())
    }

    /// Adds a global symbol and says its number.
    pub(crate) fn symbol(
        &mut self,
        name: &str,
        kind: u8,
        section: u16,
        value: u64,
        size: u64,
    ) -> u32 {
        let name = name.into();
        self.symbols.push(Symbol {
            name,
            kind,
            global: true,
            section,
            value,
            size,
            ..Symbol::default()
        });
        self.symbols.len().try_into().unwrap()
    }

    /// Adds relocations `(byte, symbol, type)` of a section.
    pub(crate) fn relocs(&mut self, section: u16, relocs: &[(u64, u32, u32)]) {
        let mut data = Vec::new();
        for (at, symbol, kind) in relocs {
            data.extend(at.to_le_bytes());
            data.extend(kind.to_le_bytes());
            data.extend(symbol.to_le_bytes());
        }
        self.section(".rel", REL, 0, &data);
        self.sections.last_mut().unwrap().info = section.into();
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut names = vec![0];
        let mut name = |text: &[u8]| -> u32 {
            if text.is_empty() {
                return 0;
            }
            let at = names.len();
            names.extend(text);
            names.push(0);
            at.try_into().unwrap()
        };
        let mut symtab = vec![0; 24];
        for symbol in &self.symbols {
            symtab.extend(name(&symbol.name).to_le_bytes());
            let binding = if symbol.weak { 2 } else { u8::from(symbol.global) };
            symtab.push(symbol.kind | binding << 4);
            symtab.push(symbol.visibility);
            symtab.extend(symbol.section.to_le_bytes());
            symtab.extend(symbol.value.to_le_bytes());
            symtab.extend(symbol.size.to_le_bytes());
        }
        let mut sections = self.sections.clone();
        let strtab: u32 = (sections.len() + 2).try_into().unwrap();
        let mut named: Vec<u32> = sections.iter().map(|section| name(&section.name)).collect();
        named.extend([0, 0]);
        sections.push(Section { kind: SYMTAB, data: symtab, link: strtab, ..Section::default() });
        sections.push(Section { kind: STRTAB, data: names, ..Section::default() });

        let mut out = vec![0; 64];
        let mut headers = vec![0; 64];
        for (section, name) in sections.iter().zip(named) {
            let at = section.at.unwrap_or(out.len().try_into().unwrap());
            let size = section.size.unwrap_or(section.data.len().try_into().unwrap());
            headers.extend(name.to_le_bytes());
            headers.extend(section.kind.to_le_bytes());
            for word in [section.flags, 0, at, size] {
                headers.extend(word.to_le_bytes());
            }
            headers.extend(section.link.to_le_bytes());
            headers.extend(section.info.to_le_bytes());
            headers.extend([0; 16]);
            out.extend(&section.data);
        }
        let at: u64 = out.len().try_into().unwrap();
        out.extend(&headers);
        let count: u16 = (sections.len() + 1).try_into().unwrap();
        out[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\xf7\0");
        out[20] = 1;
        out[40..48].copy_from_slice(&at.to_le_bytes());
        out[52..64].copy_from_slice(&[64, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0]);
        out[60..62].copy_from_slice(&count.to_le_bytes());
        out[62..64].copy_from_slice(&(count - 1).to_le_bytes());
        out
    }
}

/// `lddw r1, 0`
pub(crate) const LDDW: Insn = Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::Value(0) };
/// A call that a relocation is to complete.
pub(crate) const CALL: Insn = Insn::Call(Call::Local(-1));

/// BTF, type by type.
pub(crate) struct Types {
    words: Vec<u32>,
    strings: Vec<u8>,
    count: u32,
}

impl Types {
    /// With type 1, a 4-byte `int`.
    pub(crate) fn new() -> Self {
        let mut this = Self { words: Vec::new(), strings: vec![0], count: 0 };
        this.push("int", 1, 0, 4, &[0x0100_0020]);
        this
    }

    /// Adds a record and says its id.
    pub(crate) fn push(
        &mut self,
        name: &str,
        kind: u32,
        vlen: u32,
        third: u32,
        entries: &[u32],
    ) -> u32 {
        let name = self.string(name);
        self.words.extend([name, kind << 24 | vlen, third]);
        self.words.extend(entries);
        self.count += 1;
        self.count
    }

    pub(crate) fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len().try_into().unwrap();
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        at
    }

    pub(crate) fn ptr(&mut self, ty: u32) -> u32 {
        self.push("", 2, 0, ty, &[])
    }

    pub(crate) fn array(&mut self, elem: u32, len: u32) -> u32 {
        self.push("", 3, 0, 0, &[elem, 1, len])
    }

    /// `int (*)[n]`
    pub(crate) fn uint(&mut self, n: u32) -> u32 {
        let array = self.array(1, n);
        self.ptr(array)
    }

    /// A struct of members of 8 bytes.
    pub(crate) fn record(&mut self, members: &[(&str, u32)]) -> u32 {
        let mut entries = Vec::new();
        for (&(name, ty), i) in members.iter().zip(0..) {
            entries.extend([self.string(name), ty, i * 64]);
        }
        let len = members.len().try_into().unwrap();
        self.push("", 4, len, len * 8, &entries)
    }

    /// A variable of this linkage (0 static, 1 global, 2 extern).
    pub(crate) fn var(&mut self, name: &str, ty: u32, linkage: u32) -> u32 {
        self.push(name, 14, 0, ty, &[linkage])
    }

    /// A data section with one variable of `size` bytes.
    pub(crate) fn datasec(&mut self, name: &str, var: u32, size: u32) {
        self.push(name, 15, 1, size, &[var, 0, size]);
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut out = vec![0x9f, 0xeb, 1, 0];
        let types: u32 = (self.words.len() * 4).try_into().unwrap();
        let strings = self.strings.len().try_into().unwrap();
        for word in [24, 0, types, types, strings].iter().chain(&self.words) {
            out.extend(u32::to_le_bytes(*word));
        }
        out.extend(&self.strings);
        out
    }
}
