//! Results that are used again: for how long, by whom, and what ends it.

use std::{future::IntoFuture, time::Duration};

use mcp_client::{
    Cache, Client, ClientOptions, EraChoice, Source,
    testing::{Answer, PlayedServer, TestServer},
};
use serde_json::{Value, json};

const LISTEN: &str = "subscriptions/listen";

fn tools(names: &[&str], ttl_ms: i64, scope: &str) -> Value {
    let tools: Vec<_> =
        names.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
    json!({"tools": tools, "ttlMs": ttl_ms, "cacheScope": scope, "resultType": "complete"})
}

fn contents(text: &str, ttl_ms: i64) -> Value {
    json!({
        "contents": [{"uri": "x:a", "text": text}],
        "ttlMs": ttl_ms, "cacheScope": "private", "resultType": "complete",
    })
}

async fn modern(cache: &Cache) -> (Client, PlayedServer) {
    let (client, server) = PlayedServer::new(EraChoice::Modern);
    let mut options = ClientOptions::default();
    options.era = EraChoice::Modern;
    options.cache = cache.clone();
    let capabilities = json!({"tools": {}, "resources": {}});
    PlayedServer::connect_modern(client.options(options), server, capabilities).await
}

async fn list(client: &Client) -> Vec<String> {
    let listing = client.list_tools().await.expect("the list is given");
    listing.items.into_iter().map(|tool| tool.name).collect()
}

/// A list that the server must be asked for.
async fn asked(client: &Client, server: &mut PlayedServer, result: Value) -> Vec<String> {
    let (names, ()) = tokio::join!(list(client), async {
        let request = server.request("tools/list").await;
        server.answer(&request, result);
    });
    names
}

// covers: cache-fresh
#[tokio::test(start_paused = true)]
async fn a_list_is_good_for_as_long_as_the_server_says() {
    let cache = Cache::default();
    let (client, mut server) = modern(&cache).await;
    assert_eq!(asked(&client, &mut server, tools(&["one"], 1_000, "private")).await, ["one"]);
    tokio::time::sleep(Duration::from_millis(999)).await;
    assert_eq!(list(&client).await, ["one"]);
    let found = client.list_tools().cached().await.unwrap();
    assert!(matches!(found.source(), Source::Cache { age } if age.as_millis() == 999));
    let again = client.list_tools().cached().await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&found.shared(), &again.shared()));
    assert!(server.is_left_alone());

    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(asked(&client, &mut server, tools(&["two"], 0, "private")).await, ["two"]);
    for ttl_ms in [-5, 0] {
        let result = tools(&["three"], ttl_ms, "private");
        assert_eq!(asked(&client, &mut server, result).await, ["three"]);
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.stored), (3, 4, 1));
}

