//! Connections to one endpoint, kept for the next call.

use std::{
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Full;
use hyper::client::conn::http2;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::unconstrained,
    time::{Instant, sleep, timeout},
};

use super::{
    body::Body,
    connection::{Connection, Http1, Http2},
    dial::{Dialed, Dialer},
    tasks::Tasks,
};
use crate::DeliveryError;

/// How long an unused connection is kept. Servers commonly close theirs after 60 to 120 s.
const KEEP_IDLE: Duration = Duration::from_secs(90);
/// How long the next call waits for a body that is complete but not ended.
const SETTLE: Duration = Duration::from_millis(20);
/// How many such bodies are kept; the oldest are given up, and their connections closed.
const MAX_SETTLING: usize = 8;
/// After how many waits in vain a server is taken for one that does not end its streams.
const MAX_UNENDED: u8 = 3;
/// An event that arrived while the runtime slept is seen by the runtime first.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The connections to one endpoint.
pub(super) struct Pool {
    dialer: Dialer,
    state: Mutex<State>,
    room: Arc<Semaphore>,
    /// One dial at a time until it is known whether connections can be shared.
    sharing: tokio::sync::Mutex<()>,
    shares: AtomicBool,
    /// How many bodies in a row did not end in time after their message.
    unended: AtomicU8,
    tasks: Arc<Tasks>,
}

#[derive(Default)]
struct State {
    /// The one used last is at the end.
    idle: Vec<Idle>,
    settling: Vec<Body>,
    shared: Option<http2::SendRequest<Full<Bytes>>>,
    /// Whether a task closes old connections.
    tidied: bool,
    closed: bool,
}

impl State {
    fn keep_settling(&mut self, bodies: impl IntoIterator<Item = Body>) {
        if !self.closed {
            self.settling.extend(bodies);
            let surplus = self.settling.len().saturating_sub(MAX_SETTLING);
            self.settling.drain(..surplus);
        }
    }
}

struct Idle {
    line: Box<Http1>,
    since: Instant,
}

/// Who asks for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A request, which waits its turn when there are many.
    Request,
    /// What running requests may depend on: answers, cancellations, streams that stay open. To
    /// wait here for a request to end could be to wait for ever.
    Side,
}

/// The right to use a connection for one exchange. Dropping it closes an HTTP/1.1 connection,
/// since the rest of the exchange could still arrive on it.
pub(super) struct Lease {
    pub(super) connection: Connection,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    /// An empty pool.
    pub(super) fn new(dialer: Dialer, max_connections: usize, tasks: Arc<Tasks>) -> Arc<Self> {
        Arc::new(Self {
            dialer,
            state: Mutex::default(),
            room: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
            sharing: tokio::sync::Mutex::new(()),
            shares: AtomicBool::new(false),
            unended: AtomicU8::new(0),
            tasks,
        })
    }

    /// A connection for one exchange: a kept one if there is one, else a new one.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue and closes a half-open connection.
    pub(super) async fn lease(self: &Arc<Self>, lane: Lane) -> Result<Lease, DeliveryError> {
        if self.shares.load(Ordering::Acquire)
            && let Some(connection) = self.share()
        {
            return Ok(self.leased(connection, None));
        }
        let permit = match lane {
            Lane::Side => None,
            Lane::Request => match Arc::clone(&self.room).try_acquire_owned() {
                Ok(permit) => Some(permit),
                // The semaphore is fair and never closed.
                Err(_) => Arc::clone(&self.room).acquire_owned().await.ok(),
            },
        };
        if let Some(line) = self.kept().await {
            return Ok(self.leased(Connection::Http1(line), permit));
        }
        // Rare and large, so not a part of every call's future.
        let connection = Box::pin(self.dial()).await?;
        Ok(self.leased(connection, permit))
    }

