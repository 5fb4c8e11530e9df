//! One MCP endpoint: which answer a request gets.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use mcp_protocol::{
    error_code,
    jsonrpc::{self, ErrorObject, Message, NotificationMessage, ParseError},
    version::{Era, ProtocolVersion},
};
use tokio::{task::JoinSet, time::timeout};

use super::{
    HttpServeConfig, Principal, ReplyBody,
    event_log::EventLog,
    modern,
    reply::{self, AbortOnDrop, Events},
    session::{AllInUse, Limits, Refused, Session, Sessions},
    session_id::{self, Key, Place, SessionKeyError},
    work,
};
use crate::{
    error::BoxError,
    http::headers::{LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID},
    serve::{Beside, Peer, Service, outgoing::Outgoing},
};

/// How long an answer is waited for before its head goes out and a stream begins.
const STREAM_AFTER: Duration = Duration::from_secs(5);

/// How long a client may take to send a body.
const BODY_LIMIT: Duration = Duration::from_secs(60);

/// An MCP endpoint over HTTP, for a server that has others beside it. [`http`](super::http) is a
/// server that has only this one.
///
/// Needs a tokio runtime with a timer. Dropping it ends all requests and sessions.
pub struct HttpEndpoint {
    service: Arc<dyn Service>,
    config: HttpServeConfig,
    pub(super) sessions: Sessions,
    /// Modern requests under way.
    work: Mutex<JoinSet<()>>,
}

type Reply = Response<ReplyBody>;

impl HttpEndpoint {
    /// An endpoint that has the service answer.
    pub fn new(service: Arc<dyn Service>, config: HttpServeConfig) -> Self {
        Self { service, config, sessions: Sessions::default(), work: Mutex::default() }
    }

