//! URLs that a stranger chose do not lead into this machine, however they are spelled.

use super::*;
use crate::{ConnectError, error::DeliveryErrorKind, http::Reach};

fn is_out_of_reach(kind: DeliveryErrorKind) {
    let DeliveryErrorKind::Unreachable { source, .. } = kind else { panic!("{kind:?}") };
    assert!(source.to_string().contains("public internet"), "{source}");
    assert!(source.source().is_none());
}

// covers: auth-ssrf
#[tokio::test]
async fn no_connection_is_made_to_this_machine() {
    let server = Server::start(server::Received::echo).await;
    let port = server.address.port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let config = HttpConfig::new(format!("http://{host}:{port}/mcp")).reach(Reach::Public);
        is_out_of_reach(fail(&open(config.clone()).await).await.kind);
        // The older binding connects at once.
        let ConnectError::Failed(error) = config.http_sse().connect().await.unwrap_err() else {
            panic!("not a failed connection")
        };
        is_out_of_reach(error.kind);
    }
    assert_eq!(server.accepted(), 0);
    let config = HttpConfig::new(server.url()).reach(Reach::Anywhere);
    assert_eq!(call(&open(config).await, 1).await, json!({ "echo": { "n": 1 } }));
}

#[cfg(feature = "websocket")]
#[tokio::test]
async fn nor_over_other_bindings() {
    use crate::{socket::SocketConfig, websocket::WebSocketConfig};

    let server = Server::start(server::Received::echo).await;
    let port = server.address.port();
    let web_socket =
        WebSocketConfig::new(format!("ws://localhost:{port}/mcp")).reach(Reach::Public);
    let tcp = SocketConfig::tcp("127.0.0.1", port).reach(Reach::Public);
    for recipe in [&web_socket as &dyn Connect, &tcp] {
        let ConnectError::Failed(error) = recipe.connect().await.unwrap_err() else {
            panic!("not a failed connection")
        };
        is_out_of_reach(error.kind);
    }
    assert_eq!(server.accepted(), 0);
}
