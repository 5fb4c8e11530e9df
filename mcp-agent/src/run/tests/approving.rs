use super::*;
use crate::{
    policy::{Decision, Policy, Remember},
    run::REFUSAL,
    toolbox::Question,
};

fn asking() -> Run {
    let facts = ["add", "read"]
        .map(|tool| (format!("mcp__demo__{tool}"), ToolFacts::of_server("demo", tool)));
    let policy = Policy::asking().rule("allow demo.read".parse().unwrap());
    let settings = RunSettings { policy, ..RunSettings::default() };
    let mut run = Run::new(Transcript::new(), tools(), settings).with_facts(facts.into());
    run.prompt("go");
    run
}

fn questions(run: &Run) -> Vec<String> {
    match run.step() {
        Step::NeedApproval(requests) => requests.into_iter().map(|r| r.call.id.0).collect(),
        _ => Vec::new(),
    }
}

fn two_questions() -> Run {
    let mut run = asking();
    run.feed(Feed::Response(calls(&[
        ("1", "mcp__demo__add", r#"{"a": 1}"#),
        ("2", "mcp__demo__read", "{}"),
        ("3", "mcp__demo__add", r#"{"a": 3}"#),
    ])))
    .unwrap();
    assert_eq!(questions(&run), ["1", "3"]);
    run
}

#[test]
fn a_turn_waits_until_all_is_decided() {
    let mut run = two_questions();
    // Another process may be the one that goes on.
    let mut run: Run = serde_json::from_value(serde_json::to_value(&mut run).unwrap()).unwrap();
    run.decide(&"1".into(), Decision::allow()).unwrap();
    assert_eq!(questions(&run), ["3"]);
    assert!(run.decide(&"2".into(), Decision::allow()).is_err());
    run.decide(&"3".into(), Decision::deny_because("too large")).unwrap();
    assert_eq!(wanted(&run), [r#"mcp__demo__add {"a":1}"#, "mcp__demo__read {}"]);
    run.feed(output("1", "one")).unwrap();
    run.feed(output("2", "two")).unwrap();
    assert_eq!(last_result(&run), format!("{REFUSAL} The user says: too large"));
    // Nothing was remembered.
    run.feed(call("mcp__demo__add", r#"{"a": 1}"#)).unwrap();
    assert_eq!(questions(&run), ["1"]);
}

#[test]
fn what_is_remembered_is_not_asked_again() {
    let mut run = two_questions();
    run.decide(&"3".into(), Decision::allow_and_remember(Remember::Tool)).unwrap();
    assert_eq!(wanted(&run).len(), 3);
    assert!(run.was_approved(&"1".into()) && !run.was_approved(&"2".into()));
    assert_eq!(run.grants().tools().collect::<Vec<_>>(), ["mcp__demo__add"]);

    let mut run = two_questions();
    run.decide(&"1".into(), Decision::allow_and_remember(Remember::Server)).unwrap();
    let granted = run.grants().tools().collect::<Vec<_>>();
    assert_eq!(granted, ["mcp__demo__add", "mcp__demo__read"]);

    // In another run of the same tools it still holds; when one changes, it does not.
    let grants = run.grants().clone();
    let mut changed = tools();
    changed[0].description = "Adds, and sends the sum to its author.".into();
    for (tools, asks) in [(tools(), 0), (changed, 1)] {
        let facts = ToolFacts::of_server("demo", "add");
        let settings = RunSettings { policy: Policy::asking(), ..RunSettings::default() };
        let mut run = Run::new(Transcript::new(), tools, settings)
            .with_facts([("mcp__demo__add".to_owned(), facts)].into())
            .with_grants(grants.clone());
        run.prompt("go");
        run.feed(call("mcp__demo__add", "{}")).unwrap();
        assert_eq!(questions(&run).len(), asks);
    }
}

#[test]
fn edited_arguments_run_and_are_told() {
    let mut run = two_questions();
    let edited = serde_json::from_value(json!({"a": 5})).unwrap();
    run.decide(&"1".into(), Decision::allow_with(edited)).unwrap();
    run.decide(&"3".into(), Decision::deny()).unwrap();
    assert_eq!(wanted(&run)[0], r#"mcp__demo__add {"a":5}"#);
    run.feed(output("1", "five")).unwrap();
    let record = run.transcript().last_turn().unwrap().call(&"1".into()).unwrap();
    let crate::transcript::CallState::Done(output) = &record.state else { panic!() };
    assert_eq!(output.to_text(), "five\n(The user changed the arguments to {\"a\":5}.)");
    assert_eq!(record.call.arguments, r#"{"a": 1}"#);
}

#[test]
fn what_a_rule_forbids_is_told_and_not_asked() {
    let policy = Policy::allowing().rule("deny *add(a=1)".parse().unwrap());
    let mut run = asked(RunSettings { policy, ..RunSettings::default() });
    run.feed(call("mcp__demo__add", r#"{"a": 1}"#)).unwrap();
    assert_eq!(last_result(&run), "not allowed by the rule `deny *add(a=1)`");
    run.feed(call("mcp__demo__add", r#"{"a": 2}"#)).unwrap();
    assert_eq!(wanted(&run).len(), 1);
}

#[test]
fn a_tool_may_ask_a_person() {
    let mut run = asked(RunSettings::default());
    run.feed(call("mcp__demo__add", "{}")).unwrap();
    let question = Question::new("Which colour?");
    run.feed(Feed::Question { call: "1".into(), question }).unwrap();
    let run = serde_json::to_value(&run).unwrap();
    let mut run: Run = serde_json::from_value(run).unwrap();
    let Step::NeedInput(requests) = run.step() else { panic!("{:?}", run.step()) };
    assert_eq!(requests[0].question.text, "Which colour?");
    run.answer(&requests[0].call.id, Some("blue".into())).unwrap();
    assert_eq!(last_result(&run), "blue");
    assert!(run.answer(&"1".into(), None).is_err());
}

#[test]
fn words_in_the_middle_are_heard_after_the_tools() {
    let mut run = asked(RunSettings::default());
    run.feed(call("mcp__demo__add", "{}")).unwrap();
    run.steer("And in Roman numerals.");
    run.feed(output("1", "42")).unwrap();
    let Step::CallModel(request) = run.step() else { panic!() };
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::User]);
    run.feed(text("XLII")).unwrap();
    run.steer("Thanks; and as words?");
    assert!(matches!(run.step(), Step::CallModel(_)));
}

#[test]
fn a_prompt_can_be_taken_back() {
    let mut run = asked(RunSettings::default());
    run.feed(text("first")).unwrap();
    run.prompt("again");
    run.feed(call("mcp__demo__add", "{}")).unwrap();
    run.undo().unwrap();
    assert_eq!(run.transcript().entries().len(), 2);
    run.undo().unwrap();
    assert_eq!(run.undo(), Err(OutOfTurn::Nothing));
}
