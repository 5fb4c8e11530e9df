//! `mcp status`

use std::{fmt::Write as _, time::Duration};

use clap::Args;
use futures_util::future::join_all;
use mcp_client::{Availability, CatalogLists, Hub, Server, ServerState, ServerStatus, StateKind};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    args::{Output, ServerOptions},
    connect::{choose, ready, settled},
    context::Context,
    error_report::{CliError, Result},
    exit_code::ExitCode,
    measure::{count, show_time},
    pins,
    printer::Printer,
    progress::wait,
    server_line::{Kind, say_that_demo_is_used},
    targets,
    terminal_text::{one_line, shorten},
    theme::Role,
};

/// How often each server is asked for a sign of life, to show how long it takes.
const SIGNS: usize = 5;
/// How much of a reason is shown, in characters.
const MAX_REASON_CHARS: usize = 100;

/// How servers are, and which.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The servers; all configured ones when none is named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Print the text format of Prometheus
    #[arg(long)]
    prometheus: bool,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
    #[command(flatten)]
    server: ServerOptions,
}

pub(super) async fn run(
    args: StatusArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let configured = context.settings.configured()?;
    let targets = targets::parse(&args.targets)?;
    let chosen = choose(&targets, &args.command, &configured, &args.server)?;
    if targets.is_empty() && args.command.is_empty() && configured.is_empty() {
        say_that_demo_is_used(context);
    }
    let names: Vec<_> = chosen.servers.iter().map(|server| server.name.clone()).collect();
    let hub = context.start(chosen.servers).await?;
    hub.report_problems(chosen.problems);
    hub.keep_catalogs(CatalogLists::TOOLS);
    let looking = async {
        for name in &names {
            settled(&hub, name).await?;
        }
        hub.listed().await;
        pins::compare(&hub);
        look(&hub).await;
        Ok::<_, CliError>(())
    };
    wait(&context.messages, looking, |elapsed| {
        format!("starting {}  {}", names.join(", "), show_time(elapsed))
    })
    .await?;
    let servers = hub.servers();
    if args.prometheus {
        for line in hub.prometheus().lines() {
            printer.line(line)?;
        }
    } else {
        print(&servers, printer)?;
    }
    Ok(exit_code(&servers, context))
}

/// Asks every server that is up for signs of life, and each of its replicas.
async fn look(hub: &Hub) {
    let each: Vec<_> = hub.servers().iter().flat_map(endpoints).collect();
    for _ in 0..SIGNS {
        let asking = each.iter().map(|one| one.call(|client| async move { client.ping().await }));
        // What fails is counted, and shown.
        drop(join_all(asking).await);
    }
}

/// The replicas of a server, or itself.
fn endpoints(server: &Server) -> Vec<Server> {
    server.replicas().map_or_else(|| vec![server.clone()], |replicas| replicas.servers())
}

fn exit_code(servers: &[Server], context: &Context) -> ExitCode {
    let down: Vec<_> = servers
        .iter()
        .map(Server::status)
        .filter(|status| status.state.client().is_none())
        .filter(|status| !matches!(status.state, ServerState::Disabled))
        .collect();
    let Some(first) = down.first() else { return ExitCode::Success };
    let count = down.len();
    let verb = if count == 1 { "server is" } else { "servers are" };
    context.messages.note(format_args!("{count} {verb} not ready: mcp tools {}", first.name));
    if down.len() < servers.len() {
        return ExitCode::Partial;
    }
    ready(first).err().map_or(ExitCode::Unreachable, |report| report.exit_code())
}

fn print(servers: &[Server], printer: &mut Printer) -> Result<()> {
    match printer.output() {
        Output::Json => {
            let servers: Vec<_> = servers.iter().map(to_json).collect();
            return printer.json(&json!({"schema": 1, "servers": servers}));
        }
        Output::Ndjson => {
            for server in servers {
                let mut line = to_json(server);
                line["type"] = json!("server");
                printer.json(&line)?;
            }
            return Ok(());
        }
        Output::Raw => {
            for server in servers {
                printer.line(format_args!("{} {}", server.name(), server.status().state.kind()))?;
            }
            return Ok(());
        }
        Output::Text => {}
    }
    let rows: Vec<_> = servers.iter().flat_map(rows).collect();
    let width = rows.iter().map(|server| server.name().chars().count()).max().unwrap_or(0).max(4);
    let head = format!(
        "  {:width$}  {:16} {:9}  {:10}  {:>5}  {:>7}  {:>7}  {:>5}  {:>4}  LAST",
        "NAME", "STATE", "TRANSPORT", "PROTOCOL", "TOOLS", "P50", "P95", "CALLS", "ERR"
    );
    printer.line(printer.paint(Role::Dim, head))?;
    for server in &rows {
        let line = row(server, width, printer);
        printer.line(line)?;
    }
    Ok(())
}

