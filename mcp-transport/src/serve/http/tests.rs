use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use mcp_protocol::{
    error_code,
    jsonrpc::{self, ErrorObject, Message, NotificationMessage, Request, Response},
    raw::RawJson,
    version::{Era, ProtocolVersion},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};

use super::{HttpServeConfig, http};
use crate::{
    BoxFuture, Connect, DeliveryError, OutgoingMessage, OutgoingRequest, Transport,
    error::DeliveryErrorKind,
    http::HttpConfig,
    serve::{Peer, Service},
    transport::Mirrored,
};

/// A service whose methods are what the tests need.
struct Desk {
    /// Has a permit for every call of `wait` and `late` that has begun.
    begun: Semaphore,
    /// And for every one that was dropped.
    dropped: Arc<Semaphore>,
    /// `late` answers when it gets one.
    release: Semaphore,
    peer: Mutex<Option<Peer>>,
}

struct Dropped(Arc<Semaphore>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

impl Service for Desk {
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(async move {
            let params: Value = serde_json::from_slice(&request.params).unwrap();
            let note = async |n: i64| {
                peer.notify("notifications/progress", &json!({ "n": n })).await.unwrap();
            };
            match &*request.method {
                "initialize" | "tools/call" => Ok(json!({ "echo": params["name"] }).into()),
                "note" => {
                    note(1).await;
                    note(2).await;
                    Ok(json!("noted").into())
                }
                "wait" => {
                    let _dropped = Dropped(Arc::clone(&self.dropped));
                    self.begun.add_permits(1);
                    std::future::pending().await
                }
                "late" => {
                    note(1).await;
                    self.begun.add_permits(1);
                    self.release.acquire().await.unwrap().forget();
                    Ok(json!("late").into())
                }
                "panic" => panic!("on purpose"),
                other => Err(ErrorObject::new(error_code::METHOD_NOT_FOUND, other)),
            }
        })
    }

    fn notification(&self, _: NotificationMessage, peer: &Peer) {
        *self.peer.lock().unwrap() = Some(peer.clone());
    }
}

