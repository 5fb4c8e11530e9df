//! Which lifecycle a server speaks: what a probe met, and what follows from it.
//!
//! The table is pure. The probe is `server/discover`, which no server of an earlier revision
//! executes by accident; the rules are those of the specification's backward-compatibility sections
//! for stdio and Streamable HTTP.

use mcp_protocol::{
    error_code,
    version::{Era, ProtocolVersion},
};

/// What came of one `server/discover`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProbeOutcome {
    /// A well-formed `DiscoverResult` with these versions.
    Discovered(Vec<String>),
    /// A result of another shape; lenient servers answer anything with `{}`.
    OtherResult,
    /// A JSON-RPC error; `supported` is from its `data`, where it has that.
    Rejected { code: i64, supported: Option<Vec<String>> },
    /// An HTTP status without a JSON-RPC body.
    Status(u16),
    /// The server was silent for as long as a probe may take.
    Silence,
    /// The same on a connection of its own, such as a child process, which an unknown message may
    /// have silenced for good.
    Mute,
    /// A child process ended.
    Died,
    /// The connection failed in a way that says nothing about the server's revision.
    Unreachable,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Modern, in this version.
    Modern(ProtocolVersion),
    /// Modern for sure, but this version is to be confirmed by another probe.
    ProbeAgain(ProtocolVersion),
    /// Legacy: `initialize` on the same connection.
    Legacy,
    /// Legacy, on a new process: the probe ended the first one.
    LegacyOnNewProcess,
    /// Legacy, unless it is only slow; on this process, or on a new one that sees no probe.
    LegacyOrSlow,
    /// Modern for sure, and no version in common.
    NoCommonVersion(Vec<String>),
    /// No verdict; report the error.
    Unknown,
}

/// Reads the verdict off the table. `again` tells that this was a second probe.
pub(crate) fn classify(outcome: ProbeOutcome, again: bool) -> Verdict {
    match outcome {
        ProbeOutcome::Discovered(supported) => match newest_common(&supported) {
            Some(version) if version.era() == Era::Modern => Verdict::Modern(version),
            // It answers the modern question but works only in the old way.
            Some(_) => Verdict::Legacy,
            None => Verdict::NoCommonVersion(supported),
        },
        ProbeOutcome::Rejected { code: error_code::UNSUPPORTED_PROTOCOL_VERSION, supported } => {
            let supported = supported.unwrap_or_default();
            match newest_common(&supported) {
                // Also when it is the version just sent: some servers refuse their first request.
                Some(version) if version.era() == Era::Modern => {
                    if again {
                        Verdict::NoCommonVersion(supported)
                    } else {
                        Verdict::ProbeAgain(version)
                    }
                }
                Some(_) => Verdict::Legacy,
                None => Verdict::NoCommonVersion(supported),
            }
        }
        // Codes that only a modern server knows.
        ProbeOutcome::Rejected {
            code: error_code::HEADER_MISMATCH | error_code::MISSING_REQUIRED_CLIENT_CAPABILITY,
            ..
        } => {
            if again {
                Verdict::Unknown
            } else {
                Verdict::ProbeAgain(ProtocolVersion::LATEST)
            }
        }
        ProbeOutcome::OtherResult | ProbeOutcome::Rejected { .. } | ProbeOutcome::Silence => {
            Verdict::Legacy
        }
        // Credentials, overload and breakdown say nothing about the revision.
        ProbeOutcome::Status(401 | 403 | 407 | 408 | 429 | 500..=599)
        | ProbeOutcome::Unreachable => Verdict::Unknown,
        ProbeOutcome::Status(_) => Verdict::Legacy,
        ProbeOutcome::Died => Verdict::LegacyOnNewProcess,
        ProbeOutcome::Mute => Verdict::LegacyOrSlow,
    }
}

/// Whether a server that was silent to a probe and refused `initialize` with this code may be a
/// modern one that was slow to start.
pub(crate) fn may_be_modern(code: i64) -> bool {
    error_code::is_modern(code)
        || matches!(code, error_code::METHOD_NOT_FOUND | error_code::INVALID_PARAMS)
}

