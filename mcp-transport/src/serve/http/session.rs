//! Sessions of the legacy lifecycle.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_protocol::jsonrpc::{NotificationMessage, Request, RequestId};
use serde::Deserialize;
use tokio::{task, time::Instant};

use super::{
    Principal,
    event_log::EventLog,
    reply::AbortOnDrop,
    session_id::{self, Key},
    work,
};
use crate::serve::{Beside, Peer, Service, asking::Asking, outgoing::Outgoing};

/// How many finished streams of a session can still be resumed.
const MAX_FINISHED: usize = 16;

/// How many requests of one session run at the same time.
const MAX_RUNNING: usize = 256;

/// How long a session is kept that loses nothing when it is not: a client opens its stream, or
/// comes again to one that broke, within this time.
const LINGER: Duration = Duration::from_secs(30);

/// How often sessions are looked through for those that are not needed any more, at most.
const SWEEP: Duration = Duration::from_secs(1);

/// How many sealed ids that were given back are remembered.
const MAX_ENDED: usize = 1024;

/// One client between `initialize` and the end of its session. While it is silent it has no task,
/// no queue and no room for requests.
pub(super) struct Session {
    service: Arc<dyn Service>,
    /// Who opened it.
    principal: Option<Principal>,
    begin: Begin,
    pub(super) asking: Arc<Asking>,
    /// What the service says unasked.
    pub(super) unasked: Arc<EventLog>,
    state: Mutex<State>,
}

/// How a session began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// With `initialize`.
    Opened,
    /// With an id that carries what was said then.
    Reopened,
}

/// How the service says and asks things beside all requests.
struct Line {
    asking: Arc<Asking>,
    unasked: Arc<EventLog>,
}

impl Line {
    /// What is said unasked is counted from after this number.
    fn after(number: u64) -> Self {
        let unasked = EventLog::after(number, None);
        Self { asking: Arc::default(), unasked }
    }

    fn peer(&self) -> Peer {
        beside_all_requests(&self.unasked, &self.asking)
    }
}

fn beside_all_requests(unasked: &Arc<EventLog>, asking: &Arc<Asking>) -> Peer {
    Peer::new(Outgoing::Stream(Arc::clone(unasked)), Some(Arc::clone(asking)))
}

struct State {
    /// Whether its id carries all that the service would need to begin anew.
    is_carried: bool,
    last_stream: u64,
    /// In order of their numbers.
    streams: VecDeque<(u64, Arc<EventLog>)>,
    running: Vec<Running>,
    used: Instant,
}

/// A request under way. It ends when this is dropped.
struct Running {
    id: RequestId,
    task: AbortOnDrop,
}

/// Why a request is not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TooMany,
    IdInUse,
}

impl Session {
    /// The session of a client that initializes.
    pub(super) fn open(service: Arc<dyn Service>, principal: Option<Principal>) -> Arc<Self> {
        let line = Line::after(0);
        let service = service.open(&line.peer()).unwrap_or(service);
        Self::begin(Begin::Opened, line, service, principal, 0)
    }

    /// The session of a client that initialized elsewhere, or here and was silent since.
    pub(super) fn reopen(
        service: &dyn Service,
        principal: Option<Principal>,
        carried: &str,
    ) -> Option<Arc<Self>> {
        // What was told elsewhere has other numbers.
        let number = session_id::random::<4>().ok().map(u32::from_be_bytes)?;
        let number = u64::from(number) << 16;
        let line = Line::after(number);
        let service = service.reopen(&line.peer(), carried)?;
        Some(Self::begin(Begin::Reopened, line, service, principal, number))
    }

    fn begin(
        begin: Begin,
        Line { asking, unasked }: Line,
        service: Arc<dyn Service>,
        principal: Option<Principal>,
        number: u64,
    ) -> Arc<Self> {
        let state = State {
            is_carried: begin == Begin::Reopened,
            last_stream: number,
            streams: VecDeque::new(),
            running: Vec::new(),
            used: Instant::now(),
        };
        let state = Mutex::new(state);
        Arc::new(Self { service, principal, begin, asking, unasked, state })
    }

    /// What another process needs to go on with it.
    pub(super) fn carried(&self) -> Option<String> {
        self.service.carried(session_id::ROOM)
    }

    /// Its id carries that.
    pub(super) fn is_carried(&self) {
        self.lock().is_carried = true;
    }

    pub(super) fn is_of(&self, principal: Option<&Principal>) -> bool {
        self.principal.as_ref() == principal
    }

