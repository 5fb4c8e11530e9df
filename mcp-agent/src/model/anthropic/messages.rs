//! From messages in our words to the content blocks of a Messages request.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    model::{
        CallId, Media, MediaSource, Message, ModelId, Part, Reasoning, Role, ToolResult,
        media::{arguments_object, plain_text, stand_in, text_of},
    },
    stable_hash::StableHash,
};

/// The formats of pictures that the models see.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

#[derive(Debug, Serialize)]
pub(super) struct WireMessage {
    pub(super) role: &'static str,
    pub(super) content: Vec<Value>,
}

/// The rules at the start, and the turns.
pub(super) fn encode(
    messages: &[Message],
    id: &ModelId,
    media: bool,
) -> (Vec<Value>, Vec<WireMessage>) {
    let start = messages.iter().take_while(|message| message.role == Role::System).count();
    let (rules, turns) = messages.split_at(start);
    let system = rules
        .iter()
        .map(|rule| plain_text(&rule.parts))
        .filter(|text| !text.trim().is_empty())
        .map(|text| json!({"type": "text", "text": text}))
        .collect();
    let mut wire = Vec::with_capacity(turns.len());
    for message in turns {
        match message.role {
            Role::System => {
                let text = format!("[rules from here on]\n{}", plain_text(&message.parts));
                add(&mut wire, "user", vec![json!({"type": "text", "text": text})]);
            }
            Role::User => {
                let blocks = message.parts.iter().filter_map(|part| block(part, media)).collect();
                add(&mut wire, "user", blocks);
            }
            Role::Assistant => {
                let blocks =
                    message.parts.iter().filter_map(|part| said(part, id, media)).collect();
                add(&mut wire, "assistant", blocks);
            }
            Role::Tool => {
                let results = message.parts.iter().filter_map(|part| match part {
                    Part::ToolResult(result) => Some(tool_result(result, media)),
                    _ => None,
                });
                add(&mut wire, "user", results.collect());
            }
        }
    }
    (system, wire)
}

/// Turns alternate: two of the same side are one. An empty one is refused, so there is none.
fn add(wire: &mut Vec<WireMessage>, role: &'static str, blocks: Vec<Value>) {
    if blocks.is_empty() {
        return;
    }
    match wire.last_mut() {
        Some(last) if last.role == role => last.content.extend(blocks),
        _ => wire.push(WireMessage { role, content: blocks }),
    }
}

fn said(part: &Part, id: &ModelId, media: bool) -> Option<Value> {
    match part {
        Part::ToolCall(call) => Some(json!({
            "type": "tool_use",
            "id": call_id(&call.id),
            "name": call.name,
            "input": arguments_object(&call.arguments),
        })),
        Part::Reasoning(Reasoning { origin, text, signature, encrypted }) if origin == id => {
            match (signature, encrypted) {
                (Some(signature), _) => Some(json!({
                    "type": "thinking",
                    "thinking": text.as_deref().unwrap_or_default(),
                    "signature": signature,
                })),
                (None, Some(data)) => Some(json!({"type": "redacted_thinking", "data": data})),
                (None, None) => None,
            }
        }
        // A block that this codec does not know goes back as it came.
        Part::Opaque(opaque) if opaque.origin == *id && opaque.value["type"] == opaque.kind => {
            Some(opaque.value.clone())
        }
        Part::Reasoning(_) | Part::Opaque(_) => None,
        // The model itself makes none; another model's is told by a note.
        Part::Image(item) | Part::Audio(item) | Part::Document(item) => {
            Some(text(&stand_in(part, item)))
        }
        part => block(part, media),
    }
}

fn tool_result(result: &ToolResult, media: bool) -> Value {
    let content: Vec<_> = result.content.iter().filter_map(|part| block(part, media)).collect();
    let mut wire = json!({"type": "tool_result", "tool_use_id": call_id(&result.call_id)});
    if !content.is_empty() {
        wire["content"] = content.into();
    } else if result.is_error {
        // An error without a word is refused.
        wire["content"] = "the tool failed without a word".into();
    }
    if result.is_error {
        wire["is_error"] = true.into();
    }
    wire
}

/// `None` for what has no place in a turn of the user: empty texts are refused.
fn block(part: &Part, media: bool) -> Option<Value> {
    match part {
        Part::Text(words) if words.trim().is_empty() => None,
        Part::Text(words) => Some(text(words)),
        Part::Json(value) => Some(text(&value.to_string())),
        Part::Image(item) | Part::Audio(item) | Part::Document(item) => {
            let shown = media.then(|| shown(part, item)).flatten();
            Some(shown.unwrap_or_else(|| text(&stand_in(part, item))))
        }
        _ => None,
    }
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

/// `None` when this API has no place for it.
fn shown(part: &Part, media: &Media) -> Option<Value> {
    let Media { mime_type, source, name } = media;
    let bytes = match source {
        MediaSource::Base64(data) => {
            json!({"type": "base64", "media_type": mime_type, "data": &**data})
        }
        MediaSource::Url(url) => json!({"type": "url", "url": url}),
    };
    let is_image = IMAGES.contains(&mime_type.as_str());
    match part {
        Part::Image(_) if is_image => Some(json!({"type": "image", "source": bytes})),
        Part::Document(_) if mime_type == "application/pdf" => {
            let mut wire = json!({"type": "document", "source": bytes});
            if let Some(name) = name {
                wire["title"] = name.as_str().into();
            }
            Some(wire)
        }
        Part::Document(_) => text_of(media).map(|words| text(&words)),
        _ => None,
    }
}

/// Ids of other providers may have characters that this API refuses.
fn call_id(id: &CallId) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let id = id.as_str();
    if !id.is_empty() && id.chars().all(allowed) {
        return id.to_owned();
    }
    format!("call_{:x}", StableHash::new().field(id).finish())
}
