//! A model, each of whose answers is a span.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::scope::Scope;
use crate::{
    model::{ChatModel, ModelError, ModelEvent, ModelId, ModelRequest, ModelStream, OutputSchema},
    spans::{NewSpan, Span, Spans},
};

/// A model, and who hears of its answers.
#[derive(Debug)]
pub(super) struct TracedModel {
    model: Arc<dyn ChatModel>,
    spans: Arc<dyn Spans>,
}

impl TracedModel {
    pub(super) fn new(model: Arc<dyn ChatModel>, spans: Arc<dyn Spans>) -> Self {
        Self { model, spans }
    }
}

impl ChatModel for TracedModel {
    fn id(&self) -> &ModelId {
        self.model.id()
    }

    fn takes_output(&self, output: &OutputSchema, with_tools: bool) -> bool {
        self.model.takes_output(output, with_tools)
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        Box::pin(Traced { model: self, inner: self.model.stream(request), span: None })
    }
}

struct Traced<'a> {
    model: &'a TracedModel,
    inner: ModelStream<'a>,
    /// Begins with the request, which is not sent before somebody waits for it.
    span: Option<Box<dyn Span>>,
}

impl TracedModel {
    fn begin(&self) -> Box<dyn Span> {
        let ModelId { provider, model } = self.id();
        let scope = Scope::current();
        let name = format!("chat {model}");
        let mut span = self.spans.begin(NewSpan::client(name, scope.trace()));
        span.set("gen_ai.operation.name", "chat".into());
        span.set("gen_ai.provider.name", provider.as_str().into());
        span.set("gen_ai.request.model", model.as_str().into());
        span
    }
}

impl Stream for Traced<'_> {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { model, inner, span } = &mut *self;
        let span = span.get_or_insert_with(|| model.begin());
        let polled = inner.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(ModelEvent::Finished { usage, model, .. }))) => {
                if let Some(usage) = usage {
                    span.set("gen_ai.usage.input_tokens", usage.input_tokens.into());
                    span.set("gen_ai.usage.output_tokens", usage.output_tokens.into());
                }
                if let Some(model) = model {
                    span.set("gen_ai.response.model", model.as_str().into());
                }
            }
            Poll::Ready(Some(Err(error))) => span.fail("model_error", &error.to_string()),
            _ => {}
        }
        polled
    }
}