    /// Answers one request. Whatever is wrong with it becomes a status and, where it has a place,
    /// an error of the protocol.
    ///
    /// # Cancel safety
    /// Dropping the future, or later the body, ends a modern request. A legacy one goes on; its
    /// answer can be fetched by resuming the stream.
    pub async fn answer<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        if let Err(reason) = self.config.guard.check(&head.headers, &head.uri) {
            let error = ErrorObject::new(error_code::INVALID_REQUEST, reason);
            return reply::refusal(StatusCode::FORBIDDEN, None, &error);
        }
        if head.uri.path() != self.config.path {
            return reply::status(StatusCode::NOT_FOUND);
        }
        let version = shown_version(&head.headers);
        let client = Client {
            headers: &head.headers,
            version: version.as_ref(),
            principal: head.extensions.get(),
            beside: head.extensions.get(),
        };
        let is_modern = client.is_modern();
        match head.method {
            Method::POST => match self.read(&head.headers, body).await {
                Ok(text) => self.post(client, &text).await,
                Err(refusal) => *refusal,
            },
            Method::GET if !is_modern => self.get(client).unwrap_or_else(|refusal| *refusal),
            Method::DELETE if !is_modern => self.delete(client).unwrap_or_else(|refusal| *refusal),
            _ if is_modern => reply::not_allowed("POST"),
            _ => reply::not_allowed("DELETE, GET, POST"),
        }
    }

    /// Ends all requests, streams and sessions.
    pub fn end(&self) {
        self.sessions.end_all();
        self.work.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Reads the body of a POST, if it is one that can be answered.
    async fn read<B>(&self, headers: &HeaderMap, body: B) -> Result<Bytes, Box<Reply>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        if !is_kind(headers.get(header::CONTENT_TYPE), "application/json") {
            return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be JSON"));
        }
        if !accepts(headers, "application/json") || !accepts(headers, "text/event-stream") {
            let reason = "the client must accept application/json and text/event-stream";
            return Err(refuse(StatusCode::NOT_ACCEPTABLE, reason));
        }
        let body = Limited::new(body, self.config.max_body_bytes).collect();
        match timeout(BODY_LIMIT, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))
            }
            Ok(Err(_)) => Err(refuse(StatusCode::BAD_REQUEST, "the body broke off")),
            Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "the body takes too long")),
        }
    }

    async fn post(&self, client: Client<'_>, text: &Bytes) -> Reply {
        let headers = client.headers;
        let is_batch = text.trim_ascii_start().first() == Some(&b'[');
        let mut messages = match Message::parse_batch(text) {
            Ok(messages) => messages,
            Err(error) => {
                let code = match error {
                    ParseError::NotJson { .. } => error_code::PARSE_ERROR,
                    _ => error_code::INVALID_REQUEST,
                };
                let error = ErrorObject::new(code, error.to_string());
                return reply::refusal(StatusCode::BAD_REQUEST, None, &error);
            }
        };
        if !is_batch && let Some(Message::Request(request)) = messages.first() {
            match modern::check(request, headers) {
                Err(error) => {
                    return reply::refusal(StatusCode::BAD_REQUEST, Some(&request.id), &error);
                }
                Ok(Era::Modern) => {
                    let Some(Message::Request(request)) = messages.pop() else {
                        return reply::status(StatusCode::BAD_REQUEST);
                    };
                    return self.modern(request, client.beside).await;
                }
                Ok(Era::Legacy) if &*request.method == "initialize" => {
                    let Some(Message::Request(request)) = messages.pop() else {
                        return reply::status(StatusCode::BAD_REQUEST);
                    };
                    return self.initialize(request, client).await;
                }
                Ok(Era::Legacy) => {}
            }
        } else if client.is_modern() {
            return match (is_batch, messages.pop()) {
                (false, Some(Message::Notification(notification))) => {
                    self.modern_notification(notification)
                }
                _ => *refuse(StatusCode::BAD_REQUEST, "one request or notification is expected"),
            };
        }
        match self.legacy(client, messages).await {
            Ok(reply) => reply,
            Err(refusal) => *refusal,
        }
    }

    async fn modern(&self, request: jsonrpc::Request, beside: Option<&Beside>) -> Reply {
        let log = EventLog::new(Some(1));
        let mut reader = log.attach(None);
        let answering = work::run(Arc::clone(&self.service), request, log, None, beside.cloned());
        let task = {
            let mut tasks = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            AbortOnDrop(tasks.spawn(answering))
        };
        if let Ok(Some(first)) = timeout(STREAM_AFTER, reader.peek()).await
            && let Some(outcome) = first.answer
        {
            return reply::json(reply::modern_status(outcome), first.text);
        }
        reply::events(Events::new(reader).ending(task))
    }

    fn modern_notification(&self, notification: NotificationMessage) -> Reply {
        // There is nowhere to say anything to.
        let over = EventLog::new(None);
        over.close();
        self.service.notification(notification, &Peer::new(Outgoing::Stream(over), None));
        reply::status(StatusCode::ACCEPTED)
    }

    async fn initialize(&self, request: jsonrpc::Request, client: Client<'_>) -> Reply {
        let principal = client.principal;
        let session = Session::open(Arc::clone(&self.service), principal.cloned());
        let Ok((number, log)) = session.start(vec![request], client.beside) else {
            return reply::status(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let mut reader = log.attach(None);
        let answer = loop {
            match poll_fn(|cx| reader.poll_next(cx)).await {
                // Before the answer there is nothing to be told.
                Some(event) if event.answer.is_none() => {}
                Some(event) => break event,
                None => return reply::status(StatusCode::INTERNAL_SERVER_ERROR),
            }
        };
        if answer.answer != Some(Ok(())) {
            return reply::json(StatusCode::OK, answer.text);
        }
        session.forget(number);
        let named = self.name(&session, principal);
        let Ok((key, Ok(id))) = named.map(|(key, id)| (key, HeaderValue::try_from(id))) else {
            return reply::status(StatusCode::INTERNAL_SERVER_ERROR);
        };
        if self.sessions.add(key, &session, self.limits()).is_err() {
            return *too_many_sessions();
        }
        let mut response = reply::json(StatusCode::OK, answer.text);
        response.headers_mut().insert(SESSION_ID, id);
        response
    }

    /// The id of a new session: sealed, if it can go on elsewhere.
    fn name(
        &self,
        session: &Session,
        principal: Option<&Principal>,
    ) -> Result<(Key, String), SessionKeyError> {
        let place = Place { path: &self.config.path, principal };
        if let Some(keys) = &self.config.session_keys
            && let Some(carried) = session.carried()
            && let Some(named) = keys.seal(&place, unix_seconds(), &carried)?
        {
            session.is_carried();
            return Ok(named);
        }
        session_id::new_random()
    }

    fn limits(&self) -> Limits {
        Limits { count: self.config.max_sessions, idle: self.config.session_idle }
    }

    async fn legacy(
        &self,
        client: Client<'_>,
        messages: Vec<Message>,
    ) -> Result<Reply, Box<Reply>> {
        let session = self.session(client)?;
        let is_single = messages.len() == 1;
        let mut requests = Vec::new();
        for message in messages {
            match message {
                Message::Request(request) if &*request.method == "initialize" => {
                    return Err(refuse(StatusCode::BAD_REQUEST, "`initialize` stands alone"));
                }
                Message::Request(request) => requests.push(request),
                Message::Notification(notification) => session.notify(notification),
                Message::Response(response) => {
                    let is_wanted = session.asking.answered(response);
                    if !is_wanted && session.may_be_elsewhere() {
                        let reason = "nobody here waits for this answer: another replica asked";
                        return Err(refuse(StatusCode::BAD_REQUEST, reason));
                    }
                }
            }
        }
        if requests.is_empty() {
            return Ok(reply::status(StatusCode::ACCEPTED));
        }
        let (number, log) =
            session.start(requests, client.beside).map_err(|refused| match refused {
                Refused::TooMany => refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests run"),
                Refused::IdInUse => {
                    refuse(StatusCode::BAD_REQUEST, "a request with this id is running")
                }
            })?;
        let mut reader = log.attach(None);
        if is_single
            && let Ok(Some(first)) = timeout(STREAM_AFTER, reader.peek()).await
            && first.answer.is_some()
        {
            session.forget(number);
            return Ok(reply::json(StatusCode::OK, first.text));
        }
        // Older clients would take an event without data for a message.
        let primed = client.version.is_some_and(|v| *v >= ProtocolVersion::V2025_11_25);
        Ok(reply::events(Events::numbered(reader, number).primed(primed)))
    }

    /// Opens the stream of unasked messages, or goes on with one that broke.
    fn get(&self, client: Client<'_>) -> Result<Reply, Box<Reply>> {
        let headers = client.headers;
        if !accepts(headers, "text/event-stream") {
            let reason = "the client must accept text/event-stream";
            return Err(refuse(StatusCode::NOT_ACCEPTABLE, reason));
        }
        let session = self.session(client)?;
        let Some(position) = headers.get(&LAST_EVENT_ID) else {
            let Some(reader) = session.unasked.attach_alone() else {
                return Err(refuse(StatusCode::CONFLICT, "the session has its stream already"));
            };
            return Ok(reply::events(Events::numbered(reader, 0)));
        };
        let position = position.to_str().ok().and_then(|text| text.split_once('-'));
        let found = position.and_then(|(stream, number)| {
            let (stream, number) = (stream.parse().ok()?, number.parse().ok()?);
            Some((stream, session.stream(stream)?.attach(Some(number))))
        });
        let Some((stream, reader)) = found else {
            return Err(refuse(StatusCode::BAD_REQUEST, "there is no such event any more"));
        };
        Ok(reply::events(Events::numbered(reader, stream)))
    }

    fn delete(&self, client: Client<'_>) -> Result<Reply, Box<Reply>> {
        let id = session_id(client.headers)?;
        let key = match self.open(id, client.principal) {
            Some(opened) => Some(opened.key),
            None => session_id::read_random(id).filter(|key| {
                let session = self.sessions.get(key);
                session.is_some_and(|session| session.is_of(client.principal))
            }),
        };
        if key.is_some_and(|key| self.sessions.remove(key)) {
            Ok(reply::status(StatusCode::NO_CONTENT))
        } else {
            Err(refuse(StatusCode::NOT_FOUND, NO_SESSION))
        }
    }

    /// What a sealed id says, as long as it is good.
    fn open(&self, id: &str, principal: Option<&Principal>) -> Option<session_id::Opened> {
        let place = Place { path: &self.config.path, principal };
        let opened = self.config.session_keys.as_ref()?.open(&place, id)?;
        // Clocks of replicas differ; one that is behind sees an id of the future.
        let age = unix_seconds().saturating_sub(opened.issued);
        (age <= self.config.session_age.as_secs()).then_some(opened)
    }

    /// The session that a legacy request names.
    fn session(&self, client: Client<'_>) -> Result<Arc<Session>, Box<Reply>> {
        if client.version.is_some_and(|version| !version.is_supported()) {
            let reason = "the protocol version of the header is not known";
            return Err(refuse(StatusCode::BAD_REQUEST, reason));
        }
        let id = session_id(client.headers)?;
        let found = match self.open(id, client.principal) {
            Some(opened) => self
                .sessions
                .get_or_make(opened.key, self.limits(), || {
                    let principal = client.principal.cloned();
                    Session::reopen(&*self.service, principal, &opened.carried)
                })
                .map_err(|AllInUse| too_many_sessions())?,
            None => session_id::read_random(id)
                .and_then(|key| self.sessions.get(&key))
                .filter(|session| session.is_of(client.principal)),
        };
        found.ok_or_else(|| refuse(StatusCode::NOT_FOUND, NO_SESSION))
    }
}

impl Drop for HttpEndpoint {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEndpoint").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Who sends a request.
#[derive(Clone, Copy)]
struct Client<'a> {
    headers: &'a HeaderMap,
    /// What the header names.
    version: Option<&'a ProtocolVersion>,
    principal: Option<&'a Principal>,
    beside: Option<&'a Beside>,
}

impl Client<'_> {
    fn is_modern(&self) -> bool {
        self.version.is_some_and(|version| version.era() == Era::Modern)
    }
}

