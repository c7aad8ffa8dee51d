//! Values of the kernel's configuration for the variables of `.kconfig`.
//!
//! Of libbpf: `bpf_object__resolve_externs` and the functions it calls.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use skep_btf::{Body, Btf, TypeId};
use skep_prog::{DataKind, Image, Initial, Kconfig};

/// What a loader knows of the kernel that a program is to run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelConfig<'a> {
    /// `LINUX_KERNEL_VERSION`; that of 6.1.4 is 0x06_01_04.
    pub version: u32,
    /// `LINUX_HAS_BPF_COOKIE`: whether attaching takes a number that programs can ask for.
    pub bpf_cookie: bool,
    /// `LINUX_HAS_SYSCALL_WRAPPER`: whether system calls take their arguments in a `struct pt_regs`.
    pub syscall_wrapper: bool,
    /// Lines `CONFIG_HZ=250`, as in `/proc/config.gz`. Of several for one variable the first counts.
    pub text: &'a str,
}

/// Why a variable of `.kconfig` gets no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum KconfigError {
    /// The configuration does not mention it.
    #[error("extern '{name}' is not in the kernel's configuration and not weak")]
    Missing { name: String },
    /// Neither `CONFIG_…` nor one of those that loaders make up.
    #[error(
        "extern '{name}' is no CONFIG_…, LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE or LINUX_HAS_SYSCALL_WRAPPER"
    )]
    Unknown { name: String },
    /// Its type is none that a configuration has values for, or reaches beyond the section.
    #[error("extern '{name}' has a type or place that no value can be stored to")]
    Type { name: String },
    /// A line that is none of a configuration.
    #[error("line {line} of the configuration: '{text}' has no value")]
    Line { line: usize, text: String },
    /// The variable is of another type than the value.
    #[error("extern '{name}': value '{value}' implies {implies} type")]
    Implies { name: String, value: String, implies: &'static str },
    /// A string without end, or a number with more behind it.
    #[error("extern '{name}': value '{value}' is no {what}")]
    Malformed { name: String, value: String, what: &'static str },
    /// The number is too large.
    #[error("extern '{name}': value {value} does not fit in {size} bytes")]
    Range { name: String, value: u64, size: u32 },
}

/// Gives the variables of `.kconfig` their values. Weak ones may be absent: they become 0.
///
/// # Errors
/// [`KconfigError`] with the name of the variable, or the line of the configuration.
///
/// ```
/// # let bytes = include_bytes!("../../../corpus/obj/externs.o");
/// use skep_obj::{KernelConfig, fill_kconfig, parse};
///
/// let mut image = parse(bytes).unwrap();
/// let text = "CONFIG_HZ=250\nCONFIG_NET=y\n# CONFIG_BPF_SYSCALL is not set";
/// let kernel = KernelConfig { version: 0x06_12_00, text, ..KernelConfig::default() };
/// let err = fill_kconfig(&mut image, &kernel).unwrap_err();
/// let want = "extern 'CONFIG_NR_CPUS' is not in the kernel's configuration and not weak";
/// assert_eq!(err.to_string(), want);
/// ```
pub fn fill_kconfig(image: &mut Image, kernel: &KernelConfig<'_>) -> Result<(), KconfigError> {
    let Some(def) = image.maps.iter_mut().find(|def| def.data == Some(DataKind::Kconfig)) else {
        return Ok(());
    };
    let values = Values { kernel, lines: lines(kernel.text, &image.kconfig)? };
    let mut bytes = vec![0; usize::try_from(def.value_size).unwrap_or_default()];
    for var in &image.kconfig {
        let ty = image.btf.as_ref().and_then(|btf| KconfigType::of(btf, var.type_id));
        let slot = ty.and_then(|ty| Some((ty, place(&mut bytes, var.at, ty)?)));
        let (ty, slot) = slot.ok_or_else(|| KconfigError::Type { name: var.name.clone() })?;
        if let Some(value) = values.of(var)? {
            Store { name: &var.name, ty, slot }.value(value)?;
        }
    }
    def.initial = Initial::Value(bytes);
    Ok(())
}

fn place(bytes: &mut [u8], at: u32, ty: KconfigType) -> Option<&mut [u8]> {
    let start = usize::try_from(at).ok()?;
    let end = start.checked_add(usize::try_from(ty.size()).ok()?)?;
    bytes.get_mut(start..end)
}

/// Type of a variable of `.kconfig`. Of libbpf: `find_kcfg_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KconfigType {
    Bool,
    Char {
        signed: bool,
    },
    /// `enum libbpf_tristate`
    Tristate,
    Int {
        size: u32,
        signed: bool,
    },
    Chars {
        len: u32,
    },
}

