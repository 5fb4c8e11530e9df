//! From messages in our words to the items of a Responses request.

use serde_json::{Value, json};

use crate::model::{
    Media, MediaSource, Message, ModelId, Part, Role, ToolResult,
    media::{data_url, marked, plain_text, sendable, stand_in, text_of},
};

pub(super) fn encode(messages: &[Message], id: &ModelId, media: bool) -> Vec<Value> {
    let mut items = Vec::with_capacity(messages.len());
    for message in messages {
        match message.role {
            Role::System => items.push(json!({
                "type": "message", "role": "system", "content": plain_text(&message.parts),
            })),
            Role::User => {
                let content: Vec<_> =
                    message.parts.iter().filter_map(|part| content(part, media)).collect();
                if !content.is_empty() {
                    items.push(json!({"type": "message", "role": "user", "content": content}));
                }
            }
            Role::Assistant => said(&message.parts, id, &mut items),
            Role::Tool => items.extend(message.parts.iter().filter_map(|part| match part {
                Part::ToolResult(result) => Some(tool_result(result, media)),
                _ => None,
            })),
        }
    }
    items
}

/// What the model said: each piece an item of its own.
fn said(parts: &[Part], id: &ModelId, items: &mut Vec<Value>) {
    // A thought must be followed by what came of it; one that was cut off there is refused.
    let thoughts_end = parts
        .iter()
        .rposition(|part| matches!(part, Part::Text(_) | Part::Json(_) | Part::ToolCall(_)))
        .unwrap_or(0);
    for (place, part) in parts.iter().enumerate() {
        let text = match part {
            Part::Text(text) => text.clone(),
            Part::Json(value) => value.to_string(),
            Part::Image(item) | Part::Audio(item) | Part::Document(item) => stand_in(part, item),
            Part::ToolCall(call) => {
                items.push(json!({
                    "type": "function_call",
                    "call_id": call.id.as_str(),
                    "name": call.name,
                    "arguments": sendable(&call.arguments),
                }));
                continue;
            }
            // An item of the provider goes back as it came.
            Part::Opaque(opaque)
                if opaque.origin == *id && (opaque.kind != "reasoning" || place < thoughts_end) =>
            {
                items.push(opaque.value.clone());
                continue;
            }
            // Thoughts in words are in the items too.
            _ => continue,
        };
        if !text.is_empty() {
            let content = json!([{"type": "output_text", "text": text}]);
            items.push(json!({"type": "message", "role": "assistant", "content": content}));
        }
    }
}

fn tool_result(result: &ToolResult, media: bool) -> Value {
    let mut words = Vec::new();
    let mut content = Vec::new();
    for part in &result.content {
        match self::content(part, media) {
            Some(piece) if piece["type"] == "input_text" => {
                words.push(piece["text"].as_str().unwrap_or_default().to_owned());
            }
            Some(piece) => content.push(piece),
            None => {}
        }
    }
    let words = marked(words.join("\n"), result, !content.is_empty());
    let output: Value = if content.is_empty() {
        words.into()
    } else {
        if !words.is_empty() {
            content.insert(0, json!({"type": "input_text", "text": words}));
        }
        content.into()
    };
    json!({"type": "function_call_output", "call_id": result.call_id.as_str(), "output": output})
}

fn content(part: &Part, media: bool) -> Option<Value> {
    let text = |text: String| Some(json!({"type": "input_text", "text": text}));
    match part {
        Part::Text(words) => text(words.clone()),
        Part::Json(value) => text(value.to_string()),
        Part::Image(item) | Part::Audio(item) | Part::Document(item) => {
            match media.then(|| shown(part, item)).flatten() {
                Some(value) => Some(value),
                None => text(stand_in(part, item)),
            }
        }
        _ => None,
    }
}

/// `None` when this API has no place for it.
fn shown(part: &Part, media: &Media) -> Option<Value> {
    match (part, &media.source) {
        (Part::Image(_), _) => Some(json!({"type": "input_image", "image_url": data_url(media)})),
        (Part::Document(_), MediaSource::Url(url)) => {
            Some(json!({"type": "input_file", "file_url": url}))
        }
        (Part::Document(_), _) => Some(match text_of(media) {
            Some(text) => json!({"type": "input_text", "text": text}),
            None => json!({
                "type": "input_file",
                "filename": media.name.as_deref().unwrap_or("document"),
                "file_data": data_url(media),
            }),
        }),
        _ => None,
    }
}
