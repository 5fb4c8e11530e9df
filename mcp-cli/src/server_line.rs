//! A server on one line, and in JSON.

use mcp_client::{Client, ServerStatus};
use serde_json::{Value, json};

use crate::{
    context::Context,
    printer::Printer,
    settings,
    survey::Found,
    terminal_text::{one_line, shorten},
    theme::Role,
};

/// How much of a command or an address is shown, in characters.
const MAX_ENDPOINT_CHARS: usize = 36;

/// How a server is reached, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A child process.
    Stdio,
    /// An address.
    Http,
    /// A WebSocket.
    WebSocket,
    /// A TCP port.
    Tcp,
    /// A Unix socket.
    Unix,
}

impl Kind {
    /// The kind that an endpoint speaks of.
    pub(crate) fn of(status: &ServerStatus) -> Self {
        match status.endpoint.split_once("://").map(|(scheme, _)| scheme) {
            Some("http" | "https") => Self::Http,
            Some("ws" | "wss") => Self::WebSocket,
            Some("tcp") => Self::Tcp,
            Some("unix") => Self::Unix,
            _ => Self::Stdio,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
            Self::WebSocket => "ws",
            Self::Tcp => "tcp",
            Self::Unix => "unix",
        }
    }
}

/// Name, kind and endpoint, in columns.
pub(crate) fn head(status: &ServerStatus, kind: Kind, width: usize, printer: &Printer) -> String {
    let name = printer.paint(Role::Name, format!("{:width$}", status.name));
    let endpoint = one_line(&status.endpoint);
    // The end tells more than the start: paths and runners come first.
    let chars = endpoint.chars().count();
    let endpoint = if chars > MAX_ENDPOINT_CHARS {
        let tail: String = endpoint.chars().skip(chars - MAX_ENDPOINT_CHARS + 1).collect();
        format!("…{tail}")
    } else {
        endpoint
    };
    format!("{name}  {:5}  {endpoint}", kind.as_str())
}

/// A server that failed, with the reason.
pub(crate) fn dead<T>(found: &Found<T>, width: usize, printer: &Printer) -> String {
    let reason = match &found.outcome {
        Err(report) => report.message().to_owned(),
        Ok(_) => String::new(),
    };
    let reason = printer.paint(Role::Bad, shorten(&one_line(&reason), 100).into_owned());
    match &found.status {
        Some(status) => format!("{}  {reason}", head(status, Kind::of(status), width, printer)),
        None => format!("{:width$}  {reason}", found.name),
    }
}

/// What is known of a server, for programs.
pub(crate) fn to_json<T>(found: &Found<T>, client: Option<&Client>) -> Value {
    let mut document = json!({"name": found.name});
    if let Some(status) = &found.status {
        document["transport"] = json!(Kind::of(status).as_str());
        document["endpoint"] = json!(status.endpoint);
        document["origin"] = json!(status.origin.as_ref().map(ToString::to_string));
        document["startMs"] = json!(u64::try_from(status.took.as_millis()).unwrap_or(u64::MAX));
    }
    match (client, &found.outcome) {
        (Some(client), _) => {
            let info = client.server();
            document["state"] = json!("ready");
            document["protocolVersion"] = json!(info.protocol_version.as_str());
            document["implementation"] = json!(info.implementation);
            document["instructions"] = json!(info.instructions);
        }
        (None, Err(report)) => {
            document["state"] = json!("failed");
            document["error"] = report.to_json()["error"].take();
        }
        (None, Ok(_)) => (),
    }
    document
}

/// Says why the demo server answers.
pub(crate) fn say_that_demo_is_used(context: &Context) {
    let hint = match settings::project_file() {
        Some(file) => format!("; use {} with --config", file.display()),
        None => settings::user_file()
            .map(|file| format!("; put yours into {}", file.display()))
            .unwrap_or_default(),
    };
    context.messages.note(
        context
            .messages
            .paint(Role::Dim, format!("no server is configured: using the demo server{hint}")),
    );
}
