//! One peer with one transport and one way to choose the era.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use mcp_client::{
    Client, ClientOptions, ConnectFailure, EraChoice, Tasks,
    protocol::{
        elicitation::{ElicitAction, ElicitResult},
        object::Object,
        version::Era,
    },
};
use serde_json::Value;

use crate::{
    Settings,
    operation::{self, Heard},
    peers::{Operation, Peer, Start},
};

pub(crate) struct Case {
    pub(crate) peer: String,
    pub(crate) transport: &'static str,
    /// `auto`, `legacy` or `modern`.
    pub(crate) era: &'static str,
    /// The era that must be spoken; `None` when the client must be refused.
    pub(crate) expected: Option<String>,
    pub(crate) start: Start,
    pub(crate) setting: Peer,
    pub(crate) operations: Vec<Operation>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.peer, self.transport, self.era)
    }
}

/// What came of a case.
pub(crate) struct Findings {
    /// The revision that was negotiated, if there is a connection.
    pub(crate) revision: Option<String>,
    /// By operation: why it went wrong, if it did.
    pub(crate) results: Vec<(String, Result<(), String>)>,
}

impl Findings {
    /// Without a connection.
    pub(crate) fn only(name: &str, outcome: Result<(), String>) -> Self {
        Self { revision: None, results: vec![(name.to_owned(), outcome)] }
    }
}

impl Case {
    pub(crate) async fn run(&self, settings: &Settings) -> Findings {
        match self.attempt(settings).await {
            Ok(findings) => findings,
            Err(error) => Findings::only("connect", Err(format!("{error:#}"))),
        }
    }

    async fn attempt(&self, settings: &Settings) -> Result<Findings> {
        let work = tempfile::tempdir()?;
        let places = Places::new(settings, work.path())?;
        for (name, text) in &self.setting.files {
            fs::write(work.path().join(name), text)?;
        }
        for command in &self.setting.prepare {
            let status = places.command(command, &BTreeMap::new())?.status()?;
            if !status.success() {
                bail!("{command:?} failed");
            }
        }
        let mut running = Vec::new();
        if !self.setting.beside.is_empty() {
            running.push(places.serve(&self.setting.beside, &BTreeMap::new())?);
        }

        let heard = Heard::default();
        let options = options(self.era, &heard);
        let connected = if self.transport == "stdio" {
            let words = places.fill_all(&self.start.command);
            let (program, args) = words.split_first().context("an empty command")?;
            let mut builder = Client::stdio(program).args(args.iter().cloned());
            for (name, value) in &self.start.env {
                builder = builder.env(name, places.fill(value));
            }
            builder.options(options).connect().await
        } else {
            running.push(places.serve(&self.start.command, &self.start.env)?);
            let scheme = match self.transport {
                "websocket" => "ws",
                "tcp" => "tcp",
                _ => "http",
            };
            let url = format!("{scheme}://127.0.0.1:{}{}", places.port, self.start.path);
            Client::from_url(url)?.options(options).connect().await
        };
        let client = match (connected, &self.expected) {
            (Err(ConnectFailure::Handshake(_) | ConnectFailure::NoCommonVersion { .. }), None) => {
                return Ok(Findings::only("is refused", Ok(())));
            }
            (Err(failure), None) => {
                return Err(anyhow::Error::new(failure).context("failed, but not by its era"));
            }
            (Ok(client), None) => {
                client.close().await;
                bail!("connected in an era that the peer does not speak");
            }
            (Err(failure), Some(_)) => return Err(anyhow::Error::new(failure)),
            (Ok(client), Some(_)) => client,
        };
        let mut results = Vec::new();
        let era = match client.server().era {
            Era::Legacy => "legacy",
            Era::Modern => "modern",
        };
        let right = Some(era) == self.expected.as_deref();
        results.push(("era".to_owned(), if right { Ok(()) } else { Err(format!("found {era}")) }));
        let revision = client.server().protocol_version.as_str().to_owned();
        if let Some(expected) = &self.setting.revision {
            let right = *expected == revision;
            let outcome = if right { Ok(()) } else { Err(format!("negotiated {revision}")) };
            results.push(("revision".to_owned(), outcome));
        }
        for operation in &self.operations {
            let what = places.fill_json(Value::Object(operation.what.clone()));
            let outcome = operation::check(&client, &what, &heard).await;
            results.push((operation.id.clone(), outcome.map_err(|error| format!("{error:#}"))));
        }
        let alive = client.ping().await.map(drop).map_err(|error| error.to_string());
        results.push(("ping".to_owned(), alive));
        client.close().await;
        Ok(Findings { revision: Some(revision), results })
    }
}

fn options(era: &str, heard: &Heard) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.era = match era {
        "legacy" => EraChoice::Legacy,
        "modern" => EraChoice::Modern,
        _ => EraChoice::Auto,
    };
    options.call_timeout = Some(Duration::from_secs(20));
    options.extension(Tasks);
    let answer = Arc::clone(&heard.answer);
    options.on_elicitation(move |_, _| {
        let answer = lock(&answer).clone();
        async move {
            Ok(match answer {
                Value::Object(fields) => {
                    let mut content = Object::new();
                    for (name, value) in fields {
                        content.insert(name, value);
                    }
                    ElicitResult::accept(content)
                }
                _ => ElicitResult { action: ElicitAction::Decline, ..ElicitResult::decline() },
            })
        }
    });
    let logs = Arc::clone(&heard.logs);
    options.on_log(move |message, _| lock(&logs).push(message.text()));
    options
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The values of the placeholders.
struct Places {
    values: Vec<(&'static str, String)>,
    port: u16,
}

impl Places {
    fn new(settings: &Settings, work: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let values = vec![
            ("{dir}", settings.dir.display().to_string()),
            ("{python}", settings.python.display().to_string()),
            ("{bin}", settings.bin.display().to_string()),
            ("{work}", work.display().to_string()),
            ("{port}", port.to_string()),
        ];
        Ok(Self { values, port })
    }

    fn fill(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    fn fill_all(&self, words: &[String]) -> Vec<String> {
        words.iter().map(|word| self.fill(word)).collect()
    }

    fn fill_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.fill_json(item)).collect(),
            Value::Object(members) => Value::Object(
                members.into_iter().map(|(key, value)| (key, self.fill_json(value))).collect(),
            ),
            other => other,
        }
    }

    fn command(&self, words: &[String], env: &BTreeMap<String, String>) -> Result<Command> {
        let words = self.fill_all(words);
        let (program, args) = words.split_first().context("an empty command")?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        for (name, value) in env {
            command.env(name, self.fill(value));
        }
        Ok(command)
    }

    /// Starts a program and waits until it listens on the port.
    fn serve(&self, words: &[String], env: &BTreeMap<String, String>) -> Result<Server> {
        let child = self.command(words, env)?.spawn().with_context(|| format!("{words:?}"))?;
        let mut server = Server(child);
        for _ in 0..600 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.0.try_wait()? {
                bail!("{words:?} ended with {status}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{words:?} does not listen")
    }
}

/// Ended when the case is over.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
