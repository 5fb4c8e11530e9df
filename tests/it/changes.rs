//! Hearing of changes, in both eras: what is asked of the server, and what comes of it.

use std::{sync::Arc, time::Duration};

use mcp_client::{
    Change, EraChoice, Watch, WatchState, protocol::jsonrpc::Request,
    protocol::subscriptions::SubscriptionFilter, testing::PlayedServer,
};
use serde_json::{Value, json};

const LISTEN: &str = "subscriptions/listen";

fn tools_only() -> SubscriptionFilter {
    SubscriptionFilter { tools_list_changed: true, ..SubscriptionFilter::default() }
}

fn resource(uri: &str) -> Change {
    Change::Resource(uri.into())
}

/// What a `subscriptions/listen` request asks for.
fn asked(listen: &Request) -> Value {
    PlayedServer::params(listen)["notifications"].clone()
}

async fn next(watch: &mut Watch) -> Change {
    watch.next().await.expect("the connection is over")
}

// covers: listen-merge
#[tokio::test(start_paused = true)]
async fn one_stream_serves_all_wishes_and_changes_without_a_gap() {
    let (client, mut server) = PlayedServer::modern(json!({"tools": {"listChanged": true}})).await;
    assert!(server.is_left_alone());

    let mut tools = client.changes();
    let mut file = client.watch_resource("file:///a");
    assert_eq!(tools.state(), WatchState::Opening);
    let first = server.request(LISTEN).await;
    assert_eq!(
        asked(&first),
        json!({"toolsListChanged": true, "resourceSubscriptions": ["file:///a"]})
    );
    server.acknowledge_all(&first);
    assert_eq!(file.ready().await, WatchState::Live);
    server.tell_changed(&first, "tools");
    server.tell_updated(&first, "file:///a");
    assert_eq!(next(&mut tools).await, Change::Tools);
    assert_eq!(next(&mut file).await, resource("file:///a"));

    // One more wish: the old stream lives until the new one is acknowledged, and both are heard.
    let mut other = client.watch_resource("file:///b");
    let second = server.request(LISTEN).await;
    assert_ne!(first.id, second.id);
    server.tell_updated(&first, "file:///a");
    assert_eq!(next(&mut file).await, resource("file:///a"));
    assert!(server.is_left_alone());
    server.acknowledge_all(&second);
    let cancelled = server.notified("notifications/cancelled").await;
    assert_eq!(cancelled["requestId"], json!(first.id));
    server.tell_updated(&second, "file:///b/part");
    assert_eq!(next(&mut other).await, resource("file:///b/part"));

    // Fewer wishes are another stream, none at all is none.
    drop((file, tools));
    let third = server.request(LISTEN).await;
    assert_eq!(asked(&third), json!({"resourceSubscriptions": ["file:///b"]}));
    server.acknowledge_all(&third);
    let cancelled = server.notified("notifications/cancelled").await;
    assert_eq!(cancelled["requestId"], json!(second.id));
    drop(other);
    let cancelled = server.notified("notifications/cancelled").await;
    assert_eq!(cancelled["requestId"], json!(third.id));

    // And it begins anew for whoever comes next.
    let again = client.changes();
    let fourth = server.request(LISTEN).await;
    server.acknowledge_all(&fourth);
    assert_eq!(again.ready().await, WatchState::Live);
}

// covers: listen-demux
#[tokio::test(start_paused = true)]
async fn what_belongs_to_another_subscription_or_nobody_asked_for_is_not_heard() {
    let (client, mut server) = PlayedServer::modern(json!({"tools": {}})).await;
    let mut watch = client.changes();
    let listen = server.request(LISTEN).await;
    server.acknowledge_all(&listen);
    server.tell_changed(&listen, "prompts");
    let stranger = Request { id: 4_711.into(), ..listen.clone() };
    server.tell_changed(&stranger, "tools");
    server.notify("notifications/tools/list_changed", json!({}));
    server.tell_updated(&listen, "file:///a");
    server.tell_changed(&listen, "tools");
    assert_eq!(next(&mut watch).await, Change::Tools);
    // A round trip later nothing else has come.
    let (ping, ()) = tokio::join!(client.ping(), async {
        let discover = server.request("server/discover").await;
        server.answer(&discover, json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}));
    });
    ping.unwrap();
    client.close().await;
    assert_eq!(watch.next().await, None);
}