/// Whether a refused `initialize` may mean that the address is of HTTP+SSE, where messages go to
/// another one. `code` is that of the JSON-RPC error in the answer, if it had one.
pub(crate) fn may_be_http_sse(status: u16, code: Option<i64>) -> bool {
    let is_modern = code.is_some_and(|code| {
        // Together with 404 the last is how a modern server says that it has no such method.
        error_code::is_modern(code) || (status == 404 && code == error_code::METHOD_NOT_FOUND)
    });
    matches!(status, 400 | 404 | 405) && !is_modern
}

fn newest_common(supported: &[String]) -> Option<ProtocolVersion> {
    let is_offered = |version: &ProtocolVersion| supported.iter().any(|s| s == version.as_str());
    ProtocolVersion::SUPPORTED.iter().find(|version| is_offered(version)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: &str = "2026-07-28";
    const LEGACY: &str = "2025-11-25";

    fn versions(list: &[&str]) -> Vec<String> {
        list.iter().map(|&s| s.to_owned()).collect()
    }

    fn rejected(code: i64, supported: Option<&[&str]>) -> ProbeOutcome {
        ProbeOutcome::Rejected { code, supported: supported.map(versions) }
    }

    // covers: era-probe, era-no-verdict-from-faults, version-any-legacy
    #[test]
    fn by_table() {
        use ProbeOutcome::{Died, Discovered, Mute, OtherResult, Silence, Status, Unreachable};
        let modern = || ProtocolVersion::LATEST;
        let table = [
            (Discovered(versions(&[LEGACY, MODERN])), false, Verdict::Modern(modern())),
            (Discovered(versions(&[LEGACY])), false, Verdict::Legacy),
            (
                Discovered(versions(&["2099-01-01"])),
                false,
                Verdict::NoCommonVersion(versions(&["2099-01-01"])),
            ),
            (OtherResult, false, Verdict::Legacy),
            (rejected(-32022, Some(&[MODERN])), false, Verdict::ProbeAgain(modern())),
            (
                rejected(-32022, Some(&[MODERN])),
                true,
                Verdict::NoCommonVersion(versions(&[MODERN])),
            ),
            (rejected(-32022, Some(&[LEGACY])), false, Verdict::Legacy),
            (rejected(-32022, None), false, Verdict::NoCommonVersion(vec![])),
            (rejected(-32020, None), false, Verdict::ProbeAgain(modern())),
            (rejected(-32021, None), true, Verdict::Unknown),
            (rejected(-32601, None), false, Verdict::Legacy),
            (rejected(-32000, None), false, Verdict::Legacy),
            (rejected(-32602, None), false, Verdict::Legacy),
            (Status(400), false, Verdict::Legacy),
            (Status(404), false, Verdict::Legacy),
            (Status(405), false, Verdict::Legacy),
            (Status(415), false, Verdict::Legacy),
            (Status(401), false, Verdict::Unknown),
            (Status(503), false, Verdict::Unknown),
            (Silence, false, Verdict::Legacy),
            (Died, false, Verdict::LegacyOnNewProcess),
            (Mute, false, Verdict::LegacyOrSlow),
            (Unreachable, false, Verdict::Unknown),
        ];
        for (outcome, again, expected) in table {
            assert_eq!(classify(outcome.clone(), again), expected, "{outcome:?} {again}");
        }
    }

    // covers: http-sse-fallback
    #[test]
    fn http_sse_by_table() {
        for (status, code, expected) in [
            (400, None, true),
            (404, None, true),
            (405, None, true),
            (400, Some(-32000), true),
            (405, Some(-32000), true),
            (400, Some(-32022), false),
            (400, Some(-32020), false),
            (404, Some(-32601), false),
            (401, None, false),
            (403, None, false),
            (406, None, false),
            (500, None, false),
            (200, Some(-32601), false),
        ] {
            assert_eq!(may_be_http_sse(status, code), expected, "{status} {code:?}");
        }
    }
}
