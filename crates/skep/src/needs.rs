//! What an image needs of a kernel, and the oldest release with all of it.

mod code;

use skep_abi::{AttachType, Feature, Kfunc, MapFlag, Release, Section};
use skep_prog::{Image, MapDef, Prog};
use std::collections::BTreeMap;

/// What an image needs of a kernel.
///
/// Releases are those of mainline that had a thing first. A helper may have been admitted to a program
/// type later than it came, and a distribution's kernel may have it earlier: the last word has the
/// kernel that loads the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// By kind and name, each once.
    pub list: Vec<Need>,
}

/// One thing that an image needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it is.
    pub kind: NeedKind,
    /// The kernel's name for it, or a few words.
    pub name: String,
    /// First release that has it; `None` where that is not known.
    pub since: Option<Release>,
    /// Whether the image can be loaded without it: weak symbols, types that can come from a file.
    pub optional: bool,
}

/// What kind of thing a [`Need`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum NeedKind {
    ProgType,
    AttachType,
    Helper,
    Kfunc,
    MapType,
    MapFlag,
    Feature,
}

impl NeedKind {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProgType => "program type",
            Self::AttachType => "attach type",
            Self::Helper => "helper",
            Self::Kfunc => "kernel function",
            Self::MapType => "map type",
            Self::MapFlag => "map flag",
            Self::Feature => "feature",
        }
    }
}

impl Needs {
    /// The oldest release that has all that must be and is known; `None` if nothing is needed.
    #[must_use]
    pub fn oldest(&self) -> Option<Release> {
        self.required().filter_map(|need| need.since).max()
    }

    /// What no older release has.
    pub fn reasons(&self) -> impl Iterator<Item = &Need> {
        let oldest = self.oldest();
        self.required().filter(move |need| oldest.is_some() && need.since == oldest)
    }

    /// What must be, and nobody knows since when it is.
    pub fn unknown(&self) -> impl Iterator<Item = &Need> {
        self.required().filter(|need| need.since.is_none())
    }

    fn required(&self) -> impl Iterator<Item = &Need> {
        self.list.iter().filter(|need| !need.optional)
    }
}

/// What an image needs of a kernel that is to load it.
///
/// ```
/// use skep::{needs, read_image};
///
/// let text = b".section \"xdp\"\nfew:\n r0 = 1\n if w0 < 2 goto +0\n exit\n";
/// let needs = needs(&read_image(text, "few.s").unwrap().image);
/// assert_eq!(needs.oldest().unwrap().to_string(), "5.1");
/// assert_eq!(needs.reasons().next().unwrap().name, "32-bit jumps (v3)");
/// ```
#[must_use]
pub fn needs(image: &Image) -> Needs {
    let mut found = Found::default();
    for prog in &image.progs {
        found.prog(prog);
        code::scan(prog, &mut found);
    }
    for map in &image.maps {
        found.map(map);
    }
    let list = found.0.into_iter().map(|((kind, name), (since, optional))| Need {
        kind,
        name,
        since,
        optional,
    });
    Needs { list: list.collect() }
}

/// Needs by what they are; the same thing may be found often.
#[derive(Default)]
struct Found(BTreeMap<(NeedKind, String), (Option<Release>, bool)>);

impl Found {
    fn add(&mut self, kind: NeedKind, name: impl ToString, since: Option<Release>, optional: bool) {
        let entry = self.0.entry((kind, name.to_string())).or_insert((since, true));
        entry.1 &= optional;
    }

    fn feature(&mut self, feature: Feature) {
        self.add(NeedKind::Feature, feature.name(), Some(feature.since()), false);
    }

    /// A symbol of the kernel that the program calls.
    fn kfunc(&mut self, name: &str, weak: bool) {
        let since = Kfunc::find(name).and_then(|kfunc| kfunc.since);
        self.add(NeedKind::Kfunc, name, since, weak);
    }

    fn prog(&mut self, prog: &Prog) {
        let prog_type = prog.prog_type;
        self.add(NeedKind::ProgType, prog_type, Some(prog_type.info().since), false);
        if let Some(attach) = prog.attach_type.filter(|&attach| is_binding(attach, &prog.section)) {
            self.add(NeedKind::AttachType, attach, Some(attach.since()), false);
        }
        let section = Section::find(&prog.section).map(|(section, _)| section);
        if section.is_some_and(|section| section.frags) {
            self.feature(Feature::XdpFrags);
        }
        if section.is_some_and(|section| section.sleepable) {
            self.sleepable(prog);
        }
        if !prog.core_relocs.is_empty() {
            let feature = Feature::KernelBtf;
            self.add(NeedKind::Feature, feature.name(), Some(feature.since()), true);
        }
    }

    fn sleepable(&mut self, prog: &Prog) {
        if let Some(feature) = Feature::sleepable(prog.prog_type, prog.attach_type) {
            self.feature(feature);
        }
    }

    fn map(&mut self, map: &MapDef) {
        let since = map.map_type.info().map(|info| info.since);
        self.add(NeedKind::MapType, map.map_type, since, false);
        for flag in MapFlag::of(map.flags) {
            // Loaders make a data section's map without what the kernel does not know.
            let optional = map.data.is_some() && flag == MapFlag::Mmapable;
            self.add(NeedKind::MapFlag, flag.name(), Some(flag.since()), optional);
        }
        if map.data.is_some() {
            self.feature(Feature::GlobalData);
        }
        if let Some(inner) = &map.inner {
            self.map(inner);
        }
    }
}

/// Whether the place must be known to the kernel. Older ones load XDP programs and socket selectors
/// without hearing of a place, and what a section `tc/ingress` holds can be attached as a filter.
fn is_binding(attach: AttachType, section: &str) -> bool {
    !matches!(attach, AttachType::Xdp | AttachType::SkReuseportSelect)
        && !section.trim_start_matches('?').starts_with("tc/")
}
