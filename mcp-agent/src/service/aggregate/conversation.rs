//! One client of the legacy lifecycle, between `initialize` and the end of its connection. What it
//! can do is carried in the id of its session; which resources it wants to be told of, and which
//! log messages, is known where it said so.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use mcp_protocol::{
    capabilities::ClientCapabilities,
    jsonrpc::{ErrorObject, NotificationMessage, Request},
    logging::LoggingLevel,
    outcome::EmptyResult,
    raw::RawJson,
    tasks::legacy,
    version::Era,
};
use mcp_transport::{
    BoxFuture,
    serve::{self, Peer},
};
use serde::{Deserialize, Serialize};
use tokio::task::{AbortHandle, JoinSet};

use super::{
    Aggregate,
    begun_tasks::{self, HeardTask},
    changes::follow,
    finish::write,
    relay::gravity,
    session_times::SessionTime,
    told_logins::ToldLogins,
    unknown,
};
use crate::caller::LoginRequired;

/// Of how many tasks a client hears; the oldest gives way.
const MAX_FOLLOWED: usize = 64;

/// What one client has said so far.
pub(super) struct Conversation {
    aggregate: Aggregate,
    client: Peer,
    number: u64,
    this: Weak<Self>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since it was initialized.
    time: Option<SessionTime>,
    capabilities: Arc<ClientCapabilities>,
    log_level: Option<LoggingLevel>,
    /// Most clients never subscribe.
    subscribed: Option<Box<Subscribed>>,
    /// Nor do they begin tasks.
    followed: Option<Box<Followed>>,
    /// Nor need most of them log in anywhere.
    logins: Option<Box<ToldLogins>>,
}

/// What the id of a session says.
#[derive(Serialize, Deserialize)]
struct Carried {
    can: ClientCapabilities,
    session: u64,
    /// When it began, in milliseconds since 1970.
    since: u64,
}

/// Tasks of servers that a client hears of.
#[derive(Default)]
struct Followed {
    /// The oldest first.
    each: Vec<AbortHandle>,
    /// End with the conversation.
    tasks: JoinSet<()>,
}

/// Resources that a client wants to be told of.
#[derive(Default)]
struct Subscribed {
    by_uri: HashMap<String, AbortHandle>,
    /// End with the conversation.
    tasks: JoinSet<()>,
}

/// What the client said that was opened last. Clients of one principal are mostly one program, so
/// those that say the same share it.
#[derive(Debug, Default)]
pub(super) struct LastSaid(Mutex<Weak<ClientCapabilities>>);

impl LastSaid {
    fn share(&self, capabilities: ClientCapabilities) -> Arc<ClientCapabilities> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = last.upgrade().filter(|last| **last == capabilities) {
            return same;
        }
        let capabilities = Arc::new(capabilities);
        *last = Arc::downgrade(&capabilities);
        capabilities
    }
}

/// The wishes of all clients for log messages; servers are asked for the most that anybody wants.
#[derive(Debug, Default)]
pub(super) struct LogLevels(Mutex<Levels>);

#[derive(Debug, Default)]
struct Levels {
    last: u64,
    wanted: HashMap<u64, LoggingLevel>,
}

impl LogLevels {
    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        let mut levels = self.lock();
        levels.last += 1;
        levels.last
    }

    /// Notes a wish, and gives what to ask servers for.
    fn want(&self, number: u64, level: &LoggingLevel) -> LoggingLevel {
        let mut levels = self.lock();
        levels.wanted.insert(number, level.clone());
        let most = levels.wanted.values().min_by_key(|level| gravity(level));
        most.cloned().unwrap_or_else(|| level.clone())
    }
}

impl Conversation {
    pub(super) fn new(aggregate: Aggregate, client: Peer) -> Arc<Self> {
        let number = aggregate.0.levels.number();
        Arc::new_cyclic(|this| {
            let (this, state) = (this.clone(), Mutex::default());
            Self { aggregate, client, number, this, state }
        })
    }

