//! Spans for a collector of OpenTelemetry, over OTLP (HTTP, protobuf).
//!
//! Feature `otlp`. The SDK heeds its own variables for what is not set here, such as
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and `OTEL_EXPORTER_OTLP_HEADERS`. Whether a
//! trace is recorded is decided where it begins.

use std::{
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mcp_client::TraceContext;
use mcp_transport::http::{HttpClient, PlainLimits};
use opentelemetry::{
    Context, Key, KeyValue,
    trace::{
        Span as _, SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId,
        TraceState, Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_http::{Bytes, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        SdkTracer, SdkTracerProvider, Span as SdkSpan, SpanData, SpanExporter as _, SpanProcessor,
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{sleep, timeout},
};
use url::Url;

use crate::spans::{NewSpan, Span, SpanKind, SpanValue, Spans};

/// How many spans that have ended may wait; further ones are dropped, and counted.
const WAITING: usize = 4096;
/// How many are sent at a time at most.
const BATCH: usize = 512;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_millis(200);
/// How long one delivery may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long the collector's answer may be.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Sends spans to a collector, by the way: whatever a span is about never waits for it. Those that
/// there is no room for are dropped, and those that the collector does not take are lost; both are
/// [counted](Self::report).
///
/// ```no_run
/// use mcp_agent::{otlp::Otlp, service::ServiceOptions};
///
/// # fn example() -> Result<(), mcp_agent::otlp::OtlpError> {
/// let traces = Otlp::start("http://127.0.0.1:4318", "tools")?;
/// let options = ServiceOptions::new().spans(traces.clone());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Otlp(Arc<Shared>);

struct Shared {
    tracer: SdkTracer,
    queue: mpsc::Sender<Job>,
    counts: Arc<Counts>,
    task: AbortHandle,
    /// Its end is the end of the tracer.
    _provider: SdkTracerProvider,
}

/// What became of the spans so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtlpReport {
    /// The collector took them.
    pub sent: u64,
    /// There was no room for them.
    pub dropped: u64,
    /// The collector did not take them, or was not there.
    pub lost: u64,
}

/// Spans cannot be sent so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// The address is none, or not one of HTTP.
    #[error("the address of a collector must begin with http:// or https://")]
    Url,
    /// The exporter refuses its settings.
    #[error("the exporter refuses its settings, such as OTEL_EXPORTER_OTLP_HEADERS")]
    Settings(#[source] opentelemetry_otlp::ExporterBuildError),
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    dropped: AtomicU64,
    lost: AtomicU64,
}

enum Job {
    Send(Box<SpanData>),
    Flush(oneshot::Sender<()>),
}

impl Otlp {
    /// Sends to the collector at this address, to which `/v1/traces` is added. `service` is what
    /// its spans are of, unless `OTEL_SERVICE_NAME` says otherwise.
    ///
    /// # Errors
    /// The address, or what the exporter reads from the environment, cannot be used.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(url: &str, service: &'static str) -> Result<Self, OtlpError> {
        let mut address = Url::parse(url).map_err(|_| OtlpError::Url)?;
        if !matches!(address.scheme(), "http" | "https") {
            return Err(OtlpError::Url);
        }
        let base = address.path().trim_end_matches('/');
        if !base.ends_with("/v1/traces") {
            let path = format!("{base}/v1/traces");
            address.set_path(&path);
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Carrier(HttpClient::new()))
            .with_endpoint(address)
            .with_timeout(LIMIT)
            .build();
        let mut exporter = exporter.map_err(OtlpError::Settings)?;
        let mut resource = Resource::builder().build();
        // The SDK makes a name up where none is given.
        let named = resource.get(&Key::from_static_str("service.name"));
        if named.is_none_or(|name| name.as_str().starts_with("unknown_service")) {
            resource = Resource::builder().with_service_name(service).build();
        }
        exporter.set_resource(&resource);
        let counts = Arc::<Counts>::default();
        let (queue, waiting) = mpsc::channel(WAITING);
        let processor = Queue { queue: queue.clone(), counts: Arc::clone(&counts) };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(processor)
            .build();
        let tracer = provider.tracer("mcp-agent");
        #[expect(clippy::disallowed_methods, reason = "aborted with the handle")]
        let task = tokio::spawn(deliver(exporter, waiting, Arc::clone(&counts))).abort_handle();
        Ok(Self(Arc::new(Shared { tracer, queue, counts, task, _provider: provider })))
    }

    /// What became of the spans so far.
    pub fn report(&self) -> OtlpReport {
        let Counts { sent, dropped, lost } = &*self.0.counts;
        OtlpReport {
            sent: sent.load(Ordering::Relaxed),
            dropped: dropped.load(Ordering::Relaxed),
            lost: lost.load(Ordering::Relaxed),
        }
    }

    /// Waits until what has ended so far was sent, or could not be.
    ///
    /// # Cancel safety
    /// It is sent all the same when the future is dropped.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.0.queue.send(Job::Flush(done)).await.is_ok() {
            // Without an answer the task has ended, and nothing more is sent.
            let _ = flushed.await;
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Otlp").field(&self.report()).finish()
    }
}

