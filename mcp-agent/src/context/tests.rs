use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use mcp_client::Client;
use mcp_protocol::{
    jsonrpc::{ErrorObject, Request},
    raw::RawJson,
};
use mcp_transport::{
    BoxFuture,
    memory::MemoryConnect,
    serve::{self, Peer, Service},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Agent, Hooks as _, ModelCallAction,
    model::{
        Message, ModelRequest, Part, Parts,
        scripted::{Scene, ScriptedModel},
    },
    tokens::{EstimatedTokens, TokenCounter},
};

/// A legacy server with files that can be replaced under its clients.
#[derive(Default)]
struct Files {
    texts: Mutex<BTreeMap<String, String>>,
    peer: Mutex<Option<Peer>>,
    /// How many of the next requests for the list fail.
    failing_lists: AtomicU32,
    /// Held while nothing can be read.
    reads: tokio::sync::Mutex<()>,
    /// A read has come.
    asked: tokio::sync::Notify,
}

impl Files {
    fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Arc<Self> {
        let files = files.into_iter().map(|(uri, text)| (uri.to_owned(), text.to_owned()));
        Arc::new(Self { texts: Mutex::new(files.collect()), ..Self::default() })
    }

    async fn client(self: &Arc<Self>) -> Client {
        let service = Arc::clone(self);
        let recipe = MemoryConnect::new(move |peer| {
            serve::in_memory(peer, Arc::clone(&service) as Arc<dyn Service>)
        });
        Client::connect_with(recipe).connect().await.unwrap()
    }

    async fn write(&self, uri: &str, text: &str) {
        self.texts.lock().unwrap().insert(uri.to_owned(), text.to_owned());
        self.tell("notifications/resources/updated", json!({"uri": uri})).await;
    }

    async fn delete(&self, uri: &str) {
        self.texts.lock().unwrap().remove(uri);
        self.tell("notifications/resources/list_changed", json!({})).await;
    }

    async fn tell(&self, method: &str, params: Value) {
        let peer = self.peer.lock().unwrap().clone().unwrap();
        peer.notify(method, &params).await.unwrap();
    }
}

impl Service for Files {
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(async move {
            *self.peer.lock().unwrap() = Some(peer.clone());
            let params: Value = serde_json::from_slice(&request.params).unwrap_or_default();
            if &*request.method == "resources/read" {
                self.asked.notify_one();
                drop(self.reads.lock().await);
            }
            let texts = self.texts.lock().unwrap();
            let result = match &*request.method {
                "initialize" => json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"resources": {"subscribe": true, "listChanged": true}},
                    "serverInfo": {"name": "files", "version": "1"},
                }),
                "resources/list" => {
                    let fails = |left: u32| left.checked_sub(1);
                    let failing = &self.failing_lists;
                    if failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails).is_ok() {
                        return Err(ErrorObject::new(-32603, "the database is locked"));
                    }
                    let name = |uri: &str| uri.rsplit('/').next().unwrap_or_default().to_owned();
                    let listed = texts.keys().map(|uri| json!({"uri": uri, "name": name(uri)}));
                    json!({"resources": listed.collect::<Vec<_>>()})
                }
                "resources/read" => {
                    let uri = params["uri"].as_str().unwrap_or_default();
                    let Some(text) = texts.get(uri) else {
                        return Err(ErrorObject::new(-32002, "no such file"));
                    };
                    json!({"contents": [{"uri": uri, "text": text}]})
                }
                "resources/subscribe" | "resources/unsubscribe" => json!({}),
                _ => return Err(ErrorObject::new(-32601, "unknown method")),
            };
            Ok(result.into())
        })
    }
}

async fn servers(files: &[(&str, &Arc<Files>)]) -> Vec<(String, Client)> {
    let mut servers = Vec::new();
    for (name, files) in files {
        servers.push(((*name).to_owned(), files.client().await));
    }
    servers
}

fn text(parts: &Parts) -> String {
    parts.0.iter().filter_map(Part::as_text).collect()
}

#[tokio::test]
async fn gathers_from_all_servers_what_a_question_needs() {
    let one = Files::of([
        ("file:///invoices.md", "Invoices are paid within 30 days."),
        ("file:///garden.md", "Roses need water."),
    ]);
    let two = Files::of([("db://payments", "On which day customers pay: invoice 7, 12 days.")]);
    let servers = servers(&[("docs", &one), ("db", &two)]).await;
    let gathered = Gatherer::new(servers, GatherOptions::default());
    let gathered = gathered.gather("When are payments of invoices due?").await.unwrap();
    let uris: Vec<_> = gathered.parts.iter().map(|part| part.uri.as_str()).collect();
    assert_eq!(uris.len(), 2, "{uris:?}");
    assert!(uris.contains(&"db://payments") && uris.contains(&"file:///invoices.md"));
    let shown = gathered.to_part().unwrap();
    let shown = shown.as_text().unwrap();
    assert!(shown.contains("<resource server=\"docs\" uri=\"file:///invoices.md\""), "{shown}");
}

#[tokio::test]
async fn what_fails_or_finds_no_room_is_named() {
    let long = "payments ".repeat(4000);
    let files = Files::of([("f://payments", long.as_str()), ("f://payments/2", &long)]);
    let servers = servers(&[("docs", &files)]).await;
    let options = GatherOptions { max_tokens: 500, ..GatherOptions::default() };
    let gathered = Gatherer::new(servers.clone(), options).gather("payments").await.unwrap();
    assert!(gathered.tokens <= 500 && gathered.parts[0].is_cut, "{}", gathered.tokens);
    assert_eq!(gathered.left_out.len(), 1);
    assert_eq!(gathered.left_out[0].reason, Reason::NoRoom);

    servers[0].1.close().await;
    let options = GatherOptions::default();
    let gathered = Gatherer::new(servers, options).gather("payments").await.unwrap();
    assert!(matches!(gathered.left_out[0].reason, Reason::Failed(_)), "{gathered:?}");
}

