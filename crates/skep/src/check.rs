//! Whether a kernel would take a program.

use skep_abi::{AttachType, ProgType, Release};
use skep_btf::{Body, Btf};
use skep_isa::{DecodeError, RawInsn};
use skep_obj::{Poisoned, Undecoded};
use skep_prog::{Image, Initial, Prog};
use skep_verifier::{
    Arch, Caps, Env, Kernel, LoadFlags, Lockdown, Reject, Rejection, Rule, Stats, Step, Target,
    Verdict, Verified, kernel_figures, kernel_on_encoding, trace, verify,
};
use std::borrow::Cow;
use std::sync::Arc;

/// Whose verdict is asked for.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// The kernel's release.
    pub release: Release,
    /// The kernel's types, which programs that depend on them cannot be judged without.
    pub types: Option<Arc<Btf>>,
    /// Privileges of whoever loads the program.
    pub caps: Caps,
    /// CPUs that the kernel counts.
    pub cpus: u32,
    /// Lines `CONFIG_X=y` of the kernel's configuration, as far as they are known.
    pub config: Option<Arc<str>>,
    /// How far the kernel is locked down.
    pub lockdown: Lockdown,
    /// Instructions that need what the kernel's types lack, from [`fit`](crate::fit).
    pub poisoned: Arc<[Poisoned]>,
}

impl CheckOptions {
    /// Root, on a kernel of this release without types, with 64 CPUs.
    #[must_use]
    pub fn new(release: Release) -> Self {
        Self {
            release,
            types: None,
            caps: Caps::ROOT,
            cpus: 64,
            config: None,
            lockdown: Lockdown::None,
            poisoned: Arc::default(),
        }
    }
}

/// The answer, and what is needed to explain it.
#[derive(Clone, Debug)]
pub struct Checked<'p> {
    /// The answer.
    pub verdict: Verdict<'p>,
    /// The way to a refusal, with what was known at each step.
    pub steps: Vec<Step>,
    /// What the kernel lacks, where that is why it was refused.
    pub poison: Option<String>,
    /// The kernel's types.
    pub types: Option<Arc<Btf>>,
    /// What stands where the program does not decode, where that is why it was refused.
    pub undecoded: Option<(RawInsn, DecodeError)>,
}

/// The way to a refusal as the kernel's verifier logs it, and of an accepted program the last line;
/// `None` without a verdict.
#[must_use]
pub fn kernel_log(image: &Image, prog: &Prog, checked: &Checked<'_>) -> Option<String> {
    match &checked.verdict {
        Verdict::Accepted(verified) => Some(kernel_figures(verified.stats()) + "\n"),
        Verdict::Rejected(rejection) => Some(skep_verifier::kernel_log(
            image,
            prog,
            checked.types.as_deref(),
            rejection,
            &checked.steps,
        )),
        Verdict::Unsupported(_) => None,
    }
}

/// Asks whether the kernel would take a program of the image.
///
/// ```
/// use skep::verifier::Verdict;
/// use skep::{CheckOptions, Release, check, read_image};
///
/// let text = b".section \"xdp\"\npeek:\n r2 = *(u32 *)(r1 + 0)\n r0 = *(u8 *)(r2 + 0)\n exit\n";
/// let image = read_image(text, "peek.s").unwrap().image;
/// let options = CheckOptions::new(Release { major: 6, minor: 18 });
/// let checked = check(&image, &image.progs[0], &options);
/// let Verdict::Rejected(rejection) = checked.verdict else { panic!() };
/// assert_eq!(rejection.reject.rule.name(), "mem.packet");
/// ```
#[must_use]
pub fn check<'p>(image: &Image, prog: &'p Prog, options: &CheckOptions) -> Checked<'p> {
    check_with(image, prog, options, &attach_target(image, prog), None)
}