    /// Goes on with a conversation that began elsewhere. `None` if nothing of the sort was carried.
    pub(super) fn carried_here(
        aggregate: Aggregate,
        client: Peer,
        carried: &str,
    ) -> Option<Arc<Self>> {
        let Carried { can, session, since } = match serde_json::from_str(carried) {
            Ok(carried) => carried,
            Err(error) => {
                tracing::warn!(%error, "a session of another version of this program is refused");
                return None;
            }
        };
        let time = SessionTime::go_on(&aggregate.0.times, session, since);
        let conversation = Self::new(aggregate, client);
        conversation.lock().time = Some(time);
        conversation.is_opened_with(can);
        conversation.begin_to_announce();
        Some(conversation)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn client(&self) -> &Peer {
        &self.client
    }

    /// What its calls belong to.
    pub(super) fn affinity(&self) -> Arc<str> {
        format!("client {}", self.number).into()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the client can do, and which log messages it wants.
    pub(super) fn said(&self) -> (Arc<ClientCapabilities>, Option<LoggingLevel>) {
        let state = self.lock();
        (Arc::clone(&state.capabilities), state.log_level.clone())
    }

    pub(super) fn is_opened_with(&self, capabilities: ClientCapabilities) {
        self.lock().capabilities = self.aggregate.0.said.share(capabilities);
    }

    /// It is initialized, and its time begins.
    pub(super) fn is_measured(&self) {
        self.lock().time = Some(SessionTime::begin(&self.aggregate.0.times));
    }

    /// The client said something.
    fn is_used(&self) {
        if let Some(time) = &mut self.lock().time {
            time.is_used();
        }
    }

    /// `logging/setLevel`.
    pub(super) async fn set_log_level(&self, level: LoggingLevel) -> Result<RawJson, ErrorObject> {
        let most = self.aggregate.0.levels.want(self.number, &level);
        self.lock().log_level = Some(level);
        for server in self.aggregate.servers() {
            let Some(client) = server.status().state.client().cloned() else { continue };
            let is_legacy = client.server().protocol_version.era() == Era::Legacy;
            if is_legacy
                && client.server().capabilities.logging.is_some()
                && let Err(error) = client.set_log_level(most.clone()).await
            {
                tracing::debug!(server = server.name(), %error, "the log level is not taken");
            }
        }
        write(&EmptyResult::default())
    }

    /// `resources/subscribe`, by whoever has shown a token of this kind, if it was one.
    pub(super) async fn subscribe(
        &self,
        uri: String,
        kind: Option<u64>,
    ) -> Result<RawJson, ErrorObject> {
        let watch = self.aggregate.watch_resource(&uri).await;
        let (server, watch) = watch.ok_or_else(|| unknown("resource", &uri))?;
        // What everybody has does not end with the token of one.
        let kind = kind.filter(|_| self.aggregate.0.own.is_own(server.name()));
        let mut state = self.lock();
        let subscribed = state.subscribed.get_or_insert_default();
        while subscribed.tasks.try_join_next().is_some() {}
        let following = follow(watch, uri.clone(), self.client.clone(), None);
        let (own, principal) =
            (self.aggregate.0.own.clone(), self.aggregate.0.view.principal.clone());
        let task = subscribed.tasks.spawn(async move {
            let Some(kind) = kind else { return following.await };
            tokio::select! {
                () = following => {}
                () = own.token_end(&principal, kind) => {}
            }
        });
        if let Some(former) = subscribed.by_uri.insert(uri, task) {
            former.abort();
        }
        write(&EmptyResult::default())
    }

    /// `resources/unsubscribe`.
    pub(super) fn unsubscribe(&self, uri: &str) -> Result<RawJson, ErrorObject> {
        let mut state = self.lock();
        if let Some(subscribed) = &mut state.subscribed
            && let Some(task) = subscribed.by_uri.remove(uri)
        {
            task.abort();
            if subscribed.by_uri.is_empty() {
                state.subscribed = None;
            }
        }
        write(&EmptyResult::default())
    }

    /// Tells the client how a task that it began stands, as far as the server tells.
    pub(super) fn tell_of_task(&self, heard: HeardTask, task: legacy::Task) {
        let mut state = self.lock();
        let Followed { each, tasks } = &mut **state.followed.get_or_insert_default();
        while tasks.try_join_next().is_some() {}
        each.retain(|task| !task.is_finished());
        if each.len() >= MAX_FOLLOWED {
            each.remove(0).abort();
        }
        each.push(tasks.spawn(begun_tasks::tell(heard, task, self.client.clone())));
    }

    /// Tells the client when a login is made. What it is told now may be what it was told before.
    pub(super) fn tell_of_login(&self, wish: LoginRequired) -> LoginRequired {
        let mut state = self.lock();
        state.logins.get_or_insert_default().tell(wish, &self.aggregate.0.logins, &self.client)
    }

    /// Tells the client when a list changes.
    fn begin_to_announce(&self) {
        if let Some(this) = self.this.upgrade() {
            self.aggregate.announce_to(&this);
        }
    }
}

impl serve::Service for Conversation {
    /// What the client can do. What has no standard is left out where there is no room for it.
    fn carried(&self, room: usize) -> Option<String> {
        let mut state = self.lock();
        let mut carried = {
            let (session, since) = state.time.as_mut()?.carried();
            Carried { can: ClientCapabilities::clone(&state.capabilities), session, since }
        };
        drop(state);
        let fits = |carried: &Carried| {
            serde_json::to_string(carried).ok().filter(|text| text.len() <= room)
        };
        let text = fits(&carried).or_else(|| {
            (carried.can.experimental, carried.can.other) = Default::default();
            fits(&carried)
        });
        if text.is_none() {
            self.ended();
        }
        text
    }

    /// Or it cannot go on in another process.
    fn ended(&self) {
        if let Some(time) = &mut self.lock().time {
            time.has_ended();
        }
    }

    fn keeps_more(&self) -> bool {
        let state = self.lock();
        let follows = |followed: &Followed| followed.each.iter().any(|task| !task.is_finished());
        state.log_level.is_some()
            || state.subscribed.is_some()
            || state.followed.as_deref().is_some_and(follows)
            || state.logins.as_deref().is_some_and(ToldLogins::is_waiting)
    }

    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        self.is_used();
        Box::pin(self.aggregate.answer(request, peer, Some(self)))
    }

    fn notification(&self, notification: NotificationMessage, _: &Peer) {
        self.is_used();
        if &*notification.method == "notifications/initialized" {
            self.begin_to_announce();
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.aggregate.0.levels.lock().wanted.remove(&self.number);
        self.aggregate.0.changes.leave_out(self.number);
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").field("number", &self.number).finish_non_exhaustive()
    }
}
