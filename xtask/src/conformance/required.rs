//! What a revision requires of a client, run by the suite as one set.
//!
//! The suite's exit code says nothing of warnings and of clients that did nothing, so its report is
//! read: every scenario that the set names must be in it, with as many successful checks as when it
//! runs alone, and nothing else. Exit codes of the client are not in it; the single runs have them.

use std::collections::BTreeMap;

use super::scenarios::{Era, SCENARIOS};

/// The scenarios of the client or the server in the suite's own list: those that it scores, and
/// those that it does not.
pub(super) fn named<'a>(list: &'a str, leg: &str) -> [Vec<&'a str>; 2] {
    let (mut scored, mut others) = (Vec::new(), Vec::new());
    let mut section = "";
    let mut scenario = None;
    for line in list.lines() {
        if !line.starts_with([' ', '#']) {
            section = line.trim_end().trim_end_matches(':');
        } else if let Some(entry) = line.strip_prefix("  - ") {
            let entry = entry.trim();
            match (section, entry.strip_prefix("scenario: ")) {
                (section, None) if section == leg => scored.push(entry),
                ("not_scored", name) => scenario = name,
                _ => {}
            }
        } else if line.trim().strip_prefix("leg: ") == Some(leg) && section == "not_scored" {
            others.extend(scenario.take());
        }
    }
    [scored, others]
}

/// What a run of a set came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Checks that succeeded.
    pub(super) passed: usize,
    /// What is wrong; nothing when all that is required passed.
    pub(super) complaints: Vec<String>,
}

/// Reads the suite's report about the scenarios of a set.
pub(super) fn judge(era: Era, named: &[&str], log: &str) -> Report {
    let mut report = Report::default();
    let rows = rows(log);
    for name in named {
        let Some(row) = rows.get(name) else {
            report.complaints.push(format!("{name} is not in the report"));
            continue;
        };
        let Some(passed) = row.passed.filter(|_| row.is_clean) else {
            report.complaints.push(format!("{name}: {}", row.text));
            continue;
        };
        report.passed += passed;
        match SCENARIOS.iter().find(|one| one.era == era && one.name == *name) {
            Some(alone) if passed < alone.at_least => {
                let least = alone.at_least;
                report.complaints.push(format!("{name}: {passed} checks passed, not {least}"));
            }
            Some(_) => {}
            None => report.complaints.push(format!("{name} does not run alone")),
        }
    }
    if named.is_empty() {
        report.complaints.push("the set names nothing".to_owned());
    }
    report
}

/// One line of the report.
struct Row<'a> {
    text: &'a str,
    /// No check failed or warned.
    is_clean: bool,
    passed: Option<usize>,
}

/// The lines `✓ name: 3 passed, 0 failed` of the summary, by name.
fn rows(log: &str) -> BTreeMap<&str, Row<'_>> {
    let summary = log.split_once("=== SUITE SUMMARY ===").map_or("", |(_, summary)| summary);
    let summary = summary.lines().take_while(|line| !line.starts_with("Total: "));
    summary
        .filter_map(|line| {
            let (mark, rest) = line.split_once(' ')?;
            let (name, text) = rest.split_once(": ")?;
            let passed = text.split_once(" passed").and_then(|(count, _)| count.parse().ok());
            Some((name, Row { text, is_clean: mark == "✓", passed }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# Comment\nserver:\n  - ping\n\nclient:\n  - tools_call\n  - initialize\n
not_scored:\n  - scenario: auth/dpop\n    leg: client\n    reason: extension
  - scenario: tasks-lifecycle\n    leg: server\n";

    #[test]
    fn both_parts_of_the_list() {
        let client: [Vec<_>; 2] = [vec!["tools_call", "initialize"], vec!["auth/dpop"]];
        assert_eq!(named(LIST, "client"), client);
        assert_eq!(named(LIST, "server"), [vec!["ping"], vec!["tasks-lifecycle"]]);
    }

    fn check(named: &[&str], lines: &str) -> (usize, usize) {
        let log = format!("✗ noise: 1 passed\n=== SUITE SUMMARY ===\n\n{lines}\n\nTotal: x\n");
        let report = judge(Era::Legacy, named, &log);
        (report.passed, report.complaints.len())
    }

    #[test]
    fn only_a_full_set_is_a_pass() {
        let both = ["initialize", "tools_call"];
        let rest = "✓ tools_call: 2 passed, 0 failed";
        let with = |first: &str| check(&both, &format!("{first}\n{rest}"));
        assert_eq!(with("✓ initialize: 1 passed, 0 failed"), (3, 0));
        assert_eq!(with("✗ initialize: 1 passed, 1 failed"), (2, 1), "a failure");
        assert_eq!(with("✗ initialize: 1 passed, 0 failed, 1 warnings"), (2, 1), "a warning");
        assert_eq!(with("✓ initialize: 0 passed, 0 failed"), (2, 1), "nothing tried");
        assert_eq!(with("- initialize: skipped"), (2, 1), "skipped");
        assert_eq!(with(""), (2, 1), "left out");
        assert_eq!(check(&["no_such"], "✓ no_such: 1 passed, 0 failed"), (1, 1), "not run alone");
        assert_eq!(check(&[], rest), (0, 1), "an empty set");
    }
}
