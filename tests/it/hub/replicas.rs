//! Several servers as one.

use std::collections::BTreeSet;

use mcp_client::{Balance, Ejection, Hub, Replicas, ServerError, StateKind};
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
