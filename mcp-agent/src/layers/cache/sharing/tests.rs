use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mcp_protocol::tools::CallToolResult;
use serde_json::{Map, json};
use tower_layer::Layer as _;

use super::*;
use crate::{
    caller::{Caller as _, Reply, ToolHints},
    layers::{Cache, CacheLayer, CacheRules, ResultCache, Trust, testing::Fake},
};

const TTL: Duration = Duration::from_secs(60);
const SECRET: &[u8] = b"the secret of all replicas";

/// A place in this process, which can be away.
#[derive(Clone, Debug, Default)]
struct Place(Arc<Contents>);

#[derive(Debug, Default)]
struct Contents {
    marks: Mutex<HashMap<String, u64>>,
    values: Mutex<HashMap<String, Vec<u8>>>,
    looks: AtomicUsize,
    is_away: AtomicBool,
}

impl Place {
    fn answer<T>(&self, answer: T) -> Result<T, SharedAway> {
        let is_away = self.0.is_away.load(Ordering::Relaxed);
        if is_away { Err(SharedAway { reason: "away".into() }) } else { Ok(answer) }
    }

    fn looks(&self) -> usize {
        self.0.looks.load(Ordering::Relaxed)
    }

    /// Waits until so many values are kept and so many servers are marked.
    async fn has(&self, values: usize, marks: usize) {
        let is_there = || {
            self.0.values.lock().unwrap().len() >= values
                && self.0.marks.lock().unwrap().len() >= marks
        };
        // The clock stands still but for this.
        for _ in 0..10_000 {
            if is_there() {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
        panic!("not so many: {self:?}");
    }
}

impl SharedResults for Place {
    fn find<'a>(
        &'a self,
        server: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<SharedFind, SharedAway>> {
        self.0.looks.fetch_add(1, Ordering::Relaxed);
        let mark = self.0.marks.lock().unwrap().get(server).copied();
        let value = self.0.values.lock().unwrap().get(name).cloned();
        let found = SharedFind { mark, value: value.map(|value| (value, TTL / 2)) };
        Box::pin(std::future::ready(self.answer(found)))
    }

    fn keep<'a>(
        &'a self,
        name: &'a str,
        value: &'a [u8],
        _: Duration,
    ) -> BoxFuture<'a, Result<(), SharedAway>> {
        let kept = self.answer(());
        if kept.is_ok() {
            self.0.values.lock().unwrap().insert(name.to_owned(), value.to_vec());
        }
        Box::pin(std::future::ready(kept))
    }

    fn mark<'a>(
        &'a self,
        server: &'a str,
        mark: u64,
        _: Duration,
    ) -> BoxFuture<'a, Result<(), SharedAway>> {
        let marked = self.answer(());
        if marked.is_ok() {
            self.0.marks.lock().unwrap().insert(server.to_owned(), mark);
        }
        Box::pin(std::future::ready(marked))
    }
}

/// Numbers its answers.
fn server() -> Arc<Fake> {
    Arc::new(Fake::new(|_, before| {
        Box::pin(async move { Ok(Reply::from(CallToolResult::text(before.to_string()))) })
    }))
}

/// A process before the server. `entry` is what it knows of it.
fn process(server: &Arc<Fake>, place: &Place, secret: &[u8], entry: &str) -> Cache<Arc<Fake>> {
    let fingerprint = (!entry.is_empty()).then(|| Digest::of_json(&json!(entry)));
    let sharing =
        ResultSharing::with(place.clone(), secret, |name| name == "db", move |_| fingerprint);
    let cache = ResultCache::shared(CacheRules::new(TTL), Trust::Everybody, sharing.unwrap());
    CacheLayer::new(cache).layer(Arc::clone(server))
}

fn read(server: &str) -> Call {
    let hints = ToolHints { read_only: true, ..ToolHints::default() };
    Call::tool(server, "query", Map::new()).hints(hints)
}

async fn said(process: &Cache<Arc<Fake>>, call: Call) -> (String, bool) {
    let reply = process.call(call).await.unwrap();
    let from_cache = reply.from_cache;
    (reply.into_tool().unwrap().joined_text(), from_cache)
}

