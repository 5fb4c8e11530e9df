//! A model behind an HTTP API: one way to ask and to listen for all codecs.

mod media_refusal;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{TryStreamExt, stream};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use mcp_client::Secret;
use mcp_transport::{
    DeliveryError,
    error::{DeliveryErrorKind, Sent},
    http::{HttpClient, PlainAnswer, PlainEvents, PlainLimits},
};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use self::media_refusal::MediaRefusal;
use super::{
    ChatModel, ModelError, ModelErrorKind, ModelEvent, ModelId, ModelRequest, ModelStream,
    OutputSchema, Part,
    address::{self, invalid},
    codec::{Codec, Decode, Terms},
    failure,
    schema::SchemaCache,
    wire_names::WireNames,
};

/// One event of a stream, or a whole answer.
const MAX_ANSWER_BYTES: usize = 64 << 20;
const MAX_FAILURE_BYTES: usize = 64 << 10;
/// How long the end of a complete answer is waited for, so that its connection can be used again.
const LINGER: Duration = Duration::from_millis(250);

/// A model behind an HTTP API, which the codec `C` speaks.
///
/// A stream is given up when nothing at all arrives for [`PlainLimits::idle`], and when nothing
/// but signs of life arrives for [`stall`](Self::stall).
#[must_use]
pub struct HostedModel<C> {
    id: ModelId,
    endpoint: Url,
    key: Option<Secret>,
    headers: HeaderMap,
    pub(super) codec: C,
    http: Arc<HttpClient>,
    limits: PlainLimits,
    stall: Option<Duration>,
    max_tokens: Option<u32>,
    media: AtomicBool,
    schemas: SchemaCache,
}

impl<C: Codec> HostedModel<C> {
    pub(super) fn of(codec: C, base: &Url, model: impl Into<String>) -> Self {
        let model = model.into();
        Self {
            endpoint: codec.endpoint(base, &model),
            id: ModelId::new(address::provider(base), model),
            key: None,
            headers: HeaderMap::new(),
            codec,
            http: Arc::default(),
            limits: PlainLimits {
                connect: Some(Duration::from_secs(10)),
                // Before the first word a local model reads the whole conversation.
                first_byte: Some(Duration::from_secs(600)),
                idle: Some(Duration::from_secs(300)),
            },
            stall: Some(Duration::from_secs(900)),
            max_tokens: None,
            media: AtomicBool::new(true),
            schemas: SchemaCache::default(),
        }
    }

    /// Sends this key in the way of the API.
    ///
    /// # Errors
    /// [`ModelErrorKind::InvalidSetting`]: it has characters that a header cannot carry.
    pub fn key(mut self, key: impl Into<Secret>) -> Result<Self, ModelError> {
        let key = key.into();
        let (name, value) = self.codec.key_header(&key)?;
        self.headers.insert(name, value);
        self.key = Some(key);
        Ok(self)
    }

    /// Sends a header with every request.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The longest answer, in tokens, where a request does not say.
    pub fn default_max_tokens(mut self, tokens: impl Into<Option<u32>>) -> Self {
        self.max_tokens = tokens.into();
        self
    }

    /// Whether the model can be sent pictures, sounds and files; otherwise it gets a note that
    /// there is one. Without a word it is sent them until the server says that it cannot see; a
    /// request that is refused for its pictures or sounds alone is sent again with notes.
    pub fn media(self, accepted: bool) -> Self {
        self.media.store(accepted, Ordering::Relaxed);
        self
    }

    /// How long to wait for what. Without a word 10 s for a connection, 10 minutes for the first
    /// byte, 5 minutes between two.
    pub fn limits(mut self, limits: PlainLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a stream may show that it lives, by comments and pings, without saying anything;
    /// 15 minutes without a word.
    pub fn stall(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.stall = limit.into();
        self
    }

    /// Uses the connections of this client.
    pub fn http(mut self, http: Arc<HttpClient>) -> Self {
        self.http = http;
        self
    }

    /// Names the place that serves the model, where its address changes from start to start.
    pub fn provider(mut self, name: impl Into<String>) -> Self {
        self.id.provider = name.into();
        self
    }

    /// The address that is asked, which may hold credentials.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    async fn open(
        &self,
        request: &ModelRequest,
    ) -> Result<impl Stream<Item = Result<ModelEvent, ModelError>> + Send + use<C>, ModelError>
    {
        let names = WireNames::of(request, self.codec.names());
        let translated = names.as_ref().map(|names| names.translate(request));
        let request = translated.as_ref().unwrap_or(request);
        let media = self.media.load(Ordering::Relaxed);
        let answer = match self.ask(request, media).await {
            Err(error) if media && has_media(request) => match MediaRefusal::of(&error) {
                Some(refusal) => {
                    tracing::info!(model = %self.id, %error, "sending notes in place of media");
                    if refusal == MediaRefusal::EveryRequest {
                        self.media.store(false, Ordering::Relaxed);
                    }
                    self.ask(request, false).await?
                }
                None => return Err(error),
            },
            outcome => outcome?,
        };
        let mut decoder = self.codec.decoder(self.id.clone());
        let mut ready = Vec::new();
        let body = if answer.is_events() {
            Some(answer.into_events(MAX_ANSWER_BYTES))
        } else {
            let mut answer = answer;
            let body = answer.bytes(MAX_ANSWER_BYTES).await.map_err(undelivered)?;
            decoder.whole(&body, &mut ready)?;
            None
        };
        let reading = Reading {
            body,
            decoder,
            ready: VecDeque::new(),
            names,
            stall: self.stall,
            endpoint: self.endpoint.clone(),
        };
        let reading = reading.with(ready);
        Ok(stream::try_unfold(reading, |mut reading| async move {
            let event = reading.next().await.map_err(|error| error.at(&reading.endpoint))?;
            Ok(event.map(|event| (event, reading)))
        }))
    }

