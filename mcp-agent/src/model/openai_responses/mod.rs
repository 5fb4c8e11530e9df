//! The Responses API of OpenAI.
//!
//! Nothing is stored at the provider: the whole conversation is sent each time, and thoughts go
//! back encrypted. The API has no mark for errors in results, so their words begin with `Error:`;
//! sounds have no place in it and become a note.

mod decode;
mod encode;
mod items;

use bytes::Bytes;
use url::Url;

pub use self::{
    decode::Decoder,
    encode::{Encoding, encode},
};
use super::{
    ModelError, ModelId, ModelRequest, OutputSchema,
    address::{base_url_of, below},
    codec::{Codec, Terms},
    hosted::HostedModel,
};

/// The address of OpenAI's own service.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// A model behind the Responses API.
///
/// ```no_run
/// # async fn example() -> Result<(), mcp_agent::model::ModelError> {
/// use mcp_agent::model::{ChatModel, Message, ModelRequest, openai_responses::OpenAiResponses};
///
/// let key = std::env::var("OPENAI_API_KEY").unwrap_or_default();
/// let model = OpenAiResponses::new("gpt-5-mini")?.key(key)?;
/// let answer = model.respond(&ModelRequest::new(vec![Message::user("Hello")])).await?;
/// println!("{}", answer.text());
/// # Ok(())
/// # }
/// ```
pub type OpenAiResponses = HostedModel<Responses>;

/// The codec of the Responses API.
#[derive(Clone, Copy, Debug)]
pub struct Responses {
    reasoning: bool,
    strict_tools: bool,
}

impl HostedModel<Responses> {
    /// A model of OpenAI's own service.
    ///
    /// # Errors
    /// None for this address.
    pub fn new(model: impl Into<String>) -> Result<Self, ModelError> {
        Self::at(BASE_URL, model)
    }

    /// A model at another address, which is the part before `/responses`. One without a path gets
    /// `/v1`.
    ///
    /// # Errors
    /// [`InvalidSetting`](super::ModelErrorKind::InvalidSetting): the address is not an HTTP URL.
    pub fn at(base_url: &str, model: impl Into<String>) -> Result<Self, ModelError> {
        let model = model.into();
        let name = model.rsplit('/').next().unwrap_or_default();
        let reasoning =
            !["gpt-3", "gpt-4", "chatgpt-4"].iter().any(|start| name.starts_with(start));
        let base = base_url_of(base_url)?;
        let strict_tools = base.host_str() == Some("api.openai.com");
        Ok(Self::of(Responses { reasoning, strict_tools }, &base, model))
    }

    /// Whether the model thinks before it answers, and its thoughts are asked for in encrypted
    /// form, to be given back. Without a word it is, except for models named `gpt-3…` and
    /// `gpt-4…`, which refuse to be asked.
    pub fn reasoning(mut self, thinks: bool) -> Self {
        self.codec.reasoning = thinks;
        self
    }

    /// Whether the provider holds the model to the parameters of tools that have a
    /// [strict form](super::schema::strict_parameters). Without a word OpenAI's own service does;
    /// others may not know how.
    pub fn strict_tools(mut self, strict: bool) -> Self {
        self.codec.strict_tools = strict;
        self
    }
}

impl Codec for Responses {
    type Decoder = Decoder;

    fn endpoint(&self, base: &Url, _: &str) -> Url {
        below(base, "responses")
    }

    fn takes_output(&self, _: &str, _: &OutputSchema, _: bool) -> bool {
        true
    }

    fn encode(&self, request: &ModelRequest, terms: Terms<'_>) -> Result<Bytes, ModelError> {
        let Terms { id, max_tokens, media, schemas } = terms;
        let Self { reasoning, strict_tools } = *self;
        let stream = true;
        let encoding = Encoding { id, max_tokens, media, stream, reasoning, strict_tools, schemas };
        encode(request, encoding)
    }

    fn decoder(&self, origin: ModelId) -> Decoder {
        Decoder::new(origin)
    }
}

#[cfg(test)]
mod tests;
