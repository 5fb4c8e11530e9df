//! WebSocket on the ways that it shares with HTTP: TLS and proxies.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_tungstenite::{accept_async, tungstenite::Message as Frame};

use super::{
    proxies::tunnel_to,
    secure::Authority,
    server::{Received, Server},
    *,
};
use crate::{
    ConnectError,
    error::DeliveryErrorKind,
    http::{Proxy, TlsConfig},
    websocket::WebSocketConfig,
};

/// A server that takes connections over TLS, and answers every request with its method.
async fn echo(authority: &Authority, name: &str) -> (std::net::SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = authority.acceptor(name);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate hangs up.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let Ok(mut socket) = accept_async(stream).await else { continue };
            while let Some(Ok(Frame::Text(text))) = socket.next().await {
                let request: Value = serde_json::from_str(text.as_str()).unwrap();
                let result = json!({"echo": request["method"]});
                let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
                socket.send(Frame::text(answer.to_string())).await.unwrap();
            }
        }
    });
    (address, tasks)
}

async fn ask(config: WebSocketConfig) -> Value {
    let transport = config.connect().await.unwrap();
    let result = call(&transport, 1).await;
    transport.close().await;
    result
}

// covers: websocket-ways
#[tokio::test]
async fn a_websocket_over_tls_is_open_to_those_who_trust_it() {
    let authority = Authority::new("a");
    let (address, _tasks) = echo(&authority, "localhost").await;
    let config = |tls: TlsConfig| {
        WebSocketConfig::new(format!("wss://localhost:{}/mcp", address.port())).tls(tls)
    };
    let result = ask(config(authority.trusted())).await;
    assert!(result["echo"].is_string(), "{result}");
    let error = config(Authority::new("b").trusted()).connect().await.unwrap_err();
    let ConnectError::Failed(error) = error else { panic!("{error:?}") };
    assert!(matches!(error.kind, DeliveryErrorKind::Unreachable { .. }), "{error:?}");
}

// covers: websocket-ways
#[tokio::test]
async fn a_websocket_goes_through_a_tunnel() {
    let authority = Authority::new("a");
    let (address, _tasks) = echo(&authority, "server.invalid").await;
    let (proxy, mut asked, _tunnels) = tunnel_to(address).await;
    let config = WebSocketConfig::new("wss://server.invalid/mcp")
        .bearer("secret")
        .tls(authority.trusted())
        .proxy(Proxy::Url(format!("me:pass@{proxy}")));
    let result = ask(config).await;
    assert!(result["echo"].is_string(), "{result}");
    let head = asked.recv().await.unwrap();
    assert!(head.starts_with("CONNECT server.invalid:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic bWU6cGFzcw=="), "{head}");
    assert!(!head.contains("secret"), "{head}");
}

// covers: websocket-ways
#[tokio::test]
async fn a_proxy_that_lets_no_websocket_through_is_quoted() {
    let refuse = |_: &Received| Reply::status("403 Not From Here").close();
    let proxy = Server::start(refuse).await;
    let config = WebSocketConfig::new("ws://server.invalid/mcp")
        .proxy(Proxy::Url(format!("http://me:hidden@{}", proxy.address)));
    let error = config.connect().await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("403") && !text.contains("hidden"), "{text}");
    let received = proxy.received().pop().unwrap();
    assert_eq!((received.method.as_str(), &*received.target), ("CONNECT", "server.invalid:80"));
}