impl Spans for Otlp {
    fn begin(&self, new: NewSpan<'_>) -> Box<dyn Span> {
        let kind = match new.kind {
            SpanKind::Server => opentelemetry::trace::SpanKind::Server,
            SpanKind::Client => opentelemetry::trace::SpanKind::Client,
        };
        let mut around = Context::new();
        if let Some(parent) = new.parent.and_then(span_context) {
            around = around.with_remote_span_context(parent);
        }
        let span = self.0.tracer.span_builder(new.name.into_owned()).with_kind(kind);
        let span = self.0.tracer.build_with_context(span, &around);
        let baggage = new.parent.and_then(TraceContext::baggage_text).map(str::to_owned);
        Box::new(OpenSpan { span, baggage })
    }

    fn prometheus(&self) -> String {
        let OtlpReport { sent, dropped, lost } = self.report();
        format!(
            "# HELP mcp_otlp_spans_total Spans that have ended, by what became of them.\n\
             # TYPE mcp_otlp_spans_total counter\n\
             mcp_otlp_spans_total{{outcome=\"sent\"}} {sent}\n\
             mcp_otlp_spans_total{{outcome=\"dropped\"}} {dropped}\n\
             mcp_otlp_spans_total{{outcome=\"lost\"}} {lost}\n"
        )
    }
}

/// A `traceparent` in the words of the SDK.
fn span_context(context: &TraceContext) -> Option<SpanContext> {
    let mut fields = context.traceparent().split('-').skip(1);
    let trace = TraceId::from_hex(fields.next()?).ok()?;
    let span = SpanId::from_hex(fields.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(fields.next()?, 16).ok()?);
    let state = context.tracestate().and_then(|state| state.parse::<TraceState>().ok());
    Some(SpanContext::new(trace, span, flags, true, state.unwrap_or_default()))
}

struct OpenSpan {
    span: SdkSpan,
    /// Goes along unread.
    baggage: Option<String>,
}

impl Span for OpenSpan {
    fn context(&self) -> Option<TraceContext> {
        let context = self.span.span_context();
        let (trace, span) = (context.trace_id(), context.span_id());
        let parent = format!("00-{trace}-{span}-{:02x}", context.trace_flags().to_u8());
        let mut own = TraceContext::new(parent).ok()?;
        // Both came in this form, and what is empty is none.
        let state = context.trace_state().header();
        own = own.clone().state(state).unwrap_or(own);
        if let Some(baggage) = &self.baggage {
            own = own.clone().baggage(baggage).unwrap_or(own);
        }
        Some(own)
    }

    fn set(&mut self, name: &'static str, value: SpanValue) {
        let attribute = match value {
            SpanValue::Text(text) => KeyValue::new(name, text),
            SpanValue::Whole(number) => KeyValue::new(name, number),
        };
        self.span.set_attribute(attribute);
    }

    fn fail(&mut self, kind: &str, message: &str) {
        self.span.set_attribute(KeyValue::new("error.type", kind.to_owned()));
        self.span.set_status(Status::error(message.to_owned()));
    }
}

/// Takes spans that have ended.
#[derive(Debug)]
struct Queue {
    queue: mpsc::Sender<Job>,
    counts: Arc<Counts>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let is_wanted = span.span_context.is_sampled();
        if is_wanted && self.queue.try_send(Job::Send(Box::new(span))).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send(_) => "Send",
            Self::Flush(_) => "Flush",
        })
    }
}

async fn deliver(exporter: SpanExporter, mut waiting: mpsc::Receiver<Job>, counts: Arc<Counts>) {
    let (mut batch, mut flushed) = (Vec::new(), Vec::new());
    while let Some(job) = waiting.recv().await {
        take(job, &mut batch, &mut flushed);
        if flushed.is_empty() {
            sleep(GATHER).await;
        }
        while batch.len() < BATCH
            && let Ok(job) = waiting.try_recv()
        {
            take(job, &mut batch, &mut flushed);
        }
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        if count > 0 {
            let sent = timeout(LIMIT, exporter.export(mem::take(&mut batch))).await;
            let counter = match sent {
                Ok(Ok(())) => &counts.sent,
                Ok(Err(error)) => {
                    tracing::debug!(%error, count, "the collector did not take spans");
                    &counts.lost
                }
                Err(_) => &counts.lost,
            };
            counter.fetch_add(count, Ordering::Relaxed);
        }
        for done in flushed.drain(..) {
            // Who asked is gone.
            let _: Result<(), ()> = done.send(());
        }
    }
}

fn take(job: Job, batch: &mut Vec<SpanData>, flushed: &mut Vec<oneshot::Sender<()>>) {
    match job {
        Job::Send(span) => batch.push(*span),
        Job::Flush(done) => flushed.push(done),
    }
}

/// Carries the exporter's requests.
#[derive(Debug)]
struct Carrier(HttpClient);

#[async_trait]
impl opentelemetry_http::HttpClient for Carrier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut answer = self.0.send(request, PlainLimits::default()).await?;
        let mut response = Response::new(answer.bytes(MAX_ANSWER_BYTES).await?);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}
