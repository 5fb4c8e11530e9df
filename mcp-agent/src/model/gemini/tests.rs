//! Requests against golden bodies, published forms of answers against what they say.

use serde_json::{Value, json};

use super::{Decoder, Encoding, Gemini, encode};
use crate::model::{
    ChatModel, Message, ModelErrorKind, ModelId, ModelRequest, OpaquePart, OutputSchema, Part,
    StopReason, ToolChoice,
    canned_server::{CannedServer, answer, events},
    golden,
    schema::SchemaCache,
};

const STREAM: &str = include_str!("../golden/gemini.stream");
const HOST: &str = "generativelanguage.googleapis.com";

fn id() -> ModelId {
    ModelId::new(HOST, "gemini-3-pro-preview")
}

fn body_for(id: &ModelId, request: &ModelRequest) -> Value {
    let schemas = &SchemaCache::default();
    let encoding = Encoding { id, max_tokens: None, media: true, schemas };
    serde_json::from_slice(&encode(request, encoding).unwrap()).unwrap()
}

fn body(request: &ModelRequest) -> Value {
    body_for(&id(), request)
}

fn signature(origin: ModelId) -> OpaquePart {
    OpaquePart { origin, kind: "thoughtSignature".into(), value: "c2ln".into() }
}

#[test]
fn a_whole_conversation() {
    let request = golden::conversation(&id(), Some(signature(id())));
    golden::check("gemini_request", &body(&request));
}

#[test]
fn models_before_the_third_generation_see_media_after_the_results() {
    let id = ModelId::new(HOST, "gemini-2.5-flash");
    let request = golden::conversation(&id, Some(signature(id.clone())));
    golden::check("gemini_2_results", &body_for(&id, &request)["contents"][2]);
}

#[test]
fn choices_of_tools() {
    let mut request = golden::conversation(&id(), None);
    let mut choice = |choice| {
        request.tool_choice = choice;
        body(&request)["toolConfig"]["functionCallingConfig"].clone()
    };
    assert_eq!(choice(ToolChoice::Auto), Value::Null);
    assert_eq!(choice(ToolChoice::None), json!({"mode": "NONE"}));
    assert_eq!(choice(ToolChoice::Required), json!({"mode": "ANY"}));
    let named = choice(ToolChoice::Named("add".into()));
    assert_eq!(named, json!({"mode": "ANY", "allowedFunctionNames": ["add"]}));
}

#[test]
fn the_shape_of_an_answer_and_further_settings() {
    let schema = json!({"type": "object", "properties": {"a": {"const": 1}}});
    let output = OutputSchema { name: "a".into(), schema: schema.into() };
    let mut request = ModelRequest::new(vec![Message::user("?")]);
    request.output = Some(output.clone());
    request.seed = Some(7);
    request.extra.insert("generationConfig".into(), json!({"seed": 8, "topK": 5}));
    assert_eq!(
        body(&request)["generationConfig"],
        json!({"responseMimeType": "application/json", "seed": 8, "topK": 5,
            "responseJsonSchema": {"type": "object", "properties": {"a": {"enum": [1]}}}})
    );
    let takes = |model: &str, tools| Gemini::new(model).unwrap().takes_output(&output, tools);
    assert!(takes("gemini-3-pro-preview", true) && takes("gemini-2.5-flash", false));
    assert!(!takes("gemini-2.5-flash", true));
}

#[test]
fn a_streamed_answer_goes_back_as_it_came() {
    let answer = golden::decode(Decoder::new(id()), id(), STREAM).unwrap();
    assert_eq!((answer.text().as_str(), &answer.stop), ("I add both.", &StopReason::ToolCalls));
    let calls: Vec<_> =
        answer.tool_calls().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("fc-1", r#"{"a":1,"b":2}"#), ("gemini-call-1", "{}")]);
    let usage = answer.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (70, 50));
    assert_eq!((usage.cached_input_tokens, usage.reasoning_tokens), (64, 20));
    let request = ModelRequest::new(vec![Message::user("?"), Message::assistant(answer.parts)]);
    golden::check("gemini_replay", &body(&request)["contents"][1]);
    // Another model gets no signatures, but learns that there are none.
    let other = ModelId::new(HOST, "gemini-3-flash");
    let text = body_for(&other, &request).to_string();
    assert!(!text.contains("c2ln") && !text.contains("executableCode"), "{text}");
    assert_eq!(text.matches("skip_thought_signature_validator").count(), 1);
}

#[test]
fn other_ends() {
    let end = |chunk: &str| golden::decode(Decoder::new(id()), id(), chunk);
    let blocked = end(r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#).unwrap();
    assert_eq!(blocked.stop, StopReason::ContentFilter);
    let long = end(r#"{"candidates":[{"finishReason":"MAX_TOKENS"}]}"#).unwrap();
    assert_eq!(long.stop, StopReason::Length);
    let odd = end(r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#).unwrap();
    assert_eq!(odd.stop, StopReason::UnreadableCall("MALFORMED_FUNCTION_CALL".into()));
    let odd = end(r#"{"candidates":[{"finishReason":"LANGUAGE"}]}"#).unwrap();
    assert_eq!(odd.stop, StopReason::Other("LANGUAGE".into()));
    let cut = end(r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]}"#).unwrap_err();
    assert!(matches!(cut.kind(), ModelErrorKind::Interrupted { .. }));
    let picture = end(
        r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]},"finishReason":"STOP"}]}"#,
    );
    assert!(matches!(&picture.unwrap().parts[..], [Part::Image(_)]));
    let list = format!("[{}]", STREAM.trim().replace('\n', ","));
    let whole = golden::decode_whole(Decoder::new(id()), id(), &list).unwrap();
    assert_eq!(whole.text(), "I add both.");
}

#[tokio::test]
async fn asks_in_names_that_the_api_takes_and_hears_how_long_to_wait() {
    let call = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"_2read","args":{}}}]},"finishReason":"STOP"}]}"#;
    let limited = r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"12.5s"}]}}"#;
    let server = CannedServer::start([
        events(&[call]),
        answer("429 Too Many Requests", "application/json", limited),
    ])
    .await;
    let base = format!("http://{}", server.address);
    let model = Gemini::at(&base, "gemini-3-flash").unwrap().key("k".to_owned()).unwrap();
    let request = golden::conversation(model.id(), None);
    let answer = model.respond(&request).await.unwrap();
    assert_eq!(answer.tool_calls().next().unwrap().name, "2read");
    let sent = &server.requests()[0];
    let path = "POST /v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse HTTP/1.1\r\n";
    assert!(sent.starts_with(path), "{sent}");
    assert!(sent.contains("x-goog-api-key: k\r\n") && !sent.contains("\"2read\""), "{sent}");
    let error = model.respond(&request).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_millis(12_500)));
    assert!(error.to_string().contains("HTTP 429 RESOURCE_EXHAUSTED: Quota exceeded"), "{error}");
}
