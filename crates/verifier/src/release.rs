//! What the release has at all. Of what came later, its bpf(2) says nothing but that an argument is invalid,
//! and loaders find nothing to refer to.

use crate::record::FieldKind;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Feature, MapFlag, Ops, ProgType, Release, Special};

impl Verifier<'_> {
    /// Whether the kernel is `since` or newer.
    pub(crate) fn is_since(&self, since: Release) -> bool {
        since <= self.env.kernel.release
    }

    /// A refusal of what came later than the release.
    pub(crate) fn newer(rule: Rule, since: Release, what: &str) -> Reject {
        Reject::new(rule, "").fact(Fact::Required(format!("Linux {since} or newer, for {what}")))
    }

    /// Programs of the type, at the place and in the way that is asked for.
    pub(crate) fn check_release(&self) -> Res<()> {
        let (prog_type, place) = (self.prog.prog_type, self.prog.attach_type);
        let info = prog_type.info();
        let known = |since: Release, what: &dyn Fn() -> String| match self.is_since(since) {
            true => Ok(()),
            false => Self::newer(Rule::ProgType, since, &what()).stop(),
        };
        known(info.since, &|| format!("programs of type {}", prog_type.name()))?;
        // Of other types the place does not matter, or is asked for when they are attached.
        if let Some(place) =
            place.filter(|place| is_asked(prog_type) && info.attach.contains(place))
        {
            known(place.since(), &|| format!("programs at {}", place.name()))?;
        }
        if let Some(feature) = Feature::sleepable(prog_type, place).filter(|_| self.sleepable) {
            known(feature.since(), &|| feature.name().into())?;
        }
        if self.env.flags.xdp_has_frags {
            let feature = Feature::XdpFrags;
            known(feature.since(), &|| feature.name().into())?;
        }
        let structure = self.env.attach_to.split_once('.').map(|(structure, _)| structure);
        if let Some(ops) =
            structure.and_then(Ops::find).filter(|_| prog_type == ProgType::StructOps)
        {
            known(ops.since, &|| format!("programs for struct {}", ops.name))?;
        }
        Ok(())
    }

    /// The map, with its flags and the fields of its values.
    pub(crate) fn check_map_release(&self, map: usize) -> Res<()> {
        let info = &self.maps[map];
        let at = u32::try_from(map).unwrap_or(u32::MAX);
        let known = |since: Release, what: &dyn Fn() -> String| match self.is_since(since) {
            true => Ok(()),
            false => Self::newer(Rule::MapUse, since, &what()).fact(Fact::Map(at)).stop(),
        };
        if let Some(row) = info.map_type().info() {
            known(row.since, &|| format!("maps of type {}", info.map_type().name()))?;
        }
        // Loaders leave away what data sections can do without.
        for flag in MapFlag::of(info.def.flags).filter(|_| info.def.data.is_none()) {
            known(flag.since(), &|| format!("maps with {}", flag.name()))?;
        }
        for field in &info.record.fields {
            if let Some(special) = special(field.kind) {
                let what = || format!("values with a field of kind {special:?}");
                known(special.since(), &what)?;
            }
        }
        Ok(())
    }
}

/// Whether programs of the type are loaded for one of several places, all others refused. Kernel:
/// `bpf_prog_load_check_attach`, `check_attach_btf_id`.
const fn is_asked(prog_type: ProgType) -> bool {
    matches!(
        prog_type,
        ProgType::CgroupSock
            | ProgType::CgroupSockAddr
            | ProgType::CgroupSockopt
            | ProgType::SkLookup
            | ProgType::Netfilter
            | ProgType::Tracing
            | ProgType::Lsm
    )
}

/// What the tables call a field.
const fn special(kind: FieldKind) -> Option<Special> {
    Some(match kind {
        FieldKind::SpinLock => Special::SpinLock,
        FieldKind::ResSpinLock => Special::ResSpinLock,
        FieldKind::Timer => Special::Timer,
        FieldKind::Workqueue => Special::Workqueue,
        FieldKind::TaskWork => Special::TaskWork,
        FieldKind::KptrUnref | FieldKind::KptrRef | FieldKind::KptrPercpu => Special::Kptr,
        FieldKind::Uptr => Special::Uptr,
        FieldKind::ListHead => Special::ListHead,
        FieldKind::RbRoot => Special::RbRoot,
        FieldKind::Refcount => Special::Refcount,
        FieldKind::ListNode | FieldKind::RbNode => return None,
    })
}
