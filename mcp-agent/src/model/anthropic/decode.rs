//! From the events of a Messages answer to events in our words.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::model::{
    ModelError, ModelEvent, ModelId, OpaquePart, Part, Reasoning, StopReason, Usage,
    codec::{Decode, interrupted, read, undecodable},
    failure,
};

/// Reads an answer, event by event or whole.
#[derive(Debug)]
pub struct Decoder {
    origin: ModelId,
    /// The blocks that have begun and not ended, by their place in the answer.
    open: BTreeMap<u64, Block>,
    calls: usize,
    stop: Option<StopReason>,
    usage: Option<WireUsage>,
    model: Option<String>,
    finished: bool,
}

#[derive(Debug)]
enum Block {
    Text {
        citations: Vec<Value>,
    },
    Thinking {
        signature: String,
    },
    Call {
        index: usize,
        input: Value,
        streamed: bool,
    },
    /// Of a kind that only its origin knows; kept as it comes.
    Other {
        block: Value,
        input: String,
    },
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    message: Option<WireMessage>,
    #[serde(default)]
    index: u64,
    #[serde(default)]
    content_block: Value,
    #[serde(default)]
    delta: Value,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Value,
}

#[derive(Debug, Deserialize)]
struct WireMessage {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    content: Vec<Value>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Value,
}

/// Counts so far. Those of the end replace those of the start; a missing one changes nothing.
#[derive(Clone, Debug, Default, Deserialize)]
struct WireUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Debug, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Option<u64>,
}

impl Decoder {
    /// Reads an answer of this model.
    pub fn new(origin: ModelId) -> Self {
        Self {
            origin,
            open: BTreeMap::new(),
            calls: 0,
            stop: None,
            usage: None,
            model: None,
            finished: false,
        }
    }

    fn begin(&mut self, index: u64, block: Value, events: &mut Vec<ModelEvent>) {
        let word = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        let begun = match block["type"].as_str() {
            Some("text") => {
                push_text(word("text"), events);
                let citations = block["citations"].as_array().cloned().unwrap_or_default();
                Block::Text { citations }
            }
            Some("thinking") => {
                push_thought(word("thinking"), events);
                Block::Thinking { signature: word("signature") }
            }
            Some("redacted_thinking") => {
                events.push(ModelEvent::Part(Part::Reasoning(Reasoning {
                    text: None,
                    signature: None,
                    encrypted: Some(word("data")),
                    origin: self.origin.clone(),
                })));
                return;
            }
            Some("tool_use") => {
                let index = self.calls;
                self.calls += 1;
                events.push(ModelEvent::ToolCallStarted {
                    index,
                    id: word("id").into(),
                    name: word("name"),
                });
                Block::Call { index, input: block["input"].clone(), streamed: false }
            }
            _ => Block::Other { block, input: String::new() },
        };
        self.open.insert(index, begun);
    }

    fn delta(&mut self, index: u64, delta: &Value, events: &mut Vec<ModelEvent>) {
        let word = |name: &str| delta[name].as_str().unwrap_or_default().to_owned();
        match (delta["type"].as_str(), self.open.get_mut(&index)) {
            (Some("text_delta"), _) => push_text(word("text"), events),
            (Some("thinking_delta"), _) => push_thought(word("thinking"), events),
            (Some("signature_delta"), Some(Block::Thinking { signature })) => {
                signature.push_str(&word("signature"));
            }
            (Some("input_json_delta"), Some(Block::Call { index, streamed, .. })) => {
                let text = word("partial_json");
                if !text.is_empty() {
                    *streamed = true;
                    events.push(ModelEvent::ToolArgumentsDelta { index: *index, text });
                }
            }
            (Some("input_json_delta"), Some(Block::Other { input, .. })) => {
                input.push_str(&word("partial_json"));
            }
            (Some("citations_delta"), Some(Block::Text { citations })) => {
                citations.push(delta["citation"].clone());
            }
            // Of a kind that we do not know: its members are those of the block.
            (_, Some(Block::Other { block, .. })) => merge(block, delta),
            _ => {}
        }
    }

    fn end(&mut self, index: u64, events: &mut Vec<ModelEvent>) {
        match self.open.remove(&index) {
            Some(Block::Thinking { signature }) => {
                let signature = Some(signature).filter(|signature| !signature.is_empty());
                events.push(ModelEvent::ReasoningSealed { signature });
            }
            // Some servers send the whole input at the start.
            Some(Block::Call { index, input, streamed: false })
                if input.as_object().is_some_and(|input| !input.is_empty()) =>
            {
                events.push(ModelEvent::ToolArgumentsDelta { index, text: input.to_string() });
            }
            Some(Block::Text { citations }) if !citations.is_empty() => {
                events.push(self.opaque("citations".to_owned(), citations.into()));
            }
            Some(Block::Other { mut block, input }) => {
                if let Ok(input) = serde_json::from_str(&input)
                    && let Some(block) = block.as_object_mut()
                {
                    block.insert("input".to_owned(), input);
                }
                let kind = block["type"].as_str().unwrap_or_default().to_owned();
                events.push(self.opaque(kind, block));
            }
            _ => {}
        }
    }