const NO_SESSION: &str = "there is no such session";

fn too_many_sessions() -> Box<Reply> {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "there are too many sessions")
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn refuse(status: StatusCode, reason: &str) -> Box<Reply> {
    let error = ErrorObject::new(error_code::INVALID_REQUEST, reason);
    Box::new(reply::refusal(status, None, &error))
}

fn session_id(headers: &HeaderMap) -> Result<&str, Box<Reply>> {
    let id = headers.get(&SESSION_ID).and_then(|id| id.to_str().ok());
    id.ok_or_else(|| {
        let reason = "no `Mcp-Session-Id`, and no `_meta` of a revision that does without";
        let error = ErrorObject::new(error_code::INVALID_PARAMS, reason);
        Box::new(reply::refusal(StatusCode::BAD_REQUEST, None, &error))
    })
}

fn shown_version(headers: &HeaderMap) -> Option<ProtocolVersion> {
    let text = headers.get(&PROTOCOL_VERSION)?.to_str().ok()?;
    Some(ProtocolVersion::new(text.trim().to_owned()))
}

/// Whether a media type is this one, whatever its parameters.
fn is_kind(value: Option<&HeaderValue>, kind: &str) -> bool {
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().is_some_and(|found| found.trim().eq_ignore_ascii_case(kind))
}

/// What the specification has clients accept: all that is asked about here.
const JSON_OR_EVENTS: &str = "application/json, text/event-stream";

/// Whether the client takes this media type. Without `Accept` it takes all.
fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    match headers.get(header::ACCEPT) {
        None => return true,
        // As most clients say it, so that it need not be taken apart.
        Some(all) if all == JSON_OR_EVENTS => return true,
        Some(_) => {}
    }
    let group = kind.split('/').next().unwrap_or_default();
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .any(|range| {
            range.eq_ignore_ascii_case(kind)
                || range == "*/*"
                || range.strip_suffix("/*").is_some_and(|found| found.eq_ignore_ascii_case(group))
        })
}
