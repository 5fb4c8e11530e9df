//! From the chunks of a Chat Completions answer to events in our words.

use std::mem;

use serde_json::Value;

use super::{
    calls::Calls,
    wire::{Choice, Completion, Said},
};
use crate::model::{
    ModelError, ModelEvent, ModelId, OpaquePart, Part, StopReason, Usage,
    codec::{Decode, interrupted, read, undecodable},
    failure,
};

/// Reads an answer, chunk by chunk or whole.
#[derive(Debug)]
pub struct Decoder {
    origin: ModelId,
    calls: Calls,
    /// Blocks of reasoning, for their origin.
    details: Vec<Value>,
    stop: Option<StopReason>,
    refused: bool,
    usage: Option<Usage>,
    model: Option<String>,
    finished: bool,
}

impl Decode for Decoder {
    fn chunk(&mut self, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let data = data.trim();
        if self.finished || data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            // Not every server gives a reason; the mark says that nothing is missing.
            self.stop.get_or_insert(StopReason::EndTurn);
            self.finish(events);
            return Ok(());
        }
        let completion: Completion = read(data.as_bytes())?;
        self.take(completion, events)
    }

    fn end_of_stream(&mut self, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if self.finished {
            return Ok(());
        }
        if self.stop.is_none() {
            return Err(interrupted());
        }
        self.finish(events);
        Ok(())
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let completion: Completion = read(body)?;
        if completion.error.is_none() && completion.choices.as_ref().is_none_or(Vec::is_empty) {
            return Err(undecodable("an answer without `choices`", body));
        }
        self.take(completion, events)?;
        self.stop.get_or_insert(StopReason::EndTurn);
        self.finish(events);
        Ok(())
    }
}

impl Decoder {
    /// Reads an answer of this model.
    pub fn new(origin: ModelId) -> Self {
        Self {
            origin,
            calls: Calls::default(),
            details: Vec::new(),
            stop: None,
            refused: false,
            usage: None,
            model: None,
            finished: false,
        }
    }

    fn take(
        &mut self,
        completion: Completion,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        if let Some(error) = completion.error.filter(|error| !error.is_null()) {
            return Err(failure::in_answer(&error));
        }
        if self.model.is_none() {
            self.model = completion.model.filter(|model| !model.is_empty());
        }
        let usage = completion.usage.or(completion.x_groq.and_then(|extra| extra.usage));
        if let Some(usage) = usage {
            let mut usage = Usage::from(usage);
            if let Some(cached) = completion.timings.and_then(|timings| timings.cache_n) {
                usage.cached_input_tokens = cached;
            }
            self.usage = Some(usage);
        }
        // Only one answer is ever asked for.
        let choice = completion
            .choices
            .unwrap_or_default()
            .into_iter()
            .find(|choice| choice.index.is_none_or(|index| index == 0));
        choice.map_or(Ok(()), |choice| self.choice(choice, events))
    }

    fn choice(&mut self, choice: Choice, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if let Some(error) = choice.error.filter(|error| !error.is_null()) {
            return Err(failure::in_answer(&error));
        }
        if let Some(said) = choice.delta.or(choice.message) {
            self.said(said, events);
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            if reason == "error" {
                return Err(failure::in_answer(&Value::Null));
            }
            self.stop = Some(stop_reason(reason));
        }
        Ok(())
    }

    fn said(&mut self, said: Said, events: &mut Vec<ModelEvent>) {
        let thought = match (said.reasoning_content, said.reasoning) {
            (Some(thought), _) | (None, Some(Value::String(thought))) => thought,
            _ => String::new(),
        };
        reasoning(thought, events);
        for block in said.reasoning_details.unwrap_or_default() {
            add_detail(&mut self.details, block);
        }
        match said.content {
            Value::String(words) => text(words, events),
            Value::Array(parts) => {
                for part in &parts {
                    content_part(part, events);
                }
            }
            _ => {}
        }
        if let Some(words) = said.refusal.filter(|words| !words.is_empty()) {
            self.refused = true;
            text(words, events);
        }
        for piece in said.tool_calls.unwrap_or_default() {
            self.calls.piece(piece, events);
        }
        if let Some(function) = said.function_call {
            self.calls.single(function, events);
        }
    }

    fn finish(&mut self, events: &mut Vec<ModelEvent>) {
        if !self.details.is_empty() {
            events.push(ModelEvent::Part(Part::Opaque(OpaquePart {
                origin: self.origin.clone(),
                kind: "reasoning_details".to_owned(),
                value: mem::take(&mut self.details).into(),
            })));
        }
        let stop = match self.stop.take().unwrap_or(StopReason::EndTurn) {
            StopReason::EndTurn if self.refused => StopReason::Refusal,
            // Many servers say `stop` or a word of their own when the model calls tools.
            StopReason::EndTurn | StopReason::Other(_) if !self.calls.is_empty() => {
                StopReason::ToolCalls
            }
            // And some say `tool_calls` when there is none.
            StopReason::ToolCalls if self.calls.is_empty() => StopReason::EndTurn,
            stop => stop,
        };
        self.finished = true;
        events.push(ModelEvent::Finished { stop, usage: self.usage, model: self.model.take() });
    }
}

fn stop_reason(reason: String) -> StopReason {
    // Gateways in front of other APIs pass the words of those on, in capitals too.
    match reason.to_ascii_lowercase().as_str() {
        "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "complete" | "completed" => {
            StopReason::EndTurn
        }
        "tool_calls" | "function_call" | "tool_use" | "tool_call" => StopReason::ToolCalls,
        "length" | "max_tokens" | "model_length" | "limit" => StopReason::Length,
        "content_filter" | "safety" => StopReason::ContentFilter,
        "refusal" => StopReason::Refusal,
        _ => StopReason::Other(reason),
    }
}

fn text(words: String, events: &mut Vec<ModelEvent>) {
    if !words.is_empty() {
        events.push(ModelEvent::TextDelta(words));
    }
}

fn reasoning(words: String, events: &mut Vec<ModelEvent>) {
    if !words.is_empty() {
        events.push(ModelEvent::ReasoningDelta(words));
    }
}

/// Mistral's reasoning models answer in parts: `text`, and `thinking` with texts inside.
fn content_part(part: &Value, events: &mut Vec<ModelEvent>) {
    let words = |value: &Value| match value {
        Value::String(words) => words.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    };
    match part["type"].as_str() {
        Some("thinking") => reasoning(words(&part["thinking"]), events),
        Some("text" | "output_text") => text(words(&part["text"]), events),
        _ => {}
    }
}

/// A block comes in pieces: each carries the index and the kind of its block.
fn add_detail(details: &mut Vec<Value>, piece: Value) {
    let same = |block: &Value| {
        !piece["index"].is_null()
            && block["index"] == piece["index"]
            && block["type"] == piece["type"]
    };
    let (Some(block), Value::Object(fields)) =
        (details.last_mut().filter(|block| same(block)).and_then(Value::as_object_mut), &piece)
    else {
        details.push(piece);
        return;
    };
    for (name, value) in fields {
        match (name.as_str(), block.get_mut(name), value) {
            ("text" | "summary" | "data", Some(Value::String(sum)), Value::String(more)) => {
                sum.push_str(more);
            }
            (_, _, Value::Null) => {}
            _ => {
                block.insert(name.clone(), value.clone());
            }
        }
    }
}
