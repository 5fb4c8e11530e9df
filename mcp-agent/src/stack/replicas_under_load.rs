//! The stack under load over a server with three replicas, one of which is killed again and again.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use mcp_client::{
    Backoff, Balance, EraChoice, Hub, HubOptions, ReplicaRules, StateKind,
    config::{ReplicaConfig, ServerConfig, TransportConfig},
};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::*;
use crate::{caller::ServerCaller, layers::CircuitState};

/// Writes every number that its tool is given into a file, and gives it back with its process.
const SERVER: &str = r#"
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  n=${line#*\"n\":}; n=${n%%[,\}]*}
  answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
  case "$line" in
    *'"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}';;
    *'"notifications/'*) ;;
    *'"tools/call"'*) echo "$n" >> "$0/written"; answer '{"content":[{"type":"text","text":"'"$n $$"'"}]}';;
    *) answer '{}';;
  esac
done
"#;

const PATIENCE: Duration = Duration::from_secs(60);
const CALLERS: u32 = 6;
const CALLS: u32 = 60;
const KILLS: usize = 3;

/// One server with three processes.
fn hub(folder: &Path) -> Hub {
    let transport = TransportConfig::Stdio {
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), SERVER.to_owned(), folder.to_str().unwrap().to_owned()],
        env: [].into(),
        cwd: None,
    };
    let rules = ReplicaRules { balance: Balance::LeastInFlight, ..ReplicaRules::default() };
    let others = vec![transport.clone(), transport.clone()];
    let mut server = ServerConfig::new("sh", transport);
    server.replicas = Some(ReplicaConfig::new(others, rules));
    server.era = EraChoice::Legacy;
    let mut options = HubOptions::default();
    let soon = Duration::from_millis(10);
    options.restart = Some(Backoff { first: soon, longest: soon });
    Hub::start(vec![server], &options)
}

async fn call(stack: &Stack, number: u32, key: Option<&str>) -> Result<(u32, String), CallError> {
    let arguments = Map::from_iter([("n".to_owned(), Value::from(number))]);
    let mut call = Call::tool("sh", "write", arguments);
    call.affinity = key.map(Into::into);
    let text = stack.call(call).await?.into_tool().unwrap().joined_text();
    let (number, process) = text.split_once(' ').unwrap();
    Ok((number.parse().unwrap(), process.to_owned()))
}

#[track_caller]
fn kill(process: &str) {
    let sent = Command::new("kill").args(["-KILL", process]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn a_replica_that_is_killed_under_load_costs_only_the_calls_that_it_had() {
    let folder = TempDir::new().unwrap();
    let hub = hub(folder.path());
    hub.ready().await;
    // Nothing is repeated: what does not reach one replica goes to another all the same.
    let stack = Stack::new(ServerCaller::of_hub(hub.clone()), &StackOptions::default());
    let over = AtomicU32::new(0);
    let callers = (0..CALLERS).map(async |caller| {
        let mut ends = Vec::new();
        for number in (0..CALLS).map(|call| caller * CALLS + call) {
            ends.push((number, call(&stack, number, None).await));
            over.fetch_add(1, Ordering::Relaxed);
        }
        ends
    });
    let killing = async {
        let mut killed = BTreeSet::new();
        while killed.len() < KILLS {
            let until = over.load(Ordering::Relaxed) + 60;
            while over.load(Ordering::Relaxed) < until {
                sleep(Duration::from_millis(1)).await;
            }
            // Whichever takes this one. It may meet one that was just killed.
            let Ok((_, process)) = call(&stack, u32::MAX, None).await else { continue };
            kill(&process);
            killed.insert(process);
        }
    };
    let both = async { tokio::join!(join_all(callers), killing) };
    let (ends, ()) = timeout(PATIENCE, both).await.unwrap();
    let ends: BTreeMap<_, _> = ends.into_iter().flatten().collect();
    assert_eq!(ends.len(), (CALLERS * CALLS) as usize);

    let written = fs::read_to_string(folder.path().join("written")).unwrap();
    let written: Vec<u32> = written.lines().filter_map(|line| line.parse().ok()).collect();
    let times = |number: u32| written.iter().filter(|one| **one == number).count();
    let mut lost = 0;
    for (number, end) in &ends {
        match end {
            Ok((answer, _)) => {
                assert_eq!(answer, number, "the answer of another call");
                assert_eq!(times(*number), 1, "{number} was repeated, or never made");
            }
            Err(error) => {
                // Only what was under way at the one that was killed.
                assert!(error.was_sent(), "{number} was not sent: {}", error.explain());
                assert!(times(*number) <= 1, "{number} was repeated");
                lost += 1;
            }
        }
    }
    assert!(lost <= KILLS * CALLERS as usize, "{lost} calls are lost");
    // Each had its part, and none of the others is thought to be ill.
    let report = stack.report();
    for name in ["sh#1", "sh#2", "sh#3"] {
        let breaker = report.server(name).unwrap().breaker.clone().unwrap();
        assert_eq!(breaker.state, CircuitState::Closed, "{name}");
    }
    assert_eq!(report.operation("sh", "write").unwrap().server.as_ref(), "sh");
    let restarts: u32 = hub.server("sh").unwrap().status().restarts;
    assert!(restarts >= 1, "the kills met nobody");
    hub.close().await;
}

#[tokio::test]
async fn a_conversation_stays_with_its_replica_and_moves_when_that_one_is_killed() {
    let folder = TempDir::new().unwrap();
    let hub = hub(folder.path());
    hub.ready().await;
    let stack = Stack::new(ServerCaller::of_hub(hub.clone()), &StackOptions::default());
    let (_, first) = call(&stack, 0, Some("conversation")).await.unwrap();
    for number in 1..8 {
        let (_, process) = call(&stack, number, Some("conversation")).await.unwrap();
        assert_eq!(process, first);
    }
    let mut spread = BTreeSet::new();
    for number in 8..32 {
        spread.insert(call(&stack, number, None).await.unwrap().1);
    }
    assert_eq!(spread.len(), 3, "calls without a key go to all");
    kill(&first);
    let is_down = async {
        let mut seen = 0;
        let all_ready = || {
            let replicas = hub.server("sh").unwrap().status().replicas;
            replicas.iter().all(|one| one.state.kind() == StateKind::Ready && one.restarts == 0)
        };
        while all_ready() {
            seen = hub.changed_since(seen).await;
        }
    };
    timeout(PATIENCE, is_down).await.unwrap();
    let (_, next) = call(&stack, 40, Some("conversation")).await.unwrap();
    assert_ne!(next, first);
    hub.close().await;
}