    async fn ask(&self, request: &ModelRequest, media: bool) -> Result<PlainAnswer, ModelError> {
        let terms =
            Terms { id: &self.id, max_tokens: self.max_tokens, media, schemas: &self.schemas };
        let body = self.codec.encode(request, terms)?;
        let mut post = Request::post(self.endpoint.as_str())
            .body(body)
            .map_err(|error| invalid("base URL", &error.to_string()))?;
        let headers = post.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("mcp-agent/", env!("CARGO_PKG_VERSION"))),
        );
        headers.extend(self.headers.clone());
        let mut answer = self.http.send(post, self.limits).await.map_err(undelivered)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let body = answer.bytes(MAX_FAILURE_BYTES).await.unwrap_or_default();
        let body = without_key(self.key.as_ref(), &body);
        Err(failure::decode(answer.status, &answer.headers, &body))
    }
}

/// Some servers quote the key in their refusal.
pub(super) fn without_key(key: Option<&Secret>, body: &Bytes) -> Bytes {
    match (key, std::str::from_utf8(body)) {
        (Some(key), Ok(text)) if !key.reveal().is_empty() && text.contains(key.reveal()) => {
            text.replace(key.reveal(), "***").into()
        }
        _ => body.clone(),
    }
}

impl<C: Codec> ChatModel for HostedModel<C> {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn takes_output(&self, output: &OutputSchema, with_tools: bool) -> bool {
        self.codec.takes_output(&self.id.model, output, with_tools)
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        let opening = async { self.open(request).await.map_err(|error| error.at(&self.endpoint)) };
        Box::pin(stream::once(opening).try_flatten())
    }
}

/// An answer that is being read.
struct Reading<D> {
    /// `None` once it was read to its end.
    body: Option<PlainEvents>,
    decoder: D,
    ready: VecDeque<ModelEvent>,
    names: Option<WireNames>,
    stall: Option<Duration>,
    endpoint: Url,
}

impl<D: Decode> Reading<D> {
    fn with(mut self, events: Vec<ModelEvent>) -> Self {
        self.take(events);
        self
    }

    fn take(&mut self, mut events: Vec<ModelEvent>) {
        if let Some(names) = &self.names {
            for event in &mut events {
                names.translate_back(event);
            }
        }
        self.ready.extend(events);
    }

    async fn next(&mut self) -> Result<Option<ModelEvent>, ModelError> {
        let begun = Instant::now();
        loop {
            if let Some(event) = self.ready.pop_front() {
                if matches!(event, ModelEvent::Finished { .. }) {
                    self.let_go().await;
                }
                return Ok(Some(event));
            }
            let Some(body) = &mut self.body else { return Ok(None) };
            let piece = match self.stall {
                Some(after) => timeout_at(begun + after, body.next()).await.map_err(|_| {
                    ModelError::new(ModelErrorKind::TimedOut { phase: "word", after })
                })?,
                None => body.next().await,
            };
            let mut events = Vec::new();
            if let Some(data) = piece.map_err(undelivered)? {
                let text = String::from_utf8_lossy(&data);
                self.decoder.chunk(&text, &mut events)?;
            } else {
                self.decoder.end_of_stream(&mut events)?;
                self.body = None;
            }
            self.take(events);
        }
    }

    /// The answer is complete. A connection whose body was read to its end can be used again; one
    /// that a server keeps open for no reason is not waited for.
    async fn let_go(&mut self) {
        let Some(mut body) = self.body.take() else { return };
        let rest = async { while let Ok(Some(_)) = body.next().await {} };
        // Whichever comes first: the answer is complete either way.
        let _ = timeout(LINGER, rest).await;
    }
}

pub(super) fn undelivered(error: DeliveryError) -> ModelError {
    let DeliveryError { kind, sent } = error;
    ModelError::new(match kind {
        DeliveryErrorKind::TimedOut { phase, after } => ModelErrorKind::TimedOut { phase, after },
        kind if sent == Sent::No => ModelErrorKind::Unreachable { source: kind.into() },
        kind => ModelErrorKind::Interrupted { source: Some(kind.into()) },
    })
}

fn has_media(request: &ModelRequest) -> bool {
    let is_media =
        |part: &Part| matches!(part, Part::Image(_) | Part::Audio(_) | Part::Document(_));
    request.messages.iter().flat_map(|message| &message.parts).any(|part| match part {
        Part::ToolResult(result) => result.content.iter().any(is_media),
        part => is_media(part),
    })
}

impl<C: Codec> fmt::Debug for HostedModel<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedModel")
            .field("id", &self.id)
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
