//! The Chat Completions API of OpenAI, which most other providers and local servers speak too.

mod calls;
pub mod decode;
pub mod dialect;
pub mod encode;
mod messages;
mod wire;

use bytes::Bytes;
use url::Url;

use self::{
    decode::Decoder,
    dialect::Dialect,
    encode::{Encoding, encode},
};
pub use super::failure;
use super::{
    ModelError, ModelId, ModelRequest, OutputSchema,
    address::{base_url_of, below, is_loopback},
    codec::{Codec, Terms},
    hosted::HostedModel,
};

/// A model behind the Chat Completions API.
///
/// ```no_run
/// # async fn example() -> Result<(), mcp_agent::model::ModelError> {
/// use mcp_agent::model::{ChatModel, Message, ModelRequest, openai_chat::OpenAiChat};
///
/// let model = OpenAiChat::new("http://127.0.0.1:11434/v1", "qwen3")?;
/// let answer = model.respond(&ModelRequest::new(vec![Message::user("Hello")])).await?;
/// println!("{}", answer.text());
/// # Ok(())
/// # }
/// ```
pub type OpenAiChat = HostedModel<ChatCompletions>;

/// The codec of Chat Completions, in the dialect of one server.
#[derive(Clone, Copy, Debug)]
pub struct ChatCompletions {
    dialect: Dialect,
}

impl HostedModel<ChatCompletions> {
    /// A model of the server at this address, which is the part before `/chat/completions`. An
    /// address without a path gets `/v1`.
    ///
    /// The longest answer is 4,096 tokens for servers on this machine, unless
    /// [said otherwise](Self::default_max_tokens), and the server's own limit for all others.
    ///
    /// # Errors
    /// [`InvalidSetting`](super::ModelErrorKind::InvalidSetting): the address is not an HTTP URL.
    pub fn new(base_url: &str, model: impl Into<String>) -> Result<Self, ModelError> {
        let base = base_url_of(base_url)?;
        let dialect = Dialect::of_host(base.host_str().unwrap_or_default());
        // A small local model may go on for ever; a hosted one has a limit of its own.
        let max_tokens = is_loopback(&base).then_some(4096);
        Ok(Self::of(ChatCompletions { dialect }, &base, model).default_max_tokens(max_tokens))
    }

    /// What the server does differently from others; known hosts need no word.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.codec.dialect = dialect;
        self
    }
}

impl Codec for ChatCompletions {
    type Decoder = Decoder;

    fn endpoint(&self, base: &Url, _: &str) -> Url {
        below(base, "chat/completions")
    }

    fn takes_output(&self, _: &str, _: &OutputSchema, with_tools: bool) -> bool {
        !with_tools || self.dialect.output_with_tools
    }

    fn encode(&self, request: &ModelRequest, terms: Terms<'_>) -> Result<Bytes, ModelError> {
        let Terms { id, max_tokens, media, schemas } = terms;
        let dialect = self.dialect;
        encode(request, Encoding { id, dialect, stream: true, media, max_tokens, schemas })
    }

    fn decoder(&self, origin: ModelId) -> Decoder {
        Decoder::new(origin)
    }
}

#[cfg(test)]
mod tests;
