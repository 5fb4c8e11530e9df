//! Errors of servers, told so that the search ends: what, why, their own words, what to do.

use std::{error::Error, path::PathBuf, time::Duration};

use mcp_agent::caller;
use mcp_client::{CallError, CallErrorKind, ConnectFailure, config::Origin};
use mcp_transport::{ConnectError, error::DeliveryErrorKind};

use crate::{
    error_report::Report, exit_code::ErrorCode, measure::show_time, terminal_text::one_line,
};

/// How many of a server's last lines are shown.
const SAID_LINES: usize = 10;
/// How many places that were searched are shown.
const SEARCHED: usize = 12;

/// A server that did not come up.
pub(crate) fn connect(
    server: &str,
    failure: &ConnectFailure,
    took: Duration,
    origin: Option<&Origin>,
) -> Report {
    let report = match failure {
        ConnectFailure::Open { source, .. } => open(server, source),
        ConnectFailure::Handshake(error) => handshake(server, error, took),
        ConnectFailure::NoCommonVersion { supported, .. } => Report::new(
            ErrorCode::ProtocolError,
            format!("server `{server}` speaks no protocol revision of ours"),
        )
        .cause(format!("it speaks only {}", supported.join(", "))),
        ConnectFailure::TimedOut { after, .. } => Report::new(
            ErrorCode::Timeout,
            format!("server `{server}` was not ready after {}", show_time(*after)),
        )
        .help("give it more time with --startup-timeout")
        .retryable(true),
        other => Report::new(ErrorCode::Unreachable, format!("could not start server `{server}`"))
            .cause(other.to_string())
            .causes_of(other),
    };
    let report = report.server(server).said(tail(failure.stderr_tail()));
    let label = if is_address(failure.endpoint()) { "at" } else { "ran" };
    let from = origin.map(|origin| format!("   from {origin}")).unwrap_or_default();
    report.fact(label, format!("{}{from}", failure.endpoint()))
}

fn open(server: &str, error: &ConnectError) -> Report {
    let could_not = format!("could not start server `{server}`");
    match error {
        ConnectError::ProgramNotFound { program, searched } => {
            Report::new(ErrorCode::Unreachable, format!("{could_not}: no program `{program}`"))
                .fact("looked", places(searched))
                .help(how_to_install(program))
        }
        ConnectError::InvalidSetting { .. } => {
            Report::new(ErrorCode::Config, format!("cannot use server `{server}`"))
                .cause(error.to_string())
                .causes_of(error)
        }
        other => {
            Report::new(ErrorCode::Unreachable, could_not).cause(other.to_string()).causes_of(other)
        }
    }
}

fn places(searched: &[PathBuf]) -> String {
    let mut lines: Vec<String> =
        searched.iter().take(SEARCHED).map(|place| place.display().to_string()).collect();
    if searched.len() > SEARCHED {
        lines.push(format!("and {} more", searched.len() - SEARCHED));
    }
    if lines.is_empty() { "nowhere: PATH is empty".to_owned() } else { lines.join("\n") }
}

fn how_to_install(program: &str) -> String {
    match program {
        "npx" | "node" | "npm" => "install Node.js, or give the program's full path".to_owned(),
        "uvx" | "uv" => "install uv, or give the program's full path".to_owned(),
        "docker" => "install Docker, or give the program's full path".to_owned(),
        _ => "check the spelling, install it, or give its full path".to_owned(),
    }
}

fn handshake(server: &str, error: &CallError, took: Duration) -> Report {
    if let Some(DeliveryErrorKind::Closed(reason)) = delivery(error)
        && let Some(exit) = &reason.exit
    {
        let report = Report::new(
            ErrorCode::Unreachable,
            format!("could not start server `{server}` ({exit} after {})", show_time(took)),
        );
        return match &reason.note {
            Some(note) => report.cause(note),
            None => report,
        };
    }
    let report = call(server, error);
    match error.kind() {
        CallErrorKind::Rejected(_) => Report::new(
            ErrorCode::ProtocolError,
            format!("server `{server}` refused to open an MCP connection"),
        )
        .cause(error.to_string()),
        _ => report,
    }
}

