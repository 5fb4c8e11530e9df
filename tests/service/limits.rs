//! How much the service takes on, and how it says no.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use mcp_agent::service::{ServiceLimits, ServiceOptions};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::asking::{Serving, misbehaving};

/// Limits as they are written down.
fn limits(written: Value) -> ServiceOptions {
    let limits: ServiceLimits = serde_json::from_value(written).expect("limits");
    ServiceOptions::new().limits(limits)
}

/// Sends a text, and reads until the service ends the connection.
async fn say(serving: &Serving, text: &str) -> String {
    let mut stream = TcpStream::connect(&serving.address).await.unwrap();
    // The service may refuse before all is sent.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const MODERN: &str = "accept: application/json, text/event-stream\r\n";

#[tokio::test]
async fn a_body_that_is_too_large_or_too_deep_is_refused() {
    let serving = Serving::start(vec![], limits(json!({"body_bytes": 2000}))).await;
    let large = json!({"server_name": "x".repeat(2000), "tool_name": "x"}).to_string();
    let deep = format!("{{\"arguments\":{}1{}}}", "[".repeat(70), "]".repeat(70));
    let unclosed = "[".repeat(1900);
    for path in ["/mcp", "/mcp/tools/call", "/mcp/servers", "/v1/chat/completions"] {
        let answer = serving.ask("POST", path, MODERN, Some(&large)).await;
        assert_eq!(answer.status, 413, "{path}: {answer:?}");
        for body in [&deep, &unclosed] {
            let answer = serving.ask("POST", path, MODERN, Some(body)).await;
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
            assert!(answer.body.contains("nested at most 64 deep"), "{answer:?}");
        }
    }
    serving.end().await;
}

#[tokio::test]
async fn heads_are_bounded_in_number_and_size() {
    let serving = Serving::start(vec![], limits(json!({"headers": 20, "head_bytes": 8192}))).await;
    let many: Vec<_> = (0..30).map(|number| format!("x-{number}: 1\r\n")).collect();
    let many = many.concat();
    let large = format!("x-large: {}\r\n", "x".repeat(16 << 10));
    for headers in [many, large] {
        let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        let answer = say(&serving, &request).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    assert_eq!(serving.get("/healthz").await.status, 200);
    serving.end().await;
    // More than is allowed without a word, and less than a buffer holds.
    let serving = Serving::start(vec![], ServiceOptions::new()).await;
    for (kilobytes, status) in [(60, 200), (80, 431), (100, 431), (300, 431)] {
        let large = "x".repeat(kilobytes << 10);
        let request = format!(
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: {large}\r\n\r\n"
        );
        let answer = say(&serving, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{kilobytes} kB: {answer}");
    }
    serving.end().await;
}

#[tokio::test]
async fn who_sends_slowly_is_not_waited_for() {
    let serving = Serving::start(vec![], limits(json!({"head": 0.1, "body": 0.1}))).await;
    // A head that does not come, and one that does not end.
    for text in ["", "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-a: 1\r\n"] {
        let answer = say(&serving, text).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let text = "POST /mcp/tools/call HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let answer = say(&serving, text).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    serving.end().await;
}

#[tokio::test]
async fn a_connection_is_kept_for_a_time_of_its_own() {
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // Kept for longer than a head may take, and a head that follows has its own time.
    let serving = Serving::start(vec![], limits(json!({"head": 0.1, "idle": 600}))).await;
    let mut stream = TcpStream::connect(&serving.address).await.unwrap();
    let mut piece = [0; 4096];
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = stream.read(&mut piece).await.unwrap();
        let answer = String::from_utf8_lossy(&piece[..read]);
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("content-length: "),
            "{answer}"
        );
    }
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    serving.end().await;
    // And no longer than that.
    let serving = Serving::start(vec![], limits(json!({"head": 600, "idle": 0.1}))).await;
    assert!(say(&serving, request).await.starts_with("HTTP/1.1 200"));
    serving.end().await;
}

#[tokio::test]
async fn what_there_is_no_room_for_is_refused_at_once() {
    let options = limits(json!({"requests": 1, "waiting": 0, "streams": 1, "drain": 0}));
    let serving = Serving::start(vec![misbehaving("one", "no-answer")], options).await;
    let body = json!({"server_name": "one", "tool_name": "good"}).to_string();
    let mut busy = TcpStream::connect(&serving.address).await.unwrap();
    let request = format!(
        "POST /mcp/tools/call HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    busy.write_all(request.as_bytes()).await.unwrap();
    // Listeners have room of their own. Once the call is told of, it is under way.
    let mut listener = TcpStream::connect(&serving.address).await.unwrap();
    let listen = "GET /mcp/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
    listener.write_all(listen.as_bytes()).await.unwrap();
    let (mut told, mut piece) = (String::new(), [0; 4096]);
    while !told.contains("started") {
        let read = listener.read(&mut piece).await.unwrap();
        assert_ne!(read, 0, "{told}");
        told.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    let refused = serving.ask("POST", "/mcp/tools/call", "", Some(&body)).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("overloaded")));
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    assert_eq!(refused.json()["retryable"], true);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(serving.get(path).await.status, 200, "{path}");
    }
    // So there is a bound of theirs.
    let refused = serving.ask("GET", "/mcp/events", "accept: text/event-stream\r\n", None).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    serving.end().await;
}

#[tokio::test]
async fn a_request_waits_for_its_turn() {
    let options = limits(json!({"requests": 1, "waiting": 8, "wait": 60}));
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let body = json!({"server_name": "one", "tool_name": "slow", "arguments": {"ms": 10}});
    let calls = (0..8).map(|_| serving.post("/mcp/tools/call", &body));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    serving.end().await;
}

/// A session that made way for another is made again of its id.
#[tokio::test]
async fn sessions_in_memory_are_bounded_and_none_is_lost() {
    let options = limits(json!({"sessions": 1}));
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let opening = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }})
    .to_string();
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}).to_string();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let opened = serving.ask("POST", "/mcp", MODERN, Some(&opening)).await;
        let id = opened.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        ids.push(id.expect("a session").to_owned());
    }
    for id in &ids {
        let headers = format!("{MODERN}mcp-session-id: {id}\r\n");
        let answer = serving.ask("POST", "/mcp", &headers, Some(&list)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    serving.end().await;
}
