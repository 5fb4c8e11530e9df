//! How the service ends.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use mcp_agent::service::{Service, ServiceOptions};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use crate::asking::misbehaving;

/// A request that keeps its connection.
fn request(method: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut told, mut piece) = (String::new(), [0; 4096]);
    while !told.contains(end) {
        let read = stream.read(&mut piece).await.unwrap();
        assert_ne!(read, 0, "the connection ended: {told}");
        told.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    told
}

#[tokio::test]
async fn what_is_under_way_ends_and_nothing_new_begins() {
    let service = Service::start(vec![misbehaving("one", "ok")], ServiceOptions::new());
    service.hub().ready().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    let served = service.clone();
    tasks.spawn(async move {
        served.serve(listener, async move { drop(stopped.await) }).await.unwrap();
    });
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(request("GET", "/readyz", "").as_bytes()).await.unwrap();
    assert!(read_until(&mut idle, "}").await.starts_with("HTTP/1.1 200"));
    let mut calling = TcpStream::connect(address).await.unwrap();
    let body = json!({"server_name": "one", "tool_name": "slow", "arguments": {"ms": 300}});
    let call = request("POST", "/mcp/tools/call", &body.to_string());
    calling.write_all(call.as_bytes()).await.unwrap();
    let mut watching = TcpStream::connect(address).await.unwrap();
    watching.write_all(request("GET", "/mcp/events", "").as_bytes()).await.unwrap();
    read_until(&mut watching, "started").await;
    stop.send(()).unwrap();
    // Who watches is told that it is over.
    read_until(&mut watching, "0\r\n\r\n").await;
    // Who comes on a connection that is there still hears that this is no place to come to.
    idle.write_all(request("GET", "/readyz", "").as_bytes()).await.unwrap();
    let answer = read_until(&mut idle, "}").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    let answer = read_until(&mut calling, "}").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("ok"), "{answer}");
    tasks.join_next().await.unwrap().unwrap();
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn whoever_does_not_want_to_wait_need_not() {
    let service = Service::start(vec![misbehaving("one", "no-answer")], ServiceOptions::new());
    service.hub().ready().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (hasten, hastened) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    let served = service.clone();
    tasks.spawn(async move {
        let (stop, hasten) = (async { drop(stopped.await) }, async { drop(hastened.await) });
        served.serve_until(listener, stop, hasten).await.unwrap();
    });
    let mut calling = TcpStream::connect(address).await.unwrap();
    let body = json!({"server_name": "one", "tool_name": "good"}).to_string();
    calling.write_all(request("POST", "/mcp/tools/call", &body).as_bytes()).await.unwrap();
    let mut watching = TcpStream::connect(address).await.unwrap();
    watching.write_all(request("GET", "/mcp/events", "").as_bytes()).await.unwrap();
    read_until(&mut watching, "started").await;
    stop.send(()).unwrap();
    read_until(&mut watching, "0\r\n\r\n").await;
    // The call would go on for ever.
    hasten.send(()).unwrap();
    tasks.join_next().await.unwrap().unwrap();
}
