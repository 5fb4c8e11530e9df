use std::time::Duration;

use super::*;
use crate::run::{Budget, Cost, TokenPrices};

fn with(budget: Budget) -> Run {
    let facts = [("mcp__demo__add", "demo"), ("mcp__demo__read", "demo")];
    let facts = facts.map(|(name, server)| (name.to_owned(), ToolFacts::of_server(server, "x")));
    let settings = RunSettings { budget, max_steps: 50, ..RunSettings::default() };
    let mut run = Run::new(Transcript::new(), tools(), settings).with_facts(facts.into());
    run.prompt("go");
    run
}

/// Makes a call, and returns what the model is shown.
fn make(run: &mut Run, name: &str, a: u32) -> String {
    run.feed(call(name, &format!(r#"{{"a": {a}}}"#))).unwrap();
    if matches!(run.step(), Step::CallTools(_)) {
        run.feed(output("1", &format!("result {a}"))).unwrap();
    }
    last_result(run)
}

#[test]
fn the_sixth_call_of_five_is_refused_and_the_model_is_told() {
    let mut run = with(Budget::default().calls_of("mcp__demo__add", 5));
    for a in 0..5 {
        assert_eq!(make(&mut run, "mcp__demo__add", a), format!("result {a}"));
    }
    assert_eq!(
        make(&mut run, "mcp__demo__add", 6),
        "not run: 5 of 5 calls of `mcp__demo__add` are used up. Do not call again; answer with \
         what you have"
    );
    // Others still run, and a new prompt begins anew.
    assert_eq!(make(&mut run, "mcp__demo__read", 1), "result 1");
    run.feed(text("done")).unwrap();
    run.prompt("more");
    assert_eq!(make(&mut run, "mcp__demo__add", 7), "result 7");
}

#[test]
fn in_one_turn_too() {
    let mut run = with(Budget::default().calls_at("de*", 2));
    run.feed(Feed::Response(calls(&[
        ("1", "mcp__demo__add", "{}"),
        ("2", "mcp__demo__read", "{}"),
        ("3", "mcp__demo__add", "{}"),
        ("4", "mcp__other__write", "{}"),
    ])))
    .unwrap();
    assert_eq!(wanted(&run), ["mcp__demo__add {}", "mcp__demo__read {}", "mcp__other__write {}"]);
    assert_eq!(run.answered_unrun().count(), 1);
}

#[test]
fn who_goes_on_calling_is_stopped() {
    let mut run = with(Budget::default().calls(1));
    make(&mut run, "mcp__demo__add", 0);
    for a in 1..=3 {
        make(&mut run, "mcp__demo__add", a);
    }
    let why = Stop::CallLimit { what: "all tools".into(), max_calls: 1 };
    assert_eq!(outcome(&run), &Outcome::Stopped { why, partial: None });
    assert!(run.extend(3));
    assert_eq!(make(&mut run, "mcp__demo__add", 9), "result 9");
}

#[test]
fn tokens_and_their_cost_stop_the_run_with_what_there_is() {
    let prices = TokenPrices::new(3.0, 15.0).cached(0.3);
    let mut usage = Usage::new(1_000_000, 100_000);
    usage.cached_input_tokens = 500_000;
    assert_eq!(prices.cost_of(&usage), Cost::dollars(1.5 + 0.15 + 1.5));
    assert_eq!(prices.cost_of(&usage).to_string(), "$3.1500");

    for (budget, why) in [
        (Budget::default().tokens(1_000_000), Stop::TokenLimit { max_tokens: 1_000_000 }),
        (
            Budget::default().cost(Cost::dollars(3.0)).priced(prices),
            Stop::CostLimit { max_cost: Cost::dollars(3.0) },
        ),
    ] {
        let mut run = with(budget);
        let mut response = calls(&[("1", "mcp__demo__add", "{}")]);
        response.parts.insert(0, Part::Text("So far: 41.".into()));
        response.usage = Some(usage);
        run.feed(Feed::Response(response)).unwrap();
        run.feed(output("1", "42")).unwrap();
        let partial = Some("So far: 41.".to_owned());
        assert_eq!(outcome(&run), &Outcome::Stopped { why, partial });
        assert!(run.extend(1) && matches!(run.step(), Step::CallModel(_)));
    }
}

#[test]
fn time_ends_what_is_going_on() {
    let mut run = with(Budget::default().time(Duration::from_secs(10)));
    run.feed(call("mcp__demo__add", "{}")).unwrap();
    run.feed(Feed::Time(Duration::from_secs(4))).unwrap();
    assert_eq!(run.time_left(), Some(Duration::from_secs(6)));
    run.feed(Feed::Time(Duration::from_secs(6))).unwrap();
    let why = Stop::TimeLimit { max_time: Duration::from_secs(10) };
    assert_eq!(outcome(&run), &Outcome::Stopped { why, partial: None });
    assert_eq!(last_result(&run), "Cancelled: the time is up");
}

#[test]
fn the_last_step_is_announced_at_the_end_of_the_request() {
    let mut run = asked(RunSettings { max_steps: 2, ..RunSettings::default() });
    let Step::CallModel(first) = run.step() else { panic!() };
    run.feed(call("mcp__demo__add", "{}")).unwrap();
    run.feed(output("1", "42")).unwrap();
    let Step::CallModel(last) = run.step() else { panic!() };
    assert_eq!(last.messages[..first.messages.len()], first.messages[..]);
    let note = &last.messages.last().unwrap();
    assert_eq!(note.role, Role::User);
    assert!(note.parts[0].as_text().unwrap().contains("last step"), "{note:?}");
    // It is no part of the conversation.
    assert_eq!(run.transcript().messages().len(), last.messages.len() - 1);
}
