//! The page for readers.

use std::fmt::Write as _;

use super::{
    markers::Marker,
    requirements::{Group, Requirement},
};

const HEAD: &str = "# What of the protocol is covered, and by which test

Made by `cargo xtask coverage --write` from markers beside the tests; CI fails when it is not what
the tests say. *Practice* is what servers in use need beyond the specification. Scenarios are those
of the official conformance suite, run by `cargo xtask conformance`.
";

pub(super) fn render(groups: &[Group], markers: &[Marker]) -> String {
    let mut page = HEAD.to_owned();
    for group in groups {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## {}\n\n| | | shown by |\n|---|---|---|\n", group.title);
        for requirement in &group.requirements {
            let Requirement { what, level, .. } = requirement;
            let shown = shown(requirement, markers);
            let _ = writeln!(page, "| {what} | {} | {shown} |", level.word());
        }
    }
    page
}

fn shown(requirement: &Requirement, markers: &[Marker]) -> String {
    if let Some(reason) = &requirement.left_out {
        return format!("left out: {reason}");
    }
    let tests = markers
        .iter()
        .filter(|marker| marker.covers.contains(&requirement.name))
        .map(|marker| format!("[`{}`](../../{})", marker.test, marker.file));
    let scenarios = requirement.scenarios.iter().map(|name| format!("scenario `{name}`"));
    tests.chain(scenarios).collect::<Vec<_>>().join(", ")
}
