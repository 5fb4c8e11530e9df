//! Spans: what a request leads to, as a part of a distributed trace.
//!
//! The service begins one for each HTTP request and each request of MCP that it answers, for each
//! answer of a model, and for each exchange with a server; the last is the parent of whatever that
//! server does, by the `_meta` of the request. Names and attributes are those of OpenTelemetry's
//! conventions for HTTP, generative AI and MCP. Who hears of spans is a [`Spans`], such as
//! `otlp::Otlp` (feature `otlp`).

use std::{borrow::Cow, fmt};

use mcp_client::TraceContext;

/// Hears of spans.
///
/// ```
/// use mcp_agent::spans::{NewSpan, Span, SpanValue, Spans};
/// use mcp_client::TraceContext;
///
/// /// Says what begins.
/// struct Printed;
///
/// impl Spans for Printed {
///     fn begin(&self, new: NewSpan<'_>) -> Box<dyn Span> {
///         println!("{:?} of {:?}", new.name, new.parent);
///         Box::new(Printed)
///     }
/// }
///
/// impl Span for Printed {
///     fn context(&self) -> Option<TraceContext> {
///         None
///     }
///     fn set(&mut self, name: &'static str, value: SpanValue) {
///         println!("{name}: {value:?}");
///     }
///     fn fail(&mut self, kind: &str, message: &str) {
///         println!("{kind}: {message}");
///     }
/// }
/// ```
pub trait Spans: Send + Sync {
    /// A span begins. Runs inside of what it is about: it must not block.
    fn begin(&self, new: NewSpan<'_>) -> Box<dyn Span>;

    /// What became of the spans, in the text format of Prometheus.
    fn prometheus(&self) -> String {
        String::new()
    }
}

/// A span that is about to begin.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewSpan<'a> {
    /// What is done; of few different values.
    pub name: Cow<'a, str>,
    /// On which side.
    pub kind: SpanKind,
    /// The span that it is a part of, here or elsewhere; it begins a trace when `None`.
    pub parent: Option<&'a TraceContext>,
}

/// On which side of an exchange a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanKind {
    /// It answers.
    Server,
    /// It asks.
    Client,
}

/// A span that has begun. It ends when it is dropped.
pub trait Span: Send + Sync {
    /// What belongs to the span is told so by this; as it was told before, when `None`.
    fn context(&self) -> Option<TraceContext>;

    /// Says more of it.
    fn set(&mut self, name: &'static str, value: SpanValue);

    /// What it is about has failed: `kind` is of few different values.
    fn fail(&mut self, kind: &str, message: &str);
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanValue {
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
}

impl<'a> NewSpan<'a> {
    /// A span that answers.
    pub fn server(name: impl Into<Cow<'a, str>>, parent: Option<&'a TraceContext>) -> Self {
        Self { name: name.into(), kind: SpanKind::Server, parent }
    }

    /// A span that asks.
    pub fn client(name: impl Into<Cow<'a, str>>, parent: Option<&'a TraceContext>) -> Self {
        Self { name: name.into(), kind: SpanKind::Client, parent }
    }
}

impl From<&str> for SpanValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u16> for SpanValue {
    fn from(number: u16) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u64> for SpanValue {
    fn from(number: u64) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl fmt::Debug for dyn Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spans")
    }
}

impl fmt::Debug for dyn Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.context()).finish()
    }
}
