//! What the servers of a hub share: where changes are told, and what is wished of them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::{broadcast, watch};

use super::{CatalogLists, HubChange, HubEvent};

/// Where changes of all servers are told.
#[derive(Debug)]
pub(super) struct Board {
    /// Counts changes, for those who wait for one.
    pub(super) changes: watch::Sender<u64>,
    pub(super) events: broadcast::Sender<HubEvent>,
    /// Which lists of the servers are wanted.
    pub(super) lists: watch::Sender<CatalogLists>,
    /// Counts changes of what all servers offer together.
    pub(super) offered: AtomicU64,
    /// Numbers the entries that there were.
    pub(super) entries: AtomicU64,
    /// How long a call waits for a server that is down and is started again.
    pub(super) patience: Option<Duration>,
}

impl Board {
    pub(super) fn tell(&self, server: &str, change: HubChange) {
        // Nobody may be listening.
        let _ = self.events.send(HubEvent { server: server.to_owned(), change });
        self.changed();
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Says that the servers offer something else together.
    pub(super) fn offers_anew(&self) {
        self.offered.fetch_add(1, Ordering::Release);
    }
}

/// What is wished of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Whether it should run.
    pub(super) run: bool,
    /// Counts the wishes to begin anew.
    pub(super) turn: u64,
}
