//! A program as a drawing.

use layout::backends::svg::SVGWriter;
use layout::core::base::Orientation;
use layout::core::geometry::Point;
use layout::core::style::{LineStyleKind, StyleAttr};
use layout::std_shapes::shapes::{Arrow, Element, LineEndKind, ShapeKind};
use layout::topo::layout::VisualGraph;
use skep_cbpf::Program;
use skep_filter::{Run, runs};

/// Runs that are drawn, at most: more take long to lay out, and nobody could read them.
const MOST_DRAWN: usize = 80;
/// Rows that all lines together may cross, each of which the layout has a place for.
const MOST_CROSSED: usize = 500;

const FONT: usize = 15;
/// Room for a letter and a line, and around them.
const LETTER: f64 = 9.0;
const LINE: f64 = 20.0;
const MARGIN: f64 = 20.0;

/// The program as a graph in SVG, laid out from the start at the top to the ends; nothing if it is too large.
pub(super) fn svg(program: &Program) -> Option<String> {
    let runs = runs(program);
    if runs.len() > MOST_DRAWN || crossed(&runs) > MOST_CROSSED {
        return None;
    }
    let mut graph = VisualGraph::new(Orientation::TopToBottom);
    let mut style = StyleAttr::simple();
    style.font_size = FONT;
    let nodes: Vec<_> = runs
        .iter()
        .map(|run| {
            let widest = run.lines.iter().map(String::len).max().unwrap_or(0);
            let size =
                Point::new(widest as f64 * LETTER + MARGIN, run.lines.len() as f64 * LINE + MARGIN);
            let shape = ShapeKind::new_box(&run.lines.join("\n"));
            let element = Element::create(shape, style.clone(), Orientation::TopToBottom, size);
            graph.add_node(element)
        })
        .collect();
    for (run, &from) in runs.iter().zip(&nodes) {
        for &(to, label) in &run.ways {
            let Some(at) = runs.iter().position(|run| run.start == to) else { continue };
            let line = if label == "no" { LineStyleKind::Dashed } else { LineStyleKind::Normal };
            let arrow = Arrow::new(
                LineEndKind::None,
                LineEndKind::Arrow,
                line,
                label,
                &style,
                &None,
                &None,
            );
            graph.add_edge(arrow, from, nodes[at]);
        }
    }
    let mut writer = SVGWriter::new();
    graph.do_it(false, false, false, &mut writer);
    Some(writer.finalize().replace("Times, serif", "monospace"))
}

/// How many rows all lines cross, if each run stands below all that lead to it. Jumps lead forwards.
fn crossed(runs: &[Run]) -> usize {
    let at = |start| runs.iter().position(|run| run.start == start);
    let lines = runs
        .iter()
        .enumerate()
        .flat_map(|(from, run)| run.ways.iter().filter_map(move |&(to, _)| Some((from, at(to)?))));
    let lines: Vec<_> = lines.collect();
    let mut rows = vec![0usize; runs.len()];
    for &(from, to) in &lines {
        rows[to] = rows[to].max(rows[from] + 1);
    }
    lines.into_iter().map(|(from, to)| rows[to] - rows[from]).sum()
}

#[cfg(test)]
mod tests {
    use skep_filter::{Expr, Options};

    #[test]
    fn every_run_is_drawn() {
        let of = |text: &str| Expr::parse(text).unwrap().compile(&Options::default()).unwrap();
        let text = super::svg(&of("ip and tcp port 80")).unwrap();
        assert!(text.starts_with("<?xml") || text.starts_with("<svg"), "{text}");
        assert!(text.contains("ldh") && text.contains("jeq") && text.contains("ret"), "{text}");
        assert_eq!(text.matches("<svg").count(), 1);
        let hosts: Vec<String> =
            (0..500).map(|at| format!("10.0.{}.{}", at / 250, at % 250)).collect();
        assert!(super::svg(&of(&format!("src host {}", hosts.join(" or ")))).is_none());
        // Few, but each with a way to the end.
        assert!(super::svg(&of(&format!("{}ip", "mpls and ".repeat(50)))).is_none());
    }
}
