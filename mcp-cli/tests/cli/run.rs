//! `mcp run`: a question, a model, real tools, an answer.

use serde_json::{Value, json};

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

fn ask(model: &Model, sandbox: &Sandbox, more: &[&str]) -> Ended {
    let mut arguments = vec!["run", "--base-url", &model.url, "-m", "scripted"];
    arguments.extend_from_slice(more);
    sandbox.mcp(&arguments)
}

fn calculates() -> Vec<Answer> {
    vec![
        Answer::Calls(vec![("mcp__demo__calculator", json!({"expression": "17 * 23"}))]),
        Answer::Text("17 * 23 is 391."),
    ]
}

#[test]
fn answers_with_the_tools_of_the_demo_server() {
    let (model, sandbox) = (Model::start(calculates()), Sandbox::new());
    let ended = ask(&model, &sandbox, &["What is 17 * 23?"]);
    assert_eq!(ended.stdout, "17 * 23 is 391.\n");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("no server is configured: using the demo server"));
    assert!(ended.stderr.contains("model: scripted"), "{}", ended.stderr);
    let card = ended.stderr.lines().find(|line| line.starts_with('●')).unwrap();
    assert!(card.starts_with(r#"● demo.calculator expression="17 * 23""#), "{card}");
    assert!(card.contains("✓") && card.ends_with("3 B"), "{card}");

    let requests = model.requests();
    let tools = requests[0]["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 6);
    let result = requests[1]["messages"].as_array().unwrap().last().unwrap();
    assert_eq!((&result["role"], &result["content"]), (&json!("tool"), &json!("391")));
}

#[test]
fn prints_one_document_for_programs() {
    let (model, sandbox) = (Model::start(calculates()), Sandbox::new());
    let ended = ask(&model, &sandbox, &["What is 17 * 23?", "--json"]);
    let mut document: Value = serde_json::from_str(&ended.stdout).unwrap();
    for place in ["/tookMs", "/calls/0/tookMs"] {
        assert!(document.pointer_mut(place).unwrap().take().is_u64(), "{place}");
    }
    assert_eq!(
        document,
        json!({
            "schema": 1, "model": "scripted", "text": "17 * 23 is 391.", "outcome": "final",
            "calls": [{"server": "demo", "tool": "calculator",
                "arguments": {"expression": "17 * 23"}, "isError": false, "text": "391",
                "tookMs": null}],
            "usage": {"inputTokens": 200, "outputTokens": 20, "cachedInputTokens": 0,
                "cachedPercent": 0, "reasoningTokens": 0},
            "steps": 2, "tookMs": null,
        })
    );
}

#[test]
fn streams_events_for_programs() {
    let (model, sandbox) = (Model::start(calculates()), Sandbox::new());
    let ended = ask(&model, &sandbox, &["What is 17 * 23?", "-o", "ndjson"]);
    let kinds: Vec<String> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].as_str().unwrap().into())
        .collect();
    assert_eq!(kinds, ["step", "call", "call_result", "step", "text", "text", "finished"]);
}

