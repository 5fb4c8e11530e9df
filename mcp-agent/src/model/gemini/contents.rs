//! From messages in our words to the contents of a generateContent request.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{MADE_ID, SIGNATURE};
use crate::model::{
    CallId, Media, MediaSource, Message, ModelId, Part, Role, ToolCall, ToolResult,
    media::{arguments_object, kind_of, plain_text, stand_in, text_of},
};

/// Tells models of the third generation that a call is from elsewhere and has no signature.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

#[derive(Debug, Serialize)]
pub(super) struct Content {
    role: &'static str,
    parts: Vec<Value>,
}

/// The rules at the start, and the turns.
pub(super) fn encode(
    messages: &[Message],
    id: &ModelId,
    media: bool,
    third: bool,
) -> (Option<Value>, Vec<Content>) {
    let start = messages.iter().take_while(|message| message.role == Role::System).count();
    let (rules, turns) = messages.split_at(start);
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| plain_text(&rule.parts))
        .filter(|text| !text.is_empty())
        .map(|text| json!({"text": text}))
        .collect();
    let mut contents = Vec::with_capacity(turns.len());
    for message in turns {
        match message.role {
            Role::System => {
                let text = format!("[rules from here on]\n{}", plain_text(&message.parts));
                add(&mut contents, "user", vec![json!({"text": text})]);
            }
            Role::User => {
                let parts = message.parts.iter().filter_map(|part| piece(part, media)).collect();
                add(&mut contents, "user", parts);
            }
            Role::Assistant => add(&mut contents, "model", said(&message.parts, id, media, third)),
            Role::Tool => add(&mut contents, "user", results(&message.parts, media, third)),
        }
    }
    let system = Some(rules).filter(|rules| !rules.is_empty());
    (system.map(|rules| json!({"parts": rules})), contents)
}

fn add(contents: &mut Vec<Content>, role: &'static str, parts: Vec<Value>) {
    if parts.is_empty() {
        return;
    }
    match contents.last_mut() {
        Some(last) if last.role == role => last.parts.extend(parts),
        _ => contents.push(Content { role, parts }),
    }
}

fn said(parts: &[Part], id: &ModelId, media: bool, third: bool) -> Vec<Value> {
    let mut wire = Vec::with_capacity(parts.len());
    // It came with the next piece, and goes back with it.
    let mut signature = None;
    let mut has_call = false;
    for part in parts {
        let mut next = match part {
            Part::Opaque(opaque) if opaque.origin != *id => continue,
            Part::Opaque(opaque) if opaque.kind == SIGNATURE => {
                signature = Some(opaque.value.clone());
                continue;
            }
            // A piece that this codec does not know goes back as it came.
            Part::Opaque(opaque) => opaque.value.clone(),
            Part::ToolCall(call) => {
                if third && !has_call && signature.is_none() {
                    signature = Some(NO_SIGNATURE.into());
                }
                has_call = true;
                function_call(call)
            }
            // Thoughts in words are not taken back.
            Part::Reasoning(_) => continue,
            part => match piece(part, media) {
                Some(piece) => piece,
                None => continue,
            },
        };
        if let Some(signature) = signature.take() {
            next[SIGNATURE] = signature;
        }
        wire.push(next);
    }
    if let Some(signature) = signature {
        wire.push(json!({"text": "", SIGNATURE: signature}));
    }
    wire
}

fn function_call(call: &ToolCall) -> Value {
    let mut wire = json!({"name": call.name, "args": arguments_object(&call.arguments)});
    if let Some(id) = theirs(&call.id) {
        wire["id"] = id.into();
    }
    json!({"functionCall": wire})
}

fn theirs(id: &CallId) -> Option<&str> {
    Some(id.as_str()).filter(|id| !id.starts_with(MADE_ID))
}

fn results(parts: &[Part], media: bool, third: bool) -> Vec<Value> {
    let mut wire = Vec::with_capacity(parts.len());
    let mut attached = Vec::new();
    for part in parts {
        let Part::ToolResult(result) = part else { continue };
        wire.push(function_response(result, media, third, &mut attached));
    }
    wire.extend(attached);
    wire
}

fn function_response(
    result: &ToolResult,
    media: bool,
    third: bool,
    attached: &mut Vec<Value>,
) -> Value {
    let mut words = Vec::new();
    let mut inside = Vec::new();
    for part in &result.content {
        match piece(part, media) {
            Some(piece) if piece.get("text").is_some() => {
                words.push(piece["text"].as_str().unwrap_or_default().to_owned());
            }
            Some(piece) if third => inside.push(piece),
            Some(piece) => {
                let kind = kind_of(part);
                let text = format!("The {kind} that `{}` returned:", result.name);
                attached.extend([json!({"text": text}), piece]);
                words.push(format!("[{kind}: shown after the results]"));
            }
            None => {}
        }
    }
    let output = match result.content.as_slice() {
        [Part::Json(value)] => value.clone(),
        _ => words.join("\n").into(),
    };
    let key = if result.is_error { "error" } else { "output" };
    let mut response = json!({
        "name": result.name,
        "response": Map::from_iter([(key.to_owned(), output)]),
    });
    if let Some(id) = theirs(&result.call_id) {
        response["id"] = id.into();
    }
    if !inside.is_empty() {
        response["parts"] = inside.into();
    }
    json!({"functionResponse": response})
}

fn piece(part: &Part, media: bool) -> Option<Value> {
    match part {
        Part::Text(words) if words.is_empty() => None,
        Part::Text(words) => Some(json!({"text": words})),
        Part::Json(value) => Some(json!({"text": value.to_string()})),
        Part::Image(item) | Part::Audio(item) | Part::Document(item) => {
            let shown = media.then(|| shown(part, item));
            Some(shown.unwrap_or_else(|| json!({"text": stand_in(part, item)})))
        }
        _ => None,
    }
}

fn shown(part: &Part, media: &Media) -> Value {
    if matches!(part, Part::Document(_))
        && let Some(text) = text_of(media)
    {
        return json!({"text": text});
    }
    match &media.source {
        MediaSource::Base64(data) => {
            json!({"inlineData": {"mimeType": media.mime_type, "data": &**data}})
        }
        MediaSource::Url(url) => {
            json!({"fileData": {"mimeType": media.mime_type, "fileUri": url}})
        }
    }
}
