//! What happens to the service's calls on their way: limits that all its doors share, and a server
//! that is left alone.

use std::time::Duration;

use mcp_agent::{
    layers::{AuditLog, BreakerPolicy, Rate, RateRules, WhenFull, audit},
    service::ServiceOptions,
    stack::StackOptions,
};
use serde_json::{Value, json};

use crate::asking::{Serving, misbehaving};

fn call() -> Value {
    json!({"server_name": "one", "tool_name": "good"})
}

/// The same call through the other door.
fn call_over_mcp() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "good", "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }})
}

const MCP_HEADERS: &str = "accept: application/json, text/event-stream\r\n\
    mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: good\r\n";

async fn over_mcp(serving: &Serving) -> String {
    let body = call_over_mcp().to_string();
    serving.ask("POST", "/mcp", MCP_HEADERS, Some(&body)).await.body
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_left_alone_and_shown() {
    let policy =
        BreakerPolicy::default().failure_threshold(2).recovery_timeout(Duration::from_secs(600));
    let layers =
        StackOptions::default().breaker(policy).idle(Duration::from_millis(50)).retry(None);
    let servers = vec![misbehaving("one", "silent-call")];
    let serving = Serving::start(servers, ServiceOptions::new().layers(layers)).await;
    for _ in 0..2 {
        let timed_out = serving.post("/mcp/tools/call", &call()).await;
        assert_eq!((timed_out.status, &timed_out.json()["code"]), (504, &json!("timeout")));
    }
    let refused = serving.post("/mcp/tools/call", &call()).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("unreachable")));
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    assert_eq!(refused.json()["retryable"], true);
    // Whoever comes through the other door meets the same breaker.
    let told = over_mcp(&serving).await;
    assert!(told.contains("failed 2 times in a row"), "{told}");

    let status = serving.get("/mcp/servers").await.json();
    let breaker = &status["servers"][0]["breaker"];
    assert_eq!((&breaker["state"], &breaker["opened"]), (&json!("open"), &json!(1)), "{status}");
    let metrics = serving.get("/metrics").await.body;
    assert!(metrics.contains("mcp_breaker_open{server=\"one\"} 2\n"), "{metrics}");
    serving.end().await;
}

#[tokio::test]
async fn all_doors_share_one_rate_and_one_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.jsonl");
    let rate = RateRules::server(Rate::new(2, Duration::from_secs(3600)));
    let layers = StackOptions::default()
        .rate(rate.when_full(WhenFull::Refuse))
        .audit(AuditLog::open(&file).unwrap());
    let servers = vec![misbehaving("one", "ok")];
    let serving = Serving::start(servers, ServiceOptions::new().layers(layers)).await;
    assert_eq!(serving.post("/mcp/tools/call", &call()).await.status, 200);
    let told = over_mcp(&serving).await;
    assert!(told.contains(r#""text":"ok""#), "{told}");
    let refused = serving.post("/mcp/tools/call", &call()).await;
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("too_many_calls")));
    assert_eq!(refused.json()["retryable"], true);
    assert!(over_mcp(&serving).await.contains("its rate is limited"));
    serving.end().await;
    assert_eq!(audit::verify(&file).unwrap().lines, 4);
}