    /// Whether something of it may be kept in another process too.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        self.begin == Begin::Reopened
    }

    /// Whether nothing is lost when it is dropped now, since its id says all that there is.
    fn can_be_made_again(&self) -> bool {
        let state = self.lock();
        state.is_carried
            && state.streams.is_empty()
            && !self.unasked.is_missed()
            && !self.service.keeps_more()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts requests whose answers share a stream. Gives the stream and its number.
    pub(super) fn start(
        self: &Arc<Self>,
        requests: Vec<Request>,
        beside: Option<&Beside>,
    ) -> Result<(u64, Arc<EventLog>), Refused> {
        let mut state = self.lock();
        // Those that panicked.
        state.running.retain(|running| !running.task.0.is_finished());
        if state.running.len() + requests.len() > MAX_RUNNING {
            return Err(Refused::TooMany);
        }
        if requests.iter().any(|request| state.running.iter().any(|one| one.id == request.id)) {
            return Err(Refused::IdInUse);
        }
        let log = EventLog::new(Some(requests.len()));
        state.used = Instant::now();
        state.last_stream += 1;
        let number = state.last_stream;
        for request in requests {
            let id = request.id.clone();
            let (service, log) = (Arc::clone(&self.service), Arc::clone(&log));
            let asking = Some(Arc::clone(&self.asking));
            let answering = work::run(service, request, log, asking, beside.cloned());
            let session = Arc::downgrade(self);
            #[expect(clippy::disallowed_methods, reason = "aborted when it is dropped")]
            let task = tokio::spawn(async move {
                answering.await;
                if let Some(session) = session.upgrade() {
                    session.has_ended(task::id());
                }
            });
            state.running.push(Running { id, task: AbortOnDrop(task.abort_handle()) });
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

    /// A request whose answer is in its stream. This is the last of what is kept of it.
    fn has_ended(&self, task: task::Id) {
        let mut state = self.lock();
        state.running.retain(|running| running.task.0.id() != task);
        state.used = Instant::now();
        if state.running.is_empty() {
            state.running = Vec::new();
        }
    }

    /// A stream whose answer went out whole. Nobody comes again for it.
    pub(super) fn forget(&self, number: u64) {
        let mut state = self.lock();
        state.streams.retain(|(one, _)| *one != number);
        if state.streams.is_empty() {
            state.streams = VecDeque::new();
        }
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
            let peer = beside_all_requests(&self.unasked, &self.asking);
            self.service.notification(notification, &peer);
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
                self.lock().running.retain(|running| running.id != request_id);
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
        let is_busy = self.unasked.is_attached()
            || state.running.iter().any(|running| !running.task.0.is_finished());
        let used = self.unasked.left().map_or(state.used, |left| left.max(state.used));
        (!is_busy).then(|| used.elapsed())
    }

    /// Ends all streams and requests.
    pub(super) fn end(&self) {
        self.unasked.close();
        self.asking.end();
        let mut state = self.lock();
        state.running.clear();
        for (_, log) in state.streams.drain(..) {
            log.close();
        }
    }
}

/// Why a session is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AllInUse;

/// How many sessions there may be, and how long each is kept that nobody uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) count: usize,
    pub(super) idle: Duration,
}

/// The sessions of which something is kept, and the sealed ids that were given back.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    sessions: HashMap<Key, Arc<Session>>,
    /// The latest ones; one that is forgotten again is good until it is too old.
    ended: VecDeque<Key>,
    swept: Option<Instant>,
}

impl Kept {
    /// Makes room for one more.
    fn make_room(&mut self, limits: Limits) -> Result<(), AllInUse> {
        if self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            self.swept = Some(Instant::now());
            self.sessions.retain(|_, session| {
                let is_over = session.idle().is_some_and(|idle| {
                    idle >= limits.idle || (idle >= LINGER && session.can_be_made_again())
                });
                if is_over {
                    session.end();
                }
                !is_over
            });
        }
        if self.sessions.len() >= limits.count {
            let idle = self.sessions.iter().filter_map(|(key, session)| {
                let idle = session.idle()?;
                Some((session.can_be_made_again(), idle, *key))
            });
            // What loses nothing goes first, then what was idle for longest.
            let first = idle.max_by_key(|(can_be_made_again, idle, _)| (*can_be_made_again, *idle));
            let (.., key) = first.ok_or(AllInUse)?;
            if let Some(session) = self.sessions.remove(&key) {
                session.end();
            }
        }
        Ok(())
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a session.
    pub(super) fn add(
        &self,
        key: Key,
        session: &Arc<Session>,
        limits: Limits,
    ) -> Result<(), AllInUse> {
        let mut kept = self.lock();
        kept.make_room(limits)?;
        kept.sessions.insert(key, Arc::clone(session));
        Ok(())
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Session>> {
        let kept = self.lock();
        let session = kept.sessions.get(key).cloned()?;
        // In the lock, so that it is not let go for being idle.
        session.touch();
        Some(session)
    }

    /// The session of a sealed id, made anew where nothing is kept of it. `None` when it was given
    /// back, or the service does not take what was carried.
    pub(super) fn get_or_make(
        &self,
        key: Key,
        limits: Limits,
        make: impl FnOnce() -> Option<Arc<Session>>,
    ) -> Result<Option<Arc<Session>>, AllInUse> {
        let find = |kept: &Kept| match kept.sessions.get(&key) {
            Some(session) => Some(Some(Arc::clone(session))),
            None => kept.ended.contains(&key).then_some(None),
        };
        {
            let kept = self.lock();
            if let Some(found) = find(&kept) {
                if let Some(session) = &found {
                    session.touch();
                }
                return Ok(found);
            }
        }
        // Not in the lock, since the service makes its part.
        let Some(session) = make() else { return Ok(None) };
        let mut kept = self.lock();
        // Another request of the same session was faster.
        if let Some(found) = find(&kept) {
            session.end();
            return Ok(found);
        }
        if let Err(full) = kept.make_room(limits) {
            session.end();
            return Err(full);
        }
        kept.sessions.insert(key, Arc::clone(&session));
        Ok(Some(session))
    }

    /// Ends a session. False when there is none. One with a sealed id need not be kept here.
    pub(super) fn remove(&self, key: Key) -> bool {
        let mut kept = self.lock();
        let session = kept.sessions.remove(&key);
        let is_sealed = matches!(key, Key::Sealed(_));
        let is_new = is_sealed && !kept.ended.contains(&key);
        if is_new {
            kept.ended.push_back(key);
            if kept.ended.len() > MAX_ENDED {
                kept.ended.pop_front();
            }
        }
        drop(kept);
        if let Some(session) = &session {
            session.service.ended();
            session.end();
        }
        session.is_some() || is_new
    }

    /// How many there are of which something is kept.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().sessions.len()
    }

    pub(super) fn end_all(&self) {
        for (_, session) in self.lock().sessions.drain() {
            session.end();
        }
    }
}
