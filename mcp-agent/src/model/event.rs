//! What a model answers, piece by piece and as a whole.

use serde::{Deserialize, Serialize};

use super::{CallId, ModelError, ModelErrorKind, ModelId, Part, Reasoning, ToolCall};

/// One piece of an answer, as it arrives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelEvent {
    /// More words.
    TextDelta(String),
    /// More thoughts, in words.
    ReasoningDelta(String),
    /// A thought is complete; what follows is another one.
    ReasoningSealed {
        /// Proves to the origin that the thought is its own.
        signature: Option<String>,
    },
    /// A tool call begins.
    ToolCallStarted {
        /// Counts the calls of this answer from 0.
        index: usize,
        /// Unique in this answer.
        id: CallId,
        /// As the model wrote it.
        name: String,
    },
    /// More of a call's arguments.
    ToolArgumentsDelta {
        /// Which call.
        index: usize,
        /// The next characters of the JSON text.
        text: String,
    },
    /// A piece that comes whole.
    Part(Part),
    /// The answer is complete; nothing follows.
    Finished {
        /// Why it ended.
        stop: StopReason,
        /// What it cost, where the provider says.
        usage: Option<Usage>,
        /// The model that answered, in the provider's words; it can differ from the one asked.
        model: Option<String>,
    },
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The model was done.
    EndTurn,
    /// It waits for the results of its tool calls.
    ToolCalls,
    /// It reached the longest answer allowed; the end is missing.
    Length,
    /// The provider held the answer, or its rest, back.
    ContentFilter,
    /// The model declined to answer.
    Refusal,
    /// The provider paused a long answer. It goes on when it is asked again with what it has said.
    Paused,
    /// The model wrote a tool call that its provider could not read; nothing of the call came. In
    /// the provider's own words.
    UnreadableCall(String),
    /// In the provider's own words; the answer is not complete.
    Other(String),
}

/// Tokens that were read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// Read, those from the cache included.
    pub input_tokens: u64,
    /// Written, those of the reasoning included.
    pub output_tokens: u64,
    /// Of the read ones, those that the provider had cached.
    pub cached_input_tokens: u64,
    /// Of the read ones, those that the provider cached now, where that has its own price.
    pub cache_write_tokens: u64,
    /// Of the written ones, those that were thoughts.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// What was read and written.
    pub fn new(input_tokens: u64, output_tokens: u64) -> Self {
        Self { input_tokens, output_tokens, ..Self::default() }
    }

    /// Read and written together.
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// How many of a hundred tokens read the provider had cached; `None` when nothing was read.
    pub fn cached_percent(&self) -> Option<u64> {
        self.cached_input_tokens.saturating_mul(100).checked_div(self.input_tokens)
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cached_input_tokens, other.cached_input_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelResponse {
    /// What was said, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub stop: StopReason,
    /// What it cost, where the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The model that answered, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl ModelResponse {
    /// An answer of these parts.
    pub fn new(parts: Vec<Part>, stop: StopReason) -> Self {
        Self { parts, stop, usage: None, model: None }
    }

    /// All words of the answer.
    pub fn text(&self) -> String {
        self.parts.iter().filter_map(Part::as_text).collect()
    }

    /// The tool calls of the answer, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

/// Puts the pieces of an answer together.
#[derive(Clone, Debug)]
pub struct Assembly {
    origin: ModelId,
    parts: Vec<Part>,
    /// Whether the last thought is complete.
    sealed: bool,
    /// Where in `parts` the call of each index is.
    calls: Vec<(usize, usize)>,
    end: Option<(StopReason, Option<Usage>, Option<String>)>,
}

impl Assembly {
    /// Nothing yet, from this model.
    pub fn new(origin: ModelId) -> Self {
        Self { origin, parts: Vec::new(), sealed: false, calls: Vec::new(), end: None }
    }

    /// Whether anything of the answer has arrived.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.end.is_none()
    }

    /// The words so far.
    pub fn text(&self) -> String {
        self.parts.iter().filter_map(Part::as_text).collect()
    }

    /// Adds the next piece.
    pub fn push(&mut self, event: ModelEvent) {
        match event {
            ModelEvent::TextDelta(delta) => match self.parts.last_mut() {
                Some(Part::Text(text)) => text.push_str(&delta),
                _ => self.parts.push(Part::Text(delta)),
            },
            ModelEvent::ReasoningDelta(delta) => match self.parts.last_mut() {
                Some(Part::Reasoning(Reasoning { text: Some(text), .. })) if !self.sealed => {
                    text.push_str(&delta);
                }
                _ => self.begin_thought(delta),
            },
            ModelEvent::ReasoningSealed { signature } => {
                if self.sealed || !matches!(self.parts.last(), Some(Part::Reasoning(_))) {
                    self.begin_thought(String::new());
                }
                if let Some(Part::Reasoning(thought)) = self.parts.last_mut() {
                    thought.signature = signature;
                }
                self.sealed = true;
            }
            ModelEvent::ToolCallStarted { index, id, name } => {
                self.calls.push((index, self.parts.len()));
                self.parts.push(Part::ToolCall(ToolCall { id, name, arguments: String::new() }));
            }
            ModelEvent::ToolArgumentsDelta { index, text } => {
                let place = self.calls.iter().find(|(known, _)| *known == index);
                if let Some(Part::ToolCall(call)) =
                    place.and_then(|(_, place)| self.parts.get_mut(*place))
                {
                    call.arguments.push_str(&text);
                }
            }
            ModelEvent::Part(part) => {
                self.sealed |= matches!(part, Part::Reasoning(_));
                self.parts.push(part);
            }
            ModelEvent::Finished { stop, usage, model } => self.end = Some((stop, usage, model)),
        }
    }

    fn begin_thought(&mut self, words: String) {
        self.sealed = false;
        self.parts.push(Part::Reasoning(Reasoning {
            text: Some(words),
            signature: None,
            encrypted: None,
            origin: self.origin.clone(),
        }));
    }

    /// The whole answer.
    ///
    /// # Errors
    /// [`ModelErrorKind::Interrupted`]: the answer has no end.
    pub fn finish(self) -> Result<ModelResponse, ModelError> {
        let (stop, usage, model) = self
            .end
            .ok_or_else(|| ModelError::new(ModelErrorKind::Interrupted { source: None }))?;
        Ok(ModelResponse { parts: self.parts, stop, usage, model })
    }
}
