//! The official server scenarios through `mcp serve`, in front of a conforming server: whatever a
//! scenario sees of the server alone, it must see through the service too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::required;
use super::run::{self, wait};
use super::scenarios::Era;
use crate::stopwatch::{Stopwatch, show};
use crate::{lock, process, tools};

/// For all scenarios of a revision.
const WATCHDOG: Duration = Duration::from_secs(240);
const START: Duration = Duration::from_secs(20);

/// What a run saw: the checks of each scenario, by id, and how often each came to what.
type Seen = BTreeMap<String, BTreeMap<(String, String), usize>>;

/// How the service reaches the server behind it.
#[derive(Clone, Copy)]
enum Upstream {
    Http,
    Stdio,
}

impl Upstream {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Stdio => "stdio",
        }
    }
}

/// Runs the scenarios of both revisions, first on the server alone, then through the service by
/// HTTP and by stdio.
pub(super) fn run() -> Result<()> {
    let folder = tools::conformance()?;
    let peers = tools::interop()?;
    let mcp = process::build("mcp-cli", "mcp", &[])?;
    let results = folder.join("results/service");
    let _lock = lock::hold(&results)?;
    let stand = Stand { node: run::node(&folder)?, folder, peers, mcp, results };
    println!(
        "{:<12}{:<34}{:>10}{:>8}{:>8}  result",
        "revision", "server", "scenarios", "checks", "time"
    );
    let mut failed = 0;
    for era in [Era::Legacy, Era::Modern] {
        failed += stand.compare(era)?;
    }
    if failed > 0 {
        bail!("{failed} runs differ, or are not as required");
    }
    Ok(())
}

/// All that the runs need.
struct Stand {
    folder: PathBuf,
    node: PathBuf,
    peers: PathBuf,
    mcp: PathBuf,
    results: PathBuf,
}

impl Stand {
    /// Gives how many runs have complaints.
    fn compare(&self, era: Era) -> Result<usize> {
        let list = run::requirements(&self.folder, era)?;
        let [scored, _] = required::named(&list, "server");
        let port = free_port()?;
        let _server = Running::start(
            Command::new(&self.node).arg(self.everything()).arg("--http").arg(port.to_string()),
            port,
            &self.log("server")?,
        )?;
        let server = format!("http://127.0.0.1:{port}/mcp");
        let alone = self.scenarios(era, "alone", &server)?;
        let mut failed = show_row(era, "alone", &alone, &missing(&scored, &alone.seen));
        let other = match era {
            Era::Legacy => Era::Modern,
            Era::Modern => Era::Legacy,
        };
        // Between the eras not over stdio, where a message does not say which call it belongs to.
        let ways = [(era, Upstream::Http), (era, Upstream::Stdio), (other, Upstream::Http)];
        for (spoken, upstream) in ways {
            let name = format!("service, {} over {}", spoken.revision(), upstream.name());
            let port = free_port()?;
            let config = self.configuration(spoken, upstream, &server)?;
            let _service = Running::start(
                Command::new(&self.mcp)
                    .args(["serve", "--no-token", "--no-model", "--no-pins", "--listen"])
                    .arg(format!("127.0.0.1:{port}"))
                    .arg("--config")
                    .arg(config),
                port,
                &self.log("service")?,
            )?;
            let unsaid: &[_] = if spoken == era { &[] } else { &UNSAID };
            let through = self.scenarios(era, &name, &format!("http://127.0.0.1:{port}/mcp"))?;
            failed +=
                show_row(era, &name, &through, &difference(&alone.seen, &through.seen, unsaid));
        }
        Ok(failed)
    }

    fn everything(&self) -> PathBuf {
        self.peers.join("everything.mjs")
    }

    fn log(&self, name: &str) -> Result<PathBuf> {
        fs::create_dir_all(&self.results)?;
        Ok(self.results.join(format!("{name}.log")))
    }

