//! Everybody who wants to hear of changes on one connection.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use mcp_protocol::{capabilities::ServerCapabilities, subscriptions::SubscriptionFilter};
use tokio::sync::watch;

use super::{
    change::{Change, Concern},
    coverage::{Coverage, Phase},
    inbox::Inbox,
    watch::Watch,
};

pub(super) type WatcherId = u64;

/// The watchers, and how they are served.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    state: Mutex<State>,
    /// Counts changes of what is wanted.
    interest: watch::Sender<u64>,
    /// How often the server lost what was subscribed to.
    beginning: AtomicU64,
    coverage: watch::Sender<Coverage>,
    offered: OnceLock<ServerCapabilities>,
}

#[derive(Debug, Default)]
struct State {
    last: WatcherId,
    inboxes: BTreeMap<WatcherId, Arc<Inbox>>,
    /// Whether a task works for them.
    served: bool,
    closed: bool,
}

impl Watchers {
    /// Notes what the server offers, once it is known.
    pub(crate) fn offer(&self, capabilities: ServerCapabilities) {
        // A connection learns it once.
        let _ = self.offered.set(capabilities);
    }

    /// Adds a watcher. True when a task must be started to serve it.
    pub(super) fn add(self: &Arc<Self>, wanted: SubscriptionFilter) -> (Watch, bool) {
        let inbox = Arc::new(Inbox::new(wanted));
        let mut state = self.lock();
        state.last += 1;
        let id = state.last;
        let mut begin = false;
        if state.closed {
            inbox.close();
        } else if !inbox.wanted.is_empty() {
            state.inboxes.insert(id, Arc::clone(&inbox));
            begin = !std::mem::replace(&mut state.served, true);
        }
        drop(state);
        self.interest.send_modify(|count| *count += 1);
        (Watch { id, inbox, watchers: Arc::clone(self) }, begin)
    }

    pub(super) fn remove(&self, id: WatcherId) {
        if self.lock().inboxes.remove(&id).is_some() {
            self.interest.send_modify(|count| *count += 1);
        }
    }

    /// What was subscribed to is gone at the server; whoever serves the watchers begins again.
    pub(crate) fn begin_again(&self) {
        self.beginning.fetch_add(1, Ordering::Release);
        self.interest.send_modify(|count| *count += 1);
        self.announce(&Change::Gap);
    }

    /// Tells one beginning from the next.
    pub(super) fn beginning(&self) -> u64 {
        self.beginning.load(Ordering::Acquire)
    }

    /// Tells when what is wanted changes.
    pub(super) fn interest(&self) -> watch::Receiver<u64> {
        self.interest.subscribe()
    }

    /// All that is wanted.
    pub(super) fn wanted(&self) -> SubscriptionFilter {
        let state = self.lock();
        if state.closed {
            return SubscriptionFilter::default();
        }
        merge(state.inboxes.values().map(|inbox| &inbox.wanted))
    }

    /// Whether nothing is wanted. Then the task that serves must end: the next watcher starts
    /// another.
    pub(super) fn retire(&self) -> bool {
        let mut state = self.lock();
        if !state.inboxes.is_empty() && !state.closed {
            return false;
        }
        state.served = false;
        drop(state);
        self.cover(|coverage| {
            if coverage.phase != Phase::Ended {
                *coverage = Coverage::default();
            }
        });
        true
    }

    pub(super) fn coverage(&self) -> watch::Receiver<Coverage> {
        self.coverage.subscribe()
    }

    /// Notes how the watchers are served.
    pub(super) fn cover(&self, change: impl FnOnce(&mut Coverage)) {
        self.coverage.send_if_modified(|coverage| {
            let before = coverage.clone();
            change(coverage);
            *coverage != before
        });
    }

    /// Tells everybody whom it concerns.
    pub(super) fn announce(&self, change: &Change) {
        let state = self.lock();
        let concern = |inbox: &&Arc<Inbox>| change.concerns(&inbox.wanted);
        // The name of a part need not show what it is a part of.
        let least = if state.inboxes.values().any(|inbox| concern(&inbox) == Concern::Surely) {
            Concern::Surely
        } else {
            Concern::Perhaps
        };
        for inbox in state.inboxes.values().filter(|inbox| concern(inbox) == least) {
            inbox.put(change);
        }
    }

    /// What the server offers to tell, in the legacy way.
    pub(super) fn declared(&self) -> Declared {
        let Some(offered) = self.offered.get() else { return Declared::default() };
        let resources = offered.resources.as_ref();
        let announces = |list: &Option<mcp_protocol::capabilities::ListCapability>| {
            list.as_ref().is_some_and(|list| list.list_changed)
        };
        Declared {
            lists: SubscriptionFilter {
                tools_list_changed: announces(&offered.tools),
                prompts_list_changed: announces(&offered.prompts),
                resources_list_changed: resources.is_some_and(|resources| resources.list_changed),
                ..SubscriptionFilter::default()
            },
            subscribe: resources.is_some_and(|resources| resources.subscribe),
        }
    }