/// A server, and below it its replicas.
fn rows(server: &Server) -> Vec<Server> {
    let replicas = server.replicas().map(|replicas| replicas.servers());
    std::iter::once(server.clone()).chain(replicas.into_iter().flatten()).collect()
}

fn row(server: &Server, width: usize, printer: &Printer) -> String {
    let status = server.status();
    let (mark, role) = match status.state.kind() {
        StateKind::Ready => ("●", Role::Good),
        StateKind::Degraded | StateKind::NeedsAuth | StateKind::Starting => ("◐", Role::Warning),
        StateKind::Disabled | StateKind::Stopped | StateKind::PerCaller => ("○", Role::Dim),
        _ => ("✗", Role::Bad),
    };
    let state = format!("{mark} {}", status.state.kind());
    let state = printer.paint(role, format!("{state:16}"));
    let health = &status.health;
    let time = |share| health.latency(share).map_or("–".to_owned(), show_latency);
    let tools = server.catalog().tools;
    let tools = tools.told.map_or("–".to_owned(), |_| tools.listing.items.len().to_string());
    let protocol = status
        .state
        .client()
        .map_or("–".to_owned(), |client| client.server().protocol_version.as_str().to_owned());
    let mut line = format!("  {}", printer.paint(Role::Name, format!("{:width$}", status.name)));
    // Writing into a string cannot fail.
    let _ = write!(
        line,
        "  {state} {:9}  {protocol:10}  {tools:>5}  {:>7}  {:>7}  {:>5}  {:>3.0}%  {}",
        Kind::of(&status).as_str(),
        time(0.5),
        time(0.95),
        health.calls,
        health.failure_rate(Instant::now()) * 100.0,
        shorten(&one_line(&last(server, &status)), MAX_REASON_CHARS),
    );
    line
}

/// When the last answer came, or why there is none, and what happens next.
fn last(server: &Server, status: &ServerStatus) -> String {
    match server.catalog().availability {
        Availability::Unavailable(_) if status.state.kind() == StateKind::NeedsAuth => {
            format!("→ mcp login {}", status.name)
        }
        Availability::Unavailable(reason) => match status.retry_at {
            Some(at) => {
                let wait = at.saturating_duration_since(Instant::now());
                format!("{reason} · retry in {}", show_time(wait))
            }
            None => reason.to_string(),
        },
        _ if status.replicas.iter().any(|one| one.state.client().is_none()) => {
            let up = status.replicas.iter().filter(|one| one.state.client().is_some()).count();
            format!("{up} of {} replicas are up", status.replicas.len())
        }
        _ if !status.drift.is_empty() => {
            let tools = count(status.drift.len(), "tool");
            format!("{tools} not as agreed to → mcp pins show {}", status.name)
        }
        _ => match status.health.last_good {
            Some(at) => format!("{} ago", show_time(at.elapsed())),
            None => String::new(),
        },
    }
}

fn show_latency(time: Duration) -> String {
    if time < Duration::from_millis(10) {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    } else {
        show_time(time)
    }
}

fn to_json(server: &Server) -> Value {
    let status = server.status();
    let health = &status.health;
    let now = Instant::now();
    let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let catalog = server.catalog();
    let reason = match &catalog.availability {
        Availability::Unavailable(reason) => Some(reason.to_string()),
        _ => None,
    };
    let replicas = server.replicas().map(|replicas| replicas.servers()).unwrap_or_default();
    let replicas: Vec<_> = replicas.iter().map(to_json).collect();
    let tools: Vec<_> = health
        .tools
        .iter()
        .map(|(name, usage)| {
            json!({
                "name": name, "calls": usage.calls, "errorRate": usage.error_rate(),
                "averageMs": usage.average().map(millis),
            })
        })
        .collect();
    json!({
        "name": status.name,
        "state": status.state.kind().as_str(),
        "reason": reason,
        "transport": Kind::of(&status).as_str(),
        "endpoint": status.endpoint,
        "origin": status.origin.as_ref().map(ToString::to_string),
        "protocolVersion": status.state.client().map(|client| {
            client.server().protocol_version.as_str().to_owned()
        }),
        "startMs": millis(status.took),
        "restarts": status.restarts,
        "retryInMs": status.retry_at.map(|at| millis(at.saturating_duration_since(now))),
        "tools": catalog.tools.told.map(|_| catalog.tools.listing.items.len()),
        "calls": health.calls,
        "failures": health.failures,
        "authFailures": health.auth_failures,
        "callsPerMinute": health.calls_per_minute(now),
        "failureRate": health.failure_rate(now),
        "p50Ms": health.latency(0.5).map(millis),
        "p95Ms": health.latency(0.95).map(millis),
        "lastGoodAgoMs": health.last_good.map(|at| millis(at.elapsed())),
        "lastFailure": health.last_failure.as_ref().map(|(_, reason)| reason.to_string()),
        "toolUsage": tools,
        "drift": status.drift,
        "replicas": replicas,
    })
}
