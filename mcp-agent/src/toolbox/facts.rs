//! What is known of a tool beside what the model is shown.

use mcp_protocol::tools::ToolAnnotations;
use serde::{Deserialize, Serialize};

/// Under this name an MCP server finds [`PreparedCall::idempotency_key`] in the `_meta` of a call.
/// One that keeps the keys of what it has done can give the first result again instead of acting
/// twice.
///
/// [`PreparedCall::idempotency_key`]: super::PreparedCall::idempotency_key
pub const IDEMPOTENCY_KEY: &str = "mcp-agent/idempotencyKey";

/// What is known of a tool beside what the model is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolFacts {
    /// The server that has it, as configured; `None` for a tool of this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The tool's name at its server.
    pub tool: String,
    /// What its server says that calling it does. Untrusted.
    #[serde(default)]
    pub annotations: ToolAnnotations,
}

impl ToolFacts {
    /// A tool of this program of which nothing more is known.
    pub fn new(tool: impl Into<String>) -> Self {
        Self { tool: tool.into(), ..Self::default() }
    }

    /// A tool of a server.
    pub fn of_server(server: impl Into<String>, tool: impl Into<String>) -> Self {
        Self { server: Some(server.into()), ..Self::new(tool) }
    }

    /// The same tool with these hints.
    #[must_use]
    pub fn annotated(self, annotations: ToolAnnotations) -> Self {
        Self { annotations, ..self }
    }

    /// `server.tool`, or the tool alone.
    pub fn full_name(&self) -> String {
        match &self.server {
            Some(server) => format!("{server}.{}", self.tool),
            None => self.tool.clone(),
        }
    }
}
