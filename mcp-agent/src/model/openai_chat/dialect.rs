//! What servers of this API do differently from one another.

/// How one server reads the Chat Completions API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// What the limit on the answer's length is called.
    pub token_limit: TokenLimit,
    /// Whether a stream may be asked to report its usage (`stream_options.include_usage`).
    pub stream_usage: bool,
    /// What becomes of a choice of tools.
    pub tool_choice: ToolChoiceSupport,
    /// What of a model's thoughts it takes back.
    pub reasoning: ReasoningReplay,
    /// Whether it can hold the last answer to a schema while tools are offered. Many local servers
    /// force the schema on the first answer, which then cannot call a tool.
    pub output_with_tools: bool,
    /// Whether the shape of an answer and the parameters of tools may be marked as strict: those
    /// that have such a form are.
    pub strict: bool,
}

/// What the limit on the answer's length is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenLimit {
    /// `max_tokens`, the first name.
    MaxTokens,
    /// `max_completion_tokens`, the name that OpenAI's reasoning models insist on.
    MaxCompletionTokens,
}

/// Whether a server does what `tool_choice` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolChoiceSupport {
    /// All forms.
    Full,
    /// Only `auto` and `required`. llama.cpp reads a named tool as `auto` without a word, and with
    /// `none` still shows the tools to the model; then the one tool, or no tool, is offered.
    AutoAndRequired,
}

/// What of a model's thoughts goes back to it, within the turn in which it calls tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReasoningReplay {
    /// Nothing; some servers refuse a request that has unknown members.
    Nothing,
    /// The words, as `reasoning_content`.
    Content,
    /// The blocks, as `reasoning_details`.
    Details,
}

impl Dialect {
    /// What is known of a host; for an unknown one, what every server understands.
    pub fn of_host(host: &str) -> Self {
        let base = Self {
            token_limit: TokenLimit::MaxTokens,
            stream_usage: true,
            tool_choice: ToolChoiceSupport::AutoAndRequired,
            reasoning: ReasoningReplay::Nothing,
            output_with_tools: false,
            strict: false,
        };
        let full = Self { tool_choice: ToolChoiceSupport::Full, ..base };
        match host {
            "api.openai.com" => Self {
                token_limit: TokenLimit::MaxCompletionTokens,
                output_with_tools: true,
                strict: true,
                ..full
            },
            "openrouter.ai" => Self { reasoning: ReasoningReplay::Details, ..full },
            "api.deepseek.com" | "api.moonshot.ai" | "api.moonshot.cn" | "api.z.ai" => {
                Self { reasoning: ReasoningReplay::Content, ..full }
            }
            // Refuses requests with members that it does not know; reports usage unasked.
            "api.mistral.ai" => Self { stream_usage: false, ..full },
            "api.groq.com" | "api.together.xyz" | "api.fireworks.ai" | "api.x.ai"
            | "api.cerebras.ai" => full,
            "localhost" | "127.0.0.1" | "[::1]" | "::1" => {
                Self { reasoning: ReasoningReplay::Content, ..base }
            }
            _ => base,
        }
    }
}
