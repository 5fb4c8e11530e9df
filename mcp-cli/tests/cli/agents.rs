//! Agents that a file declares.

use serde_json::{Value, json};

use crate::{
    model::{Answer, Model},
    sandbox::Sandbox,
};

const AGENTS: &str = r#"
[agents.clerk]
description = "Answers customers."
instructions = "Be brief."
tools = []
hands_over_to = ["counter"]

[agents.counter]
description = "Knows numbers."
instructions = "Be exact."
tools = ["demo.calculator"]
"#;

#[test]
fn an_agent_hands_over_to_another() {
    let model = Model::start(vec![
        Answer::Calls(vec![("hand_over_to_counter", json!({"task": "Multiply."}))]),
        Answer::Calls(vec![("mcp__demo__calculator", json!({"expression": "17 * 23"}))]),
        Answer::Text("It is 391."),
    ]);
    let sandbox = Sandbox::new();
    sandbox.write("agents.toml", AGENTS);
    let ended = sandbox.mcp(&[
        "run",
        "What is 17 * 23?",
        "--agent",
        "clerk",
        "--agents",
        "agents.toml",
        "--base-url",
        &model.url,
        "-m",
        "scripted",
        "--json",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["text"], "It is 391.");
    assert_eq!(document["usage"]["inputTokens"], 300, "of both agents");
    assert!(ended.stderr.contains("handed over to counter"), "{}", ended.stderr);
    let requests = model.requests();
    let tools = |at: usize| -> Vec<&str> {
        let tools = requests[at]["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["function"]["name"].as_str().unwrap()).collect()
    };
    assert_eq!(tools(0), ["hand_over_to_counter"]);
    assert_eq!(tools(1), ["mcp__demo__calculator"]);
    // The other knows what was said, under its own rules.
    let messages = requests[1]["messages"].as_array().unwrap();
    assert_eq!(messages[0]["content"], "Be exact.");
    assert_eq!(messages[1]["content"], "What is 17 * 23?");
}

#[test]
fn declared_agents_are_listed() {
    let sandbox = Sandbox::new();
    sandbox.write("agents.toml", AGENTS);
    let ended = sandbox.mcp(&["agents", "list", "--agents", "agents.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "clerk  Answers customers.\n  tools: none\n  hands over to: counter\n\
         counter  Knows numbers.\n  tools: demo.calculator\n"
    );
}

#[test]
fn what_cannot_be_right_is_refused_with_its_place() {
    let sandbox = Sandbox::new();
    for (name, text, code, said) in [
        (
            "a.toml",
            "[agents.a]\ndescription = \"A.\"\ntool = []\n",
            2,
            "line 3, column 1: unknown field `tool`",
        ),
        ("a.json", "{\"agents\": {\n\"a\": {\"tool\": []}}}", 2, "line 2, column"),
        (
            "b.toml",
            "[agents.a]\nasks = [\"b\"]\n",
            2,
            "`a` refers to the agent `b`, which is not declared",
        ),
        ("c.toml", "[agents.a]\nasks = [\"a\"]\n", 2, "the agents ask each other in a circle: a"),
        ("a.yaml", "", 2, "ends neither in .toml nor in .json"),
    ] {
        sandbox.write(name, text);
        let ended = sandbox.mcp(&["agents", "list", "--agents", name]);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    let ended = sandbox.mcp(&["run", "x", "--agent", "clark"]);
    assert!(ended.stderr.contains("no agents are declared"), "{}", ended.stderr);
    sandbox.write("agents.toml", AGENTS);
    let ended = sandbox.mcp(&["run", "x", "--agent", "clark", "--agents", "agents.toml"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("did you mean `clerk`?"), "{}", ended.stderr);
}
