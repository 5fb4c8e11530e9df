//! What servers offer changes: who is told.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use mcp_client::{CatalogLists, Change, Hub, HubChange, HubEvent, Server, ServerWatch};
use mcp_protocol::{
    jsonrpc::{ErrorObject, Request},
    meta::{self, Meta},
    object::Object,
    raw::RawJson,
    subscriptions::{
        SubscriptionFilter, SubscriptionsAcknowledgedParams, SubscriptionsListenParams,
        SubscriptionsListenResult,
    },
    version::Era,
};
use mcp_transport::serve::{NotifyError, Peer};
use serde_json::{Value, json};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    task::JoinSet,
};

use super::{
    Aggregate,
    announcing::{Audience, announce_to_all},
    asked::{Caller, params},
    conversation::Conversation,
    offered::Offered,
    tasks::follow_task,
};
use crate::{
    model::BoxFuture,
    service::{access::Shown, own_servers::OwnServers, tool_pins::ToolPins, view::View},
};

/// All lists.
pub(super) const ALL_LISTS: CatalogLists =
    CatalogLists { tools: true, prompts: true, resources: true };

/// How often each list has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    tools: u64,
    prompts: u64,
    resources: u64,
}

/// Counts changes, from the first time that anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Changes {
    counting: Mutex<Option<Counting>>,
    audience: Arc<Audience>,
}

#[derive(Debug)]
struct Counting {
    counts: watch::Receiver<Counts>,
    is_announcing: bool,
    /// End with the service.
    tasks: JoinSet<()>,
}

impl Changes {
    pub(super) fn watch(
        &self,
        hub: &Hub,
        own: &OwnServers,
        view: &View,
        pins: Option<&ToolPins>,
    ) -> watch::Receiver<Counts> {
        self.counting(hub, own, view, pins, |counting| counting.receiver())
    }

    /// Tells a client of all changes from now on, until it is left out again.
    pub(super) fn announce_to(
        &self,
        hub: &Hub,
        own: &OwnServers,
        view: &View,
        pins: Option<&ToolPins>,
        conversation: &Arc<Conversation>,
    ) {
        self.counting(hub, own, view, pins, |counting| {
            if !std::mem::replace(&mut counting.is_announcing, true) {
                let audience = Arc::clone(&self.audience);
                counting.tasks.spawn(announce_to_all(counting.receiver(), audience));
            }
        });
        self.audience.add(conversation);
    }

    pub(super) fn leave_out(&self, number: u64) {
        self.audience.remove(number);
    }

    fn counting<T>(
        &self,
        hub: &Hub,
        own: &OwnServers,
        view: &View,
        pins: Option<&ToolPins>,
        act: impl FnOnce(&mut Counting) -> T,
    ) -> T {
        let mut counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        act(counting.get_or_insert_with(|| {
            let (sender, counts) = watch::channel(Counts::default());
            let mut tasks = JoinSet::new();
            tasks.spawn(count(hub.clone(), own.clone(), view.clone(), pins.cloned(), sender));
            Counting { counts, is_announcing: false, tasks }
        }))
    }
}

impl Counting {
    fn receiver(&self) -> watch::Receiver<Counts> {
        let mut counts = self.counts.clone();
        counts.mark_unchanged();
        counts
    }
}

