//! From messages in our words to those of a Chat Completions request.

use serde::Serialize;
use serde_json::{Value, json};

use super::dialect::ReasoningReplay;
use crate::model::{
    Media, MediaSource, Message, ModelId, Part, Role, ToolCall, ToolResult,
    media::{data_url, kind_of, marked, plain_text, sendable, stand_in, text_of},
};

#[derive(Debug, Serialize)]
pub(super) struct WireMessage<'a> {
    role: &'static str,
    /// Absent for an assistant that only calls tools; `null` is refused by some servers, an empty
    /// text by others.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct WireCall<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: WireCallFunction<'a>,
}

#[derive(Debug, Serialize)]
struct WireCallFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl WireMessage<'_> {
    fn new(role: &'static str, content: Option<Value>) -> Self {
        Self {
            role,
            content,
            reasoning_content: None,
            reasoning_details: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }
}

pub(super) fn encode<'a>(
    messages: &'a [Message],
    id: &ModelId,
    reasoning: ReasoningReplay,
    media: bool,
) -> Vec<WireMessage<'a>> {
    // Thoughts belong to the turn that is under way; those of earlier turns are only weight.
    let turn = messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
    let mut wire = Vec::with_capacity(messages.len());
    for (position, message) in messages.iter().enumerate() {
        match message.role {
            Role::System => {
                let text = plain_text(&message.parts);
                wire.push(WireMessage::new("system", Some(text.into())));
            }
            Role::User => {
                let content = user_content(&message.parts, media);
                wire.push(WireMessage::new("user", Some(content)));
            }
            Role::Assistant => {
                let replay = if position > turn { reasoning } else { ReasoningReplay::Nothing };
                // A turn that said nothing is refused by some servers.
                wire.extend(assistant(&message.parts, id, replay));
            }
            Role::Tool => tool_results(&message.parts, media, &mut wire),
        }
    }
    wire
}

fn assistant<'a>(
    parts: &'a [Part],
    id: &ModelId,
    replay: ReasoningReplay,
) -> Option<WireMessage<'a>> {
    let mut message = WireMessage::new("assistant", None);
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(more) => text.push_str(more),
            Part::Json(value) => text.push_str(&value.to_string()),
            Part::ToolCall(ToolCall { id, name, arguments }) => message.tool_calls.push(WireCall {
                id: id.as_str(),
                kind: "function",
                function: WireCallFunction { name, arguments: sendable(arguments) },
            }),
            Part::Reasoning(thought)
                if thought.origin == *id && replay == ReasoningReplay::Content =>
            {
                if let Some(words) = &thought.text {
                    message.reasoning_content.get_or_insert_default().push_str(words);
                }
            }
            Part::Opaque(opaque)
                if opaque.origin == *id
                    && replay == ReasoningReplay::Details
                    && opaque.kind == "reasoning_details" =>
            {
                message.reasoning_details = Some(&opaque.value);
            }
            _ => {}
        }
    }
    if message.tool_calls.is_empty() {
        // Thoughts go back only where the model goes on from its tools.
        message.reasoning_content = None;
        message.reasoning_details = None;
    }
    if !text.is_empty() {
        message.content = Some(text.into());
    }
    (message.content.is_some() || !message.tool_calls.is_empty()).then_some(message)
}

/// This API takes only words as the result of a tool. Pictures and the rest follow from the user,
/// in one message after all results of the turn, and each result says so.
fn tool_results<'a>(parts: &'a [Part], media: bool, wire: &mut Vec<WireMessage<'a>>) {
    let mut attached = Vec::new();
    for part in parts {
        let Part::ToolResult(result) = part else { continue };
        let content = tool_text(result, media, &mut attached);
        wire.push(WireMessage {
            tool_call_id: Some(result.call_id.as_str()),
            ..WireMessage::new("tool", Some(content.into()))
        });
    }
    if !attached.is_empty() {
        wire.push(WireMessage::new("user", Some(attached.into())));
    }
}

fn tool_text(result: &ToolResult, media: bool, attached: &mut Vec<Value>) -> String {
    let mut pieces = Vec::new();
    for part in &result.content {
        match part {
            Part::Text(text) => pieces.push(text.clone()),
            Part::Json(value) => pieces.push(value.to_string()),
            Part::Image(item) | Part::Audio(item) | Part::Document(item) => {
                match media.then(|| media_part(part, item)).flatten() {
                    Some(value) if value["type"] == "text" => {
                        pieces.push(value["text"].as_str().unwrap_or_default().to_owned());
                    }
                    Some(value) => {
                        let kind = kind_of(part);
                        attached.push(json!({
                            "type": "text",
                            "text": format!("The {kind} that `{}` returned:", result.name),
                        }));
                        attached.push(value);
                        pieces.push(format!(
                            "[{kind} {}: shown in the next message]",
                            item.mime_type
                        ));
                    }
                    None => pieces.push(stand_in(part, item)),
                }
            }
            _ => {}
        }
    }
    marked(pieces.join("\n"), result, false)
}

/// One text as a plain string, which every server takes; anything else as a list.
fn user_content(parts: &[Part], media: bool) -> Value {
    let mut list = Vec::with_capacity(parts.len());
    let mut only_text = true;
    for part in parts {
        let value = match part {
            Part::Text(text) => json!({"type": "text", "text": text}),
            Part::Json(value) => json!({"type": "text", "text": value.to_string()}),
            Part::Image(item) | Part::Audio(item) | Part::Document(item) => {
                match media.then(|| media_part(part, item)).flatten() {
                    Some(value) => value,
                    None => json!({"type": "text", "text": stand_in(part, item)}),
                }
            }
            _ => continue,
        };
        only_text &= value["type"] == "text";
        list.push(value);
    }
    if only_text {
        let texts: Vec<&str> = list.iter().filter_map(|part| part["text"].as_str()).collect();
        return texts.join("\n\n").into();
    }
    list.into()
}

/// `None` when this API has no place for it.
fn media_part(part: &Part, media: &Media) -> Option<Value> {
    let Media { mime_type, source, name } = media;
    match (part, source) {
        (Part::Image(_), _) => {
            Some(json!({"type": "image_url", "image_url": {"url": data_url(media)}}))
        }
        (Part::Audio(_), MediaSource::Base64(data)) => {
            let format = match mime_type.split(';').next().unwrap_or_default() {
                "audio/mpeg" | "audio/mp3" => "mp3",
                "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
                other => other.strip_prefix("audio/")?,
            };
            let audio = json!({"data": &**data, "format": format});
            Some(json!({"type": "input_audio", "input_audio": audio}))
        }
        (Part::Document(_), MediaSource::Base64(_)) => {
            if let Some(text) = text_of(media) {
                return Some(json!({"type": "text", "text": text}));
            }
            let file = json!({
                "filename": name.as_deref().unwrap_or("document"),
                "file_data": data_url(media),
            });
            Some(json!({"type": "file", "file": file}))
        }
        _ => None,
    }
}
