//! The stack under load over a child process that is killed, and stopped, again and again.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use mcp_client::{
    Backoff, EraChoice, Hub, HubOptions,
    config::{ServerConfig, TransportConfig},
};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::*;
use crate::{
    caller::{ServerCaller, ToolHints},
    layers::{BreakerPolicy, CircuitState, RetryRules, Trust},
};

/// Writes its process into a file, and every number that its tools are given into another, before
/// it gives the number back. Starts no process of its own, so that nothing outlives it.
const SERVER: &str = r#"
echo $$ > "$0/pid"
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  n=${line#*\"n\":}; n=${n%%[,\}]*}
  answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
  case "$line" in
    *'"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}';;
    *'"notifications/'*) ;;
    *'"name":"write"'*) echo "$n" >> "$0/written"; answer '{"content":[{"type":"text","text":"'"$n"'"}]}';;
    *'"name":"read"'*) answer '{"content":[{"type":"text","text":"'"$n"'"}]}';;
    *) answer '{}';;
  esac
done
"#;

const PATIENCE: Duration = Duration::from_secs(60);
const CALLERS: u32 = 4;
const CALLS: u32 = 120;

struct Torment {
    folder: TempDir,
    hub: Hub,
    stack: Stack,
    /// Calls that are over.
    over: AtomicU32,
}

/// What became of the calls of one tool, by their numbers.
type Ends = BTreeMap<u32, Result<String, CallError>>;

