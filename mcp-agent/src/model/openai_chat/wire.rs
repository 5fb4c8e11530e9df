//! What servers of this API send, read with patience: whatever may be missing, is optional.

use serde::Deserialize;
use serde_json::Value;

use crate::model::Usage;

/// A chunk of a stream, or a whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) choices: Option<Vec<Choice>>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
    #[serde(default)]
    pub(super) error: Option<Value>,
    /// Groq reports a stream's usage here.
    #[serde(default)]
    pub(super) x_groq: Option<GroqExtra>,
    #[serde(default)]
    pub(super) timings: Option<Timings>,
}

/// What llama.cpp reports of its own work.
#[derive(Debug, Deserialize)]
pub(super) struct Timings {
    /// Tokens of the prompt that were cached.
    #[serde(default)]
    pub(super) cache_n: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GroqExtra {
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: Option<u64>,
    /// In a chunk.
    #[serde(default)]
    pub(super) delta: Option<Said>,
    /// In a whole answer.
    #[serde(default)]
    pub(super) message: Option<Said>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
    #[serde(default)]
    pub(super) error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Said {
    /// A text, `null`, or a list of parts.
    #[serde(default)]
    pub(super) content: Value,
    #[serde(default)]
    pub(super) reasoning_content: Option<String>,
    #[serde(default)]
    pub(super) reasoning: Option<Value>,
    #[serde(default)]
    pub(super) reasoning_details: Option<Vec<Value>>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<CallPiece>>,
    /// The form before there were several calls.
    #[serde(default)]
    pub(super) function_call: Option<FunctionPiece>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct CallPiece {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: Option<FunctionPiece>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct FunctionPiece {
    #[serde(default)]
    pub(super) name: Option<String>,
    /// JSON in a text, as promised, or the JSON itself.
    #[serde(default)]
    pub(super) arguments: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name for the cached ones.
    #[serde(default)]
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        let mut usage = Self::new(
            wire.prompt_tokens.unwrap_or_default(),
            wire.completion_tokens.unwrap_or_default(),
        );
        usage.cached_input_tokens = wire
            .prompt_tokens_details
            .and_then(|details| details.cached_tokens)
            .or(wire.prompt_cache_hit_tokens)
            .unwrap_or_default();
        usage.reasoning_tokens = wire
            .completion_tokens_details
            .and_then(|details| details.reasoning_tokens)
            .unwrap_or_default();
        usage
    }
}
