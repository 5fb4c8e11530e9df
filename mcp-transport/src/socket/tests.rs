use std::sync::Arc;

use mcp_protocol::{
    jsonrpc::{self, ErrorObject, Message, Request, Response},
    raw::RawJson,
    version::Era,
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, UnixListener},
};

use super::SocketConfig;
use crate::{
    BoxFuture, Connect, ConnectError, DeliveryError, OutgoingRequest, Transport,
    error::{DeliveryErrorKind, Sent},
    serve::{self, Peer, Service},
    transport::Mirrored,
};

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

async fn run(transport: &Arc<dyn Transport>, id: i64) -> Result<Response, DeliveryError> {
    match transport.exchange(request(id)).next().await.expect("an answer")? {
        Message::Response(response) => Ok(response),
        other => panic!("{other:?}"),
    }
}

/// Answers with the id of the request.
struct Echo;

impl Service for Echo {
    fn request<'a>(
        &'a self,
        request: Request,
        _: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(async move { Ok(json!(request.id.to_string()).into()) })
    }
}

/// A connection to a server that does what the test says.
async fn connected(limit: usize) -> (Arc<dyn Transport>, BufReader<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = SocketConfig::tcp("127.0.0.1", port).max_message_bytes(limit);
    let (transport, peer) = tokio::join!(config.connect(), listener.accept());
    (transport.unwrap(), BufReader::new(peer.unwrap().0))
}

async fn line(peer: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    peer.read_line(&mut line).await.unwrap();
    line
}

// covers: byte-streams
#[tokio::test]
async fn many_calls_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        let (input, output) = stream.into_split();
        serve::lines(input, output, Echo).await
    };
    let calling = async {
        let transport = SocketConfig::unix(&path).connect().await.unwrap();
        let calls = (1..=100).map(|id| {
            let transport = Arc::clone(&transport);
            async move { (id, run(&transport, id).await.unwrap().outcome.unwrap()) }
        });
        let mut set = tokio::task::JoinSet::new();
        calls.for_each(|call| _ = set.spawn(call));
        for (id, text) in set.join_all().await {
            assert_eq!(text, format!("\"{id}\""));
        }
        transport.close().await;
        assert!(transport.is_closed());
    };
    // The server ends because this side did.
    let (served, ()) = tokio::join!(serving, calling);
    served.unwrap();
}

#[tokio::test]
async fn a_dropped_exchange_is_cancelled() {
    let (transport, mut peer) = connected(1000).await;
    let mut exchange = transport.exchange(request(1));
    tokio::select! {
        _ = exchange.next() => panic!("nothing answers"),
        text = line(&mut peer) => assert!(text.contains("tools/call"), "{text}"),
    }
    drop(exchange);
    assert!(line(&mut peer).await.contains("notifications/cancelled"));
}

#[tokio::test]
async fn a_cut_connection_is_noticed_at_once() {
    let (transport, mut peer) = connected(1000).await;
    let cut = async {
        line(&mut peer).await;
        drop(peer);
    };
    let (outcome, ()) = tokio::join!(run(&transport, 1), cut);
    let error = outcome.unwrap_err();
    assert_eq!(error.sent, Sent::Maybe);
    assert!(matches!(error.kind, DeliveryErrorKind::Closed(_)), "{error:?}");
    assert!(transport.is_closed());
    assert_eq!(run(&transport, 2).await.unwrap_err().sent, Sent::No);
}

#[tokio::test]
async fn a_line_above_the_limit_ends_it() {
    let (transport, mut peer) = connected(1000).await;
    let answer = async {
        line(&mut peer).await;
        peer.write_all(&[b'x'; 2000]).await.unwrap();
        peer
    };
    let (outcome, _peer) = tokio::join!(run(&transport, 1), answer);
    let kind = outcome.unwrap_err().kind;
    assert!(matches!(kind, DeliveryErrorKind::TooLarge { limit_bytes: 1000 }), "{kind:?}");
}

#[tokio::test]
async fn closing_fails_what_is_under_way() {
    let (transport, mut peer) = connected(1000).await;
    let close = async {
        line(&mut peer).await;
        let ended = async {
            assert_eq!(line(&mut peer).await, "");
            drop(peer);
        };
        tokio::join!(transport.close(), ended);
    };
    let (outcome, ()) = tokio::join!(run(&transport, 1), close);
    assert!(matches!(outcome.unwrap_err().kind, DeliveryErrorKind::Closed(_)));
}

#[tokio::test]
async fn nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let config = SocketConfig::unix(folder.path().join("none"));
    let ConnectError::Failed(error) = config.connect().await.unwrap_err() else { panic!() };
    assert_eq!(error.sent, Sent::No);
    assert!(matches!(error.kind, DeliveryErrorKind::Unreachable { .. }), "{error:?}");
}

#[test]
fn it_can_be_dropped_outside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (transport, _peer) = runtime.block_on(connected(1000));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    let exchange = transport.exchange(request(1));
    drop(transport);
    drop(exchange);
}
