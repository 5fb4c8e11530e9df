//! From the events of a Responses answer to events in our words.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::model::{
    ModelError, ModelEvent, ModelId, OpaquePart, Part, StopReason, Usage,
    codec::{Decode, interrupted, read, undecodable},
    failure,
};

/// Reads an answer, event by event or whole.
#[derive(Debug)]
pub struct Decoder {
    origin: ModelId,
    /// The calls by their place in the answer: their number, and whether arguments have come.
    calls: BTreeMap<u64, (usize, bool)>,
    /// The messages of which words have come.
    spoken: BTreeSet<u64>,
    refused: bool,
    model: Option<String>,
    finished: bool,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    output_index: u64,
    #[serde(default)]
    summary_index: u64,
    #[serde(default)]
    delta: Value,
    #[serde(default)]
    arguments: Option<String>,
    #[serde(default)]
    item: Value,
    #[serde(default)]
    response: Option<Response>,
}

#[derive(Debug, Deserialize)]
struct Response {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    output: Option<Vec<Value>>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    incomplete_details: Value,
}

#[derive(Debug, Default, Deserialize)]
struct WireUsage {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    input_tokens_details: Option<InputDetails>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl Decoder {
    /// Reads an answer of this model.
    pub fn new(origin: ModelId) -> Self {
        Self {
            origin,
            calls: BTreeMap::new(),
            spoken: BTreeSet::new(),
            refused: false,
            model: None,
            finished: false,
        }
    }

    fn begin_call(&mut self, place: u64, item: &Value, events: &mut Vec<ModelEvent>) {
        let word = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let index = self.calls.len();
        self.calls.insert(place, (index, false));
        let id = word("call_id").into();
        events.push(ModelEvent::ToolCallStarted { index, id, name: word("name") });
    }

    fn arguments(&mut self, place: u64, text: String, events: &mut Vec<ModelEvent>) {
        if let Some((index, streamed)) = self.calls.get_mut(&place)
            && !text.is_empty()
        {
            *streamed = true;
            events.push(ModelEvent::ToolArgumentsDelta { index: *index, text });
        }
    }

    /// The whole arguments, for servers that do not send them in pieces.
    fn all_arguments(&mut self, place: u64, text: &str, events: &mut Vec<ModelEvent>) {
        if matches!(self.calls.get(&place), Some((_, false))) {
            self.arguments(place, text.to_owned(), events);
        }
    }

    fn words(&mut self, place: u64, words: &str, events: &mut Vec<ModelEvent>) {
        if !words.is_empty() {
            self.spoken.insert(place);
            events.push(ModelEvent::TextDelta(words.to_owned()));
        }
    }

    /// An item is complete.
    fn done(&mut self, place: u64, item: Value, events: &mut Vec<ModelEvent>) {
        match item["type"].as_str().unwrap_or_default() {
            "function_call" => {
                if !self.calls.contains_key(&place) {
                    self.begin_call(place, &item, events);
                }
                let arguments = item["arguments"].as_str().unwrap_or_default();
                self.all_arguments(place, arguments, events);
            }
            "message" => {
                let parts = item["content"].as_array().map(Vec::as_slice).unwrap_or_default();
                self.refused |= parts.iter().any(|part| part["type"] == "refusal");
                if !self.spoken.contains(&place) {
                    for part in parts {
                        let words = part["text"].as_str().or_else(|| part["refusal"].as_str());
                        self.words(place, words.unwrap_or_default(), events);
                    }
                }
            }
            kind => {
                let kind = kind.to_owned();
                let origin = self.origin.clone();
                events.push(ModelEvent::Part(Part::Opaque(OpaquePart {
                    origin,
                    kind,
                    value: item,
                })));
            }
        }
    }

    fn finish(
        &mut self,
        response: Response,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        if !response.error.is_null() || response.status.as_deref() == Some("failed") {
            return Err(failure::in_answer(&response.error));
        }
        let stop = match response.status.as_deref() {
            Some("incomplete") => match response.incomplete_details["reason"].as_str() {
                Some("max_output_tokens") | None => StopReason::Length,
                Some("content_filter") => StopReason::ContentFilter,
                Some(other) => StopReason::Other(other.to_owned()),
            },
            _ if !self.calls.is_empty() => StopReason::ToolCalls,
            _ if self.refused => StopReason::Refusal,
            _ => StopReason::EndTurn,
        };
        self.finished = true;
        let model = response.model.or(self.model.take());
        events.push(ModelEvent::Finished { stop, usage: response.usage.map(Usage::from), model });
        Ok(())
    }
}

impl Decode for Decoder {
    fn chunk(&mut self, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let data = data.trim();
        if self.finished || data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        let event: Event = read(data.as_bytes())?;
        let place = event.output_index;
        let delta = event.delta.as_str().unwrap_or_default();
        match event.kind.as_str() {
            "response.created" | "response.in_progress" => {
                self.model = event.response.and_then(|response| response.model);
            }
            "response.output_item.added" if event.item["type"] == "function_call" => {
                self.begin_call(place, &event.item, events);
            }
            "response.output_text.delta" => self.words(place, delta, events),
            "response.refusal.delta" => {
                self.refused = true;
                self.words(place, delta, events);
            }
            "response.reasoning_summary_part.added" if event.summary_index > 0 => {
                events.push(ModelEvent::ReasoningDelta("\n\n".to_owned()));
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                events.push(ModelEvent::ReasoningDelta(delta.to_owned()));
            }
            "response.function_call_arguments.delta" => {
                self.arguments(place, delta.to_owned(), events);
            }
            "response.function_call_arguments.done" => {
                self.all_arguments(place, &event.arguments.unwrap_or_default(), events);
            }
            "response.output_item.done" => self.done(place, event.item, events),
            "response.completed" | "response.incomplete" | "response.failed" => {
                let response = event
                    .response
                    .ok_or_else(|| undecodable("an end without `response`", data.as_bytes()))?;
                self.finish(response, events)?;
            }
            "error" => {
                let error: Value = read(data.as_bytes())?;
                let inner = error.get("error").filter(|inner| inner.is_object());
                return Err(failure::in_answer(inner.unwrap_or(&error)));
            }
            // Whatever is added later, and what is said again as a whole.
            _ => {}
        }
        Ok(())
    }

    fn end_of_stream(&mut self, _: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if self.finished { Ok(()) } else { Err(interrupted()) }
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let mut response: Response = read(body)?;
        let Some(output) = response.output.take() else {
            return Err(if response.error.is_null() {
                undecodable("an answer without `output`", body)
            } else {
                failure::in_answer(&response.error)
            });
        };
        for (place, item) in (0..).zip(output) {
            self.done(place, item, events);
        }
        self.finish(response, events)
    }
}

impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        let mut usage = Self::new(wire.input_tokens, wire.output_tokens);
        usage.cached_input_tokens =
            wire.input_tokens_details.and_then(|details| details.cached_tokens).unwrap_or_default();
        usage.reasoning_tokens = wire
            .output_tokens_details
            .and_then(|details| details.reasoning_tokens)
            .unwrap_or_default();
        usage
    }
}
