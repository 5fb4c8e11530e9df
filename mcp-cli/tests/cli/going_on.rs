//! Conversations that stopped, or wait for a word about a call, and go on in another process.

use serde_json::{Value, json};

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

fn run(sandbox: &Sandbox, model: &Model, more: &[&str]) -> Ended {
    let first = ["run", "--base-url", &model.url, "-m", "scripted"];
    sandbox.mcp(&[&first[..], more].concat())
}

fn deletes() -> Vec<Answer> {
    vec![Answer::Calls(vec![("mcp__ev__delete_all", json!({}))]), Answer::Text("Done.")]
}

/// What the model was told of its call.
fn result(model: &Model) -> String {
    let last = model.requests().pop().unwrap();
    last["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
}

#[test]
fn an_approval_is_given_in_another_process() {
    let config = ["--config", "one.json"];
    for (word, code, told) in
        [("auto", 0, "{}"), ("never", 0, "Error: The user did not allow this call")]
    {
        let (sandbox, model) = (Sandbox::new(), Model::start(deletes()));
        let ended = run(&sandbox, &model, &[&["go", "--approve", "later"][..], &config].concat());
        assert_eq!(ended.code, Some(7), "{}", ended.stderr);
        assert!(ended.stderr.contains("cause: ev.delete_all {}"), "{}", ended.stderr);
        assert!(ended.stderr.contains("go on with `mcp run --resume`"), "{}", ended.stderr);
        assert_eq!(model.requests().len(), 1);
        // By itself it goes on waiting: nobody can be asked here.
        let ended = run(&sandbox, &model, &[&["--resume"][..], &config].concat());
        assert_eq!((ended.code, model.requests().len()), (Some(7), 1), "{}", ended.stderr);
        let more = [&["--resume", "--approve", word][..], &config].concat();
        let ended = run(&sandbox, &model, &more);
        assert_eq!(ended.code, Some(code), "{word}: {}", ended.stderr);
        assert_eq!(ended.stdout, "Done.\n", "{word}: {}", ended.stderr);
        assert!(result(&model).starts_with(told), "{word}: {}", result(&model));
    }
}

#[test]
fn a_pause_is_an_outcome_for_programs() {
    let (sandbox, model) = (Sandbox::new(), Model::start(deletes()));
    let more = ["go", "--approve", "later", "--config", "one.json", "--json"];
    let ended = run(&sandbox, &model, &more);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &document["outcome"]), (Some(7), &json!("paused")));
}

#[test]
fn a_run_that_reached_a_limit_goes_on_with_as_much_again() {
    let add = |a: u32| {
        Answer::Calls(vec![("mcp__demo__calculator", json!({"expression": format!("{a} + 1")}))])
    };
    for (limit, said) in [
        (["--max-steps", "1"], "allow more steps with --max-steps"),
        (["--max-tokens", "100"], "allow more with --max-tokens"),
    ] {
        let model = Model::start(vec![add(1), add(2), Answer::Text("Three.")]);
        let sandbox = Sandbox::new();
        let ended = run(&sandbox, &model, &[&["go", "--save"][..], &limit].concat());
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert!(ended.stderr.contains("`mcp run --resume` goes on"), "{}", ended.stderr);
        let ended = run(&sandbox, &model, &["--resume", "--max-steps", "1"]);
        assert_ne!(ended.code, Some(0), "{}", ended.stderr);
        let ended = run(&sandbox, &model, &["--resume"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "Three.\n"), "{}", ended.stderr);
        // One question, and each answer of the model followed from all before it.
        let messages = model.requests()[2]["messages"].as_array().unwrap().clone();
        let asked = messages.iter().filter(|message| message["content"] == "go").count();
        assert_eq!(asked, 1);
        let ended = run(&sandbox, &model, &["--resume"]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("the conversation has come to its end"), "{}", ended.stderr);
    }
}

#[test]
fn a_run_whose_model_failed_goes_on() {
    let sandbox = Sandbox::new();
    let call = Answer::Calls(vec![("mcp__demo__calculator", json!({"expression": "1 + 1"}))]);
    let model = Model::start(vec![call, Answer::Status(400, "overheated"), Answer::Text("Two.")]);
    let ended = run(&sandbox, &model, &["go", "--save"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("`mcp run --resume` goes on"), "{}", ended.stderr);
    let ended = run(&sandbox, &model, &["--resume"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "Two.\n"), "{}", ended.stderr);
    assert_eq!(model.requests()[2], model.requests()[1]);
}

#[test]
fn each_limit_says_how_to_go_on() {
    let call = || Answer::Calls(vec![("mcp__demo__calculator", json!({"expression": "1 + 1"}))]);
    for (more, code, said) in [
        (&["--max-cost", "0.00001", "--price", "3/15"][..], 8, "--max-cost"),
        (&["--tool-budget", "demo.calculator=1"], 8, "--tool-budget"),
        (&["--tool-budget", "demo.*=1"], 8, "--tool-budget"),
        (&["--max-calls", "1"], 8, "--max-calls"),
        (&[], 7, "say what is missing"),
    ] {
        let model = Model::start(vec![call()]);
        let ended = run(&Sandbox::new(), &model, &[&["go"], more].concat());
        assert_eq!(ended.code, Some(code), "{more:?}: {}", ended.stderr);
        let help = ended.stderr.lines().find(|line| line.trim().starts_with("help:")).unwrap();
        assert!(help.contains(said), "{more:?}: {help}");
    }
    let model = Model::start(vec![Answer::Stall]);
    let ended = run(&Sandbox::new(), &model, &["go", "--max-time", "100ms"]);
    assert_eq!(ended.code, Some(8), "{}", ended.stderr);
    assert!(ended.stderr.contains("--max-time"), "{}", ended.stderr);
}
