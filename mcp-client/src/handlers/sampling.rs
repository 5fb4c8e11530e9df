//! The rules for messages that a server wants a model to continue.

use mcp_protocol::{
    content::Role,
    error_code,
    jsonrpc::ErrorObject,
    sampling::{CreateMessageParams, SamplingContent},
};

/// Refuses what a server must not ask.
pub(super) fn check(params: &CreateMessageParams, with_tools: bool) -> Result<(), ErrorObject> {
    let refuse = |reason: &str| Err(ErrorObject::new(error_code::INVALID_PARAMS, reason));
    if !with_tools && (!params.tools.is_empty() || params.tool_choice.is_some()) {
        return refuse("this client does not declare `sampling.tools`");
    }
    let mut open: Vec<&str> = Vec::new();
    for message in &params.messages {
        let results: Vec<&str> = message
            .content
            .iter()
            .filter_map(|block| match block {
                SamplingContent::ToolResult(result) => Some(result.tool_use_id.as_str()),
                _ => None,
            })
            .collect();
        if open.is_empty() && !results.is_empty() {
            return refuse("a tool result answers no tool use");
        }
        if !open.is_empty() {
            let is_all_results = results.len() == message.content.len();
            if message.role != Role::User || !is_all_results {
                return refuse(
                    "tool uses must be followed by a user message of their results only",
                );
            }
            let is_match =
                results.len() == open.len() && open.iter().all(|id| results.contains(id));
            if !is_match {
                return refuse("the tool results do not match the tool uses");
            }
        }
        open = message
            .content
            .iter()
            .filter_map(|block| match block {
                SamplingContent::ToolUse(call) => Some(call.id.as_str()),
                _ => None,
            })
            .collect();
    }
    if open.is_empty() { Ok(()) } else { refuse("a tool use has no result") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn is_allowed(messages: &Value, with_tools: bool, tools: &Value) -> bool {
        let params = json!({"messages": messages, "maxTokens": 9, "tools": tools});
        check(&serde_json::from_value(params).unwrap(), with_tools).is_ok()
    }

    // covers: sampling-tool-results
    #[test]
    fn tool_uses_and_results_go_in_pairs() {
        let text = json!({"type": "text", "text": "x"});
        let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "t", "input": {}});
        let done = |id: &str| json!({"type": "tool_result", "toolUseId": id, "content": []});
        let user = |content: Value| json!({"role": "user", "content": content});
        let model = |content: Value| json!({"role": "assistant", "content": content});
        let table = [
            (json!([user(text.clone())]), true),
            (
                json!([model(json!([call("1"), call("2")])), user(json!([done("2"), done("1")]))]),
                true,
            ),
            (json!([model(json!([call("1")])), user(json!([done("1"), text]))]), false),
            (json!([model(json!([call("1")])), user(json!([done("2")]))]), false),
            (json!([model(json!([call("1")])), user(text.clone())]), false),
            (json!([model(json!([call("1")]))]), false),
            (json!([user(json!([done("1")]))]), false),
        ];
        for (messages, expected) in table {
            assert_eq!(is_allowed(&messages, true, &json!([])), expected, "{messages}");
        }
        let tools = json!([{"name": "t", "inputSchema": {"type": "object"}}]);
        assert!(is_allowed(&json!([]), true, &tools));
        assert!(!is_allowed(&json!([]), false, &tools));
    }
}