impl KconfigType {
    /// `None` for a type that no configuration has values for.
    pub(crate) fn of(btf: &Btf, id: TypeId) -> Option<Self> {
        let ty = btf.resolve(id)?;
        match ty.body {
            Body::Int(int) if int.bool => (int.size == 1).then_some(Self::Bool),
            Body::Int(int) => match int.size {
                1 => Some(Self::Char { signed: int.signed }),
                size @ (2 | 4 | 8) => Some(Self::Int { size, signed: int.signed }),
                _ => None,
            },
            Body::Enum { size: 4, .. } | Body::Enum64 { size: 4, .. } => {
                (ty.name == "libbpf_tristate").then_some(Self::Tristate)
            }
            Body::Array { elem, len, .. } if len > 0 => match btf.resolve(elem)?.body {
                Body::Int(int) if int.size == 1 && !int.bool => Some(Self::Chars { len }),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) const fn size(self) -> u32 {
        match self {
            Self::Bool | Self::Char { .. } => 1,
            Self::Tristate => 4,
            Self::Int { size, .. } => size,
            Self::Chars { len } => len,
        }
    }

    pub(crate) const fn align(self) -> u32 {
        match self {
            Self::Chars { .. } => 1,
            _ => self.size(),
        }
    }
}

/// A value before it is known whether the variable takes it.
#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Text(&'a str),
}

struct Values<'a> {
    kernel: &'a KernelConfig<'a>,
    lines: Vec<(&'a str, &'a str)>,
}

impl<'a> Values<'a> {
    /// The value of a variable; `None` for a weak one that has none.
    fn of(&self, var: &Kconfig) -> Result<Option<Value<'a>>, KconfigError> {
        let name = || var.name.clone();
        if var.name.starts_with("CONFIG_") {
            let found = self.lines.binary_search_by_key(&var.name.as_str(), |line| line.0);
            let value = found.ok().and_then(|at| self.lines.get(at)).map(|line| line.1);
            return match value {
                None if !var.weak => Err(KconfigError::Missing { name: name() }),
                value => Ok(value.map(Value::Text)),
            };
        }
        Ok(Some(Value::Number(match var.name.as_str() {
            "LINUX_KERNEL_VERSION" => self.kernel.version.into(),
            "LINUX_HAS_BPF_COOKIE" => self.kernel.bpf_cookie.into(),
            "LINUX_HAS_SYSCALL_WRAPPER" => self.kernel.syscall_wrapper.into(),
            other if var.weak && other.starts_with("LINUX_") => return Ok(None),
            _ => return Err(KconfigError::Unknown { name: name() }),
        })))
    }
}

/// The lines that give variables a value, by name. Comments say what is not set.
fn lines<'a>(text: &'a str, vars: &[Kconfig]) -> Result<Vec<(&'a str, &'a str)>, KconfigError> {
    if !vars.iter().any(|var| var.name.starts_with("CONFIG_")) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if !line.starts_with("CONFIG_") {
            continue;
        }
        let pair = line.split_once('=').filter(|(_, value)| !value.is_empty());
        let short = || line.chars().take(crate::elf::MAX_NAME).collect();
        found.push(pair.ok_or_else(|| KconfigError::Line { line: number, text: short() })?);
    }
    // Stable: of several the first stays.
    found.sort_by_key(|&(name, _)| name);
    found.dedup_by_key(|&mut (name, _)| name);
    Ok(found)
}

/// Where a value goes.
struct Store<'a> {
    name: &'a str,
    ty: KconfigType,
    slot: &'a mut [u8],
}

