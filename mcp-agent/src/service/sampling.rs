//! What a caller of the chat may set in the words of the model's provider.

use serde_json::{Map, Value};

/// How words are chosen, and how long the model thinks. Everything else is the operator's: rules,
/// conversation, tools, which model answers and who gets to see what is said.
const SAMPLING: [&str; 21] = [
    "frequency_penalty",
    "generationConfig",
    "logit_bias",
    "min_p",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "repeat_last_n",
    "repeat_penalty",
    "repetition_penalty",
    "stop",
    "stop_sequences",
    "thinking",
    "top_a",
    "top_k",
    "top_p",
    "typical_p",
    "verbosity",
];

/// The members of a request that go on to the provider. The others are left out.
pub(super) fn only_sampling(members: &Map<String, Value>) -> Map<String, Value> {
    let (kept, left_out): (Vec<_>, Vec<_>) =
        members.iter().partition(|(name, _)| SAMPLING.contains(&name.as_str()));
    if !left_out.is_empty() {
        let names: Vec<_> = left_out.into_iter().map(|(name, _)| name).collect();
        tracing::debug!(?names, "members of a chat request are left out");
    }
    let said = kept.into_iter().filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| (name.clone(), value.clone())).collect()
}
