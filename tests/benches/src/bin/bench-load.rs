//! Load for a gateway: callers of its echo tool, or sessions that are opened and left.
//!
//! Prints `ready` once it is warm, and begins when it reads a line, so that whoever started it can
//! look at the gateway before and after.

#![forbid(unsafe_code)]

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use mcp_bench_kit::Meter;
use mcp_client::{Client, EraChoice};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until};

#[derive(Deserialize)]
struct Load {
    /// The endpoint.
    url: String,
    token: Option<String>,
    work: Work,
    /// Without the sessions of older revisions.
    #[serde(default)]
    modern: bool,
    operations: usize,
    #[serde(default)]
    warm_up: usize,
    /// Each with a connection of its own.
    #[serde(default = "one")]
    clients: usize,
    /// Calls that each client has under way.
    #[serde(default = "one")]
    callers: usize,
    /// Calls a second, whatever becomes of those before, instead of one after another.
    rate: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Work {
    Calls,
    Sessions,
}

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(10);

const fn one() -> usize {
    1
}

#[derive(Serialize)]
struct Arguments {
    text: &'static str,
}

/// A client, and the name under which the gateway offers the tool.
#[derive(Clone)]
struct Caller {
    client: Client,
    tool: Arc<str>,
}

impl Caller {
    async fn connect(load: &Load) -> Result<Self> {
        let era = if load.modern { EraChoice::Modern } else { EraChoice::Legacy };
        let mut client = Client::http(&load.url).era(era);
        if let Some(token) = &load.token {
            client = client.bearer(token);
        }
        let client = client.connect().await?;
        let tools = client.list_tools().await?.items;
        let tool = tools.into_iter().map(|tool| tool.name).find(|name| name.ends_with("echo"));
        Ok(Self { client, tool: tool.context("it offers no echo")?.into() })
    }

    async fn call(&self) -> bool {
        let said = self.client.call_tool(&*self.tool, Arguments { text: "hello" }).await;
        said.is_ok_and(|said| {
            said.content.first().and_then(|first| first.as_text()) == Some("hello")
        })
    }
}

/// What came of the load.
#[derive(Default)]
struct Told {
    laps: Vec<Duration>,
    failed: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let text = std::env::args().nth(1).context("give the load as JSON, as xtask does")?;
    let load: Load = serde_json::from_str(&text).context("the load is malformed")?;
    if load.work == Work::Sessions {
        wait_for_start()?;
        let meter = Meter::start()?;
        let laps = sessions(&load)?;
        return meter.finish(laps)?.print();
    }
    let mut callers = Vec::with_capacity(load.clients * load.callers);
    for _ in 0..load.clients {
        let caller = Caller::connect(&load).await?;
        callers.extend(std::iter::repeat_n(caller, load.callers));
    }
    ensure!(closed(&callers, load.warm_up).await?.failed == 0, "a call failed before it counted");
    wait_for_start()?;
    let meter = Meter::start()?;
    let told = match load.rate {
        Some(rate) => open(&callers, load.operations, rate).await?,
        None => closed(&callers, load.operations).await?,
    };
    ensure!(told.failed == 0, "{} of {} calls failed", told.failed, load.operations);
    meter.finish(told.laps)?.print()
}

#[expect(clippy::print_stdout, reason = "whoever started this waits for it")]
fn wait_for_start() -> Result<()> {
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// Each caller calls again when it has its answer.
async fn closed(callers: &[Caller], operations: usize) -> Result<Told> {
    let left = Arc::new(AtomicUsize::new(operations));
    let mut tasks = JoinSet::new();
    for caller in callers {
        let (caller, left) = (caller.clone(), left.clone());
        tasks.spawn(async move {
            let mut told = Told::default();
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
            {
                let since = Instant::now();
                told.failed += usize::from(!caller.call().await);
                told.laps.push(since.elapsed());
            }
            told
        });
    }
    gather(tasks).await
}

/// Calls at fixed times, each timed from when it was meant to be sent.
async fn open(callers: &[Caller], operations: usize, rate: f64) -> Result<Told> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, caller) in (0_u32..).zip(callers.iter().cycle().take(operations)) {
        let meant = start + Duration::from_secs_f64(f64::from(number) / rate);
        sleep_until(meant).await;
        let caller = caller.clone();
        tasks.spawn(async move {
            let failed = usize::from(!caller.call().await);
            Told { laps: vec![meant.elapsed()], failed }
        });
    }
    gather(tasks).await
}

async fn gather(mut tasks: JoinSet<Told>) -> Result<Told> {
    let mut all = Told::default();
    while let Some(told) = tasks.join_next().await {
        let told = told?;
        all.laps.extend(told.laps);
        all.failed += told.failed;
    }
    Ok(all)
}

/// Sessions that are opened and never closed, each over a connection that is.
fn sessions(load: &Load) -> Result<Vec<Duration>> {
    let (_, rest) = load.url.split_once("://").context("the URL has no scheme")?;
    let (address, path) = rest.split_once('/').context("the URL has no path")?;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench-load","version":"0"}}}"#;
    let token = load
        .token
        .as_ref()
        .map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {address}\r\n{token}Content-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    let mut laps = Vec::with_capacity(load.operations);
    let mut reply = Vec::new();
    for _ in 0..load.operations {
        let since = Instant::now();
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(request.as_bytes())?;
        stream.set_read_timeout(Some(ANSWER))?;
        reply.clear();
        // Some leave the stream of the answer open after it.
        while memchr::memmem::find(&reply, b"protocolVersion").is_none() {
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).context("no answer to `initialize`")?;
            if length == 0 {
                break;
            }
            reply.extend_from_slice(piece.get(..length).unwrap_or_default());
        }
        let text = String::from_utf8_lossy(&reply);
        ensure!(
            text.starts_with("HTTP/1.1 200")
                && text.to_ascii_lowercase().contains("mcp-session-id"),
            "no session: {text}"
        );
        laps.push(since.elapsed());
    }
    Ok(laps)
}