impl Torment {
    fn start(options: &StackOptions) -> Self {
        let folder = TempDir::new().unwrap();
        let place = folder.path().to_str().unwrap().to_owned();
        let transport = TransportConfig::Stdio {
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), SERVER.to_owned(), place],
            env: [].into(),
            cwd: None,
        };
        let mut server = ServerConfig::new("sh", transport);
        server.era = EraChoice::Legacy;
        let mut hub_options = HubOptions::default();
        let soon = Duration::from_millis(10);
        hub_options.restart = Some(Backoff { first: soon, longest: soon });
        let hub = Hub::start(vec![server], &hub_options);
        let stack = Stack::new(ServerCaller::of_hub(hub.clone()), options);
        Self { folder, hub, stack, over: AtomicU32::new(0) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server's process, other than this one.
    async fn process_other_than(&self, before: &str) -> String {
        loop {
            let found = fs::read_to_string(self.file("pid")).unwrap_or_default();
            // Half a line is not whole yet.
            if found.ends_with('\n') && found.trim() != before {
                return found.trim().to_owned();
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until so many more calls are over.
    async fn more_calls(&self, count: u32) {
        let until = self.over.load(Ordering::Relaxed) + count;
        while self.over.load(Ordering::Relaxed) < until {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Calls of both tools from many callers; every one tells how it ended.
    async fn load(&self) -> (Ends, Ends) {
        self.load_with(Duration::from_millis(500)).await
    }

    /// The same, with this limit for the silence of the server.
    async fn load_with(&self, idle: Duration) -> (Ends, Ends) {
        let callers = (0..CALLERS).map(|caller| async move {
            let mut ends = Vec::new();
            for number in (0..CALLS).map(|call| caller * CALLS + call) {
                let name = if number % 2 == 0 { "write" } else { "read" };
                let arguments = Map::from_iter([("n".to_owned(), Value::from(number))]);
                let read_only = name == "read";
                let call = Call::tool("sh", name, arguments)
                    .hints(ToolHints { read_only, ..ToolHints::default() })
                    .idle_at_most(idle);
                let end = self.stack.call(call).await;
                let end = end.map(|reply| reply.into_tool().unwrap().joined_text());
                self.over.fetch_add(1, Ordering::Relaxed);
                if let Err(CallError::CircuitOpen { retry_in, .. }) = &end {
                    sleep(*retry_in).await;
                }
                ends.push((number, end));
            }
            ends
        });
        join_all(callers).await.into_iter().flatten().partition(|(number, _)| number % 2 == 0)
    }

    /// Whether what callers were told of their calls is what happened.
    fn check(&self, writes: &Ends, reads: &Ends) {
        let all = u32::try_from(writes.len() + reads.len()).unwrap();
        assert_eq!(all, CALLERS * CALLS, "a call is lost");
        for (number, end) in writes.iter().chain(reads) {
            if let Ok(text) = end {
                assert_eq!(*text, number.to_string(), "the answer of another call");
            }
        }
        let written = written(&self.file("written"));
        for (number, end) in writes {
            let times = written.get(number).copied().unwrap_or(0);
            match end {
                Ok(_) => assert_eq!(times, 1, "write {number} was repeated, or never made"),
                Err(error) if error.was_sent() => {
                    assert!(times <= 1, "write {number} was repeated: {}", error.explain());
                }
                Err(error) => assert_eq!(times, 0, "said to be unsent: {}", error.explain()),
            }
        }
    }
}

/// How often each number was written. A server that is killed leaves half a line at most.
fn written(file: &Path) -> BTreeMap<u32, u32> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter_map(|line| line.parse().ok()).fold(BTreeMap::new(), |mut all, number| {
        *all.entry(number).or_default() += 1;
        all
    })
}

#[track_caller]
fn signal(signal: &str, pid: &str) {
    let sent = Command::new("kill").args([signal, pid]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn what_is_killed_under_load_loses_no_call_and_repeats_no_write() {
    let retry = RetryRules {
        max_attempts: 10,
        first_wait: Duration::from_millis(50),
        budget: 1.0,
        ..RetryRules::default()
    };
    let torment =
        Torment::start(&StackOptions::default().breaker(None).retry(retry).trust(Trust::Everybody));
    let killing = async {
        let mut process = String::new();
        for _ in 0..4 {
            process = torment.process_other_than(&process).await;
            torment.more_calls(40).await;
            signal("-KILL", &process);
        }
    };
    let both = async { tokio::join!(torment.load(), killing) };
    let ((writes, reads), ()) = timeout(PATIENCE, both).await.unwrap();
    torment.check(&writes, &reads);
    // What is safe was repeated until it was done.
    for (number, end) in &reads {
        assert!(end.is_ok(), "read {number}: {}", end.as_ref().unwrap_err().explain());
    }
    let lost = writes.values().filter_map(|end| end.as_ref().err()).count();
    let report = torment.stack.report();
    let repeated = report.operation("sh", "read").unwrap().tally.repeated;
    assert!(repeated + lost as u64 > 0, "the kills met no call");
    torment.hub.close().await;
}

#[tokio::test]
async fn what_is_stopped_under_load_is_left_alone_and_used_again() {
    let policy = BreakerPolicy::default()
        .failure_threshold(3)
        .recovery_timeout(Duration::from_millis(100))
        .probe_timeout(Duration::from_millis(300));
    let retry = RetryRules {
        max_attempts: 10,
        first_wait: Duration::from_millis(100),
        budget: 1.0,
        ..RetryRules::default()
    };
    let options = StackOptions::default().breaker(policy).retry(retry).trust(Trust::Everybody);
    let torment = Torment::start(&options);
    let breaker = || torment.stack.report().server("sh").and_then(|it| it.breaker.clone());
    let stopping = async {
        let process = torment.process_other_than("").await;
        for times in 1..=2 {
            torment.more_calls(40).await;
            signal("-STOP", &process);
            while breaker().is_none_or(|breaker| breaker.opened < times) {
                sleep(Duration::from_millis(1)).await;
            }
            signal("-CONT", &process);
            while breaker().is_some_and(|breaker| breaker.state != CircuitState::Closed) {
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let both = async { tokio::join!(torment.load(), stopping) };
    let ((writes, reads), ()) = timeout(PATIENCE, both).await.unwrap();
    // The process is the same: what it was sent while it stood still it did later, once.
    torment.check(&writes, &reads);
    assert!(breaker().unwrap().opened >= 2);
    torment.hub.close().await;
}

/// Slow is not broken: a server that stands still again and again, with every caller waiting, loses
/// no call, and nobody gives up on it.
#[tokio::test]
async fn what_is_slowed_under_load_answers_every_call_once() {
    let torment = Torment::start(&StackOptions::default());
    let running = || torment.stack.report().server("sh").map_or(0, |server| server.running);
    let slowing = async {
        let process = torment.process_other_than("").await;
        for _ in 0..12 {
            torment.more_calls(20).await;
            signal("-STOP", &process);
            // Every caller meets the silence before it ends.
            while running() < CALLERS as usize {
                sleep(Duration::from_millis(1)).await;
            }
            signal("-CONT", &process);
        }
    };
    let both = async { tokio::join!(torment.load_with(PATIENCE), slowing) };
    let ((writes, reads), ()) = timeout(PATIENCE, both).await.unwrap();
    torment.check(&writes, &reads);
    assert!(writes.values().chain(reads.values()).all(Result::is_ok), "{writes:?} {reads:?}");
    let breaker = torment.stack.report().server("sh").unwrap().breaker.clone().unwrap();
    assert_eq!((breaker.state, breaker.opened), (CircuitState::Closed, 0));
    assert_eq!(torment.hub.server("sh").unwrap().status().restarts, 0);
    torment.hub.close().await;
}
