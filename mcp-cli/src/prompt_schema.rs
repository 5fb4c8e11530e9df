//! A prompt's arguments as a schema, so that prompts are typed and explained like tools.

use mcp_protocol::prompts::Prompt;
use serde_json::{Map, Value, json};

/// All arguments of prompts are text.
pub(crate) fn prompt_schema(prompt: &Prompt) -> Value {
    let properties: Map<String, Value> = prompt
        .arguments
        .iter()
        .map(|argument| {
            let schema = match &argument.description {
                Some(description) => json!({"type": "string", "description": description}),
                None => json!({"type": "string"}),
            };
            (argument.name.clone(), schema)
        })
        .collect();
    let required: Vec<&str> = prompt
        .arguments
        .iter()
        .filter(|argument| argument.is_required())
        .map(|argument| argument.name.as_str())
        .collect();
    json!({"properties": properties, "required": required, "additionalProperties": false})
}
