//! The compiler.

use crate::ast::Expr;
use crate::emit::emit;
use crate::error::{Error, ErrorKind};
use crate::graph::{Graph, REJECT};
use crate::lower::{Meaning, Options};
use skep_cbpf::{Insn, MAX_INSNS, Program, check_insns};
use skep_diag::Span;

/// Blocks of which no program that the kernel takes can be made.
const MUCH_TOO_LONG: usize = 4 * MAX_INSNS;

/// The program that accepts all packets, or none.
#[must_use]
pub fn program_of_all(accepts: bool, snaplen: u32) -> Program {
    let k = if accepts { snaplen.max(1) } else { 0 };
    check_insns(vec![Insn::RetK { k }]).expect("bug: a return is a program")
}

impl Expr {
    /// The expression as a classic program, which returns [`Options::snaplen`] for packets that match
    /// and 0 for others.
    ///
    /// # Errors
    /// Those of [`Expr::meaning`] and [`Meaning::compile`].
    pub fn compile(&self, options: &Options<'_>) -> Result<Program, Error> {
        let whole = Span::new(0, self.text().len());
        let place = |error: Error| {
            if error.span == Span::default() { Error::new(whole, error.kind) } else { error }
        };
        self.meaning(options)?.compile(options.optimise).map_err(place)
    }
}

impl Meaning {
    /// A classic program that accepts the packets that match.
    ///
    /// # Errors
    /// [`ErrorKind::TooLong`] if the kernel would not take it. When optimising, as in libpcap:
    /// [`ErrorKind::RejectsAll`] if no packet can match, [`ErrorKind::Constant`] for arithmetic on
    /// constants that has no result.
    pub fn compile(&self, optimise: bool) -> Result<Program, Error> {
        let refuses = optimise && !self.as_it_stands;
        if refuses && let Some(error) = &self.folded {
            return Err(error.clone());
        }
        let (mut graph, mut root) = Graph::of(self, optimise);
        if optimise {
            root = graph.thread(root);
            // Blocks share instructions, but not so many.
            if root as usize > MUCH_TOO_LONG {
                let insns = graph.len(root);
                if insns > MUCH_TOO_LONG {
                    let kind = ErrorKind::TooLong { insns, most: MAX_INSNS };
                    return Err(Error::new(Span::default(), kind));
                }
            }
            root = graph.regroup(root);
            root = graph.trees(root);
        }
        if refuses && root == REJECT {
            return Err(Error::new(Span::default(), ErrorKind::RejectsAll));
        }
        emit(self, &graph, root, optimise)
    }
}
