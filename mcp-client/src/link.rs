//! One connection as every call sees it: ids, `_meta`, deadlines, and what the server sends beside
//! its answers.

use std::{
    borrow::Cow,
    fmt::Write as _,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use mcp_protocol::{
    elicitation::{ElicitationComplete, ElicitationCompleteParams},
    initialize::Initialize,
    jsonrpc::{self, Message, NotificationMessage, RequestId, Response},
    logging::LoggingLevel,
    meta,
    method::{Method as _, Notification as _},
    notifications::Progress,
    subscriptions::SubscriptionsListen,
    tasks::{TaskChanged, TaskParams, legacy::TaskStatusChanged},
    version::{Era, ProtocolVersion},
};
use mcp_transport::{
    Exchange, OutgoingMessage, OutgoingRequest, Transport,
    error::{DeliveryError, DeliveryErrorKind},
    transport::{Binding, Mirrored},
};
use serde::Serialize;
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use crate::{
    CallError, CallErrorKind, TimeLimit,
    alarms::Alarms,
    answering::{Answering, Caller, Callers, Entered, Meant},
    asking::{Asking, Question},
    cache::{CacheAccess, Wish},
    extension::Extensions,
    handlers::{Asker, Handlers, LogHandler, on_log},
    lifecycle::{Declared, Sessions},
    news::News,
    progress::{self, Late, LateProgress, ProgressHandler},
    subscriptions::Watchers,
    tasks::TaskHandler,
    trace::{TraceContext, TraceSource},
};

/// What a caller wants of one request.
#[derive(Default)]
pub(crate) struct CallOptions {
    /// The longest silence; progress starts it anew.
    pub(crate) idle: Option<Duration>,
    /// The longest time in all.
    pub(crate) total: Option<Duration>,
    pub(crate) on_progress: Option<ProgressHandler>,
    /// Whether progress is heard after the response too.
    pub(crate) late: Late,
    pub(crate) on_log: Option<LogHandler>,
    pub(crate) log_level: Option<LoggingLevel>,
    /// The caller's own `_meta` entries: the inside of a JSON object, without braces.
    pub(crate) meta: String,
    /// Whether to ask for progress even without a handler, since progress keeps a call alive.
    pub(crate) wants_progress: bool,
    /// Whether the caller answers the server's questions, and not the client's callbacks.
    pub(crate) by_caller: bool,
    /// What can be answered during this call, where it is not what the client's callbacks offer.
    pub(crate) answering: Option<Arc<Answering>>,
    /// Whether the cache may answer.
    pub(crate) wish: Wish,
    /// Set when the result is not the server's first answer to the bare request.
    pub(crate) took_rounds: bool,
    /// Hears how a task stands into which the request turned.
    pub(crate) on_task: Option<TaskHandler>,
    /// What is checked against a tool's schemas.
    #[cfg(feature = "schema")]
    pub(crate) validate: crate::Validate,
    /// What the result of a request that is taken up again must satisfy.
    #[cfg(feature = "schema")]
    pub(crate) promised: Option<mcp_protocol::raw::RawJson>,
}

impl std::fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallOptions")
            .field("idle", &self.idle)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Link {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) endpoint: Arc<str>,
    pub(crate) binding: Binding,
    pub(crate) handlers: Handlers,
    pub(crate) era: Era,
    /// Of legacy Streamable HTTP.
    pub(crate) sessions: Option<Box<Sessions>>,
    /// `None` until a legacy version is negotiated.
    pub(crate) version: Option<ProtocolVersion>,
    /// Shared by the links of one transport, so that an id is never used twice.
    pub(crate) ids: Arc<AtomicI64>,
    pub(crate) extensions: Extensions,
    pub(crate) trace: Option<TraceSource>,
    pub(crate) input_timeout: Option<Duration>,
    pub(crate) declared: Declared,
    pub(crate) beside: Beside,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) cache: CacheAccess,
    /// The shortest time between two looks at what a server does not tell of.
    pub(crate) poll_interval: Option<Duration>,
    /// For requests that say nothing else.
    pub(crate) log_level: Option<LoggingLevel>,
}

/// How many requests of a server are answered at a time.
const MAX_ANSWERS: usize = 256;

/// Room for answers. A server that asks and asks, and hears nothing, must not fill the memory.
struct Answers(Arc<Semaphore>);

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_ANSWERS)))
    }
}

/// What goes on beside the calls.
#[derive(Default)]
pub(crate) struct Beside {
    /// The server's questions that wait for a person. Idle clocks stand still meanwhile.
    pub(crate) asking: Asking,
    /// Calls that want to be asked themselves (legacy).
    callers: Callers,
    /// What goes on beside the calls.
    others: Mutex<JoinSet<()>>,
    /// Room for answers to requests of the server.
    answers: Answers,
    alarms: Alarms,
    /// Wakes those who wait for a task.
    pub(crate) tasks: News,
    /// Hears the progress of tasks (legacy).
    progress: LateProgress,
    /// Wakes those who wait for a person to finish at a page (legacy).
    pub(crate) pages: News,
}