    fn leased(
        self: &Arc<Self>,
        connection: Connection,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Lease {
        Lease { connection, pool: Arc::clone(self), permit }
    }

    /// A kept connection that the server has not closed.
    async fn kept(&self) -> Option<Box<Http1>> {
        loop {
            let Some(Idle { mut line, since }) = self.pop_idle() else {
                if Box::pin(self.settle()).await {
                    continue;
                }
                return None;
            };
            let age = since.elapsed();
            if age > KEEP_IDLE {
                continue;
            }
            if age > LOOK_AGAIN_AFTER {
                tokio::task::yield_now().await;
            }
            // The budget of the task must not make a good connection look bad.
            if unconstrained(poll_fn(|_| Poll::Ready(line.is_usable()))).await {
                return Some(line);
            }
        }
    }

    fn pop_idle(&self) -> Option<Idle> {
        self.lock().idle.pop()
    }

    /// Sees which bodies have ended whose message was handed out already, and waits a little for
    /// the latest. Whether a connection may have come back.
    async fn settle(&self) -> bool {
        let mut bodies = std::mem::take(&mut self.lock().settling);
        let Some(mut latest) = bodies.pop() else { return false };
        let before = bodies.len();
        poll_fn(|cx| {
            bodies.retain_mut(|body| !body.poll_discard(cx));
            Poll::Ready(())
        })
        .await;
        let wait = if self.lingers() { Duration::ZERO } else { SETTLE };
        let ended = timeout(wait, latest.discard()).await.is_ok();
        if ended {
            self.unended.store(0, Ordering::Relaxed);
        } else {
            let count = self.unended.load(Ordering::Relaxed).saturating_add(1);
            self.unended.store(count, Ordering::Relaxed);
            bodies.push(latest);
        }
        let came_back = ended || bodies.len() < before;
        self.lock().keep_settling(bodies);
        came_back
    }

    /// Whether the server keeps streams open after their response, so that waiting is in vain.
    fn lingers(&self) -> bool {
        self.unended.load(Ordering::Relaxed) >= MAX_UNENDED
    }

    /// A share of the HTTP/2 connection, if there is one that works.
    fn share(&self) -> Option<Connection> {
        let state = self.lock();
        let sender = state.shared.as_ref().filter(|sender| !sender.is_closed())?;
        Some(Connection::Http2(Box::new(Http2::new(sender.clone()))))
    }

    async fn dial(self: &Arc<Self>) -> Result<Connection, DeliveryError> {
        let _turn = if self.dialer.may_share() {
            let turn = self.sharing.lock().await;
            if let Some(connection) = self.share() {
                return Ok(connection);
            }
            Some(turn)
        } else {
            None
        };
        match self.dialer.dial(&self.tasks).await? {
            Dialed::Http1(line) => Ok(Connection::Http1(line)),
            Dialed::Http2(sender) => {
                self.lock().shared = Some(sender.clone());
                self.shares.store(true, Ordering::Release);
                Ok(Connection::Http2(Box::new(Http2::new(sender))))
            }
        }
    }

    /// Whether a proxy wants to see the whole URL.
    pub(super) fn wants_absolute_form(&self) -> bool {
        self.dialer.wants_absolute_form()
    }

    /// `Proxy-Authorization`, for a proxy that wants to see the requests.
    pub(super) fn credentials(&self) -> Option<HeaderValue> {
        self.dialer.proxy_credentials()
    }

    /// Closes what is kept; what is in use closes when it comes back.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        let kept = std::mem::replace(&mut *state, State { closed: true, ..State::default() });
        drop(state);
        drop(kept);
    }

    /// Drops connections that nobody has used for long.
    fn prune(idle: &mut Vec<Idle>, now: Instant) {
        let stale = idle.iter().take_while(|idle| now - idle.since >= KEEP_IDLE).count();
        idle.drain(..stale);
    }

    /// Closes what a burst of requests leaves, also when no further request comes by. A single
    /// connection is not worth a task.
    fn tidy_up(self: &Arc<Self>) {
        let pool = Arc::downgrade(self);
        self.tasks.spawn_lasting(async move {
            loop {
                sleep(KEEP_IDLE).await;
                let Some(pool) = pool.upgrade() else { return };
                let mut state = pool.lock();
                Self::prune(&mut state.idle, Instant::now());
                if state.idle.len() < 2 {
                    state.tidied = false;
                    return;
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Keeps the connection for the next call, which sees whether it can be used.
    pub(super) fn give_back(self) {
        let Self { connection: Connection::Http1(line), pool, .. } = self else { return };
        let mut state = pool.lock();
        if !state.closed {
            let since = Instant::now();
            Pool::prune(&mut state.idle, since);
            state.idle.push(Idle { line, since });
            if state.idle.len() > 1 && !std::mem::replace(&mut state.tidied, true) {
                drop(state);
                pool.tidy_up();
            }
        }
    }

    /// Keeps an answer whose message was handed out, in the hope that it ends soon.
    pub(super) fn settle_later(mut body: Body) {
        let Some(lease) = body.lease() else { return };
        // Nobody waits for this exchange any more.
        lease.permit = None;
        let pool = Arc::clone(&lease.pool);
        pool.lock().keep_settling([body]);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Pool")
            .field("idle", &state.idle.len())
            .field("shared", &state.shared.is_some())
            .finish_non_exhaustive()
    }
}