impl Store<'_> {
    fn value(self, value: Value<'_>) -> Result<(), KconfigError> {
        match value {
            Value::Number(number) => self.number(number),
            Value::Text(text) => match text.as_bytes() {
                [first @ (b'y' | b'n' | b'm'), ..] => self.tristate(*first, text),
                [b'"', ..] => self.string(text),
                _ => {
                    let malformed =
                        self.malformed(text, "number (strings stand between quotation marks)");
                    let number = number(text).ok_or(malformed)?;
                    match self.ty {
                        KconfigType::Int { .. } | KconfigType::Char { .. } => self.number(number),
                        _ => Err(self.implies(text, "integer")),
                    }
                }
            },
        }
    }

    /// Of libbpf: `set_kcfg_value_tri`.
    fn tristate(self, first: u8, text: &str) -> Result<(), KconfigError> {
        match self.ty {
            KconfigType::Bool if first == b'm' => {
                return Err(self.implies(text, "tristate or char"));
            }
            KconfigType::Bool => self.put(u64::from(first == b'y')),
            // `TRI_NO`, `TRI_YES`, `TRI_MODULE`
            KconfigType::Tristate => self.put(match first {
                b'n' => 0,
                b'y' => 1,
                _ => 2,
            }),
            KconfigType::Char { .. } => self.put(first.into()),
            _ => return Err(self.implies(text, "bool, tristate or char")),
        }
        Ok(())
    }

    /// What is too long loses its end. Of libbpf: `set_kcfg_value_str`.
    fn string(self, text: &str) -> Result<(), KconfigError> {
        let KconfigType::Chars { .. } = self.ty else {
            return Err(self.implies(text, "char array"));
        };
        let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let inside = inside.ok_or_else(|| self.malformed(text, "string"))?;
        let room = self.slot.len().saturating_sub(1);
        for (to, from) in self.slot.iter_mut().take(room).zip(inside.bytes()) {
            *to = from;
        }
        Ok(())
    }

    /// Of libbpf: `set_kcfg_value_num`.
    fn number(self, value: u64) -> Result<(), KconfigError> {
        let fits = match self.ty {
            KconfigType::Bool if value > 1 => {
                return Err(self.malformed(&alloc::format!("{value}"), "truth value"));
            }
            KconfigType::Bool => true,
            KconfigType::Char { signed } => fits(value, 1, signed),
            KconfigType::Int { size, signed } => fits(value, size, signed),
            KconfigType::Tristate | KconfigType::Chars { .. } => {
                return Err(self.implies(&alloc::format!("{value}"), "integer, char or boolean"));
            }
        };
        if !fits {
            let (name, size) = (self.name.into(), self.ty.size());
            return Err(KconfigError::Range { name, value, size });
        }
        self.put(value);
        Ok(())
    }

    fn put(self, value: u64) {
        for (to, from) in self.slot.iter_mut().zip(value.to_le_bytes()) {
            *to = from;
        }
    }

    fn implies(&self, value: &str, implies: &'static str) -> KconfigError {
        KconfigError::Implies { name: self.name.into(), value: short(value), implies }
    }

    fn malformed(&self, value: &str, what: &'static str) -> KconfigError {
        KconfigError::Malformed { name: self.name.into(), value: short(value), what }
    }
}

fn short(text: &str) -> String {
    text.chars().take(crate::elf::MAX_NAME).collect()
}

/// Decimal, octal with `0`, hexadecimal with `0x`, with a sign, as `strtoull` reads them.
fn number(text: &str) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = match (hex, digits.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    Some(if negative { value.wrapping_neg() } else { value })
}

/// Of libbpf: `is_kcfg_value_in_range`.
fn fits(value: u64, size: u32, signed: bool) -> bool {
    let bits = size.saturating_mul(8);
    let Some(limit) = 1_u64.checked_shl(bits) else { return true };
    match signed {
        true => value.wrapping_add(limit / 2) < limit,
        false => value < limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let cases = [
            ("0", Some(0)),
            ("250", Some(250)),
            ("0x10", Some(16)),
            ("0Xff", Some(255)),
            ("010", Some(8)),
            ("-1", Some(u64::MAX)),
            ("+7", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("0x", None),
            ("", None),
            ("-", None),
            ("--1", None),
            ("0x+1", None),
            ("08", None),
            ("12 ", None),
            ("1k", None),
        ];
        for (text, want) in cases {
            assert_eq!(number(text), want, "{text:?}");
        }
    }

    #[test]
    fn numbers_fit_by_sign_and_size() {
        for size in [1, 2, 4, 8] {
            let top = u64::MAX >> (64 - size * 8);
            assert!(fits(top, size, false) && fits(top / 2, size, true), "{size}");
            assert!(fits((top / 2 + 1).wrapping_neg(), size, true), "{size}");
            assert_eq!(fits(top / 2 + 1, size, true), size == 8, "{size}");
            assert_eq!(fits(top.wrapping_add(1), size, false), size == 8, "{size}");
            assert_eq!(fits(u64::MAX, size, false), size == 8, "{size}");
            assert!(fits(u64::MAX, size, true), "{size}");
        }
    }
}
