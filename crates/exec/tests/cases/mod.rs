//! The cases of `corpus/exec`: names, programs, and what they say of each.

#[derive(Default)]
pub(crate) struct Case<'a> {
    pub(crate) name: &'a str,
    pub(crate) asm: String,
    keys: Vec<(&'a str, &'a str)>,
}

impl<'a> Case<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.keys.iter().find(|(known, _)| *known == key).map(|&(_, value)| value)
    }

    pub(crate) fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        let words = self.get(key)?.split_whitespace();
        Some(words.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect())
    }
}

pub(crate) fn cases(text: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("case: ") {
            cases.push(Case { name, ..Case::default() });
            continue;
        }
        let case = cases.last_mut().unwrap();
        match line.split_once(": ") {
            Some(pair) if !line.starts_with(' ') => case.keys.push(pair),
            _ => case.asm += &format!("{line}\n"),
        }
    }
    cases
}
