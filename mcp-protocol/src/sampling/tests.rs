use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::decode;

#[test]
fn a_request_survives_the_round_trip() {
    let wire = json!({
        "messages": [
            {"role": "user", "content": {"type": "text", "text": "hi"}},
            {"role": "assistant", "content": [
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "1", "name": "look", "input": {"at": "it"}},
            ]},
            {"role": "user", "content": {"type": "tool_result", "toolUseId": "1", "content": [
                {"type": "resource_link", "uri": "u", "name": "n"}], "structuredContent": null,
                "isError": true, "_meta": {"k": 1}}},
            {"role": "user", "content": {"type": "smell", "of": "roses"}},
        ],
        "modelPreferences": {"hints": [{"name": "small"}, {}], "costPriority": 0.25,
            "speedPriority": 1, "intelligencePriority": 0},
        "systemPrompt": "s", "includeContext": "thisServer", "temperature": 0.1, "maxTokens": 100,
        "stopSequences": ["END"], "metadata": {"p": 1},
        "tools": [{"name": "look", "inputSchema": {"type": "object"}}],
        "toolChoice": {"mode": "required"},
    });
    let read: CreateMessageParams = serde_json::from_value(wire.clone()).unwrap();
    assert!(matches!(read.messages[1].content[1], SamplingContent::ToolUse(_)));
    assert_eq!(serde_json::to_value(&read).unwrap(), wire);
}

#[test]
fn one_block_or_many() {
    let block = r#"{"type":"text","text":"x"}"#;
    for (content, count) in [
        (block.to_owned(), 1),
        (format!("[{block}]"), 1),
        (format!("[{block},{block}]"), 2),
        ("[]".to_owned(), 0),
    ] {
        let wire = format!(r#"{{"role":"assistant","model":"m","content":{content}}}"#);
        let result: CreateMessageResult = serde_json::from_str(&wire).unwrap();
        assert_eq!(result.content.len(), count);
        let again = serde_json::to_string(&result).unwrap();
        assert_eq!(serde_json::from_str::<CreateMessageResult>(&again).unwrap(), result);
        assert_eq!(again.contains(r#""content":["#), count != 1);
    }
    assert_eq!(
        serde_json::to_string(&SamplingMessage::user("x")).unwrap(),
        format!(r#"{{"role":"user","content":{block}}}"#)
    );
}

#[test]
fn errors_name_the_field() {
    for (wire, part) in [
        (r#"{"messages":[]}"#, "`maxTokens`"),
        (r#"{"messages":[],"maxTokens":"9"}"#, "maxTokens"),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text"}]}],"maxTokens":1}"#,
            "messages[0].content[0]",
        ),
        (
            r#"{"messages":[{"role":"user","content":{"type":"text","text":1}}],"maxTokens":1}"#,
            "messages[0].content",
        ),
        (r#"{"messages":[{"role":"user","content":5}],"maxTokens":1}"#, "messages[0].content"),
        (
            r#"{"messages":[{"role":"user","content":{"type":"tool_use","id":"1","name":"n","input":[]}}],"maxTokens":1}"#,
            "an object",
        ),
    ] {
        let error = decode::strict::<CreateMessageParams>(wire.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{wire}: {error}");
    }
}

#[test]
fn open_values_stay() {
    let wire = r#"{"role":"assistant","content":[],"model":"m","stopReason":"tired"}"#;
    let result: CreateMessageResult = serde_json::from_str(wire).unwrap();
    assert_eq!(result.stop_reason, Some(StopReason::Other("tired".into())));
    assert_eq!(serde_json::to_string(&result).unwrap(), wire);
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::strict::<CreateMessageParams>(&bytes);
        let _ = decode::strict::<SamplingContent>(&bytes);
    }
}
