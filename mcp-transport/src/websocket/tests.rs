use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue};
use mcp_protocol::{
    jsonrpc::{self, Message, Response},
    version::Era,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message as Frame,
        handshake::server::{Request, Response as Agreed},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::WebSocketConfig;
use crate::{
    BoxFuture, Connect, ConnectError, DeliveryError, OutgoingRequest, Transport,
    authorize::{Authorize, Challenge, Target, Verdict},
    error::{BoxError, DeliveryErrorKind, Sent},
    transport::Mirrored,
};

struct Listening(TcpListener);

impl Listening {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn config(&self) -> WebSocketConfig {
        WebSocketConfig::new(format!("ws://{}/mcp?k=v", self.0.local_addr().unwrap()))
    }

    /// Takes a connection whose handshake has headers that fit.
    async fn accept(&self, check: impl FnOnce(&HeaderMap) + Unpin) -> Peer {
        let (stream, _) = self.0.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let agree = |request: &Request, mut response: Agreed| {
            check(request.headers());
            assert_eq!(request.uri().path(), "/mcp");
            let subprotocol = HeaderValue::from_static("mcp");
            response.headers_mut().insert("sec-websocket-protocol", subprotocol);
            Ok(response)
        };
        Peer(accept_hdr_async(stream, agree).await.unwrap())
    }

    async fn connected(&self) -> (Arc<dyn Transport>, Peer) {
        self.connected_with(self.config()).await
    }

    async fn connected_with(&self, config: WebSocketConfig) -> (Arc<dyn Transport>, Peer) {
        let (transport, peer) = tokio::join!(config.connect(), self.accept(|_| {}));
        (transport.unwrap(), peer)
    }
}

struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    async fn recv(&mut self) -> Value {
        let text = self.0.next().await.unwrap().unwrap().into_text().unwrap();
        serde_json::from_str(text.as_str()).unwrap()
    }

    async fn send(&mut self, message: &Value) {
        self.0.send(Frame::text(message.to_string())).await.unwrap();
    }
}

fn request(id: i64) -> OutgoingRequest {
    OutgoingRequest {
        id: id.into(),
        method: "tools/call".into(),
        body: jsonrpc::encode_request(&id.into(), "tools/call", &(), None).unwrap(),
        era: Era::Legacy,
        protocol_version: None,
        mirrored: Mirrored::default(),
    }
}

async fn run(transport: &Arc<dyn Transport>, id: i64) -> Result<Bytes, DeliveryError> {
    let mut exchange = transport.exchange(request(id));
    loop {
        let next = exchange.next().await.expect("the response comes last")?;
        if let Message::Response(Response { outcome, .. }) = next {
            return Ok(outcome.unwrap());
        }
    }
}

