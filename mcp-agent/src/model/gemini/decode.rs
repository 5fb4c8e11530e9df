//! From the chunks of a generateContent answer to events in our words.

use serde::Deserialize;
use serde_json::Value;

use super::{MADE_ID, SIGNATURE};
use crate::model::{
    Media, MediaSource, ModelError, ModelEvent, ModelId, OpaquePart, Part, StopReason, Usage,
    codec::{Decode, interrupted, read, undecodable},
    failure,
};

/// Reads an answer, chunk by chunk or whole.
#[derive(Debug)]
pub struct Decoder {
    origin: ModelId,
    calls: usize,
    stop: Option<StopReason>,
    usage: Option<WireUsage>,
    model: Option<String>,
    finished: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    #[serde(default)]
    candidates: Option<Vec<Candidate>>,
    #[serde(default)]
    prompt_feedback: Option<PromptFeedback>,
    #[serde(default)]
    usage_metadata: Option<WireUsage>,
    #[serde(default)]
    model_version: Option<String>,
    #[serde(default)]
    error: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    index: u64,
    #[serde(default)]
    content: Option<WireContent>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WireContent {
    #[serde(default)]
    parts: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    #[serde(default)]
    block_reason: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "the API's names")]
struct WireUsage {
    prompt_token_count: u64,
    tool_use_prompt_token_count: u64,
    candidates_token_count: u64,
    thoughts_token_count: u64,
    cached_content_token_count: u64,
}

impl Decoder {
    /// Reads an answer of this model.
    pub fn new(origin: ModelId) -> Self {
        Self { origin, calls: 0, stop: None, usage: None, model: None, finished: false }
    }

    fn take(&mut self, chunk: Chunk, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if !chunk.error.is_null() {
            return Err(failure::in_answer(&chunk.error));
        }
        self.usage = chunk.usage_metadata.or(self.usage.take());
        self.model = chunk.model_version.or(self.model.take());
        if chunk.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some()) {
            self.stop = Some(StopReason::ContentFilter);
        }
        let candidates = chunk.candidates.unwrap_or_default();
        // Only one answer is ever asked for.
        let Some(candidate) = candidates.into_iter().find(|candidate| candidate.index == 0) else {
            return Ok(());
        };
        for part in candidate.content.map(|content| content.parts).unwrap_or_default() {
            self.part(part, events);
        }
        if let Some(reason) = candidate.finish_reason {
            self.stop = Some(stop_reason(reason));
        }
        Ok(())
    }

    fn part(&mut self, mut part: Value, events: &mut Vec<ModelEvent>) {
        let signature = part.as_object_mut().and_then(|part| part.remove(SIGNATURE));
        if let Some(signature) = signature {
            events.push(self.opaque(SIGNATURE, signature));
        }
        if let Some(words) = part["text"].as_str() {
            if words.is_empty() {
                return;
            }
            let words = words.to_owned();
            events.push(if part["thought"] == true {
                ModelEvent::ReasoningDelta(words)
            } else {
                ModelEvent::TextDelta(words)
            });
        } else if let Some(call) = part.get("functionCall") {
            self.call(call, events);
        } else if let Some(media) = part.get("inlineData").and_then(inline) {
            events.push(ModelEvent::Part(media));
        } else if let Some(kind) = part.as_object().and_then(|part| part.keys().next()).cloned() {
            events.push(self.opaque(&kind, part));
        }
    }

    fn call(&mut self, call: &Value, events: &mut Vec<ModelEvent>) {
        let index = self.calls;
        self.calls += 1;
        let id = call["id"].as_str().filter(|id| !id.is_empty());
        let id = id.map_or_else(|| format!("{MADE_ID}{index}"), str::to_owned);
        let name = call["name"].as_str().unwrap_or_default().to_owned();
        events.push(ModelEvent::ToolCallStarted { index, id: id.into(), name });
        if let Some(arguments) = call.get("args").filter(|arguments| !arguments.is_null()) {
            let text = arguments.to_string();
            events.push(ModelEvent::ToolArgumentsDelta { index, text });
        }
    }

    fn opaque(&self, kind: &str, value: Value) -> ModelEvent {
        let origin = self.origin.clone();
        ModelEvent::Part(Part::Opaque(OpaquePart { origin, kind: kind.to_owned(), value }))
    }
}

impl Decode for Decoder {
    fn chunk(&mut self, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if data.trim().is_empty() {
            return Ok(());
        }
        let chunk = read(data.as_bytes())?;
        self.take(chunk, events)
    }

    fn end_of_stream(&mut self, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if self.finished {
            return Ok(());
        }
        let stop = match self.stop.take().ok_or_else(interrupted)? {
            StopReason::EndTurn if self.calls > 0 => StopReason::ToolCalls,
            stop => stop,
        };
        self.finished = true;
        let usage = self.usage.take().map(Usage::from);
        events.push(ModelEvent::Finished { stop, usage, model: self.model.take() });
        Ok(())
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        // Without `alt=sse`, a stream is a list of its chunks.
        let chunks: Vec<Chunk> = match body.trim_ascii_start().first() {
            Some(b'[') => read(body)?,
            _ => vec![read(body)?],
        };
        for chunk in chunks {
            self.take(chunk, events)?;
        }
        if self.stop.is_none() {
            return Err(undecodable("an answer without a reason to end", body));
        }
        self.end_of_stream(events)
    }
}

fn inline(data: &Value) -> Option<Part> {
    let mime_type = data["mimeType"].as_str()?.to_owned();
    let wrap = match mime_type.split('/').next() {
        Some("image") => Part::Image,
        Some("audio") => Part::Audio,
        _ => Part::Document,
    };
    let source = MediaSource::Base64(data["data"].as_str()?.into());
    Some(wrap(Media { mime_type, source, name: None }))
}

fn stop_reason(reason: String) -> StopReason {
    match reason.as_str() {
        "STOP" => StopReason::EndTurn,
        "MAX_TOKENS" => StopReason::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => StopReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL" => StopReason::UnreadableCall(reason),
        _ => StopReason::Other(reason),
    }
}

impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        let mut usage = Self::new(
            wire.prompt_token_count.saturating_add(wire.tool_use_prompt_token_count),
            wire.candidates_token_count.saturating_add(wire.thoughts_token_count),
        );
        usage.cached_input_tokens = wire.cached_content_token_count;
        usage.reasoning_tokens = wire.thoughts_token_count;
        usage
    }
}
