//! What a server has to say about its own working.

use serde::{Deserialize, Serialize};

use crate::{
    meta::Meta,
    method::{Method, Notification},
    open_enum::open_enum,
    outcome::EmptyResult,
    raw::RawJson,
};

open_enum! {
    /// How grave a message is, as in RFC 5424.
    pub enum LoggingLevel {
        /// For finding faults.
        Debug = "debug",
        /// Normal working.
        Info = "info",
        /// Normal, but worth a look.
        Notice = "notice",
        /// May become a fault.
        Warning = "warning",
        /// A fault.
        Error = "error",
        /// A part has failed.
        Critical = "critical",
        /// Act at once.
        Alert = "alert",
        /// Nothing works.
        Emergency = "emergency",
    }
}

impl LoggingLevel {
    /// From 0 for [`LoggingLevel::Debug`] to 7 for [`LoggingLevel::Emergency`]; unknown levels rank
    /// with [`LoggingLevel::Info`].
    pub fn severity(&self) -> u8 {
        match self {
            Self::Debug => 0,
            Self::Info | Self::Other(_) => 1,
            Self::Notice => 2,
            Self::Warning => 3,
            Self::Error => 4,
            Self::Critical => 5,
            Self::Alert => 6,
            Self::Emergency => 7,
        }
    }
}

/// `logging/setLevel` (up to 2025-11-25; later the `_meta` of each request says it).
#[derive(Debug)]
pub enum SetLevel {}

impl Method for SetLevel {
    const NAME: &'static str = "logging/setLevel";
    type Params = SetLevelParams;
    type Output = EmptyResult;
}

/// The messages to send from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLevelParams {
    /// The least grave.
    pub level: LoggingLevel,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl SetLevelParams {
    /// Messages of this level and graver.
    pub fn new(level: LoggingLevel) -> Self {
        Self { level, meta: None }
    }
}

/// `notifications/message`, from server to client.
#[derive(Debug)]
pub enum LoggingMessage {}

impl Notification for LoggingMessage {
    const NAME: &'static str = "notifications/message";
    type Params = LoggingMessageParams;
}

/// One message. Untrusted text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggingMessageParams {
    /// How grave it is.
    pub level: LoggingLevel,
    /// Which part of the server speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logger: Option<String>,
    /// What it says: any JSON, often a string. Absent counts as `null`.
    #[serde(default = "null")]
    pub data: RawJson,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl LoggingMessageParams {
    /// A message.
    pub fn new(level: LoggingLevel, data: impl Into<RawJson>) -> Self {
        Self { level, logger: None, data: data.into(), meta: None }
    }

    /// The message as text: the string itself, or the JSON.
    pub fn text(&self) -> String {
        self.data.parse().unwrap_or_else(|_| self.data.as_str().to_owned())
    }
}

fn null() -> RawJson {
    RawJson::from(serde_json::Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_data() {
        for (wire, text) in [
            (r#"{"level":"info","data":"a\nb"}"#, "a\nb"),
            (r#"{"level":"info","data":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"level":"chatty","logger":"db"}"#, "null"),
        ] {
            let message: LoggingMessageParams = serde_json::from_str(wire).unwrap();
            assert_eq!(message.text(), text);
        }
    }

    #[test]
    fn levels_rank() {
        let levels = ["debug", "info", "notice", "warning", "error", "critical", "alert"];
        let severities: Vec<u8> =
            levels.iter().map(|name| LoggingLevel::from(*name).severity()).collect();
        assert_eq!(severities, [0, 1, 2, 3, 4, 5, 6]);
    }
}
