//! Several servers as one.

use std::{collections::BTreeSet, path::Path, time::Duration};

use mcp_client::{
    Availability, Balance, CatalogLists, Ejection, EraChoice, Hub, HubChange, Replicas, Server,
    ServerError, StateKind,
    config::{self, ServerConfig},
};
use serde_json::json;

use super::{
    healing::{pid, quick, signal},
    misbehaving, until, until_that,
};

async fn pid_of_one(replicas: &Replicas) -> i32 {
    let result = replicas.call_tool("pid", &json!({})).await.expect("one of them works");
    result.content[0].as_text().and_then(|text| text.parse().ok()).expect("a number")
}

#[tokio::test]
async fn calls_go_to_all_and_past_those_that_are_down() {
    let mut options = quick();
    options.restart = None;
    let servers = ["r-1", "r-2", "r-3", "other"].map(|name| misbehaving(name, "ok"));
    let hub = Hub::start(servers.into(), &options);
    hub.ready().await;
    let replicas = hub.replicas("r-*", Balance::RoundRobin, Ejection::default());
    let mut pids = Vec::new();
    for name in ["r-1", "r-2", "r-3"] {
        pids.push(pid(&hub, name).await);
    }
    for expected in pids.iter().chain(&pids) {
        assert_eq!(pid_of_one(&replicas).await, *expected);
    }
    let pinned = replicas.pinned("conversation 7").unwrap();
    assert_eq!(pinned.name(), replicas.pinned("conversation 7").unwrap().name());

    signal(pid(&hub, pinned.name()).await, "-KILL");
    until(&hub, pinned.name(), StateKind::Down).await;
    let mut left = BTreeSet::new();
    for _ in 0..4 {
        left.insert(pid_of_one(&replicas).await);
    }
    assert_eq!(left.len(), 2, "the one that is down gets none");
    assert_ne!(replicas.pinned("conversation 7").unwrap().name(), pinned.name());
    for name in ["r-1", "r-2", "r-3"] {
        let server = hub.server(name).unwrap();
        if server.status().state.client().is_some() {
            signal(pid(&hub, name).await, "-KILL");
            until(&hub, name, StateKind::Down).await;
        }
    }
    let error = replicas.call_tool("pid", &json!({})).await.unwrap_err();
    assert!(matches!(error, ServerError::Unavailable { .. }), "{error:?}");
    hub.close().await;
}

#[tokio::test]
async fn a_replica_that_keeps_failing_is_left_alone_for_a_while() {
    let servers = vec![misbehaving("r-good", "ok"), misbehaving("r-bad", "exit-mid-call")];
    let hub = Hub::start(servers, &quick());
    hub.ready().await;
    let ejection = Ejection { failures: 2, ..Ejection::default() };
    let replicas = hub.replicas("r-*", Balance::RoundRobin, ejection);
    let mut failed = 0;
    while !replicas.status().iter().any(|replica| replica.is_ejected) {
        until_that(&hub, "r-bad", |status| status.state.kind() == StateKind::Ready).await;
        failed += usize::from(replicas.call_tool("good", &json!({})).await.is_err());
    }
    // Calls that may have run are not repeated elsewhere: their callers are told.
    assert_eq!(failed, 2);
    until(&hub, "r-bad", StateKind::Ready).await;
    for _ in 0..5 {
        replicas.call_tool("good", &json!({})).await.unwrap();
    }
    assert!(replicas.status().iter().all(|replica| replica.in_flight == 0));
    hub.close().await;
}

/// A server of a file, with these replicas.
fn replicated(replicas: &str) -> ServerConfig {
    let text = format!(
        r#"{{"mcpServers": {{"r": {{"command": "{}", "args": ["ok"], "replicas": {replicas}}}}}}}"#,
        env!("CARGO_BIN_EXE_misbehave")
    );
    let file = config::parse(&text, Path::new("servers.json"), &|_| None)
        .expect("the file is well-formed");
    assert!(file.problems.is_empty(), "{:?}", file.problems);
    file.servers.into_iter().next().expect("it has one")
}

/// The process that answered.
async fn pid_of(server: &Server) -> i32 {
    let result = server.call_tool("pid", &json!({})).await.expect("one of them works");
    result.content[0].as_text().and_then(|text| text.parse().ok()).expect("a number")
}

