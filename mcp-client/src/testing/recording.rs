//! Recorded traffic: a file of JSON lines, one for each exchange.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use mcp_protocol::jsonrpc::{ErrorObject, Message};
use mcp_transport::{DeliveryError, error::DeliveryErrorKind, transport::Binding};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::redaction;

/// One line of a recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// The first line: with whom it was recorded.
    Server { binding: String, endpoint: String },
    /// A request, and everything that came because of it.
    Exchange {
        method: String,
        params: Value,
        /// Notifications and questions of the server, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        messages: Vec<Value>,
        outcome: Outcome,
    },
    /// What the server said on its own account.
    Unsolicited(Value),
}

/// How an exchange ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Result(Value),
    Error(ErrorObject),
    /// There was no response.
    Failure {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        http_status: Option<u16>,
    },
    /// The client let go of it.
    Abandoned,
}

impl Outcome {
    pub(super) fn failure(error: &DeliveryError) -> Self {
        let http_status = match &error.kind {
            DeliveryErrorKind::Http(failure) => Some(failure.status.as_u16()),
            _ => None,
        };
        Self::Failure { reason: error.to_string(), http_status }
    }
}

/// A message without what is different each time; `None` for a response.
pub(super) fn told(message: &Message) -> Option<Value> {
    let (id, method, params) = match message {
        Message::Request(request) => (Some(&request.id), &request.method, &request.params),
        Message::Notification(note) => (None, &note.method, &note.params),
        Message::Response(_) => return None,
    };
    let params: Value = serde_json::from_slice(params).unwrap_or_default();
    let mut told = json!({"jsonrpc": "2.0", "method": method, "params": params});
    if let Some(id) = id {
        told["id"] = json!(id);
    }
    Some(told)
}

pub(super) const BINDINGS: [(&str, Binding); 6] = [
    ("stdio", Binding::Stdio),
    ("http", Binding::Http),
    ("http_sse", Binding::HttpSse),
    ("socket", Binding::Socket),
    ("websocket", Binding::WebSocket),
    ("memory", Binding::Memory),
];

/// Where entries are written.
pub(super) struct Tape {
    secrets: Vec<String>,
    state: Mutex<State>,
}

struct State {
    output: Box<dyn Write + Send>,
    exchanges: usize,
    failure: Option<io::Error>,
}

impl Tape {
    pub(super) fn new(output: Box<dyn Write + Send>, secrets: Vec<String>) -> Self {
        let state = State { output, exchanges: 0, failure: None };
        Self { secrets, state: Mutex::new(state) }
    }

    /// Writes a line, secrets hidden. The first failure is kept for [`finish`](Self::finish).
    pub(super) fn write(&self, entry: &Entry) {
        let text = serde_json::to_value(entry).map(|mut value| {
            redaction::redact(&mut value, &self.secrets);
            format!("{value}\n")
        });
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let written =
            text.map_err(io::Error::from).and_then(|text| state.output.write_all(text.as_bytes()));
        match written {
            Ok(()) => state.exchanges += usize::from(matches!(entry, Entry::Exchange { .. })),
            Err(error) => {
                state.failure.get_or_insert(error);
            }
        }
    }

    /// Writes out what is buffered. Gives the number of exchanges.
    pub(super) fn finish(&self) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        state.output.flush()?;
        Ok(state.exchanges)
    }
}

/// Reads a recording. Empty lines are skipped.
pub(super) fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let lines = BufReader::new(File::open(path)?).lines().enumerate();
    let mut entries = Vec::new();
    for (number, line) in lines {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        entries.push(serde_json::from_str(&line).map_err(|error| {
            let reason =
                format!("{}:{}: not a line of a recording: {error}", path.display(), number + 1);
            io::Error::new(io::ErrorKind::InvalidData, reason)
        })?);
    }
    Ok(entries)
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tape").finish_non_exhaustive()
    }
}
