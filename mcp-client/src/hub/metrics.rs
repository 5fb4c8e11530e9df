//! The state of servers for Prometheus.

use std::{
    collections::BTreeSet,
    fmt::{self, Display, Write as _},
};

use super::{Hub, LATENCY_BOUNDS_MS, ServerStatus};

impl Hub {
    /// The state of all servers in the text format of Prometheus (version 0.0.4).
    pub fn prometheus(&self) -> String {
        prometheus_text(&self.status())
    }
}

/// Writes the state of servers in the text format of Prometheus (version 0.0.4).
///
/// The labels are names of servers, which the configuration gives, and of tools, of which each
/// server has at most 513: what a server says cannot make the text grow without bound. Replicas
/// stand there by themselves, such as `search#2`.
///
/// ```no_run
/// # async fn example(hub: mcp_client::Hub) {
/// assert!(mcp_client::prometheus_text(&hub.status()).contains("mcp_server_up"));
/// # }
/// ```
pub fn prometheus_text(servers: &[ServerStatus]) -> String {
    let mut seen = BTreeSet::new();
    // Two entries may have the same name; one of them is not started.
    let each = servers.iter().flat_map(ServerStatus::each);
    let servers: Vec<_> = each.filter(|server| seen.insert(&server.name)).collect();
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut text, &servers);
    text
}

