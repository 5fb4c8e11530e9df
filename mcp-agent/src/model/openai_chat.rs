//! The Chat Completions API of OpenAI, which most other providers and local servers speak too.

mod calls;
pub mod decode;
pub mod dialect;
pub mod encode;
pub mod failure;
mod messages;
mod wire;

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
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use mcp_client::Secret;
use mcp_transport::{
    DeliveryError,
    error::{DeliveryErrorKind, Sent},
    http::{HttpClient, PlainAnswer, PlainEvents, PlainLimits},
};
use url::Url;

use self::{
    decode::Decoder,
    dialect::Dialect,
    encode::{Encoding, encode},
};
use super::{
    ChatModel, ModelError, ModelErrorKind, ModelEvent, ModelId, ModelRequest, ModelStream, Part,
};

/// One event of a stream, or a whole answer.
const MAX_ANSWER_BYTES: usize = 64 << 20;
const MAX_FAILURE_BYTES: usize = 64 << 10;

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
#[must_use]
pub struct OpenAiChat {
    id: ModelId,
    endpoint: Url,
    key: Option<Secret>,
    headers: HeaderMap,
    dialect: Dialect,
    http: Arc<HttpClient>,
    limits: PlainLimits,
    max_tokens: Option<u32>,
    media: AtomicBool,
}

impl OpenAiChat {
    /// A model of the server at this address, which is the part before `/chat/completions`. An
    /// address without a path gets `/v1`.
    ///
    /// # Errors
    /// [`ModelErrorKind::InvalidSetting`]: the address is not an HTTP URL.
    pub fn new(base_url: &str, model: impl Into<String>) -> Result<Self, ModelError> {
        let base = base_url_of(base_url)?;
        let host = base.host_str().unwrap_or_default().to_owned();
        let provider = match base.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        let dialect = Dialect::of_host(&host);
        // A small local model may go on for ever; a hosted one has a limit of its own.
        let max_tokens = is_loopback(&base).then_some(4096);
        Ok(Self {
            id: ModelId::new(provider, model),
            endpoint: below(&base, "chat/completions"),
            key: None,
            headers: HeaderMap::new(),
            dialect,
            http: Arc::default(),
            limits: PlainLimits {
                connect: Some(Duration::from_secs(10)),
                // Before the first word a local model reads the whole conversation.
                first_byte: Some(Duration::from_secs(600)),
                idle: Some(Duration::from_secs(300)),
            },
            max_tokens,
            media: AtomicBool::new(true),
        })
    }

