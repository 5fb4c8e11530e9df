//! Servers that a configuration says are required, and tools that it approves.

use std::fs;

use serde_json::{Value, json};

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

/// A file with one server that works and one that says `required`.
fn with_required(entry: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let good = r#""ev": {"command": "python3", "args": ["peer.py"]}"#;
    sandbox.write("mcp.json", &format!(r#"{{"mcpServers": {{{good}, "need": {entry}}}}}"#));
    sandbox
}

/// The commands that begin something, each of which would go on for long.
fn begun(sandbox: &Sandbox) -> Vec<(&'static str, Ended)> {
    let model = Model::start(vec![Answer::Text("Here.")]);
    let asked = ["--base-url", &model.url, "-m", "scripted"];
    let commands: [(&str, &[&str], &[&str]); 4] = [
        ("run", &["run", "go"], &asked),
        ("chat", &["chat"], &asked),
        ("serve", &["serve", "--listen", "127.0.0.1:0", "--no-token"], &asked),
        ("tools", &["tools"], &[]),
    ];
    let ended = commands.map(|(name, words, more)| {
        (name, sandbox.mcp(&[words, more, &["--config", "mcp.json"]].concat()))
    });
    assert_eq!(model.requests(), Vec::<Value>::new());
    ended.into()
}

#[test]
fn nothing_begins_without_a_required_server() {
    for (entry, code, what) in [
        (r#"{"command": "/nowhere/no-such-program", "required": true}"#, 4, "no-such-program"),
        (
            r#"{"command": "x", "env": {"KEY": "${NOT_SET_ANYWHERE}"}, "required": true}"#,
            2,
            "NOT_SET_ANYWHERE",
        ),
        (r#"{"command": "x", "url": "http://h", "required": true}"#, 2, "`need`"),
    ] {
        let sandbox = with_required(entry);
        for (command, ended) in begun(&sandbox) {
            assert_eq!(ended.code, Some(code), "{command}: {}", ended.stderr);
            assert!(ended.stderr.contains(what), "{command}: {}", ended.stderr);
            let why = "says `required`: nothing begins without this server";
            assert!(ended.stderr.contains(why), "{command}: {}", ended.stderr);
        }
    }
}

#[test]
fn one_that_is_off_or_not_used_is_not_needed() {
    for entry in [
        r#"{"command": "/nowhere/none", "required": true, "enabled": false}"#,
        r#"{"command": "/nowhere/none"}"#,
    ] {
        let sandbox = with_required(entry);
        let ended = sandbox.mcp(&["tools", "ev", "--config", "mcp.json"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let model = Model::start(vec![Answer::Text("Here.")]);
        let words =
            ["run", "go", "--base-url", &model.url, "-m", "scripted", "--config", "mcp.json"];
        let ended = sandbox.mcp(&words);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

/// Calls two tools that change something while nobody can be asked; gives those that were called.
fn called(sandbox: &Sandbox, more: &[&str]) -> Vec<String> {
    let calls = ["mcp__ev__color", "mcp__ev__delete_all"]
        .map(|name| Answer::Calls(vec![(name, json!({"name": "red"}))]));
    let model = Model::start(calls.into_iter().chain([Answer::Text("Done.")]).collect());
    let _ = fs::remove_file(sandbox.path().join("calls.jsonl"));
    let mut words = vec!["run", "go", "--base-url", &model.url, "-m", "scripted"];
    words.extend(["--approve", "never", "--audit", "calls.jsonl"]);
    words.extend_from_slice(more);
    let ended = sandbox.mcp(&words);
    assert!(matches!(ended.code, Some(0 | 8)), "{}", ended.stderr);
    let text = fs::read_to_string(sandbox.path().join("calls.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["target"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn approved_tools_run_without_asking() {
    let sandbox = Sandbox::new();
    let write = |file: &str, more: &str| {
        let entry = format!(
            r#"{{"command": "python3", "args": ["{}/peer.py"]{more}}}"#,
            sandbox.path().display()
        );
        sandbox.write(file, &format!(r#"{{"mcpServers": {{"ev": {entry}}}}}"#));
    };
    let config = ["--config", "mcp.json"];
    write("mcp.json", "");
    assert_eq!(called(&sandbox, &config), Vec::<String>::new());
    write("mcp.json", r#", "autoApprove": ["color"]"#);
    assert_eq!(called(&sandbox, &config), ["color"]);
    // A pattern is not enough for one that says that it destroys.
    write("mcp.json", r#", "alwaysAllow": ["*"]"#);
    assert_eq!(called(&sandbox, &config), ["color"]);
    write("mcp.json", r#", "alwaysAllow": ["color", "delete_all"]"#);
    assert_eq!(called(&sandbox, &config), ["color", "delete_all"]);
    // The person's own rules are stricter.
    let rule = ["--config", "mcp.json", "--rule", "deny ev.color"];
    assert_eq!(called(&sandbox, &rule), ["delete_all"]);
    let shown = sandbox.mcp(&["config", "show", "mcp.json"]);
    assert!(shown.stdout.contains("runs without asking: color, delete_all"), "{}", shown.stdout);
}

#[test]
fn a_projects_approvals_hold_when_they_were_agreed_to() {
    let sandbox = Sandbox::new();
    let write = |more: &str| {
        let entry = format!(
            r#"{{"command": "python3", "args": ["{}/peer.py"]{more}}}"#,
            sandbox.path().display()
        );
        sandbox.write("app/.mcp.json", &format!(r#"{{"mcpServers": {{"ev": {entry}}}}}"#));
    };
    let config = ["--config", "app/.mcp.json"];
    write("");
    assert_eq!(sandbox.mcp(&["trust", "add", "app/.mcp.json"]).code, Some(0));
    assert_eq!(called(&sandbox, &config), Vec::<String>::new());
    // The project adds approvals: it is another entry, and starts when somebody agrees to that.
    write(r#", "autoApprove": ["color"]"#);
    let ended = sandbox.mcp(&["tools", "--config", "app/.mcp.json"]);
    assert_eq!(ended.code, Some(8), "{}", ended.stderr);
    let told = sandbox.mcp(&["trust", "add", "app/.mcp.json"]);
    assert!(told.stdout.contains("runs these of its tools without asking: color"), "{told:?}");
    assert_eq!(called(&sandbox, &config), ["color"]);
}
