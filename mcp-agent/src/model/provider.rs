//! Providers by name, and models named in one string, such as `anthropic:claude-sonnet-4-5`.

use std::sync::Arc;

use mcp_client::Secret;
use mcp_transport::http::HttpClient;

use super::{
    ChatModel, ModelError, anthropic::Anthropic, gemini::Gemini, openai_chat::OpenAiChat,
    openai_responses::OpenAiResponses,
};

/// The API that a provider is asked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Api {
    /// Chat Completions, as OpenAI and most others speak it.
    ChatCompletions,
    /// Responses, of OpenAI.
    Responses,
    /// Messages, of Anthropic.
    Messages,
    /// generateContent, of Gemini.
    GenerateContent,
}

/// A provider whose key in the environment is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provider {
    /// The word before the colon, such as `anthropic`.
    pub prefix: &'static str,
    /// For people.
    pub name: &'static str,
    /// The variables that hold its key; the first that is set counts.
    pub keys: &'static [&'static str],
    /// The variable that holds another address, where there is a customary one.
    pub base_url_variable: Option<&'static str>,
    /// Its own address.
    pub base_url: &'static str,
    /// The model that is asked when none is named.
    pub model: &'static str,
    /// How it is asked.
    pub api: Api,
}

const fn provider(
    (prefix, name): (&'static str, &'static str),
    keys: &'static [&'static str],
    base_url: &'static str,
    model: &'static str,
) -> Provider {
    let api = Api::ChatCompletions;
    Provider { prefix, name, keys, base_url_variable: None, base_url, model, api }
}

/// The providers that are known by name. Those whose key is found are tried in this order.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        base_url_variable: Some("OPENAI_BASE_URL"),
        ..provider(
            ("openai", "OpenAI"),
            &["OPENAI_API_KEY"],
            "https://api.openai.com/v1",
            "gpt-5-mini",
        )
    },
    Provider {
        base_url_variable: Some("ANTHROPIC_BASE_URL"),
        api: Api::Messages,
        ..provider(
            ("anthropic", "Anthropic"),
            &["ANTHROPIC_API_KEY"],
            super::anthropic::BASE_URL,
            "claude-sonnet-4-5",
        )
    },
    Provider {
        base_url_variable: Some("GOOGLE_GEMINI_BASE_URL"),
        api: Api::GenerateContent,
        ..provider(
            ("gemini", "Gemini"),
            &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            super::gemini::BASE_URL,
            "gemini-2.5-flash",
        )
    },
    provider(
        ("openrouter", "OpenRouter"),
        &["OPENROUTER_API_KEY"],
        "https://openrouter.ai/api/v1",
        "openrouter/auto",
    ),
    provider(
        ("groq", "Groq"),
        &["GROQ_API_KEY"],
        "https://api.groq.com/openai/v1",
        "openai/gpt-oss-120b",
    ),
    provider(
        ("deepseek", "DeepSeek"),
        &["DEEPSEEK_API_KEY"],
        "https://api.deepseek.com/v1",
        "deepseek-chat",
    ),
    provider(
        ("mistral", "Mistral"),
        &["MISTRAL_API_KEY"],
        "https://api.mistral.ai/v1",
        "mistral-medium-latest",
    ),
    provider(("xai", "xAI"), &["XAI_API_KEY"], "https://api.x.ai/v1", "grok-4"),
    provider(
        ("moonshot", "Moonshot"),
        &["MOONSHOT_API_KEY"],
        "https://api.moonshot.ai/v1",
        "kimi-latest",
    ),
];

/// A model named in one string.
///
/// ```
/// use mcp_agent::model::provider::ModelChoice;
///
/// let choice = ModelChoice::parse("anthropic:claude-sonnet-4-5").unwrap();
/// assert_eq!((choice.provider.name, choice.model), ("Anthropic", "claude-sonnet-4-5"));
/// // A colon alone means nothing: models of Ollama have one.
/// assert!(ModelChoice::parse("qwen3:8b").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelChoice<'a> {
    /// Who is asked.
    pub provider: Provider,
    /// For what; the provider's usual model where the string ends with the colon.
    pub model: &'a str,
}

impl<'a> ModelChoice<'a> {
    /// Reads `PROVIDER:MODEL`, where the provider is the prefix of one of [`PROVIDERS`], or
    /// `responses` for the other API of OpenAI.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (prefix, model) = text.split_once(':')?;
        let (prefix, other_api) = match prefix {
            "responses" => ("openai", Some(Api::Responses)),
            "google" => ("gemini", None),
            prefix => (prefix, None),
        };
        let mut provider = *PROVIDERS.iter().find(|provider| provider.prefix == prefix)?;
        provider.api = other_api.unwrap_or(provider.api);
        let model = if model.is_empty() { provider.model } else { model };
        Some(Self { provider, model })
    }

    /// The model, ready to be asked, at the provider's own address unless there is another.
    ///
    /// # Errors
    /// The address or the key cannot be used.
    pub fn open(
        &self,
        base_url: Option<&str>,
        key: Option<Secret>,
        http: &Arc<HttpClient>,
    ) -> Result<Box<dyn ChatModel>, ModelError> {
        let base = base_url.unwrap_or(self.provider.base_url);
        // The models differ in type, and have nothing but these calls in common.
        macro_rules! with {
            ($model:expr) => {{
                let model = $model?.http(Arc::clone(http));
                match key {
                    Some(key) => Box::new(model.key(key)?) as Box<dyn ChatModel>,
                    None => Box::new(model),
                }
            }};
        }
        Ok(match self.provider.api {
            Api::ChatCompletions => with!(OpenAiChat::new(base, self.model)),
            Api::Responses => with!(OpenAiResponses::at(base, self.model)),
            Api::Messages => with!(Anthropic::at(base, self.model)),
            Api::GenerateContent => with!(Gemini::at(base, self.model)),
        })
    }
}
