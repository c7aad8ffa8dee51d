//! For machines: one object.

use super::facts::{Facts, Runs, unique};
use super::type_name::type_name;
use crate::term::Out;
use serde_json::{Value, json};
use skep_prog::Image;
use std::io::{self, Write};

pub(super) fn write(facts: &Facts<'_>, image: &Image, out: &mut Out<'_>) -> io::Result<()> {
    let btf = image.btf.as_deref();
    let ty = |id| btf.zip(id).and_then(|(btf, id)| type_name(btf, id));
    let progs = image.progs.iter().zip(&facts.runs).map(|(prog, runs)| {
        let (options, missing) = match runs {
            Runs::With(options) => (&options[..], None),
            Runs::No(why) => (&[][..], Some(why)),
        };
        json!({
            "name": prog.name,
            "section": prog.section,
            "prog_type": prog.prog_type.name(),
            "attach_type": prog.attach_type.map(|attach| attach.name()),
            "insns": prog.insns.len(),
            "subprogs": prog.subprogs.iter().map(|sub| sub.name.as_str()).collect::<Value>(),
            "lines": prog.lines.len(),
            "runs": missing.is_none(),
            "options": options,
            "missing": missing,
        })
    });
    let maps = image.maps.iter().map(|map| {
        json!({
            "name": map.name,
            "map_type": map.map_type.name(),
            "key_size": map.key_size,
            "value_size": map.value_size,
            "key_type": ty(map.key_type),
            "value_type": ty(map.value_type),
            "max_entries": map.max_entries,
            "flags": map.flags,
            "pinned": map.pinned,
        })
    });
    let sections = facts.layout.map(|layout| {
        layout.sections.iter().map(|section| {
            json!({
                "name": section.name,
                "kind": section.kind,
                "at": section.at,
                "size": section.size,
                "code": section.code,
                "write": section.write,
                "alloc": section.alloc,
            })
        })
    });
    let whole = json!({
        "type": "object",
        "license": image.license,
        "btf_types": btf.map_or(0, skep_btf::Btf::len),
        "sections": sections.map(Iterator::collect::<Value>),
        "progs": progs.collect::<Value>(),
        "maps": maps.collect::<Value>(),
        "needs": {
            "prog_types": unique(image.progs.iter().map(|prog| prog.prog_type.name())),
            "map_types": unique(image.maps.iter().map(|map| map.map_type.name())),
            "helpers": facts.helpers.iter().map(|(_, name)| name.as_str()).collect::<Value>(),
            "kernel_functions": facts.kfuncs,
        },
    });
    writeln!(out, "{whole}")
}