#[tokio::test]
async fn a_conversation_hears_of_changes_between_its_turns() {
    let files = Files::of([("f://a.md", "version one"), ("f://b.md", "other"), ("f://c.txt", "")]);
    let servers = servers(&[("docs", &files)]).await;
    let live = LiveContext::start(servers, ["f://*.md"], LiveOptions::default()).await;
    let model = ScriptedModel::new([Scene::text("It says one."), Scene::text("Now two.")]);
    let agent = Agent::builder(model.clone()).build();

    let first = agent.run(live.turn("What does a say?")).await.unwrap();
    assert_eq!(live.changes(), []);
    files.write("f://a.md", "version two").await;
    live.changed().await;
    let changes = live.changes();
    assert_eq!((changes.len(), changes[0].uri.as_str()), (1, "f://a.md"));
    agent.go_on(first.run.into_transcript(), live.turn("And now?")).await.unwrap();

    let requests = model.requests();
    let said = |request: usize| {
        let parts = requests[request].messages.iter().flat_map(|message| &message.parts);
        parts.filter_map(Part::as_text).collect::<Vec<_>>()
    };
    let (before, after) = (said(0), said(1));
    assert!(before[0].contains("version one") && before[0].contains("other"));
    assert!(!before[0].contains("c.txt"));
    // What was said stays what it was; the news stand before the new question, and only they.
    assert!(after.starts_with(&before), "{after:?}");
    let news = after[after.len() - 2];
    assert!(news.contains("f://a.md has changed") && news.contains("version two"), "{news}");
    assert!(!news.contains("other"), "{news}");
    assert_eq!(live.changes(), []);
    assert_eq!(text(&live.turn("Anything else?")), "Anything else?");

    files.delete("f://b.md").await;
    live.changed().await;
    assert!(live.changes()[0].is_gone);
    assert!(text(&live.turn("?")).contains("the resource f://b.md is gone"));
}

/// Waits for a change, however long the next attempt is away.
async fn changed(live: &LiveContext) {
    tokio::time::timeout(Duration::from_secs(3600), live.changed()).await.unwrap();
}

#[tokio::test]
async fn the_model_is_asked_once_what_has_changed_is_read_again() {
    let files = Files::of([("notes:///plan.md", "Ship on Friday.")]);
    let servers = servers(&[("files", &files)]).await;
    let live = LiveContext::start(servers, ["notes:///*"], LiveOptions::default()).await;
    files.asked.notified().await;
    let hooks = EveryTurn::new(live);
    let request = ModelRequest::new(vec![Message::user("When?")]);
    let held = files.reads.lock().await;
    files.write("notes:///plan.md", "Ship on Monday.").await;
    files.asked.notified().await;
    let mut asking = hooks.before_model(&request);
    assert!((&mut asking).now_or_never().is_none());
    drop(held);
    let ModelCallAction::AskThis(request) = asking.await else { panic!("nothing is pinned") };
    let said = request.messages[0].parts[0].as_text().unwrap();
    assert!(said.contains("Ship on Monday."), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_says_nothing_about_the_resources() {
    let files = Files::of([("f://a.md", "one"), ("f://b.md", "two")]);
    let servers = servers(&[("docs", &files)]).await;
    let live = LiveContext::start(servers, ["f://*"], LiveOptions::default()).await;
    live.turn("What do they say?");
    files.failing_lists.store(3, Ordering::Relaxed);
    files.delete("f://b.md").await;
    // The list comes at the fourth attempt, and only what is gone is told to be.
    changed(&live).await;
    let changes = live.changes();
    assert_eq!(files.failing_lists.load(Ordering::Relaxed), 0);
    let gone: Vec<_> = changes.iter().map(|change| (&*change.uri, change.is_gone)).collect();
    assert_eq!(gone, [("f://b.md", true)]);
    assert!(live.resources().iter().any(|resource| !resource.is_gone));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_at_the_start_is_asked_for_again() {
    let files = Files::of([("f://a.md", "one")]);
    files.failing_lists.store(1, Ordering::Relaxed);
    let servers = servers(&[("docs", &files)]).await;
    let live = LiveContext::start(servers, ["f://*"], LiveOptions::default()).await;
    assert_eq!(live.resources(), []);
    changed(&live).await;
    assert!(text(&live.turn("?")).contains("one"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_budget_is_never_exceeded(
        texts in prop::collection::vec("[a-z日€ \n]{0,400}", 1..6),
        max_tokens in 0_usize..400,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let names: Vec<_> = (0..texts.len()).map(|n| format!("f://notes/{n}")).collect();
            let files = Files::of(names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)));
            let servers = servers(&[("s", &files)]).await;
            let options = GatherOptions { max_tokens, ..GatherOptions::default() };
            let gathered = Gatherer::new(servers.clone(), options).gather("notes").await.unwrap();
            let counter = EstimatedTokens::default();
            let whole = gathered.to_part().map_or(0, |part| counter.count(part.as_text().unwrap()));
            assert!(whole <= max_tokens, "{whole} of {max_tokens}");
            assert_eq!(whole, gathered.tokens);

            let options = LiveOptions { max_tokens, ..LiveOptions::default() };
            let live = LiveContext::start(servers, ["*"], options).await;
            let pinned = live.to_part().map_or(0, |part| counter.count(part.as_text().unwrap()));
            assert!(pinned <= max_tokens, "{pinned} of {max_tokens}");
        });
    }
}
