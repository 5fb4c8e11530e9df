//! Several servers side by side.

mod catalogs;
mod changing;
mod guarding;
mod healing;
mod reloading;
mod replicas;
mod starting;
mod toolset;
mod watches;

use std::time::Duration;

use mcp_client::{
    Hub, ServerStatus, StateKind,
    config::{ServerConfig, TransportConfig},
};

/// A server that does one thing wrong, by name.
fn misbehaving(name: &str, fault: &str) -> ServerConfig {
    ServerConfig::new(
        name,
        TransportConfig::Stdio {
            command: env!("CARGO_BIN_EXE_misbehave").to_owned(),
            args: vec![fault.to_owned()],
            env: [].into(),
            cwd: None,
        },
    )
}

fn kinds(hub: &Hub) -> Vec<String> {
    let status = hub.status();
    status.iter().map(|server| format!("{} {}", server.name, server.state.kind())).collect()
}

/// Waits until a server is in this state, one that lasts.
async fn until(hub: &Hub, name: &str, kind: StateKind) {
    until_that(hub, name, |status| status.state.kind() == kind).await;
}

/// Waits until this is so; the limit only ends a test that would hang.
async fn until_that(hub: &Hub, name: &str, is_so: impl Fn(&ServerStatus) -> bool) {
    let server = hub.server(name).expect("is in the hub");
    let reached = async {
        let mut seen = 0;
        while !is_so(&server.status()) {
            seen = hub.changed_since(seen).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), reached).await;
    assert!(in_time.is_ok(), "{name} never got there: {:?}", server.status());
}
