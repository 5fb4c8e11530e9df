//! Replicas of `mcp serve`: under load, where one is killed; without Redis; and with the servers that
//! are added at one of them.

use std::{
    collections::BTreeMap,
    env,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::Notify,
    task::JoinSet,
    time::Instant,
};

use super::daemon::{Postgres, Redis};

const TOKEN: &str = "a token of sixteen or more";
/// How many calls of `clock` all replicas allow together.
const ALLOWED: u32 = 60;
/// What one replica leases at once.
const LEASE: u32 = ALLOWED / 10;
const REPLICAS: usize = 3;
const CLIENTS: usize = 6;
const ROUNDS: usize = 40;

/// `mcp serve`, with the variables of one group.
pub(crate) struct Replica {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Replica {
    async fn start(redis: &Redis, postgres: Option<&Postgres>) -> Self {
        Self::start_with(redis, postgres, &[]).await
    }

    async fn start_with(redis: &Redis, postgres: Option<&Postgres>, more: &[&str]) -> Self {
        let mcp = super::folder("MCP_BIN");
        let demo = json!({"command": mcp.to_str().unwrap(), "args": ["demo-server"]});
        let rate = format!("demo.clock={ALLOWED}/h:{ALLOWED}");
        let limits = ["--rate", &rate, "--rate-wait", "0", "--retries", "0"];
        let more = [&["--no-model", "--no-pins"], &limits[..], more].concat();
        Self::of(&json!({ "demo": demo }), redis, postgres, &more).await
    }

    /// With these servers in its configuration.
    pub(crate) async fn of(
        servers: &Value,
        redis: &Redis,
        postgres: Option<&Postgres>,
        more: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mcp = super::folder("MCP_BIN");
        let servers = json!({ "mcpServers": servers });
        let config = folder.path().join("servers.json");
        std::fs::write(&config, servers.to_string()).unwrap();
        let mut process = Command::new(mcp);
        process
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["-o", "json", "--config"])
            .arg(&config)
            .args(["--token-env", "TOKEN", "--session-key", "env:KEY", "--redis", "env:REDIS"])
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            // Where its demo server has its notes.
            .env("TMPDIR", folder.path())
            .env("TOKEN", TOKEN)
            .env("KEY", "the-secret-of-all-replicas")
            .env("REDIS", redis.url())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(postgres) = postgres {
            process.args(["--postgres", "env:POSTGRES", "--store-key", "env:KEY"]);
            process.env("POSTGRES", postgres.url());
        }
        let mut process = process.args(more).spawn().unwrap();
        let mut told = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut told).await.unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        let address = told["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let replica = Self { process, address, _folder: folder };
        replica.is_ready().await;
        replica
    }

    /// Waits until its server has started.
    async fn is_ready(&self) {
        let all = async {
            while ask(&self.address, "GET", "/readyz", &[], "").await.unwrap().status != 200 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    }

    /// By SIGKILL.
    pub(crate) async fn end(mut self) {
        self.process.kill().await.unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    body: String,
}

/// One request on a connection of its own; `None` when it broke off before the whole answer.
async fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\
         connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = match headers.get("content-length") {
        None if status == 204 => String::new(),
        Some(length) => (body.len() == length.parse::<usize>().ok()?).then(|| body.to_owned())?,
        None => joined(body)?,
    };
    Some(Answer { status, headers, body })
}

/// The chunks of a body; `None` when the last one is missing.
fn joined(mut chunks: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..size)?);
        chunks = rest.get(size + 2..)?;
    }
}

/// A client that goes round a plain list of replicas, and on to the next when one breaks off.
struct Client {
    list: Arc<[String]>,
    next: usize,
    /// Of a client of the earlier revisions.
    session: Option<String>,
}

impl Client {
    async fn start(list: Arc<[String]>, number: usize) -> Self {
        let mut client = Self { list, next: number, session: None };
        if number.is_multiple_of(2) {
            let opened = client
                .post(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                    "protocolVersion": "2025-11-25",
                    "clientInfo": {"name": "load", "version": "1"},
                    "capabilities": {},
                }}))
                .await;
            client.session = Some(opened.headers["mcp-session-id"].clone());
            let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            assert_eq!(client.post(initialized).await.status, 202);
        }
        client
    }

    async fn post(&mut self, mut body: Value) -> Answer {
        let mut headers = vec![("accept", "application/json, text/event-stream")];
        let method = body["method"].as_str().unwrap().to_owned();
        let name = body["params"]["name"].as_str().unwrap_or_default().to_owned();
        if let Some(session) = &self.session {
            headers.push(("mcp-session-id", session));
            headers.push(("mcp-protocol-version", "2025-11-25"));
        } else if method != "initialize" {
            body["params"]["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            headers.push(("mcp-protocol-version", "2026-07-28"));
            headers.extend([("mcp-method", method.as_str()), ("mcp-name", name.as_str())]);
        }
        let body = body.to_string();
        for _ in 0..self.list.len() {
            let address = &self.list[self.next % self.list.len()];
            self.next += 1;
            if let Some(answer) = ask(address, "POST", "/mcp", &headers, &body).await {
                return answer;
            }
        }
        panic!("no replica answers {body}");
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let answer = self.post(call).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(body["result"].is_object(), "{body}");
        body["result"].clone()
    }
}

