//! One server with several endpoints, as a file says it.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::{sandbox::Sandbox, serve::Serving};

/// A file with one server of three processes.
fn sandbox(replicas: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let entry = format!(
        r#"{{"mcpServers": {{
  "ev": {{"command": "python3", "args": ["peer.py"], "replicas": {replicas}}},
  "alone": {{"command": "mcp", "args": ["demo-server"]}}
}}}}"#
    );
    sandbox.write("mcp.json", &entry);
    sandbox
}

#[test]
fn status_shows_each_replica() {
    let sandbox = sandbox("3");
    let text = sandbox.mcp(&["status", "--config", "mcp.json"]);
    assert_eq!(text.code, Some(0), "{}", text.stderr);
    let names: Vec<_> =
        text.stdout.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["ev", "ev#1", "ev#2", "ev#3", "alone"], "{}", text.stdout);
    let json = sandbox.mcp(&["status", "--config", "mcp.json", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let servers = json["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 2);
    let replicas = servers[0]["replicas"].as_array().unwrap();
    assert!(replicas.iter().all(|one| one["state"] == "ready" && one["calls"].as_u64() > Some(0)));
    assert_eq!(replicas.len(), 3);
    assert_eq!(servers[1]["replicas"], Value::Array(Vec::new()));
    let called = sandbox.mcp(&["call", "ev.echo", "text=hi", "--config", "mcp.json"]);
    assert_eq!(
        (called.code, called.stdout.trim()),
        (Some(0), r#"{"text": "hi"}"#),
        "{}",
        called.stderr
    );
    let shown = sandbox.mcp(&["config", "show", "mcp.json"]);
    assert!(shown.stdout.contains("python3 peer.py (+2)"), "{}", shown.stdout);
}

#[test]
fn a_wrong_word_is_told_with_its_place() {
    let sandbox = sandbox(r#"{"count": 3, "balance": "fair"}"#);
    let ended = sandbox.mcp(&["call", "ev.echo", "text=hi", "--config", "mcp.json"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("`replicas.balance` must be one of round-robin"), "{ended:?}");
    assert!(ended.stderr.contains("mcp.json:2"), "{ended:?}");
}

/// A service over three replicas goes on when one of them is killed, and starts it again.
#[test]
fn a_service_goes_on_when_a_replica_dies() {
    let sandbox = sandbox(r#"{"count": 3, "balance": "round-robin", "affinity": "never"}"#);
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    let words = ["serve", "--listen", "127.0.0.1:0", "--no-model", "--no-token", "-o", "json"];
    command.args(words).args(["--config", "mcp.json"]).stdout(Stdio::piped());
    let mut serving = Serving(command.spawn().unwrap());
    let mut told = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut told).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    let url = format!("{}/mcp", told["url"].as_str().unwrap());
    let call = |name: &str, argument: &str| sandbox.mcp(&["call", &url, name, argument]);
    // It ends in the middle of its call: that one call has no answer.
    let died = call("die", "{}");
    assert_ne!(died.code, Some(0), "{}", died.stdout);
    for _ in 0..6 {
        let ended = call("echo", "text=hi");
        assert_eq!(
            (ended.code, ended.stdout.trim()),
            (Some(0), r#"{"text": "hi"}"#),
            "{}",
            ended.stderr
        );
    }
    let report = sandbox.shell(&format!(
        "python3 -c \"import urllib.request; print(urllib.request.urlopen('{url}/servers').read().decode())\""
    ));
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    let replicas = report["servers"][0]["replicas"].as_array().unwrap();
    let names: BTreeSet<_> = replicas.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["ev#1", "ev#2", "ev#3"]), "{report}");
}
