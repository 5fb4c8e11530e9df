//! The stack over child processes that are killed and stopped.

use std::{process::Command, time::Duration};

use mcp_client::{
    Client, EraChoice, Hub, HubOptions,
    config::{ServerConfig, TransportConfig},
};
use serde_json::Map;
use tokio::time::{sleep, timeout};

use super::*;
use crate::{
    caller::ServerCaller,
    layers::{BreakerPolicy, CircuitState, RetryRules},
};

/// A server whose tool `pid` tells its process, and whose tool `hang` never answers.
const SERVER: &str = r#"
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
  case "$line" in
    *'"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}';;
    *'"notifications/'*) ;;
    *'"hang"'*) ;;
    *'"tools/call"'*) answer '{"content":[{"type":"text","text":"'$$'"}]}';;
    *) answer '{}';;
  esac
done
"#;

const PATIENCE: Duration = Duration::from_secs(30);

fn tool(name: &str) -> Call {
    Call::tool("sh", name, Map::new())
}

async fn pid(stack: &Stack) -> Result<String, CallError> {
    let reply = stack.call(tool("pid")).await?;
    Ok(reply.into_tool().expect("the result of a tool").joined_text())
}

#[track_caller]
fn signal(signal: &str, pid: &str) {
    let sent = Command::new("kill").args([signal, pid]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn a_server_that_is_stopped_is_left_alone_and_used_again_when_it_goes_on() {
    let builder = Client::stdio("sh").arg("-c").arg(SERVER).era(EraChoice::Legacy);
    let client = builder.connect().await.unwrap();
    let policy = BreakerPolicy::default()
        .failure_threshold(2)
        .recovery_timeout(Duration::from_millis(50))
        .probe_timeout(Duration::from_millis(500));
    let servers = ServerCaller::of_clients([("sh", client)]);
    let stack = Stack::new(servers, &StackOptions::default().breaker(policy));
    let process = pid(&stack).await.unwrap();

    signal("-STOP", &process);
    for _ in 0..2 {
        let short = tool("pid").idle_at_most(Duration::from_millis(200));
        let error = stack.call(short).await.unwrap_err();
        assert!(error.was_sent(), "{error}");
    }
    let report = stack.report();
    let breaker = report.server("sh").unwrap().breaker.clone().unwrap();
    assert_eq!((breaker.state, breaker.opened), (CircuitState::Open, 1));

    signal("-CONT", &process);
    let again = timeout(PATIENCE, async {
        loop {
            match pid(&stack).await {
                Ok(process) => return process,
                Err(CallError::CircuitOpen { retry_in, .. }) => sleep(retry_in).await,
                Err(error) => panic!("{}", error.explain()),
            }
        }
    });
    assert_eq!(again.await.unwrap(), process);
    let report = stack.report();
    assert_eq!(report.server("sh").unwrap().breaker.as_ref().unwrap().state, CircuitState::Closed);
}

#[tokio::test]
async fn a_server_that_is_killed_fails_its_calls_and_is_there_again_for_the_next() {
    let transport = TransportConfig::Stdio {
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), SERVER.to_owned()],
        env: [].into(),
        cwd: None,
    };
    let mut server = ServerConfig::new("sh", transport);
    server.era = EraChoice::Legacy;
    let hub = Hub::start(vec![server], &HubOptions::default());
    // The next call waits until the server is started again, as its error asks.
    let options = StackOptions::default().retry(RetryRules::default());
    let stack = Stack::new(ServerCaller::of_hub(hub.clone()), &options);
    let process = timeout(PATIENCE, pid(&stack)).await.unwrap().unwrap();

    let hanging = tool("hang");
    let clock = Arc::clone(&hanging.clock);
    let killed = async {
        while !clock.was_sent() {
            tokio::task::yield_now().await;
        }
        // It answers this one after it has read the other.
        pid(&stack).await.unwrap();
        signal("-KILL", &process);
    };
    let (hanging, ()) = tokio::join!(stack.call(hanging), killed);
    let error = hanging.unwrap_err();
    assert!(error.was_sent() && !error.is_retryable(), "{}", error.explain());

    let next = timeout(PATIENCE, pid(&stack)).await.unwrap().unwrap();
    assert_ne!(next, process);
    let report = stack.report();
    assert_eq!(report.operation("sh", "hang").unwrap().tally.failures, 1);
    assert_eq!(report.operation("sh", "pid").unwrap().tally.failures, 0);
    assert!(hub.server("sh").unwrap().status().health.tools["pid"].calls >= 3);
    hub.close().await;
}
