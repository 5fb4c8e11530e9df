//! Language models: what is said to them, what they answer, and the codecs of their APIs.
//!
//! [`ChatModel`] has one method, and it streams; a complete answer is a fold over the stream. The
//! vocabulary of messages belongs to no provider and loses nothing on the way.

mod address;
pub mod anthropic;
pub mod codec;
pub mod embeddings;
mod error;
mod event;
pub mod failure;
pub mod gemini;
#[cfg(feature = "genai")]
pub mod genai;
pub mod hosted;
mod media;
mod message;
mod request;
pub mod schema;
pub mod wire_names;

#[cfg(test)]
pub(crate) mod canned_server;
pub mod discover;
#[cfg(test)]
mod golden;
#[cfg(unix)]
pub mod managed;
pub mod openai_chat;
pub mod openai_responses;
pub mod provider;
pub mod scripted;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use futures_core::Stream;

pub(crate) use self::message::is_false;
pub use self::{
    error::{ModelError, ModelErrorKind, StatusError},
    event::{Assembly, ModelEvent, ModelResponse, StopReason, Usage},
    message::{
        CallId, Media, MediaSource, Message, ModelId, OpaquePart, Part, Parts, Reasoning, Role,
        ToolCall, ToolResult,
    },
    request::{ModelRequest, OutputSchema, ToolChoice, ToolDefinition},
};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The events of one answer. Dropping it abandons the answer.
pub type ModelStream<'a> = Pin<Box<dyn Stream<Item = Result<ModelEvent, ModelError>> + Send + 'a>>;

/// A language model that can be talked to.
pub trait ChatModel: Send + Sync + fmt::Debug {
    /// Which model it is; what it alone can read, such as signed reasoning, is marked with it.
    fn id(&self) -> &ModelId;

    /// Whether the model's provider holds it to this shape of answer, beside tools if there are
    /// any. Where not, an answer can still be asked for in words or by a tool.
    fn takes_output(&self, output: &OutputSchema, with_tools: bool) -> bool {
        let _ = (output, with_tools);
        false
    }

    /// Asks the model. Nothing is sent before the stream is first polled.
    ///
    /// The last event of a complete answer is [`ModelEvent::Finished`]; after it, or after an
    /// error, the stream ends.
    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a>;

    /// Asks the model and waits for the whole answer.
    ///
    /// # Errors
    /// The model could not be reached, refused, or did not finish.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the answer; the provider may have counted its tokens.
    fn respond<'a>(
        &'a self,
        request: &'a ModelRequest,
    ) -> BoxFuture<'a, Result<ModelResponse, ModelError>> {
        Box::pin(async move {
            let mut assembly = Assembly::new(self.id().clone());
            let mut events = self.stream(request);
            while let Some(event) = next(&mut events).await {
                assembly.push(event?);
            }
            assembly.finish()
        })
    }
}

impl<M: ChatModel + ?Sized> ChatModel for Box<M> {
    fn id(&self) -> &ModelId {
        (**self).id()
    }

    fn takes_output(&self, output: &OutputSchema, with_tools: bool) -> bool {
        (**self).takes_output(output, with_tools)
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        (**self).stream(request)
    }
}

impl<M: ChatModel + ?Sized> ChatModel for Arc<M> {
    fn id(&self) -> &ModelId {
        (**self).id()
    }

    fn takes_output(&self, output: &OutputSchema, with_tools: bool) -> bool {
        (**self).takes_output(output, with_tools)
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        (**self).stream(request)
    }
}

async fn next(events: &mut ModelStream<'_>) -> Option<Result<ModelEvent, ModelError>> {
    std::future::poll_fn(|cx| events.as_mut().poll_next(cx)).await
}
