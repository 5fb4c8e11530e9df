//! What both APIs of OpenAI say alike about an answer: its shape, and the choice of tools.

use mcp_client::SchemaValidator;
use mcp_protocol::raw::RawJson;
use serde_json::{Value, json};

use super::chat::ChatError;
use crate::{
    model::ToolChoice,
    run::{ExpectedOutput, OutputMode},
};

/// Reads `response_format`, or `text.format`, whose schema is not in a member `json_schema`.
pub(super) fn expected(
    format: &Value,
    param: &'static str,
) -> Result<Option<ExpectedOutput>, ChatError> {
    match format["type"].as_str() {
        Some("text") => Ok(None),
        Some("json_object") => {
            let mut any = ExpectedOutput::new("json_object", json!({"type": "object"}));
            // Providers that hold a model to a schema make of this one an object without members.
            any.mode = OutputMode::Prompted;
            Ok(Some(any))
        }
        Some("json_schema") => {
            let spec = format.get("json_schema").unwrap_or(format);
            let Some(schema) = spec.get("schema").filter(|schema| schema.is_object()) else {
                return Err(ChatError::invalid(format!("`{param}` has no `schema`")).of(param));
            };
            let schema = RawJson::from(schema.clone());
            if let Err(error) = SchemaValidator::compile(&schema) {
                let text = format!("the schema of `{param}` cannot be used: {error}");
                return Err(ChatError::invalid(text).of(param));
            }
            Ok(Some(ExpectedOutput::new(spec["name"].as_str().unwrap_or_default(), schema)))
        }
        _ => {
            let text = format!("`{param}` must be of type text, json_object or json_schema");
            Err(ChatError::invalid(text).of(param))
        }
    }
}

/// Reads `tool_choice`.
pub(super) fn tool_choice(choice: &Value) -> Result<ToolChoice, ChatError> {
    let name = || choice.get("function").unwrap_or(choice)["name"].as_str();
    match choice.as_str() {
        Some("auto") => Ok(ToolChoice::Auto),
        Some("none") => Ok(ToolChoice::None),
        Some("required") => Ok(ToolChoice::Required),
        None if choice["type"] == "function" => match name() {
            Some(name) => Ok(ToolChoice::Named(name.to_owned())),
            None => Err(ChatError::invalid("`tool_choice` names no function").of("tool_choice")),
        },
        _ => {
            let text = "`tool_choice` must be auto, none, required or a function";
            Err(ChatError::invalid(text).of("tool_choice"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_in_both_ways() {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        for format in [
            json!({"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}),
            json!({"type": "json_schema", "name": "place", "schema": schema, "strict": true}),
        ] {
            let expected = expected(&format, "response_format").unwrap().unwrap();
            assert_eq!(expected.name, "place");
            assert_eq!(expected.schema.parse::<Value>().unwrap(), schema);
        }
        assert_eq!(expected(&json!({"type": "text"}), "x").unwrap(), None);
        for wrong in [
            json!({"type": "yaml"}),
            json!({"type": "json_schema", "name": "place"}),
            json!({"type": "json_schema", "name": "place", "schema": {"type": 7}}),
        ] {
            expected(&wrong, "response_format").unwrap_err();
        }
    }

    #[test]
    fn choices_are_read_in_both_ways() {
        for choice in [
            json!({"type": "function", "function": {"name": "a"}}),
            json!({"type": "function", "name": "a"}),
        ] {
            assert_eq!(tool_choice(&choice).unwrap(), ToolChoice::Named("a".to_owned()));
        }
        assert_eq!(tool_choice(&json!("required")).unwrap(), ToolChoice::Required);
        for wrong in [json!(7), json!("some"), json!({"type": "allowed_tools"})] {
            tool_choice(&wrong).unwrap_err();
        }
    }
}