    /// Whether a legacy server said that it would tell of such a change.
    pub(super) fn is_declared(&self, change: &Change) -> bool {
        let declared = self.declared();
        match change {
            Change::Resource(_) => declared.subscribe,
            // Only who began a task wants to hear of it.
            Change::LegacyTask(_) => true,
            other => other.concerns(&declared.lists) == Concern::Surely,
        }
    }

    /// The part of `untold` that can be asked for.
    pub(super) fn pollable(&self, untold: &SubscriptionFilter) -> SubscriptionFilter {
        let Some(offered) = self.offered.get() else { return SubscriptionFilter::default() };
        SubscriptionFilter {
            tools_list_changed: untold.tools_list_changed && offered.tools.is_some(),
            prompts_list_changed: untold.prompts_list_changed && offered.prompts.is_some(),
            resources_list_changed: untold.resources_list_changed && offered.resources.is_some(),
            resource_subscriptions: untold.resource_subscriptions.clone(),
            task_ids: Vec::new(),
        }
    }

    /// Ends all watches: the connection is over.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for inbox in state.inboxes.values() {
            inbox.close();
        }
        drop(state);
        self.cover(|coverage| coverage.phase = Phase::Ended);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a legacy server announces.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    pub(super) lists: SubscriptionFilter,
    pub(super) subscribe: bool,
}

/// Everything that any of the filters names, each once and in order.
fn merge<'a>(filters: impl Iterator<Item = &'a SubscriptionFilter>) -> SubscriptionFilter {
    let mut merged = SubscriptionFilter::default();
    let (mut uris, mut tasks) = (BTreeSet::new(), BTreeSet::new());
    for filter in filters {
        merged.tools_list_changed |= filter.tools_list_changed;
        merged.prompts_list_changed |= filter.prompts_list_changed;
        merged.resources_list_changed |= filter.resources_list_changed;
        uris.extend(&filter.resource_subscriptions);
        tasks.extend(&filter.task_ids);
    }
    merged.resource_subscriptions = uris.into_iter().cloned().collect();
    merged.task_ids = tasks.into_iter().cloned().collect();
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parts_concern_all_who_watch_resources() {
        let watchers = Arc::new(Watchers::default());
        let watch = |uris: &[&str], tools| {
            watchers
                .add(SubscriptionFilter {
                    tools_list_changed: tools,
                    resource_subscriptions: uris.iter().map(|&uri| uri.to_owned()).collect(),
                    ..Default::default()
                })
                .0
        };
        let (mut a, mut b, mut tools) =
            (watch(&["x:a"], false), watch(&["x:b"], false), watch(&[], true));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut read = |watch: &mut Watch| match watch.inbox.poll_next(&mut cx) {
            std::task::Poll::Ready(change) => change,
            std::task::Poll::Pending => None,
        };
        let (part, other) = (Change::Resource("x:a/1".into()), Change::Resource("y:z".into()));
        watchers.announce(&part);
        assert_eq!([&mut a, &mut b, &mut tools].map(&mut read), [Some(part), None, None]);
        watchers.announce(&other);
        let told = Some(other);
        assert_eq!([&mut a, &mut b, &mut tools].map(&mut read), [told.clone(), told, None]);
    }

    #[test]
    fn the_last_one_to_leave_ends_the_task_and_the_next_begins_one() {
        let watchers = Arc::new(Watchers::default());
        let tools = || SubscriptionFilter { tools_list_changed: true, ..Default::default() };
        let (one, begin) = watchers.add(tools());
        assert!(begin);
        let (two, begin) = watchers.add(tools());
        assert!(!begin);
        drop(one);
        assert!(!watchers.retire());
        assert_eq!(watchers.wanted(), tools());
        drop(two);
        // The task has not seen it yet, so it serves the newcomer.
        let (three, begin) = watchers.add(tools());
        assert!(!begin);
        drop(three);
        assert!(watchers.retire());
        assert!(watchers.add(tools()).1);
        watchers.close();
        assert!(watchers.retire());
        assert!(!watchers.add(tools()).1);
    }

    proptest::proptest! {
        /// Nobody's wish is left out of the merged one, and it holds nothing that nobody wants.
        #[test]
        fn merges(wishes in proptest::collection::vec(
            (proptest::bool::ANY, proptest::collection::vec("[a-d]", 0..4)), 0..5,
        )) {
            let filters: Vec<_> = wishes
                .iter()
                .map(|(tools, uris)| SubscriptionFilter {
                    tools_list_changed: *tools,
                    resource_subscriptions: uris.clone(),
                    ..Default::default()
                })
                .collect();
            let merged = merge(filters.iter());
            for filter in &filters {
                proptest::prop_assert!(filter.missing_from(&merged).is_empty());
            }
            proptest::prop_assert_eq!(
                merged.tools_list_changed,
                filters.iter().any(|filter| filter.tools_list_changed)
            );
            let uris = &merged.resource_subscriptions;
            proptest::prop_assert!(uris.iter().is_sorted_by(|a, b| a < b));
            for uri in uris {
                let named = |filter: &SubscriptionFilter| filter.resource_subscriptions.contains(uri);
                proptest::prop_assert!(filters.iter().any(named));
            }
        }
    }
}
