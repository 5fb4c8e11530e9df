//! Requests against golden bodies, published forms of answers against what they say.

use serde_json::{Value, json};

use super::{Decoder, Encoding, OpenAiResponses, encode};
use crate::model::{
    ChatModel, Message, ModelErrorKind, ModelId, ModelRequest, OpaquePart, OutputSchema, Part,
    StopReason, ToolChoice,
    canned_server::{CannedServer, events},
    golden,
    schema::SchemaCache,
};

const STREAM: &str = include_str!("../golden/openai_responses.stream");

fn id() -> ModelId {
    ModelId::new("api.openai.com", "gpt-5-mini")
}

fn body(request: &ModelRequest) -> Value {
    let id = id();
    let encoding = Encoding {
        id: &id,
        max_tokens: None,
        media: true,
        stream: true,
        reasoning: true,
        strict_tools: true,
        schemas: &SchemaCache::default(),
    };
    serde_json::from_slice(&encode(request, encoding).unwrap()).unwrap()
}

#[test]
fn a_whole_conversation() {
    let own = OpaquePart {
        origin: id(),
        kind: "web_search_call".into(),
        value: json!({"type": "web_search_call", "id": "ws_1", "status": "completed"}),
    };
    let request = golden::conversation(&id(), Some(own));
    golden::check("openai_responses_request", &body(&request));
}

#[test]
fn choices_of_tools() {
    let mut request = golden::conversation(&id(), None);
    let mut choice = |choice| {
        request.tool_choice = choice;
        body(&request)["tool_choice"].clone()
    };
    assert_eq!(choice(ToolChoice::Auto), Value::Null);
    assert_eq!(choice(ToolChoice::None), "none");
    assert_eq!(choice(ToolChoice::Required), "required");
    let named = choice(ToolChoice::Named("add".into()));
    assert_eq!(named, json!({"type": "function", "name": "add"}));
}

#[test]
fn the_shape_of_an_answer_is_strict_where_it_can_be() {
    let format = |schema: Value| {
        let mut request = ModelRequest::new(vec![Message::user("Where?")]);
        request.output = Some(OutputSchema { name: "city".into(), schema: schema.into() });
        body(&request)["text"]["format"].clone()
    };
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let strict = format(schema);
    assert_eq!((&strict["strict"], &strict["name"]), (&json!(true), &json!("city")));
    assert_eq!(strict["schema"]["additionalProperties"], false);
    let loose = format(json!({"type": "object", "additionalProperties": {"type": "integer"}}));
    assert_eq!(loose["strict"], false);
}

#[test]
fn a_streamed_answer_with_calls_side_by_side() {
    let answer = golden::decode(Decoder::new(id()), id(), STREAM).unwrap();
    assert_eq!(answer.text(), "I add both.");
    let Part::Opaque(thought) = &answer.parts[1] else { panic!("{answer:?}") };
    assert_eq!(thought.value["encrypted_content"], "Z0FBQUE=");
    let calls: Vec<_> =
        answer.tool_calls().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("call_1", r#"{"a":1,"b":2}"#), ("call_2", r#"{"a":3}"#)]);
    assert_eq!(answer.stop, StopReason::ToolCalls);
    let usage = answer.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (210, 90));
    assert_eq!((usage.cached_input_tokens, usage.reasoning_tokens), (128, 64));
    let request = ModelRequest::new(vec![Message::user("?"), Message::assistant(answer.parts)]);
    golden::check("openai_responses_replay", &body(&request)["input"]);
}

#[test]
fn a_thought_without_its_outcome_stays_behind() {
    let thought = Part::Opaque(OpaquePart {
        origin: id(),
        kind: "reasoning".into(),
        value: json!({"type": "reasoning", "id": "rs_1"}),
    });
    let cut = vec![Part::Text("Well".into()), thought];
    let request = ModelRequest::new(vec![Message::user("?"), Message::assistant(cut)]);
    assert_eq!(body(&request)["input"].as_array().unwrap().len(), 2);
}

#[test]
fn other_ends() {
    let whole = |body: &str| golden::decode_whole(Decoder::new(id()), id(), body);
    let cut = whole(
        r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"model":"m",
        "output":[{"type":"message","content":[{"type":"output_text","text":"Ye"}]}]}"#,
    )
    .unwrap();
    assert_eq!((cut.text().as_str(), cut.stop), ("Ye", StopReason::Length));
    let refused = whole(
        r#"{"status":"completed","output":[
        {"type":"message","content":[{"type":"refusal","refusal":"No."}]}]}"#,
    )
    .unwrap();
    assert_eq!((refused.text().as_str(), refused.stop), ("No.", StopReason::Refusal));
    let failed = |stream: &str| golden::decode(Decoder::new(id()), id(), stream).unwrap_err();
    let limited = failed(
        r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"Slow down"}}}"#,
    );
    assert_eq!(limited.status(), Some(429));
    let error = failed(r#"{"type":"error","code":"server_error","message":"Oh"}"#);
    assert_eq!((error.status(), error.is_retryable()), (Some(500), true));
    let lines: Vec<&str> = STREAM.lines().take(9).collect();
    let cut = failed(&lines.join("\n"));
    assert!(matches!(cut.kind(), ModelErrorKind::Interrupted { .. }));
    assert!(matches!(whole("{}").unwrap_err().kind(), ModelErrorKind::Undecodable { .. }));
}

#[tokio::test]
async fn asks_where_responses_are() {
    let lines: Vec<&str> = STREAM.lines().collect();
    let server = CannedServer::start([events(&lines)]).await;
    let model = OpenAiResponses::at(&server.base_url(), "gpt-4.1").unwrap();
    let request = golden::conversation(model.id(), None);
    assert_eq!(model.respond(&request).await.unwrap().text(), "I add both.");
    let sent = &server.requests()[0];
    assert!(sent.starts_with("POST /v1/responses HTTP/1.1\r\n"), "{sent}");
    // A model that does not think refuses to be asked for its thoughts.
    assert!(!sent.contains("encrypted_content"), "{sent}");
}
