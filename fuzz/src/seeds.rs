//! First inputs of each target, made from `corpus/` and `examples/`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Names the directory for first inputs, which exists.
const VARIABLE: &str = "SKEP_SEEDS";

/// Writes the first inputs of a target into the directory that the environment variable `SKEP_SEEDS`
/// names, if it does.
///
/// # Panics
/// If a file cannot be read or written.
pub fn write(target: &'static str) {
    if let Some(out) = env::var_os(VARIABLE) {
        let mut seeds = Seeds { target, out: out.into(), count: 0 };
        seeds.all().expect("corpus, examples and the directory for seeds are there");
    }
}

/// All files of the places that seeds come from.
fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for dir in ["corpus/asm", "corpus/dump", "corpus/exec", "corpus/obj", "examples"] {
        for entry in fs::read_dir(root.join(dir))? {
            files.push(entry?.path());
        }
    }
    files.sort();
    Ok(files)
}

struct Seeds {
    target: &'static str,
    out: PathBuf,
    count: u32,
}

impl Seeds {
    fn all(&mut self) -> io::Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for path in &files(&root)? {
            self.file(path, &fs::read(path)?)?;
        }
        let read = |name| fs::read(root.join("corpus/obj").join(name));
        self.pair(&read("join_a.o")?, &read("join_b.o")?)?;
        for entry in fs::read_dir(root.join("corpus/logs"))? {
            self.write("kernel_log", &fs::read(entry?.path())?)?;
        }
        self.btf(&root.join("corpus/btf"))?;
        self.bugs(&root.join("corpus/bugs"))?;
        for filter in FILTERS {
            self.classic(filter)?;
        }
        self.filters(&root.join("corpus/filter"))?;
        self.filters(&root.join("corpus/filter_beyond"))?;
        self.text("asm_text", CALLS)?;
        self.programs(CALLS.as_bytes())
    }

    /// An input, if it is for this target.
    fn write(&mut self, target: &str, bytes: &[u8]) -> io::Result<()> {
        if target != self.target {
            return Ok(());
        }
        self.count += 1;
        fs::write(self.out.join(format!("seed{:04}", self.count)), bytes)
    }

    /// Two objects to be linked.
    fn pair(&mut self, first: &[u8], second: &[u8]) -> io::Result<()> {
        match u16::try_from(first.len()) {
            Ok(len) => self.write("link", &[&len.to_le_bytes()[..], first, second].concat()),
            Err(_) => Ok(()),
        }
    }

    fn text(&mut self, target: &str, text: &str) -> io::Result<()> {
        self.write(target, text.as_bytes())
    }

    fn file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let extension = name.rsplit('.').next().unwrap_or_default();
        match extension {
            "o" => {
                self.write("obj", bytes)?;
                self.write("obj_file", bytes)?;
                self.pair(bytes, bytes)?;
                self.write("session", &with_packet(bytes))?;
                self.programs(bytes)
            }
            "s" => {
                self.write("asm_text", bytes)?;
                self.write("session", &with_packet(bytes))?;
                self.programs(bytes)
            }
            "case" => self.cases(&String::from_utf8_lossy(bytes)),
            "txt" if path.parent().is_some_and(|dir| dir.ends_with("asm")) => {
                self.cases(&String::from_utf8_lossy(bytes))
            }
            "pcap" if path.parent().is_some_and(|dir| dir.ends_with("dump")) => self.packets(bytes),
            "pcap" | "pcapng" | "gz" | "zst" => {
                self.write("capture", bytes)?;
                // The first packets only: small inputs are tried more often.
                self.write("capture", &bytes[..bytes.len().min(2000)])
            }
            _ => Ok(()),
        }
    }

    /// Each packet of a capture, with all options.
    fn packets(&mut self, capture: &[u8]) -> io::Result<()> {
        let mut rest = capture.get(24..).unwrap_or_default();
        while let Some(len) = rest.get(8..12).and_then(|len| len.first_chunk()) {
            let len = u32::from_le_bytes(*len) as usize;
            let packet = rest.get(16..16 + len).unwrap_or_default();
            self.write("dissect", &[&[1, 0xe1, 0, 1], packet].concat())?;
            rest = rest.get(16 + len..).unwrap_or_default();
        }
        Ok(())
    }

    /// The texts of a corpus file: its lines that are indented.
    fn cases(&mut self, file: &str) -> io::Result<()> {
        for case in file.split("case: ") {
            let lines = case.lines().filter_map(|line| line.strip_prefix("    "));
            let text = lines.collect::<Vec<_>>().join("\n");
            self.text("asm_text", &text)?;
            self.text("code", &text)?;
            self.programs(text.as_bytes())?;
        }
        Ok(())
    }

    /// The slots of the programs in a file.
    fn programs(&mut self, file: &[u8]) -> io::Result<()> {
        let Ok(read) = skep::read_image(file, "file") else { return Ok(()) };
        for prog in &read.image.progs {
            let slots = prog.insns.to_le_bytes();
            let hex: Vec<_> = slots.iter().map(|byte| format!("{byte:02x}")).collect();
            self.text("code", &hex.join(" "))?;
            self.write("code", &slots)?;
            self.write("isa_decode", &slots)?;
            self.write("asm_print", &slots)?;
            self.write("vm", &with_packet(&slots))?;
            // Behind the packet, the type and root on the newest kernel.
            self.write("verify", &with_packet(&[&[0], &slots[..]].concat()))?;
            self.write("verify", &with_packet(&[&[2], &slots[..]].concat()))?;
        }
        Ok(())
    }

    /// Expressions, each with a packet, for the first link type of its file.
    fn filters(&mut self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let text = fs::read_to_string(entry?.path())?;
            let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains(':'));
            for (at, line) in lines.filter(|line| !line.is_empty()).enumerate() {
                let packet = &with_packet(&[])[1..];
                let source = u8::try_from(at % 3).unwrap_or(0);
                let input = [&[1, source], line.as_bytes(), &[0], packet].concat();
                self.write("filter", &input)?;
                let other = if at % 2 == 0 { line } else { "not (tcp or udp)" };
                let packet = &packet[1..];
                let pair = [line.as_bytes(), &[0], other.as_bytes(), &[0], packet].concat();
                self.write("filter_diff", &pair)?;
            }
        }
        Ok(())
    }

    fn btf(&mut self, dir: &Path) -> io::Result<()> {
        for order in ["el", "eb"] {
            let read = |suffix: &str| fs::read(dir.join(format!("flows.{order}.{suffix}")));
            let (btf, ext) = (read("btf")?, read("btf.ext")?);
            let len = u16::try_from(btf.len()).map_err(io::Error::other)?.to_le_bytes();
            self.write("btf", &[&len[..], &btf, &ext].concat())?;
        }
        Ok(())
    }

    fn bugs(&mut self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let target = name.split('-').next().unwrap_or_default();
            self.write(target, &fs::read(&path)?)?;
        }
        Ok(())
    }

    fn classic(&mut self, listing: &str) -> io::Result<()> {
        let insns = skep_cbpf::parse(listing).map_err(io::Error::other)?;
        for format in [skep_cbpf::Format::Text, skep_cbpf::Format::C, skep_cbpf::Format::Decimal] {
            let text = skep_cbpf::print(&insns, format);
            self.text("cbpf_listing", &text)?;
            self.text("code", &text)?;
        }
        let raw = |raw: &skep_cbpf::RawInsn| {
            let ([a, b], [c, d, e, f]) = (raw.code.to_le_bytes(), raw.k.to_le_bytes());
            [a, b, raw.jt, raw.jf, c, d, e, f]
        };
        let raws: Vec<u8> = insns.iter().flat_map(raw).collect();
        self.write("classic_vs_ebpf", &with_packet(&raws))?;
        let (packet, rest) = (with_packet(&[]), [0; 9]);
        self.write("cbpf_program", &[&packet[..], &rest, &raws].concat())
    }
}

