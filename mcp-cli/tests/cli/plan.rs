//! Plans: written by a model, checked, shown, run, and gone on with.

use serde_json::{Value, json};

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

const PLAN: &str = r#"{"goal": "Twice 391", "steps": [
  {"id": "product", "purpose": "the number", "tool": "demo.calculator", "arguments": {"expression": "17 * 23"}},
  {"id": "double", "purpose": "twice that", "tool": "demo.calculator", "arguments": {"expression": "2 * ({{product}})"}}
]}"#;

fn run(sandbox: &Sandbox, more: &[&str]) -> Ended {
    sandbox.mcp(&[&["plan", "run"], more].concat())
}

fn make(sandbox: &Sandbox, model: &Model, more: &[&str]) -> Ended {
    let first = ["plan", "make", "Twice 391", "--base-url", &model.url, "-m", "scripted"];
    sandbox.mcp(&[&first[..], more].concat())
}

fn submits(plan: &Value) -> Answer {
    Answer::Calls(vec![("submit_plan", plan.clone())])
}

#[test]
fn a_plan_that_a_model_made_is_checked_shown_and_run_later() {
    let plan: Value = serde_json::from_str(PLAN).unwrap();
    let mut wrong = plan.clone();
    wrong["steps"][0]["tool"] = json!("demo.abacus");
    wrong["steps"][1]["depends_on"] = json!(["nobody"]);
    let model = Model::start(vec![submits(&wrong), submits(&plan)]);
    let sandbox = Sandbox::new();
    let ended = make(&sandbox, &model, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("checked: 2 steps in 2 waves; nothing has run"),
        "{}",
        ended.stderr
    );
    let requests = model.requests();
    let rules = requests[0]["messages"][0]["content"].as_str().unwrap();
    assert!(rules.contains("mcp__demo__calculator"), "{rules}");
    // The model was told all that was wrong at once.
    let told = requests[1]["messages"].as_array().unwrap().last().unwrap()["content"].to_string();
    assert!(told.contains("abacus") && told.contains("`nobody`, which is no step"), "{told}");

    // What was printed is what runs.
    sandbox.write("made.json", &ended.stdout);
    let shown = run(&sandbox, &["made.json", "--dry-run"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert_eq!(
        shown.stdout,
        "Twice 391\n\
         1. side by side\n   \
         product  demo.calculator {\"expression\":\"17 * 23\"}  the number\n\
         2. side by side\n   \
         double  demo.calculator {\"expression\":\"2 * ({{product}})\"}  twice that\n"
    );
    let ended = run(&sandbox, &["made.json"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "782\n"), "{}", ended.stderr);
}

#[test]
fn a_text_is_used_whole_or_as_its_result() {
    let sandbox = Sandbox::new();
    for reference in ["{{product}}", "{{product.result}}", "{{product.text}}"] {
        let plan: Value = serde_json::from_str(&PLAN.replace("{{product}}", reference)).unwrap();
        let model = Model::start(vec![submits(&plan)]);
        let ended = make(&sandbox, &model, &["-g", "demo.calc*"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        // Only the chosen tool, and how to use what it returns.
        let told = model.requests()[0]["messages"][0]["content"].as_str().unwrap().to_owned();
        assert!(told.contains("mcp__demo__calculator") && !told.contains("__clock"), "{told}");
        assert!(told.contains("\"{{id}}\" is the whole result"), "{told}");
        sandbox.write("made.json", &ended.stdout);
        let ended = run(&sandbox, &["made.json"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "782\n"), "{}", ended.stderr);
    }
    sandbox.write("wrong.json", &PLAN.replace("{{product}}", "{{product.value}}"));
    let ended = run(&sandbox, &["wrong.json"]);
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert!(ended.stderr.contains("a text, which is `{{product}}`"), "{}", ended.stderr);
    // What would do nothing here is no option here.
    for more in [&["-r", "notes:///*"][..], &["--offer", "resources"], &["--system", "Be brief."]] {
        let ended = make(&sandbox, &Model::start(vec![Answer::Text("No.")]), more);
        assert_eq!(ended.code, Some(2), "{more:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("unexpected argument"), "{more:?}: {}", ended.stderr);
    }
}

#[test]
fn a_model_that_makes_no_plan_is_an_error_that_says_why() {
    let sandbox = Sandbox::new();
    let wrong = json!({"steps": [{"id": "a", "tool": "demo.abacus", "arguments": {}}]});
    let model = Model::start(vec![submits(&wrong)]);
    let ended = make(&sandbox, &model, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("`a` calls `demo.abacus`, which is no tool"), "{}", ended.stderr);
    assert_eq!(model.requests().len(), 3);
    let ended = make(&sandbox, &Model::start(vec![Answer::Text("I would not know.")]), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("I would not know."), "{}", ended.stderr);
}

#[test]
fn a_plan_goes_on_where_it_failed_and_nothing_runs_twice() {
    let sandbox = Sandbox::new();
    sandbox.add_server("files.py");
    sandbox.write("broken", "");
    let steps = [
        ("first", "files.write", json!({"name": "a", "text": "x"}), json!([])),
        ("second", "files.flaky", json!({}), json!(["first"])),
        ("third", "files.write", json!({"name": "b", "text": "it {{second}}"}), json!([])),
    ]
    .map(|(id, tool, arguments, needs)| {
        json!({"id": id, "tool": tool, "arguments": arguments, "depends_on": needs})
    });
    sandbox.write("plan.json", &json!({"goal": "", "steps": steps}).to_string());
    let go = || run(&sandbox, &["plan.json", "--state", "state.json", "--", "python3", "files.py"]);
    let ended = go();
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert!(ended.stderr.contains("failed second  the disk is full"), "{}", ended.stderr);
    assert!(!sandbox.path().join("b").exists());
    std::fs::remove_file(sandbox.path().join("broken")).unwrap();
    let ended = go();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let calls = std::fs::read_to_string(sandbox.path().join("calls")).unwrap();
    assert_eq!(calls, "write\nflaky\nflaky\nwrite\n");
    let written = std::fs::read_to_string(sandbox.path().join("b")).unwrap();
    assert_eq!(written, "it worked");
    // Once more, and there is nothing left to do.
    assert_eq!(go().code, Some(0));
    let again = std::fs::read_to_string(sandbox.path().join("calls")).unwrap();
    assert_eq!(again, calls);
    // The state belongs to this plan only.
    sandbox.write("plan.json", PLAN);
    let ended = run(&sandbox, &["plan.json", "--state", "state.json"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("the state is of another plan"), "{}", ended.stderr);
}

#[test]
fn a_plan_that_cannot_run_is_refused_before_anything_runs() {
    let sandbox = Sandbox::new();
    sandbox.add_server("files.py");
    let step = |id: &str, tool: &str, arguments: Value, needs: Value| json!({"id": id, "tool": tool, "arguments": arguments, "depends_on": needs});
    let fine = step("fine", "files.write", json!({"name": "a", "text": "x"}), json!([]));
    for (steps, said) in [
        (vec![step("a", "files.flaky", json!({}), json!(["gone"]))], "`a` needs `gone`"),
        (
            vec![
                step("a", "files.flaky", json!({}), json!(["b"])),
                step("b", "files.flaky", json!({}), json!(["a"])),
            ],
            "these steps wait for each other: a, b",
        ),
        (vec![step("a", "files.write", json!({"name": 1}), json!([]))], "`a`:"),
    ] {
        let steps: Vec<_> = std::iter::once(fine.clone()).chain(steps).collect();
        sandbox.write("plan.json", &json!({"steps": steps}).to_string());
        let ended = run(&sandbox, &["plan.json", "--", "python3", "files.py"]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert!(!sandbox.path().join("calls").exists());
    }
}
