//! From the results of MCP tools to what a model reads, and no more of it than a model can take.

use std::{collections::HashSet, fmt::Write as _};

use mcp_protocol::{
    content::{Annotations, ContentBlock, MediaContent, Role},
    resources::{Resource, ResourceBody, ResourceContents},
    tools::CallToolResult,
};
use serde_json::Value;

use super::{Artifacts, ToolOutput, json_trim};
use crate::{
    model::{Media, MediaSource, Part},
    tokens::{self, EstimatedTokens},
};

/// Takes over the result of an MCP tool.
///
/// Every block becomes a part; what is meant for people only is kept from the model. Structured
/// content reaches the model once: many servers repeat it as text.
pub fn from_mcp(result: CallToolResult) -> ToolOutput {
    let CallToolResult { content, structured_content, is_error, .. } = result;
    let mut output = ToolOutput { is_error, ..ToolOutput::default() };
    for block in content {
        let for_user = block.annotations().is_some_and(is_for_people_only);
        let parts = if for_user { &mut output.for_user } else { &mut output.content };
        add(block, parts);
    }
    let structured = structured_content.as_ref().and_then(|raw| raw.parse::<Value>().ok());
    if let Some(structured) = structured.filter(|value| !says(&output.content, value)) {
        output.content.push(Part::Json(structured));
    }
    output.structured = structured_content;
    output
}

fn is_for_people_only(annotations: &Annotations) -> bool {
    let audience: HashSet<_> = annotations.audience.iter().collect();
    audience.len() == 1 && audience.contains(&Role::User)
}

/// Whether one of the texts is this JSON.
fn says(parts: &[Part], value: &Value) -> bool {
    parts.iter().filter_map(Part::as_text).any(|text| {
        let text = text.trim();
        let may_be = match value {
            Value::Object(_) => text.starts_with('{'),
            Value::Array(_) => text.starts_with('['),
            Value::String(inner) => return text == inner.trim(),
            _ => true,
        };
        may_be && serde_json::from_str::<Value>(text).is_ok_and(|said| said == *value)
    })
}

fn add(block: ContentBlock, parts: &mut Vec<Part>) {
    match block {
        ContentBlock::Text(content) => parts.push(Part::Text(content.text)),
        ContentBlock::Image(content) => parts.push(Part::Image(media(content))),
        ContentBlock::Audio(content) => parts.push(Part::Audio(media(content))),
        ContentBlock::ResourceLink(resource) => parts.push(Part::Text(link(&resource))),
        ContentBlock::Resource(embedded) => parts.push(resource(embedded.resource)),
        // Whatever it is, the model may make sense of it.
        unknown => match serde_json::to_value(&unknown) {
            Ok(value) => parts.push(Part::Json(value)),
            Err(_) => parts.push(Part::Text(format!("[{}]", unknown.kind()))),
        },
    }
}

fn media(content: MediaContent) -> Media {
    Media {
        mime_type: content.mime_type,
        source: MediaSource::Base64(content.data.into()),
        name: None,
    }
}

fn link(resource: &Resource) -> String {
    let mut text = format!("[resource {} <{}>", resource.display_name(), resource.uri);
    if let Some(mime_type) = &resource.mime_type {
        text.push_str(", ");
        text.push_str(mime_type);
    }
    if let Some(size) = resource.size {
        // Writing to a string cannot fail.
        let _ = write!(text, ", {size} bytes");
    }
    text.push(']');
    if let Some(description) = &resource.description {
        text.push(' ');
        text.push_str(description);
    }
    text
}

/// The contents of a resource as a part that still says where they are from.
pub fn resource(contents: ResourceContents) -> Part {
    let ResourceContents { uri, mime_type, body, .. } = contents;
    match body {
        ResourceBody::Text(text) => Part::Text(format!("[resource <{uri}>]\n{text}")),
        ResourceBody::Blob(data) => {
            let mime_type = mime_type.unwrap_or_else(|| "application/octet-stream".to_owned());
            let wrap = match mime_type.split('/').next() {
                Some("image") => Part::Image,
                Some("audio") => Part::Audio,
                _ => Part::Document,
            };
            wrap(Media { mime_type, source: MediaSource::Base64(data.into()), name: Some(uri) })
        }
    }
}

/// How much of a result a model is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResultLimits {
    /// Of all texts and JSON together.
    pub max_text_bytes: usize,
    /// Of all texts and JSON together, by an estimate.
    pub max_text_tokens: usize,
    /// How many pictures; each costs as much as a long text.
    pub max_images: usize,
    /// Of all pictures, sounds and files together, decoded.
    pub max_media_bytes: usize,
}

impl Default for ResultLimits {
    fn default() -> Self {
        Self {
            max_text_bytes: 32 * 1024,
            max_text_tokens: 10_000,
            max_images: 8,
            max_media_bytes: 8 * 1024 * 1024,
        }
    }
}

