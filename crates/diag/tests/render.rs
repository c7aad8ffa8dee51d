//! What people and machines get to see.

use skep_diag::{Diagnostic, Renderer, Source, Span, to_json};

#[track_caller]
fn check(diag: &Diagnostic, text: &str, expected: &str) {
    let got = Renderer::plain().render(diag, &Source::new("a.s", text));
    assert_eq!(got, expected, "\n{got}\n");
}

fn sample() -> Diagnostic {
    Diagnostic::error("asm.unknown-register", "unknown register `r11`")
        .label(Span::new(12, 15), "the last is r10")
        .context(Span::new(0, 6), "begins here")
        .note("registers are r0 to r10")
        .help("use r10 for the stack")
}

#[test]
fn looks_as_rustc_does() {
    let expected = "\
error[asm.unknown-register]: unknown register `r11`
 --> a.s:2:6
  |
1 | r0 = 1
  | ------ begins here
2 | r1 = r11
  |      ^^^ the last is r10
  |
  = note: registers are r0 to r10
  = help: use r10 for the stack";
    check(&sample(), "r0 = 1\nr1 = r11\nexit\n", expected);
}

#[test]
fn a_diagnostic_may_have_no_place() {
    let diag = Diagnostic::warning("asm.empty", "nothing here");
    check(&diag, "", "warning[asm.empty]: nothing here");
}

#[test]
fn line_numbers_are_those_of_the_whole_text() {
    let text = "\n".repeat(1234) + "exti\n";
    let diag = Diagnostic::error("x.y", "no").label(Span::new(1234, 1238), "");
    check(&diag, &text, "error[x.y]: no\n    --> a.s:1235:1\n     |\n1235 | exti\n     | ^^^^");
}

#[test]
fn colours_come_only_when_asked_for() {
    let source = Source::new("a.s", "r0 = 1\nr1 = r11\n");
    assert!(!Renderer::plain().render(&sample(), &source).contains('\x1b'));
    assert!(Renderer::coloured().render(&sample(), &source).contains('\x1b'));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let source = Source::new("a\x1b.s", "r0 = \x1b[2J\n");
    let diag = Diagnostic::error("x.y", "bad \x1b[2J").label(Span::new(5, 9), "\x1b[2J");
    assert!(!Renderer::plain().render(&diag, &source).contains('\x1b'));
}

#[test]
fn long_lines_are_cut_to_the_width() {
    let text = "x".repeat(1 << 20);
    let diag = Diagnostic::error("x.y", "no").label(Span::new(500_000, 500_004), "here");
    let shown = Renderer::plain().width(80).render(&diag, &Source::new("a.s", &text));
    assert!(shown.contains("a.s:1:500001"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() < 120), "{shown}");
}

/// Every span over texts that are awkward in every way we know of.
#[test]
fn no_span_panics() {
    let texts =
        ["", "\n", "a", "a\n", "\ta\tb\n", "a\r\nb\r\n", "µ√\u{301}\u{202e}🦀\n\0", "\r\r\n", "  "];
    for text in texts {
        for start in 0..=text.len() + 2 {
            for end in 0..=text.len() + 2 {
                let diag = Diagnostic::error("x.y", "no")
                    .label(Span::new(start, end), "here")
                    .context(Span::new(end, start), "there");
                let source = Source::new("", text);
                assert!(Renderer::plain().width(0).render(&diag, &source).contains("error[x.y]"));
                assert!(Renderer::coloured().render(&diag, &source).contains("x.y"));
                assert_eq!(to_json(&diag, &source)["labels"][0]["text"], "here");
            }
        }
    }
}

#[test]
fn json_has_bytes_and_columns() {
    let json = to_json(&sample(), &Source::new("a.s", "r0 = 1\nr1 = r11\n"));
    let expected = concat!(
        r#"{"level":"error","code":"asm.unknown-register","title":"unknown register `r11`","#,
        r#""file":"a.s","labels":[{"start":12,"end":15,"line":2,"col":6,"end_line":2,"end_col":9,"#,
        r#""text":"the last is r10","primary":true},{"start":0,"end":6,"line":1,"col":1,"#,
        r#""end_line":1,"end_col":7,"text":"begins here","primary":false}],"#,
        r#""notes":["registers are r0 to r10"],"help":"use r10 for the stack"}"#
    );
    assert_eq!(json.to_string(), expected);
}
