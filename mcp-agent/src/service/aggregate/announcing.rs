//! Changes of lists, told to all clients of the legacy lifecycle by one task. None of them has a
//! task of its own, and one that does not read holds up nobody else.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use mcp_protocol::subscriptions::SubscriptionFilter;
use tokio::sync::watch;

use super::{
    changes::{Counts, tell},
    conversation::Conversation,
};

/// Who is told, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Audience(Mutex<HashMap<u64, Weak<Conversation>>>);

impl Audience {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Weak<Conversation>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, conversation: &Arc<Conversation>) {
        self.lock().insert(conversation.number(), Arc::downgrade(conversation));
    }

    pub(super) fn remove(&self, number: u64) {
        self.lock().remove(&number);
    }
}

/// Tells everybody of changes from now on, which is before this is polled; ends with the counts.
pub(super) fn announce_to_all(
    mut counts: watch::Receiver<Counts>,
    audience: Arc<Audience>,
) -> impl Future<Output = ()> + Send + 'static {
    let last = *counts.borrow_and_update();
    announce_since(last, counts, audience)
}

async fn announce_since(
    mut last: Counts,
    mut counts: watch::Receiver<Counts>,
    audience: Arc<Audience>,
) {
    let mut telling = FuturesUnordered::new();
    // Whoever is being told just now hears of what comes meanwhile afterwards, at once.
    let mut busy = HashSet::new();
    loop {
        let told = tokio::select! {
            changed = counts.changed() => {
                if changed.is_err() {
                    return;
                }
                None
            }
            Some(told) = telling.next() => Some(told),
        };
        match told {
            None => {
                let now = *counts.borrow_and_update();
                let idle = audience.lock();
                let idle =
                    idle.values().filter_map(Weak::upgrade).filter(|one| busy.insert(one.number()));
                telling.extend(idle.map(|one| inform(one, last, now)));
                last = now;
            }
            Some((one, told)) if told == last => {
                busy.remove(&one.number());
            }
            Some((one, told)) => telling.push(inform(one, told, last)),
        }
    }
}

/// Tells one client, and up to when that was.
async fn inform(
    conversation: Arc<Conversation>,
    from: Counts,
    to: Counts,
) -> (Arc<Conversation>, Counts) {
    let all = SubscriptionFilter {
        tools_list_changed: true,
        prompts_list_changed: true,
        resources_list_changed: true,
        ..SubscriptionFilter::default()
    };
    if let Err(error) = tell(conversation.client(), &all, from, to, None).await {
        tracing::debug!(%error, "a client is not told of changes");
    }
    (conversation, to)
}
