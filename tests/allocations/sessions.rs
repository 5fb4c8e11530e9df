//! What the service keeps of clients that are silent, and of requests that are answered.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{sync::Arc, time::Duration};

use http::{Request, StatusCode};
use mcp_agent::service::{Service, ServiceOptions};
use mcp_client::transport::serve::{HttpEndpoint, HttpServeConfig, SessionKeys};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::advance};

/// Sessions, or requests, that are counted together.
const COUNT: usize = 1_000;

/// The service in front of no servers, and its endpoint.
fn endpoint() -> (Runtime, Service, HttpEndpoint) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let service = runtime.block_on(async { Service::start(Vec::new(), ServiceOptions::new()) });
    let config = HttpServeConfig::new()
        .session_keys(SessionKeys::derive(b"the secret of all replicas").unwrap())
        .max_sessions(2 * COUNT);
    let endpoint = HttpEndpoint::new(Arc::new(service.mcp()), config);
    (runtime, service, endpoint)
}

async fn post(endpoint: &HttpEndpoint, headers: &[(&str, &str)], body: &Value) -> Option<String> {
    let request = Request::post("/mcp").header("host", "localhost");
    let request = request.header("content-type", "application/json");
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = endpoint.answer(request.body(body.to_string()).unwrap()).await;
    assert!(matches!(answer.status(), StatusCode::OK | StatusCode::ACCEPTED), "{answer:?}");
    let id = answer.headers().get("mcp-session-id");
    id.map(|id| id.to_str().unwrap().to_owned())
}

/// A client that initializes, lists the tools, and is silent from then on.
async fn come_and_go(endpoint: &HttpEndpoint) {
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "clientInfo": {"name": "test", "version": "1"},
        "capabilities": {"elicitation": {}, "sampling": {}, "roots": {"listChanged": true}},
    }});
    let id = post(endpoint, &[], &body).await.unwrap();
    let headers = [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    post(endpoint, &headers, &initialized).await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    post(endpoint, &headers, &list).await;
}

#[test]
fn an_idle_session_of_the_service() {
    let (runtime, service, endpoint) = endpoint();
    // What the program needs once is not counted.
    runtime.block_on(come_and_go(&endpoint));
    let mut under_way = 0;
    let counted = allocation_counter::measure(|| {
        let opened = allocation_counter::measure(|| {
            runtime.block_on(async {
                for _ in 0..COUNT {
                    come_and_go(&endpoint).await;
                }
            });
        });
        under_way = opened.bytes_current;
        runtime.block_on(async {
            advance(Duration::from_secs(31)).await;
            come_and_go(&endpoint).await;
        });
    });
    let count = i64::try_from(COUNT).unwrap();
    let kept = counted.bytes_current / count;
    println!("{kept} bytes per idle session, {} while it may come back at once", under_way / count);
    // Tables keep the size that they once had.
    assert!(kept <= 1024, "{kept} bytes per idle session");
    drop((endpoint, service));
}

#[test]
fn an_answered_request_of_2026_07_28() {
    let (runtime, service, endpoint) = endpoint();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }}});
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    let ask = || async {
        for _ in 0..COUNT {
            assert_eq!(post(&endpoint, &headers, &body).await, None);
        }
    };
    runtime.block_on(ask());
    let counted = allocation_counter::measure(|| runtime.block_on(ask()));
    let kept = counted.bytes_current;
    println!("{kept} bytes of {COUNT} requests");
    assert!(kept <= 4096, "{kept} bytes of {COUNT} requests");
    drop((endpoint, service));
}