    /// A file for the service with the one server, in the era of the scenarios.
    fn configuration(&self, era: Era, upstream: Upstream, url: &str) -> Result<PathBuf> {
        let mut server = match upstream {
            Upstream::Http => json!({"url": url}),
            Upstream::Stdio => json!({"command": self.node, "args": [self.everything()]}),
        };
        server["protocolEra"] = match era {
            Era::Legacy => "legacy".into(),
            Era::Modern => "modern".into(),
        };
        let file = self.results.join("servers.json");
        fs::write(&file, json!({"mcpServers": {"everything": server}}).to_string())?;
        Ok(file)
    }

    /// Runs all scenarios of a revision for servers.
    fn scenarios(&self, era: Era, name: &str, url: &str) -> Result<Run> {
        let time = Stopwatch::start();
        let results = self.results.join(era.revision()).join(name);
        if results.exists() {
            fs::remove_dir_all(&results)?;
        }
        fs::create_dir_all(&results)?;
        let log = results.join("log.txt");
        let output = File::create(&log)?;
        let mut suite = Command::new(&self.node)
            .arg(run::installed(&self.folder).join("dist/index.js"))
            .args(["server", "--url", url, "--requirements", era.revision(), "--output-dir"])
            .arg(&results)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .process_group(0)
            .spawn()
            .context("cannot start the conformance suite")?;
        if !wait(&mut suite, WATCHDOG)? {
            bail!("the suite did not end in time; what it wrote: {}", log.display());
        }
        Ok(Run { seen: read(&results)?, time: time.elapsed() })
    }
}

struct Run {
    seen: Seen,
    time: Duration,
}

/// Prints a run; 1 if there are complaints.
fn show_row(era: Era, name: &str, run: &Run, complaints: &[String]) -> usize {
    let passed = run.seen.values().flatten().filter(|((_, status), _)| status == "SUCCESS");
    let passed: usize = passed.map(|(_, times)| times).sum();
    println!(
        "{:<12}{name:<34}{:>10}{passed:>8}{:>8}  {}",
        era.revision(),
        run.seen.len(),
        show(run.time),
        if complaints.is_empty() { "ok" } else { "" }
    );
    for complaint in complaints {
        println!("    {complaint}");
    }
    usize::from(!complaints.is_empty())
}

/// What is scored and did not pass.
fn missing(scored: &[&str], seen: &Seen) -> Vec<String> {
    let mut complaints = Vec::new();
    for name in scored {
        let Some(checks) = seen.get(*name) else {
            complaints.push(format!("{name} did not run"));
            continue;
        };
        if !checks.keys().any(|(_, status)| status == "SUCCESS") {
            complaints.push(format!("{name}: nothing passed"));
        }
        for (check, status) in checks.keys() {
            if ["FAILURE", "WARNING"].contains(&status.as_str()) {
                complaints.push(format!("{name}: {check}: {status}"));
            }
        }
    }
    if scored.is_empty() {
        complaints.push("the revision requires nothing".to_owned());
    }
    complaints
}

/// How an answer travels is the service's own: it streams only where something comes before the
/// result. The suite says INFO to that, and looks no further.
const STREAMED: [&str; 2] = ["server-sse-polling", "server-sse-streams-functional"];

/// What a legacy server cannot say, so that a modern client does not learn it: the names that its
/// questions have, and what its client must be able to do. Its session was opened before.
const UNSAID: [&str; 6] = [
    "sep-2322-elicitation-complete",
    "sep-2322-elicitation-incomplete",
    "sep-2322-ignore-unexpected-params",
    "sep-2322-respect-client-capabilities",
    "sep-2575-missing-capability-http-400",
    "sep-2575-server-rejects-undeclared-capability",
];

