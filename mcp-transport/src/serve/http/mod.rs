//! Serving over Streamable HTTP, in both lifecycles on one address.
//!
//! `endpoint` decides which answer a request gets: `modern` checks headers, `session` is what the
//! legacy lifecycle keeps between requests, and `session_id` what any process can read of it. Every request runs in a task (`work`) that writes to an
//! `event_log`; `reply` is its reader. `guard` says who may ask.

mod accept;
mod endpoint;
mod event_log;
mod guard;
mod modern;
mod principal;
mod reply;
mod session;
mod session_id;
mod work;

use std::{convert::Infallible, future::Future, io, pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

pub(super) use self::event_log::EventLog;
pub use self::{
    accept::accept,
    endpoint::HttpEndpoint,
    guard::Guard,
    principal::Principal,
    reply::ReplyBody,
    session_id::{SessionKeyError, SessionKeys},
};
use super::Service;

/// How many connections are open at the same time; more wait.
const MAX_CONNECTIONS: usize = 4096;

/// How long a client may take to send the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// How long connections may take to end once their streams have.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// How an MCP endpoint behaves.
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpServeConfig {
    path: String,
    guard: Guard,
    max_body_bytes: usize,
    max_sessions: usize,
    session_idle: Duration,
    session_keys: Option<SessionKeys>,
    session_age: Duration,
    shutdown_grace: Duration,
}

impl Default for HttpServeConfig {
    fn default() -> Self {
        Self {
            path: "/mcp".to_owned(),
            guard: Guard::default(),
            max_body_bytes: 16 << 20,
            max_sessions: 1024,
            session_idle: Duration::from_secs(3600),
            session_keys: None,
            session_age: Duration::from_secs(24 * 3600),
            shutdown_grace: Duration::from_secs(2),
        }
    }
}

impl HttpServeConfig {
    /// The default settings: for clients on this machine only.
    pub fn new() -> Self {
        Self::default()
    }

    /// The path of the endpoint. Default: `/mcp`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Also answers requests for this host, a name or number without port. Requests for
    /// `localhost`, `127.0.0.1` and `[::1]` are always answered, others with 403.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.guard = self.guard.allow_host(host);
        self
    }

    /// Answers requests for any host. Only right where something before this server checks it:
    /// otherwise a web page can reach the server through the browser of whoever visits it.
    pub fn allow_any_host(mut self) -> Self {
        self.guard = self.guard.allow_any_host();
        self
    }

    /// Also answers requests that web pages of this origin make, such as `https://example.com`.
    /// Pages from the allowed hosts themselves are always answered.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.guard = self.guard.allow_origin(origin);
        self
    }

    /// Which hosts and origins are answered, in place of those allowed before.
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// The largest message that is accepted. Default: 16 MiB.
    pub fn max_body_bytes(mut self, limit: usize) -> Self {
        self.max_body_bytes = limit;
        self
    }

    /// How many legacy sessions there are at most. Beyond it the one that was idle for longest is
    /// ended. Default: 1024.
    pub fn max_sessions(mut self, limit: usize) -> Self {
        self.max_sessions = limit.max(1);
        self
    }

    /// How long a legacy session is kept that nobody uses. Default: an hour.
    pub fn session_idle(mut self, limit: Duration) -> Self {
        self.session_idle = limit;
        self
    }

    /// Seals what any process needs into the ids of legacy sessions, where the service
    /// [carries](Service::carried) it: then a session goes on in every process with the same keys,
    /// and while nothing of it is under way, nothing of it is kept. Ids that were changed, that are
    /// for another [`Principal`], or too old, are answered with 404, upon which clients open a new
    /// session. Without keys, and for what does not fit into 1,024 characters, an id is random and
    /// means something in this process only.
    pub fn session_keys(mut self, keys: SessionKeys) -> Self {
        self.session_keys = Some(keys);
        self
    }

    /// How old a sealed id may become. Default: a day.
    pub fn session_age(mut self, limit: Duration) -> Self {
        self.session_age = limit;
        self
    }

    /// How long requests may go on after the server was told to stop. Default: 2 s.
    pub fn shutdown_grace(mut self, limit: Duration) -> Self {
        self.shutdown_grace = limit;
        self
    }
}

/// Serves until `stop` is ready; then requests under way get a moment to finish.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use mcp_transport::serve::{self, HttpServeConfig, Service};
///
/// # async fn example(service: Arc<dyn Service>) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
/// serve::http(listener, service, HttpServeConfig::new(), std::future::pending()).await
/// # }
/// ```
///
/// # Errors
/// The listener failed.
///
/// # Cancel safety
/// Dropping the future ends all connections at once.
pub async fn http(
    listener: TcpListener,
    service: Arc<dyn Service>,
    config: HttpServeConfig,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let grace = config.shutdown_grace;
    let endpoint = Arc::new(HttpEndpoint::new(service, config));
    let stopping = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = accept(&listener), if connections.len() < MAX_CONNECTIONS => {
                connections.spawn(carry(accepted?, Arc::clone(&endpoint), stopping.subscribe()));
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let mut all = async || while connections.join_next().await.is_some() {};
    if timeout(grace, all()).await.is_err() {
        // Streams that would never end by themselves.
        endpoint.end();
        let _ = timeout(LAST_BYTES, all()).await;
    }
    Ok(())
}

/// Serves one connection.
async fn carry(
    stream: TcpStream,
    endpoint: Arc<HttpEndpoint>,
    mut stopping: watch::Receiver<bool>,
) {
    let answer = service_fn(move |request| {
        let endpoint = Arc::clone(&endpoint);
        async move { Ok::<_, Infallible>(endpoint.answer(request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .serve_connection(TokioIo::new(stream), answer)
    );
    let outcome = tokio::select! {
        outcome = &mut connection => outcome,
        // The sender lives as long as the server.
        () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended out of order");
    }
}

#[cfg(test)]
mod replica_tests;
#[cfg(test)]
mod tests;
