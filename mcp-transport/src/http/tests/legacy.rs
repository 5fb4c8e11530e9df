//! Sessions, streams that go on, and cancellation: what only the legacy lifecycle has.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{server::Received, *};
use crate::error::{DeliveryErrorKind, HttpFailure};

const SESSION: &[(&str, &str)] = &[("content-type", "application/json"), ("mcp-session-id", "s-1")];

/// Answers `initialize` with a session, notifications with 202, and the rest as told.
async fn with_session(
    rest: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> (Server, Arc<dyn Transport>) {
    let server = Server::start(move |request| match request.rpc_method().as_str() {
        "initialize" => Reply::new("200 OK", SESSION, request.result(&json!({})).to_string()),
        method if method.starts_with("notifications/") => Reply::status("202 Accepted"),
        _ => rest(request),
    })
    .await;
    let transport = open_to(&server).await;
    run(&transport, legacy(0, "initialize", &json!({}))).await.1.unwrap();
    transport.send(notification("notifications/initialized")).await.unwrap();
    (server, transport)
}

fn http_failure(error: DeliveryError) -> HttpFailure {
    match error.kind {
        DeliveryErrorKind::Http(failure) => *failure,
        other => panic!("not an HTTP failure: {other:?}"),
    }
}

// covers: session-id, session-delete, legacy-version-header
#[tokio::test]
async fn the_session_is_kept_and_ended() {
    let (server, transport) = with_session(Received::echo).await;
    run(&transport, legacy(1, "tools/list", &json!({}))).await.1.unwrap();
    assert!(!transport.is_closed());
    transport.close().await;
    transport.close().await;
    assert!(transport.is_closed());
    let received = server.received();
    let seen: Vec<_> = received
        .iter()
        .map(|request| {
            let version = request.header("mcp-protocol-version");
            (request.method.as_str(), request.header("mcp-session-id"), version)
        })
        .collect();
    let version = Some("2025-11-25");
    assert_eq!(
        seen,
        [
            ("POST", None, None),
            ("POST", Some("s-1"), version),
            ("POST", Some("s-1"), version),
            ("DELETE", Some("s-1"), version),
        ]
    );
    let error = run(&transport, legacy(2, "tools/list", &json!({}))).await.1.unwrap_err();
    assert!(matches!(error.kind, DeliveryErrorKind::Closed(_)));
    assert!(transport.send(notification("notifications/x")).await.is_err());
}

// covers: session-lost
#[tokio::test]
async fn a_forgotten_session_is_told_apart_and_replaced() {
    let (server, transport) = with_session(|_| Reply::status("404 Not Found")).await;
    let error = run(&transport, legacy(1, "tools/list", &json!({}))).await.1.unwrap_err();
    assert!(http_failure(error).session_lost);
    // Without a session the same status means something else.
    let error = run(&transport, legacy(2, "tools/list", &json!({}))).await.1.unwrap_err();
    assert!(!http_failure(error).session_lost);
    run(&transport, legacy(3, "initialize", &json!({}))).await.1.unwrap();
    transport.send(notification("notifications/initialized")).await.unwrap();
    let last = server.received().pop().unwrap();
    assert_eq!(last.header("mcp-session-id"), Some("s-1"));
}

// covers: session-lost
#[tokio::test]
async fn until_there_is_another_session_its_lack_is_the_same_error() {
    let (server, transport) = with_session(|request| match request.header("mcp-session-id") {
        Some(_) => Reply::status("404 Not Found"),
        None => Reply::status("400 Bad Request"),
    })
    .await;
    for id in 1..4 {
        let error = run(&transport, legacy(id, "tools/list", &json!({}))).await.1.unwrap_err();
        assert!(http_failure(error).session_lost, "request {id}");
    }
    assert_eq!(server.received().last().unwrap().header("mcp-session-id"), None);
}

// covers: legacy-version-header, session-id
#[tokio::test]
async fn only_a_legacy_handshake_opens_a_session() {
    let server = Server::start(|request| {
        Reply::new("200 OK", SESSION, request.result(&json!({})).to_string())
    })
    .await;
    let transport = open_to(&server).await;
    run(&transport, modern(1, "server/discover", &json!({}))).await.1.unwrap();
    run(&transport, legacy(2, "tools/list", &json!({}))).await.1.unwrap();
    assert!(transport.unsolicited().is_none());
    run(&transport, legacy(3, "initialize", &json!({}))).await.1.unwrap();
    run(&transport, modern(4, "tools/list", &json!({}))).await.1.unwrap();
    assert!(server.received().iter().all(|request| request.header("mcp-session-id").is_none()));
}

#[tokio::test]
async fn an_unsendable_session_id_is_ignored() {
    let server = Server::start(|request| {
        let headers = [("content-type", "application/json"), ("mcp-session-id", "a b")];
        Reply::new("200 OK", &headers, request.result(&json!({})).to_string())
    })
    .await;
    let transport = open_to(&server).await;
    run(&transport, legacy(0, "initialize", &json!({}))).await.1.unwrap();
    run(&transport, legacy(1, "tools/list", &json!({}))).await.1.unwrap();
    assert_eq!(server.received()[1].header("mcp-session-id"), None);
}

// covers: legacy-cancel
#[tokio::test]
async fn giving_up_is_said_in_words() {
    let (server, transport) = with_session(|_| Reply::default().hang()).await;
    let mut exchange = transport.exchange(legacy(7, "tools/call", &json!({})));
    assert!(timeout(Duration::from_millis(50), exchange.next()).await.is_err());
    drop(exchange);
    let cancel = server.until(|request| request.rpc_method() == "notifications/cancelled").await;
    assert_eq!(cancel.json()["params"]["requestId"], 7);
    assert_eq!(cancel.header("mcp-session-id"), Some("s-1"));
    assert_eq!(cancel.header("mcp-protocol-version"), Some("2025-11-25"));
}

#[tokio::test]
async fn close_waits_for_cancellations() {
    let (server, transport) = with_session(|_| Reply::default().hang()).await;
    let mut exchange = transport.exchange(legacy(7, "tools/call", &json!({})));
    assert!(timeout(Duration::from_millis(50), exchange.next()).await.is_err());
    drop(exchange);
    transport.close().await;
    let received = server.received();
    let [.., cancel, delete] = &received[..] else { panic!("too few requests") };
    assert_eq!(cancel.rpc_method(), "notifications/cancelled");
    assert_eq!(delete.method, "DELETE");
}

#[tokio::test]
async fn what_is_over_or_not_begun_is_not_cancelled() {
    let (server, transport) = with_session(|request| match request.rpc_method().as_str() {
        "broken" => Reply::default().close(),
        _ => request.echo(),
    })
    .await;
    run(&transport, legacy(1, "tools/list", &json!({}))).await.1.unwrap();
    run(&transport, legacy(2, "broken", &json!({}))).await.1.unwrap_err();
    drop(transport.exchange(legacy(3, "tools/list", &json!({}))));
    transport.close().await;
    let methods: Vec<_> = server.received().iter().map(Received::rpc_method).collect();
    assert_eq!(methods, ["initialize", "notifications/initialized", "tools/list", "broken", ""]);
}

// covers: legacy-cancel
#[tokio::test]
async fn initialize_is_not_cancelled() {
    let server = Server::start(|_| Reply::default().hang()).await;
    let transport = open_to(&server).await;
    let mut exchange = transport.exchange(legacy(0, "initialize", &json!({})));
    assert!(timeout(Duration::from_millis(50), exchange.next()).await.is_err());
    drop(exchange);
    server.until_abandoned(1).await;
    transport.close().await;
    assert_eq!(server.received().len(), 1);
}

// covers: http-cancel
#[tokio::test]
async fn modern_requests_are_cancelled_by_leaving() {
    let server = Server::start(|_| Reply::events().chunk(": open\n\n").hang()).await;
    let transport = open_to(&server).await;
    let mut exchange = transport.exchange(modern(1, "tools/call", &json!({})));
    assert!(timeout(Duration::from_millis(50), exchange.next()).await.is_err());
    assert_eq!(server.abandoned(), 0);
    drop(exchange);
    server.until_abandoned(1).await;
    assert_eq!(server.received().len(), 1);
}

// covers: sse-resume
// covers: sse-resume-dedupe
#[tokio::test]
async fn a_broken_stream_goes_on() {
    let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": {} });
    for graceful in [true, false] {
        let event = format!("id: e2\ndata: {progress}\n\n");
        let repeated = event.clone();
        let (server, transport) = with_session(move |request| {
            if request.method == "GET" {
                let response = json!({ "jsonrpc": "2.0", "id": 5, "result": { "late": true } });
                let text = format!("{repeated}id: e3\ndata: {response}\n\n");
                return Reply::events().chunk(text).end();
            }
            let reply = Reply::events().chunk("id: e1\nretry: 10\ndata: \n\n").chunk(event.clone());
            if graceful { reply.end() } else { reply.close() }
        })
        .await;
        let (before, response) = run(&transport, legacy(5, "tools/call", &json!({}))).await;
        assert_eq!(response.unwrap().outcome.unwrap(), r#"{"late":true}"#);
        assert_eq!(before.len(), 1, "the repeated event is dropped");
        let get = server.received().pop().unwrap();
        assert_eq!(get.header("last-event-id"), Some("e2"));
        assert_eq!(get.header("accept"), Some("text/event-stream"));
        assert_eq!(get.header("mcp-session-id"), Some("s-1"));
        assert_eq!(get.header("content-type"), None);
    }
}

/// The server has taken the call, so it must not be sent to another session.
#[tokio::test]
async fn a_stream_whose_session_is_gone_is_no_call_that_was_not_taken() {
    let (_server, transport) = with_session(|request| {
        if request.method == "GET" {
            return Reply::status("404 Not Found");
        }
        Reply::events().chunk("id: e1\nretry: 1\ndata:\n\n").end()
    })
    .await;
    let error = run(&transport, legacy(5, "tools/call", &json!({}))).await.1.unwrap_err();
    assert!(matches!(error.kind, DeliveryErrorKind::Truncated { .. }), "{error:?}");
}

#[tokio::test]
async fn an_event_that_was_cut_off_comes_again() {
    let response = json!({ "jsonrpc": "2.0", "id": 5, "result": { "late": true } }).to_string();
    let (server, transport) = with_session(move |request| {
        if request.method == "GET" {
            return Reply::events().chunk(format!("id: e2\ndata: {response}\n\n")).end();
        }
        let half = &response[..response.len() / 2];
        Reply::events().chunk(format!("id: e1\nretry: 1\ndata:\n\nid: e2\ndata: {half}")).end()
    })
    .await;
    let (_, response) = run(&transport, legacy(5, "tools/call", &json!({}))).await;
    assert_eq!(response.unwrap().outcome.unwrap(), r#"{"late":true}"#);
    let get = server.received().pop().unwrap();
    assert_eq!(get.header("last-event-id"), Some("e1"));
}

#[tokio::test]
async fn a_stream_that_cannot_go_on_says_why() {
    let (_server, transport) = with_session(|request| {
        if request.method == "GET" {
            return Reply::status("405 Method Not Allowed");
        }
        Reply::events().chunk("id: e1\nretry: 1\ndata:\n\n").end()
    })
    .await;
    let error = run(&transport, legacy(5, "tools/call", &json!({}))).await.1.unwrap_err();
    let DeliveryErrorKind::Truncated { source: Some(source) } = error.kind else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("405"), "{source}");
}

// covers: http-lost-stream
#[tokio::test]
async fn a_modern_stream_does_not_go_on() {
    let server =
        Server::start(|_| Reply::events().chunk("id: e1\nretry: 1\ndata:\n\n").end()).await;
    let error = fail(&open_to(&server).await).await;
    assert!(matches!(error.kind, DeliveryErrorKind::Truncated { source: None }));
    assert_eq!(server.received().len(), 1);
}

// covers: get-stream, sse-resume
#[tokio::test]
async fn unasked_messages_arrive_across_breaks() {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let (server, transport) = with_session(move |request| {
        if request.method != "GET" {
            return request.echo();
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        let ping = json!({ "jsonrpc": "2.0", "id": number, "method": "ping" });
        let text = format!("id: e{number}\nretry: 10\ndata: {ping}\n\n");
        let reply = Reply::events().chunk(text);
        if number < 2 { reply.end() } else { reply.hang() }
    })
    .await;
    let mut unasked = transport.unsolicited().unwrap();
    assert!(transport.unsolicited().is_none());
    for number in 0..3_i64 {
        let Some(Message::Request(request)) = unasked.next().await else { panic!("no request") };
        assert_eq!(request.id, number.into());
    }
    let gets: Vec<_> = server
        .received()
        .into_iter()
        .filter(|request| request.method == "GET")
        .map(|request| request.header("last-event-id").map(str::to_owned))
        .collect();
    assert_eq!(gets, [None, Some("e0".to_owned()), Some("e1".to_owned())]);
    // Calls go on beside it.
    run(&transport, legacy(9, "tools/list", &json!({}))).await.1.unwrap();
    transport.close().await;
    assert!(unasked.next().await.is_none());
    server.until_abandoned(1).await;
}

// covers: get-stream
#[tokio::test]
async fn a_server_without_unasked_messages() {
    let (server, transport) = with_session(|_| Reply::status("405 Method Not Allowed")).await;
    let mut unasked = transport.unsolicited().unwrap();
    assert!(unasked.next().await.is_none());
    assert_eq!(server.received().iter().filter(|request| request.method == "GET").count(), 1);
}

#[tokio::test]
async fn listening_moves_to_the_next_session() {
    let (server, transport) = with_session(|request| match request.method.as_str() {
        "GET" => Reply::events().chunk(": open\n\n").hang(),
        _ => Reply::status("404 Not Found"),
    })
    .await;
    let _unasked = transport.unsolicited().unwrap();
    server.until(|request| request.method == "GET").await;
    run(&transport, legacy(1, "tools/list", &json!({}))).await.1.unwrap_err();
    run(&transport, legacy(2, "initialize", &json!({}))).await.1.unwrap();
    server.until_abandoned(1).await;
    for _ in 0..100 {
        if server.received().iter().filter(|request| request.method == "GET").count() == 2 {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the second session is not listened to");
}

#[tokio::test]
async fn a_refused_notification_is_an_error() {
    let server = Server::start(|_| Reply::new("400 Bad Request", &[], "what?")).await;
    let transport = open_to(&server).await;
    let error = transport.send(notification("notifications/x")).await.unwrap_err();
    assert_eq!(http_failure(error).body, "what?");
}

#[tokio::test]
async fn dropping_the_transport_ends_its_tasks() {
    let (server, transport) = with_session(|_| Reply::events().chunk(": open\n\n").hang()).await;
    let mut unasked = transport.unsolicited().unwrap();
    server.until(|request| request.method == "GET").await;
    drop(transport);
    assert!(unasked.next().await.is_none());
    server.until_abandoned(1).await;
}

#[test]
fn dropping_outside_a_runtime_is_quiet() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (exchange, transport, server) = runtime.block_on(async {
        let (server, transport) = with_session(|_| Reply::default().hang()).await;
        let mut exchange = transport.exchange(legacy(7, "tools/call", &json!({})));
        assert!(timeout(Duration::from_millis(50), exchange.next()).await.is_err());
        (exchange, transport, server)
    });
    drop(runtime);
    drop(exchange);
    drop(transport);
    drop(server);
}

#[tokio::test]
async fn batches_are_taken_apart_on_every_stream() {
    let note = |n: i64| json!({ "method": "notifications/x", "params": { "n": n } });
    let (server, transport) = with_session(move |request| match request.method.as_str() {
        "GET" => Reply::events().event(&json!([note(1), note(2)])).hang(),
        _ => Reply::events().event(&json!([note(3), request.result(&json!({})), note(4)])).end(),
    })
    .await;
    let (before, response) = run(&transport, legacy(1, "tools/list", &json!({}))).await;
    response.unwrap();
    assert_eq!(before.len(), 2, "{before:?}");
    // A modern server has no batches.
    let error = run(&transport, modern(2, "tools/list", &json!({}))).await.1.unwrap_err();
    assert!(matches!(error.kind, DeliveryErrorKind::NotMcp(_)));
    let mut unsolicited = transport.unsolicited().unwrap();
    for n in [1, 2] {
        let Some(Message::Notification(found)) = unsolicited.next().await else { panic!() };
        assert_eq!(serde_json::from_slice::<Value>(&found.params).unwrap()["n"], n);
    }
    drop(server);
}
