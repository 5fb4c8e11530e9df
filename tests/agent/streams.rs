//! What servers say on their own account, as a stream.

use std::{pin::pin, time::Duration};

use futures_util::StreamExt;
use mcp_agent::streams::{Event, EventKind, EventOptions, Filter, Overflow, events};
use mcp_client::{
    protocol::{
        raw::RawJson,
        resources::{Resource, ResourceContents},
        version::Era,
    },
    testing::TestServer,
};
use serde_json::json;
use tokio::time::Instant;

const URI: &str = "file:///orders.json";

fn server() -> TestServer {
    TestServer::new()
        .only(Era::Legacy)
        .capabilities(json!({"logging": {}, "resources": {"subscribe": true, "listChanged": true}}))
        .resource(Resource::new(URI, "orders"), ResourceContents::text(URI, "[7]"))
        .on("resources/subscribe", |_| RawJson::from(json!({})).into())
}

fn log(server: &TestServer, level: &str, service: &str) {
    let data = json!({"service": service});
    server.notify("notifications/message", json!({"level": level, "data": data}));
}

#[tokio::test]
async fn what_is_not_wanted_takes_no_room() {
    let server = server();
    let wanted = Filter::new()
        .kinds([EventKind::Log])
        .field("/level", ["error", "critical"])
        .field("/data/service", ["api"]);
    let (sink, mut stream) = events(EventOptions::default().capacity(2).filter(wanted));
    let client = sink.hear("shop", server.client()).connect().await.unwrap();
    drop(sink);
    for _ in 0..50 {
        log(&server, "info", "api");
        log(&server, "error", "web");
        server.notify("notifications/custom", json!({"level": "error"}));
    }
    log(&server, "error", "api");
    log(&server, "critical", "api");
    let mut levels = Vec::new();
    for _ in 0..2 {
        let event = stream.next().await.unwrap();
        assert_eq!((event.server.as_str(), event.lost_before), ("shop", 0));
        levels.push(event.data["level"].clone());
    }
    assert_eq!(levels, ["error", "critical"]);
    assert_eq!(stream.lost(), 0);
    // With the client goes the last who could say something.
    drop(client);
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_slow_reader_loses_what_the_policy_says_and_is_told() {
    let server = server();
    let newest = EventOptions::default().capacity(2).overflow(Overflow::DropNewest);
    let (sink, mut stream) = events(newest);
    let client = sink.hear("shop", server.client()).connect().await.unwrap();
    for number in 0..5 {
        server.notify("notifications/custom", json!({"number": number}));
    }
    // Answers come in the order of what was said, so that all five are heard by then.
    client.ping().await.unwrap();
    while stream.lost() < 3 {
        tokio::task::yield_now().await;
    }
    let mut numbers = Vec::new();
    for _ in 0..2 {
        numbers.push(stream.next().await.unwrap().data["params"]["number"].clone());
    }
    assert_eq!(numbers, [0, 1]);
    sink.push(Event::new("me", EventKind::Own, json!("later")));
    let later = stream.next().await.unwrap();
    assert_eq!((later.data, later.lost_before), (json!("later"), 3));
}

#[tokio::test]
async fn changes_come_with_what_changed() {
    let server = server();
    let (sink, mut stream) = events(EventOptions::default());
    let client = server.client().connect().await.unwrap();
    let lists = client.changes();
    lists.ready().await;
    stream.follow(&sink, "shop", lists);
    stream.follow_contents(&sink, "shop", client.clone(), vec![URI.to_owned()]).await;
    server.notify("notifications/resources/updated", json!({"uri": URI}));
    let event = stream.next().await.unwrap();
    assert_eq!(event.kind, EventKind::Resource);
    assert_eq!(event.data["uri"], URI);
    assert_eq!(event.data["contents"][0]["text"], "[7]");
    server.notify("notifications/resources/list_changed", json!({}));
    let event = stream.next().await.unwrap();
    assert_eq!((event.kind, event.data), (EventKind::List, json!({"list": "resources"})));
}

#[tokio::test(start_paused = true)]
async fn windows_by_count_and_by_time() {
    let (sink, stream) = events(EventOptions::default());
    let push = |number: u64| sink.push(Event::new("me", EventKind::Own, number));
    (0..5).for_each(push);
    let minute = Duration::from_secs(60);
    let mut windows = pin!(stream.windows(3, minute));
    let started = Instant::now();
    assert_eq!(windows.next().await.unwrap().len(), 3);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(windows.next().await.unwrap().len(), 2);
    assert!(started.elapsed() >= minute);

    // The time counts from the first of a window, not from the window before.
    tokio::time::sleep(minute * 5).await;
    push(5);
    let started = Instant::now();
    assert_eq!(windows.next().await.unwrap()[0].data, 5);
    assert!(started.elapsed() >= minute);

    push(6);
    drop(sink);
    assert_eq!(windows.next().await.unwrap().len(), 1);
    assert_eq!(windows.next().await, None);
}
