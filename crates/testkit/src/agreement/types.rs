//! The types of a program in the form that the kernel takes.
//!
//! Compilers describe what is outside of an object (`extern`) in ways that only a loader understands.
//! Of libbpf: `bpf_object__collect_externs`, `btf_fixup_datasec`.

use skep_btf::{Btf, ByteOrder};

const HEADER: usize = 24;
const KIND_INT: u32 = 1;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const LINKAGE_GLOBAL: u32 = 1;
const LINKAGE_EXTERN: u32 = 2;

/// The bytes for `BPF_BTF_LOAD`. Numbers of types are those of `btf`.
pub(crate) fn kernel_bytes(btf: &Btf) -> Vec<u8> {
    let bytes = btf.to_bytes(ByteOrder::Little);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("bug: 4 bytes"));
    let (type_off, type_len) = (word(8) as usize, word(12) as usize);
    let (str_off, str_len) = (word(16) as usize, word(20) as usize);
    let at = HEADER + type_off;
    let mut words: Vec<u32> = bytes[at..at + type_len]
        .chunks_exact(4)
        .map(|chunk| u32::from_le_bytes(chunk.try_into().expect("bug: 4 bytes")))
        .collect();
    let at = HEADER + str_off;
    let mut strings = bytes[at..at + str_len].to_vec();

    let count = starts(&words).len();
    let first_new = u32::try_from(count + 1).unwrap_or(u32::MAX);
    let mut string = |text: &str| {
        let at = u32::try_from(strings.len()).unwrap_or(u32::MAX);
        strings.extend(text.bytes());
        strings.push(0);
        at
    };
    let (int_name, dummy_name) = (string("int"), string("dummy_ksym"));
    let (int, dummy) = (first_new, first_new + 1);
    let ids = starts(&words);
    let name = |off: u32, strings: &[u8]| -> Vec<u8> {
        let rest = strings.get(off as usize..).unwrap_or_default();
        rest.split(|&b| b == 0).next().unwrap_or_default().to_vec()
    };
    for &at in &ids {
        let (kind, len) = (words[at + 1] >> 24 & 0x1f, (words[at + 1] & 0xffff) as usize);
        match kind {
            KIND_DATASEC => {
                if name(words[at], &strings) == b".ksyms" {
                    for k in 0..len {
                        let entry = at + 3 + 3 * k;
                        let var = ids.get((words[entry] as usize).wrapping_sub(1)).copied();
                        words[entry] = dummy;
                        words[entry + 1] = u32::try_from(4 * k).unwrap_or(0);
                        words[entry + 2] = 4;
                        if let Some(var) = var {
                            inside(&mut words, var, int);
                        }
                    }
                    words[at + 2] = u32::try_from(4 * len).unwrap_or(0);
                } else {
                    let (entries, _) = words[at + 3..at + 3 + 3 * len].as_chunks_mut::<3>();
                    entries.sort_by_key(|entry| entry[1]);
                }
            }
            KIND_VAR if words[at + 3] == LINKAGE_EXTERN => words[at + 3] = LINKAGE_GLOBAL,
            KIND_FUNC => {
                if words[at + 1] & 0xffff == LINKAGE_EXTERN {
                    words[at + 1] = words[at + 1] & !0xffff | LINKAGE_GLOBAL;
                }
                let proto = ids.get((words[at + 2] as usize).wrapping_sub(1)).copied();
                if let Some(proto) = proto {
                    name_params(&mut words, proto, dummy_name);
                }
            }
            _ => {}
        }
    }
    words.extend([int_name, KIND_INT << 24, 4, 1 << 24 | 32]);
    words.extend([dummy_name, KIND_VAR << 24, int, LINKAGE_GLOBAL]);
    assemble(&words, &strings)
}

/// An external variable gets the type of the one that stands for all.
fn inside(words: &mut [u32], at: usize, int: u32) {
    if words[at + 1] >> 24 & 0x1f == KIND_VAR {
        words[at + 2] = int;
        words[at + 3] = LINKAGE_GLOBAL;
    }
}

/// The kernel wants names of all parameters; declarations have none, and clang forgets those of naked
/// functions.
fn name_params(words: &mut [u32], at: usize, name: u32) {
    if words[at + 1] >> 24 & 0x1f == KIND_FUNC_PROTO {
        let len = (words[at + 1] & 0xffff) as usize;
        for entry in words[at + 3..at + 3 + 2 * len].chunks_exact_mut(2) {
            if entry[0] == 0 && entry[1] != 0 {
                entry[0] = name;
            }
        }
    }
}

/// Where each type begins, from number 1.
fn starts(words: &[u32]) -> Vec<usize> {
    let (mut at, mut found) = (0, Vec::new());
    while at + 3 <= words.len() {
        found.push(at);
        let (kind, len) = (words[at + 1] >> 24 & 0x1f, (words[at + 1] & 0xffff) as usize);
        at += 3 + match kind {
            // Integers, variables and tags on declarations; arrays.
            1 | 14 | 17 => 1,
            3 => 3,
            // Enumerators and parameters are two words; members, section entries, long enumerators three.
            6 | 13 => 2 * len,
            4 | 5 | 15 | 19 => 3 * len,
            _ => 0,
        };
    }
    found
}

/// Source: `struct btf_header`.
fn assemble(words: &[u32], strings: &[u8]) -> Vec<u8> {
    let types: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = vec![0x9f, 0xeb, 1, 0];
    out.extend(24_u32.to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    out.extend(len(&types));
    out.extend(len(&types));
    out.extend(len(strings));
    out.extend(types);
    out.extend(strings);
    out
}
