//! Requests against golden bodies, published forms of answers against what they say.

use serde_json::{Map, Value, json};

use super::{Anthropic, Decoder, Encoding, encode};
use crate::{
    Agent,
    model::{
        ChatModel, Message, ModelErrorKind, ModelId, ModelRequest, OpaquePart, OutputSchema, Part,
        Reasoning, StopReason, ToolChoice, ToolDefinition,
        canned_server::{CannedServer, answer, events},
        golden,
        schema::SchemaCache,
    },
    run::Outcome,
};

fn id() -> ModelId {
    ModelId::new("api.anthropic.com", "claude-sonnet-4-5")
}

fn body(request: &ModelRequest, cache: bool) -> Value {
    let id = id();
    let schemas = &SchemaCache::default();
    let encoding = Encoding {
        id: &id,
        max_tokens: Some(16_384),
        media: true,
        stream: true,
        cache,
        strict_tools: false,
        schemas,
    };
    serde_json::from_slice(&encode(request, encoding).unwrap()).unwrap()
}

/// What a model that is told to hold itself to its tools is asked.
fn strict_body(request: &ModelRequest) -> Value {
    let (id, schemas) = (id(), &SchemaCache::default());
    let (stream, cache, strict_tools) = (true, false, true);
    let encoding =
        Encoding { id: &id, max_tokens: None, media: true, stream, cache, strict_tools, schemas };
    serde_json::from_slice(&encode(request, encoding).unwrap()).unwrap()
}

fn tool(name: &str, parameters: Value) -> ToolDefinition {
    let description = "Does it.".to_owned();
    ToolDefinition { name: name.into(), description, parameters: parameters.into() }
}

#[test]
fn tools_that_have_a_strict_form_are_strict_by_choice() {
    let mut request = ModelRequest::new(vec![Message::user("Which?")]);
    request.tools = [
        tool(
            "query",
            json!({
                "type": "object",
                "properties": {
                    "sql": {"type": "string", "minLength": 1},
                    "limit": {"type": ["integer", "null"]},
                    "at": {"$ref": "#/$defs/place"},
                },
                "required": ["sql"],
                "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}},
                    "required": ["city"]}},
            }),
        ),
        tool("open", json!({"type": "object", "additionalProperties": true})),
    ]
    .into();
    golden::check("anthropic_strict_tools", &strict_body(&request));
    assert!(!body(&request, false).to_string().contains("strict"));
}

#[test]
fn no_more_tools_are_strict_than_the_api_takes() {
    let mut request = ModelRequest::new(vec![Message::user("Which?")]);
    let parameters = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let tools = (0..30).map(|number| tool(&format!("t{number}"), parameters.clone()));
    request.tools = tools.collect();
    let strict = |body: &Value| {
        let tools = body["tools"].as_array().unwrap();
        tools.iter().take_while(|tool| tool["strict"] == true).count()
    };
    let told = strict_body(&request);
    assert_eq!(strict(&told), 20);
    // The others are as they are without a word.
    let without = body(&request, false);
    assert_eq!(told["tools"].as_array().unwrap()[20..], without["tools"].as_array().unwrap()[20..]);
    // The answer has 10 of the 24 optional properties that there may be.
    let names = (0..10).map(|n| (n.to_string(), json!({"type": "string"})));
    let schema = json!({"type": "object", "properties": names.collect::<Map<_, _>>()});
    request.output = Some(OutputSchema { name: "city".into(), schema: schema.into() });
    assert_eq!(strict(&strict_body(&request)), 14);
}

#[test]
fn a_whole_conversation() {
    let own = OpaquePart {
        origin: id(),
        kind: "server_tool_use".into(),
        value: json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
            "input": {"query": "x"}}),
    };
    golden::check("anthropic_request", &body(&golden::conversation(&id(), Some(own)), true));
}

