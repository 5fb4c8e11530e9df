//! Keeping a long conversation within what a model can read.

use serde::{Deserialize, Serialize};

use super::{OutOfTurn, Run, State};
use crate::{
    model::{Message, ModelRequest, ModelResponse, StopReason, ToolChoice, Usage},
    transcript::estimate_tokens,
};

const ASK: &str = "Summarise the conversation so far, for yourself: you will go on with only the \
                   summary and the latest messages. Keep what the user wants and has decided, facts \
                   with their sources, names, numbers and identifiers exactly, what was done and \
                   with what result, and what is still open. Write nothing but the summary.";

const NO_SUMMARY: &str = "(The start of the conversation was too long to keep, and there is no \
                          summary of it.)";

/// When to summarise the start of a conversation.
///
/// What is summarised ends between turns, so no call is parted from its result. The system prompt,
/// the last prompt and the latest turns stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Compaction {
    /// How many tokens the model can read at once, its answer included.
    pub window_tokens: u64,
    /// The part of the window, from 0 to 1, beyond which the start is summarised.
    pub threshold: f32,
    /// How many of the latest turns and prompts stay as they are.
    pub keep: usize,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { window_tokens: 128_000, threshold: 0.8, keep: 6 }
    }
}

impl Compaction {
    /// For a model that reads so many tokens at once.
    pub fn of_window(tokens: u64) -> Self {
        Self { window_tokens: tokens, ..Self::default() }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a threshold need not be exact"
    )]
    fn limit(&self) -> u64 {
        (self.window_tokens as f64 * f64::from(self.threshold)) as u64
    }
}

/// How large the conversation was, as its provider counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    tokens: u64,
    /// How many entries that were.
    entries: usize,
}

impl Run {
    pub(super) fn note_size(&mut self, usage: Option<Usage>) {
        self.seen = usage.filter(|usage| usage.input_tokens > 0).map(|usage| Seen {
            tokens: usage.total_tokens(),
            entries: self.transcript.entries().len(),
        });
    }

    /// The size of the conversation in tokens: as its provider counted, and an estimate of what was
    /// added since.
    pub fn context_tokens(&self) -> u64 {
        let entries = self.transcript.entries();
        match self.seen {
            // The results of the last turn's calls came after it was counted.
            Some(Seen { tokens, entries: counted }) if counted <= entries.len() => {
                let results = counted
                    .checked_sub(1)
                    .and_then(|last| entries.get(last))
                    .map_or(0, crate::transcript::estimate_result_tokens);
                tokens + results + estimate_tokens(&entries[counted..])
            }
            _ => {
                let tools: usize = self
                    .tools
                    .iter()
                    .map(|tool| tool.description.len() + tool.parameters.as_str().len())
                    .sum();
                estimate_tokens(entries) + tools as u64 / 4
            }
        }
    }

    /// What to ask the model before it goes on, when the conversation has become too long.
    pub(super) fn compaction_request(&self) -> Option<ModelRequest> {
        let settings = self.settings.compaction?;
        if self.context_tokens() < settings.limit() {
            return None;
        }
        let old = self.transcript.compactable(settings.keep)?;
        // As all requests begin, so that the provider finds it in its cache.
        let mut messages = self.transcript.messages_until(old.end);
        messages.push(Message::user(ASK));
        let mut request = self.request_of(messages);
        request.tool_choice = ToolChoice::None;
        // A summary is words, whatever shape the answer must have. A tool that gives the answer
        // stays among the others, as in all requests: it cannot be called here.
        if let Some(expected) = self.settings.output.as_ref().filter(|_| self.answers_by_tool()) {
            expected.ask(&mut request);
        }
        Some(request)
    }

    pub(super) fn feed_summary(&mut self, response: &ModelResponse) -> Result<(), OutOfTurn> {
        let range = self
            .settings
            .compaction
            .filter(|_| self.state == State::Model)
            .and_then(|settings| self.transcript.compactable(settings.keep))
            .ok_or(OutOfTurn::Summary)?;
        if let Some(usage) = response.usage {
            self.usage += usage;
            self.spent.usage += usage;
        }
        let text = match response.stop {
            StopReason::EndTurn | StopReason::ToolCalls => response.text(),
            // Half a summary, or a refusal, would pass for all that there was.
            _ => String::new(),
        };
        let text = if text.trim().is_empty() { NO_SUMMARY } else { text.trim() };
        self.transcript.compact(range, text);
        self.seen = None;
        Ok(())
    }
}
