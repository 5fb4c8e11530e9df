//! What is known of a tool beside what the model is shown.

use mcp_client::config::ToolApproval;
use mcp_protocol::{
    raw::RawJson,
    tools::{Tool, ToolAnnotations},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Words under `tags` in its `_meta`, at the top or in an entry of a server framework.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether the configuration of its server lets it run without asking anybody.
    #[serde(default)]
    pub approved: ToolApproval,
    /// The JSON Schema of its structured result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<RawJson>,
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

    /// A tool as its server describes it.
    pub fn of_mcp(server: &str, tool: &Tool) -> Self {
        Self {
            annotations: tool.annotations.clone().unwrap_or_default(),
            title: (tool.display_name() != tool.name).then(|| tool.display_name().to_owned()),
            tags: tags(tool),
            output_schema: tool.output_schema.clone(),
            ..Self::of_server(server, &tool.name)
        }
    }

    /// The same tool with these hints.
    #[must_use]
    pub fn annotated(self, annotations: ToolAnnotations) -> Self {
        Self { annotations, ..self }
    }

    /// The same tool as the configuration of its server approves it.
    #[must_use]
    pub fn approved(self, approved: ToolApproval) -> Self {
        Self { approved, ..self }
    }

    /// `server.tool`, or the tool alone.
    pub fn full_name(&self) -> String {
        match &self.server {
            Some(server) => format!("{server}.{}", self.tool),
            None => self.tool.clone(),
        }
    }
}

fn tags(tool: &Tool) -> Vec<String> {
    let Some(meta) = &tool.meta else { return Vec::new() };
    let meta: Value = serde_json::from_str(meta.as_str()).unwrap_or_default();
    let Some(entries) = meta.as_object() else { return Vec::new() };
    let lists = entries.get("tags").into_iter().chain(entries.values().map(|entry| &entry["tags"]));
    let words = lists.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let mut tags: Vec<String> = words.map(str::to_owned).collect();
    tags.sort();
    tags.dedup();
    tags
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_tags_where_servers_put_them() {
        for meta in [json!({"tags": ["b", "a"]}), json!({"_fastmcp": {"tags": ["a", "b", "a"]}})] {
            let tool = json!({"name": "t", "inputSchema": {"type": "object"}, "_meta": meta});
            let tool: Tool = serde_json::from_value(tool).unwrap();
            assert_eq!(ToolFacts::of_mcp("s", &tool).tags, ["a", "b"]);
        }
    }
}
