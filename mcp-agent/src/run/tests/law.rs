//! Written down and read at any step, a run ends the same; and no call is ever without a result.

use std::collections::HashSet;

use proptest::prelude::*;

use super::{Feed, Run, RunSettings, Step, tools};
use crate::{
    model::{Message, ModelResponse, Part, Role, StopReason, ToolCall},
    toolbox::ToolOutput,
    transcript::Transcript,
};

fn arguments() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        Just("null".to_owned()),
        Just(String::new()),
        Just(r#""{\"a\": 1}""#.to_owned()),
        Just("{broken".to_owned()),
        "[0-9]{1,3}".prop_map(|number| format!(r#"{{"a": "{number}"}}"#)),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let name = prop_oneof![
        4 => Just("mcp__demo__add"), 2 => Just("mcp__other__write"), 1 => Just("greeting"),
    ];
    prop_oneof![
        1 => "[a-z ]{0,12}".prop_map(Part::Text),
        3 => ("[12]?", name, arguments()).prop_map(|(id, name, arguments)| {
            Part::ToolCall(ToolCall { id: id.into(), name: name.to_owned(), arguments })
        }),
    ]
}

fn response() -> impl Strategy<Value = ModelResponse> {
    let stop = prop_oneof![
        6 => Just(StopReason::ToolCalls),
        3 => Just(StopReason::EndTurn),
        1 => Just(StopReason::Length),
        1 => Just(StopReason::Other("odd".to_owned())),
    ];
    (prop::collection::vec(part(), 0..4), stop)
        .prop_map(|(parts, stop)| ModelResponse::new(parts, stop))
}

#[derive(Clone, Debug)]
struct Script {
    responses: Vec<ModelResponse>,
    /// The results, as numbers, so that some repeat.
    outputs: Vec<u8>,
    /// Which of the pending calls returns first.
    picks: Vec<usize>,
    /// After which steps the run is written down and read again.
    saved: HashSet<usize>,
}

fn script() -> impl Strategy<Value = Script> {
    (
        prop::collection::vec(response(), 1..8),
        prop::collection::vec(0..3_u8, 40),
        prop::collection::vec(0..8_usize, 40),
        prop::collection::hash_set(0..60_usize, 0..60),
    )
        .prop_map(|(responses, outputs, picks, saved)| Script {
            responses,
            outputs,
            picks,
            saved,
        })
}

fn begun() -> Run {
    let settings = RunSettings { max_steps: 6, ..RunSettings::default() };
    let mut run = Run::new(Transcript::new(), tools(), settings);
    run.prompt("go");
    run
}

fn play(mut run: Run, script: &Script, save: bool) -> Run {
    let mut responses = script.responses.iter();
    let (mut outputs, mut picks) = (script.outputs.iter().cycle(), script.picks.iter().cycle());
    for step in 0.. {
        check_no_orphan(&run.transcript().messages());
        if save && script.saved.contains(&step) {
            let text = serde_json::to_string(&run).unwrap();
            let back: Run = serde_json::from_str(&text).unwrap();
            assert_eq!(back, run);
            run = back;
        }
        let feed = match run.step() {
            Step::CallModel(_) => match responses.next() {
                Some(response) => Feed::Response(response.clone()),
                None => break,
            },
            Step::CallTools(calls) => {
                let call = &calls[picks.next().unwrap() % calls.len()];
                let output = ToolOutput::text(outputs.next().unwrap().to_string());
                Feed::Output { call: call.id.clone(), output }
            }
            Step::Done(_) => break,
            step => panic!("{step:?}"),
        };
        run.feed(feed).unwrap();
    }
    run
}

/// Each call has exactly one result, in the message right after it, in the same order.
fn check_no_orphan(messages: &[Message]) {
    for (place, message) in messages.iter().enumerate() {
        let calls: Vec<_> = message
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::ToolCall(call) => Some(&call.id),
                _ => None,
            })
            .collect();
        let follows = messages.get(place + 1).filter(|next| next.role == Role::Tool);
        let results: Vec<_> = follows
            .into_iter()
            .flat_map(|next| &next.parts)
            .filter_map(|part| match part {
                Part::ToolResult(result) => Some(&result.call_id),
                _ => None,
            })
            .collect();
        assert_eq!(calls, results);
        assert_eq!(calls.iter().collect::<HashSet<_>>().len(), calls.len());
        assert!(message.role != Role::Tool || place > 0);
    }
}

proptest! {
    #[test]
    fn saved_and_read_at_any_step_it_ends_the_same(script in script()) {
        let run = begun();
        prop_assert_eq!(play(run.clone(), &script, false), play(run, &script, true));
    }
}