struct Running {
    address: SocketAddr,
    desk: Arc<Desk>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

async fn serve(config: HttpServeConfig) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let desk = Arc::new(Desk {
        begun: Semaphore::new(0),
        dropped: Arc::new(Semaphore::new(0)),
        release: Semaphore::new(0),
        peer: Mutex::new(None),
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let service = Arc::clone(&desk);
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    let task = tokio::spawn(http(listener, service, config, async {
        let _ = stopped.await;
    }));
    Running { address, desk, stop, task }
}

impl Running {
    async fn client(&self) -> Arc<dyn Transport> {
        HttpConfig::new(format!("http://{}/mcp", self.address)).connect().await.unwrap()
    }

    /// A client after its legacy handshake.
    async fn legacy_client(&self) -> Arc<dyn Transport> {
        let client = self.client().await;
        run(&client, legacy(0, "initialize")).await.1.unwrap();
        let message = OutgoingMessage {
            method: Some("notifications/initialized".into()),
            body: jsonrpc::encode_notification("notifications/initialized", &(), None).unwrap(),
            era: Era::Legacy,
            protocol_version: Some(ProtocolVersion::V2025_11_25),
        };
        client.send(message).await.unwrap();
        client
    }

    /// Sends a request as it stands and gives the connection.
    async fn begin(&self, line: &str, headers: &[&str], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!("{line} HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
        for header in headers {
            head.extend([header, "\r\n"]);
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        stream
    }

    /// A whole answer: its status line, headers and body.
    async fn raw(&self, line: &str, headers: &[&str], body: &str) -> String {
        let headers = [headers, &["connection: close"]].concat();
        let mut answer = String::new();
        self.begin(line, &headers, body).await.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// Reads until the text has come.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut found = String::new();
    let mut buffer = [0; 1024];
    while !found.contains(text) {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "`{text}` did not come: {found}");
        found.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    found
}

async fn take(permits: &Semaphore) {
    permits.acquire().await.unwrap().forget();
}

fn modern(id: i64, method: &'static str) -> OutgoingRequest {
    let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    OutgoingRequest {
        id: id.into(),
        method: method.into(),
        body: jsonrpc::encode_request(&id.into(), method, &json!({ "name": "ü" }), Some(meta))
            .unwrap(),
        era: Era::Modern,
        protocol_version: Some(ProtocolVersion::V2026_07_28),
        mirrored: Mirrored { name: Some("=?base64?w7w=?=".to_owned()), params: Vec::new() },
    }
}

fn legacy(id: i64, method: &'static str) -> OutgoingRequest {
    OutgoingRequest {
        body: jsonrpc::encode_request(&id.into(), method, &json!({}), None).unwrap(),
        era: Era::Legacy,
        protocol_version: (method != "initialize").then_some(ProtocolVersion::V2025_11_25),
        ..modern(id, method)
    }
}

/// How many messages came before the response, and the response.
async fn run(
    transport: &Arc<dyn Transport>,
    request: OutgoingRequest,
) -> (usize, Result<Response, DeliveryError>) {
    let mut exchange = transport.exchange(request);
    let mut before = 0;
    loop {
        match exchange.next().await.expect("the response comes last") {
            Ok(Message::Response(response)) => return (before, Ok(response)),
            Ok(_) => before += 1,
            Err(error) => return (before, Err(error)),
        }
    }
}

// covers: serve-discover
#[tokio::test]
async fn both_lifecycles_on_one_address() {
    let server = serve(HttpServeConfig::new()).await;
    let (modern_client, legacy_client) = (server.client().await, server.legacy_client().await);
    for (client, make) in [
        (&modern_client, modern as fn(i64, &'static str) -> OutgoingRequest),
        (&legacy_client, legacy),
    ] {
        assert!(run(client, make(1, "tools/call")).await.1.unwrap().outcome.is_ok());
        let (before, response) = run(client, make(2, "note")).await;
        assert_eq!(before, 2);
        assert_eq!(response.unwrap().outcome.unwrap(), "\"noted\"");
        let panicked = run(client, make(3, "panic")).await.1.unwrap().outcome.unwrap_err();
        assert_eq!(panicked.code, error_code::INTERNAL_ERROR);
    }
    let error = run(&modern_client, modern(4, "none")).await.1.unwrap_err();
    let DeliveryErrorKind::Http(failure) = error.kind else { panic!("{error:?}") };
    assert_eq!(failure.status, 404);
    let code = failure.response.unwrap().outcome.unwrap_err().code;
    assert_eq!(code, error_code::METHOD_NOT_FOUND);
    let unknown = run(&legacy_client, legacy(4, "none")).await.1.unwrap();
    assert_eq!(unknown.outcome.unwrap_err().code, error_code::METHOD_NOT_FOUND);
}

// covers: serve-cancel
#[tokio::test]
async fn a_modern_client_that_goes_away_cancels() {
    let server = serve(HttpServeConfig::new()).await;
    let client = server.client().await;
    let mut exchange = client.exchange(modern(1, "wait"));
    tokio::select! {
        _ = exchange.next() => panic!("it does not answer"),
        () = take(&server.desk.begun) => {}
    }
    drop(exchange);
    take(&server.desk.dropped).await;
}

// covers: serve-cancel
#[tokio::test]
async fn a_legacy_request_is_cancelled_in_words() {
    let server = serve(HttpServeConfig::new()).await;
    let client = server.legacy_client().await;
    let mut exchange = client.exchange(legacy(1, "wait"));
    tokio::select! {
        _ = exchange.next() => panic!("it does not answer"),
        () = take(&server.desk.begun) => {}
    }
    drop(exchange);
    take(&server.desk.dropped).await;
}

#[tokio::test]
async fn unasked_messages_come_on_the_stream_of_the_session() {
    let server = serve(HttpServeConfig::new()).await;
    let client = server.legacy_client().await;
    let mut unsolicited = client.unsolicited().unwrap();
    unsolicited.ready().await;
    let peer = server.desk.peer.lock().unwrap().clone().unwrap();
    peer.notify("notifications/tools/list_changed", &()).await.unwrap();
    let Some(Message::Notification(found)) = unsolicited.next().await else { panic!() };
    assert_eq!(&*found.method, "notifications/tools/list_changed");
    client.close().await;
    // The session is over, and with it whoever speaks in it.
    assert!(unsolicited.next().await.is_none());
}

const HOST: &str = "host: localhost";
const JSON: &str = "content-type: application/json";
const SESSION_VERSION: &str = "mcp-protocol-version: 2025-11-25";

async fn open_session(server: &Running) -> String {
    let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
    let answer = server.raw("POST /mcp", &[HOST, JSON], body).await;
    let (_, rest) = answer.split_once("mcp-session-id: ").expect("a session");
    let id = rest.split_once("\r\n").unwrap().0;
    assert!(id.bytes().all(|byte| byte.is_ascii_graphic()) && id.len() >= 32, "{id}");
    format!("mcp-session-id: {id}")
}

// covers: serve-resume
#[tokio::test]
async fn a_legacy_stream_goes_on_after_a_break() {
    let server = serve(HttpServeConfig::new()).await;
    let session = open_session(&server).await;
    let headers = [HOST, JSON, SESSION_VERSION, session.as_str()];
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"late"}"#;
    let mut stream = server.begin("POST /mcp", &headers, body).await;
    // The head of the stream goes out with the first message.
    let text = read_until(&mut stream, "notifications/progress").await;
    assert!(text.contains("id: 2-0\ndata:\n\n"), "{text}");
    assert!(text.contains("id: 2-1\ndata: {"), "{text}");
    take(&server.desk.begun).await;
    drop(stream);
    server.desk.release.add_permits(1);
    let resume = [HOST, SESSION_VERSION, session.as_str(), "last-event-id: 2-1"];
    let rest = server.raw("GET /mcp", &resume, "").await;
    assert!(rest.contains("id: 2-2\ndata: {") && rest.contains("\"late\""), "{rest}");
    assert!(!rest.contains("progress"), "{rest}");
    let unknown = [HOST, session.as_str(), "last-event-id: 9-1"];
    assert!(server.raw("GET /mcp", &unknown, "").await.starts_with("HTTP/1.1 400"));
    let delete = [HOST, session.as_str()];
    assert!(server.raw("DELETE /mcp", &delete, "").await.starts_with("HTTP/1.1 204"));
    assert!(server.raw("DELETE /mcp", &delete, "").await.starts_with("HTTP/1.1 404"));
    assert!(server.raw("POST /mcp", &headers, body).await.starts_with("HTTP/1.1 404"));
}

// covers: serve-batches
#[tokio::test]
async fn a_batch_is_answered_on_one_stream() {
    let server = serve(HttpServeConfig::new()).await;
    let session = open_session(&server).await;
    let body =
        r#"[{"id":1,"method":"note"},{"method":"notifications/x"},{"id":2,"method":"none"}]"#;
    let headers = [HOST, JSON, "mcp-protocol-version: 2025-03-26", session.as_str()];
    let answer = server.raw("POST /mcp", &headers, body).await;
    assert!(answer.contains("\"noted\"") && answer.contains("-32601"), "{answer}");
    assert!(!answer.contains("data:\n"), "{answer}");
    let unasked = server.raw("POST /mcp", &headers, r#"{"method":"notifications/x"}"#).await;
    assert!(unasked.starts_with("HTTP/1.1 202"), "{unasked}");
}

// covers: serve-origin
#[tokio::test]
async fn what_cannot_be_answered_is_refused() {
    let server = serve(HttpServeConfig::new().max_body_bytes(1000)).await;
    let good = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
    let long = format!("{:1$}", good, 2000);
    let accepts_json = "accept: application/json";
    for (line, headers, body, status, words) in [
        ("POST /other", &[HOST, JSON][..], good, 404, ""),
        ("PUT /mcp", &[HOST, JSON], good, 405, "allow: DELETE, GET, POST"),
        ("POST /mcp", &[HOST], good, 415, ""),
        ("POST /mcp", &[HOST, JSON, accepts_json], good, 406, ""),
        ("POST /mcp", &[HOST, JSON], &long, 413, ""),
        ("POST /mcp", &[HOST, JSON], "{", 400, "-32700"),
        ("POST /mcp", &[HOST, JSON], "{}", 400, "-32600"),
        ("POST /mcp", &[HOST, JSON], good, 400, "-32602"),
        ("POST /mcp", &[HOST, JSON, "mcp-session-id: x"], good, 404, ""),
        ("GET /mcp", &[HOST], "", 400, ""),
        ("POST /mcp", &["host: evil.example", JSON], good, 403, ""),
        ("POST /mcp", &[HOST, JSON, "origin: http://evil.example"], good, 403, ""),
        ("POST /mcp", &[HOST, JSON, "origin: http://localhost:9"], good, 400, ""),
        ("GET /mcp", &[HOST, "mcp-protocol-version: 2026-07-28"], "", 405, "allow: POST"),
        ("DELETE /mcp", &[HOST, "mcp-protocol-version: 2026-07-28"], "", 405, "allow: POST"),
    ] {
        let answer = server.raw(line, headers, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {headers:?}: {answer}");
        assert!(answer.contains(words), "{line} {headers:?}: {answer}");
    }
}

// covers: serve-validates
#[tokio::test]
async fn headers_must_repeat_the_body() {
    let server = serve(HttpServeConfig::new()).await;
    let meta = |version: &str| {
        json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        })
    };
    let body = |meta: Value| {
        let params = json!({ "name": "a", "_meta": meta });
        json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params }).to_string()
    };
    let whole = body(meta("2026-07-28"));
    let (version, method) = ("MCP-Protocol-Version: 2026-07-28", "mcp-method: tools/call");
    let incapable = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    for (headers, body, status, code) in [
        (&[version, method, "mcp-name: a"][..], &whole, 200, None),
        (&[version, method, "mcp-name:   a  "], &whole, 200, None),
        (&[version, method, "mcp-name: =?base64?YQ==?="], &whole, 200, None),
        (&[version, method, "mcp-name: =?base64?!?="], &whole, 400, Some(-32020)),
        (&[version, method, "mcp-name: A"], &whole, 400, Some(-32020)),
        (&[version, method], &whole, 400, Some(-32020)),
        (&[version, "mcp-method: Tools/Call", "mcp-name: a"], &whole, 400, Some(-32020)),
        (&[version, "mcp-name: a"], &whole, 400, Some(-32020)),
        (&[method, "mcp-name: a"], &whole, 400, Some(-32020)),
        (&["mcp-protocol-version: 2027-01-01", method], &whole, 400, Some(-32020)),
        (&[version, version, method, "mcp-name: a"], &whole, 400, Some(-32020)),
        (&[version, method, "mcp-name: a"], &body(json!({})), 400, Some(-32602)),
        (&[version, method, "mcp-name: a"], &body(incapable), 400, Some(-32602)),
    ] {
        let answer = server.raw("POST /mcp", &[&[HOST, JSON], headers].concat(), body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers:?}: {answer}");
        let message: Value =
            serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(message["error"]["code"].as_i64(), code, "{headers:?}: {answer}");
        assert_eq!(message["id"], 5);
    }
}

#[tokio::test]
async fn a_server_that_stops_lets_answers_out() {
    let server = serve(HttpServeConfig::new().shutdown_grace(Duration::from_secs(60))).await;
    let client = server.client().await;
    let stop = async {
        take(&server.desk.begun).await;
        server.stop.send(()).unwrap();
        server.desk.release.add_permits(1);
    };
    let ((_, response), ()) = tokio::join!(run(&client, modern(1, "late")), stop);
    response.unwrap().outcome.unwrap();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_stops_ends_what_does_not_end() {
    let server = serve(HttpServeConfig::new().shutdown_grace(Duration::ZERO)).await;
    let client = server.client().await;
    let stop = async {
        take(&server.desk.begun).await;
        server.stop.send(()).unwrap();
        take(&server.desk.dropped).await;
    };
    let ((_, response), ()) = tokio::join!(run(&client, modern(1, "wait")), stop);
    response.unwrap_err();
    server.task.await.unwrap().unwrap();
}
