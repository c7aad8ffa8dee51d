//! Texts of instructions and their bits, compared with the opinions of others.

use skep_a64::Assembler;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

pub(crate) fn disassemble(bytes: &[u8]) -> Vec<String> {
    let read = |word: &[u8]| {
        let insn = InstDecoder::default().decode(&mut U8Reader::new(word));
        insn.map_or_else(|err| format!("{err:?}"), |insn| insn.to_string())
    };
    bytes.chunks(4).map(read).collect()
}

/// Texts and the bits that they must be.
#[derive(Default)]
pub(crate) struct Book(BTreeMap<String, u32>);

impl Book {
    #[track_caller]
    pub(crate) fn reads(&mut self, emit: impl FnOnce(&mut Assembler), want: &str) {
        let mut asm = Assembler::new();
        emit(&mut asm);
        self.words(&asm.finish().unwrap(), want);
    }

    #[track_caller]
    pub(crate) fn words(&mut self, bytes: &[u8], want: &str) {
        let texts = disassemble(bytes);
        assert_eq!(texts.join("; "), want, "{bytes:x?}");
        for (text, word) in texts.into_iter().zip(bytes.chunks(4)) {
            self.0.insert(text, u32::from_le_bytes(word.try_into().unwrap()));
        }
    }

    /// What LLVM makes of the texts.
    pub(crate) fn is_llvms(&self) {
        let mut command = Command::new("llvm-mc-19");
        command.args(["--triple=aarch64", "--mattr=+lse", "--show-encoding"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            assert!(std::env::var_os("SKEP_REQUIRE_TOOLS").is_none(), "no llvm-mc-19");
            eprintln!("skipped: no llvm-mc-19");
            return;
        };
        // It has distances as numbers, and the disassembler from `$`.
        let text: String =
            self.0.keys().map(|text| text.replace("$+", "#").replace('$', "#") + "\n").collect();
        let mut input = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "llvm-mc takes none of it");
        let output = String::from_utf8(output.stdout).unwrap();
        let words: Vec<u32> = output
            .lines()
            .filter_map(|line| Some(line.split_once("encoding: [")?.1.trim_end_matches(']')))
            .map(|bytes| {
                bytes.split(',').rev().fold(0, |word, byte| {
                    word << 8 | u32::from_str_radix(byte.trim_start_matches("0x"), 16).unwrap()
                })
            })
            .collect();
        assert_eq!(words.len(), self.0.len());
        for ((text, &word), theirs) in self.0.iter().zip(words) {
            assert_eq!(word, theirs, "{text}: {word:08x} and {theirs:08x}");
        }
    }
}
