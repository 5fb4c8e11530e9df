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
    pub(super) at_least: usize,
    /// How the client must exit: 0, or with an error where it has to refuse the server.
    exit: RangeInclusive<i32>,
}

const fn row(era: Era, name: &'static str, at_least: usize, exit: RangeInclusive<i32>) -> Scenario {
    Scenario { era, name, at_least, exit }
}

/// The client does all that it was asked to.
const OK: RangeInclusive<i32> = 0..=0;
/// The client refuses the server.
const REFUSED: RangeInclusive<i32> = 1..=1;

/// The scenarios.
pub(super) const SCENARIOS: &[Scenario] = &[
    row(Era::Legacy, "initialize", 1, OK),
    row(Era::Legacy, "tools_call", 2, OK),
    row(Era::Legacy, "elicitation-sep1034-client-defaults", 5, OK),
    row(Era::Legacy, "sse-retry", 3, OK),
    row(Era::Legacy, "json-schema-2020-12-preservation", 9, OK),
    row(Era::Modern, "tools_call", 2, OK),
    row(Era::Modern, "request-metadata", 5, OK),
    row(Era::Modern, "sep-2322-client-request-state", 5, OK),
    row(Era::Modern, "http-standard-headers", 9, OK),
    row(Era::Modern, "http-custom-headers", 18, OK),
    row(Era::Modern, "http-invalid-tool-headers", 12, OK),
    row(Era::Modern, "json-schema-ref-no-deref", 1, OK),
    row(Era::Modern, "json-schema-2020-12-preservation", 9, OK),
    row(Era::Legacy, "sep-2640-client-no-prefetch", 1, OK),
    row(Era::Legacy, "sep-2640-client-verify-digest", 1, REFUSED),
    row(Era::Legacy, "sep-2640-client-verify-size", 1, REFUSED),
    row(Era::Legacy, "sep-2640-client-verify-frontmatter", 1, REFUSED),
    row(Era::Modern, "sep-2640-client-no-prefetch", 1, OK),
    row(Era::Modern, "sep-2640-client-verify-digest", 1, REFUSED),
    row(Era::Modern, "sep-2640-client-verify-size", 1, REFUSED),
    row(Era::Modern, "sep-2640-client-verify-frontmatter", 1, REFUSED),
    row(Era::Legacy, "auth/metadata-default", 18, OK),
    row(Era::Legacy, "auth/metadata-var1", 18, OK),
    row(Era::Legacy, "auth/metadata-var2", 18, OK),
    row(Era::Legacy, "auth/metadata-var3", 18, OK),
    row(Era::Legacy, "auth/basic-cimd", 13, OK),
    row(Era::Legacy, "auth/scope-from-www-authenticate", 14, OK),
    row(Era::Legacy, "auth/scope-from-scopes-supported", 14, OK),
    row(Era::Legacy, "auth/scope-omitted-when-undefined", 14, OK),
    row(Era::Legacy, "auth/scope-step-up", 22, OK),
    row(Era::Legacy, "auth/scope-retry-limit", 26, REFUSED),
    row(Era::Legacy, "auth/token-endpoint-auth-basic", 19, OK),
    row(Era::Legacy, "auth/token-endpoint-auth-post", 19, OK),
    row(Era::Legacy, "auth/token-endpoint-auth-none", 19, OK),
    row(Era::Legacy, "auth/pre-registration", 13, OK),
    row(Era::Legacy, "auth/2025-03-26-oauth-metadata-backcompat", 12, OK),
    row(Era::Legacy, "auth/2025-03-26-oauth-endpoint-fallback", 7, OK),
    row(Era::Modern, "auth/metadata-default", 18, OK),
    row(Era::Modern, "auth/metadata-var1", 18, OK),
    row(Era::Modern, "auth/metadata-var2", 18, OK),
    row(Era::Modern, "auth/metadata-var3", 18, OK),
    row(Era::Modern, "auth/basic-cimd", 12, OK),
    row(Era::Modern, "auth/scope-from-www-authenticate", 14, OK),
    row(Era::Modern, "auth/scope-from-scopes-supported", 14, OK),
    row(Era::Modern, "auth/scope-omitted-when-undefined", 14, OK),
    row(Era::Modern, "auth/scope-step-up", 25, OK),
    row(Era::Modern, "auth/scope-retry-limit", 27, REFUSED),
    row(Era::Modern, "auth/token-endpoint-auth-basic", 19, OK),
    row(Era::Modern, "auth/token-endpoint-auth-post", 19, OK),
    row(Era::Modern, "auth/token-endpoint-auth-none", 19, OK),
    row(Era::Modern, "auth/pre-registration", 12, OK),
    row(Era::Modern, "auth/resource-mismatch", 2, REFUSED),
    row(Era::Modern, "auth/offline-access-scope", 12, OK),
    row(Era::Modern, "auth/offline-access-not-supported", 14, OK),
    row(Era::Modern, "auth/authorization-server-migration", 27, OK),
    row(Era::Modern, "auth/iss-supported", 14, OK),
    row(Era::Modern, "auth/iss-not-advertised", 14, OK),
    row(Era::Modern, "auth/iss-supported-missing", 8, REFUSED),
    row(Era::Modern, "auth/iss-wrong-issuer", 8, REFUSED),
    row(Era::Modern, "auth/iss-unexpected", 8, REFUSED),
    row(Era::Modern, "auth/iss-normalized", 8, REFUSED),
    row(Era::Modern, "auth/metadata-issuer-mismatch", 3, REFUSED),
    row(Era::Legacy, "auth/client-credentials-jwt", 8, OK),
    row(Era::Legacy, "auth/client-credentials-basic", 8, OK),
    row(Era::Legacy, "auth/enterprise-managed-authorization", 9, OK),
    row(Era::Legacy, "auth/wif-jwt-bearer", 8, OK),
    row(Era::Legacy, "auth/dpop", 12, OK),
    row(Era::Legacy, "auth/dpop-nonce", 14, OK),
    row(Era::Modern, "auth/client-credentials-jwt", 7, OK),
    row(Era::Modern, "auth/client-credentials-basic", 7, OK),
    row(Era::Modern, "auth/enterprise-managed-authorization", 8, OK),
    row(Era::Modern, "auth/wif-jwt-bearer", 7, OK),
    row(Era::Modern, "auth/dpop", 13, OK),
    row(Era::Modern, "auth/dpop-nonce", 15, OK),
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
