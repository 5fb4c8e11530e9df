//! The history of a conversation, in a form that cannot hold a tool call without its result.
//!
//! Providers refuse a conversation in which a call has no result, and an interrupt leaves exactly
//! that. Here a call carries its own state, so it always has an answer: the result, or the word
//! that there is none.

mod compact;
mod import;

pub(crate) use self::compact::{estimate_result_tokens, estimate_tokens};
use serde::{Deserialize, Serialize};

use crate::{
    model::{
        CallId, Message, ModelResponse, Part, Parts, StopReason, ToolCall, ToolDefinition,
        ToolResult,
    },
    toolbox::ToolOutput,
};

/// The history of a conversation.
///
/// Reading one from JSON repairs it: what an older writer or an editor broke is put right, and a
/// call that was left pending before later turns is cancelled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct Transcript {
    entries: Vec<Entry>,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Entry {
    /// Rules for the model.
    System(Vec<Part>),
    /// What a person said.
    User(Vec<Part>),
    /// What the model wrote in place of the start of a long conversation.
    Summary(String),
    /// What the model said, and what became of its calls.
    Assistant(Turn),
}

/// What the model said in one turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    parts: Vec<TurnPart>,
    stop: StopReason,
}

/// A piece of what the model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TurnPart {
    /// Anything but a call.
    Said(Part),
    /// A call, and what became of it.
    Called(CallRecord),
}

/// A call, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallRecord {
    /// As the model wrote it.
    pub call: ToolCall,
    /// What became of it.
    pub state: CallState,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallState {
    /// No result yet. Only in the last turn.
    Pending,
    /// It has a result.
    Done(ToolOutput),
    /// It will have none.
    Cancelled {
        /// Why, as the model is told.
        reason: String,
    },
}

const SUMMARY: &str = "This is what was said before, as you summarised it:";
const ABANDONED: &str = "the conversation went on before the tool returned";

impl Transcript {
    /// Nothing said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All turns, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether nothing was said yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds rules for the model.
    pub fn push_system(&mut self, parts: impl Into<Parts>) {
        self.cancel_pending(ABANDONED);
        self.entries.push(Entry::System(parts.into().0));
    }

    /// Adds what a person says. Pending calls are cancelled.
    pub fn push_user(&mut self, parts: impl Into<Parts>) {
        self.cancel_pending(ABANDONED);
        self.entries.push(Entry::User(parts.into().0));
    }

    /// Adds what the model said; its calls are pending now. Ids that occur twice are told apart.
    pub fn push_response(&mut self, response: ModelResponse) {
        self.cancel_pending(ABANDONED);
        self.entries.push(Entry::Assistant(Turn::new(response.parts, response.stop)));
    }

    /// Goes on with turns of another conversation.
    #[cfg(feature = "service")]
    pub(crate) fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.cancel_pending(ABANDONED);
        self.entries.extend(entries);
    }

    /// Gives the pending calls other names.
    #[cfg(feature = "service")]
    pub(crate) fn rename_pending(&mut self, mut name: impl FnMut(&CallId) -> CallId) {
        let Some(Entry::Assistant(turn)) = self.entries.last_mut() else { return };
        for part in &mut turn.parts {
            if let TurnPart::Called(CallRecord { call, state: CallState::Pending }) = part {
                call.id = name(&call.id);
            }
        }
    }

    /// The same conversation without the rules for the model.
    pub(crate) fn without_rules(&self) -> Self {
        let said = self.entries.iter().filter(|entry| !matches!(entry, Entry::System(_)));
        Self { entries: said.cloned().collect() }
    }

    /// Says these rules before everything else.
    pub(crate) fn put_rules_first(&mut self, rules: &str) {
        self.entries.insert(0, Entry::System(vec![Part::Text(rules.to_owned())]));
    }

    /// The model's last turn, if nothing was said since.
    pub fn last_turn(&self) -> Option<&Turn> {
        match self.entries.last() {
            Some(Entry::Assistant(turn)) => Some(turn),
            _ => None,
        }
    }

    /// Tools that results have revealed, oldest first.
    pub(crate) fn revealed(&self) -> impl Iterator<Item = &ToolDefinition> {
        let turns = self.entries.iter().filter_map(|entry| match entry {
            Entry::Assistant(turn) => Some(turn),
            _ => None,
        });
        turns.flat_map(Turn::calls).flat_map(|record| match &record.state {
            CallState::Done(output) => output.reveals.as_slice(),
            _ => &[],
        })
    }

    /// The calls that wait for their result, in the model's order.
    pub fn pending(&self) -> impl Iterator<Item = &ToolCall> {
        self.last_turn()
            .into_iter()
            .flat_map(Turn::calls)
            .filter(|record| record.state == CallState::Pending)
            .map(|record| &record.call)
    }

    /// Records the result of a pending call. Gives the output back when no such call is pending.
    ///
    /// # Errors
    /// No call of this id is pending.
    pub fn complete(&mut self, id: &CallId, output: ToolOutput) -> Result<(), ToolOutput> {
        match self.pending_record(id) {
            Some(record) => {
                record.state = CallState::Done(output);
                Ok(())
            }
            None => Err(output),
        }
    }

    /// Gives up a pending call. Returns whether there was one.
    pub fn cancel(&mut self, id: &CallId, reason: &str) -> bool {
        let record = self.pending_record(id);
        let found = record.is_some();
        if let Some(record) = record {
            record.state = CallState::Cancelled { reason: reason.to_owned() };
        }
        found
    }

    /// Gives up all pending calls.
    pub fn cancel_pending(&mut self, reason: &str) {
        if let Some(Entry::Assistant(turn)) = self.entries.last_mut() {
            turn.cancel_pending(reason);
        }
    }

    /// The conversation as a model is shown it. Every call is followed by its result; a call
    /// without one by an error that says why.
    pub fn messages(&self) -> Vec<Message> {
        self.messages_until(self.entries.len())
    }

    /// As [`messages`](Self::messages), of the entries before this one.
    pub(crate) fn messages_until(&self, end: usize) -> Vec<Message> {
        let mut messages = Vec::with_capacity(end + end / 2);
        for entry in self.entries.iter().take(end) {
            match entry {
                Entry::Summary(text) => {
                    messages.push(Message::user(format!("{SUMMARY}\n\n{text}")));
                }
                Entry::System(parts) => {
                    messages
                        .push(Message { role: crate::model::Role::System, parts: parts.clone() });
                }
                Entry::User(parts) => messages.push(Message::user(parts.clone())),
                Entry::Assistant(turn) => {
                    messages.push(Message::assistant(turn.said()));
                    let results: Vec<_> = turn.calls().map(CallRecord::result).collect();
                    if !results.is_empty() {
                        messages.push(Message::tool(results));
                    }
                }
            }
        }
        messages
    }

    fn pending_record(&mut self, id: &CallId) -> Option<&mut CallRecord> {
        let Some(Entry::Assistant(turn)) = self.entries.last_mut() else { return None };
        turn.parts.iter_mut().find_map(|part| match part {
            TurnPart::Called(record)
                if record.call.id == *id && record.state == CallState::Pending =>
            {
                Some(record)
            }
            _ => None,
        })
    }
}

