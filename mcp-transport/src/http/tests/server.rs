//! A small HTTP server whose every byte a test decides.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::BoxFuture;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn rpc_method(&self) -> String {
        self.json()["method"].as_str().unwrap_or_default().to_owned()
    }

    /// A response to this request.
    pub(super) fn result(&self, result: &Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": self.json()["id"], "result": result })
    }

    /// The usual answer.
    pub(super) fn echo(&self) -> Reply {
        Reply::json(&self.result(&json!({ "echo": self.json()["params"] })))
    }
}

/// What the server does in answer, step by step.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<u8>),
    Wait(Duration),
    Hang,
    Close,
}

impl Reply {
    /// Raw bytes.
    pub(super) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::default().write(bytes)
    }

    /// A status, headers and a body with its length.
    pub(super) fn new(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        Self::raw([head.as_bytes(), body].concat())
    }

    /// Only a status.
    pub(super) fn status(status: &str) -> Self {
        Self::new(status, &[], "")
    }

    /// One message.
    pub(super) fn json(message: &Value) -> Self {
        Self::new("200 OK", &[("content-type", "application/json")], message.to_string())
    }

    /// The head of an event stream.
    pub(super) fn events() -> Self {
        Self::raw(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
             transfer-encoding: chunked\r\n\r\n",
        )
    }

    /// What another reply does.
    pub(super) fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Bytes as they are.
    pub(super) fn write(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.push(Step::Write(bytes.into()));
        self
    }

    /// A chunk of a chunked body.
    pub(super) fn chunk(self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        let head = format!("{:x}\r\n", text.len());
        self.write([head.as_bytes(), text, b"\r\n"].concat())
    }

    /// A message as an event.
    pub(super) fn event(self, message: &Value) -> Self {
        self.chunk(format!("data: {message}\n\n"))
    }

    /// The end of a chunked body.
    pub(super) fn end(self) -> Self {
        self.write("0\r\n\r\n")
    }

    pub(super) fn wait(mut self, time: Duration) -> Self {
        self.0.push(Step::Wait(time));
        self
    }

    /// Nothing more, but the connection stays.
    pub(super) fn hang(mut self) -> Self {
        self.0.push(Step::Hang);
        self
    }

    pub(super) fn close(mut self) -> Self {
        self.0.push(Step::Close);
        self
    }
}

/// A running server. It ends with the value.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    tasks: JoinSet<()>,
}

pub(super) type Handler = dyn Fn(&Received) -> Reply + Send + Sync;

struct State {
    handler: Box<Handler>,
    accepted: AtomicUsize,
    closed: AtomicUsize,
    received: Mutex<Vec<Received>>,
    /// Connections whose other side went away while an answer was under way.
    abandoned: AtomicUsize,
}

impl Server {
    pub(super) async fn start(
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_over(handler, |stream| Box::pin(async { Ok(stream) })).await
    }

    /// A server whose connections are wrapped, for TLS.
    pub(super) async fn start_over<W, S>(
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
        wrap: W,
    ) -> Self
    where
        W: Fn(TcpStream) -> BoxFuture<'static, io::Result<S>> + Clone + Send + Sync + 'static,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            handler: Box::new(handler),
            accepted: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            received: Mutex::default(),
            abandoned: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        let accepting = Arc::clone(&state);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                accepting.accepted.fetch_add(1, Ordering::SeqCst);
                let (state, wrap) = (Arc::clone(&accepting), wrap.clone());
                connections.spawn(async move {
                    if let Ok(stream) = wrap(stream).await {
                        // The client may go away at any moment.
                        let _ = serve(stream, &state).await;
                    }
                    state.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, state, tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// How many connections were made.
    pub(super) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.accepted() - self.state.closed.load(Ordering::SeqCst)
    }

    pub(super) fn abandoned(&self) -> usize {
        self.state.abandoned.load(Ordering::SeqCst)
    }

    /// Everything that arrived so far.
    pub(super) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// Waits until something that arrived fits.
    pub(super) async fn until(&self, fits: impl Fn(&Received) -> bool) -> Received {
        for _ in 0..500 {
            if let Some(found) = self.received().into_iter().find(&fits) {
                return found;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not arrive; this did: {:#?}", self.received());
    }

    pub(super) async fn until_abandoned(&self, count: usize) {
        for _ in 0..500 {
            if self.abandoned() >= count {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{} connections abandoned, not {count}", self.abandoned());
    }

    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn serve<S>(stream: S, state: &State) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await? {
        state.received.lock().unwrap().push(request.clone());
        for step in (state.handler)(&request).0 {
            match step {
                Step::Write(bytes) => {
                    if let Err(error) = stream.write_all(&bytes).await {
                        state.abandoned.fetch_add(1, Ordering::SeqCst);
                        return Err(error);
                    }
                    stream.flush().await?;
                }
                Step::Wait(time) => sleep(time).await,
                Step::Hang => {
                    let gone = stream.read_u8().await.is_err();
                    state.abandoned.fetch_add(usize::from(gone), Ordering::SeqCst);
                    return Ok(());
                }
                Step::Close => {
                    stream.shutdown().await?;
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

async fn read_request<S>(stream: &mut BufReader<S>) -> io::Result<Option<Received>>
where
    S: AsyncRead + Unpin,
{
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut received = Received { method, target, headers, body: Vec::new() };
    let length = received.header("content-length").map_or(0, |length| length.parse().unwrap());
    received.body.resize(length, 0);
    stream.read_exact(&mut received.body).await?;
    Ok(Some(received))
}