    fn opaque(&self, kind: String, value: Value) -> ModelEvent {
        ModelEvent::Part(Part::Opaque(OpaquePart { origin: self.origin.clone(), kind, value }))
    }

    fn count(&mut self, usage: Option<WireUsage>) {
        let Some(new) = usage else { return };
        let known = self.usage.get_or_insert_default();
        known.input_tokens = new.input_tokens.or(known.input_tokens);
        known.output_tokens = new.output_tokens.or(known.output_tokens);
        known.cache_creation_input_tokens =
            new.cache_creation_input_tokens.or(known.cache_creation_input_tokens);
        known.cache_read_input_tokens =
            new.cache_read_input_tokens.or(known.cache_read_input_tokens);
        known.output_tokens_details =
            new.output_tokens_details.or(known.output_tokens_details.take());
    }

    fn finish(&mut self, events: &mut Vec<ModelEvent>) {
        let open: Vec<_> = self.open.keys().copied().collect();
        for index in open {
            self.end(index, events);
        }
        self.finished = true;
        events.push(ModelEvent::Finished {
            stop: self.stop.take().unwrap_or(StopReason::EndTurn),
            usage: self.usage.take().map(Usage::from),
            model: self.model.take(),
        });
    }
}

impl Decode for Decoder {
    fn chunk(&mut self, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if self.finished || data.trim().is_empty() {
            return Ok(());
        }
        let event: Event = read(data.as_bytes())?;
        match event.kind.as_str() {
            "message_start" => {
                if let Some(message) = event.message {
                    self.model = message.model;
                    self.count(message.usage);
                }
            }
            "content_block_start" => self.begin(event.index, event.content_block, events),
            "content_block_delta" => self.delta(event.index, &event.delta, events),
            "content_block_stop" => self.end(event.index, events),
            "message_delta" => {
                self.count(event.usage);
                if let Some(reason) = event.delta["stop_reason"].as_str() {
                    self.stop = Some(stop_reason(reason));
                }
            }
            "message_stop" => self.finish(events),
            "error" => return Err(failure::in_answer(&event.error)),
            // `ping`, and whatever is added later.
            _ => {}
        }
        Ok(())
    }

    fn end_of_stream(&mut self, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        match (self.finished, &self.stop) {
            (true, _) => Ok(()),
            (false, None) => Err(interrupted()),
            (false, Some(_)) => {
                self.finish(events);
                Ok(())
            }
        }
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let message: WireMessage = read(body)?;
        if !message.error.is_null() {
            return Err(failure::in_answer(&message.error));
        }
        if message.kind != "message" {
            return Err(undecodable("an answer that is no `message`", body));
        }
        self.model = message.model;
        self.count(message.usage);
        for (index, block) in (0..).zip(message.content) {
            self.begin(index, block, events);
            self.end(index, events);
        }
        self.stop = message.stop_reason.as_deref().map(stop_reason);
        self.finish(events);
        Ok(())
    }
}

fn push_text(words: String, events: &mut Vec<ModelEvent>) {
    if !words.is_empty() {
        events.push(ModelEvent::TextDelta(words));
    }
}

fn push_thought(words: String, events: &mut Vec<ModelEvent>) {
    if !words.is_empty() {
        events.push(ModelEvent::ReasoningDelta(words));
    }
}

fn merge(block: &mut Value, delta: &Value) {
    let (Some(block), Some(delta)) = (block.as_object_mut(), delta.as_object()) else { return };
    for (name, value) in delta.iter().filter(|(name, _)| *name != "type") {
        match (block.get_mut(name), value) {
            (Some(Value::String(sum)), Value::String(more)) => sum.push_str(more),
            (Some(Value::Array(sum)), Value::Array(more)) => sum.extend(more.iter().cloned()),
            _ => {
                block.insert(name.clone(), value.clone());
            }
        }
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "end_turn" | "stop_sequence" => StopReason::EndTurn,
        "tool_use" => StopReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "refusal" => StopReason::Refusal,
        "pause_turn" => StopReason::Paused,
        other => StopReason::Other(other.to_owned()),
    }
}

/// The API counts what was cached apart from the rest; in our words it is part of what was read.
impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        let read = wire.cache_read_input_tokens.unwrap_or_default();
        let stored = wire.cache_creation_input_tokens.unwrap_or_default();
        let fresh = wire.input_tokens.unwrap_or_default();
        let mut usage = Self::new(
            fresh.saturating_add(read).saturating_add(stored),
            wire.output_tokens.unwrap_or_default(),
        );
        usage.cached_input_tokens = read;
        usage.cache_write_tokens = stored;
        usage.reasoning_tokens = wire
            .output_tokens_details
            .and_then(|details| details.thinking_tokens)
            .unwrap_or_default();
        usage
    }
}
