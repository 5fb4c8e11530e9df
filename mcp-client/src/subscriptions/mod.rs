//! Hearing of changes: one interface for both eras.
//!
//! Whoever wants to hear of something holds a [`Watch`]. The client merges all wishes and asks the
//! server in the way of its era: one `subscriptions/listen` stream for a modern server, list
//! notifications and `resources/subscribe` for a legacy one. What a server does not tell is asked
//! for from time to time, only while somebody watches it.

mod backoff;
mod change;
mod coverage;
mod inbox;
mod legacy;
mod listen;
mod polling;
mod stream;
mod watch;
mod watchers;

use std::sync::Arc;

use mcp_protocol::{jsonrpc::NotificationMessage, subscriptions::SubscriptionFilter, version::Era};

pub(crate) use self::watchers::Watchers;
pub use self::{change::Change, coverage::WatchState, watch::Watch};
use crate::{Client, link::Link};

impl Client {
    /// Hears of changes of the server's lists: those of tools, prompts and resources, as far as
    /// the server has them.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn changes(&self) -> Watch {
        let has = &self.server().capabilities;
        self.watch(SubscriptionFilter {
            tools_list_changed: has.tools.is_some(),
            prompts_list_changed: has.prompts.is_some(),
            resources_list_changed: has.resources.is_some(),
            ..SubscriptionFilter::default()
        })
    }

    /// Hears of changes of one resource. The server may name a part of it instead.
    ///
    /// ```no_run
    /// # async fn example(client: mcp_client::Client) -> Result<(), mcp_client::CallError> {
    /// let mut watch = client.watch_resource("file:///project/config.json");
    /// watch.ready().await;
    /// loop {
    ///     let config = client.read_resource("file:///project/config.json").await?;
    ///     println!("{:?}", config.contents);
    ///     if watch.next().await.is_none() {
    ///         return Ok(());
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn watch_resource(&self, uri: impl Into<String>) -> Watch {
        self.watch(SubscriptionFilter {
            resource_subscriptions: vec![uri.into()],
            ..SubscriptionFilter::default()
        })
    }

    /// Hears of all that a filter names.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn watch(&self, wanted: SubscriptionFilter) -> Watch {
        let link = self.link();
        let (watch, begin) = link.watchers.add(wanted);
        if begin {
            link.keep(serve(Arc::clone(link)));
        }
        watch
    }
}

/// Works for the watchers of a connection until there are none.
async fn serve(link: Arc<Link>) {
    let asking = async {
        match link.era {
            Era::Modern => listen::run(&link).await,
            Era::Legacy => legacy::run(&link).await,
        }
    };
    tokio::select! {
        () = asking => {}
        () = polling::run(&link) => {}
    }
}

impl Link {
    /// Takes note of what a legacy server says on any stream.
    pub(crate) fn hear(&self, notification: &NotificationMessage) {
        if self.era == Era::Modern {
            return;
        }
        let Some(change) = self.change_of(notification) else { return };
        if self.watchers.is_declared(&change) {
            self.announce(&change);
        } else {
            tracing::debug!(endpoint = %self.endpoint, ?change, "ignored: it was not declared");
        }
    }

    /// The change that a notification tells of, if that is what it does.
    fn change_of(&self, notification: &NotificationMessage) -> Option<Change> {
        match Change::read(notification)? {
            Ok(change) => Some(change),
            Err(error) => {
                let method = &notification.method;
                tracing::warn!(endpoint = %self.endpoint, %method, %error, "unreadable notification");
                None
            }
        }
    }

    fn announce(&self, change: &Change) {
        // Who is told asks anew at once, and must not find what is old.
        self.note_change(change);
        self.watchers.announce(change);
    }
}
