//! "did you mean".

/// Longer words are not compared: nobody mistypes them, and comparing takes quadratic time.
const LONGEST: usize = 64;

/// The candidate that differs from `word` by the fewest typing errors, if that is at most one in
/// three letters. Of equals the first.
///
/// ```
/// assert_eq!(skep_diag::closest("ldxq", ["ldxb", "ldxw", "stw"]), Some("ldxb"));
/// assert_eq!(skep_diag::closest("frob", ["ldxb", "ldxw", "stw"]), None);
/// ```
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let most = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= most)
        .map(|candidate| {
            let lower = candidate.to_ascii_lowercase();
            (strsim::damerau_levenshtein(&word, &lower), candidate)
        })
        .filter(|&(distance, candidate)| distance <= most && distance < candidate.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_wins_if_it_is_near() {
        let table = [
            ("exti", &["exit", "text"][..], Some("exit")),
            ("EXIT", &["text", "exit"], Some("exit")),
            ("map_lokup_elem", &["map_update_elem", "map_lookup_elem"], Some("map_lookup_elem")),
            ("r11", &["r10", "r1"], Some("r10")),
            ("x", &["y"], None),
            ("", &["", "a"], None),
            ("nothing", &[], None),
        ];
        for (word, candidates, want) in table {
            assert_eq!(closest(word, candidates.iter().copied()), want, "{word}");
        }
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(closest(&long, [long.as_str()]), None);
    }
}
