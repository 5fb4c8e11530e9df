//! Proxies, for plain requests and for tunnels.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{secure::Authority, *};
use crate::{
    error::{DeliveryErrorKind, Sent},
    http::Proxy,
};

#[tokio::test]
async fn plain_requests_name_the_whole_url() {
    let proxy = Server::start(server::Received::echo).await;
    let config = HttpConfig::new("http://server.invalid:8080/mcp")
        .proxy(Proxy::Url(format!("http://me:secret@{}", proxy.address)));
    let transport = open(config).await;
    for id in 0..3 {
        call(&transport, id).await;
    }
    let request = proxy.received().pop().unwrap();
    assert_eq!(request.target, "http://server.invalid:8080/mcp");
    assert_eq!(request.header("host"), Some("server.invalid:8080"));
    assert_eq!(request.header("proxy-authorization"), Some("Basic bWU6c2VjcmV0"));
    assert_eq!(proxy.accepted(), 1);
}

/// Accepts `CONNECT` and leads everything to `target`. What was asked of it can be waited for.
pub(super) async fn tunnel_to(
    target: std::net::SocketAddr,
) -> (std::net::SocketAddr, tokio::sync::mpsc::Receiver<String>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, asked) = tokio::sync::mpsc::channel(8);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            sender.send(String::from_utf8(head).unwrap()).await.unwrap();
            client.write_all(b"HTTP/1.1 200 Connected\r\nvia: test\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(target).await.unwrap();
            // Either side may hang up.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    });
    (address, asked, tasks)
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let authority = Authority::new("a");
    let server = authority.server("server.invalid", server::Received::echo).await;
    let (proxy, mut asked, _tasks) = tunnel_to(server.address).await;
    let config = HttpConfig::new("https://server.invalid/mcp")
        .bearer("secret")
        .tls(authority.trusted())
        .proxy(Proxy::Url(format!("me:pass@{proxy}")));
    call(&open(config).await, 1).await;
    let head = asked.recv().await.unwrap();
    assert!(head.starts_with("CONNECT server.invalid:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic bWU6cGFzcw=="), "{head}");
    assert!(!head.contains("secret"));
    let request = server.received().pop().unwrap();
    assert_eq!(request.target, "/mcp");
    assert_eq!(request.header("proxy-authorization"), None);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_quoted() {
    let proxy = Server::start(|_| Reply::status("407 Proxy Authentication Required").close()).await;
    let config = HttpConfig::new("https://server.invalid/mcp")
        .proxy(Proxy::Url(format!("http://me:hidden@{}", proxy.address)));
    let error = fail(&open(config).await).await;
    assert_eq!(error.sent, Sent::No);
    let DeliveryErrorKind::Unreachable { address, source } = error.kind else {
        panic!("{error:?}")
    };
    assert_eq!(address, "server.invalid:443");
    let source = source.to_string();
    assert!(source.contains("407 Proxy Authentication Required"), "{source}");
    assert!(!source.contains("hidden"), "{source}");
}
