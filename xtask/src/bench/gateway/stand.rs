//! Puts gateways in front of the reference server and under load.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::contenders::{Gateway, TOKEN, Task, Upstream, Way};
use super::running::{Running, free_port};
use crate::bench::statistics::median;
use crate::process;

/// Calls of a gateway that is as fast as ours, in a round.
const CALLS: usize = 20_000;
/// Clients at the same time, each with a session and a connection of its own.
const CLIENTS: usize = 1_000;
/// Sessions that nobody closes.
const SESSIONS: usize = 4_000;
/// Calls a second of the load at fixed times: what even the slower ones can do.
const RATE: usize = 100;

pub(super) struct Stand {
    server: PathBuf,
    load: PathBuf,
    folder: PathBuf,
    /// Everything is done so many times less often.
    haste: usize,
}

/// What came of one gateway with one kind of server behind it.
pub(super) struct Row {
    pub(super) gateway: &'static str,
    pub(super) way: &'static str,
    pub(super) is_ours: bool,
    pub(super) outcome: Result<Figures, String>,
}

/// Medians of the rounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// CPU time per call of all its processes, in ms, with one caller and with sixteen.
    pub(super) alone_ms: f64,
    pub(super) crowd_ms: f64,
    /// With a thousand clients. None where that failed.
    pub(super) clients_ms: Option<f64>,
    /// Medians and the slowest hundredth of the time of a call, in µs, timed from when it was
    /// meant to be sent.
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) start_ms: f64,
    pub(super) idle_mib: f64,
    /// None where there are no sessions.
    pub(super) session_kib: Option<f64>,
}

impl Stand {
    pub(super) fn new(haste: usize) -> Result<Self> {
        process::require("taskset", "Install util-linux.")?;
        let flags = ["--release", "--bin", "bench-server"];
        let load = process::build("mcp-benches", "bench-load", &flags)?;
        let folder = process::root().join(".cache/gateways/run");
        fs::create_dir_all(&folder)?;
        Ok(Self { server: load.with_file_name("bench-server"), load, folder, haste })
    }

    pub(super) fn measure(&self, gateways: &[Gateway], rounds: usize) -> Vec<Row> {
        let mut rows = vec![Row {
            gateway: "none",
            way: "HTTP",
            is_ours: false,
            outcome: self.direct(rounds).map_err(|error| format!("{error:#}")),
        }];
        for way in Way::ALL {
            // In turn within a round, so that the load of the machine falls on all of them.
            let those: Vec<_> = gateways.iter().filter(|one| one.ways.contains(&way)).collect();
            let mut runs: Vec<Vec<Result<Figures, String>>> =
                those.iter().map(|_| Vec::new()).collect();
            for _ in 0..rounds {
                for (gateway, runs) in those.iter().zip(&mut runs) {
                    if !runs.iter().any(Result::is_err) {
                        eprintln!("bench: {}, {}", gateway.name, way.name());
                        let run = self.once(gateway, way);
                        runs.push(run.map_err(|error| format!("{error:#}")));
                    }
                }
            }
            rows.extend(those.iter().zip(runs).map(|(gateway, runs)| Row {
                gateway: gateway.name,
                way: way.name(),
                is_ours: gateway.is_ours,
                outcome:
                    runs.into_iter().collect::<Result<Vec<_>, _>>().and_then(|runs| {
                        Figures::medians(&runs).ok_or_else(|| "no rounds".to_owned())
                    }),
            }));
        }
        rows
    }

    /// The server with no gateway in front.
    fn direct(&self, rounds: usize) -> Result<Figures> {
        let runs: Vec<_> = (0..rounds)
            .map(|_| {
                let server = Server::start(&self.server)?;
                let url = server.url(false);
                let open = self.load(&json!({
                    "url": url, "work": "calls", "operations": 1_000 / self.haste,
                    "callers": 16, "warm_up": 100, "rate": RATE,
                }))?;
                let (p50_us, p99_us) = open.run()?;
                Ok(Figures {
                    alone_ms: f64::NAN,
                    crowd_ms: f64::NAN,
                    clients_ms: Some(f64::NAN),
                    p50_us,
                    p99_us,
                    start_ms: f64::NAN,
                    idle_mib: f64::NAN,
                    session_kib: None,
                })
            })
            .collect::<Result<_>>()?;
        Figures::medians(&runs).context("no rounds")
    }

