//! HTTP+SSE, against a server whose every answer stands in the test.

use std::{sync::Arc, time::Duration};

use mcp_protocol::jsonrpc::Message;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{HttpConfig, legacy, notification, open, run};
use crate::{
    Connect, ConnectError, DeliveryError, Transport,
    error::{DeliveryErrorKind, Sent},
};

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 8\r\n\r\nAccepted";
const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

struct Listening(TcpListener);

impl Listening {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn config(&self) -> HttpConfig {
        let address = self.0.local_addr().unwrap();
        HttpConfig::new(format!("http://{address}/sse?key=1")).http_sse().max_message_bytes(4096)
    }

    async fn accept(&self) -> Line {
        let (stream, _) = self.0.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        Line(BufReader::new(stream))
    }

    /// Takes the GET and opens the stream with this first event.
    async fn begin(&self, endpoint: &str) -> Line {
        let mut stream = self.accept().await;
        let (head, _) = stream.request().await;
        assert!(head.starts_with("GET /sse?key=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("accept: text/event-stream\r\n"), "{head}");
        stream.write(EVENTS).await;
        stream.write(&format!("event: endpoint\ndata: {endpoint}\n\n")).await;
        stream
    }

    /// Both ends of an open connection.
    async fn connected(&self) -> (Arc<dyn Transport>, Line) {
        let config = self.config();
        tokio::join!(open(config), self.begin("/messages?session=7"))
    }
}

/// A connection that the server accepted.
struct Line(BufReader<TcpStream>);

impl Line {
    async fn write(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    async fn event(&mut self, message: &Value) {
        self.write(&format!("event: message\ndata: {message}\n\n")).await;
    }

    /// The next request: its head, and its body as JSON.
    async fn request(&mut self) -> (String, Value) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).await.unwrap() > 0, "the client went away: {head}");
        }
        let head = head.to_ascii_lowercase().replacen("get", "GET", 1).replacen("post", "POST", 1);
        let head = head.replacen("http/1.1", "HTTP/1.1", 1);
        let length = head
            .split_once("content-length: ")
            .map_or(0, |(_, rest)| rest.split_once("\r\n").unwrap().0.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (head, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Takes a POST.
    async fn take(&mut self) -> Value {
        let (head, body) = self.request().await;
        assert!(head.starts_with("POST /messages?session=7 HTTP/1.1\r\n"), "{head}");
        self.write(ACCEPTED).await;
        body
    }
}

fn failed(error: ConnectError) -> DeliveryError {
    match error {
        ConnectError::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

// covers: http-sse-endpoint
#[tokio::test]
async fn answers_come_on_the_stream() {
    let server = Listening::new().await;
    let (transport, mut stream) = server.connected().await;
    let serve = async {
        let mut posts = server.accept().await;
        let first = posts.take().await;
        assert_eq!(first["method"], "tools/call");
        stream.write(": still here\n\n").await;
        stream
            .event(&json!([
                { "jsonrpc": "2.0", "id": "q", "method": "roots/list" },
                { "method": "notifications/progress", "params": { "progressToken": 1 } },
            ]))
            .await;
        stream.event(&json!({ "id": 1, "result": { "done": true } })).await;
        posts
    };
    let client = run(&transport, legacy(1, "tools/call", &json!({})));
    let ((before, response), mut posts) = tokio::join!(client, serve);
    assert!(matches!(&before[..], [Message::Notification(_)]), "{before:?}");
    assert_eq!(response.unwrap().outcome.unwrap(), r#"{"done":true}"#);
    let mut unsolicited = transport.unsolicited().unwrap();
    assert!(matches!(unsolicited.next().await, Some(Message::Request(_))));
    let (sent, taken) =
        tokio::join!(transport.send(notification("notifications/initialized")), posts.take());
    sent.unwrap();
    assert_eq!(taken["method"], "notifications/initialized");
}

#[tokio::test]
async fn an_answer_may_overtake_the_receipt_of_its_request() {
    let server = Listening::new().await;
    let (transport, mut stream) = server.connected().await;
    let serve = async {
        let mut posts = server.accept().await;
        posts.request().await;
        stream.event(&json!({ "id": 1, "result": 1 })).await;
        posts
    };
    let client = run(&transport, legacy(1, "tools/call", &json!({})));
    let ((_, response), _posts) = tokio::join!(client, serve);
    assert_eq!(response.unwrap().outcome.unwrap(), "1");
}

// covers: http-sse-endpoint
#[tokio::test]
async fn messages_go_to_the_same_origin_only() {
    for elsewhere in ["http://127.0.0.1:1/messages", "https://example.com/", "//evil.example/m"] {
        let server = Listening::new().await;
        let config = server.config();
        let (outcome, _stream) = tokio::join!(config.connect(), server.begin(elsewhere));
        let error = failed(outcome.unwrap_err());
        assert_eq!(error.sent, Sent::No);
        let DeliveryErrorKind::Broken(reason) = &error.kind else { panic!("{error:?}") };
        assert!(reason.to_string().contains("elsewhere"), "{reason}");
    }
}

#[tokio::test]
async fn a_stream_that_begins_otherwise_is_not_this_binding() {
    let server = Listening::new().await;
    let config = server.config();
    let serve = async {
        let mut stream = server.accept().await;
        stream.request().await;
        stream.write(EVENTS).await;
        stream.event(&json!({ "id": 1, "result": 1 })).await;
        stream
    };
    let (outcome, _stream) = tokio::join!(config.connect(), serve);
    assert!(matches!(failed(outcome.unwrap_err()).kind, DeliveryErrorKind::Broken(_)));
    let serve = async {
        let mut stream = server.accept().await;
        stream.request().await;
        stream
            .write("HTTP/1.1 401 U\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n")
            .await;
        stream
    };
    let (outcome, _stream) = tokio::join!(config.connect(), serve);
    let error = failed(outcome.unwrap_err());
    let DeliveryErrorKind::Http(failure) = error.kind else { panic!("{error:?}") };
    assert_eq!(failure.challenges, ["Bearer"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_names_the_address_is_given_up() {
    let server = Listening::new().await;
    // The clock jumps while sockets are waited for, so no other limit may run.
    let config = server.config().connect_timeout(None);
    let serve = async {
        let mut stream = server.accept().await;
        stream.request().await;
        stream.write(EVENTS).await;
        stream
    };
    let (outcome, _stream) = tokio::join!(config.connect(), serve);
    let error = failed(outcome.unwrap_err());
    assert!(matches!(error.kind, DeliveryErrorKind::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_cut_stream_ends_the_connection_at_once() {
    let server = Listening::new().await;
    let (transport, stream) = server.connected().await;
    let serve = async {
        let mut posts = server.accept().await;
        posts.take().await;
        drop(stream);
        posts
    };
    let client = run(&transport, legacy(1, "tools/call", &json!({})));
    let ((_, response), _posts) = tokio::join!(client, serve);
    let error = response.unwrap_err();
    assert_eq!(error.sent, Sent::Maybe);
    assert!(matches!(error.kind, DeliveryErrorKind::Closed(_)), "{error:?}");
    assert!(transport.is_closed());
    let error = run(&transport, legacy(2, "tools/call", &json!({}))).await.1.unwrap_err();
    assert_eq!(error.sent, Sent::No);
    let error = transport.send(notification("notifications/initialized")).await.unwrap_err();
    assert_eq!(error.sent, Sent::No);
}

#[tokio::test]
async fn a_message_above_the_limit_fails_what_is_under_way() {
    let server = Listening::new().await;
    let (transport, mut stream) = server.connected().await;
    let serve = async {
        let mut posts = server.accept().await;
        posts.take().await;
        stream.event(&json!({ "id": 1, "result": "x".repeat(8192) })).await;
        posts
    };
    let client = run(&transport, legacy(1, "tools/call", &json!({})));
    let ((_, response), _posts) = tokio::join!(client, serve);
    let kind = response.unwrap_err().kind;
    assert!(matches!(kind, DeliveryErrorKind::TooLarge { limit_bytes: 4096 }), "{kind:?}");
}

#[tokio::test]
async fn a_refused_message_fails_its_request_only() {
    let server = Listening::new().await;
    let (transport, _stream) = server.connected().await;
    let serve = async {
        let mut posts = server.accept().await;
        posts.request().await;
        posts.write("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await;
        posts
    };
    let client = run(&transport, legacy(1, "tools/call", &json!({})));
    let ((_, response), _posts) = tokio::join!(client, serve);
    let error = response.unwrap_err();
    let DeliveryErrorKind::Http(failure) = error.kind else { panic!("{error:?}") };
    assert_eq!(failure.status, 413);
    assert!(!transport.is_closed());
}

#[tokio::test]
async fn a_dropped_exchange_is_cancelled_in_words() {
    let server = Listening::new().await;
    let (transport, _stream) = server.connected().await;
    let mut exchange = transport.exchange(legacy(5, "tools/call", &json!({})));
    // Without a receipt, so that dropping the exchange leaves no connection to use again.
    let unanswered = async {
        let mut posts = server.accept().await;
        posts.request().await;
    };
    tokio::select! {
        _ = exchange.next() => panic!("nothing answers"),
        () = unanswered => {}
    }
    drop(exchange);
    let (_, body) = server.accept().await.request().await;
    assert_eq!(body["method"], "notifications/cancelled");
    assert_eq!(body["params"]["requestId"], 5);
}

#[tokio::test]
async fn closing_fails_what_is_under_way() {
    let server = Listening::new().await;
    let (transport, _stream) = server.connected().await;
    let client = run(&transport, legacy(1, "tools/call", &json!({})));
    let close = async {
        let mut posts = server.accept().await;
        posts.take().await;
        transport.close().await;
        posts
    };
    let ((_, response), _posts) = tokio::join!(client, close);
    assert!(matches!(response.unwrap_err().kind, DeliveryErrorKind::Closed(_)));
    assert!(transport.is_closed());
    transport.close().await;
}

#[test]
fn it_can_be_dropped_outside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (transport, _stream) = runtime.block_on(async { Listening::new().await.connected().await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    let exchange = transport.exchange(legacy(1, "tools/call", &json!({})));
    drop(transport);
    drop(exchange);
}