/// What all clients did together.
#[derive(Default)]
struct Tally {
    calculated: AtomicU32,
    clocks: AtomicU32,
    refused: AtomicU32,
    /// Told when enough is going on.
    busy: Notify,
}

async fn load(mut client: Client, tally: Arc<Tally>) {
    for round in 0..ROUNDS {
        let sum = json!({"expression": format!("{round}+1")});
        let result = client.call("calculator", sum).await;
        assert_eq!(result["content"][0]["text"], (round + 1).to_string(), "{result}");
        if tally.calculated.fetch_add(1, Ordering::Relaxed) == 60 {
            tally.busy.notify_one();
        }
        let result = client.call("clock", json!({})).await;
        if result["isError"] == true {
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("may be called again in"), "{text}");
            tally.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.clocks.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_replicas_is_killed_and_no_call_fails() {
    let (redis, postgres) = (Redis::start().await, Postgres::start().await);
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Replica::start(&redis, Some(&postgres)).await);
    }
    let ready = ask(&replicas[0].address, "GET", "/readyz", &[], "").await.unwrap();
    assert!(ready.body.contains(r#""postgres":"here","redis":"here""#), "{ready:?}");

    let list: Arc<[String]> = replicas.iter().map(|replica| replica.address.clone()).collect();
    let (tally, started) = (Arc::new(Tally::default()), Instant::now());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (list, tally) = (Arc::clone(&list), Arc::clone(&tally));
        clients.spawn(async move { load(Client::start(list, number).await, tally).await });
    }
    tally.busy.notified().await;
    // SIGKILL: no good-byes.
    replicas.remove(1).end().await;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }

    let count = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
    let (clocks, refused) = (count(&tally.clocks), count(&tally.refused));
    println!("{} calculated, {clocks} clocks, {refused} refused", count(&tally.calculated));
    let all = u32::try_from(CLIENTS * ROUNDS).unwrap();
    assert_eq!((count(&tally.calculated), clocks + refused), (all, all));
    // One more a minute.
    let minutes = u32::try_from(started.elapsed().as_secs() / 60).unwrap();
    assert!(clocks <= ALLOWED + minutes + 1, "{clocks} in {minutes} minutes");
    // What the killed one had leased is gone, and so are answers on their way; what the others have
    // leased and not used is theirs.
    let unused = LEASE * 3 + u32::try_from(CLIENTS).unwrap();
    assert!(clocks >= ALLOWED - unused, "{clocks}");
    for replica in replicas {
        replica.end().await;
    }
    redis.stop().await;
    postgres.stop().await;
}

impl Replica {
    pub(crate) async fn rest(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.answer(method, path, body).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
    }

    /// The same with its headers.
    pub(crate) async fn answer(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        ask(&self.address, method, path, &[], &body).await.unwrap()
    }

