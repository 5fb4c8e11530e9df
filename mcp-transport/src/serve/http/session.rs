//! Sessions of the legacy lifecycle.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_protocol::jsonrpc::{NotificationMessage, Request, RequestId};
use rustls::crypto::ring;
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use super::{event_log::EventLog, work};
use crate::serve::{Peer, Service, asking::Asking};

/// How many finished streams of a session can still be resumed.
const MAX_FINISHED: usize = 16;

/// How many requests of one session run at the same time.
const MAX_RUNNING: usize = 256;

/// How many messages wait on their way to the stream of unasked messages.
const QUEUED_MESSAGES: usize = 64;

/// One client between `initialize` and the end of its session.
pub(super) struct Session {
    service: Arc<dyn Service>,
    peer: Peer,
    pub(super) asking: Arc<Asking>,
    /// What the service says unasked.
    pub(super) unasked: Arc<EventLog>,
    state: Mutex<State>,
}

struct State {
    last_stream: u64,
    /// In order of their numbers.
    streams: VecDeque<(u64, Arc<EventLog>)>,
    running: HashMap<RequestId, AbortHandle>,
    /// Ends with the session.
    tasks: JoinSet<()>,
    used: Instant,
}

/// Why a request is not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TooMany,
    IdInUse,
}

impl Session {
    pub(super) fn new(service: Arc<dyn Service>) -> Arc<Self> {
        let (outgoing, mut messages) = mpsc::channel(QUEUED_MESSAGES);
        let unasked = EventLog::new(None);
        let mut tasks = JoinSet::new();
        let log = Arc::clone(&unasked);
        tasks.spawn(async move {
            while let Some(text) = messages.recv().await {
                log.push(text).await;
            }
        });
        let asking = Arc::new(Asking::default());
        let peer = Peer::new(outgoing, Some(Arc::clone(&asking)));
        let service = service.open(&peer).unwrap_or(service);
        let state = State {
            last_stream: 0,
            streams: VecDeque::new(),
            running: HashMap::new(),
            tasks,
            used: Instant::now(),
        };
        Arc::new(Self { service, peer, asking, unasked, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts requests whose answers share a stream. Gives the stream and its number.
    pub(super) fn start(&self, requests: Vec<Request>) -> Result<(u64, Arc<EventLog>), Refused> {
        let mut state = self.lock();
        while state.tasks.try_join_next().is_some() {}
        state.running.retain(|_, task| !task.is_finished());
        if state.running.len() + requests.len() > MAX_RUNNING {
            return Err(Refused::TooMany);
        }
        if requests.iter().any(|request| state.running.contains_key(&request.id)) {
            return Err(Refused::IdInUse);
        }
        let log = EventLog::new(Some(requests.len()));
        state.used = Instant::now();
        state.last_stream += 1;
        let number = state.last_stream;
        for request in requests {
            let id = request.id.clone();
            let (service, log) = (Arc::clone(&self.service), Arc::clone(&log));
            let answering = work::run(service, request, log, Some(Arc::clone(&self.asking)));
            let task = state.tasks.spawn(answering);
            state.running.insert(id, task);
        }
        let finished = state.streams.iter().filter(|(_, log)| log.is_finished()).count();
        if finished >= MAX_FINISHED
            && let Some(oldest) = state.streams.iter().position(|(_, log)| log.is_finished())
        {
            state.streams.remove(oldest);
        }
        state.streams.push_back((number, Arc::clone(&log)));
        Ok((number, log))
    }

    /// A stream by its number; 0 is that of unasked messages.
    pub(super) fn stream(&self, number: u64) -> Option<Arc<EventLog>> {
        if number == 0 {
            return Some(Arc::clone(&self.unasked));
        }
        let state = self.lock();
        let found = state.streams.iter().find(|(one, _)| *one == number);
        found.map(|(_, log)| Arc::clone(log))
    }

    pub(super) fn notify(&self, notification: NotificationMessage) {
        if &*notification.method == "notifications/cancelled" {
            self.cancel(&notification);
        } else {
            self.service.notification(notification, &self.peer);
        }
    }

    fn cancel(&self, notification: &NotificationMessage) {
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "requestId")]
            request_id: RequestId,
        }
        match serde_json::from_slice::<Params>(&notification.params) {
            Ok(Params { request_id }) => {
                if let Some(task) = self.lock().running.remove(&request_id) {
                    task.abort();
                }
            }
            Err(error) => tracing::debug!(%error, "ignoring a malformed cancellation"),
        }
    }

    fn touch(&self) {
        self.lock().used = Instant::now();
    }

    /// How long nobody has used it; `None` while something is going on.
    fn idle(&self) -> Option<Duration> {
        let state = self.lock();
        let is_busy =
            self.unasked.is_attached() || state.running.values().any(|task| !task.is_finished());
        (!is_busy).then(|| state.used.elapsed())
    }

    /// Ends all streams and requests.
    pub(super) fn end(&self) {
        self.unasked.close();
        self.asking.end();
        let mut state = self.lock();
        state.tasks.abort_all();
        for (_, log) in state.streams.drain(..) {
            log.close();
        }
    }
}

/// All sessions, by their ids.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a session and gives its id. Sessions that nobody used for `keep` are ended. False when
    /// there are `limit` others, all of them in use.
    pub(super) fn add(
        &self,
        session: &Arc<Session>,
        limit: usize,
        keep: Duration,
    ) -> io::Result<Option<String>> {
        let id = new_id()?;
        let mut sessions = self.lock();
        let idle = |session: &Session| session.idle().unwrap_or_default();
        sessions.retain(|_, session| {
            let stays = idle(session) < keep;
            if !stays {
                session.end();
            }
            stays
        });
        if sessions.len() >= limit {
            let longest = sessions.iter().max_by_key(|(_, session)| idle(session));
            let longest = longest.filter(|(_, session)| session.idle().is_some());
            let Some(id) = longest.map(|(id, _)| id.clone()) else { return Ok(None) };
            if let Some(session) = sessions.remove(&id) {
                session.end();
            }
        }
        sessions.insert(id.clone(), Arc::clone(session));
        Ok(Some(id))
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.lock().get(id).cloned()?;
        session.touch();
        Some(session)
    }

    /// Ends a session. False when there is none.
    pub(super) fn remove(&self, id: &str) -> bool {
        let session = self.lock().remove(id);
        session.is_some_and(|session| {
            session.end();
            true
        })
    }

    pub(super) fn end_all(&self) {
        for (_, session) in self.lock().drain() {
            session.end();
        }
    }
}

/// 128 random bits: whoever has the id is the client.
fn new_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let mut id = String::with_capacity(32);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}
