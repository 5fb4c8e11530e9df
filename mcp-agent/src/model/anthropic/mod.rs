//! The Messages API of Anthropic.
//!
//! What the API has no place for becomes a note that the model reads: sounds, pictures in other
//! formats than its four, files that are neither PDF nor text. Rules that come after the first
//! turn are said by the user, marked as rules. Thoughts go back to the model they are from, signed
//! and in place; unsigned ones, and those of others, stay behind.

mod decode;
mod encode;
mod messages;
mod strict;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use mcp_client::Secret;
use url::Url;

pub use self::{
    decode::Decoder,
    encode::{Encoding, encode},
};
use super::{
    ModelError, ModelId, ModelRequest, OutputSchema,
    address::{base, below},
    codec::{Codec, Terms, secret_value},
    hosted::HostedModel,
    schema::{self, SchemaDialect},
};

/// The address of Anthropic's own service.
pub const BASE_URL: &str = "https://api.anthropic.com/v1";

/// The revision of the API that this codec speaks.
const VERSION: &str = "2023-06-01";

/// A model behind the Messages API.
///
/// ```no_run
/// # async fn example() -> Result<(), mcp_agent::model::ModelError> {
/// use mcp_agent::model::{ChatModel, Message, ModelRequest, anthropic::Anthropic};
///
/// let model = Anthropic::new("claude-sonnet-4-5")?.key(std::env::var("ANTHROPIC_API_KEY").unwrap_or_default())?;
/// let answer = model.respond(&ModelRequest::new(vec![Message::user("Hello")])).await?;
/// println!("{}", answer.text());
/// # Ok(())
/// # }
/// ```
pub type Anthropic = HostedModel<Messages>;

/// The codec of the Messages API.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    cache: bool,
    strict_tools: bool,
}

impl HostedModel<Messages> {
    /// A model of Anthropic's own service.
    ///
    /// The API wants a longest answer; without a word it is 16,384 tokens, and 4,096 for models of
    /// the third generation.
    ///
    /// # Errors
    /// None for this address.
    pub fn new(model: impl Into<String>) -> Result<Self, ModelError> {
        Self::at(BASE_URL, model)
    }

    /// A model at another address, which is the part before `/messages`. One without a path gets
    /// `/v1`.
    ///
    /// # Errors
    /// [`InvalidSetting`](super::ModelErrorKind::InvalidSetting): the address is not an HTTP URL.
    pub fn at(base_url: &str, model: impl Into<String>) -> Result<Self, ModelError> {
        let base = base(base_url, "/v1", &["/messages"])?;
        let model = model.into();
        let codec = Messages { cache: true, strict_tools: false };
        let max_tokens = if model.contains("claude-3") { 4096 } else { 16_384 };
        Ok(Self::of(codec, &base, model).default_max_tokens(max_tokens).header(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(VERSION),
        ))
    }

    /// Whether to mark what the provider shall cache: the tools, the rules, and the conversation
    /// up to its last two turns. It does unless told otherwise.
    pub fn cache(mut self, marks: bool) -> Self {
        self.codec.cache = marks;
        self
    }

    /// Whether the model is held to the parameters of tools that have a
    /// [strict form](super::schema::strict_parameters) (`strict: true`). Models from Claude 4.5 on
    /// can be; without a word none is.
    ///
    /// In one request the API takes 20 such tools, with 24 optional properties and 16 unions in all
    /// of their schemas and that of the answer. The tools that come first have that room, and the
    /// others are offered as ever. A set of schemas that is too large for the API all the same, as
    /// it compiles them, is refused by it.
    pub fn strict_tools(mut self, strict: bool) -> Self {
        self.codec.strict_tools = strict;
        self
    }
}

impl Codec for Messages {
    type Decoder = Decoder;

    fn endpoint(&self, base: &Url, _: &str) -> Url {
        below(base, "messages")
    }

    fn key_header(&self, key: &Secret) -> Result<(HeaderName, HeaderValue), ModelError> {
        Ok((HeaderName::from_static("x-api-key"), secret_value(key.reveal())?))
    }

    fn takes_output(&self, model: &str, output: &OutputSchema, _: bool) -> bool {
        const WITHOUT: [&str; 6] = [
            "claude-2",
            "claude-3",
            "claude-opus-4-0",
            "claude-opus-4-2025",
            "claude-sonnet-4-0",
            "claude-sonnet-4-2025",
        ];
        !WITHOUT.iter().any(|name| model.contains(name))
            && schema::compile_raw(&output.schema, SchemaDialect::AnthropicStrict).is_ok()
    }

    fn encode(&self, request: &ModelRequest, terms: Terms<'_>) -> Result<Bytes, ModelError> {
        let Terms { id, max_tokens, media, schemas } = terms;
        let Self { cache, strict_tools } = *self;
        let stream = true;
        let encoding = Encoding { id, max_tokens, media, stream, cache, strict_tools, schemas };
        encode(request, encoding)
    }

    fn decoder(&self, origin: ModelId) -> Decoder {
        Decoder::new(origin)
    }
}

#[cfg(test)]
mod tests;
