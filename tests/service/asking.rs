//! A client that knows nothing of the service, and a service for it to ask.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use mcp_agent::service::{Service, ServiceOptions};
use mcp_client::config::{ServerConfig, TransportConfig};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

/// A service at a free port. It ends in order with [`Serving::end`].
pub(crate) struct Serving {
    pub(crate) address: String,
    pub(crate) service: Service,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A server that goes wrong in one way, by name.
pub(crate) fn misbehaving(name: &str, fault: &str) -> ServerConfig {
    let transport = TransportConfig::Stdio {
        command: env!("CARGO_BIN_EXE_misbehave").to_owned(),
        args: vec![fault.to_owned()],
        env: [].into(),
        cwd: None,
    };
    ServerConfig::new(name, transport)
}

impl Serving {
    pub(crate) async fn start(servers: Vec<ServerConfig>, options: ServiceOptions) -> Self {
        let service = Service::start(servers, options);
        service.hub().ready().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let served = service.clone();
        #[expect(clippy::disallowed_methods, reason = "awaited at the end")]
        let task = tokio::spawn(async move {
            let stopped = async move { drop(stopped.await) };
            served.serve(listener, stopped).await
        });
        Self { address, service, stop, task }
    }

    pub(crate) async fn end(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, "", Some(&body.to_string())).await
    }

    /// Reads `/mcp/events` until what was told is enough.
    pub(crate) async fn events(&self, headers: &str, enough: impl Fn(&str) -> bool) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let host = &self.address;
        // HTTP/1.0 has no chunks to take apart.
        let request = format!("GET /mcp/events HTTP/1.0\r\nhost: {host}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut told = String::new();
        let mut piece = vec![0; 64 << 10];
        while !enough(&told) {
            let read = stream.read(&mut piece).await.unwrap();
            assert_ne!(read, 0, "the stream ended: {told}");
            told.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        told.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
    }

    /// Sends requests behind each other on one connection, and reads all answers.
    pub(crate) async fn flood(
        &self,
        requests: impl Iterator<Item = (&'static str, String, String, String)>,
    ) {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (mut reading, mut writing) = stream.into_split();
        let mut all = Vec::new();
        for (method, path, headers, body) in requests {
            let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
            let (host, length) = (&self.address, body.len());
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}{kind}\
                 content-length: {length}\r\n\r\n{body}"
            );
            all.extend_from_slice(request.as_bytes());
        }
        let end =
            format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        all.extend_from_slice(end.as_bytes());
        let mut answers = Vec::new();
        let (sent, read) = tokio::join!(writing.write_all(&all), reading.read_to_end(&mut answers));
        sent.unwrap();
        read.unwrap();
        assert!(answers.ends_with(b"ok\n"), "not all was answered");
    }

    /// `headers` are whole lines.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&str>,
    ) -> Answer {
        ask(&self.address, method, path, headers, body).await
    }
}

/// Asks whoever listens there.
pub(crate) async fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&str>,
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let host = if headers.to_ascii_lowercase().contains("host:") {
        String::new()
    } else {
        format!("host: {address}\r\n")
    };
    let body = body.unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}{headers}{kind}content-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { joined(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

/// Joins the chunks of a body.
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        body.push_str(&rest[..size]);
        chunks = &rest[(size + 2).min(rest.len())..];
    }
    body
}