/// Asks the same of a program that is to replace a function of another one (`freplace`), which the same
/// kernel has accepted. Where its section names no function, it is the main one.
#[must_use]
pub fn check_replacement<'p>(
    image: &Image,
    prog: &'p Prog,
    options: &CheckOptions,
    of: &Image,
    verified: &Verified<'_>,
) -> Checked<'p> {
    let target = Target::new(prog, of, verified);
    let named = replaced_function(prog).filter(|name| !name.is_empty());
    let func = named.unwrap_or(&verified.prog().name);
    check_with(image, prog, options, func, Some(&target))
}

/// The name of the function that a program replaces, as its section gives it; `None` for other programs.
#[must_use]
pub fn replaced_function(prog: &Prog) -> Option<&str> {
    let named = prog.section.split_once('/').map_or("", |(_, name)| name);
    (prog.prog_type == ProgType::Ext).then_some(named)
}

fn check_with<'p>(
    image: &Image,
    prog: &'p Prog,
    options: &CheckOptions,
    attach_to: &str,
    target: Option<&Target<'_>>,
) -> Checked<'p> {
    let mut env = env_of(image, prog, attach_to, options);
    env.target = target;
    let verdict = verify(prog, &env);
    let steps = match &verdict {
        Verdict::Rejected(rejection) => trace(prog, &env, rejection),
        _ => Vec::new(),
    };
    let poison = match &verdict {
        Verdict::Rejected(rejection) => {
            let here = |one: &&Poisoned| one.prog == prog.name && Some(one.pc) == rejection.pc;
            options.poisoned.iter().find(here).map(|one| one.why.to_string())
        }
        _ => None,
    };
    Checked { verdict, steps, poison, types: options.types.clone(), undecoded: None }
}

/// The refusal of a program that does not decode.
#[must_use]
pub fn check_undecoded(broken: &Undecoded) -> Checked<'_> {
    let rule = Rule::InsnEncoding;
    let kernel = kernel_on_encoding(&broken.source);
    let reject = Reject { rule, errno: rule.errno(), kernel, facts: Vec::new() };
    let (pc, path, stats) = (Some(broken.pc), Vec::new(), Stats::default());
    Checked {
        verdict: Verdict::Rejected(Box::new(Rejection { pc, reject, path, stats })),
        steps: Vec::new(),
        poison: None,
        types: None,
        undecoded: Some((broken.raw, broken.source)),
    }
}

fn env_of<'a>(image: &'a Image, prog: &Prog, target: &'a str, options: &CheckOptions) -> Env<'a> {
    let kernel = Kernel {
        release: options.release,
        btf: options.types.clone(),
        config: options.config.clone(),
        lockdown: options.lockdown,
        mitigations_off: false,
        cpus: options.cpus,
        arch: if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 },
    };
    let mut env = Env::new(image, kernel);
    env.caps = options.caps;
    // The loader makes types for functions that have none.
    env.tells_functions = true;
    env.attach_to = target;
    env.flags = LoadFlags {
        sleepable: is_sleepable(&prog.section),
        xdp_has_frags: prog.section.starts_with("xdp.frags"),
        ..LoadFlags::default()
    };
    env
}

/// Whether the section says that the program may sleep, as loaders read it: `lsm.s/…`.
#[must_use]
pub fn is_sleepable(section: &str) -> bool {
    let kind = section.trim_start_matches('?').split('/').next().unwrap_or_default();
    kind == "syscall" || (kind.contains(".s") && kind.split('.').skip(1).any(|word| word == "s"))
}

/// Name of the function, tracepoint or type that the section names; of a member of a structure of
/// functions, both.
fn attach_target(image: &Image, prog: &Prog) -> Cow<'static, str> {
    let section = prog.section.trim_start_matches('?');
    let named = section.split_once('/').map_or("", |(_, name)| name);
    match (prog.prog_type, prog.attach_type) {
        (ProgType::Tracing | ProgType::Lsm | ProgType::Ext, _) => named.to_string().into(),
        (_, Some(AttachType::TraceRawTp)) => named.to_string().into(),
        (ProgType::StructOps, _) => member_of(image, prog).unwrap_or_default().into(),
        _ => "".into(),
    }
}

