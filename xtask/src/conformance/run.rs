//! One run of the official suite, with one scenario or a set of them, and what came of it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::required::{self, Report};
use super::scenarios::{Era, Scenario};
use crate::stopwatch::Stopwatch;

/// What the suite gives a client.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);
/// The suite's own timeout ends only the shell in between, so a hanging client needs another.
const WATCHDOG: Duration = Duration::from_secs(45);

/// The installed suite and the client under test.
pub(super) struct Suite {
    folder: PathBuf,
    node: PathBuf,
    client: String,
}

/// How the client ended.
#[derive(Clone, Copy)]
pub(super) enum End {
    Exit(i32),
    TimedOut,
}

/// What the suite says about one scenario.
pub(super) struct Outcome {
    pub(super) end: End,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) warned: usize,
    /// All that the suite and the client wrote.
    pub(super) log: PathBuf,
}

impl Suite {
    pub(super) fn new(folder: PathBuf, client: &Path) -> Result<Self> {
        let node = node(&folder)?;
        let client = client.to_str().context("the client's path is not UTF-8")?.to_owned();
        Ok(Self { folder, node, client })
    }

    /// Runs the scenario; the client is told which lifecycle to speak, or finds it out.
    pub(super) fn run(&self, scenario: &Scenario, finds_out: bool) -> Result<Outcome> {
        let revision = scenario.era.revision();
        let results = self.results(scenario.era, &scenario.name.replace('/', "-"), finds_out)?;
        let chosen = ["--scenario", scenario.name, "--spec-version", revision, "--force"];
        let (log, in_time) = self.start(&chosen, &results, finds_out)?;
        let text = fs::read_to_string(&log)?;
        let end = if in_time { end(&text) } else { End::TimedOut };
        let mut outcome = Outcome { end, passed: 0, failed: 0, warned: 0, log };
        if let Some(checks) = find(&results, "checks.json")? {
            let checks: Vec<Value> = serde_json::from_str(&fs::read_to_string(checks)?)?;
            for check in &checks {
                match check["status"].as_str() {
                    Some("SUCCESS") => outcome.passed += 1,
                    Some("FAILURE") => outcome.failed += 1,
                    Some("WARNING") => outcome.warned += 1,
                    _ => {}
                }
            }
        } else if in_time {
            bail!("the conformance suite left no result:\n{text}");
        }
        Ok(outcome)
    }

    /// Runs all that a revision requires of a client, as one set.
    pub(super) fn run_required(&self, era: Era, finds_out: bool) -> Result<(Report, PathBuf)> {
        let list = requirements(&self.folder, era)?;
        let results = self.results(era, "requirements", finds_out)?;
        let chosen = ["--requirements", era.revision()];
        let (log, in_time) = self.start(&chosen, &results, finds_out)?;
        let text = fs::read_to_string(&log)?;
        let mut report = required::judge(era, &required::named(&list, "client").concat(), &text);
        if !in_time {
            report.complaints.push("the suite did not end in time".to_owned());
        }
        Ok((report, log))
    }

    /// An empty folder for what a run leaves.
    fn results(&self, era: Era, name: &str, finds_out: bool) -> Result<PathBuf> {
        let name = if finds_out { format!("{name}-auto") } else { name.to_owned() };
        let results = self.folder.join("results").join(era.revision()).join(name);
        if results.exists() {
            fs::remove_dir_all(&results)?;
        }
        fs::create_dir_all(&results)?;
        Ok(results)
    }

    /// Runs the suite to its end. Gives what it and the client wrote, and whether the end came in
    /// time.
    fn start(&self, chosen: &[&str], results: &Path, finds_out: bool) -> Result<(PathBuf, bool)> {
        let log = results.join("log.txt");
        let output = File::create(&log)?;
        let mut suite = Command::new(&self.node);
        suite
            .arg(installed(&self.folder).join("dist/index.js"))
            .args(["client", "--command", &self.client])
            .args(chosen)
            .args(["--timeout", &CLIENT_TIMEOUT.as_millis().to_string(), "--output-dir"])
            .arg(results)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            // A group of its own, so that the watchdog reaches the client too.
            .process_group(0);
        if finds_out {
            suite.env("MCP_CONFORMANCE_ERA", "auto");
        }
        let mut suite = suite.spawn().context("cannot start the conformance suite")?;
        let in_time = wait(&mut suite, WATCHDOG)?;
        Ok((log, in_time))
    }
}

/// The Node that the suite needs.
pub(super) fn node(folder: &Path) -> Result<PathBuf> {
    let node = folder.join("node_modules/.bin/node");
    if !node.exists() {
        bail!("there is no Node 22 on npm for this system; see tests/conformance/package.json");
    }
    Ok(node)
}

/// Where the suite is installed.
pub(super) fn installed(folder: &Path) -> PathBuf {
    folder.join("node_modules/@modelcontextprotocol/conformance")
}

/// The suite's own list of what a revision requires.
pub(super) fn requirements(folder: &Path, era: Era) -> Result<String> {
    let list = installed(folder).join("requirements").join(format!("{}.yaml", era.revision()));
    fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))
}

/// The suite prints the client's exit code only when it is not 0.
fn end(log: &str) -> End {
    if log.contains("Client timed out after") {
        return End::TimedOut;
    }
    let code = log.lines().find_map(|line| line.trim().strip_prefix("Client exited with code "));
    End::Exit(code.and_then(|code| code.trim().parse().ok()).unwrap_or(0))
}

/// Waits for the end, and kills the whole group when it does not come. Says whether it came.
pub(super) fn wait(suite: &mut Child, limit: Duration) -> Result<bool> {
    let time = Stopwatch::start();
    loop {
        if suite.try_wait()?.is_some() {
            return Ok(true);
        }
        if time.elapsed() > limit {
            let group = format!("-{}", suite.id());
            Command::new("kill").args(["-KILL", "--", &group]).status()?;
            suite.wait()?;
            return Ok(false);
        }
        sleep(Duration::from_millis(20));
    }
}

/// The file of this name below the results, in folders that the suite names by scenario and time.
fn find(results: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(results)? {
        let path = entry?.path();
        if path.is_dir()
            && let Some(file) = find(&path, name)?
        {
            return Ok(Some(file));
        }
        if path.file_name().is_some_and(|file| file == name) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
