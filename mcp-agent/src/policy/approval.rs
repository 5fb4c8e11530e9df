//! A question about one call, and a person's word on it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::toolbox::PreparedCall;

/// A call that waits for a person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApprovalRequest {
    /// What is to be called, with what.
    pub call: PreparedCall,
    /// The server that has the tool; `None` for a tool of this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The tool's name at its server.
    pub tool: String,
    /// Whether it may destroy, as far as its server says.
    pub destructive: bool,
    /// The [hash](super::definition_hash) of the tool's definition. A decision is about this
    /// definition and no other.
    pub definition: String,
    /// Why a person is asked.
    pub why: String,
}

/// A person's word about one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// It runs.
    Allow {
        /// In place of the model's arguments; the model is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Map<String, Value>>,
        /// For how long this holds.
        #[serde(default)]
        remember: Remember,
    },
    /// It does not run; the model is told.
    Deny {
        /// For the model, such as what to do instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// For how long a word holds. It is always about tools as they are defined now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remember {
    /// For this call.
    #[default]
    Once,
    /// For all calls of this tool.
    Tool,
    /// For all calls of all tools that the server has now.
    Server,
}

impl Decision {
    /// It runs, this once.
    pub fn allow() -> Self {
        Self::Allow { arguments: None, remember: Remember::Once }
    }

    /// It runs, with other arguments.
    pub fn allow_with(arguments: Map<String, Value>) -> Self {
        Self::Allow { arguments: Some(arguments), remember: Remember::Once }
    }

    /// It runs, and so do later calls.
    pub fn allow_and_remember(remember: Remember) -> Self {
        Self::Allow { arguments: None, remember }
    }

    /// It does not run.
    pub fn deny() -> Self {
        Self::Deny { reason: None }
    }

    /// It does not run, and the model is told why.
    pub fn deny_because(reason: impl Into<String>) -> Self {
        Self::Deny { reason: Some(reason.into()) }
    }
}
