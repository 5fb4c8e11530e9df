//! Hearing of changes of a server across its restarts.

use std::fmt;

use mcp_protocol::subscriptions::SubscriptionFilter;

use super::{Server, StateKind, slot::Slot};
use crate::{Change, Client, Watch, WatchState};

/// Hears of changes of one server of a hub, whatever connection it has at the moment. After a
/// restart the server is asked anew to tell, and [`Change::Gap`] says that changes may have been
/// missed: whatever is watched has to be asked for again.
///
/// It keeps the hub alive. Nothing is heard while nobody waits in [`next`](Self::next) for the
/// first time after a restart; the gap covers that.
#[must_use = "dropping it ends the interest"]
pub struct ServerWatch {
    server: Server,
    wanted: SubscriptionFilter,
    current: Option<(Client, Watch)>,
    /// Whether a connection was watched before.
    has_begun: bool,
}

impl Server {
    /// Hears of changes of its lists, of tools, prompts and resources as far as it has them.
    pub fn changes(&self) -> ServerWatch {
        self.watch(SubscriptionFilter {
            tools_list_changed: true,
            prompts_list_changed: true,
            resources_list_changed: true,
            ..SubscriptionFilter::default()
        })
    }

    /// Hears of changes of one resource.
    pub fn watch_resource(&self, uri: impl Into<String>) -> ServerWatch {
        self.watch(SubscriptionFilter {
            resource_subscriptions: vec![uri.into()],
            ..SubscriptionFilter::default()
        })
    }

    /// Hears of all that a filter names. A server that waits for its first use is started. Of
    /// several replicas one is watched that is up.
    pub fn watch(&self, wanted: SubscriptionFilter) -> ServerWatch {
        let slot = self.member.first();
        if slot.kind() == StateKind::Stopped {
            slot.wake();
        }
        ServerWatch { server: self.clone(), wanted, current: None, has_begun: false }
    }
}

impl ServerWatch {
    /// The next change; `None` when the server is in the hub no more.
    ///
    /// # Cancel safety
    /// No change is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some((_, watch)) = &mut self.current
                && let Some(change) = watch.next().await
            {
                return Some(change);
            }
            let client = self.next_client().await?;
            let watch = client.watch(self.wanted_of(&client));
            self.current = Some((client, watch));
            if std::mem::replace(&mut self.has_begun, true) {
                return Some(Change::Gap);
            }
        }
    }

    /// Waits until it is clear how the connection of now is watched; begins to watch if need be.
    /// `None` when the server is in the hub no more.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn ready(&mut self) -> Option<WatchState> {
        if self.current.is_none() {
            let client = self.next_client().await?;
            let watch = client.watch(self.wanted_of(&client));
            self.current = Some((client, watch));
            self.has_begun = true;
        }
        let (_, watch) = self.current.as_ref()?;
        Some(watch.ready().await)
    }

    /// How it is served now; [`WatchState::Interrupted`] while the server has no connection.
    pub fn state(&self) -> WatchState {
        match &self.current {
            _ if self.server.member.first().is_gone() => WatchState::Ended,
            None => WatchState::Opening,
            Some((_, watch)) => match watch.state() {
                WatchState::Ended => WatchState::Interrupted,
                state => state,
            },
        }
    }

    /// Waits for a connection other than the one that was watched last.
    async fn next_client(&self) -> Option<Client> {
        let member = &self.server.member;
        let mut changes = member.first().board.changes.subscribe();
        let is_new = |client: &Client| {
            !client.is_closed()
                && self.current.as_ref().is_none_or(|(last, _)| !last.is_same(client))
        };
        loop {
            changes.mark_unchanged();
            if member.any(Slot::is_gone) {
                return None;
            }
            let clients = member.slots().iter().filter_map(|slot| slot.client());
            if let Some(client) = clients.into_iter().find(is_new) {
                return Some(client);
            }
            // The board lives as long as the slot.
            changes.changed().await.ok()?;
        }
    }

    /// What of the wishes the server has at all.
    fn wanted_of(&self, client: &Client) -> SubscriptionFilter {
        let has = &client.server().capabilities;
        let mut wanted = self.wanted.clone();
        wanted.tools_list_changed &= has.tools.is_some();
        wanted.prompts_list_changed &= has.prompts.is_some();
        wanted.resources_list_changed &= has.resources.is_some();
        wanted
    }
}

impl fmt::Debug for ServerWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerWatch")
            .field("server", &self.server.name())
            .field("wanted", &self.wanted)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
