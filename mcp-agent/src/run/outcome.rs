//! How a run ends.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Cost, InputRequest};
use crate::{
    policy::ApprovalRequest,
    transcript::{Entry, Transcript, Turn},
};

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
    /// The run waits for a person. Feed it the answer and drive it again, in this process or in
    /// another.
    Paused {
        /// For what.
        pause: Pause,
    },
    /// The model handed the conversation over to another agent.
    HandedOver {
        /// The agent's name.
        agent: String,
        /// What it shall do, in the model's words.
        task: String,
    },
}

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pause {
    /// A word about each of these calls: [`Run::decide`](super::Run::decide).
    Approval(Vec<ApprovalRequest>),
    /// An answer to each of these tools: [`Run::answer`](super::Run::answer).
    Input(Vec<InputRequest>),
}

impl Outcome {
    /// The answer, or the last words before the stop; empty when there were none.
    pub fn text(&self) -> &str {
        match self {
            Self::Final { text } => text,
            Self::Stopped { partial, .. } => partial.as_deref().unwrap_or_default(),
            Self::Paused { .. } | Self::HandedOver { .. } => "",
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
    /// The provider ended the answer before it was complete.
    Unfinished {
        /// Why, in the provider's words, such as `MALFORMED_FUNCTION_CALL`.
        reason: String,
    },
    /// The model said nothing.
    EmptyAnswer,
    /// The answer does not have the shape that was asked for, however often it was asked.
    InvalidOutput {
        /// What is wrong with the last one.
        problem: String,
    },
    /// All answers together read and wrote more tokens than allowed.
    TokenLimit {
        /// The limit.
        max_tokens: u64,
    },
    /// The answers cost more than allowed.
    CostLimit {
        /// The limit.
        max_cost: Cost,
    },
    /// It took longer than allowed.
    TimeLimit {
        /// The limit.
        max_time: Duration,
    },
    /// The model called again and again what it may not call any more.
    CallLimit {
        /// Whose limit, such as `` `mcp__db__query` ``.
        what: String,
        /// The limit.
        max_calls: u32,
    },
    /// Somebody ended the run.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// The program that drives the run ended it.
    Halted {
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
            Self::Unfinished { .. } | Self::EmptyAnswer => "ask again, or ask another model",
            Self::InvalidOutput { .. } => "ask for a simpler shape, or ask another model",
            Self::TokenLimit { .. } => "allow more tokens, or ask for less",
            Self::CostLimit { .. } => "allow a higher cost, or ask a cheaper model",
            Self::TimeLimit { .. } => "allow more time, or ask for less",
            Self::CallLimit { .. } => "allow more calls of it",
            Self::Cancelled { .. } | Self::Halted { .. } => "ask again",
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
            Self::Unfinished { reason } => {
                write!(f, "the provider ended the answer before it was complete: {reason}")
            }
            Self::EmptyAnswer => f.write_str("the model said nothing"),
            Self::InvalidOutput { problem } => {
                write!(f, "the answer does not have the shape asked for: {problem}")
            }
            Self::TokenLimit { max_tokens } => {
                write!(f, "more than the {max_tokens} tokens allowed were used")
            }
            Self::CostLimit { max_cost } => write!(f, "more than the {max_cost} allowed was spent"),
            Self::TimeLimit { max_time } => {
                write!(f, "it took longer than the {max_time:?} allowed")
            }
            Self::CallLimit { what, max_calls } => {
                write!(f, "the model kept calling after the {max_calls} calls of {what} allowed")
            }
            Self::Cancelled { reason } => write!(f, "the run was cancelled: {reason}"),
            Self::Halted { reason } => write!(f, "the run was ended: {reason}"),
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