/// Cuts a result to its limits, and says so where something is missing.
///
/// JSON stays JSON: its longest lists and texts are cut. Of any other text the start and, since
/// results end with what matters, more of the end is kept.
pub fn limit(output: &mut ToolOutput, limits: ResultLimits) {
    cut(output, limits, "ask for less, or for a part of it", |_| None);
}

/// As [`limit`], but a text that is cut is kept whole, and the tools that read it are revealed.
pub fn limit_and_keep(output: &mut ToolOutput, limits: ResultLimits, artifacts: &Artifacts) {
    let mut reveals = Vec::new();
    cut(output, limits, "ask for less, or for a part of it", |whole| {
        let name = artifacts.keep(whole)?;
        reveals.extend(artifacts.definitions().iter().cloned());
        Some(format!(
            "the whole is the artifact `{name}`: use read_artifact or search_artifact on it"
        ))
    });
    output.reveals.extend(reveals);
}

fn cut(
    output: &mut ToolOutput,
    limits: ResultLimits,
    advice: &str,
    keep: impl FnOnce(&str) -> Option<String>,
) {
    limit_media(&mut output.content, limits);
    let parts = &mut output.content;
    let total: usize = parts.iter().map(text_bytes).sum();
    let tokens: usize = parts.iter().map(text_tokens).sum();
    let mut max_bytes = limits.max_text_bytes;
    if tokens > limits.max_text_tokens {
        // The share of the bytes that has so many tokens.
        max_bytes = max_bytes.min(total.saturating_mul(limits.max_text_tokens) / tokens);
    }
    if total <= max_bytes {
        return;
    }
    let kept = keep(&output.to_text());
    let advice = kept.as_deref().unwrap_or(advice);
    if !limit_json(&mut output.content, max_bytes, total, advice) {
        limit_text(&mut output.content, max_bytes, total, advice);
    }
}

/// Cuts the one part that is JSON, where there is only one text at all.
fn limit_json(parts: &mut Vec<Part>, max_bytes: usize, total: usize, advice: &str) -> bool {
    let mut texts = parts.iter_mut().filter(|part| text_bytes(part) > 0);
    let (Some(part), None) = (texts.next(), texts.next()) else { return false };
    let value = match &*part {
        Part::Json(value) => value.clone(),
        Part::Text(text) if text.trim_start().starts_with(['{', '[']) => {
            match serde_json::from_str(text) {
                Ok(value) => value,
                Err(_) => return false,
            }
        }
        _ => return false,
    };
    let Some(shorter) = json_trim::trim(&value, max_bytes) else { return false };
    let note =
        format!("[shown in {} of {total} bytes, parts are left out; {advice}]", shorter.len());
    *part = Part::Text(shorter);
    parts.push(Part::Text(note));
    true
}

fn limit_media(parts: &mut [Part], limits: ResultLimits) {
    let mut left = limits.max_media_bytes;
    let mut images = 0;
    for part in parts {
        if let Part::Image(media) = &*part {
            images += 1;
            if images > limits.max_images {
                let note = format!(
                    "[{}: left out, only the first {} pictures are shown]",
                    media.mime_type, limits.max_images
                );
                *part = Part::Text(note);
                continue;
            }
        }
        let (Part::Image(media) | Part::Audio(media) | Part::Document(media)) = &*part else {
            continue;
        };
        let MediaSource::Base64(data) = &media.source else { continue };
        let bytes = data.len() / 4 * 3;
        if let Some(rest) = left.checked_sub(bytes) {
            left = rest;
        } else {
            let mime_type = &media.mime_type;
            *part = Part::Text(format!("[{mime_type}, {bytes} bytes: too large to be shown]"));
        }
    }
}

fn limit_text(parts: &mut Vec<Part>, max_bytes: usize, total: usize, advice: &str) {
    let head = max_bytes / 5 * 2;
    let tail_from = total - (max_bytes - head);
    let note = format!("\n[… {} of {total} bytes left out here; {advice} …]\n", tail_from - head);
    let mut kept = Vec::with_capacity(parts.len() + 1);
    let mut at = 0;
    let mut note = Some(note);
    for part in parts.drain(..) {
        let text = match part {
            Part::Text(text) => text,
            Part::Json(value) => value.to_string(),
            other => {
                kept.push(other);
                continue;
            }
        };
        let (from, to) = (at, at + text.len());
        at = to;
        if to <= head || from >= tail_from {
            kept.push(Part::Text(text));
            continue;
        }
        let mut start = head.saturating_sub(from);
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = tail_from.saturating_sub(from).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let mut cut = text[..start].to_owned();
        cut.push_str(&note.take().unwrap_or_default());
        cut.push_str(&text[end..]);
        if !cut.is_empty() {
            kept.push(Part::Text(cut));
        }
    }
    *parts = kept;
}

fn text_tokens(part: &Part) -> usize {
    match part {
        Part::Text(_) | Part::Json(_) => tokens::of_part(part, &EstimatedTokens::default()),
        _ => 0,
    }
}

fn text_bytes(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Json(value) => value.to_string().len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
