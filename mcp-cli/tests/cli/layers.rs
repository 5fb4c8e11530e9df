//! What happens to calls on their way: a record, repetition, rates, a cache, and servers that are
//! left alone.

use std::fs;

use serde_json::{Value, json};

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

fn verify(sandbox: &Sandbox, more: &[&str]) -> Ended {
    let mut arguments = vec!["audit", "verify", "calls.jsonl"];
    arguments.extend_from_slice(more);
    sandbox.mcp(&arguments)
}

fn recorded(sandbox: &Sandbox) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path().join("calls.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn calls_are_recorded_and_the_record_is_checked() {
    let sandbox = Sandbox::new();
    let call = |tool: &str, argument: &str| {
        let words = ["call", tool, argument, "--config", "one.json", "--audit", "calls.jsonl"];
        sandbox.mcp(&words)
    };
    assert_eq!(call("ev.echo", "text=hello").code, Some(0));
    assert_eq!(call("ev.fail", "{}").code, Some(5));
    let secret = format!("text=ghp_{}", "a1B2".repeat(9));
    assert_eq!(call("ev.echo", &secret).code, Some(0));
    assert_eq!(call("ev.die", "{}").code, Some(4));
    let lines = recorded(&sandbox);
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["ok", "tool_error", "ok", "lost"]);
    assert_eq!((&lines[0]["server"], &lines[0]["target"]), (&json!("ev"), &json!("echo")));
    assert_eq!(lines[2]["arguments"]["text"], "[redacted]");

    let whole = verify(&sandbox, &["--json"]);
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    let whole: Value = serde_json::from_str(&whole.stdout).unwrap();
    assert_eq!((&whole["calls"], &whole["lastHash"]), (&json!(4), &lines[3]["hash"]));

    let file = sandbox.path().join("calls.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("hello", "hullo")).unwrap();
    let changed = verify(&sandbox, &[]);
    assert_eq!(changed.code, Some(1));
    assert!(changed.stderr.contains("line 1 was changed after it was written"), "{changed:?}");

    fs::write(&file, text.lines().next().unwrap().to_owned() + "\n").unwrap();
    assert_eq!(verify(&sandbox, &[]).code, Some(0));
    let cut = verify(&sandbox, &["--since", whole["lastHash"].as_str().unwrap()]);
    assert_eq!(cut.code, Some(1));
    assert!(cut.stderr.contains("the end is missing"), "{cut:?}");
}

#[test]
fn a_call_that_cannot_be_recorded_is_not_made() {
    let sandbox = Sandbox::new();
    sandbox.write("calls.jsonl", "no record\n");
    let words = ["call", "ev.echo", "text=x", "--config", "one.json", "--audit", "calls.jsonl"];
    let ended = sandbox.mcp(&words);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("begin a new file"), "{}", ended.stderr);
}

/// Runs a model that calls these tools of `ev`, one after the other.
fn run(sandbox: &Sandbox, tools: &[(&'static str, Value)], more: &[&str]) -> Value {
    let calls =
        tools.iter().map(|(name, arguments)| Answer::Calls(vec![(name, arguments.clone())]));
    let model = Model::start(calls.chain([Answer::Text("Done.")]).collect());
    let url = model.url.clone();
    let mut words = vec!["run", "go", "--base-url", &url, "-m", "scripted", "--json"];
    words.extend(["--config", "one.json", "--approve", "auto", "--audit", "calls.jsonl"]);
    words.extend_from_slice(more);
    let ended = sandbox.mcp(&words);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn results_are_kept_for_believed_servers_alone() {
    let echo = || ("mcp__ev__echo", json!({"text": "x"}));
    for (more, from_cache) in [
        (&["--cache-ttl", "1m"][..], [false, false]),
        (&["--cache-ttl", "1m", "--believe", "ev"], [false, true]),
        (&["--cache-ttl", "ev.echo=1m"], [false, true]),
    ] {
        let sandbox = Sandbox::new();
        run(&sandbox, &[echo(), echo()], more);
        let lines = recorded(&sandbox);
        assert_eq!([&lines[0]["fromCache"], &lines[1]["fromCache"]], from_cache, "{more:?}");
    }
}

#[test]
fn a_server_that_keeps_failing_is_left_alone() {
    let sandbox = Sandbox::new();
    let hang = || ("mcp__ev__hang", json!({}));
    let more = ["--timeout", "100ms", "--breaker-failures", "2"];
    let document = run(&sandbox, &[hang(), hang(), hang()], &more);
    let lines = recorded(&sandbox);
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["timed_out", "timed_out", "circuit_open"]);
    assert_eq!(lines[2]["sent"], false);
    let told = document["calls"][2]["text"].as_str().unwrap();
    assert!(told.contains("failed 2 times in a row"), "{told}");
}

#[test]
fn a_chat_shows_a_server_that_is_left_alone() {
    let hang = || Answer::Calls(vec![("mcp__ev__hang", json!({}))]);
    let sandbox = Sandbox::new();
    let model = Model::start(vec![hang(), Answer::Text("Done.")]);
    let line = format!(
        "printf '/servers\\nGo\\n/servers\\n' | mcp chat --base-url {} -m scripted --no-save \
         --config one.json --approve auto --timeout 100ms --breaker-failures 1",
        model.url
    );
    let ended = sandbox.shell(&line);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("\n  ev   0 calls\n"), "{}", ended.stderr);
    let shown = ended.stderr.lines().find(|line| line.starts_with("  ev   1 call, 1 failed"));
    assert!(shown.unwrap().contains("open: "), "{}", ended.stderr);
}

#[test]
fn calls_of_a_tool_wait_for_their_turn() {
    let sandbox = Sandbox::new();
    let echo = || ("mcp__ev__echo", json!({"text": "x"}));
    run(&sandbox, &[echo(), echo()], &["--rate", "ev.echo=4/s:1"]);
    let lines = recorded(&sandbox);
    // At four in a second the second one waits at least for the rest of a quarter.
    let begun = |line: &Value| line["timeMs"].as_u64().unwrap() - line["tookMs"].as_u64().unwrap();
    let answered = |line: &Value| line["timeMs"].as_u64().unwrap();
    assert!(answered(&lines[1]) - begun(&lines[0]) >= 249, "{lines:?}");
}

#[test]
fn names_that_are_not_used_are_refused() {
    let sandbox = Sandbox::new();
    let (model, base) = (Model::start(vec![Answer::Text("x")]), ["run", "go", "-m", "scripted"]);
    for (option, value) in
        [("--rate", "db=1/s"), ("--cache-ttl", "db.x=1s"), ("--believe", "db"), ("--rate", "fast")]
    {
        let mut words = base.to_vec();
        words.extend(["--base-url", &model.url, "--config", "one.json", option, value]);
        let ended = sandbox.mcp(&words);
        assert_eq!(ended.code, Some(2), "{option} {value}: {}", ended.stderr);
    }
}
