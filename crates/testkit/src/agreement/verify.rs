//! The verifier of this workspace as a judge.

use crate::agreement::{Judge, Mode, Ours, Subject, Target};
use skep_abi::Release;
use skep_btf::{Body, Btf};
use skep_prog::Prog;
use skep_verifier::Target as Replaced;
use skep_verifier::{Arch, Caps, Env, Kernel, LoadFlags, Lockdown, Verdict, verify};
use std::sync::Arc;

/// The verifier of this workspace, told that it is the running kernel.
#[derive(Clone, Debug)]
pub struct Verifier {
    kernel: Kernel,
}

impl Verifier {
    /// For a kernel.
    #[must_use]
    pub fn new(target: &Target) -> Self {
        let btf: Btf = target.btf.clone();
        let mut numbers = target.release.split(['.', '-']).map(|number| number.parse().ok());
        let mut number = || numbers.next().flatten().unwrap_or(0);
        let release = Release { major: number(), minor: number() };
        let last = target.cpus.trim().rsplit(['-', ',']).next().and_then(|last| last.parse().ok());
        Self {
            kernel: Kernel {
                release,
                btf: Some(Arc::new(btf)),
                config: None,
                lockdown: lockdown(&target.lockdown),
                // It was told not to care for CPUs that mispredict.
                mitigations_off: target
                    .cmdline
                    .split_whitespace()
                    .any(|word| word == "mitigations=off"),
                cpus: last.unwrap_or(0_u32) + 1,
                arch: if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 },
            },
        }
    }
}

/// How far a kernel is locked down, as it says.
fn lockdown(state: &str) -> Lockdown {
    if state.contains("[integrity]") {
        Lockdown::Integrity
    } else if state.contains("[confidentiality]") {
        Lockdown::Confidentiality
    } else {
        Lockdown::None
    }
}

impl Verifier {
    /// What a program is attached to, by name.
    fn attach_to(&self, subject: &Subject) -> String {
        let btf = match &subject.target {
            Some(target) => target.image.btf.as_ref(),
            None => self.kernel.btf.as_ref(),
        };
        let attach = subject.attach.clone().ok().flatten();
        let name = attach.and_then(|id| btf?.get(id)).map_or("", |ty| ty.name);
        self.member(subject).unwrap_or_else(|| name.to_string())
    }

    fn env<'a>(&self, subject: &'a Subject, attach_to: &'a str, mode: Mode) -> Env<'a> {
        let mut env = Env::new(&subject.image, self.kernel.clone());
        env.attach_to = attach_to;
        env.flags = flags(subject.flags);
        env.caps = match mode {
            Mode::Privileged => Caps::ROOT,
            Mode::Unprivileged => Caps::NONE,
        };
        env
    }

    /// The member of a structure of functions that the program is for: `structure.member`.
    fn member(&self, subject: &Subject) -> Option<String> {
        let index = usize::try_from(subject.member?).ok()?;
        let id = subject.attach.as_ref().ok().copied().flatten()?;
        let ty = self.kernel.btf.as_ref()?.get(id)?;
        let Body::Struct { members, .. } = ty.body else { return None };
        Some(format!("{}.{}", ty.name, members.iter().nth(index)?.name))
    }
}

/// Bits of `BPF_F_*` of loading.
fn flags(bits: u32) -> LoadFlags {
    LoadFlags {
        strict_alignment: bits & 1 != 0,
        any_alignment: bits & 2 != 0,
        test_state_freq: bits & 8 != 0,
        sleepable: bits & 16 != 0,
        xdp_has_frags: bits & 32 != 0,
        test_reg_invariants: bits & 128 != 0,
    }
}

impl Judge for Verifier {
    fn judge(&self, subject: &Subject, prog: &Prog, mode: Mode) -> Ours {
        if let Some(why) = subject.raw.as_ref().and_then(|raw| raw.undecoded) {
            return Ours::undecoded(&why);
        }
        if let Err(why) = &subject.attach {
            return Ours::Unsupported { insn: None, what: why.clone() };
        }
        let attach = self.attach_to(subject);
        let mut env = self.env(subject, &attach, mode);
        let of = subject.target.as_ref().map(|of| (of, self.attach_to(of)));
        let verified = of.as_ref().map(|(of, attach)| {
            let env = self.env(of, attach, mode);
            (of, verify(of.prog(), &env))
        });
        let target = match &verified {
            Some((of, Verdict::Accepted(verified))) => {
                Some(Replaced::new(prog, &of.image, verified))
            }
            Some(_) => {
                let what = "the program of which a function is replaced is refused".into();
                return Ours::Unsupported { insn: None, what };
            }
            None => None,
        };
        env.target = target.as_ref();
        match verify(prog, &env) {
            Verdict::Accepted(verified) => Ours::Accepted { processed: verified.stats().insns },
            Verdict::Rejected(rejection) => Ours::Rejected {
                insn: rejection.pc.map(|pc| pc.0),
                rule: rejection.reject.rule.name().into(),
                message: rejection.reject.rule.summary().into(),
                kernel_message: rejection.reject.kernel.lines().last().unwrap_or_default().into(),
            },
            Verdict::Unsupported(unsupported) => {
                Ours::Unsupported { insn: unsupported.pc.map(|pc| pc.0), what: unsupported.what }
            }
        }
    }

    fn log(&self, _: &Subject, _: &Prog, _: Mode) -> Option<String> {
        None
    }
}
