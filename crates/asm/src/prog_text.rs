//! A program as its text has it, names not yet resolved.

use crate::stmt::Stmt;
use skep_abi::{AttachType, ProgType, Section};
use skep_diag::{Diagnostic, Span};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Where a statement stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) span: Span,
    pub(crate) line: u32,
    pub(crate) text: &'a str,
    /// The slot that a listing gives.
    pub(crate) slot: Option<u32>,
}

/// A label: the statement it stands before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LabelText {
    pub(crate) stmt: usize,
    pub(crate) span: Span,
}

/// A program from one `.section` to the next.
pub(crate) struct ProgText<'a> {
    pub(crate) section: String,
    pub(crate) span: Span,
    pub(crate) prog_type: ProgType,
    pub(crate) attach_type: Option<AttachType>,
    pub(crate) stmts: Vec<(Stmt<'a>, At<'a>)>,
    pub(crate) labels: BTreeMap<Cow<'a, str>, LabelText>,
    /// Labels in the order of the text.
    pub(crate) order: Vec<(usize, Cow<'a, str>)>,
    /// Labels that are functions because the text says so.
    pub(crate) funcs: BTreeSet<Cow<'a, str>>,
}

impl<'a> ProgText<'a> {
    pub(crate) const fn new(section: String, span: Span, prog_type: ProgType) -> Self {
        Self {
            section,
            span,
            prog_type,
            attach_type: None,
            stmts: Vec::new(),
            labels: BTreeMap::new(),
            order: Vec::new(),
            funcs: BTreeSet::new(),
        }
    }

    /// With the type that the section's name says, or else the given one.
    pub(crate) fn in_section(name: &str, span: Span, default: ProgType) -> Self {
        let mut prog = Self::new(name.into(), span, default);
        if let Some((section, _)) = Section::find(name) {
            prog.prog_type = section.prog_type;
            prog.attach_type = section.attach_type;
        }
        prog
    }

    pub(crate) fn push(&mut self, stmt: Stmt<'a>, at: At<'a>) {
        self.stmts.push((stmt, at));
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut Stmt<'a>> {
        self.stmts.last_mut().map(|(stmt, _)| stmt)
    }

    /// Puts a label before the next statement.
    pub(crate) fn define(
        &mut self,
        name: Cow<'a, str>,
        span: Span,
        is_func: bool,
    ) -> Result<(), Diagnostic> {
        let label = LabelText { stmt: self.stmts.len(), span };
        if let Some(first) = self.labels.get(&name) {
            let title = format!("label `{name}` exists already");
            return Err(Diagnostic::error("asm.duplicate", title)
                .label(span, "")
                .context(first.span, "first defined here"));
        }
        self.labels.insert(name.clone(), label);
        self.order.push((label.stmt, name.clone()));
        if is_func {
            self.funcs.insert(name);
        }
        Ok(())
    }

    /// Neither instructions nor labels: a directive that was followed by another.
    pub(crate) fn is_empty(&self) -> bool {
        self.stmts.is_empty() && self.labels.is_empty()
    }
}
