//! Conversations that are kept: `--save`, `--resume`, `mcp sessions`, and the commands of a chat.

use serde_json::{Value, json};

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

fn chat(sandbox: &Sandbox, model: &Model, lines: &str, more: &str) -> Ended {
    let ended = sandbox
        .shell(&format!("printf '{lines}' | mcp chat --base-url {} -m scripted {more}", model.url));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn sessions(sandbox: &Sandbox, more: &[&str]) -> Ended {
    let ended = sandbox.mcp(&[&["sessions"], more].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn listed(sandbox: &Sandbox) -> Vec<Value> {
    let document: Value =
        serde_json::from_str(&sessions(sandbox, &["list", "--json"]).stdout).unwrap();
    document["sessions"].as_array().unwrap().clone()
}

#[test]
fn a_chat_is_kept_and_goes_on() {
    let sandbox = Sandbox::new();
    let model = Model::start(vec![Answer::Text("Ahoy."), Answer::Text("Two.")]);
    let ended = chat(&sandbox, &model, "Hello there\\n/undo\\nTwo ships?\\n/cost\\n", "");
    assert!(ended.stderr.contains("took the last question back"), "{}", ended.stderr);
    assert!(ended.stderr.contains("saved as session"), "{}", ended.stderr);
    // What was taken back is not said to the model any more.
    assert_eq!(model.requests()[1]["messages"].as_array().unwrap().len(), 1);

    let all = listed(&sandbox);
    assert_eq!((all.len(), &all[0]["title"]), (1, &json!("Two ships?")));
    let id = all[0]["id"].as_str().unwrap().to_owned();

    let model = Model::start(vec![Answer::Text("You asked for ships.")]);
    let ended = chat(&sandbox, &model, "What did I just ask you?\\n", "--resume");
    assert!(ended.stderr.contains("going on with session"), "{}", ended.stderr);
    let messages = model.requests()[0]["messages"].clone();
    assert_eq!(messages[0]["content"], "Two ships?");
    assert_eq!(messages[1]["content"], "Two.");

    let shown = sessions(&sandbox, &["show", &id[..8]]).stdout;
    assert!(shown.contains("## User\n\nTwo ships?"), "{shown}");
    assert!(shown.ends_with("You asked for ships.\n"), "{shown}");
    let fork = sessions(&sandbox, &["fork", &id, "--at", "1"]);
    let fork = fork.stdout.trim();
    assert_eq!(listed(&sandbox).len(), 2);
    assert!(!sessions(&sandbox, &["export", fork]).stdout.contains("You asked"));
    sessions(&sandbox, &["rm", fork, &id]);
    assert!(listed(&sandbox).is_empty());
    let gone = sandbox.mcp(&["sessions", "show", &id]);
    assert_eq!(gone.code, Some(2), "{}", gone.stderr);
}

#[test]
fn a_run_is_kept_by_choice() {
    let sandbox = Sandbox::new();
    let run = |model: &Model, more: &[&str]| {
        let first = ["run", "--base-url", &model.url, "-m", "scripted"];
        sandbox.mcp(&[&first[..], more].concat())
    };
    let model = Model::start(vec![Answer::Text("One."), Answer::Text("Two."), Answer::Text("3")]);
    assert_eq!(run(&model, &["first"]).code, Some(0));
    assert!(listed(&sandbox).is_empty());
    assert_eq!(run(&model, &["second", "--save"]).code, Some(0));
    assert_eq!(run(&model, &["third", "--resume"]).code, Some(0));
    assert_eq!(model.requests()[2]["messages"].as_array().unwrap().len(), 3);
    assert_eq!(listed(&sandbox).len(), 1);
}

#[test]
fn budgets_and_rules_are_told_to_the_model() {
    let sandbox = Sandbox::new();
    let call = || Answer::Calls(vec![("mcp__demo__calculator", json!({"expression": "1 + 1"}))]);
    for (more, told, code) in [
        (&["--tool-budget", "demo.calculator=1"][..], "1 of 1 calls of `demo.calculator`", 0),
        (&["--rule", "deny demo.calc*(expression=1*)"], "not allowed by the rule", 8),
    ] {
        let model = Model::start(vec![call(), call(), Answer::Text("2")]);
        let first = ["run", "--base-url", &model.url, "-m", "scripted", "go"];
        let ended = sandbox.mcp(&[&first[..], more].concat());
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        let last = model.requests()[2]["messages"].as_array().unwrap().last().unwrap().clone();
        assert!(last["content"].as_str().unwrap().contains(told), "{last}");
    }
    let model = Model::start(vec![call(), Answer::Text("2")]);
    let first = ["run", "--base-url", &model.url, "-m", "scripted", "go", "--json"];
    let ended = sandbox.mcp(&[&first[..], &["--max-tokens", "100"]].concat());
    assert_eq!(ended.code, Some(8), "{}", ended.stderr);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["outcome"], "token_limit");
}

#[test]
fn prices_are_those_of_the_table() {
    let sandbox = Sandbox::new();
    sandbox.write("prices.toml", "[\"scr*\"]\ninput = 3000\noutput = 15000\n");
    sandbox.write("others.json", r#"{"other": {"input": 1, "output": 1}}"#);
    let call = || Answer::Calls(vec![("mcp__demo__calculator", json!({"expression": "1 + 1"}))]);
    let run = |prices: &str, limit: &str| {
        let server = Model::start(vec![call(), Answer::Text("2")]);
        let first = ["run", "--base-url", &server.url, "-m", "scripted", "go"];
        sandbox.mcp(&[&first[..], &["--prices", prices, "--max-cost", limit]].concat())
    };
    let ended = run("prices.toml", "1000000");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = run("prices.toml", "0.001");
    assert_eq!(ended.code, Some(8), "{}", ended.stderr);
    assert!(ended.stderr.contains("$0.0010 allowed was spent"), "{}", ended.stderr);
    let ended = run("others.json", "0.001");
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("the price of `scripted` is not known"), "{}", ended.stderr);
}
