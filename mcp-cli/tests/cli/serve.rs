//! `mcp serve`, asked by `mcp` itself.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use crate::sandbox::Sandbox;

/// Ended with the value.
pub(crate) struct Serving(pub(crate) Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_service_is_one_mcp_server() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    let words = ["serve", "--listen", "127.0.0.1:0", "--no-model", "-o", "json"];
    command.args(words).args(["--", "mcp", "demo-server"]).stdout(Stdio::piped());
    let mut serving = Serving(command.spawn().unwrap());
    let mut told = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut told).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let url = format!("{}/mcp", told["url"].as_str().unwrap());
    let token = told["token"].as_str().unwrap();
    assert!(token.len() >= 40);
    let header = format!("Authorization: Bearer {token}");
    for era in ["auto", "legacy", "modern"] {
        let words = ["call", &url, "calculator", "expression=6*7", "--era", era, "-H", &header];
        let ended = sandbox.mcp(&words);
        assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "42"), "{era}: {}", ended.stderr);
    }
    let ended = sandbox.mcp(&["call", &url, "calculator", "expression=6*7"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
}

#[test]
fn a_service_speaks_over_standard_streams_too() {
    let words = ["call", "calculator", "expression=6*7", "--", "mcp", "serve", "--stdio", "--"];
    let words: Vec<_> = words.iter().copied().chain(["mcp", "demo-server"]).collect();
    let ended = Sandbox::new().mcp(&words);
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "42"), "{}", ended.stderr);
}

#[test]
fn what_cannot_be_served_is_said() {
    let sandbox = Sandbox::new();
    for (words, code, said) in [
        (vec!["serve", "--listen", "nowhere"], 2, "cannot listen at nowhere"),
        (vec!["serve", "--listen", "0.0.0.0:0", "--no-token", "--no-model"], 2, "--no-token"),
        (vec!["serve", "--token-env", "NOT_SET_ANYWHERE", "--listen", "127.0.0.1:0"], 2, "not set"),
    ] {
        let ended = sandbox.mcp(&words);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}

/// What a service offers, by `SERVER.TOOL` or the like.
fn calculators(sandbox: &Sandbox, url: &str) -> usize {
    let ended = sandbox.mcp(&["tools", url, "-g", "*calculator", "-o", "raw"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout.lines().count()
}

#[test]
fn a_service_heeds_changes_of_its_configuration() {
    let sandbox = Sandbox::new();
    let write = |names: &[&str]| {
        let entry =
            |name: &&str| format!(r#""{name}": {{"command": "mcp", "args": ["demo-server"]}}"#);
        let entries: Vec<_> = names.iter().map(entry).collect();
        sandbox.write("mcp.json", &format!(r#"{{"mcpServers": {{{}}}}}"#, entries.join(", ")));
    };
    write(&["one"]);
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    let words = ["serve", "--listen", "127.0.0.1:0", "--no-model", "--no-token", "-o", "json"];
    command.args(words).args(["--config", "mcp.json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut serving = Serving(command.spawn().unwrap());
    let mut told = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut told).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let url = format!("{}/mcp", told["url"].as_str().unwrap());
    assert_eq!(calculators(&sandbox, &url), 1);
    let mut news = BufReader::new(serving.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut next = |what: &str| {
        let line = news.find(|line| line.contains("configuration")).unwrap();
        assert!(line.contains(what), "{line}");
    };
    sandbox.write("mcp.json", "{");
    next("cannot be used, so the servers go on as they were");
    assert_eq!(calculators(&sandbox, &url), 1);
    write(&["one", "two"]);
    next("configuration: added two");
    assert_eq!(calculators(&sandbox, &url), 2);
    write(&["two"]);
    next("configuration: removed one");
    assert_eq!(calculators(&sandbox, &url), 1);
}