    /// Waits until a server is there, or is not.
    async fn has(&self, name: &str, there: bool) {
        let path = format!("/mcp/servers/{name}");
        let wanted = async {
            loop {
                let (status, body) = self.rest("GET", &path, &Value::Null).await;
                let is_ready = status == 200 && body["server"]["state"] == "ready";
                if if there { is_ready } else { status == 404 } {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wanted).await.unwrap();
    }
}

/// What is added at one replica is at the others, and there after a restart, until it is deleted at
/// any of them.
#[tokio::test]
async fn a_server_added_at_one_replica_is_at_all() {
    let (redis, postgres) = (Redis::start().await, Postgres::start().await);
    let start = || Replica::start(&redis, Some(&postgres));
    let (one, other) = (start().await, start().await);
    let added = json!({
        "name": "added", "url": format!("http://{}/servers/demo/mcp", one.address),
        "headers": {"Authorization": format!("Bearer {TOKEN}")},
    });
    let (status, body) = one.rest("POST", "/mcp/servers", &added).await;
    assert_eq!((status, body["state"].as_str()), (201, Some("ready")), "{body}");
    other.has("added", true).await;
    let call = json!({"server_name": "added", "tool_name": "calculator",
        "arguments": {"expression": "6*7"}});
    let (status, body) = other.rest("POST", "/mcp/tools/call", &call).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.to_string().contains("42"), "{body}");
    let (status, body) = other.rest("POST", "/mcp/servers", &added).await;
    assert_eq!((status, body["code"].as_str()), (409, Some("duplicate_server")), "{body}");
    // The header is a secret.
    let sealed = "DO $$ BEGIN IF EXISTS (SELECT FROM mcp_servers WHERE position('a token' in
        encode(sealed, 'escape')) > 0) THEN RAISE 'it can be read'; END IF; END $$";
    postgres.run(sealed).await;

    // Ready means that it has what is kept.
    other.end().await;
    let other = start().await;
    let (status, _) = other.rest("GET", "/mcp/servers/added", &Value::Null).await;
    assert_eq!(status, 200);
    // What is configured is each replica's own.
    assert_eq!(other.rest("DELETE", "/mcp/servers/demo", &Value::Null).await.0, 204);
    assert_eq!(other.rest("DELETE", "/mcp/servers/added", &Value::Null).await.0, 204);
    one.has("added", false).await;
    one.has("demo", true).await;
    assert_eq!(one.rest("DELETE", "/mcp/servers/added", &Value::Null).await.0, 404);

    // Without what is shared nothing is added, and the rest goes on.
    postgres.stop().await;
    let (status, body) = one.rest("POST", "/mcp/servers", &added).await;
    assert_eq!(status, 503, "{body}");
    one.has("demo", true).await;
    one.end().await;
    other.end().await;
    redis.stop().await;
}

/// Without Redis each replica is on its own, and together again when it is back.
#[tokio::test]
async fn a_replica_goes_on_without_redis() {
    let redis = Redis::start().await;
    let replica = Replica::start(&redis, None).await;
    let list: Arc<[String]> = [replica.address.clone()].into();
    let mut client = Client::start(list, 1).await;
    let clock = client.call("clock", json!({})).await;
    assert_ne!(clock["isError"], true, "{clock}");
    redis.stop().await;
    let mut made = 0;
    for _ in 0..ALLOWED + LEASE {
        made += u32::from(client.call("clock", json!({})).await["isError"] != true);
    }
    // What was leased, and then the whole of its own.
    assert!((ALLOWED..=ALLOWED + LEASE).contains(&made), "{made}");
    let ready = ask(&replica.address, "GET", "/readyz", &[], "").await.unwrap();
    assert_eq!(ready.status, 200, "{ready:?}");
    assert!(ready.body.contains(r#""redis":"away""#), "{ready:?}");
    replica.end().await;
}

/// What one replica read is not read again by another, until something changed.
#[tokio::test]
async fn results_are_shared() {
    let redis = Redis::start().await;
    let sharing = ["--cache-ttl", "10m", "--believe", "demo", "--share-results", "demo"];
    let sharing = [&sharing[..], &["--store-key", "env:KEY"]].concat();
    let start = || Replica::start_with(&redis, None, &sharing);
    let (one, other) = (start().await, start().await);
    // The server of each has notes of its own, so that it shows which one was asked.
    let call = async |replica: &Replica, tool: &str, arguments: Value| {
        let call = json!({"server_name": "demo", "tool_name": tool, "arguments": arguments});
        let (status, body) = replica.rest("POST", "/mcp/tools/call", &call).await;
        assert_eq!(status, 200, "{body}");
        body.to_string()
    };
    let read = async |replica: &Replica| call(replica, "read_note", json!({"name": "a"})).await;
    // What is written is told behind the call, and so is what is read.
    let shared = async {
        while !read(&other).await.contains("of the first") {
            call(&one, "write_note", json!({"name": "a", "text": "of the first"})).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            read(&one).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), shared).await.unwrap();
    let metrics = ask(&other.address, "GET", "/metrics", &[], "").await.unwrap().body;
    assert!(metrics.contains(r#"mcp_result_cache_total{answered="shared"} 1"#), "{metrics}");

    call(&other, "write_note", json!({"name": "a", "text": "of the second"})).await;
    assert!(read(&other).await.contains("of the second"));
    // Nobody reads it in Redis.
    let keys = redis.client(&["KEYS", "*"]).output().await.unwrap();
    let keys = String::from_utf8(keys.stdout).unwrap();
    assert!(keys.contains("mcp:result:") && !keys.contains("read_note"), "{keys}");

    redis.stop().await;
    assert!(read(&other).await.contains("of the second"));
    call(&other, "write_note", json!({"name": "a", "text": "of the third"})).await;
    assert!(read(&other).await.contains("of the third"));
    one.end().await;
    other.end().await;
}
