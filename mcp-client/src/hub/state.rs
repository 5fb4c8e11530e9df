//! What a server is doing, and what is told of it.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Health, Refusal};
use crate::{Client, ConnectFailure, config::Origin};

/// One server as it is now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerStatus {
    /// The key in the configuration.
    pub name: String,
    /// A command line or a URL, without secrets.
    pub endpoint: String,
    /// Where the configuration stands.
    pub origin: Option<Origin>,
    /// What it is doing.
    pub state: ServerState,
    /// How long the start took, or takes so far.
    pub took: Duration,
    /// When it is started again, for a server that is down.
    pub retry_at: Option<Instant>,
    /// How many starts failed in a row.
    pub failures: u32,
    /// How often it was started again after it had been up.
    pub restarts: u32,
    /// What its calls were like.
    pub health: Health,
    /// Each of its replicas by itself, where it has several.
    pub replicas: Vec<Self>,
    /// The tools whose definitions are others than were agreed to, as
    /// [`Hub::report_drift`](super::Hub::report_drift) says.
    pub drift: Vec<String>,
}

impl ServerStatus {
    /// Its replicas, or itself where it has none.
    pub fn each(&self) -> impl Iterator<Item = &Self> {
        let alone = self.replicas.is_empty().then_some(self);
        self.replicas.iter().chain(alone)
    }
}

/// What a server is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerState {
    /// Waits for its first use, or was stopped.
    Stopped,
    /// Not up yet.
    Starting,
    /// Connected.
    Ready(Client),
    /// Connected, but the last sign of life did not come.
    Degraded(Client, Arc<str>),
    /// It wants somebody to log in.
    NeedsAuth(Arc<ConnectFailure>),
    /// The start failed, or the connection was lost.
    Down(Arc<ConnectFailure>),
    /// Switched off, in the configuration or since.
    Disabled,
    /// Its entry cannot be used: what is wrong, and what to do.
    NotConfigured(String),
    /// It may not be used.
    Refused(Refusal),
    /// It has no connection of its own: it is reached on behalf of whoever asks.
    PerCaller,
}

impl ServerState {
    /// The client of a server that is connected.
    pub fn client(&self) -> Option<&Client> {
        match self {
            Self::Ready(client) | Self::Degraded(client, _) => Some(client),
            _ => None,
        }
    }

    /// One word for it.
    pub fn kind(&self) -> StateKind {
        match self {
            Self::Stopped => StateKind::Stopped,
            Self::Starting => StateKind::Starting,
            Self::Ready(_) => StateKind::Ready,
            Self::Degraded(..) => StateKind::Degraded,
            Self::NeedsAuth(_) => StateKind::NeedsAuth,
            Self::Down(_) => StateKind::Down,
            Self::Disabled => StateKind::Disabled,
            Self::NotConfigured(_) => StateKind::NotConfigured,
            Self::Refused(_) => StateKind::Refused,
            Self::PerCaller => StateKind::PerCaller,
        }
    }
}

/// A [`ServerState`] without what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateKind {
    /// [`ServerState::Stopped`]
    Stopped,
    /// [`ServerState::Starting`]
    Starting,
    /// [`ServerState::Ready`]
    Ready,
    /// [`ServerState::Degraded`]
    Degraded,
    /// [`ServerState::NeedsAuth`]
    NeedsAuth,
    /// [`ServerState::Down`]
    Down,
    /// [`ServerState::Disabled`]
    Disabled,
    /// [`ServerState::NotConfigured`]
    NotConfigured,
    /// [`ServerState::Refused`]
    Refused,
    /// [`ServerState::PerCaller`]
    PerCaller,
}

impl StateKind {
    /// The word: `needs-auth`, `not-configured`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::NeedsAuth => "needs-auth",
            Self::Down => "down",
            Self::Disabled => "disabled",
            Self::NotConfigured => "not-configured",
            Self::Refused => "refused",
            Self::PerCaller => "per-caller",
        }
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that happened to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubEvent {
    /// Which server.
    pub server: String,
    /// What happened.
    pub change: HubChange,
}

/// What happened to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubChange {
    /// It is in the hub now.
    Added,
    /// It is in the hub no more.
    Removed,
    /// It does something else now; why, where there is a reason.
    State(StateKind, Option<String>),
    /// What it offers is another now; the generation of its [`Catalog`](super::Catalog).
    Catalog(u64),
    /// These of its tools are others than were agreed to; none when all are as they should be.
    Drift(Vec<String>),
    /// A resource that its configuration names has changed, or a part of one, or may have; the
    /// URI.
    Resource(Arc<str>),
}
