//! Sessions of clients of the earlier revisions, at several replicas of the service.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use mcp_agent::service::ServiceOptions;
use mcp_client::transport::serve::SessionKeys;
use serde_json::{Value, json};

use crate::{
    asking::{Answer, Serving, misbehaving},
    metrics::samples,
};

const SECRET: &[u8] = b"the secret of all replicas";

async fn replica(secret: &[u8]) -> Serving {
    let options = ServiceOptions::new().session_keys(SessionKeys::derive(secret).unwrap());
    Serving::start(vec![misbehaving("one", "ok")], options).await
}

async fn post(replica: &Serving, session: &str, body: &Value) -> Answer {
    let session = match session {
        "" => String::new(),
        id => format!("mcp-session-id: {id}\r\n"),
    };
    let headers = format!("accept: application/json, text/event-stream\r\n{session}");
    replica.ask("POST", "/mcp", &headers, Some(&body.to_string())).await
}

fn initialize(capabilities: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "clientInfo": {"name": "test", "version": "1"},
        "capabilities": capabilities,
    }})
}

fn call() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "good", "arguments": {}}})
}

async fn open(replica: &Serving, capabilities: &Value) -> String {
    let opened = post(replica, "", &initialize(capabilities)).await;
    let (_, rest) = opened.head.split_once("mcp-session-id: ").unwrap();
    rest.lines().next().unwrap().to_owned()
}

// covers: serve-sessions
#[tokio::test]
async fn any_replica_goes_on_with_a_session() {
    let (one, other) = tokio::join!(replica(SECRET), replica(SECRET));
    // What has no standard is left out where there is no room for it.
    let long = json!({"elicitation": {}, "experimental": {"x": {"text": "x".repeat(2000)}}});
    for capabilities in [json!({}), json!({"sampling": {}, "roots": {}}), long] {
        let id = open(&one, &capabilities).await;
        assert!(id.len() <= 1024, "{}", id.len());
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(post(&other, &id, &initialized).await.status, 202);
        for replica in [&other, &one, &other] {
            let answer = post(replica, &id, &call()).await;
            assert_eq!(answer.json()["result"]["content"][0]["text"], "ok", "{answer:?}");
        }
    }
    one.end().await;
    other.end().await;
}

/// A session that was given back counts from `initialize` on; one that may go on does not yet.
#[tokio::test]
async fn how_long_sessions_lasted_is_measured() {
    let replica = replica(SECRET).await;
    let (over, silent) = (open(&replica, &json!({})).await, open(&replica, &json!({})).await);
    for id in [&over, &silent] {
        assert_eq!(post(&replica, id, &call()).await.status, 200);
    }
    let counted = async || {
        let samples = samples(&replica.get("/metrics").await.body);
        samples.get("mcp_server_session_duration_seconds_count").copied()
    };
    assert_eq!(counted().await, None);
    let single = format!("mcp-session-id: {over}\r\n");
    assert_eq!(replica.ask("DELETE", "/mcp", &single, None).await.status, 204);
    assert_eq!(counted().await, Some(1.0));
    replica.end().await;
}

// covers: serve-sessions
#[tokio::test]
async fn a_foreign_id_is_a_lost_session() {
    let (one, foreign) = tokio::join!(replica(SECRET), replica(b"the secret of others"));
    let id = open(&one, &json!({})).await;
    let answer = post(&foreign, &id, &call()).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let single = format!("mcp-session-id: {id}\r\n");
    let body = call().to_string();
    // The id of one endpoint is none of another.
    let answer = one.ask("POST", "/servers/one/mcp", &single, Some(&body)).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    one.end().await;
    foreign.end().await;
}
