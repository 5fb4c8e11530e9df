//! What an API of models has to say for itself: how a request is written and an answer is read.
//!
//! Everything here is pure: no I/O, no clock. [`HostedModel`](super::hosted::HostedModel) does the
//! rest, the same way for all.

use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use mcp_client::Secret;
use mcp_protocol::decode::snippet;
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    ModelError, ModelErrorKind, ModelEvent, ModelId, ModelRequest, OutputSchema, address::invalid,
    schema::SchemaCache, wire_names::NameRule,
};

/// The API of a provider.
pub trait Codec: fmt::Debug + Send + Sync + 'static {
    /// Reads one answer.
    type Decoder: Decode;

    /// Where requests for a model go.
    fn endpoint(&self, base: &Url, model: &str) -> Url;

    /// The header that carries a key; a bearer token unless the API has its own.
    ///
    /// # Errors
    /// [`ModelErrorKind::InvalidSetting`]: it has characters that a header cannot carry.
    fn key_header(&self, key: &Secret) -> Result<(HeaderName, HeaderValue), ModelError> {
        Ok((AUTHORIZATION, secret_value(&format!("Bearer {}", key.reveal()))?))
    }

    /// Which names of tools the provider takes.
    fn names(&self) -> NameRule {
        NameRule::Plain
    }

    /// Whether the provider holds the model to this shape of answer, beside tools if there are any.
    fn takes_output(&self, model: &str, output: &OutputSchema, with_tools: bool) -> bool;

    /// Writes the body of a request for a stream.
    ///
    /// # Errors
    /// [`ModelErrorKind::InvalidRequest`]: the request cannot be said in this API.
    fn encode(&self, request: &ModelRequest, terms: Terms<'_>) -> Result<Bytes, ModelError>;

    /// Reads an answer of this model.
    fn decoder(&self, origin: ModelId) -> Self::Decoder;
}

/// How a request is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Who is asked; only its own reasoning goes back to it.
    pub id: &'a ModelId,
    /// The longest answer where the request does not say.
    pub max_tokens: Option<u32>,
    /// Whether pictures, sounds and files may be sent; otherwise a note stands in their place.
    pub media: bool,
    /// The schemas of tools that were compiled before.
    pub schemas: &'a SchemaCache,
}

/// Reads one answer, piece by piece or whole.
pub trait Decode: Send {
    /// Reads the data of one server-sent event and adds to `events` what it says.
    ///
    /// # Errors
    /// The data cannot be read, or the provider reports a failure; nothing follows.
    fn chunk(&mut self, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), ModelError>;

    /// Reads the end of a stream.
    ///
    /// # Errors
    /// [`ModelErrorKind::Interrupted`]: the answer has no end.
    fn end_of_stream(&mut self, events: &mut Vec<ModelEvent>) -> Result<(), ModelError>;

    /// Reads an answer that came in one piece.
    ///
    /// # Errors
    /// The body cannot be read, holds no answer, or reports a failure.
    fn whole(&mut self, body: &[u8], events: &mut Vec<ModelEvent>) -> Result<(), ModelError>;
}

pub(super) fn secret_value(text: &str) -> Result<HeaderValue, ModelError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| invalid("key", "it has characters that a header cannot carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(body).map_err(|error| undecodable(&error.to_string(), body))
}

pub(super) fn undecodable(reason: &str, body: &[u8]) -> ModelError {
    ModelError::new(ModelErrorKind::Undecodable {
        reason: reason.to_owned(),
        snippet: snippet(body),
    })
}

pub(super) fn interrupted() -> ModelError {
    ModelError::new(ModelErrorKind::Interrupted { source: None })
}

pub(super) fn invalid_request(reason: impl Into<String>) -> ModelError {
    ModelError::new(ModelErrorKind::InvalidRequest { reason: reason.into() })
}

/// A `f32` such as 0.7 as the `f64` with the same short spelling, not as 0.699999988079071.
pub(super) fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}