async fn count(
    hub: Hub,
    own: OwnServers,
    view: View,
    pins: Option<ToolPins>,
    sender: watch::Sender<Counts>,
) {
    let is_meant = |name: &str| view.sees(name);
    let (mut events, mut of_callers) = (hub.events(), own.changes());
    let prints = || prints(&own, &view, pins.as_ref());
    let mut last = prints();
    let servers = hub.servers().into_iter().filter(|server| is_meant(server.name()));
    let mut told: FuturesUnordered<_> = servers.map(|server| next(server.changes())).collect();
    let mut agreed = 0;
    loop {
        let mut changed = [false; 3];
        tokio::select! {
            event = events.recv() => {
                match event {
                    Ok(event) if !is_meant(&event.server) => continue,
                    Ok(HubEvent { server, change: HubChange::Added, .. }) => {
                        told.extend(hub.server(&server).map(|server| next(server.changes())));
                    }
                    Ok(HubEvent {
                        change: HubChange::Removed | HubChange::Catalog(_) | HubChange::Drift(_),
                        ..
                    })
                    | Err(RecvError::Lagged(_)) => {}
                    Ok(_) => continue,
                    Err(RecvError::Closed) => return,
                }
                let now = prints();
                changed = [0, 1, 2].map(|list| now[list] != last[list]);
                last = now;
            }
            // What was in quarantine until the replicas had agreed may be offered now.
            generation = agreed_since(pins.as_ref(), agreed) => {
                agreed = generation;
                let now = prints();
                changed = [0, 1, 2].map(|list| now[list] != last[list]);
                last = now;
            }
            // What the connections of this very caller offer.
            changed_for = of_callers.recv() => {
                match changed_for {
                    Ok(caller) if *caller != *view.principal.id() => continue,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
                let now = prints();
                changed = [0, 1, 2].map(|list| now[list] != last[list]);
                last = now;
            }
            // Whatever a server tells is told, whether or not its list differs.
            Some((watch, change)) = told.next() => match change {
                None => continue,
                Some(change) => {
                    told.push(next(watch));
                    match change {
                        Change::Tools => changed[0] = true,
                        Change::Prompts => changed[1] = true,
                        Change::Resources => changed[2] = true,
                        Change::Gap => changed = [true; 3],
                        _ => continue,
                    }
                }
            },
        }
        sender.send_if_modified(|counts| {
            counts.tools += u64::from(changed[0]);
            counts.prompts += u64::from(changed[1]);
            counts.resources += u64::from(changed[2]);
            changed != [false; 3]
        });
    }
}

async fn agreed_since(pins: Option<&ToolPins>, generation: u64) -> u64 {
    match pins {
        Some(pins) => pins.changed_since(generation).await,
        None => std::future::pending().await,
    }
}

fn next(mut watch: ServerWatch) -> BoxFuture<'static, (ServerWatch, Option<Change>)> {
    Box::pin(async move {
        let change = watch.next().await;
        (watch, change)
    })
}

/// What the lists of tools, prompts and resources come to.
fn prints(own: &OwnServers, view: &View, pins: Option<&ToolPins>) -> [u64; 3] {
    let offered = Offered::known(own, view, pins);
    let print = |value: Value| {
        let mut hasher = DefaultHasher::new();
        value.to_string().hash(&mut hasher);
        hasher.finish()
    };
    let tools = offered.tools().into_iter().map(|(_, name, tool)| json!([name, tool])).collect();
    let prompts =
        offered.prompts().into_iter().map(|(_, name, prompt)| json!([name, prompt])).collect();
    [print(tools), print(prompts), print(json!([offered.resources(), offered.templates()]))]
}

/// Tells whoever listens of changes of lists; never ends while there are servers.
async fn announce(
    mut counts: watch::Receiver<Counts>,
    wanted: SubscriptionFilter,
    peer: Peer,
    meta: Option<Meta>,
) {
    let mut last = *counts.borrow_and_update();
    while counts.changed().await.is_ok() {
        let now = *counts.borrow_and_update();
        // Without a receiver the client is gone, and this ends with it.
        if tell(&peer, &wanted, last, now, meta.as_ref()).await.is_err() {
            return;
        }
        last = now;
    }
}