    fn once(&self, gateway: &Gateway, way: Way) -> Result<Figures> {
        let server = Server::start(&self.server)?;
        let is_modern = way == Way::Modern;
        let era = if is_modern { "modern" } else { "legacy" };
        let upstream = if way == Way::Stdio {
            let args = ["stdio", era, "echo"].map(str::to_owned).into();
            Upstream::Stdio { program: self.server.clone(), args }
        } else {
            Upstream::Http { url: server.url(is_modern) }
        };
        let port = free_port()?;
        let task = Task { upstream: &upstream, port, folder: &self.folder, way };
        let command = gateway.command(&task)?;
        let running = Running::start(&command, port, &self.folder.join("gateway.log"))?;
        let base = json!({
            "url": format!("http://127.0.0.1:{port}{}", gateway.path),
            "token": gateway.has_token.then_some(TOKEN),
            "modern": is_modern,
        });
        let with = |more: Value| {
            let mut load = base.clone();
            if let (Some(load), Value::Object(more)) = (load.as_object_mut(), more) {
                load.extend(more);
            }
            self.load(&load)
        };
        let calls = (CALLS / gateway.slowness / self.haste).max(50);
        let warm_up = (calls / 10).max(20);
        let per_call = |clients: usize, callers: usize| {
            let calls = calls.max(clients);
            let load = with(json!({
                "work": "calls", "operations": calls, "warm_up": warm_up.max(clients),
                "clients": clients, "callers": callers,
            }))?;
            let before = running.cpu_ms()?;
            load.run()?;
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            let calls = calls as f64;
            anyhow::Ok((running.cpu_ms()? - before) / calls)
        };
        // The first answer: by then it has done what it does at the start.
        with(json!({"work": "calls", "operations": 1, "warm_up": 1}))?.run()?;
        let idle = running.memory_kib()?;
        let (alone_ms, crowd_ms) = (per_call(1, 1)?, per_call(1, 16)?);
        let (p50_us, p99_us) = with(json!({
            "work": "calls", "operations": 1_000 / self.haste, "callers": 16,
            "warm_up": warm_up, "rate": RATE,
        }))?
        .run()?;
        let sessions = (SESSIONS / gateway.slowness / self.haste).max(50);
        let per_session = || {
            let open = |operations: usize| {
                with(json!({"work": "sessions", "operations": operations}))?.run()
            };
            // The first ones make room that the later ones use too.
            open(sessions / 4)?;
            let before = running.memory_kib()?;
            open(sessions)?;
            #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
            let (more, sessions) =
                (running.memory_kib()?.saturating_sub(before) as f64, sessions as f64);
            anyhow::Ok(more / sessions)
        };
        let session_kib = if is_modern {
            None
        } else {
            per_session().inspect_err(|error| eprintln!("bench: sessions: {error:#}")).ok()
        };
        let clients_ms = per_call(CLIENTS / self.haste, 1)
            .inspect_err(|error| eprintln!("bench: {} clients: {error:#}", CLIENTS / self.haste))
            .ok();
        #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
        let idle_mib = idle as f64 / 1024.0;
        Ok(Figures {
            alone_ms,
            crowd_ms,
            clients_ms,
            p50_us,
            p99_us,
            start_ms: running.start.as_secs_f64() * 1e3,
            idle_mib,
            session_kib,
        })
    }

    fn load(&self, load: &Value) -> Result<Load> {
        Load::start(&self.load, load)
    }
}

impl Figures {
    fn medians(runs: &[Self]) -> Option<Self> {
        let of = |read: fn(&Self) -> f64| median(runs.iter().map(read).collect());
        let all = |read: fn(&Self) -> Option<f64>| {
            runs.iter().map(read).collect::<Option<Vec<_>>>().and_then(median)
        };
        Some(Self {
            alone_ms: of(|run| run.alone_ms)?,
            crowd_ms: of(|run| run.crowd_ms)?,
            clients_ms: all(|run| run.clients_ms),
            p50_us: of(|run| run.p50_us)?,
            p99_us: of(|run| run.p99_us)?,
            start_ms: of(|run| run.start_ms)?,
            idle_mib: of(|run| run.idle_mib)?,
            session_kib: all(|run| run.session_kib),
        })
    }
}

/// A load that is warm and waits for the word.
struct Load(Child, BufReader<std::process::ChildStdout>);

impl Load {
    fn start(program: &std::path::Path, load: &Value) -> Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", "1"])
            .arg(program)
            .arg(load.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start bench-load")?;
        let output = child.stdout.take().context("its standard output is a pipe")?;
        let mut load = Self(child, BufReader::new(output));
        let mut line = String::new();
        load.1.read_line(&mut line)?;
        if line.trim() != "ready" {
            return Err(load.failed());
        }
        Ok(load)
    }

    /// Runs it. Gives the median and the slowest hundredth of the times of its operations, in µs.
    fn run(mut self) -> Result<(f64, f64)> {
        let mut input = self.0.stdin.take().context("its standard input is a pipe")?;
        input.write_all(b"go\n")?;
        let mut line = String::new();
        self.1.read_line(&mut line)?;
        let Ok(report) = serde_json::from_str::<Value>(&line) else { return Err(self.failed()) };
        ensure!(self.0.wait()?.success(), "bench-load failed after its report");
        let of = |field: &str| {
            let time = report[field].as_f64().map(|time| time / 1e3);
            time.with_context(|| format!("its report lacks {field}"))
        };
        Ok((of("p50_ns")?, of("p99_ns")?))
    }

    fn failed(mut self) -> anyhow::Error {
        let mut said = String::new();
        if let Some(mut output) = self.0.stderr.take() {
            // What cannot be read is not said.
            let _ = std::io::Read::read_to_string(&mut output, &mut said);
        }
        let _ = self.0.wait();
        anyhow::anyhow!("the load failed: {}", said.trim().replace('\n', "; "))
    }
}

/// The reference server over HTTP, beside the load.
struct Server(Child, u16);

impl Server {
    fn start(program: &std::path::Path) -> Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", "1"])
            .arg(program)
            .arg("http")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start bench-server")?;
        let output = child.stdout.take().context("its standard output is a pipe")?;
        let mut server = Self(child, 0);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        server.1 = line.trim().parse().context("bench-server names no port")?;
        Ok(server)
    }

    fn url(&self, is_modern: bool) -> String {
        let era = if is_modern { "modern" } else { "legacy" };
        format!("http://127.0.0.1:{}/{era}/json/echo", self.1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends by itself when its input does.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
