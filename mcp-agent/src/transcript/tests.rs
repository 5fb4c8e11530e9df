use serde_json::json;

use super::{CallState, Transcript};
use crate::{
    model::{Message, ModelResponse, Part, Role, StopReason, ToolCall, ToolResult},
    toolbox::ToolOutput,
};

fn call(id: &str, name: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: "{}".into() })
}

fn response(parts: Vec<Part>) -> ModelResponse {
    ModelResponse::new(parts, StopReason::ToolCalls)
}

fn two_calls() -> Transcript {
    let mut transcript = Transcript::new();
    transcript.push_user("hello");
    transcript.push_response(response(vec![call("1", "a"), call("2", "b")]));
    transcript
}

#[test]
fn a_call_always_has_an_answer() {
    let mut transcript = two_calls();
    transcript.complete(&"2".into(), ToolOutput::text("done")).unwrap();
    transcript.push_user("never mind");
    let messages = transcript.messages();
    let roles: Vec<_> = messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::User]);
    let results: Vec<_> = messages[2]
        .parts
        .iter()
        .map(|part| match part {
            Part::ToolResult(result) => (result.call_id.as_str(), result.is_error),
            _ => panic!("{part:?}"),
        })
        .collect();
    assert_eq!(results, [("1", true), ("2", false)]);
}

#[test]
fn a_result_is_taken_once() {
    let mut transcript = two_calls();
    transcript.complete(&"1".into(), ToolOutput::text("first")).unwrap();
    let late = transcript.complete(&"1".into(), ToolOutput::text("late")).unwrap_err();
    assert_eq!(late.to_text(), "late");
    assert!(transcript.complete(&"9".into(), ToolOutput::text("stray")).is_err());
    assert_eq!(transcript.pending().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["2"]);
}

#[test]
fn equal_and_empty_ids_are_told_apart() {
    let mut transcript = Transcript::new();
    transcript.push_response(response(vec![call("x", "a"), call("x", "b"), call("", "c")]));
    let ids: Vec<_> = transcript.pending().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["x", "x_1", "call_2"]);
}

#[test]
fn survives_json_and_keeps_the_last_turn_pending() {
    let transcript = two_calls();
    let text = serde_json::to_string(&transcript).unwrap();
    let back: Transcript = serde_json::from_str(&text).unwrap();
    assert_eq!(back, transcript);
    assert_eq!(back.pending().count(), 2);
}

#[test]
fn repairs_what_it_reads() {
    let broken = json!([
        {"assistant": {"stop": "tool_calls", "parts": [
            {"said": {"tool_call": {"id": "1", "name": "a", "arguments": "{}"}}},
            {"said": {"tool_result": {"call_id": "7", "name": "z", "content": []}}},
            {"called": {"call": {"id": "1", "name": "b", "arguments": "{}"}, "state": "pending"}},
        ]}},
        {"user": [{"text": "go on"}]},
    ]);
    let transcript: Transcript = serde_json::from_value(broken).unwrap();
    let messages = transcript.messages();
    assert_eq!(messages[0].parts.len(), 2);
    assert_eq!(messages[1].parts.len(), 2);
    let super::Entry::Assistant(turn) = &transcript.entries()[0] else { panic!() };
    assert!(turn.calls().all(|record| matches!(record.state, CallState::Cancelled { .. })));
}

#[test]
fn imports_a_flat_list_and_loses_nothing() {
    let result = |id: &str, text: &str| ToolResult {
        call_id: id.into(),
        name: "a".into(),
        content: vec![Part::Text(text.into())],
        is_error: false,
    };
    let transcript = Transcript::from_messages([
        Message::user("hello"),
        Message::assistant(vec![call("1", "a"), call("2", "b")]),
        Message::tool(vec![result("2", "two"), result("9", "stray")]),
        Message::assistant(vec![Part::Text("bye".into())]),
    ]);
    let said = serde_json::to_string(&transcript.messages()).unwrap();
    for word in ["hello", "two", "stray", "Cancelled", "bye"] {
        assert!(said.contains(word), "{word} in {said}");
    }
}
