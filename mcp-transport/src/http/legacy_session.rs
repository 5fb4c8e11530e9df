//! The session of the legacy lifecycle, and what is owed to it.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::watch;

use super::headers::SESSION_ID;

/// How long the orderly end of a session may take.
pub(super) const END_LIMIT: Duration = Duration::from_secs(2);

/// The session that the server opened with its answer to `initialize`, if it did.
#[derive(Debug)]
pub(super) struct Session(watch::Sender<State>);

/// Where the handshake stands.
#[derive(Clone, Default)]
pub(super) struct State {
    /// Counts answered handshakes.
    pub(super) generation: u64,
    /// The id, treated as a secret.
    pub(super) id: Option<HeaderValue>,
    /// There was an id, and the next handshake is not answered yet.
    is_lost: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self(watch::Sender::new(State::default()))
    }
}

impl Session {
    /// The id that requests carry.
    pub(super) fn id(&self) -> Option<HeaderValue> {
        self.0.borrow().id.clone()
    }

    /// A handshake begins: requests carry no id until it is answered.
    pub(super) fn begin(&self) {
        self.0.send_if_modified(State::lose);
    }

    /// A handshake was answered.
    pub(super) fn establish(&self, headers: &HeaderMap) {
        let id = headers.get(SESSION_ID).filter(|value| {
            let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
            if !visible || value.is_empty() {
                tracing::warn!("the server's session id is not visible ASCII; it is ignored");
            }
            visible && !value.is_empty()
        });
        let id = id.cloned().map(|mut id| {
            id.set_sensitive(true);
            id
        });
        self.0.send_modify(|state| {
            *state = State { generation: state.generation + 1, id, is_lost: false };
        });
    }

    /// Whether a server refuses a request because it knows no session of ours: it has forgotten
    /// the one that the request carried, or the request carried none since the last was lost.
    pub(super) fn is_refused(&self, carried: Option<&HeaderValue>, status: StatusCode) -> bool {
        match carried {
            Some(id) if status == StatusCode::NOT_FOUND => {
                self.forget(id);
                true
            }
            None if status == StatusCode::BAD_REQUEST => self.0.borrow().is_lost,
            _ => false,
        }
    }

    fn forget(&self, lost: &HeaderValue) {
        self.0.send_if_modified(|state| state.id.as_ref() == Some(lost) && state.lose());
    }

    /// Takes the id, for the farewell.
    pub(super) fn end(&self) -> Option<HeaderValue> {
        let mut id = None;
        self.0.send_if_modified(|state| {
            id = state.id.take();
            id.is_some()
        });
        id
    }

    /// Follows the handshakes.
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }
}

impl State {
    /// Gives up the id. False when there is none.
    fn lose(&mut self) -> bool {
        let had = self.id.take().is_some();
        self.is_lost |= had;
        had
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("generation", &self.generation)
            .field("has_id", &self.id.is_some())
            .field("is_lost", &self.is_lost)
            .finish()
    }
}
