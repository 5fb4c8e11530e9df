//! One line of the record.

use std::{
    fmt::Write as _,
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ring::digest;
use serde::Serialize;
use serde_json::{Value, json};

use super::redact;
use crate::{
    caller::{Call, Operation},
    layers::CallEnd,
};

/// What stands before the first line.
pub(super) const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The longest name in a line, in bytes; of a longer one the beginning is told.
const MAX_NAME_BYTES: usize = 8 << 10;
/// The most that is told of arguments, in bytes of their JSON. Each text in them is cut already.
const MAX_ARGUMENTS_BYTES: usize = 256 << 10;

/// What is told of a call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// Milliseconds since 1970, UTC.
    time_ms: u64,
    server: String,
    method: &'static str,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<String>,
    /// Who asked, and of which kind that is, such as `key:ci`.
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    arguments: Value,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    sent: bool,
    attempts: u32,
    from_cache: bool,
    took_ms: u64,
}

impl Entry {
    pub(super) fn of(
        call: &Call,
        principal: Option<&str>,
        end: CallEnd<'_>,
        took: Duration,
    ) -> Self {
        let arguments = match &*call.operation {
            Operation::CallTool { arguments, .. } => bounded(redact::object(arguments)),
            Operation::GetPrompt { arguments, .. } => {
                let named =
                    arguments.iter().map(|(name, text)| (name.clone(), text.clone().into()));
                bounded(redact::object(&named.collect()))
            }
            Operation::ReadResource { .. } | Operation::Ping => Value::Null,
        };
        let error = match end {
            CallEnd::Failed(error) => Some(redact::text(&error.explain())),
            _ => None,
        };
        Self {
            time_ms: now(),
            server: shortened(call.server.to_string()),
            method: call.operation.method(),
            target: redact::text(call.operation.target()),
            on_behalf_of: call.partition.as_deref().map(|name| shortened(name.to_owned())),
            principal: principal.map(|id| shortened(id.to_owned())),
            arguments,
            outcome: end.kind(),
            error,
            sent: call.clock.was_sent(),
            attempts: call.clock.attempts(),
            from_cache: matches!(end, CallEnd::Replied(reply) if reply.from_cache),
            took_ms: milliseconds(took),
        }
    }
}

/// Arguments that are too long are told by their length and digest, so that they can still be held
/// against what somebody claims that they were.
fn bounded(arguments: Value) -> Value {
    let text = arguments.to_string();
    if text.len() <= MAX_ARGUMENTS_BYTES {
        return arguments;
    }
    json!({"leftOut": {"bytes": text.len(), "sha256": hash(&text)}})
}

/// The beginning of a name that is too long, and how much is missing.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_NAME_BYTES {
        let ends = text.char_indices().map(|(start, _)| start);
        let end = ends.take_while(|end| *end <= MAX_NAME_BYTES).last().unwrap_or_default();
        let missing = text.len() - end;
        text.truncate(end);
        // Writing to a string cannot fail.
        let _ = write!(text, "… and {missing} bytes more");
    }
    text
}

/// Calls that have no line, since none could be written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gap {
    /// When lines could be written again, in milliseconds since 1970, UTC.
    time_ms: u64,
    outcome: &'static str,
    /// When the first line could not be.
    since_ms: u64,
    /// Calls that were made.
    pub(super) unrecorded: u64,
    /// Calls that were refused for it.
    pub(super) not_made: u64,
    error: String,
}

impl Gap {
    pub(super) fn because(error: &io::Error) -> Self {
        let since_ms = now();
        let error = error.to_string();
        Self { time_ms: since_ms, outcome: GAP, since_ms, unrecorded: 0, not_made: 0, error }
    }

    pub(super) fn ends_now(&mut self) {
        self.time_ms = now();
    }
}

/// What stands for the outcome in a line about calls that have none.
pub(super) const GAP: &str = "gap";

/// Milliseconds since 1970, UTC.
fn now() -> u64 {
    milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Where the chain stands: the number of the last line and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) hash: String,
}

impl Default for Link {
    fn default() -> Self {
        Self { number: 0, hash: ORIGIN.to_owned() }
    }
}

#[derive(Serialize)]
struct Numbered<'a, T> {
    number: u64,
    previous: &'a str,
    #[serde(flatten)]
    entry: &'a T,
}

impl Link {
    /// The line after this one, and where the chain stands then.
    pub(super) fn line(&self, entry: &impl Serialize) -> serde_json::Result<(String, Self)> {
        let number = self.number + 1;
        let mut line = serde_json::to_string(&Numbered { number, previous: &self.hash, entry })?;
        let hash = hash(&line);
        // The hash is the last member, so that what it covers is the line without its end.
        line.truncate(line.len() - 1);
        line.push_str(HASH_MEMBER);
        line.push_str(&hash);
        line.push_str("\"}");
        Ok((line, Self { number, hash }))
    }
}

const HASH_MEMBER: &str = ",\"hash\":\"";

/// Takes a line apart: what its hash covers, and the hash.
pub(super) fn split(line: &str) -> Option<(String, &str)> {
    let (covered, hash) = line.strip_suffix("\"}")?.rsplit_once(HASH_MEMBER)?;
    Some((format!("{covered}}}"), hash))
}

/// The SHA-256 of a text, in lower-case hexadecimal.
pub(super) fn hash(text: &str) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let halves = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| DIGITS[usize::from(half)]).collect()
}