#[tokio::test]
async fn replicas_of_a_file_are_one_server() {
    let mut options = quick();
    options.restart = None;
    options.catalogs = CatalogLists::TOOLS;
    let balanced = replicated(r#"{"count": 3, "balance": "round-robin"}"#);
    let hub = Hub::start(vec![balanced, misbehaving("other", "ok")], &options);
    hub.listed().await;
    let names: Vec<_> = hub.status().into_iter().map(|status| status.name).collect();
    assert_eq!(names, ["r", "other"]);
    assert_eq!(hub.servers().len(), 2);
    let server = hub.server("r").unwrap();
    let status = server.status();
    assert_eq!(status.state.kind(), StateKind::Ready);
    let each: Vec<_> = status.replicas.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(each, ["r#1", "r#2", "r#3"]);
    let tools = server.catalog().tools.listing.items.len();
    assert!(tools > 0);

    let mut pids = BTreeSet::new();
    for _ in 0..3 {
        pids.insert(pid_of(&server).await);
    }
    assert_eq!(pids.len(), 3, "each took its turn");
    assert_eq!(server.status().health.tools["pid"].calls, 3);
    let prometheus = hub.prometheus();
    assert!(prometheus.contains(r#"mcp_tool_calls_total{server="r#2",tool="pid"} 1"#));
    // Each can be reached by itself too, and what is no single call stays with one of them.
    let second = pid_of(&hub.server("r#2").unwrap()).await;
    assert!(pids.contains(&second));
    let mut kept = BTreeSet::new();
    for _ in 0..3 {
        let client = server.client().await.unwrap();
        let result = client.call_tool("pid", json!({})).await.unwrap();
        kept.insert(result.content[0].as_text().unwrap().to_owned());
    }
    assert_eq!(kept.len(), 1);

    for index in 1..=3 {
        let name = format!("r#{index}");
        signal(pid(&hub, &name).await, "-KILL");
        until(&hub, &name, StateKind::Down).await;
        let expected = if index == 3 { StateKind::Down } else { StateKind::Ready };
        assert_eq!(server.status().state.kind(), expected);
        if index < 3 {
            assert!(pids.contains(&pid_of(&server).await));
            assert_eq!(server.catalog().availability, Availability::Available);
        }
    }
    assert_eq!(server.catalog().tools.listing.items.len(), tools, "what it offered is known");
    let error = server.call_tool("pid", &json!({})).await.unwrap_err();
    let ServerError::Unavailable { server: name, source: Some(_), .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(name, "r");
    assert!(hub.restart("r"));
    until(&hub, "r", StateKind::Ready).await;
    hub.close().await;
}

#[tokio::test]
async fn calls_that_belong_together_stay_together_where_the_server_may_keep_a_state() {
    let mut servers = vec![
        replicated(r#"{"count": 3, "balance": "round-robin"}"#),
        replicated(r#"{"count": 3, "balance": "round-robin", "affinity": "never"}"#),
    ];
    servers[0].name = "sticky".to_owned();
    servers[1].name = "spread".to_owned();
    for server in &mut servers {
        server.era = EraChoice::Legacy;
    }
    let mut options = quick();
    options.restart = None;
    let hub = Hub::start(servers, &options);
    hub.ready().await;
    let chosen = |name: &str, key: Option<&str>| {
        let replicas = hub.server(name).unwrap().replicas().unwrap();
        let none: [&str; 0] = [];
        let turn = replicas.choose(key, &none).unwrap();
        let name = turn.server().name().to_owned();
        turn.ended(true);
        name
    };
    let first = chosen("sticky", Some("conversation 7"));
    for _ in 0..4 {
        assert_eq!(chosen("sticky", Some("conversation 7")), first);
    }
    let several = |name: &str, key: Option<&str>| {
        let names: BTreeSet<_> = (0..6).map(|_| chosen(name, key)).collect();
        names.len()
    };
    assert_eq!(several("sticky", None), 3);
    assert_eq!(several("spread", Some("conversation 7")), 3);
    signal(pid(&hub, &first).await, "-KILL");
    until(&hub, &first, StateKind::Down).await;
    let next = chosen("sticky", Some("conversation 7"));
    assert_ne!(next, first);
    assert_eq!(chosen("sticky", Some("conversation 7")), next);
    hub.close().await;
}

#[tokio::test]
async fn a_change_of_the_replicas_is_a_change_of_the_server() {
    let hub = Hub::start(vec![replicated("2")], &quick());
    hub.ready().await;
    let applied = hub.apply(vec![replicated("2")]).await;
    assert_eq!((applied.kept.as_slice(), applied.replaced.len()), (&["r".to_owned()][..], 0));
    let applied = hub.apply(vec![replicated("3")]).await;
    assert_eq!(applied.replaced, ["r"]);
    hub.ready().await;
    assert_eq!(hub.server("r").unwrap().status().replicas.len(), 3);
    assert!(hub.remove("r").await && hub.server("r#1").is_none());
    hub.close().await;
}

#[tokio::test]
async fn a_call_waits_for_a_restart_where_that_is_wished() {
    let mut options = quick();
    options.await_restart = Some(Duration::from_secs(30));
    let hub = Hub::start(vec![misbehaving("one", "ok"), replicated("2")], &options);
    hub.ready().await;
    for name in ["one", "r#1", "r#2"] {
        let before = pid(&hub, name).await;
        // Down is what it is between two tries; the call that meets it waits for the next one.
        let mut events = hub.events();
        signal(before, "-KILL");
        while !matches!(
            events.recv().await.unwrap().change,
            HubChange::State(StateKind::Down | StateKind::Starting, _)
        ) {}
        assert_ne!(pid(&hub, name).await, before);
    }
    hub.close().await;
    let mut gone = misbehaving("gone", "exit-at-once");
    gone.enabled = true;
    options.await_restart = Some(Duration::from_millis(1));
    let hub = Hub::start(vec![gone], &options);
    let error = hub.server("gone").unwrap().call_tool("pid", &json!({})).await.unwrap_err();
    assert!(matches!(error, ServerError::Unavailable { .. }), "{error:?}");
    hub.close().await;
}