impl Link {
    /// Sends a request and waits for the text of its result.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request; the transport tells the server.
    pub(crate) async fn request<P: Serialize + ?Sized>(
        self: &Arc<Self>,
        method: &'static str,
        params: &P,
        mirrored: Mirrored,
        options: &mut CallOptions,
    ) -> Result<Bytes, CallError> {
        let session = self.sessions.as_ref().map_or(0, |sessions| sessions.current());
        match self.request_once(method, params, mirrored, options).await {
            // The server did not take the request, so it may be sent again. In a box, since it is
            // rare and would make the future of every call larger.
            Err(error) if error.is_session_lost() => {
                Box::pin(self.request_in_new_session(error, session, method, params, options)).await
            }
            outcome => outcome,
        }
    }

    async fn request_in_new_session<P: Serialize + ?Sized>(
        self: &Arc<Self>,
        error: CallError,
        lost: u64,
        method: &'static str,
        params: &P,
        options: &mut CallOptions,
    ) -> Result<Bytes, CallError> {
        let Some(sessions) = &self.sessions else { return Err(error) };
        if !sessions.renew(lost, self).await? {
            return Err(error);
        }
        // The lifecycle that has sessions mirrors nothing.
        self.request_once(method, params, Mirrored::default(), options).await
    }

    /// Whether a server refused a request for its revision and yet says that it speaks just that, as
    /// a replica does that begins or ends. It did not take the request, so it may be sent again.
    pub(crate) fn is_spoken_after_all(&self, refusal: &CallError) -> bool {
        let Some(supported) = refusal.supported_versions() else { return false };
        self.version.as_ref().is_some_and(|version| supported.contains(version))
    }

    /// [`request`](Self::request) within the session as it is.
    pub(crate) async fn request_once<P: Serialize + ?Sized>(
        self: &Arc<Self>,
        method: &'static str,
        params: &P,
        mirrored: Mirrored,
        options: &mut CallOptions,
    ) -> Result<Bytes, CallError> {
        let (number, request) = self.outgoing(method, params, mirrored, options)?;
        self.beside.progress.keep(number, options);
        let exchange = self.transport.exchange(request);
        self.drive(exchange, method, number, options).await
    }

    /// Starts a request whose stream the caller reads without limits of time.
    pub(crate) fn start<P: Serialize + ?Sized>(
        &self,
        method: &'static str,
        params: &P,
    ) -> Result<(RequestId, Exchange), CallError> {
        let options = CallOptions::default();
        let (_, request) = self.outgoing(method, params, Mirrored::default(), &options)?;
        Ok((request.id.clone(), self.transport.exchange(request)))
    }

    fn outgoing<P: Serialize + ?Sized>(
        &self,
        method: &'static str,
        params: &P,
        mirrored: Mirrored,
        options: &CallOptions,
    ) -> Result<(i64, OutgoingRequest), CallError> {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        let id = RequestId::Number(number);
        let meta = self.request_meta(method, number, options);
        let body = jsonrpc::encode_request(&id, method, params, meta.as_deref())
            .map_err(|source| self.error(CallErrorKind::InvalidParams(source), method))?;
        let request = OutgoingRequest {
            id,
            method: Cow::Borrowed(method),
            body,
            era: self.era,
            // A session that is opened again negotiates it again.
            protocol_version: self.version.clone().filter(|_| method != Initialize::NAME),
            mirrored,
        };
        Ok((number, request))
    }

    /// The text of `_meta`, if there is anything to say.
    fn request_meta(&self, method: &str, token: i64, options: &CallOptions) -> Option<String> {
        let wants_progress = options.wants_progress || options.on_progress.is_some();
        // Log messages come with a response, and must not come on a stream of changes.
        let may_log = self.era == Era::Modern && method != SubscriptionsListen::NAME;
        let log_level = options.log_level.as_ref().or(self.log_level.as_ref()).filter(|_| may_log);
        let trace = self.trace.as_ref().and_then(TraceSource::current);
        let declared = if let Some(answering) = &options.answering {
            match answering.answer {
                Some(_) => self.declared.with(method, &answering.capabilities),
                None => self.declared.exactly(&answering.capabilities),
            }
        } else if options.by_caller {
            self.declared.by_caller(method)
        } else {
            Cow::Borrowed(self.declared.by_handlers(method))
        };
        if declared.is_empty() && !wants_progress && options.meta.is_empty() && trace.is_none() {
            return None;
        }
        let mut meta = String::with_capacity(declared.len() + options.meta.len() + 40);
        meta.push_str(&declared);
        let entry = |meta: &mut String, key: &str| {
            meta.push_str(if meta.is_empty() { "{\"" } else { ",\"" });
            meta.push_str(key);
            meta.push_str("\":");
        };
        if wants_progress {
            entry(&mut meta, meta::PROGRESS_TOKEN);
            meta.push_str(itoa::Buffer::new().format(token));
        }
        if let Some(level) = log_level {
            entry(&mut meta, meta::LOG_LEVEL);
            // Writing to a string cannot fail.
            let _ = write!(meta, "\"{}\"", level.as_str());
        }
        for (key, value) in trace.iter().flat_map(TraceContext::entries) {
            entry(&mut meta, key);
            let _ = write!(meta, "\"{value}\"");
        }
        if !options.meta.is_empty() {
            meta.push(if meta.is_empty() { '{' } else { ',' });
            meta.push_str(&options.meta);
        }
        meta.push('}');
        Some(meta)
    }

