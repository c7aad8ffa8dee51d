//! Logs of the kernel, read back: the rule that each is about, in `corpus/logs/rules.txt`.

use skep_verifier::{LogError, read_log};
use std::path::Path;

#[test]
fn each_log_is_told_by_its_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/logs/rules.txt");
    let text = std::fs::read_to_string(path).expect("the corpus");
    let (mut read, mut wrong) = (0, Vec::new());
    for case in text.split("\n## ").skip(1) {
        let (want, log) = case.split_once('\n').expect("a log below its rule");
        let got = match read_log(log) {
            Ok(told) => {
                let pc = told.rejection.pc.map_or("-".into(), |pc| pc.to_string());
                format!("{} {pc}", told.rejection.reject.rule.name())
            }
            Err(err) => err.to_string(),
        };
        read += 1;
        if got != want {
            wrong.push(format!("{got}, not {want}:\n{log}"));
        }
    }
    assert!(read > 10, "only {read} logs were read");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_jump_that_ends_the_log_is_no_refusal_by_itself() {
    let log = "0: (b7) r0 = 0\n1: (05) goto pc-1\nprocessed 2 insns (limit 1000000) \
               max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";
    assert_eq!(read_log(log).unwrap_err(), LogError::Accepted);
}

#[test]
fn words_that_lists_share_are_told_by_the_function() {
    let log = |name: &str| {
        format!(
            "0: (85) call {name}#1\nallocated object must be referenced\nprocessed 1 insns (limit 1)\n"
        )
    };
    let rule = |name: &str| read_log(&log(name)).unwrap().rejection.reject.rule.name();
    assert_eq!(rule("bpf_list_push_front_impl"), "collection");
    assert_eq!(rule("bpf_obj_drop_impl"), "kfunc.arg");
}
