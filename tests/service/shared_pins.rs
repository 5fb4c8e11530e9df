//! Pins that several services share: what one has seen or accepted counts for all.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use mcp_agent::{
    service::{ServiceOptions, ToolPins},
    store::{KeptPins, SharedPinStore, StoreError},
};
use mcp_client::{
    Change, Client, EraChoice, Watch,
    config::{ServerConfig, TransportConfig},
    pins::ServerPins,
    protocol::subscriptions::SubscriptionFilter,
};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    asking::Serving,
    pins::{names, turncoat},
};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A store in memory that can be away.
#[derive(Clone, Debug, Default)]
struct Pins(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    pins: Mutex<HashMap<String, (i64, ServerPins)>>,
    is_away: AtomicBool,
    asked: AtomicU64,
    news: watch::Sender<u64>,
}

impl Pins {
    fn away(&self, is_away: bool) {
        self.0.is_away.store(is_away, Ordering::SeqCst);
    }

    fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn ask<T>(
        &self,
        ask: impl FnOnce(&mut HashMap<String, (i64, ServerPins)>) -> T,
    ) -> BoxFuture<'_, Result<T, StoreError>>
    where
        T: Send + 'static,
    {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let outcome = if self.0.is_away.load(Ordering::SeqCst) {
            Err(StoreError::Failed { place: "memory".to_owned(), source: "it is away".into() })
        } else {
            Ok(ask(&mut self.0.pins.lock().expect("not poisoned")))
        };
        Box::pin(std::future::ready(outcome))
    }

    fn tell(&self) {
        self.0.news.send_modify(|count| *count += 1);
    }
}

impl SharedPinStore for Pins {
    fn revisions(&self) -> BoxFuture<'_, Result<HashMap<String, i64>, StoreError>> {
        self.ask(|pins| pins.iter().map(|(key, (revision, _))| (key.clone(), *revision)).collect())
    }

    fn load<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<KeptPins>, StoreError>> {
        self.ask(|pins| {
            let kept = keys.iter().filter_map(|key| {
                let (revision, pins) = pins.get(key)?;
                Some(KeptPins::new(key, *revision, pins.clone()))
            });
            kept.collect()
        })
    }

    fn insert<'a>(
        &'a self,
        key: &'a str,
        new: &'a ServerPins,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let inserted = self.ask(|pins| {
            let is_new = !pins.contains_key(key);
            pins.entry(key.to_owned()).or_insert_with(|| (1, new.clone()));
            is_new
        });
        self.tell();
        inserted
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        revision: i64,
        new: &'a ServerPins,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let replaced = self.ask(|pins| match pins.get_mut(key) {
            Some(kept) if kept.0 == revision => {
                *kept = (revision + 1, new.clone());
                true
            }
            _ => false,
        });
        self.tell();
        replaced
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }
}

/// A service and a client of it that hears of changes.
struct Replica {
    serving: Serving,
    client: Client,
    changes: Watch,
}

impl Replica {
    async fn start(url: &str, pins: &Pins) -> Self {
        let transport = TransportConfig::Http { url: url.to_owned(), headers: [].into() };
        let options = ServiceOptions::new().pins(ToolPins::shared(pins.clone()));
        let serving = Serving::start(vec![ServerConfig::new("shop", transport)], options).await;
        let client = Client::http(format!("http://{}/mcp", serving.address));
        let client = client.era(EraChoice::Modern).connect().await.expect("connects");
        let changes = client.watch(SubscriptionFilter {
            tools_list_changed: true,
            ..SubscriptionFilter::default()
        });
        changes.ready().await;
        Self { serving, client, changes }
    }

    async fn names(&self) -> Vec<String> {
        names(&self.client).await
    }

    /// Waits until its list is this, as somebody does who is told of changes.
    async fn comes_to(&mut self, wanted: &[&str]) {
        while self.names().await != wanted {
            while !matches!(self.changes.next().await.expect("a change"), Change::Tools) {}
        }
    }

