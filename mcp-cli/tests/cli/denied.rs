//! What was not called, and what the person is told of it.

use serde_json::json;

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

fn run(sandbox: &Sandbox, model: &Model, more: &[&str]) -> Ended {
    let first = ["run", "go", "--base-url", &model.url, "-m", "scripted"];
    sandbox.mcp(&[&first[..], more].concat())
}

#[test]
fn a_rule_is_lifted_by_no_approval_and_nobody_says_so() {
    const RULE: &str = "deny demo.calc*(expression=1*)";
    const LIFTS_NONE: &str =
        "--approve lifts no rule: take back or narrow `deny demo.calc*(expression=1*)`";
    let add = || ("mcp__demo__calculator", json!({"expression": "1 + 1"}));
    let note = || ("mcp__demo__write_note", json!({"name": "a", "text": "b"}));
    for (calls, more, told, help) in [
        (
            vec![add(), add()],
            &["--rule", RULE, "--approve", "auto"][..],
            "the model went on without `demo.calculator`, which a rule forbids",
            LIFTS_NONE.to_owned(),
        ),
        (
            vec![note()],
            &["--approve", "never"],
            "the model went on without `demo.write_note`, which was not approved",
            "allow all tools with --approve auto".to_owned(),
        ),
        (
            vec![note(), add()],
            &["--rule", RULE, "--approve", "ask"],
            "the model went on without `demo.write_note`, which was not approved, and without \
             `demo.calculator`, which a rule forbids",
            format!("allow all tools with --approve auto; {LIFTS_NONE}"),
        ),
    ] {
        let model = Model::start(vec![Answer::Calls(calls), Answer::Text("Without, then.")]);
        let ended = run(&Sandbox::new(), &model, more);
        let said = (ended.code, ended.stdout.as_str());
        assert_eq!(said, (Some(8), "Without, then.\n"), "{more:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{more:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("help: {help}\n")), "{more:?}: {}", ended.stderr);
    }
}

#[test]
fn a_limit_holds_for_a_tool_or_a_server_and_for_no_other() {
    let sandbox = Sandbox::new();
    sandbox.add_server("files.py");
    for limit in ["files.*=1", "mcp__files__*=1", "files.write=1", "mcp__files__write=1"] {
        let write = |name| ("mcp__files__write", json!({"name": name, "text": "x"}));
        let add = ("mcp__demo__calculator", json!({"expression": "2 * 21"}));
        let model = Model::start(vec![
            Answer::Calls(vec![write("a"), write("b"), add]),
            Answer::Text("One is written."),
        ]);
        let more = ["-s", "demo", "--tool-budget", limit, "--", "python3", "files.py"];
        let ended = run(&sandbox, &model, &more);
        assert_eq!(ended.code, Some(0), "{limit}: {}", ended.stderr);
        let requests = model.requests();
        let results: Vec<_> = requests[1]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|message| message["role"] == "tool")
            .map(|message| message["content"].as_str().unwrap().to_owned())
            .collect();
        let [first, second, third] = results.as_slice() else { panic!("{results:?}") };
        assert!(!first.contains("not run"), "{limit}: {first}");
        assert!(second.contains("1 of 1 calls of"), "{limit}: {second}");
        assert_eq!(third, "42", "{limit}");
        assert!(!sandbox.path().join("b").exists(), "{limit}");
        let calls = std::fs::read_to_string(sandbox.path().join("calls")).unwrap();
        assert_eq!(calls, "write\n", "{limit}");
        std::fs::remove_file(sandbox.path().join("calls")).unwrap();
    }
}