/// Where two runs saw different things, but for the checks that are lost for a reason.
fn difference(alone: &Seen, through: &Seen, lost: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    let names: BTreeSet<_> = alone.keys().chain(through.keys()).collect();
    for name in names.into_iter().filter(|name| !STREAMED.contains(&name.as_str())) {
        let empty = BTreeMap::new();
        let (one, other) = (alone.get(name).unwrap_or(&empty), through.get(name).unwrap_or(&empty));
        for ((check, status), times) in one {
            if lost.contains(&check.as_str()) {
                continue;
            }
            let is_streamed = STREAMED.contains(&check.as_str());
            if is_streamed && other.contains_key(&(check.clone(), "INFO".to_owned())) {
                continue;
            }
            if other.get(&(check.clone(), status.clone())) != Some(times) {
                let now: Vec<_> =
                    other.keys().filter(|(id, _)| id == check).map(|(_, now)| now).collect();
                complaints.push(format!("{name}: {check}: {status} alone, {now:?} through"));
            }
        }
        for (check, status) in other.keys().filter(|key| !one.contains_key(*key)) {
            if !one.keys().any(|(id, _)| id == check) {
                complaints.push(format!("{name}: {check}: {status} only through the service"));
            }
        }
    }
    complaints
}

/// The checks that the suite left, in folders `server-SCENARIO-TIME`.
fn read(results: &Path) -> Result<Seen> {
    let mut seen = Seen::new();
    for entry in fs::read_dir(results)? {
        let path = entry?.path();
        let file = path.join("checks.json");
        let Some(folder) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some((name, _)) = folder.split_once("-20") else { continue };
        let name = name.strip_prefix("server-").unwrap_or(name);
        let checks =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let checks: Vec<Value> = serde_json::from_str(&checks)?;
        let scenario = seen.entry(name.to_owned()).or_default();
        for check in &checks {
            let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
            *scenario.entry((text("id"), text("status"))).or_default() += 1;
        }
    }
    if seen.is_empty() {
        bail!("the suite left no results in {}", results.display());
    }
    Ok(seen)
}

/// A program that listens; it ends with this value.
struct Running(Child);

impl Running {
    /// Starts it, and waits until it takes connections.
    fn start(command: &mut Command, port: u16, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
        let what = process::show(command);
        let mut running = Self(command.spawn().with_context(|| format!("cannot start {what}"))?);
        let time = Stopwatch::start();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = running.0.try_wait()? {
                bail!("{what} ended with {status}; what it wrote: {}", log.display());
            }
            if time.elapsed() > START {
                bail!("{what} does not listen; what it wrote: {}", log.display());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its own children end with it: their input closes.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nothing listens on just now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(checks: &[(&str, &str)]) -> Seen {
        let mut scenario = BTreeMap::new();
        for (id, status) in checks {
            *scenario.entry(((*id).to_owned(), (*status).to_owned())).or_default() += 1;
        }
        BTreeMap::from([("ping".to_owned(), scenario)])
    }

    #[test]
    fn every_difference_counts() {
        let alone = seen(&[("a", "SUCCESS"), ("a", "SUCCESS"), ("b", "FAILURE")]);
        assert_eq!(difference(&alone, &alone, &[]).len(), 0);
        let count = |checks: &[_]| difference(&alone, &seen(checks), &[]).len();
        assert_eq!(count(&[("a", "SUCCESS"), ("b", "FAILURE")]), 1, "fewer");
        assert_eq!(count(&[("a", "SUCCESS"), ("a", "FAILURE"), ("b", "FAILURE")]), 1, "worse");
        let more = [("a", "SUCCESS"), ("a", "SUCCESS"), ("b", "FAILURE"), ("c", "SUCCESS")];
        assert_eq!(count(&more), 1, "more");
        assert_eq!(difference(&alone, &Seen::new(), &[]).len(), 2, "not run");
        assert_eq!(difference(&alone, &Seen::new(), &["a"]).len(), 1, "lost for a reason");
    }

    #[test]
    fn what_is_scored_must_pass() {
        assert_eq!(missing(&["ping"], &seen(&[("a", "SUCCESS")])).len(), 0);
        assert_eq!(missing(&["ping"], &seen(&[("a", "SUCCESS"), ("b", "WARNING")])).len(), 1);
        assert_eq!(missing(&["ping"], &seen(&[("a", "SKIPPED")])).len(), 1);
        assert_eq!(missing(&["pong"], &seen(&[("a", "SUCCESS")])).len(), 1);
        assert_eq!(missing(&[], &seen(&[])).len(), 1);
    }
}