    async fn end(self) {
        self.client.close().await;
        self.serving.end().await;
    }
}

const ACCEPT: &str = "/mcp/servers/shop/drift/accept";

// covers: serve-pins
#[tokio::test]
async fn what_one_has_accepted_is_offered_by_all() {
    let has_turned = Arc::new(AtomicBool::new(false));
    let server = turncoat(&has_turned).http().await.expect("serves");
    let pins = Pins::default();
    let mut one = Replica::start(server.url(), &pins).await;
    let mut other = Replica::start(server.url(), &pins).await;
    one.comes_to(&["look", "pay"]).await;
    other.comes_to(&["look", "pay"]).await;

    // No call asks the store.
    let asked = pins.asked();
    for _ in 0..5 {
        one.client.call_tool("pay", json!({})).await.expect("a result");
        let call = json!({"server_name": "shop", "tool_name": "pay"});
        assert_eq!(other.serving.post("/mcp/tools/call", &call).await.status, 200);
    }
    assert_eq!(pins.asked(), asked);

    has_turned.store(true, Ordering::SeqCst);
    assert_eq!(
        (one.names().await, other.names().await),
        (vec!["look".into()], vec!["look".into()])
    );
    let accepted = one.serving.post(ACCEPT, &json!({"tool": "pay"})).await;
    assert_eq!(accepted.json()["drift"][0]["tool"], "pay", "{accepted:?}");
    assert_eq!(one.names().await, ["look", "pay"]);
    other.comes_to(&["look", "pay"]).await;
    let accepted = other.serving.post(ACCEPT, &json!({})).await;
    assert_eq!(accepted.json()["drift"][0]["tool"], "more", "{accepted:?}");
    one.comes_to(&["look", "more", "pay"]).await;
    one.end().await;
    other.end().await;
}

#[tokio::test]
async fn what_one_has_seen_first_is_pinned_for_all() {
    let servers = [false, true].map(|has_turned| turncoat(&Arc::new(AtomicBool::new(has_turned))));
    let [honest, turned] = servers;
    let (honest, turned) =
        (honest.http().await.expect("serves"), turned.http().await.expect("serves"));
    let pins = Pins::default();
    let mut one = Replica::start(honest.url(), &pins).await;
    one.comes_to(&["look", "pay"]).await;
    // Under the same name, and with another `pay`.
    let mut other = Replica::start(turned.url(), &pins).await;
    other.comes_to(&["look"]).await;
    let drift = other.serving.get("/mcp/servers/shop/drift").await.json();
    let kinds: Vec<_> =
        drift["drift"].as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["new", "changed"], "{drift}");
    one.end().await;
    other.end().await;
}

#[tokio::test]
async fn without_the_store_what_is_known_goes_on_and_nothing_new_is_offered() {
    let has_turned = Arc::new(AtomicBool::new(false));
    let server = turncoat(&has_turned).http().await.expect("serves");
    let pins = Pins::default();
    let mut one = Replica::start(server.url(), &pins).await;
    one.comes_to(&["look", "pay"]).await;

    pins.away(true);
    assert_eq!(one.names().await, ["look", "pay"]);
    one.client.call_tool("pay", json!({})).await.expect("a result");
    // This one has read nothing.
    let mut other = Replica::start(server.url(), &pins).await;
    assert_eq!(other.names().await, [""; 0]);
    let call = json!({"server_name": "shop", "tool_name": "pay"});
    let refused = other.serving.post("/mcp/tools/call", &call).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    has_turned.store(true, Ordering::SeqCst);
    assert_eq!(one.names().await, ["look"]);
    let refused = one.serving.post(ACCEPT, &json!({})).await;
    assert_eq!(refused.status, 503, "{refused:?}");

    pins.away(false);
    pins.tell();
    other.comes_to(&["look"]).await;
    assert_eq!(one.serving.post(ACCEPT, &json!({})).await.status, 200);
    other.comes_to(&["look", "more", "pay"]).await;
    one.end().await;
    other.end().await;
}