// covers: listen-end, listen-again
#[tokio::test(start_paused = true)]
async fn after_a_cut_the_stream_is_opened_again_and_the_gap_is_told() {
    let (client, mut server) = PlayedServer::modern(json!({"tools": {}})).await;
    let mut watch = client.changes();
    let first = server.request(LISTEN).await;
    server.acknowledge_all(&first);
    watch.ready().await;
    server.refuse(&first, -32603);
    // Refused now, it is looked at meanwhile; the next stream is waited for.
    let look = server.request("tools/list").await;
    server.answer(&look, json!({"tools": []}));
    let second = server.request(LISTEN).await;
    server.acknowledge_all(&second);
    assert_eq!(next(&mut watch).await, Change::Gap);
    assert_eq!(watch.ready().await, WatchState::Live);

    // The end in good order is an end as well.
    server.answer(&second, json!({"resultType": "complete"}));
    let third = server.request(LISTEN).await;
    assert_eq!(watch.state(), WatchState::Interrupted);
    server.acknowledge_all(&third);
    assert_eq!(next(&mut watch).await, Change::Gap);
    server.tell_changed(&third, "tools");
    assert_eq!(next(&mut watch).await, Change::Tools);

    // As is a cancellation. A stream that lived for a while is not held against the server.
    tokio::time::sleep(Duration::from_secs(61)).await;
    server.notify("notifications/cancelled", json!({"requestId": third.id}));
    server.notified("notifications/cancelled").await;
    let fourth = server.request(LISTEN).await;
    server.acknowledge_all(&fourth);
    assert_eq!(next(&mut watch).await, Change::Gap);
}

// covers: listen-ack
#[tokio::test(start_paused = true)]
async fn a_server_that_never_acknowledges_is_looked_at_instead() {
    let (client, mut server) = PlayedServer::modern(json!({"tools": {}})).await;
    let watch = client.changes();
    for _ in 0..3 {
        let listen = server.request(LISTEN).await;
        let cancelled = server.notified("notifications/cancelled").await;
        assert_eq!(cancelled["requestId"], json!(listen.id));
    }
    let look = server.request("tools/list").await;
    assert_eq!(watch.state(), WatchState::Opening);
    server.answer(&look, json!({"tools": []}));
    assert_eq!(watch.ready().await, WatchState::Polling);
}

// covers: listen-ack
#[tokio::test(start_paused = true)]
async fn what_a_server_does_not_tell_is_asked_for_while_somebody_watches() {
    let (client, mut server) = PlayedServer::modern(json!({"tools": {}, "resources": {}})).await;
    let mut file = client.watch_resource("file:///a");
    let tools = client.watch(tools_only());
    let listen = server.request(LISTEN).await;
    server.acknowledge(&listen, &json!({"toolsListChanged": true}));
    assert_eq!(tools.ready().await, WatchState::Live);

    let contents = |text: &str| json!({"contents": [{"uri": "file:///a", "text": text}]});
    for text in ["one", "one", "two"] {
        let read = server.request("resources/read").await;
        server.answer(&read, contents(text));
    }
    assert_eq!(next(&mut file).await, resource("file:///a"));
    assert_eq!(file.state(), WatchState::Polling);

    drop(file);
    let listen = server.request(LISTEN).await;
    server.acknowledge_all(&listen);
    server.notified("notifications/cancelled").await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(server.is_left_alone());
}

#[tokio::test(start_paused = true)]
async fn a_server_without_subscriptions_is_not_asked_for_them_again() {
    let (client, server) = PlayedServer::new(EraChoice::Modern);
    let mut options = mcp_client::ClientOptions::default();
    options.era = EraChoice::Modern;
    options.poll_interval = None;
    let (client, mut server) =
        PlayedServer::connect_modern(client.options(options), server, json!({"tools": {}})).await;
    let watch = client.changes();
    let listen = server.request(LISTEN).await;
    server.refuse(&listen, -32601);
    assert_eq!(watch.ready().await, WatchState::Unavailable);
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert!(server.is_left_alone());
}