// covers: cache-fresh
#[tokio::test(start_paused = true)]
async fn without_a_word_of_the_server_nothing_is_kept_unless_the_user_says_so() {
    let (client, mut server) = modern(&Cache::default()).await;
    let result = json!({"tools": []});
    for _ in 0..2 {
        asked(&client, &mut server, result.clone()).await;
    }
    let (client, mut server) = modern(&Cache::off()).await;
    for _ in 0..2 {
        asked(&client, &mut server, tools(&[], 9_000, "public")).await;
    }
    let (client, mut server) = modern(&Cache::assuming(1 << 20, Duration::from_secs(60))).await;
    asked(&client, &mut server, result).await;
    list(&client).await;
    assert!(server.is_left_alone());
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_at_the_same_time_are_one_request() {
    let cache = Cache::default();
    let (client, mut server) = modern(&cache).await;
    let (first, second, third, ()) =
        tokio::join!(list(&client), list(&client), list(&client), async {
            let request = server.request("tools/list").await;
            server.answer(&request, tools(&["one"], 1_000, "private"));
        });
    assert_eq!([first, second, third], [["one"], ["one"], ["one"]]);
    assert!(server.is_left_alone());
    assert_eq!(cache.stats().joined, 2);

    // One who gives up leaves the others their own request.
    cache.clear();
    let mut leader = Box::pin(client.list_tools().into_future());
    tokio::select! {
        _ = &mut leader => panic!("nobody has answered"),
        _ = server.request("tools/list") => {}
    }
    let (names, ()) = tokio::join!(list(&client), async {
        drop(leader);
        server.notified("notifications/cancelled").await;
        let request = server.request("tools/list").await;
        server.answer(&request, tools(&["two"], 1_000, "private"));
    });
    assert_eq!(names, ["two"]);
}

// covers: cache-invalidation
#[tokio::test(start_paused = true)]
async fn an_announced_change_makes_a_list_old_at_once_even_while_it_is_fetched() {
    let (client, mut server) = modern(&Cache::default()).await;
    let mut watch = client.changes();
    let listen = server.request(LISTEN).await;
    let meta = json!({"io.modelcontextprotocol/subscriptionId": listen.id});
    let granted = PlayedServer::params(&listen)["notifications"].clone();
    let acknowledgement = json!({"_meta": meta, "notifications": granted});
    server.notify("notifications/subscriptions/acknowledged", acknowledgement);
    watch.ready().await;

    let long = |name| tools(&[name], 3_600_000, "private");
    asked(&client, &mut server, long("one")).await;
    assert_eq!(list(&client).await, ["one"]);
    server.notify("notifications/tools/list_changed", json!({"_meta": meta}));
    watch.next().await.unwrap();
    let (names, ()) = tokio::join!(list(&client), async {
        let request = server.request("tools/list").await;
        server.notify("notifications/tools/list_changed", json!({"_meta": meta}));
        watch.next().await.unwrap();
        // What it answers may be from before the change.
        server.answer(&request, long("two"));
    });
    assert_eq!(names, ["two"]);
    assert_eq!(asked(&client, &mut server, long("three")).await, ["three"]);
    assert_eq!(list(&client).await, ["three"]);
}

// covers: cache-stale
#[tokio::test(start_paused = true)]
async fn an_old_result_is_given_only_to_who_can_see_that_it_is_old() {
    let cache = Cache::default();
    let (client, mut server) = modern(&cache).await;
    let (read, ()) = tokio::join!(client.read_resource("x:a").into_future(), async {
        let request = server.request("resources/read").await;
        server.answer(&request, contents("one", 1_000));
    });
    assert_eq!(read.unwrap().contents[0].as_text(), Some("one"));
    assert_eq!(client.read_resource("x:a").await.unwrap().contents[0].as_text(), Some("one"));
    tokio::time::sleep(Duration::from_secs(5)).await;

    // A refusal is an answer.
    let (refused, ()) = tokio::join!(client.read_resource("x:a").cached(), async {
        let request = server.request("resources/read").await;
        server.refuse(&request, -32602);
    });
    assert!(refused.is_err());
    server.hang_up();
    assert!(client.read_resource("x:a").await.is_err());
    let old = client.read_resource("x:a").cached().await.unwrap();
    assert_eq!(old.contents[0].as_text(), Some("one"));
    assert!(matches!(old.source(), Source::Stale { age, .. } if age.as_secs() == 5));
    assert!(client.read_resource("x:b").cached().await.is_err());
    assert_eq!(cache.stats().stale, 1);
}

// covers: cache-key, cache-private
#[tokio::test(start_paused = true)]
async fn what_is_private_or_of_another_connection_is_not_found() {
    // Neither can two servers in memory be taken for the same, whatever they call public.
    let cache = Cache::default();
    for scope in ["private", "public"] {
        let (one, mut server) = modern(&cache).await;
        asked(&one, &mut server, tools(&["one"], 9_000, scope)).await;
        let (two, mut other) = modern(&cache).await;
        assert_eq!(asked(&two, &mut other, tools(&["two"], 9_000, scope)).await, ["two"]);
        assert_eq!(list(&one).await, ["one"]);
    }
}

// covers: cache-mrtr
#[tokio::test(start_paused = true)]
async fn what_took_input_is_not_kept() {
    let cache = Cache::default();
    let (client, mut server) = modern(&cache).await;
    for _ in 0..2 {
        let (read, ()) = tokio::join!(client.read_resource("x:a").into_future(), async {
            let request = server.request("resources/read").await;
            server.answer(&request, json!({"resultType": "input_required", "requestState": "s"}));
            let retry = server.request("resources/read").await;
            assert_eq!(PlayedServer::params(&retry)["requestState"], "s");
            server.answer(&retry, contents("one", 60_000));
        });
        read.unwrap();
    }
    assert_eq!(cache.stats().stored, 0);
}

// covers: cursor-invalid
#[tokio::test(start_paused = true)]
async fn a_list_that_changes_between_its_pages_is_begun_again_once() {
    let (client, mut server) = modern(&Cache::default()).await;
    let page = |name: &str, next: Option<&str>, ttl_ms: i64| {
        let mut page = tools(&[name], ttl_ms, "public");
        if let Some(next) = next {
            page["nextCursor"] = next.into();
        }
        page
    };
    let (names, ()) = tokio::join!(list(&client), async {
        let first = server.request("tools/list").await;
        server.answer(&first, page("gone", Some("p2"), 60_000));
        let second = server.request("tools/list").await;
        server.refuse(&second, -32602);
        let first = server.request("tools/list").await;
        assert_eq!(PlayedServer::params(&first)["cursor"], Value::Null);
        server.answer(&first, page("one", Some("p2"), 60_000));
        let second = server.request("tools/list").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.answer(&second, page("two", None, 1_000));
    });
    assert_eq!(names, ["one", "two"]);
    // The whole is as good as its shortest-lived page.
    tokio::time::sleep(Duration::from_millis(999)).await;
    assert_eq!(list(&client).await, ["one", "two"]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (outcome, ()) = tokio::join!(client.list_tools().into_future(), async {
        for _ in 0..2 {
            let first = server.request("tools/list").await;
            server.answer(&first, page("one", Some("p2"), 0));
            let second = server.request("tools/list").await;
            server.refuse(&second, -32602);
        }
    });
    assert_eq!(outcome.unwrap_err().error_object().unwrap().code, -32602);
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_it_anew_gets_it_anew() {
    let (client, mut server) = modern(&Cache::default()).await;
    asked(&client, &mut server, tools(&["one"], 60_000, "private")).await;
    let (fresh, ()) = tokio::join!(client.list_tools().anew().into_future(), async {
        let request = server.request("tools/list").await;
        server.answer(&request, tools(&["two"], 60_000, "private"));
    });
    assert_eq!(fresh.unwrap().items[0].name, "two");
    assert_eq!(list(&client).await, ["two"]);
}

// covers: cache-discover
#[tokio::test(start_paused = true)]
async fn what_a_server_says_of_itself_is_used_again_as_long_as_it_lets_it() {
    let mut asked = 0;
    let server = TestServer::scripted(move |method, _| match method {
        "server/discover" => {
            asked += 1;
            Answer::result(json!({
                "supportedVersions": ["2026-07-28"], "capabilities": {}, "ttlMs": 1_000,
                "cacheScope": "private", "instructions": format!("{asked}"),
                "resultType": "complete",
            }))
        }
        _ => Answer::Silence,
    });
    let client = server.client().connect().await.unwrap();
    let questions = || server.heard().params("server/discover").len();
    assert_eq!(questions(), 1);
    let found = client.discover().await.unwrap();
    assert!(matches!(found.source(), Source::Cache { .. }), "{:?}", found.source());
    assert_eq!(found.instructions.as_deref(), Some("1"));
    // A sign of life is never of the past.
    client.ping().await.unwrap();
    assert_eq!(questions(), 2);
    client.discover().await.unwrap();
    assert_eq!(questions(), 2);

    tokio::time::sleep(Duration::from_secs(1)).await;
    let found = client.discover().await.unwrap();
    assert!(matches!(found.source(), Source::Server), "{:?}", found.source());
    assert_eq!(found.instructions.as_deref(), Some("3"));
    assert_eq!(client.server().instructions.as_deref(), Some("1"));
    // A new connection asks, whatever is known.
    server.client().connect().await.unwrap();
    assert_eq!(questions(), 4);
}