/// The structure and member that a program is for: `tcp_congestion_ops.init`.
fn member_of(image: &Image, prog: &Prog) -> Option<String> {
    let (ty, at) = image.maps.iter().find_map(|map| {
        let Initial::StructOps(ops) = &map.initial else { return None };
        let &(at, _) = ops.progs.iter().find(|(_, name)| *name == prog.name)?;
        Some((map.value_type?, at))
    })?;
    let ty = image.btf.as_ref()?.get(ty)?;
    let Body::Struct { members, .. } = ty.body else { return None };
    let member = members.iter().find(|member| Some(member.bit_off) == at.checked_mul(8))?;
    // What follows three underscores is the program's business.
    let base = |name: &str| name.split("___").next().unwrap_or(name).to_string();
    Some(format!("{}.{}", base(ty.name), base(member.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_is_built_without_is_refused() {
        let text = b".license \"GPL\"\n.section \"tc\"\nmain:\n call bpf_skb_cgroup_classid\n r0 = 0\n exit\n";
        let image = crate::read_image(text, "classid.s").unwrap().image;
        let options = CheckOptions::new(Release { major: 6, minor: 18 });
        let verdict = |config: &str| {
            let options = CheckOptions { config: Some(config.into()), ..options.clone() };
            matches!(check(&image, &image.progs[0], &options).verdict, Verdict::Accepted(_))
        };
        assert!(verdict("CONFIG_HZ=250"));
        assert!(verdict("CONFIG_CGROUP_NET_CLASSID=y\n"));
        assert!(!verdict("CONFIG_HZ=250\n# CONFIG_CGROUP_NET_CLASSID is not set\n"));
    }

    #[test]
    fn a_kernel_that_is_locked_down_is_not_read() {
        let text = b".license \"GPL\"\n.section \"tracepoint/a/b\"\nmain:\n r3 = r1\n r1 = r10\n r1 += -8\n r2 = 8\n call bpf_probe_read_kernel\n r0 = 0\n exit\n";
        let image = crate::read_image(text, "read.s").unwrap().image;
        let options = CheckOptions::new(Release { major: 6, minor: 18 });
        let verdict = |lockdown| {
            let options = CheckOptions { lockdown, ..options.clone() };
            matches!(check(&image, &image.progs[0], &options).verdict, Verdict::Accepted(_))
        };
        assert!(verdict(Lockdown::None) && verdict(Lockdown::Integrity));
        assert!(!verdict(Lockdown::Confidentiality));
    }

    #[test]
    fn older_kernels_have_less() {
        let text = b".map m, ringbuf, key=0, value=0, entries=4096\n.section \"sk_lookup\"\nmain:\n r1 = m ll\n r0 = 1\n exit\n";
        let image = crate::read_image(text, "lookup.s").unwrap().image;
        let at = |major, minor| {
            let options = CheckOptions::new(Release { major, minor });
            match check(&image, &image.progs[0], &options).verdict {
                Verdict::Accepted(_) => "accepted",
                Verdict::Rejected(rejection) => rejection.reject.rule.name(),
                Verdict::Unsupported(_) => "unsupported",
            }
        };
        assert_eq!(at(5, 4), "prog.type");
        assert_eq!(at(5, 10), "accepted");
    }

    #[test]
    fn sections_say_who_may_sleep() {
        for (section, want) in [
            ("lsm.s/file_open", true),
            ("?fentry.s/f", true),
            ("iter.s/task", true),
            ("uprobe.multi.s", true),
            ("syscall", true),
            ("lsm/file_open", false),
            ("xdp", false),
            ("xdp.frags", false),
            ("", false),
        ] {
            assert_eq!(is_sleepable(section), want, "{section}");
        }
    }
}