    /// Notes that a call wants to be asked itself, where that cannot be told from its stream.
    fn enter(&self, options: &CallOptions) -> Option<Entered<'_>> {
        let answering = options.answering.as_ref().filter(|_| self.era == Era::Legacy)?;
        let (answering, on_log) = (Some(Arc::clone(answering)), options.on_log.clone());
        Some(self.beside.callers.enter(Caller { answering, on_log }))
    }

    async fn drive(
        self: &Arc<Self>,
        mut exchange: Exchange,
        method: &'static str,
        token: i64,
        options: &mut CallOptions,
    ) -> Result<Bytes, CallError> {
        let _entered = self.enter(options);
        let started = Instant::now();
        let mut clock = Clock::new(started, options);
        let mut alarm = self.beside.alarms.set(clock.next_alarm());
        loop {
            let message = tokio::select! {
                biased;
                message = exchange.next() => message,
                () = &mut alarm => {
                    if self.transport.is_asking() {
                        clock.restart(Instant::now());
                    }
                    let asking = self.beside.asking.is_open();
                    if let Some((after, limit)) = clock.ran_out(Instant::now(), asking) {
                        let stderr = self.transport.stderr_tail();
                        let kind = CallErrorKind::TimedOut { after, limit, stderr };
                        return Err(self.error(kind, method));
                    }
                    alarm.reset(clock.next_alarm());
                    continue;
                }
            };
            match message {
                Some(Ok(Message::Response(Response { outcome: Ok(result), .. }))) => {
                    return Ok(result);
                }
                Some(Ok(Message::Response(Response { outcome: Err(object), .. }))) => {
                    return Err(self.error(CallErrorKind::Rejected(object), method));
                }
                Some(Ok(Message::Notification(notification))) => {
                    clock.heard(Instant::now());
                    alarm.reset(clock.next_alarm());
                    self.on_exchange_notification(notification, token, options);
                }
                Some(Ok(Message::Request(request))) => {
                    clock.heard(Instant::now());
                    self.answer(request, options.answering.clone());
                }
                Some(Err(error)) => {
                    return Err(CallError::delivery(error, method, self.endpoint.clone()));
                }
                None => {
                    let kind = DeliveryErrorKind::Truncated { source: None };
                    let error = DeliveryError::maybe_sent(kind);
                    return Err(CallError::delivery(error, method, self.endpoint.clone()));
                }
            }
        }
    }

    fn on_exchange_notification(
        &self,
        notification: NotificationMessage,
        token: i64,
        options: &mut CallOptions,
    ) {
        match &*notification.method {
            Progress::NAME => {
                let Some(progress) = progress::read(&notification, &self.endpoint) else { return };
                if progress.progress_token != RequestId::Number(token) {
                    self.beside.progress.pass_on(progress);
                } else if let Some(on_progress) = &mut options.on_progress {
                    on_progress(progress);
                }
            }
            "notifications/message" => {
                let handler = options.on_log.as_ref().or(self.handlers.log.as_ref());
                on_log(handler, &self.endpoint, &notification);
            }
            _ => self.on_notification(notification),
        }
    }

    pub(crate) fn on_notification(&self, notification: NotificationMessage) {
        self.hear(&notification);
        self.wake(&notification);
        if !self.extensions.is_empty() {
            let asker = Asker { endpoint: Arc::clone(&self.endpoint) };
            if self.extensions.on_notification(&notification, &asker) {
                return;
            }
        }
        self.handlers.on_notification(&self.endpoint, notification);
    }

    /// Wakes those who wait for what the notification is about.
    fn wake(&self, notification: &NotificationMessage) {
        let woken = match &*notification.method {
            TaskChanged::NAME | TaskStatusChanged::NAME => {
                serde_json::from_slice(&notification.params)
                    .map(|TaskParams { task_id, .. }| self.beside.tasks.wake(&task_id))
            }
            Progress::NAME => {
                if let Some(progress) = progress::read(notification, &self.endpoint) {
                    self.beside.progress.pass_on(progress);
                }
                return;
            }
            ElicitationComplete::NAME => serde_json::from_slice(&notification.params).map(
                |ElicitationCompleteParams { elicitation_id, .. }| {
                    self.beside.pages.wake(&elicitation_id);
                },
            ),
            _ => return,
        };
        if let Err(error) = woken {
            let (endpoint, method) = (&self.endpoint, &notification.method);
            tracing::warn!(%endpoint, %method, %error, "unreadable notification");
        }
    }

    /// Handles what the server sends on its own account.
    pub(crate) fn on_unsolicited(self: &Arc<Self>, message: Message) {
        match message {
            Message::Notification(notification) => {
                if &*notification.method == "notifications/message" {
                    let handler = match self.beside.callers.meant() {
                        Meant::Call(Caller { on_log: Some(handler), .. }) => Some(handler),
                        _ => self.handlers.log.clone(),
                    };
                    on_log(handler.as_ref(), &self.endpoint, &notification);
                } else {
                    self.on_notification(notification);
                }
            }
            Message::Request(request) => match self.beside.callers.meant() {
                Meant::Client => self.answer(request, None),
                Meant::Call(caller) => self.answer(request, caller.answering),
                Meant::Unclear => self.refuse(request),
            },
            Message::Response(response) => {
                tracing::debug!(endpoint = %self.endpoint, id = ?response.id, "stray response");
            }
        }
    }

    /// Stops the idle clocks of this connection while the returned value lives.
    pub(crate) fn question(&self) -> Question<'_> {
        self.beside.asking.question()
    }

    /// Runs a task that ends with the connection at the latest.
    pub(crate) fn keep(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.beside.others.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Runs the answer to a request of the server. Beyond what is answered at a time, a request is
    /// dropped.
    pub(crate) fn keep_answer(
        &self,
        method: &str,
        answer: impl Future<Output = ()> + Send + 'static,
    ) {
        let Ok(room) = Arc::clone(&self.beside.answers.0).try_acquire_owned() else {
            tracing::warn!(
                endpoint = %self.endpoint,
                method,
                "dropped a request of the server: {MAX_ANSWERS} wait for their answers"
            );
            return;
        };
        self.keep(async move {
            answer.await;
            drop(room);
        });
    }

    pub(crate) fn abort_tasks(&self) {
        self.beside.others.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Sends a notification.
    pub(crate) async fn notify<P: Serialize + ?Sized>(
        &self,
        method: &'static str,
        params: &P,
    ) -> Result<(), CallError> {
        let declared = self.declared.by_handlers(method);
        let meta = (!declared.is_empty()).then(|| format!("{declared}}}"));
        let body = jsonrpc::encode_notification(method, params, meta.as_deref())
            .map_err(|source| self.error(CallErrorKind::InvalidParams(source), method))?;
        let message = self.message(Some(Cow::Borrowed(method)), body);
        self.transport
            .send(message)
            .await
            .map_err(|error| CallError::delivery(error, method, self.endpoint.clone()))
    }

    pub(crate) fn message(
        &self,
        method: Option<Cow<'static, str>>,
        body: Bytes,
    ) -> OutgoingMessage {
        OutgoingMessage { method, body, era: self.era, protocol_version: self.version.clone() }
    }

    pub(crate) fn error(&self, kind: CallErrorKind, method: &'static str) -> CallError {
        CallError::new(kind, method, self.endpoint.clone())
    }
}

/// The two limits of one request.
struct Clock {
    started: Instant,
    last_heard: Instant,
    idle: Option<Duration>,
    total: Option<Duration>,
}

impl Clock {
    fn new(now: Instant, options: &CallOptions) -> Self {
        Self { started: now, last_heard: now, idle: options.idle, total: options.total }
    }

    fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// Begins anew: the request cannot go out before a person has consented.
    fn restart(&mut self, now: Instant) {
        self.started = now;
        self.last_heard = now;
    }

    fn next_alarm(&self) -> Option<Instant> {
        // A limit beyond the end of time is none.
        let idle = self.idle.and_then(|idle| self.last_heard.checked_add(idle));
        let total = self.total.and_then(|total| self.started.checked_add(total));
        idle.into_iter().chain(total).min()
    }

    /// Which limit is over. While a person is being asked, silence is not the server's fault.
    fn ran_out(&mut self, now: Instant, asking: bool) -> Option<(Duration, TimeLimit)> {
        if let Some(total) = self.total.filter(|total| now - self.started >= *total) {
            return Some((total, TimeLimit::Total));
        }
        let idle = self.idle.filter(|idle| now - self.last_heard >= *idle)?;
        if asking {
            self.last_heard = now;
            return None;
        }
        Some((idle, TimeLimit::Idle))
    }
}
