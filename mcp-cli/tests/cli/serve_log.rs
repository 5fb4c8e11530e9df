//! What `mcp serve` logs for programs.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::{sandbox::Sandbox, serve::Serving};

#[test]
fn each_request_is_a_line_of_json_and_no_token_is_said() {
    let sandbox = Sandbox::new();
    sandbox.write_demos("mcp.json", &["demo"]);
    let token = "a-token-of-the-tests-own";
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    let words = ["serve", "--listen", "127.0.0.1:0", "--no-model", "-o", "json"];
    command.args(words).args(["--token-env", "TOKEN", "--log-format", "json"]);
    command.args(["--config", "mcp.json"]).env("TOKEN", token);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut serving = Serving(command.spawn().unwrap());
    let mut told = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut told).unwrap();
    assert!(!told.contains(token), "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let url = format!("{}/mcp", told["url"].as_str().unwrap());
    let header = format!("Authorization: Bearer {token}");
    let id = "X-Request-Id: of-the-test";
    let words = ["call", &url, "calculator", "expression=6*7", "-H", &header, "-H", id];
    let ended = sandbox.mcp(&words);
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "42"), "{}", ended.stderr);

    let lines = BufReader::new(serving.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines
        .map(|line| {
            assert!(!line.contains(token), "{line}");
            serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
        })
        .find(|line| line["tool"] == "calculator")
        .unwrap();
    for (name, value) in [
        ("request_id", json!("of-the-test")),
        ("http_method", json!("POST")),
        ("path", json!("/mcp")),
        ("method", json!("tools/call")),
        ("server", json!("demo")),
        ("outcome", json!("ok")),
        ("calls", json!(1)),
        ("principal", json!("owner")),
        ("status", json!(200)),
        ("level", json!("INFO")),
    ] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
    assert!(line["ms"].as_f64().unwrap() > 0.0, "{line}");
}
