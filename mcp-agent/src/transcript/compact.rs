//! Making a conversation shorter without breaking it.

use std::ops::Range;

use super::{CallState, Entry, Transcript, Turn, TurnPart};
use crate::model::Part;

/// What a picture, a sound or a file counts as, in tokens.
const MEDIA_TOKENS: u64 = 1000;
/// Four characters make a token, roughly, in English and in JSON.
const CHARACTERS_PER_TOKEN: u64 = 4;

impl Transcript {
    /// The entries that a summary can stand for: all between the first rules for the model and the
    /// latest `keep`. `None` when that is too little to be worth it.
    pub(crate) fn compactable(&self, keep: usize) -> Option<Range<usize>> {
        let start = self.entries.iter().take_while(|e| matches!(e, Entry::System(_))).count();
        let end = self.entries.len().checked_sub(keep.max(1))?;
        let old = self.entries.get(start..end)?;
        let turns = old.iter().filter(|entry| matches!(entry, Entry::Assistant(_))).count();
        (turns > 0).then_some(start..end)
    }

    /// Puts a summary in the place of these entries. The last prompt stays, in its own words.
    pub(crate) fn compact(&mut self, range: Range<usize>, summary: &str) {
        let asked_later = self.entries[range.end..].iter().any(|e| matches!(e, Entry::User(_)));
        let prompt = self.entries[range.clone()]
            .iter()
            .rfind(|entry| !asked_later && matches!(entry, Entry::User(_)))
            .cloned();
        let replaced = std::iter::once(Entry::Summary(summary.to_owned())).chain(prompt);
        self.entries.splice(range, replaced.collect::<Vec<_>>());
    }

    /// Removes the last prompt and all that came after it. Returns whether there was one.
    pub(crate) fn take_back_prompt(&mut self) -> bool {
        let last = self.entries.iter().rposition(|entry| matches!(entry, Entry::User(_)));
        if let Some(place) = last {
            self.entries.truncate(place);
        }
        last.is_some()
    }
}

/// About how many tokens these entries are.
pub(crate) fn estimate_tokens(entries: &[Entry]) -> u64 {
    entries
        .iter()
        .map(|entry| match entry {
            Entry::System(parts) | Entry::User(parts) => size(parts),
            Entry::Summary(text) => length(text),
            Entry::Assistant(turn) => said(turn) + estimate_result_tokens(entry),
        })
        .sum()
}

/// About how many tokens the results of an entry's calls are.
pub(crate) fn estimate_result_tokens(entry: &Entry) -> u64 {
    let Entry::Assistant(turn) = entry else { return 0 };
    turn.calls()
        .map(|record| match &record.state {
            CallState::Done(output) => size(&output.content),
            CallState::Pending => 0,
            CallState::Cancelled { reason } => length(reason),
        })
        .sum()
}

fn said(turn: &Turn) -> u64 {
    turn.parts()
        .iter()
        .map(|part| match part {
            TurnPart::Said(part) => size(std::slice::from_ref(part)),
            TurnPart::Called(record) => length(&record.call.name) + length(&record.call.arguments),
        })
        .sum()
}

fn size(parts: &[Part]) -> u64 {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => length(text),
            Part::Json(value) => length(&value.to_string()),
            Part::Reasoning(reasoning) => {
                let texts = [&reasoning.text, &reasoning.encrypted];
                texts.into_iter().flatten().map(|text| length(text)).sum()
            }
            Part::Opaque(opaque) => length(&opaque.value.to_string()),
            Part::ToolCall(call) => length(&call.name) + length(&call.arguments),
            Part::ToolResult(result) => size(&result.content),
            Part::Image(_) | Part::Audio(_) | Part::Document(_) => MEDIA_TOKENS,
        })
        .sum()
}

/// Rounded up, so that many small pieces are not nothing.
fn length(text: &str) -> u64 {
    (text.len() as u64).div_ceil(CHARACTERS_PER_TOKEN)
}
