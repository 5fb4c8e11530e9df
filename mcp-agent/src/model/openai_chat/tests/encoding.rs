//! Requests against the bodies that are sent.
#![expect(clippy::needless_pass_by_value, reason = "expected values read better unborrowed")]

use mcp_protocol::raw::RawJson;
use serde_json::{Value, json};

use crate::model::{
    Media, MediaSource, Message, ModelId, ModelRequest, OpaquePart, OutputSchema, Part, Reasoning,
    ToolCall, ToolChoice, ToolDefinition, ToolResult,
    openai_chat::{
        dialect::Dialect,
        encode::{Encoding, encode},
    },
    schema::SchemaCache,
};

fn id() -> ModelId {
    ModelId::new("example.com", "m")
}

fn body_for(host: &str, request: &ModelRequest) -> Value {
    let id = id();
    let encoding = Encoding {
        id: &id,
        dialect: Dialect::of_host(host),
        stream: false,
        media: true,
        max_tokens: None,
        schemas: &SchemaCache::default(),
    };
    serde_json::from_slice(&encode(request, encoding).unwrap()).unwrap()
}

fn tool(name: &str) -> ToolDefinition {
    ToolDefinition {
        name: name.into(),
        description: "Does it.".into(),
        parameters: RawJson::from(json!({
            "type": "object", "$defs": {"P": {}}, "properties": {"p": {"$ref": "#/$defs/P"}},
        })),
    }
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: "add".into(), arguments: arguments.into() })
}

fn result(id: &str, content: Vec<Part>, is_error: bool) -> ToolResult {
    ToolResult { call_id: id.into(), name: "add".into(), content, is_error }
}

fn media(mime_type: &str) -> Media {
    Media {
        mime_type: mime_type.into(),
        source: MediaSource::Base64("aGVsbG8=".into()),
        name: None,
    }
}

#[track_caller]
fn check_messages(messages: Vec<Message>, expected: Value) {
    let body = body_for("example.com", &ModelRequest::new(messages));
    assert_eq!(body["messages"], expected);
}

#[test]
fn a_plain_question() {
    let id = id();
    let encoding = Encoding {
        id: &id,
        dialect: Dialect::of_host("x"),
        stream: true,
        media: true,
        max_tokens: None,
        schemas: &SchemaCache::default(),
    };
    let mut request = ModelRequest::new(vec![Message::system("Be brief."), Message::user("Hello")]);
    request.temperature = Some(0.7);
    request.max_tokens = Some(100);
    request.extra.insert("top_k".into(), json!(5));
    let body = encode(&request, encoding).unwrap();
    assert_eq!(
        std::str::from_utf8(&body).unwrap(),
        r#"{"model":"m","temperature":0.7,"max_tokens":100,"stream":true,"stream_options":{"include_usage":true},"top_k":5,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"}]}"#
    );
}

#[test]
fn a_longer_conversation_starts_with_the_bytes_of_the_shorter() {
    let id = id();
    let encoding = Encoding {
        id: &id,
        dialect: Dialect::of_host("x"),
        stream: true,
        media: true,
        max_tokens: None,
        schemas: &SchemaCache::default(),
    };
    let mut request = ModelRequest::new(vec![Message::user("Hello")]);
    request.tools = vec![tool("add")].into();
    let short = encode(&request, encoding).unwrap();
    request.messages.push(Message::assistant(vec![call("1", "{}")]));
    request.messages.push(Message::tool(vec![result("1", vec![], false)]));
    let long = encode(&request, encoding).unwrap();
    let prefix = short.strip_suffix(b"]}").unwrap();
    assert!(long.starts_with(prefix));
}

