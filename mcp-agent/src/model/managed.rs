//! A small model that was set up on this machine: started when it is needed, ended with its user.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use mcp_client::Secret;
use mcp_transport::{
    ConnectError, Transport,
    http::{HttpClient, PlainLimits},
    stdio::{ChildCommand, ChildProcess},
};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{
    ChatModel, ModelError, ModelId, ModelRequest, ModelStream, OutputSchema,
    address::{base_url_of, invalid},
    discover::models,
    openai_chat::OpenAiChat,
};

/// How often a starting engine is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// The variable by which an engine is told to ask for a key.
const KEY_VARIABLE: &str = "MCP_MODEL_API_KEY";

/// What was set up, as `model.json` in the model's folder says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The model.
    pub name: String,
    /// How large its weights are.
    #[serde(default)]
    pub size_bytes: u64,
    /// The terms of its weights, as an SPDX expression.
    #[serde(default)]
    pub license: String,
    start: Start,
    /// The path that answers 200 when the model is ready.
    health: String,
    ready_timeout_s: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Start {
    program: String,
    /// `{port}` stands for the port on 127.0.0.1.
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// The model of this machine cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagedError {
    /// Its description cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its description is not what it should be.
    #[error("{} does not describe a model", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No port is free.
    #[error("no port of 127.0.0.1 can be had")]
    NoPort(#[source] io::Error),
    /// The engine cannot be started.
    #[error("the model's engine cannot be started")]
    Start(#[from] ConnectError),
    /// The engine ended before it was ready.
    #[error("the model's engine ended at once{}", last_lines(.stderr))]
    Ended {
        /// The last lines of its standard error.
        stderr: Vec<String>,
    },
    /// The engine was not ready in time.
    #[error("the model was not ready within {after:?}{}", last_lines(.stderr))]
    NotReady {
        /// The limit.
        after: Duration,
        /// The last lines of its standard error.
        stderr: Vec<String>,
    },
    /// The engine runs, but is not what it should be.
    #[error("the model's engine cannot be asked")]
    Model(#[from] ModelError),
}

fn last_lines(stderr: &[String]) -> String {
    let last = stderr.len().saturating_sub(3);
    stderr[last..].iter().flat_map(|line| ["\n  ", line]).collect()
}

/// Where the model of this machine is: `$MCP_MODEL_DIR`, else `mcp/model` in the user's data
/// folder. `None` without a home. `environment` looks a variable up.
pub fn folder(environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let path = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("MCP_MODEL_DIR").or_else(|| {
        let data = path("XDG_DATA_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(path("HOME")?.join(".local/share")))?;
        Some(data.join("mcp/model"))
    })
}

impl Manifest {
    /// Reads the description in a model's folder; `None` when nothing was set up there.
    ///
    /// # Errors
    /// There is one, but it cannot be used.
    pub fn read(folder: &Path) -> Result<Option<Self>, ManagedError> {
        let path = folder.join("model.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ManagedError::Unreadable { path, source }),
        };
        match serde_json::from_str(&text) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(source) => Err(ManagedError::Malformed { path, source }),
        }
    }

    /// Starts the model on a free port of 127.0.0.1 and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, or is not ready in time; then nothing is left running.
    ///
    /// # Cancel safety
    /// Dropping the future ends what was started.
    pub async fn start(&self, http: &Arc<HttpClient>) -> Result<ManagedModel, ManagedError> {
        let port = free_port().map_err(ManagedError::NoPort)?;
        let key = fresh_key();
        let mut command = ChildCommand::new(&self.start.program)
            .args(self.start.args.iter().map(|arg| arg.replace("{port}", &port.to_string())))
            .env(KEY_VARIABLE, &key);
        for (name, value) in &self.start.env {
            command = command.env(name, value);
        }
        let engine = command.spawn().await?;
        ready_or_ended(self, &engine, port, http).await?;

        let base_url = format!("http://127.0.0.1:{port}/v1");
        let base = base_url_of(&base_url)?;
        let key = Secret::new(key);
        let served = models(&base, Some(&key), http, PlainLimits::default()).await?;
        let name = served.into_iter().next().unwrap_or_else(|| self.name.clone());
        let chat = OpenAiChat::new(&base_url, name)?
            .key(key)?
            .http(Arc::clone(http))
            .provider("this machine");
        Ok(ManagedModel { chat, engine, name: self.name.clone() })
    }

    async fn wait_until_ready(
        &self,
        engine: &ChildProcess,
        port: u16,
        http: &HttpClient,
    ) -> Result<(), ManagedError> {
        let limit = Duration::from_secs(self.ready_timeout_s);
        let deadline = Instant::now() + limit;
        let url = format!("http://127.0.0.1:{port}{}", self.health);
        let second = Some(Duration::from_secs(1));
        let limits = PlainLimits { connect: second, first_byte: second, idle: second };
        loop {
            let get = Request::get(&url).body(Bytes::new());
            let get = get.map_err(|error| invalid("health", &error.to_string()))?;
            // While it loads, it refuses connections or answers 503.
            if let Ok(mut answer) = http.send(get, limits).await
                && answer.bytes(1 << 16).await.is_ok()
                && answer.status.is_success()
            {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ManagedError::NotReady { after: limit, stderr: engine.stderr_tail() });
            }
            sleep(ASK_EVERY).await;
        }
    }
}

async fn ready_or_ended(
    manifest: &Manifest,
    engine: &ChildProcess,
    port: u16,
    http: &HttpClient,
) -> Result<(), ManagedError> {
    tokio::select! {
        biased;
        () = ended(engine) => Err(ManagedError::Ended { stderr: engine.stderr_tail() }),
        ready = manifest.wait_until_ready(engine, port, http) => ready,
    }
}

/// Waits for the end of an engine and its last words.
async fn ended(engine: &ChildProcess) {
    // Nothing of what it prints is for us, but after the last line comes the end.
    match engine.unsolicited() {
        Some(mut messages) => while messages.next().await.is_some() {},
        None => std::future::pending().await,
    }
}

/// The kernel does not give the same port out again at once, so it is still free a moment later.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Keeps other programs of this machine, web pages among them, from using the model.
fn fresh_key() -> String {
    // Each state is keyed with randomness of the operating system.
    let bits = || RandomState::new().hash_one(0_u8);
    format!("{:016x}{:016x}", bits(), bits())
}

/// The model of this machine, running. Dropping it ends its engine.
pub struct ManagedModel {
    chat: OpenAiChat,
    engine: ChildProcess,
    name: String,
}

impl ManagedModel {
    /// The model's name as people know it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id of the engine.
    pub fn pid(&self) -> u32 {
        self.engine.pid()
    }

    /// Ends the engine and waits for its end.
    pub async fn stop(self) {
        self.engine.close().await;
    }
}

impl ChatModel for ManagedModel {
    fn id(&self) -> &ModelId {
        self.chat.id()
    }

    fn takes_output(&self, output: &OutputSchema, with_tools: bool) -> bool {
        self.chat.takes_output(output, with_tools)
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        self.chat.stream(request)
    }
}

impl fmt::Debug for ManagedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedModel").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
