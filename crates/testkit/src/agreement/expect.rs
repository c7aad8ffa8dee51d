//! What a selftest expects of the kernel, as its source says in BTF tags.

use skep_btf::{Body, Btf, TypeId};

/// The expectations about one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Whether it is to be taken, with all privileges.
    pub privileged: Option<bool>,
    /// The same without.
    pub unprivileged: Option<bool>,
    /// `BPF_F_*` that it is to be loaded with.
    pub flags: u32,
}

impl Expect {
    /// From the tags of the function.
    #[must_use]
    pub fn of(btf: &Btf, func: TypeId) -> Self {
        let mut this = Self::default();
        for ty in btf.types() {
            let Body::DeclTag { ty: on, component: None } = ty.body else { continue };
            let Some(tag) = ty.name.strip_prefix("comment:test_").filter(|_| on == func) else {
                continue;
            };
            match tag {
                "expect_success" => this.privileged = Some(true),
                "expect_failure" => this.privileged = Some(false),
                "expect_success_unpriv" => this.unprivileged = Some(true),
                "expect_failure_unpriv" => this.unprivileged = Some(false),
                _ => {
                    if let Some(flag) = tag.strip_prefix("prog_flags=") {
                        this.flags |= number(flag);
                    }
                }
            }
        }
        this
    }
}

/// Flags of program loading, by name or number.
fn number(flag: &str) -> u32 {
    match flag {
        "BPF_F_STRICT_ALIGNMENT" => 1,
        "BPF_F_ANY_ALIGNMENT" => 1 << 1,
        "BPF_F_TEST_RND_HI32" => 1 << 2,
        "BPF_F_TEST_STATE_FREQ" => 1 << 3,
        "BPF_F_SLEEPABLE" => 1 << 4,
        "BPF_F_XDP_HAS_FRAGS" => 1 << 5,
        "BPF_F_TEST_REG_INVARIANTS" => 1 << 7,
        _ => match flag.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).unwrap_or(0),
            None => flag.parse().unwrap_or(0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn flags_have_names_and_numbers() {
        assert_eq!(number("BPF_F_TEST_STATE_FREQ"), 8);
        assert_eq!(number("0x40"), 64);
        assert_eq!(number("3"), 3);
        assert_eq!(number("BPF_F_UNHEARD_OF"), 0);
    }
}