fn text(number: u32, from_cache: bool) -> (String, bool) {
    (number.to_string(), from_cache)
}

#[tokio::test(start_paused = true)]
async fn one_process_asks_for_all() {
    let (server, place) = (server(), Place::default());
    let [one, other] = [(); 2].map(|()| process(&server, &place, SECRET, "entry"));
    assert_eq!(said(&one, read("db")).await, text(0, false));
    place.has(1, 0).await;
    assert_eq!(said(&other, read("db")).await, text(0, true));
    assert_eq!(said(&other, read("db")).await, text(0, true));
    // The second time it was there already.
    assert_eq!((server.calls(), place.looks()), (1, 2));
    let report = other.cache.as_ref().unwrap().report();
    assert_eq!((report.hits, report.shared, report.misses), (2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_finds_what_is_not_theirs() {
    let (server, place) = (server(), Place::default());
    let one = process(&server, &place, SECRET, "entry");
    said(&one, read("db").partition("blue")).await;
    place.has(1, 0).await;
    assert!(!said(&one, read("db").partition("green")).await.1);
    assert!(!said(&one, read("db")).await.1);
    let another = process(&server, &place, SECRET, "another entry");
    assert!(!said(&another, read("db").partition("blue")).await.1);
    let stranger = process(&server, &place, b"another secret", "entry");
    assert!(!said(&stranger, read("db").partition("blue")).await.1);
    let same = process(&server, &place, SECRET, "entry");
    assert!(said(&same, read("db").partition("blue")).await.1);
    // Nothing that is kept can be read, or put in the place of something else.
    place.has(5, 0).await;
    let kept: Vec<_> = place.0.values.lock().unwrap().clone().into_iter().collect();
    for ((name, value), (_, moved)) in kept.iter().zip(kept.iter().cycle().skip(1)) {
        assert!(!String::from_utf8_lossy(value).contains("content"));
        place.0.values.lock().unwrap().insert(name.clone(), moved.clone());
    }
    let same = process(&server, &place, SECRET, "entry");
    for call in [read("db").partition("blue"), read("db").partition("green"), read("db")] {
        assert!(!said(&same, call).await.1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_shared_asks_nobody() {
    let (server, place) = (server(), Place::default());
    let one = process(&server, &place, SECRET, "entry");
    // Of another server; a call that is not kept; and a server where somebody has logged in.
    said(&one, read("mail")).await;
    said(&one, Call::tool("db", "insert", Map::new())).await;
    place.has(0, 1).await;
    said(&process(&server, &place, SECRET, ""), read("db")).await;
    assert_eq!(place.looks(), 0);
    assert_eq!(place.0.marks.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_at_one_makes_it_old_for_all() {
    let (server, place) = (server(), Place::default());
    let one = process(&server, &place, SECRET, "entry");
    said(&one, read("db")).await;
    place.has(1, 0).await;
    said(&one, Call::tool("db", "insert", Map::new())).await;
    place.has(1, 1).await;
    let other = process(&server, &place, SECRET, "entry");
    assert_eq!(said(&other, read("db")).await, text(2, false));
}

#[tokio::test(start_paused = true)]
async fn while_it_is_away_calls_are_made() {
    let (server, place) = (server(), Place::default());
    let one = process(&server, &place, SECRET, "entry");
    said(&one, read("db")).await;
    place.has(1, 0).await;
    place.0.is_away.store(true, Ordering::Relaxed);
    let other = process(&server, &place, SECRET, "entry");
    assert_eq!(said(&other, read("db")).await, text(1, false));
    // What it changed is not known there, so nothing that is there is used until it is.
    said(&other, Call::tool("db", "insert", Map::new())).await;
    let looks = place.looks();
    assert_eq!(said(&other, read("db")).await, text(3, false));
    assert_eq!(place.looks(), looks);
    place.0.is_away.store(false, Ordering::Relaxed);
    place.has(1, 1).await;
    let third = process(&server, &place, SECRET, "entry");
    assert_eq!(said(&third, read("db")).await, text(4, false));
}
