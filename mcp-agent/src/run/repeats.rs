//! Notices when a model goes round in circles.
//!
//! The same call may rightly be made twice: a clock, a poll, a look at a page. What gives a circle
//! away is that nothing new comes of it, so a call counts together with its result.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    model::{Part, ToolCall},
    stable_hash::StableHash,
    toolbox::{ToolOutput, arguments},
};

const NOTE: &str = "(This call was made before with the same arguments and gave the same result. \
                    Use the result; do not repeat the call.)";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Repeats {
    /// Each call with its result.
    seen: BTreeSet<u64>,
    turn_has_news: bool,
    idle_turns: u32,
}

impl Repeats {
    /// Counts a call, and tells the model when it was in vain.
    pub(super) fn note(&mut self, call: &ToolCall, output: &mut ToolOutput) {
        if self.seen.insert(fingerprint(call, output)) {
            self.turn_has_news = true;
        } else {
            output.content.push(Part::Text(NOTE.to_owned()));
        }
    }

    /// A turn's calls are all done. Returns how many turns in a row brought nothing new.
    pub(super) fn end_turn(&mut self) -> u32 {
        if std::mem::take(&mut self.turn_has_news) {
            self.idle_turns = 0;
        } else {
            self.idle_turns = self.idle_turns.saturating_add(1);
        }
        self.idle_turns
    }

    /// Counts from none again, but remembers the calls.
    pub(super) fn forgive(&mut self) {
        self.idle_turns = 0;
    }
}

fn fingerprint(call: &ToolCall, output: &ToolOutput) -> u64 {
    // Two spellings of the same arguments are the same call.
    let arguments = arguments::parse(&call.arguments)
        .map_or_else(|_| call.arguments.clone(), |object| Value::Object(object).to_string());
    let mut hash = StableHash::new().field(&call.name).field(&arguments);
    for part in &output.content {
        // Parts always serialize; a failure would only make two results look alike.
        hash = hash.field(&serde_json::to_string(part).unwrap_or_default());
    }
    hash.field(if output.is_error { "error" } else { "" }).finish()
}
