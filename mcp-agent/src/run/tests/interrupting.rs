//! A program that dies between the start of a call and its end.

use mcp_protocol::tools::ToolAnnotations;

use super::*;
use crate::run::InDoubt;

fn began(in_doubt: InDoubt) -> Run {
    let reads = ToolAnnotations { read_only_hint: Some(true), ..ToolAnnotations::default() };
    let facts = [
        ("mcp__demo__add".to_owned(), ToolFacts::of_server("demo", "add")),
        ("mcp__demo__read".to_owned(), ToolFacts::of_server("demo", "read").annotated(reads)),
    ];
    let settings = RunSettings { in_doubt, ..RunSettings::default() };
    let mut run = Run::new(Transcript::new(), tools(), settings).with_facts(facts.into());
    run.prompt("go");
    run.feed(Feed::Response(calls(&[
        ("1", "mcp__demo__add", "{}"),
        ("2", "mcp__demo__read", "{}"),
        ("3", "mcp__other__write", "{}"),
    ])))
    .unwrap();
    for call in ["1", "2"] {
        run.feed(Feed::Began { call: call.into() }).unwrap();
    }
    run
}

#[test]
fn only_what_is_safe_is_made_again() {
    let mut run = began(InDoubt::Tell);
    run.feed(Feed::Interrupted).unwrap();
    // What reads, and what had not begun.
    assert_eq!(wanted(&run), ["mcp__demo__read {}", "mcp__other__write {}"]);
    let told: Vec<_> = run.answered_unrun().map(|(_, output)| output.to_text()).collect();
    assert!(told[0].contains("Nobody knows whether it took effect"), "{told:?}");
    assert!(!run.has_begun_calls());
}

#[test]
fn by_choice_all_are_with_the_key_of_the_first_time() {
    let keys = |run: &Run| match run.step() {
        Step::CallTools(calls) => {
            calls.into_iter().map(|call| call.idempotency_key.unwrap()).collect::<Vec<_>>()
        }
        step => panic!("{step:?}"),
    };
    let mut run = began(InDoubt::Repeat);
    let before = keys(&run);
    run.feed(Feed::Interrupted).unwrap();
    assert_eq!(keys(&run), before);
    assert_eq!(before.len(), 3);
    // The model uses its ids again; the keys are new all the same.
    for call in ["1", "2", "3"] {
        run.feed(output(call, "done")).unwrap();
    }
    run.feed(call("mcp__demo__add", "{}")).unwrap();
    assert!(!before.contains(&keys(&run)[0]));
}

#[test]
fn a_run_is_its_beginning_and_what_it_was_fed() {
    let mut run = began(InDoubt::Tell);
    let beginning = run.clone();
    let feeds = [
        Feed::Interrupted,
        Feed::Steer(vec![Part::Text("quick".into())]),
        output("2", "two"),
        output("3", "three"),
        text("done"),
    ];
    for feed in feeds.clone() {
        run.feed(feed).unwrap();
    }
    let mut again = beginning;
    for feed in feeds {
        let written = serde_json::to_string(&feed).unwrap();
        again.feed(serde_json::from_str(&written).unwrap()).unwrap();
    }
    assert_eq!(again, run);
}
