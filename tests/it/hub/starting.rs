//! Each starts on its own.

use std::time::Duration;

use mcp_client::{
    Hub, HubOptions, ServerState, ServerStatus, StateKind,
    config::{self, ServerConfig, TransportConfig},
};
use serde_json::json;

use super::{misbehaving, until_that};

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

/// None of the broken ones can delay the others: three of them never end to start. All that is
/// waited for is the slowest good one, which starts when it is let.
#[tokio::test]
async fn ten_broken_servers_of_thirty_delay_no_good_one() {
    let transports = [
        (
            "no-program",
            TransportConfig::Stdio {
                command: "no-such-program-anywhere".to_owned(),
                args: Vec::new(),
                env: [].into(),
                cwd: None,
            },
        ),
        (
            "no-folder",
            TransportConfig::Stdio {
                command: "sh".to_owned(),
                args: Vec::new(),
                env: [].into(),
                cwd: Some("/no/such/folder".into()),
            },
        ),
        ("no-url", TransportConfig::Http { url: "http://".to_owned(), headers: [].into() }),
        // Nobody listens at this port.
        (
            "no-port",
            TransportConfig::Http { url: "http://127.0.0.1:9/mcp".to_owned(), headers: [].into() },
        ),
    ];
    let faults = ["exit-at-once", "not-mcp", "future", "silent", "silent", "silent"];
    let broken = faults.iter().enumerate().map(|(n, fault)| {
        let mut server = misbehaving(&format!("{fault}-{n}"), fault);
        server.startup_timeout = Some(Duration::from_secs(3600));
        server
    });
    let broken = broken.chain(transports.map(|(name, how)| ServerConfig::new(name, how)));
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("open");
    let mut slowest = misbehaving("slowest", "ok");
    if let TransportConfig::Stdio { command, args, .. } = &mut slowest.transport {
        let wait = r#"while [ ! -e "$0" ]; do sleep 0.01; done; exec "$1" ok"#;
        let program = std::mem::replace(command, "sh".to_owned());
        *args = vec!["-c".to_owned(), wait.to_owned(), gate.display().to_string(), program];
    }
    // The good ones stand behind the broken ones.
    let servers: Vec<_> = broken
        .chain([slowest])
        .chain((0..19).map(|n| misbehaving(&format!("good-{n}"), "ok")))
        .collect();
    assert_eq!(servers.len(), 30);
    let mut options = HubOptions::default();
    options.restart = None;
    let hub = Hub::start(servers, &options);
    let kind = |name: &str| hub.server(name).unwrap().status().state.kind();
    let is_ready = |status: &ServerStatus| status.state.kind() == StateKind::Ready;
    for n in 0..19 {
        until_that(&hub, &format!("good-{n}"), is_ready).await;
    }
    assert_eq!(kind("slowest"), StateKind::Starting, "the others did not wait for it");
    std::fs::write(&gate, "").unwrap();
    until_that(&hub, "slowest", is_ready).await;
    // It is the last one that anybody waited for, and no broken one was.
    for status in hub.status() {
        let name = status.name.as_str();
        match name.split_once('-').map(|(first, _)| first) {
            Some("good") | None => assert_eq!(status.state.kind(), StateKind::Ready, "{name}"),
            Some("silent") => assert_eq!(status.state.kind(), StateKind::Starting, "{name}"),
            _ => {
                until_that(&hub, name, |status| {
                    matches!(status.state.kind(), StateKind::Down | StateKind::NotConfigured)
                })
                .await;
            }
        }
    }
    hub.close().await;
}
