//! Which test proves which requirement of the protocol, as a page that cannot lie: it is made of
//! markers beside the tests, and a marker counts only above a test that runs.

mod markers;
mod page;
mod requirements;
mod security;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::process;
use markers::Marker;
use requirements::Requirement;

const REQUIREMENTS: &str = "tests/coverage/requirements.txt";
const PAGE: &str = "docs/reference/protocol-coverage.md";

/// Checks that the page is what the tests say, or writes it with `--write`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let write = match arguments {
        [] => false,
        [flag] if flag == "--write" => true,
        _ => bail!("the only argument is --write"),
    };
    let root = process::root();
    let text = fs::read_to_string(root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    let groups = requirements::parse(&text)?;
    let (markers, mut complaints) = markers::collect(&root)?;
    let all: Vec<_> = groups.iter().flat_map(|group| &group.requirements).collect();
    complaints.extend(judge(&all, &markers));
    complaints.extend(security::complaints(&root)?);
    for complaint in &complaints {
        println!("{complaint}");
    }
    if !complaints.is_empty() {
        bail!("{} complaints", complaints.len());
    }
    let page = page::render(&groups, &markers);
    let path = root.join(PAGE);
    if write {
        fs::write(&path, page).context(PAGE)?;
    } else if fs::read_to_string(&path).unwrap_or_default() != page {
        bail!("{PAGE} is not what the tests say; `cargo xtask coverage --write` makes it anew");
    }
    let left_out = all.iter().filter(|requirement| requirement.left_out.is_some()).count();
    eprintln!("coverage: {} requirements, {left_out} left out", all.len());
    Ok(())
}

fn judge(requirements: &[&Requirement], markers: &[Marker]) -> Vec<String> {
    let mut complaints = Vec::new();
    for marker in markers {
        for name in &marker.covers {
            if !requirements.iter().any(|requirement| requirement.name == *name) {
                complaints.push(format!("{}: no requirement is called `{name}`", marker.place()));
            }
        }
    }
    for requirement in requirements {
        let proven = !requirement.scenarios.is_empty()
            || markers.iter().any(|marker| marker.covers.contains(&requirement.name));
        match (&requirement.left_out, proven) {
            (None, false) => complaints.push(format!(
                "{}: no test proves it, and no reason says why it is left out",
                requirement.name
            )),
            (Some(_), true) => complaints
                .push(format!("{}: said to be left out, but a test proves it", requirement.name)),
            _ => {}
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(requirements: &str, source: &str) -> Vec<String> {
        let groups = requirements::parse(requirements).unwrap();
        let (markers, mut complaints) = markers::read("tests/it/a.rs", source);
        let all: Vec<_> = groups.iter().flat_map(|group| &group.requirements).collect();
        complaints.extend(judge(&all, &markers));
        complaints
    }

    const TEST: &str = "// covers: ids\n#[test]\nfn ids_are_new() {}\n";

    #[test]
    fn a_requirement_needs_a_test_or_a_reason() {
        let one = "== A\nids | must | Ids are new\n";
        assert_eq!(complaints(one, TEST), Vec::<String>::new());
        assert_eq!(complaints(one, "#[test]\nfn other() {}\n").len(), 1);
        let left_out = format!("{one}    left out: nobody asks\n");
        assert_eq!(complaints(&left_out, "").len(), 0);
        assert_eq!(complaints(&left_out, TEST).len(), 1, "both");
    }

    #[test]
    fn a_marker_needs_a_requirement_and_a_test_that_runs() {
        let one = "== A\nids | must | Ids are new\n";
        assert_eq!(complaints(one, &TEST.replace("covers: ids", "covers: ids, odd")).len(), 1);
        let ignored = "// covers: ids\n#[test]\n#[ignore]\nfn ids_are_new() {}\n";
        assert_eq!(complaints(one, ignored).len(), 2, "the marker, and the requirement");
        assert_eq!(complaints(one, "// covers: ids\nfn no_test() {}\n").len(), 2);
    }

    #[test]
    fn a_scenario_must_be_one_that_runs() {
        let known = "== A\nids | must | Ids\n    conformance: tools_call\n";
        assert_eq!(complaints(known, "").len(), 0);
        assert!(requirements::parse("== A\nids | must | Ids\n    conformance: odd\n").is_err());
    }
}