/// An Ethernet frame of TCP over IPv4 with a byte of length, then `rest`.
fn with_packet(rest: &[u8]) -> Vec<u8> {
    #[rustfmt::skip]
    let frame = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0,
        0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 168, 0, 1,
        0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
    ];
    [&[54], &frame[..], rest].concat()
}

/// Listings with every addressing mode.
const FILTERS: [&str; 3] = [
    "(000) ldh [12]\n(001) jeq #0x800 jt 2 jf 8\n(002) ldb [23]\n(003) jeq #0x6 jt 4 jf 8\n\
     (004) ldxb 4*([14]&0xf)\n(005) ldh [x + 16]\n(006) jeq #0x50 jt 7 jf 8\n\
     (007) ret #262144\n(008) ret #0\n",
    "(000) ld #pktlen\n(001) st M[1]\n(002) ldx M[1]\n(003) add x\n(004) lsh #3\n(005) div x\n\
     (006) tax\n(007) txa\n(008) jset #0x7 jt 9 jf 10\n(009) neg\n(010) ret\n",
    "6\n32 0 0 4294963200\n21 0 3 2048\n32 0 0 4294963244\n135 0 0 0\n40 0 0 4293918732\n22 0 0 0\n",
];

/// Calls of helpers with arguments that they take.
const CALLS: &str = "
.map counts, hash, key=4, value=8, entries=4
.map ring, ringbuf, entries=4096
.section \"xdp\"
calls:
  r6 = r1
  w0 = 1
  *(u32 *)(r10 - 4) = w0
  *(u64 *)(r10 - 16) = 5
  r1 = counts ll
  r2 = r10
  r2 += -4
  r3 = r10
  r3 += -16
  r4 = 0
  call 2
  r1 = counts ll
  r2 = r10
  r2 += -4
  call 1
  if r0 == 0 goto out
  r1 = 1
  lock *(u64 *)(r0 + 0) += r1
  r1 = ring ll
  r2 = 16
  r3 = 0
  call 131
  if r0 == 0 goto out
  *(u64 *)(r0 + 0) = 7
  r1 = r0
  r2 = 0
  call 132
  *(u64 *)(r10 - 16) = 0x7525
  r1 = r10
  r1 += -16
  r2 = 3
  r3 = 42
  call 6
  r1 = 3
  r2 = again ll
  r3 = r6
  r4 = 0
  call 181
  r1 = *(u32 *)(r6 + 0)
  r2 = *(u32 *)(r6 + 4)
  r3 = r1
  r3 += 14
  if r3 > r2 goto out
  r0 = *(u16 *)(r1 + 12)
  r0 = be16 r0
out:
  r0 = 2
  exit
again:
  r0 = 0
  exit
";
