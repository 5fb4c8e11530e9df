//! What the service keeps of clients that are silent, and of requests that are answered.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{sync::Arc, time::Duration};

use http::{Request, StatusCode};
use mcp_agent::service::{Service, ServiceOptions};
use mcp_client::{
    config::{ServerConfig, TransportConfig},
    transport::serve::{HttpEndpoint, HttpServeConfig, Principal, SessionKeys},
};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::advance};

/// Sessions, or requests, that are counted together.
const COUNT: usize = 1_000;

/// What one silent session may keep.
const MAX_BYTES: i64 = 1_000;

/// The service in front of no servers, and its endpoint.
fn endpoint() -> (Runtime, Service, HttpEndpoint) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    endpoint_of(runtime, Vec::new())
}

fn endpoint_of(runtime: Runtime, servers: Vec<ServerConfig>) -> (Runtime, Service, HttpEndpoint) {
    let service = runtime.block_on(async { Service::start(servers, ServiceOptions::new()) });
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
    let mut request = request.body(body.to_string()).unwrap();
    request.extensions_mut().insert(Principal::new("key:ci"));
    let answer = endpoint.answer(request).await;
    assert!(matches!(answer.status(), StatusCode::OK | StatusCode::ACCEPTED), "{answer:?}");
    let id = answer.headers().get("mcp-session-id");
    id.map(|id| id.to_str().unwrap().to_owned())
}

/// A client that initializes, asks for so much, and is silent from then on.
async fn come_and_go(endpoint: &HttpEndpoint, asks: &[Value]) {
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "clientInfo": {"name": "test", "version": "1"},
        "capabilities": {"elicitation": {}, "sampling": {}, "roots": {"listChanged": true}},
    }});
    let id = post(endpoint, &[], &body).await.unwrap();
    let headers = [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    post(endpoint, &headers, &initialized).await;
    for ask in asks {
        post(endpoint, &headers, ask).await;
    }
}

/// How much of each of many such clients is kept.
fn kept(runtime: &Runtime, endpoint: &HttpEndpoint, asks: &[Value]) -> i64 {
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            for _ in 0..COUNT {
                come_and_go(endpoint, asks).await;
            }
        });
    });
    counted.bytes_current / i64::try_from(COUNT).unwrap()
}

fn list() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
}

#[test]
fn an_idle_session_of_the_service() {
    for asks in [vec![], vec![list()]] {
        let (runtime, service, endpoint) = endpoint();
        // What the program needs once is not counted.
        runtime.block_on(come_and_go(&endpoint, &asks));
        let mut at_once = 0;
        let counted = allocation_counter::measure(|| {
            at_once = kept(&runtime, &endpoint, &asks);
            runtime.block_on(async {
                advance(Duration::from_secs(31)).await;
                come_and_go(&endpoint, &asks).await;
            });
        });
        let later = counted.bytes_current / i64::try_from(COUNT).unwrap();
        println!("{at_once} bytes per session after {} requests, {later} later", asks.len());
        assert!(at_once <= MAX_BYTES, "{at_once} bytes per session");
        // Tables keep the size that they once had, and one has how long each session lasted.
        assert!(later <= 160, "{later} bytes per session that was silent for long");
        drop((endpoint, service));
    }
}

#[test]
fn a_session_that_has_called_a_tool() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = TransportConfig::Stdio {
        command: env!("CARGO_BIN_EXE_misbehave").into(),
        args: vec!["ok".to_owned()],
        env: [].into(),
        cwd: None,
    };
    let (runtime, service, endpoint) = endpoint_of(runtime, vec![ServerConfig::new("one", server)]);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "good", "arguments": {"text": "hello"}}});
    // The latest calls of all are kept for whoever follows the service; here those of one session.
    runtime.block_on(come_and_go(&endpoint, &vec![call.clone(); COUNT]));
    let asks = [list(), call];
    runtime.block_on(come_and_go(&endpoint, &asks));
    let kept = kept(&runtime, &endpoint, &asks);
    println!("{kept} bytes per session that has called a tool");
    assert!(kept <= MAX_BYTES, "{kept} bytes per session");
    drop(endpoint);
    runtime.block_on(service.hub().close());
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
