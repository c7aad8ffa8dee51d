//! The program that filters, shown.

use super::expression::Expression;
use super::{Dump, devices, expression, source};
use crate::failure::Failure;
use crate::term::Term;
use skep_hooks::LinkType;
use std::path::PathBuf;

impl Dump {
    /// `-d`, for packets of a capture, of an interface, or of Ethernet.
    pub(super) fn list_program(
        &self,
        expression: &Expression,
        read: &[PathBuf],
        term: &mut Term<'_>,
    ) -> Result<(), Failure> {
        let link = match (read.first(), self.interface.first()) {
            (Some(path), _) => {
                let capture = source::open_capture(path)?;
                if self.as_tcpdump {
                    source::announce_capture(path, &*capture, &mut term.err)?;
                }
                capture.interfaces().first().map_or(LinkType::ETHERNET, |one| one.link)
            }
            (None, Some(name)) => {
                let name = devices::named(name);
                devices::check(&name)?;
                if name == "any" { LinkType::LINUX_SLL2 } else { LinkType::ETHERNET }
            }
            (None, None) => LinkType::ETHERNET,
        };
        let named = self.linktype.as_deref().map(expression::by_name).transpose()?;
        // A capture has the type that it has, for tcpdump.
        let link = match named.filter(|_| read.is_empty() || !self.as_tcpdump) {
            Some(link) => link,
            None => expression::of_file(link)?,
        };
        if self.as_tcpdump && read.is_empty() && link == skep_filter::LinkType::LinuxSll2 {
            source::announce_cooked(&mut term.err)?;
        }
        expression.list(link, self.listing, read.is_empty(), &mut term.out)
    }
}