/// A call that gave no result.
pub(crate) fn call(server: &str, error: &CallError) -> Report {
    let report = match error.kind() {
        _ if error.wants_authorization() => {
            Report::new(ErrorCode::AuthRequired, format!("server `{server}` wants credentials"))
                .causes_of(error)
                .help(format!(
                    "`mcp login {}`, or send a token with -H \"Authorization: Bearer …\" or \
                     as `headers` in the configuration",
                    error.endpoint()
                ))
        }
        CallErrorKind::NotSent(_) => {
            Report::new(ErrorCode::Unreachable, format!("cannot reach server `{server}`"))
                .causes_of(error)
        }
        CallErrorKind::Lost(_) => Report::new(
            ErrorCode::ConnectionLost,
            format!(
                "server `{server}` gave no answer to `{}`; whether it ran is unknown",
                error.method()
            ),
        )
        .causes_of(error),
        CallErrorKind::TimedOut { after, .. } => Report::new(
            ErrorCode::Timeout,
            format!(
                "`{}` of server `{server}` took longer than {}",
                error.method(),
                show_time(*after)
            ),
        )
        .cause("the server was told to stop; whether it did is unknown")
        .help("give it more time with --timeout, and --max-time where that is set"),
        CallErrorKind::Rejected(object) => Report::new(
            ErrorCode::Rejected,
            format!(
                "server `{server}` refused `{}`: {}",
                error.method(),
                one_line(&object.message)
            ),
        )
        .cause(format!("JSON-RPC error {}", object.code)),
        CallErrorKind::Http(_) => {
            Report::new(ErrorCode::Unreachable, format!("server `{server}` gave no MCP answer"))
                .cause(error.to_string())
                .causes_of(error)
        }
        CallErrorKind::Undecodable(_) | CallErrorKind::Endless { .. } => Report::new(
            ErrorCode::ProtocolError,
            format!("server `{server}` does not keep to the protocol"),
        )
        .cause(error.to_string())
        .causes_of(error),
        _ => Report::new(ErrorCode::Unexpected, error.to_string()).causes_of(error),
    };
    report.server(server).retryable(error.is_retryable()).said(tail(error.stderr_tail()))
}

/// A call that gave no result on its way through the layers.
pub(crate) fn layered(server: &str, error: &caller::CallError) -> Report {
    let report = match error {
        caller::CallError::Failed { source, .. } => return call(server, source),
        caller::CallError::TimedOut { method, after, sent: true, .. } => Report::new(
            ErrorCode::Timeout,
            format!("`{method}` of server `{server}` took longer than {}", show_time(*after)),
        )
        .cause("the server was told to stop; whether it did is unknown")
        .help("give it more time with --timeout, and --max-time where that is set"),
        caller::CallError::TimedOut { .. } => Report::new(ErrorCode::Timeout, error.to_string()),
        caller::CallError::LoginRequired(login) => {
            Report::new(ErrorCode::LoginRequired, login.message())
                .help(format!("open {} in a browser, log in, and try again", login.url()))
        }
        caller::CallError::Unavailable { .. } => {
            Report::new(ErrorCode::Unreachable, error.to_string()).causes_of(error)
        }
        _ => Report::new(ErrorCode::Unexpected, error.to_string()).causes_of(error),
    };
    report.server(server).retryable(error.is_retryable())
}

fn delivery(error: &CallError) -> Option<&DeliveryErrorKind> {
    error.source()?.downcast_ref()
}

fn tail(lines: &[String]) -> &[String] {
    &lines[lines.len().saturating_sub(SAID_LINES)..]
}

fn is_address(endpoint: &str) -> bool {
    endpoint.contains("://") && !endpoint.contains(char::is_whitespace)
}
