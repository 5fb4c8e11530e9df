//! How a run ends.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::transcript::{Entry, Transcript, Turn};

/// How a run ended. A limit is an outcome, not an error: what there is, is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The model answered.
    Final {
        /// The answer.
        text: String,
    },
    /// The run stopped before an answer.
    Stopped {
        /// Why.
        why: Stop,
        /// The last words of the model to this prompt, if there were any.
        partial: Option<String>,
    },
}

impl Outcome {
    /// The answer, or the last words before the stop; empty when there were none.
    pub fn text(&self) -> &str {
        match self {
            Self::Final { text } => text,
            Self::Stopped { partial, .. } => partial.as_deref().unwrap_or_default(),
        }
    }

    /// Whether the model answered.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Final { .. })
    }
}

/// Why a run stopped before an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stop {
    /// The model answered as often as it may, and called tools again. They ran, but it was not
    /// shown their results.
    StepLimit {
        /// The limit.
        max_steps: u32,
    },
    /// The model made the same calls, with the same results, again and again.
    Repeating {
        /// The first of them.
        tool: String,
        /// How many turns in a row brought nothing new.
        turns: u32,
    },
    /// The answer is longer than allowed; its end is missing.
    OutputLimit,
    /// The provider held the answer back.
    ContentFilter,
    /// The model declined to answer.
    Refusal,
    /// The model said nothing.
    EmptyAnswer,
    /// Somebody ended the run.
    Cancelled {
        /// Why.
        reason: String,
    },
}

impl Stop {
    /// What a person can do to get further.
    pub fn how_to_go_on(&self) -> &'static str {
        match self {
            Self::StepLimit { .. } => "allow more steps",
            Self::Repeating { .. } => "say what is missing, or ask for one thing at a time",
            Self::OutputLimit => "allow a longer answer, or ask for a shorter one",
            Self::ContentFilter | Self::Refusal => "ask in other words, or ask another model",
            Self::EmptyAnswer => "ask again, or ask another model",
            Self::Cancelled { .. } => "ask again",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StepLimit { max_steps: 1 } => {
                f.write_str("the model still wanted tools after the one step allowed")
            }
            Self::StepLimit { max_steps } => {
                write!(f, "the model still wanted tools after {max_steps} steps")
            }
            Self::Repeating { tool, turns } => {
                write!(f, "the model repeated calls such as `{tool}` for {turns} turns")
            }
            Self::OutputLimit => f.write_str("the answer was cut off at the limit of its length"),
            Self::ContentFilter => f.write_str("the provider held the answer back"),
            Self::Refusal => f.write_str("the model declined to answer"),
            Self::EmptyAnswer => f.write_str("the model said nothing"),
            Self::Cancelled { reason } => write!(f, "the run was cancelled: {reason}"),
        }
    }
}

/// Stops with the last words of the model since the person spoke.
pub(super) fn stopped(why: Stop, transcript: &Transcript) -> Outcome {
    let turns = transcript.entries().iter().rev().map_while(|entry| match entry {
        Entry::Assistant(turn) => Some(turn),
        _ => None,
    });
    let partial = turns.map(Turn::text).find(|text| !text.trim().is_empty());
    Outcome::Stopped { why, partial }
}