fn failed(error: ConnectError) -> DeliveryError {
    match error {
        ConnectError::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

fn is_closed(error: &DeliveryError, words: &str) {
    let DeliveryErrorKind::Closed(reason) = &error.kind else { panic!("{error:?}") };
    let note = reason.note.as_deref().unwrap_or_default();
    assert!(note.contains(words), "{note}");
}

// covers: websocket-handshake
#[tokio::test]
async fn the_handshake_carries_headers_and_credentials() {
    let server = Listening::new().await;
    let config = server.config().bearer("s3cret").header("x-tenant", "7");
    assert!(!format!("{config:?}").contains("s3cret"));
    assert!(config.endpoint().starts_with("ws://127.0.0.1:"), "{}", config.endpoint());
    let check = |headers: &HeaderMap| {
        assert_eq!(headers["authorization"], "Bearer s3cret");
        assert_eq!(headers["x-tenant"], "7");
        assert_eq!(headers["sec-websocket-protocol"], "mcp");
    };
    let (transport, _peer) = tokio::join!(config.connect(), server.accept(check));
    assert!(!transport.unwrap().is_closed());
}

// covers: websocket-in-flight
#[tokio::test]
async fn answers_in_another_order_find_their_callers() {
    let server = Listening::new().await;
    let (transport, mut peer) = server.connected().await;
    let serve = async {
        let ids = [peer.recv().await["id"].clone(), peer.recv().await["id"].clone()];
        peer.send(&json!({ "id": "q", "method": "roots/list" })).await;
        for id in ids.iter().rev() {
            peer.send(&json!({ "id": id, "result": id })).await;
        }
        peer.0.send(Frame::binary(br#"{"method":"notifications/x"}"#.as_slice())).await.unwrap();
    };
    let (first, second, ()) = tokio::join!(run(&transport, 1), run(&transport, 2), serve);
    assert_eq!((&first.unwrap()[..], &second.unwrap()[..]), (&b"1"[..], &b"2"[..]));
    let mut unsolicited = transport.unsolicited().unwrap();
    assert!(matches!(unsolicited.next().await, Some(Message::Request(_))));
    assert!(matches!(unsolicited.next().await, Some(Message::Notification(_))));
}

#[tokio::test]
async fn a_dropped_exchange_is_cancelled() {
    let server = Listening::new().await;
    let (transport, mut peer) = server.connected().await;
    let mut exchange = transport.exchange(request(1));
    tokio::select! {
        _ = exchange.next() => panic!("nothing answers"),
        seen = peer.recv() => assert_eq!(seen["method"], "tools/call"),
    }
    drop(exchange);
    assert_eq!(peer.recv().await["method"], "notifications/cancelled");
}

#[tokio::test]
async fn the_server_says_why_it_closes() {
    let server = Listening::new().await;
    let (transport, mut peer) = server.connected().await;
    let serve = async {
        peer.recv().await;
        let frame = CloseFrame { code: CloseCode::Policy, reason: "not you".into() };
        peer.0.close(Some(frame)).await.unwrap();
        assert!(matches!(peer.0.next().await, Some(Ok(Frame::Close(_)))));
        assert!(peer.0.next().await.is_none());
        drop(peer);
    };
    let (outcome, ()) = tokio::join!(run(&transport, 1), serve);
    let error = outcome.unwrap_err();
    assert_eq!(error.sent, Sent::Maybe);
    is_closed(&error, "1008 not you");
    assert!(transport.is_closed());
    assert_eq!(run(&transport, 2).await.unwrap_err().sent, Sent::No);
}

#[tokio::test]
async fn a_cut_connection_ends_what_is_under_way() {
    let server = Listening::new().await;
    let (transport, mut peer) = server.connected().await;
    let serve = async {
        peer.recv().await;
        drop(peer);
    };
    let (outcome, ()) = tokio::join!(run(&transport, 1), serve);
    assert!(matches!(outcome.unwrap_err().kind, DeliveryErrorKind::Closed(_)));
    assert!(transport.is_closed());
}

#[tokio::test]
async fn a_message_above_the_limit_ends_the_connection() {
    let server = Listening::new().await;
    let config = server.config().max_message_bytes(1000);
    let (transport, mut peer) = server.connected_with(config).await;
    let serve = async {
        peer.recv().await;
        peer.send(&json!({ "id": 1, "result": "x".repeat(2000) })).await;
        peer
    };
    let (outcome, _peer) = tokio::join!(run(&transport, 1), serve);
    let kind = outcome.unwrap_err().kind;
    assert!(matches!(kind, DeliveryErrorKind::TooLarge { limit_bytes: 1000 }), "{kind:?}");
}

#[tokio::test]
async fn both_sides_say_goodbye() {
    let server = Listening::new().await;
    let (transport, mut peer) = server.connected().await;
    let call = run(&transport, 1);
    let close = async {
        peer.recv().await;
        let goodbye = async {
            assert!(matches!(peer.0.next().await, Some(Ok(Frame::Close(_)))));
            assert!(peer.0.next().await.is_none());
            drop(peer);
        };
        tokio::join!(transport.close(), goodbye);
    };
    let (outcome, ()) = tokio::join!(call, close);
    is_closed(&outcome.unwrap_err(), "from this side");
    assert!(transport.is_closed());
    transport.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_pings_is_gone() {
    let server = Listening::new().await;
    let config = server.config().connect_timeout(None).ping_every(Duration::from_secs(600));
    let (transport, mut peer) = server.connected_with(config).await;
    // The peer answers pings only while it reads.
    let serve = async {
        peer.recv().await;
        peer
    };
    let (outcome, _peer) = tokio::join!(run(&transport, 1), serve);
    is_closed(&outcome.unwrap_err(), "ping");
}

#[tokio::test(start_paused = true)]
async fn pings_keep_a_silent_connection() {
    let server = Listening::new().await;
    let config = server.config().connect_timeout(None).ping_every(Duration::from_secs(600));
    let (transport, mut peer) = server.connected_with(config).await;
    for _ in 0..3 {
        assert!(matches!(peer.0.next().await, Some(Ok(Frame::Ping(_)))));
        peer.0.flush().await.unwrap();
        assert!(!transport.is_closed());
    }
}

#[tokio::test]
async fn a_refused_handshake_is_told_in_full() {
    let server = Listening::new().await;
    let serve = async {
        let (mut stream, _) = server.0.accept().await.unwrap();
        let mut buffer = [0; 2048];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        let text = "HTTP/1.1 401 U\r\nwww-authenticate: Bearer realm=\"x\"\r\n\
                    content-length: 0\r\n\r\n";
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    };
    let config = server.config();
    let (outcome, _stream) = tokio::join!(config.connect(), serve);
    let error = failed(outcome.unwrap_err());
    let DeliveryErrorKind::Http(failure) = error.kind else { panic!("{error:?}") };
    assert_eq!((failure.status.as_u16(), failure.challenges.len()), (401, 1));
}

/// Knows a better token after the first refusal.
#[derive(Debug)]
struct Learns(std::sync::atomic::AtomicBool);

impl Authorize for Learns {
    fn authorize<'a>(
        &'a self,
        target: Target<'a>,
        headers: &'a mut HeaderMap,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        let good = self.0.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(target.url.scheme_str(), Some("http"));
        headers.insert("authorization", HeaderValue::from_static(if good { "new" } else { "old" }));
        Box::pin(async { Ok(()) })
    }

    fn challenged<'a>(
        &'a self,
        _: Target<'a>,
        challenge: Challenge<'a>,
    ) -> BoxFuture<'a, Result<Verdict, BoxError>> {
        assert_eq!(challenge.refused.unwrap(), "old");
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        Box::pin(async { Ok(Verdict::Retry) })
    }
}

#[tokio::test]
async fn better_credentials_are_tried() {
    let server = Listening::new().await;
    let serve = async {
        let (mut stream, _) = server.0.accept().await.unwrap();
        let mut buffer = [0; 2048];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        let refusal = "HTTP/1.1 401 U\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(refusal.as_bytes()).await.unwrap();
        server.accept(|headers| assert_eq!(headers["authorization"], "new")).await
    };
    let config = server.config().authorize(Arc::new(Learns(false.into())));
    let (outcome, _peer) = tokio::join!(config.connect(), serve);
    outcome.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_the_handshake_is_given_up() {
    let server = Listening::new().await;
    let config = server.config().connect_timeout(None);
    let (outcome, _stream) = tokio::join!(config.connect(), server.0.accept());
    let kind = failed(outcome.unwrap_err()).kind;
    assert!(matches!(kind, DeliveryErrorKind::TimedOut { .. }), "{kind:?}");
}

#[tokio::test]
async fn other_schemes_are_refused() {
    for url in ["http://127.0.0.1:1/", "mcp", "ws:"] {
        let error = WebSocketConfig::new(url).connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::InvalidSetting { .. }), "{url}: {error:?}");
    }
}

#[test]
fn it_can_be_dropped_outside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (transport, _peer) = runtime.block_on(async { Listening::new().await.connected().await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    let exchange = transport.exchange(request(1));
    drop(transport);
    drop(exchange);
}
