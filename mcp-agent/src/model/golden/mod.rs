//! One conversation that has everything in it, and files that hold what each codec makes of it.
//!
//! The files follow the providers' published references. `NAME.stream` files are the data of the
//! events of one answer, one a line.

use mcp_protocol::raw::RawJson;
use serde_json::{Value, json};

use super::{
    Assembly, Media, MediaSource, Message, ModelError, ModelId, ModelRequest, ModelResponse,
    OpaquePart, Part, Reasoning, ToolCall, ToolChoice, ToolDefinition, ToolResult, codec::Decode,
};

pub(super) fn media(mime_type: &str, name: Option<&str>) -> Media {
    Media {
        mime_type: mime_type.into(),
        source: MediaSource::Base64("aGVsbG8=".into()),
        name: name.map(str::to_owned),
    }
}

fn reasoning(origin: &ModelId, text: &str, signature: &str) -> Part {
    Part::Reasoning(Reasoning {
        text: Some(text.into()),
        signature: Some(signature.into()),
        encrypted: None,
        origin: origin.clone(),
    })
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
}

/// Rules, media of a person, thoughts of this model and of another, what only this model
/// understands, parallel calls, results with every kind of content, an error, rules in the middle.
pub(super) fn conversation(origin: &ModelId, own: Option<OpaquePart>) -> ModelRequest {
    let stranger = ModelId::new("elsewhere.example", "other");
    let mut said = vec![
        reasoning(origin, "Two calls.", "sig-1"),
        reasoning(&stranger, "Not yours.", "sig-other"),
        Part::Text("I look it up.".into()),
    ];
    said.extend(own.map(Part::Opaque));
    said.push(call("call_1", "add", r#"{"a": 21}"#));
    said.push(call("call.2", "2read", "no object"));
    let results = vec![
        ToolResult {
            call_id: "call_1".into(),
            name: "add".into(),
            content: vec![
                Part::Text("see".into()),
                Part::Json(json!({"sum": 42})),
                Part::Image(media("image/png", None)),
                Part::Audio(media("audio/wav", None)),
                Part::Document(media("application/pdf", Some("file:///a.pdf"))),
                Part::Text("[resource notes <file:///notes.txt>, text/plain]".into()),
            ],
            is_error: false,
        },
        ToolResult {
            call_id: "call.2".into(),
            name: "2read".into(),
            content: vec![Part::Text("no such file".into())],
            is_error: true,
        },
    ];
    let mut request = ModelRequest::new(vec![
        Message::system("Be brief."),
        Message::user(vec![
            Part::Text("Look.".into()),
            Part::Image(media("image/jpeg", None)),
            Part::Document(media("text/plain", Some("a.txt"))),
        ]),
        Message::assistant(said),
        Message::tool(results),
        Message::system("Answer in French."),
        Message::user("Go on."),
    ]);
    request.tools = vec![
        ToolDefinition {
            name: "2read".into(),
            description: String::new(),
            parameters: RawJson::from(json!({"type": "object"})),
        },
        ToolDefinition {
            name: "add".into(),
            description: "Adds.".into(),
            parameters: RawJson::from(json!({
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/n"}},
                "required": ["a"],
                "$defs": {"n": {"type": "integer", "minimum": 0}},
            })),
        },
    ]
    .into();
    request.tool_choice = ToolChoice::Required;
    request.parallel_tool_calls = Some(false);
    request.temperature = Some(0.7);
    request.max_tokens = Some(500);
    request
}

/// Compares with a file of this folder. `GOLDEN=write` writes it anew, to be read before it is
/// kept.
#[track_caller]
pub(super) fn check(name: &str, value: &Value) {
    let path = format!("{}/src/model/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var("GOLDEN").is_ok_and(|word| word == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap();
    assert_eq!(*value, serde_json::from_str::<Value>(&known).unwrap(), "{text}");
}

/// What a decoder makes of the events, one a line.
pub(super) fn decode(
    mut decoder: impl Decode,
    origin: ModelId,
    stream: &str,
) -> Result<ModelResponse, ModelError> {
    let mut events = Vec::new();
    for line in stream.lines() {
        decoder.chunk(line, &mut events)?;
    }
    decoder.end_of_stream(&mut events)?;
    assemble(origin, events)
}

/// What a decoder makes of an answer in one piece.
pub(super) fn decode_whole(
    mut decoder: impl Decode,
    origin: ModelId,
    body: &str,
) -> Result<ModelResponse, ModelError> {
    let mut events = Vec::new();
    decoder.whole(body.as_bytes(), &mut events)?;
    assemble(origin, events)
}

fn assemble(origin: ModelId, events: Vec<super::ModelEvent>) -> Result<ModelResponse, ModelError> {
    let mut assembly = Assembly::new(origin);
    for event in events {
        assembly.push(event);
    }
    assembly.finish()
}