#[test]
fn marks_the_last_two_turns_so_that_the_next_request_finds_what_this_one_stored() {
    let turns = |count: usize| {
        let mut messages = vec![Message::system("Rules.")];
        for _ in 0..count {
            messages.push(Message::user("Question"));
            messages.push(Message::assistant(vec![Part::Text("Answer".into())]));
        }
        messages.push(Message::user("Last"));
        ModelRequest::new(messages)
    };
    let marked = |body: &Value| -> Vec<usize> {
        let messages = body["messages"].as_array().unwrap();
        (0..messages.len())
            .filter(|&place| messages[place]["content"][0].get("cache_control").is_some())
            .collect()
    };
    let (short, long) = (body(&turns(1), true), body(&turns(2), true));
    assert_eq!(marked(&short), [0, 2]);
    assert_eq!(marked(&long), [2, 4]);
    assert_eq!(short["system"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert!(!body(&turns(1), false).to_string().contains("cache_control"));
}

#[test]
fn choices_of_tools() {
    let mut request = golden::conversation(&id(), None);
    let mut choice = |choice, parallel| {
        request.tool_choice = choice;
        request.parallel_tool_calls = parallel;
        body(&request, false)["tool_choice"].clone()
    };
    assert_eq!(choice(ToolChoice::Auto, None), Value::Null);
    assert_eq!(
        choice(ToolChoice::Auto, Some(false)),
        json!({"type": "auto", "disable_parallel_tool_use": true})
    );
    assert_eq!(choice(ToolChoice::None, None), json!({"type": "none"}));
    assert_eq!(choice(ToolChoice::Required, None), json!({"type": "any"}));
    let named = choice(ToolChoice::Named("add".into()), None);
    assert_eq!(named, json!({"type": "tool", "name": "add"}));
}

#[test]
fn the_shape_of_an_answer() {
    let output = |schema: Value| OutputSchema { name: "city".into(), schema: schema.into() };
    let mut request = ModelRequest::new(vec![Message::user("Where?")]);
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    request.output = Some(output(schema.clone()));
    assert_eq!(
        body(&request, false)["output_config"],
        json!({"format": {"type": "json_schema", "schema": {
            "type": "object", "properties": {"name": {"type": "string"}},
            "required": [], "additionalProperties": false,
        }}})
    );
    let model = Anthropic::new("claude-sonnet-4-5").unwrap();
    assert!(model.takes_output(&output(schema.clone()), true));
    assert!(!model.takes_output(&output(json!({"type": "object"})), true));
    let older = Anthropic::new("claude-3-5-haiku-latest").unwrap();
    assert!(!older.takes_output(&output(schema), true));
}

#[test]
fn a_streamed_answer() {
    let stream = include_str!("../golden/anthropic.stream");
    let answer = golden::decode(Decoder::new(id()), id(), stream).unwrap();
    let thought = Reasoning {
        text: Some("The sum is needed.".into()),
        signature: Some("c2lnbmF0dXJl".into()),
        encrypted: None,
        origin: id(),
    };
    let hidden = Reasoning {
        text: None,
        signature: None,
        encrypted: Some("ZW5j".into()),
        ..thought.clone()
    };
    assert_eq!(answer.parts[..2], [Part::Reasoning(thought), Part::Reasoning(hidden)]);
    let Part::Opaque(search) = &answer.parts[2] else { panic!("{answer:?}") };
    assert_eq!(search.value["input"], json!({"query": "sums"}));
    assert_eq!(answer.text(), "I add both.");
    let calls: Vec<_> = answer
        .tool_calls()
        .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
        .collect();
    assert_eq!(calls, [("toolu_1", "add", r#"{"a": 1, "b": 2}"#), ("toolu_2", "now", "")]);
    assert_eq!(answer.stop, StopReason::ToolCalls);
    let usage = answer.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (1125, 89));
    assert_eq!((usage.cached_input_tokens, usage.cache_write_tokens), (1000, 100));
    assert_eq!(answer.model.as_deref(), Some("claude-sonnet-4-5-20250929"));
}

#[test]
fn an_answer_goes_back_as_it_came() {
    let stream = include_str!("../golden/anthropic.stream");
    let answer = golden::decode(Decoder::new(id()), id(), stream).unwrap();
    let request = ModelRequest::new(vec![Message::user("?"), Message::assistant(answer.parts)]);
    golden::check("anthropic_replay", &body(&request, false)["messages"][1]["content"]);
    // Another model gets neither thoughts nor what it would not understand.
    let other = ModelId::new("api.anthropic.com", "claude-opus-4-5");
    let encoding = Encoding {
        id: &other,
        max_tokens: None,
        media: true,
        stream: true,
        cache: false,
        strict_tools: false,
        schemas: &SchemaCache::default(),
    };
    let body: Value = serde_json::from_slice(&encode(&request, encoding).unwrap()).unwrap();
    let kinds: Vec<_> = body["messages"][1]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| block["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["text", "tool_use", "tool_use"]);
}

#[test]
fn a_whole_answer() {
    let body = r#"{"type":"message","role":"assistant","model":"m","content":[
        {"type":"thinking","thinking":"Hm","signature":"s"},{"type":"text","text":"Yes."},
        {"type":"tool_use","id":"t","name":"add","input":{"a":1}}],
        "stop_reason":"max_tokens","usage":{"input_tokens":3,"output_tokens":4}}"#;
    let answer = golden::decode_whole(Decoder::new(id()), id(), body).unwrap();
    assert_eq!((answer.text().as_str(), &answer.stop), ("Yes.", &StopReason::Length));
    assert_eq!(answer.tool_calls().next().unwrap().arguments, r#"{"a":1}"#);
}

#[test]
fn failures_in_the_middle_and_missing_ends() {
    let failed = |stream: &str| golden::decode(Decoder::new(id()), id(), stream).unwrap_err();
    let overloaded =
        failed(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#);
    assert_eq!((overloaded.status(), overloaded.is_retryable()), (Some(529), true));
    let cut = failed(r#"{"type":"message_start","message":{"type":"message","model":"m"}}"#);
    assert!(matches!(cut.kind(), ModelErrorKind::Interrupted { .. }));
    assert!(matches!(failed("{").kind(), ModelErrorKind::Undecodable { .. }));
}

#[tokio::test]
async fn asks_with_its_own_headers() {
    let lines: Vec<&str> = include_str!("../golden/anthropic.stream").lines().collect();
    let refusal = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#;
    let server = CannedServer::start([
        events(&lines),
        answer("400 Bad Request", "application/json", refusal),
    ])
    .await;
    let model = Anthropic::at(&server.base_url(), "claude-sonnet-4-5")
        .unwrap()
        .key("sk-ant-1".to_owned())
        .unwrap();
    let request = golden::conversation(model.id(), None);
    assert_eq!(model.respond(&request).await.unwrap().text(), "I add both.");
    let sent = &server.requests()[0];
    assert!(sent.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("x-api-key: sk-ant-1\r\n"), "{sent}");
    assert!(sent.contains("anthropic-version: 2023-06-01\r\n"), "{sent}");
    let error = model.respond(&request).await.unwrap_err();
    assert!(error.is_context_too_long(), "{error}");
}

#[tokio::test]
async fn a_paused_answer_is_sent_back_to_go_on() {
    let paused = [
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"query\":\"x\"}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"pause_turn"}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let done = [
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Found."}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let server = CannedServer::start([events(&paused), events(&done)]).await;
    let model = Anthropic::at(&server.base_url(), "claude-sonnet-4-5").unwrap();
    let finished = Agent::builder(model).build().run("Search.").await.unwrap();
    assert_eq!(finished.outcome, Outcome::Final { text: "Found.".into() });
    let requests = server.requests();
    let (_, body) = requests[1].split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let last = body["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(last["role"], "assistant");
    assert_eq!(last["content"][0]["type"], "server_tool_use");
    assert_eq!(last["content"][0]["input"]["query"], "x");
}
