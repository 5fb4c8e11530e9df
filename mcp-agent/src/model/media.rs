//! Pictures, sounds and files on their way to a provider, and the notes in place of those that it
//! cannot take.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Media, MediaSource, Part, ToolResult};

pub(super) fn kind_of(part: &Part) -> &'static str {
    match part {
        Part::Image(_) => "image",
        Part::Audio(_) => "audio",
        _ => "document",
    }
}

/// What the model reads in place of something that it cannot be shown.
pub(super) fn stand_in(part: &Part, media: &Media) -> String {
    let Media { mime_type, source, name } = media;
    let named = name.as_deref().map(|name| format!(" {name:?}")).unwrap_or_default();
    match source {
        MediaSource::Base64(data) => {
            let bytes = data.len() / 4 * 3;
            format!("[{} {mime_type}{named}, {bytes} bytes: not shown to you]", kind_of(part))
        }
        MediaSource::Url(url) => format!("[{} {mime_type}{named} at {url}]", kind_of(part)),
    }
}

/// The words of a file of text, under its name.
pub(super) fn text_of(media: &Media) -> Option<String> {
    let MediaSource::Base64(data) = &media.source else { return None };
    if !is_text(&media.mime_type) {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(data.as_bytes()).ok()?).ok()?;
    let title = media.name.as_deref().map(|name| format!("{name}:\n")).unwrap_or_default();
    Some(format!("{title}{text}"))
}

fn is_text(mime_type: &str) -> bool {
    mime_type.starts_with("text/") || matches!(mime_type, "application/json" | "application/xml")
}

/// The bytes as a `data:` address, or the address as it is.
pub(super) fn data_url(media: &Media) -> String {
    match &media.source {
        MediaSource::Base64(data) => format!("data:{};base64,{data}", media.mime_type),
        MediaSource::Url(url) => url.clone(),
    }
}

/// Words of a result for an API that has no mark for errors: those of an error begin so, and
/// nothing is said to be nothing.
pub(super) fn marked(text: String, result: &ToolResult, has_more: bool) -> String {
    let says_so = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error"));
    match (text.as_str(), result.is_error) {
        ("", false) if has_more => text,
        ("", false) => "(the tool returned nothing)".to_owned(),
        ("", true) => "Error: the tool failed without a word".to_owned(),
        (_, true) if !says_so => format!("Error: {text}"),
        _ => text,
    }
}

/// The words of parts that are nothing but words and data.
pub(super) fn plain_text(parts: &[Part]) -> String {
    let texts: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) => Some(text.clone()),
            Part::Json(value) => Some(value.to_string()),
            _ => None,
        })
        .collect();
    texts.join("\n\n")
}

/// Arguments as the JSON object that APIs insist on. A model that wrote something else finds its
/// own words in the error result of that call.
pub(super) fn arguments_object(arguments: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(arguments).unwrap_or_default()
}

/// Servers read the arguments of earlier calls again and fail at what is not an object; the model
/// finds its own words in the error result of that call.
pub(super) fn sendable(arguments: &str) -> &str {
    let is_object = serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok()
        && arguments.trim_start().starts_with('{');
    if is_object { arguments } else { "{}" }
}
