//! For tests: an MCP server that wants authorization and its authorization server, in one.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use url::form_urlencoded;

/// A token request, or one to another endpoint that takes a form.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) form: HashMap<String, String>,
}

/// Status and JSON.
pub(super) type Answer = (u16, Value);
type Endpoint = dyn Fn(&Posted) -> Answer + Send + Sync;

/// Runs until it is dropped.
pub(super) struct TestServer {
    pub(super) origin: String,
    posted: Arc<Mutex<Vec<Posted>>>,
    _tasks: JoinSet<()>,
}

impl TestServer {
    /// `metadata` adds to what the authorization server says of itself; `endpoint` answers all
    /// forms.
    pub(super) async fn start(
        metadata: Value,
        endpoint: impl Fn(&Posted) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let posted = Arc::<Mutex<Vec<Posted>>>::default();
        let site = Arc::new(Site {
            origin: origin.clone(),
            metadata,
            endpoint: Box::new(endpoint),
            posted: Arc::clone(&posted),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let site = Arc::clone(&site);
                connections.spawn(async move { site.serve(stream).await });
            }
        });
        Self { origin, posted, _tasks: tasks }
    }

    /// The MCP server's URL.
    pub(super) fn url(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    /// All forms that were posted so far.
    pub(super) fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }
}

struct Site {
    origin: String,
    metadata: Value,
    endpoint: Box<Endpoint>,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Site {
    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut start = String::new();
            if stream.read_line(&mut start).await.unwrap_or(0) == 0 {
                return;
            }
            let path = start.split(' ').nth(1).unwrap().to_owned();
            let headers = headers(&mut stream).await;
            let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            let (status, body) = self.answer(path, headers, &body);
            let body = body.to_string();
            let mut answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
            if status == 401 {
                let prm = format!("{}/.well-known/oauth-protected-resource/mcp", self.origin);
                let challenge = format!("Bearer resource_metadata=\"{prm}\", scope=\"a b\"");
                write!(answer, "www-authenticate: {challenge}\r\n").unwrap();
            }
            write!(answer, "\r\n{body}").unwrap();
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn answer(&self, path: String, headers: HashMap<String, String>, body: &[u8]) -> Answer {
        let origin = &self.origin;
        match path.as_str() {
            "/mcp" => (401, json!({})),
            "/.well-known/oauth-protected-resource/mcp" => (
                200,
                json!({"resource": format!("{origin}/mcp"), "authorization_servers": [origin]}),
            ),
            "/.well-known/oauth-authorization-server" => {
                let mut metadata = json!({
                    "issuer": origin,
                    "token_endpoint": format!("{origin}/token"),
                    "device_authorization_endpoint": format!("{origin}/device"),
                });
                for (name, value) in self.metadata.as_object().unwrap() {
                    metadata[name] = value.clone();
                }
                (200, metadata)
            }
            path if path.starts_with("/.well-known/") => (404, json!({})),
            _ => {
                let form = form_urlencoded::parse(body).into_owned().collect();
                let posted = Posted { path, headers, form };
                self.posted.lock().unwrap().push(posted.clone());
                (self.endpoint)(&posted)
            }
        }
    }
}

async fn headers(stream: &mut BufReader<TcpStream>) -> HashMap<String, String> {
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { return headers };
        headers.insert(name.to_owned(), value.to_owned());
    }
}

/// A token response.
pub(super) fn tokens(access: &str) -> Answer {
    (200, json!({"access_token": access, "token_type": "Bearer", "expires_in": 3600}))
}

/// An error response.
pub(super) fn refusal(code: &str) -> Answer {
    (400, json!({"error": code}))
}
