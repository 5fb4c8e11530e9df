//! Tools in the forms of providers' APIs, for programs that ask a model themselves.
//!
//! ```
//! use mcp_agent::{model::ToolDefinition, toolbox::export};
//!
//! let tools = [ToolDefinition {
//!     name: "mcp__time__now".into(),
//!     description: "The time.".into(),
//!     parameters: serde_json::json!({"type": "object", "properties": {}}).into(),
//! }];
//! assert_eq!(export::openai(&tools)[0]["function"]["name"], "mcp__time__now");
//! assert_eq!(export::anthropic(&tools)[0]["input_schema"]["type"], "object");
//! ```

use serde_json::{Value, json};

use crate::model::{
    ToolDefinition,
    schema::{self, SchemaDialect},
};

/// As functions of Chat Completions: `{"type": "function", "function": {…}}`.
pub fn openai<'a>(tools: impl IntoIterator<Item = &'a ToolDefinition>) -> Value {
    let function = |tool: &ToolDefinition| {
        json!({"type": "function", "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": schema::parameters(&tool.parameters, SchemaDialect::OpenAi),
        }})
    };
    tools.into_iter().map(function).collect()
}

/// As tools of the Messages API: `{"name", "description", "input_schema"}`.
pub fn anthropic<'a>(tools: impl IntoIterator<Item = &'a ToolDefinition>) -> Value {
    let tool = |tool: &ToolDefinition| {
        json!({
            "name": tool.name,
            "description": tool.description,
            "input_schema": schema::parameters(&tool.parameters, SchemaDialect::Anthropic),
        })
    };
    tools.into_iter().map(tool).collect()
}