#[tokio::test(start_paused = true)]
async fn a_callback_hears_of_changes_as_long_as_the_connection_lives() {
    let (client, server) = PlayedServer::new(EraChoice::Modern);
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let client = client.on_change(move |change, asker| {
        told.send((change, Arc::clone(&asker.endpoint))).unwrap();
    });
    let (_client, mut server) =
        PlayedServer::connect_modern(client, server, json!({"prompts": {}})).await;
    let listen = server.request(LISTEN).await;
    assert_eq!(asked(&listen), json!({"promptsListChanged": true}));
    server.acknowledge_all(&listen);
    server.tell_changed(&listen, "prompts");
    assert_eq!(heard.recv().await, Some((Change::Prompts, "in this process".into())));
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_the_connection() {
    let (client, mut server) = PlayedServer::modern(json!({"tools": {}})).await;
    let mut watch = client.changes();
    let listen = server.request(LISTEN).await;
    server.acknowledge_all(&listen);
    server.tell_changed(&listen, "tools");
    assert_eq!(watch.next().await, Some(Change::Tools));
    server.hang_up();
    assert_eq!(watch.next().await, None);
    assert_eq!(watch.ready().await, WatchState::Ended);
    assert_eq!(client.changes().next().await, None);

    let (client, mut server) = PlayedServer::legacy(json!({"tools": {"listChanged": true}})).await;
    let mut watch = client.changes();
    watch.ready().await;
    assert!(server.is_left_alone());
    drop(client);
    assert_eq!(watch.next().await, None);
}

// covers: resource-subscribe, capabilities-used
#[tokio::test(start_paused = true)]
async fn a_legacy_server_is_subscribed_to_and_announces_what_it_declared() {
    let capabilities =
        json!({"tools": {"listChanged": true}, "prompts": {}, "resources": {"subscribe": true}});
    let (client, mut server) = PlayedServer::legacy(capabilities).await;
    let mut lists = client.watch(SubscriptionFilter { prompts_list_changed: true, ..tools_only() });
    let prompts = server.request("prompts/list").await;
    server.answer(&prompts, json!({"prompts": []}));
    assert_eq!(lists.ready().await, WatchState::Polling);
    let mut file = client.watch_resource("file:///a");
    let subscribe = server.request("resources/subscribe").await;
    assert_eq!(PlayedServer::params(&subscribe)["uri"], "file:///a");
    server.answer(&subscribe, json!({}));
    assert_eq!(file.ready().await, WatchState::Live);

    server.notify("notifications/resources/updated", json!({"uri": "file:///a"}));
    server.notify("notifications/prompts/list_changed", json!({}));
    server.notify("notifications/tools/list_changed", json!({}));
    assert_eq!(next(&mut file).await, resource("file:///a"));
    // That of prompts was not declared.
    assert_eq!(next(&mut lists).await, Change::Tools);

    drop(lists);
    let twice = client.watch_resource("file:///a");
    drop(file);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(server.is_left_alone());
    drop(twice);
    let unsubscribe = server.request("resources/unsubscribe").await;
    assert_eq!(PlayedServer::params(&unsubscribe)["uri"], "file:///a");
}

#[tokio::test(start_paused = true)]
async fn a_refused_resource_is_read_instead_and_does_not_hold_up_the_others() {
    let (client, mut server) =
        PlayedServer::legacy(json!({"resources": {"subscribe": true}})).await;
    let (good, bad) = (client.watch_resource("x:good"), client.watch_resource("x:bad"));
    for _ in 0..2 {
        let subscribe = server.request("resources/subscribe").await;
        match PlayedServer::params(&subscribe)["uri"].as_str() {
            Some("x:good") => server.answer(&subscribe, json!({})),
            _ => server.refuse(&subscribe, -32602),
        }
    }
    assert_eq!(good.ready().await, WatchState::Live);
    let read = server.request("resources/read").await;
    assert_eq!(PlayedServer::params(&read)["uri"], "x:bad");
    server.refuse(&read, -32002);
    assert_eq!(bad.ready().await, WatchState::Polling);
}

#[tokio::test(start_paused = true)]
async fn wishes_of_the_same_moment_are_one_request() {
    let (client, mut server) = PlayedServer::modern(json!({"resources": {}})).await;
    let watches: Vec<_> = (0..100).map(|n| client.watch_resource(format!("x:{n:03}"))).collect();
    let listen = server.request(LISTEN).await;
    assert_eq!(asked(&listen)["resourceSubscriptions"].as_array().map(Vec::len), Some(100));
    server.acknowledge_all(&listen);
    for watch in &watches {
        assert_eq!(watch.ready().await, WatchState::Live);
    }
    drop(watches);
    server.notified("notifications/cancelled").await;
}
