//! A tool with its schema read, ready to be shown and called.

use mcp_client::{CallError, Client, Listing};
use mcp_protocol::{error_code, tools::Tool};
use serde_json::Value;

use crate::{
    schema::Schema,
    signature::{Signature, estimated_tokens},
    terminal_text::one_line,
};

/// One tool of a server.
#[derive(Clone, Debug)]
pub(crate) struct ToolView {
    /// As the server described it.
    pub(crate) tool: Tool,
    /// The schema of the arguments; an empty one when the server's cannot be read.
    pub(crate) schema: Value,
}

impl ToolView {
    /// Reads the schema.
    pub(crate) fn new(tool: Tool) -> Self {
        let schema =
            tool.input_schema.parse().unwrap_or_else(|_| Value::Object([].into_iter().collect()));
        Self { tool, schema }
    }

    /// The schema of the arguments.
    pub(crate) fn schema(&self) -> Schema<'_> {
        Schema::new(&self.schema)
    }

    /// Name and parameters on one line.
    pub(crate) fn signature(&self) -> Signature {
        Signature::new(&self.tool.name, self.schema())
    }

    /// The first sentence of the description, or its first line.
    pub(crate) fn headline(&self) -> Option<String> {
        let text = self.tool.description.as_deref().or(self.tool.title.as_deref())?;
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        let end = line.find(". ").map_or(line.len(), |at| at + 1);
        Some(one_line(&line[..end]))
    }

    /// What the server says about the danger of calling it, in a few words.
    pub(crate) fn hints(&self) -> Vec<&'static str> {
        let mut hints = Vec::new();
        if let Some(annotations) = &self.tool.annotations {
            if annotations.is_read_only() {
                hints.push("read-only");
            } else if annotations.destructive_hint == Some(true) {
                hints.push("⚠ destructive");
            }
        }
        hints
    }

    /// About how many tokens a model pays to see the tool.
    pub(crate) fn tokens(&self) -> usize {
        let description = self.tool.description.as_deref().unwrap_or_default().len();
        let schema = self.tool.input_schema.as_str().len();
        estimated_tokens(self.tool.name.len() + description + schema)
    }
}

/// Lists a server's tools; none when the server has no such thing as tools.
pub(crate) async fn list(client: &Client) -> Result<Listing<Tool>, CallError> {
    let listed = client.list_tools().await;
    or_nothing(listed, client.server().capabilities.tools.is_some())
}

/// A list that the server does not offer and does not know is empty.
///
/// Servers that forget to declare what they offer are asked all the same.
pub(crate) fn or_nothing<T>(
    listed: Result<Listing<T>, CallError>,
    declared: bool,
) -> Result<Listing<T>, CallError> {
    match listed {
        Err(error)
            if !declared
                && error
                    .error_object()
                    .is_some_and(|object| object.code == error_code::METHOD_NOT_FOUND) =>
        {
            Ok(Listing::default())
        }
        listed => listed,
    }
}
