//! Classic programs in the kernel, as `SO_ATTACH_FILTER` runs them.
//!
//! A program of many copies, each of which goes on to the next where it would return, is attached to one end of a
//! pair of Unix sockets. What the other end sends runs through all copies and is dropped; less what sending takes with a
//! program that only returns, divided by the copies, that is the time of one run.

use skep_cbpf::{Insn, MAX_INSNS, Program, check_insns};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// Batches; the shortest counts.
const BATCHES: usize = 400;
/// Copies: from a dozen on, the processor's caches for instructions are measured as well.
const COPIES: usize = 8;

/// Nanoseconds that programs take for a packet that they accept, each of them and the socket in turns, so that what
/// else the machine does hurts them alike.
pub(super) fn nanoseconds(programs: &[&Program], packet: &[u8], sends: u32) -> Vec<f64> {
    let mut ends: Vec<(usize, UnixDatagram, UnixDatagram)> = Vec::new();
    let nothing = check_insns(vec![Insn::RetK { k: 0 }]).expect("a program");
    for program in [&nothing].into_iter().chain(programs.iter().copied()) {
        let (copies, chain) = chained(program);
        let (sender, receiver) = UnixDatagram::pair().expect("a pair of sockets");
        let receiver_fd = OwnedFd::from(receiver);
        attach(&receiver_fd, &chain).expect("the kernel takes the program");
        ends.push((copies, sender, UnixDatagram::from(receiver_fd)));
    }
    let mut shortest = vec![f64::INFINITY; ends.len()];
    for _ in 0..BATCHES {
        for (shortest, (_, sender, _)) in shortest.iter_mut().zip(&ends) {
            let start = cpu_time();
            for _ in 0..sends {
                sender.send(packet).expect("it is dropped");
            }
            *shortest = shortest.min((cpu_time() - start) / f64::from(sends));
        }
    }
    let pairs = shortest.iter().zip(&ends).skip(1);
    pairs.map(|(time, (copies, ..))| (time - shortest[0]) / *copies as f64).collect()
}

/// Nanoseconds that this thread was on a processor.
pub(super) fn cpu_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes the time to `time`, which is of the type it expects.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "threads have a clock");
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// As many copies as fit. Jumps to where one would return lead to the next one at once, as far as they can.
fn chained(program: &Program) -> (usize, Program) {
    let insns = program.insns();
    let copies = COPIES.min((MAX_INSNS - 1) / insns.len());
    let copy = insns.iter().enumerate().map(|(pc, &insn)| {
        let to_next = insns.len() - pc - 1;
        let way = |offset: u8| match (insns[pc + 1 + usize::from(offset)], u8::try_from(to_next)) {
            (Insn::RetK { .. }, Ok(to_next)) => to_next,
            _ => offset,
        };
        match insn {
            Insn::RetK { .. } => Insn::Jump { k: u32::try_from(to_next).expect("a short program") },
            Insn::JumpIf { op, src, jt, jf } => Insn::JumpIf { op, src, jt: way(jt), jf: way(jf) },
            insn => insn,
        }
    });
    let copy: Vec<Insn> = copy.collect();
    let mut chain: Vec<Insn> = copy.iter().copied().cycle().take(copy.len() * copies).collect();
    chain.push(Insn::RetK { k: 0 });
    (copies, check_insns(chain).expect("a program"))
}

fn attach(fd: &OwnedFd, program: &Program) -> io::Result<()> {
    let mut insns: Vec<libc::sock_filter> = program
        .encode()
        .iter()
        .map(|raw| libc::sock_filter { code: raw.code, jt: raw.jt, jf: raw.jf, k: raw.k })
        .collect();
    let len = u16::try_from(insns.len()).map_err(io::Error::other)?;
    let prog = libc::sock_fprog { len, filter: insns.as_mut_ptr() };
    let size = libc::socklen_t::try_from(size_of_val(&prog)).map_err(io::Error::other)?;
    // SAFETY: `prog` points to `insns` and has their number; both live until the call is over, and the kernel only
    // reads them.
    let rc = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const prog).cast(),
            size,
        )
    };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
