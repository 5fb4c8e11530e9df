//! An HTTP server that answers as a closure says: for statuses, headers and refusals that no real
//! server produces on demand.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A request as it arrived at an [`HttpScript`].
#[derive(Clone, Debug)]
pub struct Posted {
    /// The JSON-RPC message; `null` for requests without one.
    pub message: Value,
    /// By lower-case names.
    pub headers: BTreeMap<String, String>,
}

impl Posted {
    /// The JSON-RPC method, empty if there is none.
    pub fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }
}

/// An HTTP server that answers every request with a status and JSON, as a closure says. It ends with
/// the value.
///
/// ```
/// use mcp_client::{Client, testing::HttpScript};
/// use serde_json::Value;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = HttpScript::start(|posted| match posted.method() {
///     "server/discover" => (503, Value::Null),
///     _ => (500, Value::Null),
/// })
/// .await?;
/// assert!(Client::http(server.url()).connect().await.is_err());
/// assert_eq!(server.posted("server/discover").len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct HttpScript {
    url: String,
    seen: Arc<Mutex<Vec<Posted>>>,
    _tasks: JoinSet<()>,
}

type Script = dyn FnMut(&Posted) -> (u16, Value) + Send;

impl HttpScript {
    /// A server that answers every request with this status and, unless it is `null`, this JSON.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(
        script: impl FnMut(&Posted) -> (u16, Value) + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(script));
        let record = Arc::clone(&seen);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&record));
                connections.spawn(async move {
                    // The client may hang up whenever it likes.
                    let _ = serve(stream, &script, &seen).await;
                });
            }
        });
        Ok(Self { url, seen, _tasks: tasks })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All requests with this JSON-RPC method, in order.
    pub fn posted(&self, method: &str) -> Vec<Posted> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|posted| posted.method() == method).cloned().collect()
    }
}

async fn serve(
    stream: TcpStream,
    script: &Mutex<Script>,
    seen: &Mutex<Vec<Posted>>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        stream.read_exact(&mut body).await?;
        let message = serde_json::from_slice(&body).unwrap_or_default();
        let posted = Posted { message, headers };
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(posted.clone());
        let (status, answer) = {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            script(&posted)
        };
        let body = if answer.is_null() { String::new() } else { answer.to_string() };
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
    }
}