fn write(out: &mut String, servers: &[&ServerStatus]) -> fmt::Result {
    type Value = fn(&ServerStatus) -> u64;
    let families: [(&str, &str, &str, Value); 6] = [
        ("mcp_server_up", "gauge", "Whether the server is connected.", |server| {
            u64::from(server.state.client().is_some())
        }),
        ("mcp_server_exchanges_total", "counter", "Exchanges with the server.", |server| {
            server.health.calls
        }),
        ("mcp_server_failures_total", "counter", "Exchanges without an answer.", |server| {
            server.health.failures
        }),
        (
            "mcp_server_auth_failures_total",
            "counter",
            "Exchanges refused for want of credentials.",
            |server| server.health.auth_failures,
        ),
        (
            "mcp_server_restarts_total",
            "counter",
            "Starts after the server had been up.",
            |server| u64::from(server.restarts),
        ),
        (
            "mcp_server_drifted_tools",
            "gauge",
            "Tools that are not as they were agreed to.",
            |server| u64::try_from(server.drift.len()).unwrap_or(u64::MAX),
        ),
    ];
    for (name, kind, help, value) in families {
        head(out, name, kind, help)?;
        for server in servers {
            writeln!(out, "{name}{{server=\"{}\"}} {}", Label(&server.name), value(server))?;
        }
    }
    latencies(out, servers)?;
    sessions(out, servers)?;
    tools(out, servers)
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn latencies(out: &mut String, servers: &[&ServerStatus]) -> fmt::Result {
    let name = "mcp_server_exchange_duration_seconds";
    head(out, name, "histogram", "How long answers took.")?;
    for server in servers {
        let label = Label(&server.name);
        let classes = &server.health.latency_classes;
        let mut count = 0;
        for (bound, class) in LATENCY_BOUNDS_MS.iter().zip(classes) {
            count += class;
            let bound = std::time::Duration::from_millis(*bound).as_secs_f64();
            writeln!(out, "{name}_bucket{{server=\"{label}\",le=\"{bound}\"}} {count}")?;
        }
        let all: u64 = classes.iter().sum();
        let total = server.health.latency_total.as_secs_f64();
        writeln!(out, "{name}_bucket{{server=\"{label}\",le=\"+Inf\"}} {all}")?;
        writeln!(out, "{name}_sum{{server=\"{label}\"}} {total}")?;
        writeln!(out, "{name}_count{{server=\"{label}\"}} {all}")?;
    }
    Ok(())
}

/// By the name of OpenTelemetry's conventions for MCP, `mcp.client.session.duration`.
fn sessions(out: &mut String, servers: &[&ServerStatus]) -> fmt::Result {
    let name = "mcp_client_session_duration_seconds";
    head(out, name, "histogram", "How long connections with the server lasted that are over.")?;
    servers.iter().try_for_each(|server| {
        let labels = format!("server=\"{}\"", Label(&server.name));
        server.health.sessions.write_prometheus(out, name, &labels)
    })
}

fn tools(out: &mut String, servers: &[&ServerStatus]) -> fmt::Result {
    type Value = fn(&super::ToolUsage) -> f64;
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in f64")]
    let families: [(&str, &str, Value); 3] = [
        ("mcp_tool_calls_total", "Calls of the tool.", |usage| usage.calls as f64),
        ("mcp_tool_errors_total", "Calls of the tool that failed.", |usage| usage.errors as f64),
        ("mcp_tool_duration_seconds_total", "The time of all calls of the tool.", |usage| {
            usage.total.as_secs_f64()
        }),
    ];
    for (name, help, value) in families {
        head(out, name, "counter", help)?;
        for server in servers {
            for (tool, usage) in &server.health.tools {
                let (server, tool) = (Label(&server.name), Label(tool));
                writeln!(out, "{name}{{server=\"{server}\",tool=\"{tool}\"}} {}", value(usage))?;
            }
        }
    }
    Ok(())
}

/// A label's value, escaped.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::hub::{Health, ServerState};

    fn status(name: &str) -> ServerStatus {
        let mut health = Health::default();
        health.answered(Instant::now(), Duration::from_millis(30));
        health.answered(Instant::now(), Duration::from_secs(100));
        health.failed(Instant::now(), "gone");
        health.sessions.add(Duration::from_secs(90), Some("lost"));
        health.used("sea\"rch\n", Duration::from_millis(1500), true);
        ServerStatus {
            name: name.to_owned(),
            endpoint: String::new(),
            origin: None,
            state: ServerState::Stopped,
            took: Duration::ZERO,
            retry_at: None,
            failures: 0,
            restarts: 2,
            health,
            replicas: Vec::new(),
            drift: Vec::new(),
        }
    }

    /// Whether a line is a sample: a name, labels in quotes, a number.
    fn is_sample(line: &str) -> bool {
        let Some((name, rest)) = line.split_once('{') else { return false };
        let Some((labels, value)) = rest.rsplit_once("} ") else { return false };
        let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let mut quoted = false;
        let mut escaped = false;
        for c in labels.chars() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = !quoted,
                _ => {}
            }
        }
        is_name && !quoted && !escaped && value.parse::<f64>().is_ok()
    }

    #[tokio::test]
    async fn is_the_text_format() {
        let mut replicated = status("r");
        replicated.replicas = vec![status("r#1"), status("r#2")];
        let text = prometheus_text(&[status("a\\b"), status("c"), status("c"), replicated]);
        assert!(text.contains("{server=\"r#2\"}") && !text.contains("{server=\"r\"}"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(is_sample(line), "{line}");
        }
        for line in [
            r#"mcp_server_up{server="a\\b"} 0"#,
            r#"mcp_server_exchanges_total{server="c"} 3"#,
            r#"mcp_server_exchange_duration_seconds_bucket{server="c",le="0.025"} 0"#,
            r#"mcp_server_exchange_duration_seconds_bucket{server="c",le="0.05"} 1"#,
            r#"mcp_server_exchange_duration_seconds_bucket{server="c",le="60"} 1"#,
            r#"mcp_server_exchange_duration_seconds_bucket{server="c",le="+Inf"} 2"#,
            r#"mcp_server_exchange_duration_seconds_sum{server="c"} 100.03"#,
            r#"mcp_client_session_duration_seconds_bucket{server="c",error_type="lost",le="120"} 1"#,
            r#"mcp_tool_duration_seconds_total{server="c",tool="sea\"rch\n"} 1.5"#,
        ] {
            assert_eq!(text.lines().filter(|one| *one == line).count(), 1, "{line}\n{text}");
        }
    }
}