#[test]
fn takes_standard_input_as_context() {
    let (model, sandbox) = (Model::start(vec![Answer::Text("Fine.")]), Sandbox::new());
    let line = format!(
        "echo 'a long diff' | mcp run 'Review this' --base-url {} -m scripted -q",
        model.url
    );
    let ended = sandbox.shell(&line);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "Fine.\n"), "{}", ended.stderr);
    let asked = &model.requests()[0]["messages"][0];
    assert_eq!(asked["content"], "Review this\n\na long diff\n");

    let ended = sandbox.shell(&format!("{line} --no-stdin"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(model.requests()[1]["messages"][0]["content"], "Review this");
}

#[test]
fn uses_the_servers_that_are_named() {
    let calls = vec![
        ("mcp__ev__get-sum", json!({"a": 1, "b": 2})),
        ("mcp__demo__calculator", json!({"expression": "3 * 4"})),
        ("mcp__ev__fail", json!({})),
        ("mcp__nobody__knows", json!({})),
    ];
    let model = Model::start(vec![Answer::Calls(calls), Answer::Text("Done.")]);
    let sandbox = Sandbox::new();
    let more = ["go", "--config", "servers.json", "-s", "ev", "-s", "demo", "-s", "pg", "--json"];
    let ended = ask(&model, &sandbox, &more);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("warning: without pg:"), "{}", ended.stderr);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut seen: Vec<_> = document["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (call["tool"].as_str().unwrap().to_owned(), call["isError"] == true))
        .collect();
    seen.sort();
    let want =
        [("calculator", false), ("fail", true), ("get-sum", false), ("mcp__nobody__knows", true)];
    assert_eq!(seen, want.map(|(tool, failed)| (tool.to_owned(), failed)));
}

#[test]
fn a_configured_server_needs_approval_for_what_is_not_read_only() {
    let calls = vec![("mcp__ev__delete_all", json!({})), ("mcp__ev__echo", json!({"text": "x"}))];
    let answers = || vec![Answer::Calls(calls.clone()), Answer::Text("Done.")];
    let sandbox = Sandbox::new();
    for (more, code, failed) in [
        // Nobody can be asked here, and the server was not named on the command line.
        (&["go", "--config", "one.json", "--json"][..], 8, true),
        (&["go", "--config", "one.json", "--json", "-s", "ev"], 0, false),
        (&["go", "--config", "one.json", "--json", "-s", "ev", "--approve", "never"], 8, true),
        (&["go", "--config", "one.json", "--json", "--approve", "auto"], 0, false),
    ] {
        let ended = ask(&Model::start(answers()), &sandbox, more);
        assert_eq!(ended.code, Some(code), "{more:?} {}", ended.stderr);
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        for call in document["calls"].as_array().unwrap() {
            let expected = failed && call["tool"] == "delete_all";
            assert_eq!(call["isError"], expected, "{more:?} {call}");
        }
    }
}

#[test]
fn ends_say_what_they_are() {
    let sandbox = Sandbox::new();
    let again = Answer::Calls(vec![("mcp__demo__clock", json!({}))]);
    for (answers, more, code, said) in [
        (vec![again.clone()], &["--max-steps", "1"][..], 7, "allow more steps with --max-steps"),
        (vec![Answer::Text("")], &[], 7, "the model said nothing"),
        (vec![Answer::Status(401, "bad key")], &[], 3, "cause: bad key"),
        (vec![Answer::Status(400, "no such model")], &[], 1, "cause: no such model"),
    ] {
        let model = Model::start(answers);
        let mut arguments = vec!["go"];
        arguments.extend_from_slice(more);
        let ended = ask(&model, &sandbox, &arguments);
        assert_eq!(ended.code, Some(code), "{more:?} {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}

#[test]
fn models_that_cannot_be_had() {
    let sandbox = Sandbox::new();
    let ended = sandbox.mcp(&["run", "go", "--base-url", "http://127.0.0.1:9/v1", "-m", "x"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot reach the model at http://127.0.0.1:9/v1"));

    let model = Model::start(vec![Answer::Text("x")]);
    let ended = sandbox.mcp(&["run", "go", "--base-url", &model.url, "-m", "other"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("such as -m scripted"), "{}", ended.stderr);

    let ended = sandbox.mcp(&["run", "go", "--api-key-env", "NOT_SET_ANYWHERE"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);

    let ended = ask(&model, &sandbox, &["go", "--config", "servers.json", "-s", "pg"]);
    assert_eq!(ended.code, Some(4));
    assert!(ended.stderr.contains("error: no server could be started"), "{}", ended.stderr);
}

#[test]
fn a_chat_remembers() {
    let answers = vec![
        Answer::Calls(vec![("mcp__demo__calculator", json!({"expression": "1 + 1"}))]),
        Answer::Text("It is 2."),
        Answer::Text("You asked for 1 + 1."),
    ];
    let (model, sandbox) = (Model::start(answers), Sandbox::new());
    let line = format!(
        "printf 'What is 1 + 1?\\n/tools\\n/nosuch\\nWhat did I ask?\\n/clear\\nAnd now?\\nexit\\nnever\\n' \
         | mcp chat --base-url {} -m scripted",
        model.url
    );
    let ended = sandbox.shell(&line);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("It is 2.\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("  demo.calculator   Calculates"), "{}", ended.stdout);
    assert!(ended.stdout.contains("You asked for 1 + 1.\n"), "{}", ended.stdout);
    assert!(ended.stderr.contains("mcp chat · scripted · demo (6 tools)"), "{}", ended.stderr);
    assert!(ended.stderr.contains("there is no `/nosuch`"), "{}", ended.stderr);
    let requests = model.requests();
    let lengths: Vec<_> =
        requests.iter().map(|request| request["messages"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, [1, 3, 5, 1]);
}

#[test]
fn gives_an_answer_of_the_shape_that_was_asked_for() {
    let (model, sandbox) = (
        Model::start(vec![
            Answer::Calls(vec![("mcp__demo__calculator", json!({"expression": "17 * 23"}))]),
            Answer::Calls(vec![("final_answer", json!({"product": "many"}))]),
            Answer::Calls(vec![("final_answer", json!({"product": 391}))]),
        ]),
        Sandbox::new(),
    );
    let schema = json!({"type": "object", "properties": {"product": {"type": "integer"}},
        "required": ["product"], "additionalProperties": false});
    sandbox.write("shape.json", &schema.to_string());
    let ended = ask(&model, &sandbox, &["What is 17 * 23?", "--schema", "shape.json"]);
    assert_eq!(ended.stdout, "{\"product\":391}\n", "{}", ended.stderr);
    let last = model.requests().pop().unwrap();
    let told = last["messages"].as_array().unwrap().last().unwrap()["content"].to_string();
    assert!(told.contains("The answer cannot be used"), "{told}");
}

#[test]
fn says_which_variable_is_missing() {
    let ended = Sandbox::new().mcp(&["run", "-m", "anthropic:claude-sonnet-4-5", "Hi"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("Anthropic wants a key; set ANTHROPIC_API_KEY"),
        "{}",
        ended.stderr
    );
}

#[test]
fn exports_tools_for_other_programs() {
    let sandbox = Sandbox::new();
    let list = |form: &str| -> Value {
        let ended = sandbox.mcp(&["tools", "demo", "--export", form, "-g", "calculator"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    };
    let (openai, anthropic) = (list("openai"), list("anthropic"));
    assert_eq!(openai[0]["type"], "function");
    assert_eq!(openai[0]["function"]["name"], "mcp__demo__calculator");
    assert_eq!(anthropic[0]["name"], "mcp__demo__calculator");
    assert_eq!(anthropic[0]["input_schema"], openai[0]["function"]["parameters"]);
}
