//! Tools for models: of MCP servers and of this program, as one set under safe names.

pub mod arguments;
mod artifacts;
mod callable;
mod combined;
mod contents;
pub mod export;
mod facts;
mod filter;
mod filtered;
mod json_trim;
mod local;
mod mcp;
mod named;
pub mod names;
mod output;
pub mod pins;
pub mod results;
mod search;

use std::{error::Error, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::local::schema_of;
pub use self::{
    artifacts::Artifacts,
    callable::{Callable, CallableError, TypedCallable},
    combined::Toolbox,
    contents::{ContentTools, ServerContents},
    facts::{IDEMPOTENCY_KEY, ToolFacts},
    filter::{Hint, ToolFilter},
    filtered::Filtered,
    local::{IntoToolOutput, Json, LocalTools},
    mcp::{McpTool, McpToolset, ToolsProblem},
    named::{NameScheme, Named},
    output::ToolOutput,
    pins::Pinned,
    search::{SearchMode, SearchOptions, Searchable, ServerCost, ToolCosts},
};
use crate::model::{BoxFuture, CallId, ToolDefinition};

/// A source of tools.
pub trait Toolset: Send + Sync + fmt::Debug {
    /// What it offers now. The snapshot never changes; a later one may differ.
    fn snapshot(&self) -> Arc<ToolSnapshot>;

    /// All that it runs, which is more than it offers where tools are [revealed](ToolOutput::reveals)
    /// only when they are needed.
    fn catalog(&self) -> Arc<ToolSnapshot> {
        self.snapshot()
    }

    /// What is known of a tool of the catalog beside its definition. A toolset that wraps another
    /// hands on what that one knows.
    fn facts(&self, name: &str) -> ToolFacts {
        ToolFacts::new(name)
    }

    /// Runs a tool of its catalog.
    ///
    /// # Errors
    /// The tool could not be run, or its outcome is unknown. What went wrong *in* the tool is an
    /// [`ToolOutput`] with `is_error`.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call; an MCP server is told to stop.
    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>>;
}

impl<T: Toolset + ?Sized> Toolset for Arc<T> {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        (**self).snapshot()
    }

    fn catalog(&self) -> Arc<ToolSnapshot> {
        (**self).catalog()
    }

    fn facts(&self, name: &str) -> ToolFacts {
        (**self).facts(name)
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        (**self).call(call, progress)
    }
}

/// What a toolset offers at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ToolSnapshot {
    /// Grows with every change of the toolset.
    pub generation: u64,
    /// Sorted by name.
    pub tools: Arc<[ToolDefinition]>,
}

impl ToolSnapshot {
    /// Sorts the tools by name.
    pub fn new(generation: u64, mut tools: Vec<ToolDefinition>) -> Self {
        tools.sort_by(|one, other| one.name.cmp(&other.name));
        Self { generation, tools: tools.into() }
    }

    /// The tool of this name.
    pub fn get(&self, name: &str) -> Option<&ToolDefinition> {
        let place = self.tools.binary_search_by(|tool| tool.name.as_str().cmp(name)).ok()?;
        self.tools.get(place)
    }
}

/// A call whose tool exists and whose arguments were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PreparedCall {
    /// The model's name for the call.
    pub id: CallId,
    /// The tool's name in the snapshot.
    pub name: String,
    /// After coercion by the tool's schema.
    pub arguments: Map<String, Value>,
    /// The same for every attempt at this call, in whatever process. An MCP server reads it in
    /// `_meta` under [`IDEMPOTENCY_KEY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

impl PreparedCall {
    /// A call without an idempotency key.
    pub fn new(
        id: impl Into<CallId>,
        name: impl Into<String>,
        arguments: Map<String, Value>,
    ) -> Self {
        Self { id: id.into(), name: name.into(), arguments, idempotency_key: None }
    }
}

/// Hears of a running tool's progress.
pub type ProgressSink = Arc<dyn Fn(ToolProgress) + Send + Sync>;

/// How far a running tool is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolProgress {
    /// Grows; its unit is the tool's own.
    pub progress: f64,
    /// What `progress` will be at the end, where the tool knows.
    pub total: Option<f64>,
    /// For people.
    pub message: Option<String>,
}

impl ToolProgress {
    /// Progress without an end in sight.
    pub fn new(progress: f64) -> Self {
        Self { progress, total: None, message: None }
    }
}

/// A tool could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The toolset has no tool of this name.
    #[error("there is no tool `{name}`")]
    Unknown {
        /// As asked for.
        name: String,
    },
    /// The server that has the tool cannot be reached now.
    #[error("the server `{server}` of `{name}` is not available: {reason}")]
    Unavailable {
        /// The tool.
        name: String,
        /// The server, as configured.
        server: String,
        /// Why.
        reason: String,
    },
    /// The tool needs an answer of a person to go on; the answer will be its result.
    #[error("`{name}` asks: {}", question.text)]
    NeedsInput {
        /// The tool.
        name: String,
        /// What it asks.
        question: Question,
    },
    /// The tool is not what somebody agreed to; see [`Pinned`].
    #[error("`{name}` is in quarantine until somebody has looked at it: {reason}")]
    Quarantined {
        /// The tool.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The call failed on its way.
    #[error("`{name}` could not be called")]
    Failed {
        /// The tool.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What a tool asks a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Question {
    /// In words.
    pub text: String,
    /// What can be answered, where there is a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

impl Question {
    /// A question to which any words are an answer.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), choices: Vec::new() }
    }
}

impl ToolError {
    /// A failure on the way.
    pub(crate) fn of(name: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { name: name.to_owned(), source: source.into() }
    }

    /// The whole chain of causes in one line, as the model is told.
    pub fn explain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

#[cfg(test)]
mod fidelity_tests;
