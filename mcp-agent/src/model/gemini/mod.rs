//! The generateContent API of Gemini.
//!
//! Models before the third generation take no pictures, sounds and files in the result of a
//! function: they follow after all results, and each result says so. Signatures stay with the
//! piece that they came with. Rules in the middle of a conversation are said by the user, marked
//! as rules. A function response has no mark for errors: the words of one stand under `error`,
//! those of any other under `output`.

mod contents;
mod decode;
mod encode;

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
    wire_names::NameRule,
};

/// The address of Google's own service.
pub const BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";

/// The member of a piece that holds its signature, and the kind of the part that keeps it.
const SIGNATURE: &str = "thoughtSignature";
/// The start of ids that this codec made, since older models give none and take none back.
const MADE_ID: &str = "gemini-call-";

/// A model behind the generateContent API.
///
/// ```no_run
/// # async fn example() -> Result<(), mcp_agent::model::ModelError> {
/// use mcp_agent::model::{ChatModel, Message, ModelRequest, gemini::Gemini};
///
/// let key = std::env::var("GEMINI_API_KEY").unwrap_or_default();
/// let model = Gemini::new("gemini-2.5-flash")?.key(key)?;
/// let answer = model.respond(&ModelRequest::new(vec![Message::user("Hello")])).await?;
/// println!("{}", answer.text());
/// # Ok(())
/// # }
/// ```
pub type Gemini = HostedModel<GenerateContent>;

/// The codec of the generateContent API.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct GenerateContent;

impl HostedModel<GenerateContent> {
    /// A model of Google's own service.
    ///
    /// # Errors
    /// None for this address.
    pub fn new(model: impl Into<String>) -> Result<Self, ModelError> {
        Self::at(BASE_URL, model)
    }

    /// A model at another address, which is the part before `/models`. One without a path gets
    /// `/v1beta`.
    ///
    /// # Errors
    /// [`InvalidSetting`](super::ModelErrorKind::InvalidSetting): the address is not an HTTP URL.
    pub fn at(base_url: &str, model: impl Into<String>) -> Result<Self, ModelError> {
        Ok(Self::of(GenerateContent, &base(base_url, "/v1beta", &["/models"])?, model))
    }
}

impl Codec for GenerateContent {
    type Decoder = Decoder;

    fn endpoint(&self, base: &Url, model: &str) -> Url {
        let model = model.strip_prefix("models/").unwrap_or(model);
        let mut url = below(base, &format!("models/{model}:streamGenerateContent"));
        url.query_pairs_mut().append_pair("alt", "sse");
        url
    }

    fn key_header(&self, key: &Secret) -> Result<(HeaderName, HeaderValue), ModelError> {
        Ok((HeaderName::from_static("x-goog-api-key"), secret_value(key.reveal())?))
    }

    fn names(&self) -> NameRule {
        NameRule::LetterFirst
    }

    fn takes_output(&self, model: &str, _: &OutputSchema, with_tools: bool) -> bool {
        // Earlier generations take one or the other.
        !with_tools || is_third_generation(model)
    }

    fn encode(&self, request: &ModelRequest, terms: Terms<'_>) -> Result<Bytes, ModelError> {
        let Terms { id, max_tokens, media, schemas } = terms;
        encode(request, Encoding { id, max_tokens, media, schemas })
    }

    fn decoder(&self, origin: ModelId) -> Decoder {
        Decoder::new(origin)
    }
}

/// Whether the model is of the generation that takes media in results and shapes beside tools,
/// or a later one.
fn is_third_generation(model: &str) -> bool {
    !["gemini-1", "gemini-2", "gemini-pro", "gemma"].iter().any(|start| model.contains(start))
}

#[cfg(test)]
mod tests;
