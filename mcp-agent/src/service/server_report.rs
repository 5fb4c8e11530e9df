//! A server as the service tells of it.

use std::{collections::BTreeMap, time::Duration};

use mcp_client::{ServerState, ServerStatus};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::{problem, view::View};
use crate::stack::StackReport;

/// Under this name a server's health counts the tools beyond those that it counts by name.
const OTHER_TOOLS: &str = "(others)";

/// What is said of a server that is reached on behalf of callers, to those who are none yet.
const FOR_CALLERS: &str = "it is reached on behalf of whoever asks, with a token of theirs or after a \
     login, who then has a connection of their own";

/// A server and what it is doing. Times are in milliseconds. For whoever may not see all of its
/// tools, what is counted is about those that they may see, and what cannot be told apart by tool
/// is left out.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ServerReport {
    name: String,
    /// A command line or a URL, without secrets.
    endpoint: String,
    /// One word, such as `ready` or `needs-auth`.
    state: &'static str,
    connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_info: Option<serde_json::Value>,
    start_ms: f64,
    restarts: u32,
    calls: u64,
    failures: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_per_minute: Option<usize>,
    /// Of the last minute, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good_ago_ms: Option<f64>,
    /// What the layers of this service make of it, once it was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<Breaker>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls_running: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls_waiting: Option<usize>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    tools: BTreeMap<String, ToolReport>,
    /// How many callers are connected, where each has a connection of their own. What else is said
    /// is that of whoever asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    callers: Option<usize>,
    /// Whether each caller logs in there; see `/mcp/logins`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    callers_log_in: bool,
    /// Each of its replicas by itself, where it has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    replicas: Vec<Self>,
}

/// Whether the server is called at all.
#[derive(Debug, Serialize, JsonSchema)]
struct Breaker {
    /// `closed`, `open` or `half-open`.
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures_in_a_row: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_ms: Option<f64>,
}

/// Half of the calls are faster than the first, and 95 % than the second.
#[derive(Debug, Serialize, JsonSchema)]
struct Latency {
    p50: f64,
    p95: f64,
}

/// How a tool was used.
#[derive(Debug, Serialize, JsonSchema)]
struct ToolReport {
    calls: u64,
    errors: u64,
    average_ms: f64,
}

impl ServerReport {
    pub(super) fn new(
        status: &ServerStatus,
        layers: &StackReport,
        now: Instant,
        view: &View,
    ) -> Self {
        Self::part(status, &status.name, layers, now, view)
    }

    /// Of a replica, the server is what the whole is called.
    fn part(
        status: &ServerStatus,
        server: &str,
        layers: &StackReport,
        now: Instant,
        view: &View,
    ) -> Self {
        let sees_all = view.sees_all(server);
        let is_seen = |tool: &str| sees_all || (tool != OTHER_TOOLS && view.has_tool(server, tool));
        let health = &status.health;
        let client = status.state.client();
        let reason = match &status.state {
            ServerState::Down(failure) | ServerState::NeedsAuth(failure) => {
                Some(problem::why(failure))
            }
            ServerState::Degraded(_, reason) => Some(reason.to_string()),
            ServerState::NotConfigured(reason) => Some(reason.clone()),
            ServerState::PerCaller => Some(FOR_CALLERS.to_owned()),
            _ => None,
        };
        let replicas = status.replicas.iter();
        let replicas = replicas.map(|one| Self::part(one, server, layers, now, view)).collect();
        let layers = layers.server(&status.name);
        let breaker = layers.and_then(|layers| layers.breaker.as_ref()).map(|breaker| Breaker {
            state: breaker.state.to_string(),
            failures_in_a_row: sees_all.then_some(breaker.failures),
            opened: sees_all.then_some(breaker.opened),
            reason: breaker.reason.as_deref().map(str::to_owned).filter(|_| sees_all),
            retry_in_ms: breaker.retry_in.map(millis),
        });
        let latency = health.latency(0.5).zip(health.latency(0.95)).filter(|_| sees_all);
        let tools: BTreeMap<_, _> = health
            .tools
            .iter()
            .filter(|(name, _)| is_seen(name))
            .map(|(name, usage)| {
                let report = ToolReport {
                    calls: usage.calls,
                    errors: usage.errors,
                    average_ms: usage.average().map_or(0.0, millis),
                };
                (name.clone(), report)
            })
            .collect();
        let (calls, failures) = if sees_all {
            (health.calls, health.failures)
        } else {
            let each = tools.values();
            each.fold((0, 0), |(calls, errors), tool| (calls + tool.calls, errors + tool.errors))
        };
        Self {
            name: status.name.clone(),
            endpoint: status.endpoint.clone(),
            state: status.state.kind().as_str(),
            connected: client.is_some(),
            reason,
            retry_in_ms: status.retry_at.map(|at| millis(at.saturating_duration_since(now))),
            protocol_version: client.map(|client| client.server().protocol_version.to_string()),
            server_info: client
                .and_then(|client| serde_json::to_value(&client.server().implementation).ok()),
            start_ms: millis(status.took),
            restarts: status.restarts,
            calls,
            failures,
            requests_per_minute: sees_all.then(|| health.calls_per_minute(now)),
            error_rate: sees_all.then(|| health.failure_rate(now)),
            latency_ms: latency.map(|(p50, p95)| Latency { p50: millis(p50), p95: millis(p95) }),
            last_good_ago_ms: health
                .last_good
                .filter(|_| sees_all)
                .map(|at| millis(now.saturating_duration_since(at))),
            breaker,
            calls_running: sees_all.then(|| layers.map_or(0, |layers| layers.running)),
            calls_waiting: sees_all.then(|| layers.map_or(0, |layers| layers.waiting)),
            tools,
            callers: None,
            callers_log_in: false,
            replicas,
        }
    }

    pub(super) fn callers(mut self, callers: usize, log_in: bool) -> Self {
        self.callers = Some(callers);
        self.callers_log_in = log_in;
        self
    }
}

/// Whole microseconds, since nobody reads more.
fn millis(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "centuries of microseconds are exact")]
    let micros = time.as_micros() as f64;
    micros / 1000.0
}