#[test]
fn a_call_and_its_result() {
    check_messages(
        vec![
            Message::user("21 + 21?"),
            Message::assistant(vec![Part::Text("I add.".into()), call("1", r#"{"a": 21}"#)]),
            Message::tool(vec![result("1", vec![Part::Text("42".into())], false)]),
        ],
        json!([
            {"role": "user", "content": "21 + 21?"},
            {"role": "assistant", "content": "I add.", "tool_calls": [{
                "id": "1", "type": "function",
                "function": {"name": "add", "arguments": r#"{"a": 21}"#},
            }]},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
        ]),
    );
}

#[test]
fn a_turn_without_words_has_no_content_and_an_empty_one_is_left_out() {
    check_messages(
        vec![Message::assistant(vec![call("1", "{}")]), Message::assistant(vec![])],
        json!([{"role": "assistant", "tool_calls": [{
            "id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"},
        }]}]),
    );
}

#[test]
fn arguments_that_servers_cannot_read_again_are_not_sent() {
    for arguments in ["", "null", "{broken", r#""{}""#] {
        let request = ModelRequest::new(vec![Message::assistant(vec![call("1", arguments)])]);
        let body = body_for("x", &request);
        let sent = &body["messages"][0]["tool_calls"][0]["function"]["arguments"];
        assert_eq!(sent, "{}", "{arguments}");
    }
}

#[test]
fn results_that_are_errors_or_nothing_say_so() {
    let text = |text: &str| vec![Part::Text(text.into())];
    check_messages(
        vec![Message::tool(vec![
            result("1", text("boom"), true),
            result("2", text("Error: boom"), true),
            result("3", vec![], false),
            result("4", vec![], true),
            result("5", vec![Part::Json(json!({"a": 1}))], false),
        ])],
        json!([
            {"role": "tool", "tool_call_id": "1", "content": "Error: boom"},
            {"role": "tool", "tool_call_id": "2", "content": "Error: boom"},
            {"role": "tool", "tool_call_id": "3", "content": "(the tool returned nothing)"},
            {"role": "tool", "tool_call_id": "4", "content": "Error: the tool failed without a word"},
            {"role": "tool", "tool_call_id": "5", "content": r#"{"a":1}"#},
        ]),
    );
}

#[test]
fn a_picture_in_a_result_follows_after_all_results() {
    check_messages(
        vec![Message::tool(vec![
            result("1", vec![Part::Text("see".into()), Part::Image(media("image/png"))], false),
            result("2", vec![Part::Text("two".into())], false),
        ])],
        json!([
            {"role": "tool", "tool_call_id": "1",
             "content": "see\n[image image/png: shown in the next message]"},
            {"role": "tool", "tool_call_id": "2", "content": "two"},
            {"role": "user", "content": [
                {"type": "text", "text": "The image that `add` returned:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}},
            ]},
        ]),
    );
}

#[test]
fn media_of_a_person() {
    check_messages(
        vec![Message::user(vec![
            Part::Text("Look".into()),
            Part::Audio(media("audio/mpeg")),
            Part::Document(Media { name: Some("a.pdf".into()), ..media("application/pdf") }),
            Part::Document(Media { name: Some("a.txt".into()), ..media("text/plain") }),
            Part::Audio(Media {
                source: MediaSource::Url("https://example.com/a".into()),
                ..media("audio/ogg")
            }),
        ])],
        json!([{"role": "user", "content": [
            {"type": "text", "text": "Look"},
            {"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "mp3"}},
            {"type": "file", "file": {
                "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGVsbG8=",
            }},
            {"type": "text", "text": "a.txt:\nhello"},
            {"type": "text", "text": "[audio audio/ogg at https://example.com/a]"},
        ]}]),
    );
}

#[test]
fn a_model_without_eyes_gets_a_note() {
    let id = id();
    let encoding = Encoding {
        id: &id,
        dialect: Dialect::of_host("x"),
        stream: false,
        media: false,
        max_tokens: None,
        schemas: &SchemaCache::default(),
    };
    let request = ModelRequest::new(vec![Message::user(vec![
        Part::Text("Look".into()),
        Part::Image(media("image/png")),
    ])]);
    let body: Value = serde_json::from_slice(&encode(&request, encoding).unwrap()).unwrap();
    assert_eq!(
        body["messages"][0]["content"],
        "Look\n\n[image image/png, 6 bytes: not shown to you]"
    );
}

#[track_caller]
fn check_choice(host: &str, choice: ToolChoice, tools: &[&str], expected: Value) {
    let mut request = ModelRequest::new(vec![]);
    request.tools = vec![tool("add"), tool("read")].into();
    request.tool_choice = choice;
    let body = body_for(host, &request);
    let offered: Vec<_> = body["tools"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(offered, tools);
    assert_eq!(body["tool_choice"], expected);
}

#[test]
fn choices_of_tools_where_the_server_knows_them_and_where_not() {
    let (known, other) = ("api.openai.com", "127.0.0.1");
    let named = || ToolChoice::Named("read".into());
    check_choice(other, ToolChoice::Auto, &["add", "read"], json!(null));
    check_choice(other, ToolChoice::Required, &["add", "read"], json!("required"));
    check_choice(other, ToolChoice::None, &[], json!(null));
    check_choice(known, ToolChoice::None, &["add", "read"], json!("none"));
    check_choice(other, named(), &["read"], json!("required"));
    let choice = json!({"type": "function", "function": {"name": "read"}});
    check_choice(known, named(), &["add", "read"], choice);
}

#[test]
fn a_choice_that_cannot_be_is_an_error() {
    let id = id();
    let encoding = Encoding {
        id: &id,
        dialect: Dialect::of_host("x"),
        stream: false,
        media: true,
        max_tokens: None,
        schemas: &SchemaCache::default(),
    };
    let mut request = ModelRequest::new(vec![]);
    request.tool_choice = ToolChoice::Named("gone".into());
    assert!(encode(&request, encoding).is_err());
    request.tools = vec![tool("add")].into();
    let error = encode(&request, encoding).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model cannot be asked this: `gone` is required, but not offered"
    );
}

#[test]
fn a_schema_goes_out_whole() {
    let mut request = ModelRequest::new(vec![]);
    request.tools = vec![tool("add")].into();
    request.output =
        Some(OutputSchema { name: "o".into(), schema: json!({"type": "object"}).into() });
    let body = body_for("x", &request);
    assert_eq!(
        body["tools"][0],
        json!({"type": "function", "function": {
            "name": "add", "description": "Does it.",
            "parameters": {
                "type": "object", "$defs": {"P": {}}, "properties": {"p": {"$ref": "#/$defs/P"}},
            },
        }})
    );
    assert_eq!(
        body["response_format"],
        json!({"type": "json_schema", "json_schema": {
            "name": "o", "schema": {"type": "object"},
        }})
    );
}

#[test]
fn an_object_without_properties_gets_an_empty_list_of_them() {
    let mut request = ModelRequest::new(vec![]);
    let parameters = RawJson::parse_text(r#"{"type":"object"}"#).unwrap();
    request.tools = vec![ToolDefinition { parameters, ..tool("now") }].into();
    let body = body_for("x", &request);
    assert_eq!(
        body["tools"][0]["function"]["parameters"],
        json!({"type": "object", "properties": {}})
    );
}

#[test]
fn extra_members_win_and_occur_once() {
    let mut request = ModelRequest::new(vec![]);
    request.temperature = Some(1.0);
    request.extra.insert("temperature".into(), json!(0));
    let id = id();
    let encoding = Encoding {
        id: &id,
        dialect: Dialect::of_host("x"),
        stream: false,
        media: true,
        max_tokens: None,
        schemas: &SchemaCache::default(),
    };
    let body = encode(&request, encoding).unwrap();
    assert_eq!(
        std::str::from_utf8(&body).unwrap(),
        r#"{"model":"m","temperature":0,"messages":[]}"#
    );
}

#[test]
fn thoughts_go_back_to_their_origin_within_the_turn() {
    let thought = |origin: ModelId| {
        Part::Reasoning(Reasoning {
            text: Some("hm".into()),
            signature: None,
            encrypted: None,
            origin,
        })
    };
    let details = Part::Opaque(OpaquePart {
        origin: id(),
        kind: "reasoning_details".into(),
        value: json!([{"text": "hm"}]),
    });
    let turn = |origin| Message::assistant(vec![thought(origin), details.clone(), call("1", "{}")]);
    let other = ModelId::new("example.com", "other");
    let request =
        ModelRequest::new(vec![turn(id()), Message::user("go on"), turn(id()), turn(other)]);
    let sent = |host: &str, member: &str| -> Vec<Value> {
        let body = body_for(host, &request);
        body["messages"].as_array().unwrap().iter().map(|m| m[member].clone()).collect()
    };
    let null = Value::Null;
    assert_eq!(
        sent("api.deepseek.com", "reasoning_content"),
        [null.clone(), null.clone(), "hm".into(), null.clone()]
    );
    assert_eq!(sent("openrouter.ai", "reasoning_details")[2], json!([{"text": "hm"}]));
    assert!(sent("api.openai.com", "reasoning_content").iter().all(Value::is_null));
}

#[test]
fn tools_are_strict_where_the_server_knows_the_word_and_the_schema_has_the_form() {
    let tool = |name: &str, parameters: Value| ToolDefinition {
        name: name.into(),
        description: String::new(),
        parameters: RawJson::from(parameters),
    };
    let query = json!({
        "type": "object",
        "properties": {"sql": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["sql"],
    });
    let open = json!({"type": "object", "properties": {}, "additionalProperties": true});
    let mut request = ModelRequest::new(vec![Message::user("?")]);
    request.tools = [tool("open", open.clone()), tool("query", query.clone())].into();
    let strict = json!({
        "type": "object",
        "properties": {"sql": {"type": "string"}, "limit": {"type": ["integer", "null"]}},
        "required": body_for("api.openai.com", &request)["tools"][1]["function"]["parameters"]["required"],
        "additionalProperties": false,
    });
    assert_eq!(strict["required"].as_array().unwrap().len(), 2);
    assert_eq!(
        body_for("api.openai.com", &request)["tools"],
        json!([
            {"type": "function", "function": {"name": "open", "parameters": open}},
            {"type": "function", "function": {"name": "query", "parameters": strict, "strict": true}},
        ])
    );
    assert_eq!(
        body_for("localhost", &request)["tools"][1],
        json!({"type": "function", "function": {"name": "query", "parameters": query}})
    );
}
