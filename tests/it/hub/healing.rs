//! Servers that go down come back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_client::{Backoff, Hub, HubChange, HubOptions, ServerError, ServerState, StateKind};
use serde_json::json;
use tokio::task::JoinSet;

use super::{misbehaving, until, until_that};

pub(super) fn quick() -> HubOptions {
    let mut options = HubOptions::default();
    options.restart =
        Some(Backoff { first: Duration::from_millis(10), longest: Duration::from_millis(50) });
    options
}

/// The process of a server, as it told by a tool.
pub(super) async fn pid(hub: &Hub, name: &str) -> i32 {
    let server = hub.server(name).expect("is in the hub");
    let result = server.call_tool("pid", &json!({})).await.expect("the tool works");
    result.content[0].as_text().and_then(|text| text.parse().ok()).expect("a number")
}

pub(super) fn signal(pid: i32, signal: &str) {
    let status = std::process::Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .expect("kill can be run");
    assert!(status.success());
}

// covers: stdio-restart
#[tokio::test]
async fn a_server_that_was_killed_is_started_again() {
    let hub = Hub::start(vec![misbehaving("one", "ok"), misbehaving("two", "ok")], &quick());
    hub.ready().await;
    let mut events = hub.events();
    let (first, other) = (pid(&hub, "one").await, pid(&hub, "two").await);
    signal(first, "-KILL");
    until_that(&hub, "one", |status| status.restarts == 1).await;
    let second = pid(&hub, "one").await;
    assert_ne!(first, second);
    assert_eq!(pid(&hub, "two").await, other, "the other one was not disturbed");
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        assert_eq!(event.server, "one");
        if let HubChange::State(kind, _) = event.change {
            told.push(kind);
        }
    }
    assert_eq!(told, [StateKind::Down, StateKind::Starting, StateKind::Ready]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_wait_for_one_recovery() {
    let hub = Hub::start(vec![misbehaving("one", "ok")], &quick());
    hub.ready().await;
    signal(pid(&hub, "one").await, "-KILL");
    let server = hub.server("one").unwrap();
    let lost = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let (server, lost) = (server.clone(), Arc::clone(&lost));
        callers.spawn(async move {
            loop {
                match server.call_tool("good", &json!({})).await {
                    Ok(result) => return assert_eq!(result.content[0].as_text(), Some("ok")),
                    // Calls that were under way are told so; nothing is sent twice.
                    Err(ServerError::Call { source, .. }) if !source.is_retryable() => {
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                    // In between, the server waits for its next start.
                    Err(ServerError::Unavailable { .. }) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    callers.join_all().await;
    assert_eq!(server.status().restarts, 1, "{} calls were lost", lost.load(Ordering::Relaxed));
    hub.close().await;
}

#[tokio::test]
async fn a_server_that_stops_answering_is_found_out() {
    let mut options = quick();
    options.keep_alive = Some(Duration::from_millis(200));
    let hub = Hub::start(vec![misbehaving("one", "ping-unanswered")], &options);
    hub.ready().await;
    until(&hub, "one", StateKind::Degraded).await;
    let ServerState::Degraded(client, reason) = hub.server("one").unwrap().status().state else {
        panic!("not degraded any more")
    };
    assert!(reason.contains("ping"), "{reason}");
    let result = client.call_tool("good", json!({})).await.unwrap();
    assert_eq!(result.content[0].as_text(), Some("ok"), "it still does what it can");
    // Three signs of life in a row are missing: it is started anew.
    until_that(&hub, "one", |status| status.restarts == 1).await;
    assert!(hub.server("one").unwrap().status().health.failures >= 3);
    hub.close().await;
}

#[tokio::test]
async fn a_server_that_was_stopped_by_a_signal_is_found_out() {
    let mut options = quick();
    options.keep_alive = Some(Duration::from_millis(100));
    options.shutdown_grace = Some(Duration::from_millis(50));
    let hub = Hub::start(vec![misbehaving("one", "ok")], &options);
    hub.ready().await;
    let mut events = hub.events();
    let first = pid(&hub, "one").await;
    signal(first, "-STOP");
    until_that(&hub, "one", |status| status.restarts == 1).await;
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let HubChange::State(kind, reason) = event.change {
            told.push((kind, reason.is_some()));
        }
    }
    let degraded = (StateKind::Degraded, true);
    assert_eq!((told[0], told.last()), (degraded, Some(&(StateKind::Ready, false))), "{told:?}");
    assert_ne!(pid(&hub, "one").await, first);
    hub.close().await;
}

#[tokio::test]
async fn a_call_under_way_is_told_whether_it_may_have_run() {
    let hub = Hub::start(vec![misbehaving("one", "ok")], &quick());
    hub.ready().await;
    let server = hub.server("one").unwrap();
    let first = pid(&hub, "one").await;
    let slow = json!({"ms": 60_000});
    let call = server.call_tool("slow", &slow);
    // The answer to a later call shows that the earlier one has been read.
    let kill = async {
        pid(&hub, "one").await;
        signal(first, "-KILL");
    };
    let (outcome, ()) = tokio::join!(call, kill);
    let Err(ServerError::Call { source, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(source.was_sent() && !source.is_retryable(), "{source}");
    // The next one waits for the recovery, and runs once.
    until_that(&hub, "one", |status| status.restarts == 1).await;
    assert_ne!(pid(&hub, "one").await, first);
    let health = server.status().health;
    assert_eq!(health.failures, 1);
    assert_eq!((health.tools["slow"].calls, health.tools["slow"].errors), (1, 1));
    hub.close().await;
}

#[tokio::test]
async fn a_server_that_is_down_says_when_it_is_tried_again() {
    let mut options = HubOptions::default();
    let hour = Duration::from_secs(3600);
    options.restart = Some(Backoff { first: hour, longest: hour });
    let hub = Hub::start(vec![misbehaving("dead", "exit-at-once")], &options);
    hub.ready().await;
    let server = hub.server("dead").unwrap();
    let error = server.call_tool("good", &json!({})).await.unwrap_err();
    let ServerError::Unavailable { state: StateKind::Down, retry_in: Some(wait), .. } = &error
    else {
        panic!("{error:?}")
    };
    assert!(*wait > hour / 3 && *wait <= hour, "{wait:?}");
    assert!(error.to_string().starts_with("server `dead` is down; it is started again in "));
    assert_eq!(server.status().failures, 1);
    // Nobody has to wait so long.
    server.restart();
    until_that(&hub, "dead", |status| status.failures == 2).await;
    hub.close().await;
}