    /// Sends this key as a bearer token.
    ///
    /// # Errors
    /// [`ModelErrorKind::InvalidSetting`]: it has characters that a header cannot carry.
    pub fn key(mut self, key: impl Into<Secret>) -> Result<Self, ModelError> {
        let key = key.into();
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.reveal()))
            .map_err(|_| invalid("key", "it has characters that a header cannot carry"))?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        self.key = Some(key);
        Ok(self)
    }

    /// Sends a header with every request.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// What the server does differently from others; known hosts need no word.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The longest answer, in tokens, where a request does not say. Without a word 4,096 for
    /// servers on this machine, and the server's own limit for all others.
    pub fn default_max_tokens(mut self, tokens: impl Into<Option<u32>>) -> Self {
        self.max_tokens = tokens.into();
        self
    }

    /// Whether the model can be sent pictures, sounds and files; otherwise it gets a note that
    /// there is one. Without a word it is sent them until the server refuses the first.
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
    ) -> Result<impl Stream<Item = Result<ModelEvent, ModelError>> + Send + use<>, ModelError> {
        let media = self.media.load(Ordering::Relaxed);
        let answer = match self.ask(request, media).await {
            Err(error) if media && has_media(request) && refuses_media(&error) => {
                tracing::info!(model = %self.id, %error, "sending notes in place of media");
                self.media.store(false, Ordering::Relaxed);
                self.ask(request, false).await?
            }
            outcome => outcome?,
        };
        let mut decoder = Decoder::new(self.id.clone());
        let mut ready = Vec::new();
        let body = if answer.is_events() {
            Some(answer.into_events(MAX_ANSWER_BYTES))
        } else {
            let mut answer = answer;
            let body = answer.bytes(MAX_ANSWER_BYTES).await.map_err(undelivered)?;
            decoder.whole(&body, &mut ready)?;
            None
        };
        let reading =
            Reading { body, decoder, ready: ready.into(), endpoint: self.endpoint.clone() };
        Ok(stream::try_unfold(reading, |mut reading| async move {
            let event = reading.next().await.map_err(|error| error.at(&reading.endpoint))?;
            Ok(event.map(|event| (event, reading)))
        }))
    }

    async fn ask(&self, request: &ModelRequest, media: bool) -> Result<PlainAnswer, ModelError> {
        let encoding = Encoding { id: &self.id, dialect: self.dialect, stream: true, media };
        let body = match (request.max_tokens, self.max_tokens) {
            (None, Some(tokens)) => {
                let limited = ModelRequest { max_tokens: Some(tokens), ..request.clone() };
                encode(&limited, encoding)?
            }
            _ => encode(request, encoding)?,
        };
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
        Err(failure::decode(answer.status, &answer.headers, &self.without_key(&body)))
    }

    /// Some servers quote the key in their refusal.
    fn without_key(&self, body: &Bytes) -> Bytes {
        match (&self.key, std::str::from_utf8(body)) {
            (Some(key), Ok(text)) if !key.reveal().is_empty() && text.contains(key.reveal()) => {
                text.replace(key.reveal(), "***").into()
            }
            _ => body.clone(),
        }
    }
}

impl ChatModel for OpenAiChat {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        let opening = async { self.open(request).await.map_err(|error| error.at(&self.endpoint)) };
        Box::pin(stream::once(opening).try_flatten())
    }
}

/// An answer that is being read.
struct Reading {
    /// `None` once it was read to its end.
    body: Option<PlainEvents>,
    decoder: Decoder,
    ready: VecDeque<ModelEvent>,
    endpoint: Url,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<ModelEvent>, ModelError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(body) = &mut self.body else { return Ok(None) };
            let mut events = Vec::new();
            if let Some(data) = body.next().await.map_err(undelivered)? {
                let text = String::from_utf8_lossy(&data);
                self.decoder.chunk(&text, &mut events)?;
            } else {
                self.decoder.end_of_stream(&mut events)?;
                self.body = None;
            }
            self.ready = events.into();
        }
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

/// Whether the server says that the model cannot see, hear or read files.
fn refuses_media(error: &ModelError) -> bool {
    const WORDS: [&str; 5] = ["image", "audio", "multimodal", "mmproj", "content type"];
    error.status().is_some_and(|status| matches!(status, 400 | 404 | 415 | 422 | 500 | 501))
        && error.body_snippet().is_some_and(|body| {
            let body = body.to_lowercase();
            WORDS.iter().any(|word| body.contains(word))
        })
}

pub(super) fn invalid(setting: &'static str, reason: &str) -> ModelError {
    ModelError::new(ModelErrorKind::InvalidSetting { setting, reason: reason.to_owned() })
}

/// The address under which `models` and `chat/completions` are.
pub(super) fn base_url_of(text: &str) -> Result<Url, ModelError> {
    let mut url =
        Url::parse(text.trim()).map_err(|error| invalid("base URL", &error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("base URL", "it is not an address of http or https"));
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/chat/completions").unwrap_or(path);
    let path = if path.is_empty() { "/v1" } else { path }.to_owned();
    url.set_path(&path);
    Ok(url)
}

/// The address of something below the base; a query, such as Azure's version, stays.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Debug for OpenAiChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiChat")
            .field("id", &self.id)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
