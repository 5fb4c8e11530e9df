//! The terms of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Budget, Compaction, ExpectedOutput};
use crate::{model::ToolChoice, policy::Policy};

/// The terms of a run: what each request to the model says, and when to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RunSettings {
    /// How many times the model may answer one prompt, at least once. The tools that it calls with
    /// its last answer still run.
    pub max_steps: u32,
    /// How many calls of one turn are run; further ones get an error result.
    pub max_calls_per_turn: usize,
    /// After so many turns in a row that brought nothing new (same tools, same arguments, same
    /// results as before), the run stops.
    pub max_idle_turns: u32,
    /// What may be spent on one prompt.
    pub budget: Budget,
    /// Which calls run.
    pub policy: Policy,
    /// When to summarise the start of a long conversation; never without it.
    pub compaction: Option<Compaction>,
    /// Tells the model before its last step that it is the last.
    pub announce_last_step: bool,
    /// What becomes of calls that may or may not have happened when the program ended.
    pub in_doubt: InDoubt,
    /// Tools whose call hands the conversation over, with the agent that goes on.
    pub handovers: BTreeMap<String, String>,
    /// A model may print a call as text instead of making it. When the whole text is such a call
    /// of an offered tool, run it.
    pub run_printed_calls: bool,
    /// The shape that the answer must have.
    pub output: Option<ExpectedOutput>,
    /// For the first request; a choice that forces a call is `Auto` afterwards.
    pub tool_choice: ToolChoice,
    /// Whether the model may call several tools in one turn; `None` leaves it to the provider.
    pub parallel_tool_calls: Option<bool>,
    /// Randomness, 0 for none; `None` leaves it to the provider.
    pub temperature: Option<f32>,
    /// The longest single answer, in tokens; `None` leaves it to the model's client.
    pub max_tokens: Option<u32>,
    /// Repeats the same random choices, where the provider can.
    pub seed: Option<u64>,
    /// Further members of each request in the provider's own words.
    pub extra: Map<String, Value>,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            max_steps: 20,
            max_calls_per_turn: 64,
            max_idle_turns: 3,
            budget: Budget::default(),
            policy: Policy::default(),
            compaction: None,
            announce_last_step: true,
            in_doubt: InDoubt::default(),
            handovers: BTreeMap::new(),
            run_printed_calls: true,
            output: None,
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: None,
            temperature: None,
            max_tokens: None,
            seed: None,
            extra: Map::new(),
        }
    }
}

/// What becomes of calls that may or may not have happened when the program ended, and that are
/// not known to be safe to repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InDoubt {
    /// The model is told that nobody knows, and can find out.
    #[default]
    Tell,
    /// They are made again, with the same idempotency key. For servers that know such keys.
    Repeat,
}
