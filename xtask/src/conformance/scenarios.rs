//! Which scenarios run, at which revision, and what is expected of each.

use std::ops::RangeInclusive;

use super::run::{End, Outcome};

/// The revision on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub(super) fn revision(self) -> &'static str {
        match self {
            Self::Legacy => "2025-11-25",
            Self::Modern => "2026-07-28",
        }
    }
}

/// One scenario of the suite.
pub(super) struct Scenario {
    pub(super) era: Era,
    pub(super) name: &'static str,
    /// Checks that must succeed at least: some scenarios call it a pass when nothing was tried.
    at_least: usize,
    /// How the client must exit: 0, or with an error where it has to refuse the server.
    exit: RangeInclusive<i32>,
}

const fn row(era: Era, name: &'static str, at_least: usize, exit: RangeInclusive<i32>) -> Scenario {
    Scenario { era, name, at_least, exit }
}

/// The scenarios that need no authorization.
pub(super) const SCENARIOS: &[Scenario] = &[
    row(Era::Legacy, "initialize", 1, 0..=0),
    row(Era::Legacy, "tools_call", 2, 0..=0),
    row(Era::Legacy, "elicitation-sep1034-client-defaults", 5, 0..=0),
    row(Era::Legacy, "sse-retry", 3, 0..=0),
    row(Era::Legacy, "json-schema-2020-12-preservation", 9, 0..=0),
    row(Era::Modern, "tools_call", 2, 0..=0),
    row(Era::Modern, "request-metadata", 5, 0..=0),
    row(Era::Modern, "sep-2322-client-request-state", 5, 0..=0),
    row(Era::Modern, "http-standard-headers", 9, 0..=0),
    row(Era::Modern, "http-custom-headers", 18, 0..=0),
    row(Era::Modern, "http-invalid-tool-headers", 12, 0..=0),
    row(Era::Modern, "json-schema-ref-no-deref", 1, 0..=0),
    row(Era::Modern, "json-schema-2020-12-preservation", 9, 0..=0),
];

impl Scenario {
    /// What is wrong with the outcome; nothing when the scenario passed.
    pub(super) fn judge(&self, outcome: &Outcome) -> Vec<String> {
        let mut complaints = Vec::new();
        match outcome.end {
            End::Exit(code) if self.exit.contains(&code) => {}
            End::Exit(code) => complaints.push(format!("the client exited with {code}")),
            End::TimedOut => complaints.push("the client did not end in time".to_owned()),
        }
        if outcome.failed > 0 {
            complaints.push(format!("{} checks failed", outcome.failed));
        }
        if outcome.warned > 0 {
            complaints.push(format!("{} checks warned", outcome.warned));
        }
        if outcome.passed < self.at_least {
            let Self { at_least, .. } = self;
            complaints.push(format!("{} checks passed, not {at_least}", outcome.passed));
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn check(exit: RangeInclusive<i32>, end: End, counts: [usize; 3]) -> usize {
        let [passed, failed, warned] = counts;
        let outcome = Outcome { end, passed, failed, warned, log: PathBuf::new() };
        row(Era::Modern, "any", 1, exit).judge(&outcome).len()
    }

    #[test]
    fn only_a_full_pass_is_a_pass() {
        assert_eq!(check(0..=0, End::Exit(0), [3, 0, 0]), 0);
        assert_eq!(check(0..=0, End::Exit(1), [3, 0, 0]), 1, "exit code");
        assert_eq!(check(1..=255, End::Exit(1), [3, 0, 0]), 0, "a refusal");
        assert_eq!(check(1..=255, End::Exit(0), [3, 0, 0]), 1, "no refusal");
        assert_eq!(check(0..=0, End::Exit(0), [0, 0, 0]), 1, "nothing tried");
        assert_eq!(check(0..=0, End::Exit(0), [3, 0, 1]), 1, "a warning");
        assert_eq!(check(0..=0, End::TimedOut, [3, 1, 0]), 2, "hanging and failing");
    }
}
