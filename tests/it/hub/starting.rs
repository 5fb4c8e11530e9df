//! Each starts on its own.

use std::time::Duration;

use mcp_client::{Hub, HubOptions, ServerState, config};
use serde_json::json;

#[tokio::test]
async fn one_failing_server_stops_no_other() {
    let variable =
        |name: &str| (name == "PROGRAM").then(|| env!("CARGO_BIN_EXE_misbehave").to_owned());
    let text = r#"{"mcpServers": {
        "one": {"command": "${PROGRAM}", "args": ["ok"]},
        "dead": {"command": "${PROGRAM}", "args": ["exit-at-once"]},
        "gone": {"command": "no-such-program-anywhere"},
        "silent": {"command": "${PROGRAM}", "args": ["silent"], "connectionTimeout": 300},
        "off": {"command": "${PROGRAM}", "disabled": true},
        "unset": {"command": "${PROGRAM}", "env": {"KEY": "${NOT_SET_ANYWHERE}"}},
        "two": {"command": "${PROGRAM}", "args": ["dies-on-probe"]}
    }}"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("servers.json");
    std::fs::write(&path, text).unwrap();
    let file = config::read_file(&path, &variable).unwrap();
    let hub = Hub::start(file.servers, &HubOptions::default());
    hub.report_problems(file.problems);
    tokio::time::timeout(Duration::from_secs(30), hub.ready()).await.expect("hangs");

    let states: Vec<_> = hub
        .status()
        .into_iter()
        .map(|server| {
            let state = match server.state {
                ServerState::Ready(_) => "ready",
                ServerState::Down(_) => "down",
                ServerState::Disabled => "disabled",
                ServerState::NotConfigured(_) => "not configured",
                _ => "starting",
            };
            format!("{} {state}", server.name)
        })
        .collect();
    assert_eq!(
        states,
        [
            "one ready",
            "dead down",
            "gone down",
            "silent down",
            "off disabled",
            "two ready",
            "unset not configured",
        ]
    );
    for (name, client) in hub.clients() {
        let result = client.call_tool("good", json!({})).await.unwrap();
        assert_eq!(result.content[0].as_text(), Some("ok"), "{name}");
    }
    hub.close().await;
}
