//! From a request in our words to one of the `genai` crate.

use ::genai::chat::{
    ChatMessage, ChatOptions, ChatRequest, ContentPart, MessageContent, Tool, ToolCall as Call,
    ToolChoice as Choice, ToolResponse,
};
use serde_json::Value;

use super::SIGNATURES;
use crate::model::{
    Media, MediaSource, ModelId, ModelRequest, Part, Role, ToolCall, ToolChoice, ToolResult,
    codec::shortest,
    media::{arguments_object, marked, plain_text, stand_in, text_of},
};

pub(super) fn encode(request: &ModelRequest, id: &ModelId) -> (ChatRequest, ChatOptions) {
    let messages = request.messages.iter().filter_map(|message| {
        Some(match message.role {
            Role::System => ChatMessage::system(plain_text(&message.parts)),
            Role::User => ChatMessage::user(content(message.parts.iter().filter_map(said))),
            Role::Assistant => {
                let parts = message.parts.iter().filter_map(|part| replayed(part, id));
                let content = content(parts);
                if content.is_empty() {
                    return None;
                }
                ChatMessage::assistant(content)
            }
            Role::Tool => ChatMessage::tool(content(message.parts.iter().filter_map(result))),
        })
    });
    let mut chat = ChatRequest::new(messages.collect());
    let offered = request.tool_choice != ToolChoice::None;
    if offered && !request.tools.is_empty() {
        chat = chat.with_tools(request.tools.iter().map(|tool| {
            let schema: Value = tool.parameters.parse().unwrap_or_default();
            Tool::new(tool.name.as_str())
                .with_description(tool.description.as_str())
                .with_schema(schema)
        }));
    }
    let mut options = ChatOptions::default()
        .with_capture_usage(true)
        .with_capture_content(true)
        .with_capture_tool_calls(true);
    options.temperature = request.temperature.map(shortest);
    options.max_tokens = request.max_tokens;
    options.seed = request.seed;
    options.tool_choice = match &request.tool_choice {
        ToolChoice::Required => Some(Choice::Required),
        ToolChoice::Named(name) => Some(Choice::tool(name)),
        _ => None,
    };
    if !request.extra.is_empty() {
        options.extra_body = Some(Value::Object(request.extra.clone()));
    }
    (chat, options)
}

fn content(parts: impl Iterator<Item = ContentPart>) -> MessageContent {
    MessageContent::from_parts(parts.collect::<Vec<_>>())
}

/// `None` for what a person cannot say.
fn said(part: &Part) -> Option<ContentPart> {
    match part {
        Part::Text(words) => Some(ContentPart::from_text(words)),
        Part::Json(value) => Some(ContentPart::from_text(value.to_string())),
        Part::Image(media) | Part::Audio(media) | Part::Document(media) => Some(shown(part, media)),
        _ => None,
    }
}

fn shown(part: &Part, media: &Media) -> ContentPart {
    if matches!(part, Part::Document(_))
        && let Some(text) = text_of(media)
    {
        return ContentPart::from_text(text);
    }
    let (kind, name) = (media.mime_type.as_str(), media.name.clone());
    match &media.source {
        MediaSource::Base64(data) => ContentPart::from_binary_base64(kind, &**data, name),
        MediaSource::Url(url) => ContentPart::from_binary_url(kind, url.as_str(), name),
    }
}

/// What goes back of an answer; `None` for what only another model can read.
fn replayed(part: &Part, id: &ModelId) -> Option<ContentPart> {
    match part {
        Part::ToolCall(ToolCall { id, name, arguments }) => Some(ContentPart::ToolCall(Call {
            call_id: id.to_string(),
            fn_name: name.clone(),
            fn_arguments: Value::Object(arguments_object(arguments)),
            thought_signatures: None,
        })),
        Part::Opaque(opaque) if opaque.origin == *id && opaque.kind == SIGNATURES => {
            let first = opaque.value.as_array()?.first()?.as_str()?;
            Some(ContentPart::ThoughtSignature(first.to_owned()))
        }
        part => said(part),
    }
}

/// The one form of a result is text.
fn result(part: &Part) -> Option<ContentPart> {
    let Part::ToolResult(result) = part else { return None };
    let ToolResult { call_id, name, content, .. } = result;
    let pieces: Vec<String> = content
        .iter()
        .filter_map(|part| match part {
            Part::Text(words) => Some(words.clone()),
            Part::Json(value) => Some(value.to_string()),
            Part::Image(media) | Part::Audio(media) | Part::Document(media) => {
                Some(stand_in(part, media))
            }
            _ => None,
        })
        .collect();
    let text = marked(pieces.join("\n"), result, false);
    Some(ContentPart::ToolResponse(
        ToolResponse::new(call_id.as_str(), text).with_fn_name(name.as_str()),
    ))
}
