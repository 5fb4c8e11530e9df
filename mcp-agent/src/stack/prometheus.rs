//! What the layers do, for Prometheus.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use mcp_client::Durations;

use super::{ServerReport, StackReport};
use crate::{
    exposition::{Label, head},
    layers::{CircuitState, OperationReport},
};

type Value = fn(&ServerReport) -> Option<u64>;

/// Name, kind, help, value.
const FAMILIES: [(&str, &str, &str, Value); 4] = [
    (
        "mcp_breaker_open",
        "gauge",
        "Whether the server is left alone: 0 closed, 1 half-open, 2 open.",
        |server| {
            server.breaker.as_ref().map(|breaker| match breaker.state {
                CircuitState::Closed => 0,
                CircuitState::HalfOpen => 1,
                CircuitState::Open => 2,
            })
        },
    ),
    ("mcp_breaker_opened_total", "counter", "How often the server was left alone.", |server| {
        server.breaker.as_ref().map(|breaker| breaker.opened)
    }),
    ("mcp_calls_running", "gauge", "Calls that hold a place.", |server| {
        u64::try_from(server.running).ok()
    }),
    ("mcp_calls_waiting", "gauge", "Calls that wait for a place.", |server| {
        u64::try_from(server.waiting).ok()
    }),
];

impl StackReport {
    /// The state of the layers in the text format of Prometheus (version 0.0.4), to be written
    /// behind that of [`Hub::prometheus`](mcp_client::Hub::prometheus). The labels are names of
    /// servers, which the configuration gives.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        for (name, kind, help, value) in FAMILIES {
            head(out, name, kind, help)?;
            for server in &self.servers {
                if let Some(value) = value(server) {
                    writeln!(out, "{name}{{server=\"{}\"}} {value}", Label(&server.name))?;
                }
            }
        }
        durations(out, &self.operations)?;
        let Some(cache) = &self.cache else { return Ok(()) };
        let name = "mcp_result_cache_total";
        head(out, name, "counter", "Calls that a kept result could answer.")?;
        let own = cache.hits - cache.shared;
        for (answered, count) in [("hit", own), ("shared", cache.shared), ("miss", cache.misses)] {
            writeln!(out, "{name}{{answered=\"{answered}\"}} {count}")?;
        }
        head(out, "mcp_result_cache_bytes", "gauge", "How much is kept.")?;
        writeln!(out, "mcp_result_cache_bytes {}", cache.bytes)
    }
}

/// By the name of OpenTelemetry's conventions for MCP, `mcp.client.operation.duration`. By method,
/// since there are a few of those; tools have counters of their own. What failed is apart, by
/// `error.type`.
fn durations(out: &mut String, operations: &[OperationReport]) -> fmt::Result {
    let name = "mcp_client_operation_duration_seconds";
    head(out, name, "histogram", "How long calls took, with all waits and repetitions.")?;
    let mut all: BTreeMap<(&str, &str), Durations> = BTreeMap::new();
    for OperationReport { server, operation, tally } in operations {
        let method = match &**operation {
            method @ ("resources/read" | "prompts/get" | "ping") => method,
            _ => "tools/call",
        };
        all.entry((server, method)).or_default().join(&tally.durations);
    }
    all.into_iter().try_for_each(|((server, method), durations)| {
        let labels = format!("server=\"{}\",mcp_method_name=\"{method}\"", Label(server));
        durations.write_prometheus(out, name, &labels)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::layers::{BreakerReport, CacheReport, Tally};

    #[test]
    fn durations_are_by_method() {
        let tally = |calls, error| {
            let mut tally = Tally::default();
            for _ in 0..calls {
                tally.durations.add(Duration::from_millis(1500), error);
            }
            tally
        };
        let report = |operation: &str, tally| OperationReport {
            server: "a".into(),
            operation: operation.into(),
            tally,
        };
        let operations = vec![
            report("x", tally(1, None)),
            report("y", tally(3, None)),
            report("ping", tally(5, Some("lost"))),
        ];
        let text = StackReport { servers: Vec::new(), operations, cache: None }.prometheus();
        let name = "mcp_client_operation_duration_seconds";
        for line in [
            format!("{name}_count{{server=\"a\",mcp_method_name=\"tools/call\"}} 4"),
            format!("{name}_bucket{{server=\"a\",mcp_method_name=\"tools/call\",le=\"1\"}} 0"),
            format!(
                "{name}_bucket{{server=\"a\",mcp_method_name=\"ping\",error_type=\"lost\",le=\"+Inf\"}} 5"
            ),
        ] {
            assert!(text.lines().any(|written| written == line), "{line}: {text}");
        }
    }

    #[test]
    fn is_written_in_families() {
        let breaker = BreakerReport {
            state: CircuitState::Open,
            failures: 5,
            retry_in: Some(Duration::from_secs(9)),
            opened: 2,
            reason: None,
        };
        let server = |name: &str, breaker| ServerReport {
            name: name.into(),
            breaker,
            running: 1,
            waiting: 3,
            on_their_way: 4,
        };
        let report = StackReport {
            servers: vec![server("a\"b", Some(breaker)), server("c", None)],
            operations: Vec::new(),
            cache: Some(CacheReport { hits: 7, shared: 3, misses: 2, entries: 1, bytes: 512 }),
        };
        let text = report.prometheus();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                r#"mcp_breaker_open{server="a\"b"} 2"#,
                r#"mcp_breaker_opened_total{server="a\"b"} 2"#,
                r#"mcp_calls_running{server="a\"b"} 1"#,
                r#"mcp_calls_running{server="c"} 1"#,
                r#"mcp_calls_waiting{server="a\"b"} 3"#,
                r#"mcp_calls_waiting{server="c"} 3"#,
                r#"mcp_result_cache_total{answered="hit"} 4"#,
                r#"mcp_result_cache_total{answered="shared"} 3"#,
                r#"mcp_result_cache_total{answered="miss"} 2"#,
                "mcp_result_cache_bytes 512",
            ]
        );
    }
}
