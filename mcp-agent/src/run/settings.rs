//! The terms of a run.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::ToolChoice;

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
    /// A model may print a call as text instead of making it. When the whole text is such a call
    /// of an offered tool, run it.
    pub run_printed_calls: bool,
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
            run_printed_calls: true,
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: None,
            temperature: None,
            max_tokens: None,
            seed: None,
            extra: Map::new(),
        }
    }
}
