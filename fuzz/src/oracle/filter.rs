//! Filter expressions and packets: the evaluator and both programs agree.

use skep_cbpf::Packet;
use skep_filter::{ErrorKind, Expr, LinkType, Options, Source};

/// The first two bytes choose link type and source, the expression follows up to a zero, then comes the packet.
pub fn check(data: &[u8]) {
    let [link, source, rest @ ..] = data else { return };
    let links: Vec<LinkType> = LinkType::all().collect();
    let link = links[usize::from(*link) % links.len()];
    let source = [Source::Unknown, Source::File, Source::Live][usize::from(*source) % 3];
    let end = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
    let (text, packet) = rest.split_at(end);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let expr = match Expr::parse(text) {
        Ok(expr) => expr,
        Err(err) => {
            let source = skep_diag::Source::new("expression", text);
            let _ = skep_diag::Renderer::plain().render(&err.diagnostic(), &source);
            return;
        }
    };
    let _ = (expr.in_words(), expr.warnings());
    let options = Options { link, source, netmask: Some(0xff00_0000), ..Options::default() };
    let Ok(meaning) = expr.meaning(&options) else { return };
    let packet = Packet::new(packet.get(1..).unwrap_or_default());
    let want = meaning.matches(&packet);
    let _ = meaning.reasons(&expr, link, &packet);
    for optimise in [false, true] {
        match meaning.compile(optimise) {
            Ok(program) => {
                assert_eq!(program.run(&packet) != 0, want, "{text:?} on {}", link.name());
                let _ = skep_filter::dot(&program);
            }
            Err(err) => match err.kind {
                ErrorKind::RejectsAll => assert!(!want, "{text:?} on {}", link.name()),
                ErrorKind::Refused(_) => panic!("{text:?} on {}: {err}", link.name()),
                _ => {}
            },
        }
    }
}