/// Tells a client what has changed in between.
pub(super) async fn tell(
    peer: &Peer,
    wanted: &SubscriptionFilter,
    last: Counts,
    now: Counts,
    meta: Option<&Meta>,
) -> Result<(), NotifyError> {
    for (wanted, changed, method) in [
        (wanted.tools_list_changed, now.tools != last.tools, "tools"),
        (wanted.prompts_list_changed, now.prompts != last.prompts, "prompts"),
        (wanted.resources_list_changed, now.resources != last.resources, "resources"),
    ] {
        if wanted && changed {
            let method = format!("notifications/{method}/list_changed");
            let params = meta.map_or(json!({}), |meta| json!({"_meta": meta}));
            peer.notify(&method, &params).await?;
        }
    }
    Ok(())
}

/// Waits until a token has ended; for ever where none was shown.
async fn end_of(shown: Option<&Arc<Shown>>) {
    match shown {
        Some(shown) => shown.end().await,
        None => std::future::pending().await,
    }
}

/// Tells a client of changes of one resource, until the server is in the hub no more.
pub(super) async fn follow(mut watch: ServerWatch, uri: String, peer: Peer, meta: Option<Meta>) {
    while let Some(change) = watch.next().await {
        let changed = match &change {
            Change::Resource(part) => &**part,
            Change::Gap => &uri,
            _ => continue,
        };
        let mut params = json!({"uri": changed});
        if let Some(meta) = &meta {
            params["_meta"] = json!(meta);
        }
        if peer.notify("notifications/resources/updated", &params).await.is_err() {
            return;
        }
    }
}

impl Aggregate {
    /// `subscriptions/listen`: says what is granted, and then what changes, until the client goes.
    pub(super) async fn listen(
        &self,
        request: &Request,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        let peer = caller.peer;
        let mut granted = params::<SubscriptionsListenParams>(request)?.notifications;
        let counts = self.changes();
        let mut watches = FuturesUnordered::new();
        let mut entries = Object::default();
        if let Ok(id) = RawJson::from_value(&request.id) {
            entries.insert(meta::SUBSCRIPTION_ID, id);
        }
        let meta = Meta::new(&entries);
        for uri in std::mem::take(&mut granted.resource_subscriptions) {
            if let Some((_, watch)) = self.watch_resource(&uri).await {
                watches.push(follow(watch, uri.clone(), peer.clone(), Some(meta.clone())));
                granted.resource_subscriptions.push(uri);
            }
        }
        let mut tasks = FuturesUnordered::new();
        for id in std::mem::take(&mut granted.task_ids) {
            if let Some((watch, place)) = self.watch_task(&id, caller) {
                tasks.push(follow_task(watch, place, id.clone(), peer.clone(), meta.clone()));
                granted.task_ids.push(id);
            }
        }
        let mut said = SubscriptionsAcknowledgedParams::default();
        (said.notifications, said.meta) = (granted.clone(), Some(meta.clone()));
        let acknowledged = "notifications/subscriptions/acknowledged";
        if let Err(error) = peer.notify(acknowledged, &said).await {
            tracing::debug!(%error, "a subscription ends before it has begun");
        }
        let announcing = announce(counts, granted, peer.clone(), Some(meta.clone()));
        let following = async { while watches.next().await.is_some() {} };
        let telling = async { while tasks.next().await.is_some() {} };
        let shown = caller.scope.request().and_then(|request| request.shown());
        let streaming = async { tokio::join!(announcing, following, telling) };
        tokio::select! {
            _ = streaming => {}
            // Whoever goes on listening shows another.
            () = end_of(shown) => {}
        }
        finish!(SubscriptionsListenResult { meta: Some(meta), ..Default::default() }, Era::Modern)
    }

    /// Watches a resource at the server that has it.
    pub(super) async fn watch_resource(&self, uri: &str) -> Option<(Server, ServerWatch)> {
        let mut offered = self.known();
        if offered.readers(uri).is_empty() {
            offered = self.ask(CatalogLists { tools: false, ..ALL_LISTS }).await;
        }
        let server = (*offered.readers(uri).first()?).clone();
        let mut watch = server.watch_resource(uri);
        watch.ready().await;
        Some((server, watch))
    }
}
