//! What servers answer, well and badly.

use std::{error::Error as _, pin::Pin, time::Duration};

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZstdEncoder};
use http::StatusCode;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::Instant,
};

use super::{server::Received, *};
use crate::error::{DeliveryErrorKind, HttpFailure, Sent};

async fn fail_with(reply: Reply) -> DeliveryError {
    let server = Server::start(move |_| reply.clone()).await;
    fail(&open_to(&server).await).await
}

async fn refusal(reply: Reply) -> HttpFailure {
    match fail_with(reply).await.kind {
        DeliveryErrorKind::Http(failure) => *failure,
        other => panic!("not an HTTP failure: {other:?}"),
    }
}

// covers: http-headers
#[tokio::test]
async fn json_with_the_headers_of_the_era() {
    let server = Server::start(Received::echo).await;
    let transport = open(HttpConfig::new(server.url()).header("X-Own", "1").bearer("secret")).await;
    let mut request = modern(7, "tools/call", &json!({ "name": "x" }));
    request.mirrored.name = Some("=?base64?w6k=?=".to_owned());
    request.mirrored.params = vec![("Mcp-Param-Region".to_owned(), "north west".to_owned())];
    let (_, response) = run(&transport, request).await;
    assert_eq!(response.unwrap().outcome.unwrap(), r#"{"echo":{"name":"x"}}"#);
    run(&transport, legacy(8, "tools/list", &json!({}))).await.1.unwrap();

    let [new, old] = &server.received()[..] else { panic!("not two requests") };
    for request in [new, old] {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/mcp"));
        for (name, value) in [
            ("host", server.address.to_string().as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("accept-encoding", "gzip, br, zstd"),
            ("authorization", "Bearer secret"),
            ("x-own", "1"),
        ] {
            assert_eq!(request.header(name), Some(value), "{name}");
        }
    }
    for (name, modern, legacy) in [
        ("mcp-protocol-version", Some("2026-07-28"), Some("2025-11-25")),
        ("mcp-method", Some("tools/call"), None),
        ("mcp-name", Some("=?base64?w6k=?="), None),
        ("mcp-param-region", Some("north west"), None),
        ("mcp-session-id", None, None),
    ] {
        assert_eq!(new.header(name), modern, "{name}");
        assert_eq!(old.header(name), legacy, "{name}");
    }
}

// covers: http-headers, sse-parsing
#[tokio::test]
async fn events_then_the_response() {
    let server = Server::start(|request| {
        let text = format!(
            ": welcome\r\n\r\nevent: message\r\ndata: {}\r\n\r\nevent: noise\r\ndata: x\r\n\r\n\
             data:\r\n\r\ndata: {}\r\n\r\ndata: {}\r\n\r\n",
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": {} }),
            json!({ "jsonrpc": "2.0", "id": 99, "result": "of another request" }),
            request.result(&json!({ "ok": true })),
        );
        // Every byte on its own.
        text.bytes().fold(Reply::events(), |reply, byte| reply.chunk([byte])).end()
    })
    .await;
    let transport = open_to(&server).await;
    for id in 0..3 {
        let (before, response) = run(&transport, modern(id, "tools/call", &json!({}))).await;
        assert!(matches!(&before[..], [Message::Notification(_)]), "{before:?}");
        assert_eq!(response.unwrap().outcome.unwrap(), r#"{"ok":true}"#);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_notification_is_there_before_the_response() {
    let server = Server::start(|request| {
        let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress" });
        Reply::events()
            .event(&progress)
            .wait(Duration::from_millis(300))
            .event(&request.result(&json!({})))
            .end()
    })
    .await;
    let transport = open_to(&server).await;
    let begin = Instant::now();
    let mut exchange = transport.exchange(modern(1, "tools/call", &json!({})));
    assert!(matches!(exchange.next().await, Some(Ok(Message::Notification(_)))));
    assert!(begin.elapsed() < Duration::from_millis(250));
    assert!(matches!(exchange.next().await, Some(Ok(Message::Response(_)))));
}

// covers: batches-received
#[tokio::test]
async fn a_legacy_batch() {
    let server = Server::start(|request| {
        Reply::json(&json!([
            { "jsonrpc": "2.0", "method": "notifications/message", "params": {} },
            { "jsonrpc": "2.0", "id": "q", "method": "ping" },
            request.result(&json!({ "n": 1 })),
        ]))
    })
    .await;
    let transport = open_to(&server).await;
    let (before, response) = run(&transport, legacy(1, "tools/call", &json!({}))).await;
    assert!(matches!(&before[..], [Message::Notification(_), Message::Request(_)]));
    assert_eq!(response.unwrap().outcome.unwrap(), r#"{"n":1}"#);
}

#[tokio::test]
async fn compressed_answers() {
    let text = json!({ "jsonrpc": "2.0", "id": 1, "result": "x".repeat(100_000) }).to_string();
    let event = format!("data: {text}\n\n");
    for coding in ["gzip", "br", "zstd"] {
        let whole = Reply::new(
            "200 OK",
            &[("content-type", "application/json"), ("content-encoding", coding)],
            pack(coding, text.as_bytes(), true).await,
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {coding}\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        let packed = pack(coding, event.as_bytes(), true).await;
        let (first, second) = packed.split_at(packed.len() / 2);
        let events = Reply::raw(head).chunk(first).chunk(second).end();
        for reply in [whole, events] {
            let server = Server::start(move |_| reply.clone()).await;
            let transport = open_to(&server).await;
            for _ in 0..2 {
                let (_, response) = run(&transport, modern(1, "x", &json!({}))).await;
                assert_eq!(response.unwrap().outcome.unwrap().len(), 100_002, "{coding}");
            }
            assert_eq!(server.accepted(), 1);
        }
    }
}

#[tokio::test]
async fn compressed_events_are_not_held_back() {
    for coding in ["gzip", "br", "zstd"] {
        let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress" });
        let first = pack(coding, format!("data: {progress}\n\n").as_bytes(), false).await;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {coding}\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        let reply = Reply::raw(head).chunk(first).hang();
        let server = Server::start(move |_| reply.clone()).await;
        let transport = open_to(&server).await;
        let mut exchange = transport.exchange(modern(1, "x", &json!({})));
        let message = exchange.next().await.unwrap().unwrap();
        assert!(matches!(message, Message::Notification(_)), "{coding}");
    }
}

#[tokio::test]
async fn a_compressed_bomb_is_refused() {
    let reply = Reply::new(
        "200 OK",
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        pack("gzip", &vec![b' '; 10 << 20], true).await,
    );
    let server = Server::start(move |_| reply.clone()).await;
    let transport = open(HttpConfig::new(server.url()).max_message_bytes(1 << 20)).await;
    let error = fail(&transport).await;
    assert!(matches!(error.kind, DeliveryErrorKind::TooLarge { limit_bytes: 1_048_576 }));
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused() {
    let big = json!({ "jsonrpc": "2.0", "id": 1, "result": "x".repeat(5000) });
    let event = format!("data: {big}\n\n");
    for reply in [
        Reply::json(&big),
        Reply::raw(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n",
        )
        .chunk(big.to_string())
        .end(),
        Reply::events().chunk(&event[..2500]).chunk(&event[2500..]).end(),
        // Announced, never sent.
        Reply::raw(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
             content-length: 99999999999999\r\n\r\n",
        )
        .hang(),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let transport = open(HttpConfig::new(server.url()).max_message_bytes(4000)).await;
        let error = fail(&transport).await;
        assert!(
            matches!(error.kind, DeliveryErrorKind::TooLarge { limit_bytes: 4000 }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_failure_says_what_the_server_said() {
    let failure = refusal(Reply::new(
        "503 Service Unavailable",
        &[("content-type", "text/plain"), ("retry-after", "7")],
        "come back later",
    ))
    .await;
    assert_eq!(failure.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    assert!(failure.to_string().contains("come back later"), "{failure}");

    let failure = refusal(Reply::status("500 Internal Server Error")).await;
    assert_eq!(failure.to_string(), "HTTP 500 Internal Server Error");

    let failure = refusal(Reply::new(
        "401 Unauthorized",
        &[("www-authenticate", "Bearer a=b"), ("www-authenticate", "DPoP")],
        "",
    ))
    .await;
    assert_eq!(failure.challenges, ["Bearer a=b", "DPoP"]);

    let failure = refusal(Reply::new("400 Bad Request", &[], vec![b'x'; 200_000])).await;
    assert_eq!(failure.body.len(), 65_536);
}

#[tokio::test]
async fn a_failure_can_carry_a_response() {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32601, "message": "no" } });
    let failure = refusal(Reply::new(
        "404 Not Found",
        &[("content-type", "application/json")],
        body.to_string(),
    ))
    .await;
    assert_eq!(failure.response.unwrap().outcome.unwrap_err().code, -32601);
    assert!(!failure.session_lost);
}

#[tokio::test]
async fn a_page_is_not_an_answer() {
    for headers in [&[("content-type", "text/html; charset=utf-8")][..], &[]] {
        let failure = refusal(Reply::new("200 OK", headers, "<html>Please sign in</html>")).await;
        assert_eq!(failure.status, StatusCode::OK);
        assert!(failure.to_string().contains("Please sign in"), "{failure}");
    }
    let failure = refusal(Reply::status("202 Accepted")).await;
    assert_eq!(failure.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn json_that_is_no_response_is_refused() {
    let kind = [("content-type", "application/json")];
    for (body, part) in [
        ("{\"half\":", "not JSON"),
        ("[]", "not JSON"),
        ("", "not JSON"),
        ("{}", "no `method`"),
        (r#"{"id":2,"result":{}}"#, "answer to request 1 has the id 2"),
        (r#"{"method":"notifications/progress"}"#, "notification in place"),
    ] {
        let error = fail_with(Reply::new("200 OK", &kind, body)).await;
        assert!(matches!(error.kind, DeliveryErrorKind::NotMcp(_)), "{error:?}");
        let source = error.kind.source().unwrap().to_string();
        assert!(source.contains(part), "{source}");
    }
    // Servers that cannot read a request leave its id out.
    let body = r#"{"id":null,"error":{"code":-32700,"message":"?"}}"#;
    let server = Server::start(move |_| Reply::new("200 OK", &kind, body)).await;
    let transport = open_to(&server).await;
    let (_, response) = run(&transport, modern(1, "x", &json!({}))).await;
    assert_eq!(response.unwrap().outcome.unwrap_err().code, -32700);
}

#[tokio::test]
async fn answers_that_break_off() {
    let whole = json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string();
    for reply in [
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{whole}"
        ))
        .close(),
        Reply::events().chunk("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"res").close(),
        Reply::events().chunk("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"res").end(),
        Reply::events().chunk(": nothing\n\n").end(),
        Reply::events().end(),
    ] {
        let error = fail_with(reply).await;
        assert!(matches!(error.kind, DeliveryErrorKind::Truncated { .. }), "{error:?}");
        assert_eq!(error.sent, Sent::Maybe);
    }
    for reply in [
        Reply::default().close(),
        Reply::raw("HTTP/1.1 200 O").close(),
        Reply::raw("SSH-2.0-OpenSSH\r\n\r\n").close(),
    ] {
        let error = fail_with(reply).await;
        assert!(matches!(error.kind, DeliveryErrorKind::Broken(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_last_event_without_its_blank_line_counts() {
    let server = Server::start(|request| {
        Reply::events().chunk(format!("data: {}", request.result(&json!({ "n": 1 })))).end()
    })
    .await;
    assert_eq!(call(&open_to(&server).await, 1).await, json!({ "n": 1 }));
}

#[tokio::test]
async fn silence_is_limited() {
    let limit = Duration::from_millis(60);
    let config = |server: &Server| {
        HttpConfig::new(server.url()).first_byte_timeout(limit).idle_timeout(limit)
    };
    for (reply, phase) in [
        (Reply::default().hang(), "first byte"),
        (Reply::raw("HTTP/1.1 200 OK\r\n").hang(), "first byte"),
        (
            Reply::raw(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
            )
            .hang(),
            "next byte",
        ),
        (Reply::events().chunk(": hello\n\n").hang(), "next byte"),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let begin = Instant::now();
        let error = fail(&open(config(&server)).await).await;
        match error.kind {
            DeliveryErrorKind::TimedOut { phase: found, after } => {
                assert_eq!((found, after), (phase, limit));
            }
            other => panic!("{other:?}"),
        }
        assert!(begin.elapsed() >= limit && begin.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn slow_is_not_silent() {
    let server = Server::start(|request| {
        let step = Duration::from_millis(30);
        let text = format!("data: {}\n\n", request.result(&json!({})));
        text.as_bytes()
            .chunks(10)
            .fold(Reply::events(), |reply, chunk| reply.wait(step).chunk(chunk))
            .end()
    })
    .await;
    let limit = Duration::from_millis(100);
    let config = HttpConfig::new(server.url()).first_byte_timeout(limit).idle_timeout(limit);
    let transport = open(config).await;
    let begin = Instant::now();
    call(&transport, 1).await;
    assert!(begin.elapsed() > limit);
}

#[tokio::test]
async fn a_subscription_may_be_silent() {
    let server = Server::start(|request| {
        Reply::events()
            .chunk(": open\n\n")
            .wait(Duration::from_millis(200))
            .event(&request.result(&json!({})))
            .end()
    })
    .await;
    let transport =
        open(HttpConfig::new(server.url()).idle_timeout(Duration::from_millis(50))).await;
    run(&transport, modern(1, "subscriptions/listen", &json!({}))).await.1.unwrap();
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let result = "y".repeat(10 << 20);
    let text = json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string();
    let reply = Reply::new("200 OK", &[("content-type", "application/json")], text);
    let server = Server::start(move |_| reply.clone()).await;
    let transport = open_to(&server).await;
    let (_, response) = run(&transport, modern(1, "x", &json!({}))).await;
    assert_eq!(response.unwrap().outcome.unwrap().len(), result.len() + 2);
}

/// Compresses, to the end or to a flush as after an event.
async fn pack(coding: &str, bytes: &[u8], last: bool) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder: Pin<Box<dyn AsyncWrite + Send + '_>> = match coding {
        "gzip" => Box::pin(GzipEncoder::new(&mut packed)),
        "br" => Box::pin(BrotliEncoder::new(&mut packed)),
        _ => Box::pin(ZstdEncoder::new(&mut packed)),
    };
    encoder.write_all(bytes).await.unwrap();
    if last {
        encoder.shutdown().await.unwrap();
    } else {
        encoder.flush().await.unwrap();
    }
    drop(encoder);
    packed
}