impl Turn {
    fn new(parts: Vec<Part>, stop: StopReason) -> Self {
        let parts = parts.into_iter().filter_map(TurnPart::new).collect();
        let mut turn = Self { parts, stop };
        turn.tell_ids_apart();
        turn
    }

    /// Everything in the model's order.
    pub fn parts(&self) -> &[TurnPart] {
        &self.parts
    }

    /// Why the model stopped.
    pub fn stop(&self) -> &StopReason {
        &self.stop
    }

    /// The calls, in the model's order.
    pub fn calls(&self) -> impl Iterator<Item = &CallRecord> {
        self.parts.iter().filter_map(|part| match part {
            TurnPart::Called(record) => Some(record),
            TurnPart::Said(_) => None,
        })
    }

    /// The call of this id.
    pub fn call(&self, id: &CallId) -> Option<&CallRecord> {
        self.calls().find(|record| record.call.id == *id)
    }

    /// The words.
    pub fn text(&self) -> String {
        self.parts
            .iter()
            .filter_map(|part| match part {
                TurnPart::Said(part) => part.as_text(),
                TurnPart::Called(_) => None,
            })
            .collect()
    }

    fn said(&self) -> Vec<Part> {
        self.parts
            .iter()
            .map(|part| match part {
                TurnPart::Said(part) => part.clone(),
                TurnPart::Called(record) => Part::ToolCall(record.call.clone()),
            })
            .collect()
    }

    fn cancel_pending(&mut self, reason: &str) {
        for part in &mut self.parts {
            if let TurnPart::Called(CallRecord { state, .. }) = part
                && *state == CallState::Pending
            {
                *state = CallState::Cancelled { reason: reason.to_owned() };
            }
        }
    }

    fn tell_ids_apart(&mut self) {
        let mut seen = std::collections::HashSet::new();
        let mut number = 0;
        for part in &mut self.parts {
            let TurnPart::Called(CallRecord { call: ToolCall { id, .. }, .. }) = part else {
                continue;
            };
            let given = id.clone();
            while id.as_str().is_empty() || !seen.insert(id.clone()) {
                number += 1;
                let stem = if given.as_str().is_empty() { "call" } else { given.as_str() };
                *id = CallId(format!("{stem}_{number}"));
            }
        }
    }
}

impl TurnPart {
    /// `None` for a result, which a model cannot say.
    fn new(part: Part) -> Option<Self> {
        match part {
            Part::ToolCall(call) => {
                Some(Self::Called(CallRecord { call, state: CallState::Pending }))
            }
            Part::ToolResult(_) => None,
            part => Some(Self::Said(part)),
        }
    }
}

impl CallRecord {
    /// The result as the model is told.
    fn result(&self) -> ToolResult {
        let (content, is_error) = match &self.state {
            CallState::Done(output) => (output.content.clone(), output.is_error),
            CallState::Pending => (vec![Part::Text("Cancelled: no result yet".to_owned())], true),
            CallState::Cancelled { reason } => {
                (vec![Part::Text(format!("Cancelled: {reason}"))], true)
            }
        };
        ToolResult {
            call_id: self.call.id.clone(),
            name: self.call.name.clone(),
            content,
            is_error,
        }
    }
}

impl From<Transcript> for Vec<Entry> {
    fn from(transcript: Transcript) -> Self {
        transcript.entries
    }
}

/// Repairs what another writer may have broken.
impl From<Vec<Entry>> for Transcript {
    fn from(mut entries: Vec<Entry>) -> Self {
        let last = entries.len().saturating_sub(1);
        for (position, entry) in entries.iter_mut().enumerate() {
            let Entry::Assistant(turn) = entry else { continue };
            let parts = std::mem::take(&mut turn.parts);
            turn.parts = parts
                .into_iter()
                .filter_map(|part| match part {
                    TurnPart::Said(part) => TurnPart::new(part),
                    called @ TurnPart::Called(_) => Some(called),
                })
                .collect();
            turn.tell_ids_apart();
            if position != last {
                turn.cancel_pending(ABANDONED);
            }
        }
        Self { entries }
    }
}

#[cfg(test)]
mod tests;
