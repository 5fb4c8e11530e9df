mod approving;
mod compacting;
mod ends;
mod interrupting;
mod law;
mod spending;
mod steering;

use mcp_protocol::raw::RawJson;
use serde_json::json;

use super::{Feed, OutOfTurn, Outcome, Run, RunSettings, Step, Stop};
use crate::{
    model::{ModelResponse, Part, Role, StopReason, ToolCall, ToolChoice, ToolDefinition, Usage},
    toolbox::{ToolFacts, ToolOutput},
    transcript::Transcript,
};

fn tools() -> Vec<ToolDefinition> {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    });
    ["mcp__demo__add", "mcp__demo__read", "mcp__other__write"]
        .map(|name| ToolDefinition {
            name: name.to_owned(),
            description: String::new(),
            parameters: RawJson::from(schema.clone()),
        })
        .into()
}

fn asked(settings: RunSettings) -> Run {
    let mut run = Run::new(Transcript::new(), tools(), settings);
    run.prompt("go");
    run
}

fn text(text: &str) -> Feed {
    Feed::Response(ModelResponse::new(vec![Part::Text(text.into())], StopReason::EndTurn))
}

fn calls(calls: &[(&str, &str, &str)]) -> ModelResponse {
    let parts = calls.iter().map(|(id, name, arguments)| {
        Part::ToolCall(ToolCall {
            id: (*id).into(),
            name: (*name).into(),
            arguments: (*arguments).into(),
        })
    });
    ModelResponse::new(parts.collect(), StopReason::ToolCalls)
}

fn call(name: &str, arguments: &str) -> Feed {
    Feed::Response(calls(&[("1", name, arguments)]))
}

fn output(id: &str, text: &str) -> Feed {
    Feed::Output { call: id.into(), output: ToolOutput::text(text) }
}

/// The calls that the run wants made, as `name arguments`.
fn wanted(run: &Run) -> Vec<String> {
    match run.step() {
        Step::CallTools(calls) => calls
            .into_iter()
            .map(|call| format!("{} {}", call.name, json!(call.arguments)))
            .collect(),
        step => panic!("{step:?}"),
    }
}

#[track_caller]
fn outcome(run: &Run) -> &Outcome {
    match run.step() {
        Step::Done(outcome) => outcome,
        step => panic!("{step:?}"),
    }
}

/// The text of the last tool result that the model would be shown.
#[track_caller]
fn last_result(run: &Run) -> String {
    let messages = run.transcript().messages();
    let last = messages.iter().rev().find(|message| message.role == Role::Tool).unwrap();
    let Some(Part::ToolResult(result)) = last.parts.last() else { panic!("{last:?}") };
    ToolOutput::parts(result.content.clone()).to_text()
}

#[test]
fn a_question_a_call_an_answer() {
    let mut run = asked(RunSettings::default());
    let mut response = calls(&[("1", "mcp__demo__add", r#"{"a": "21", "b": 21}"#)]);
    response.usage = Some(Usage::new(10, 2));
    run.feed(Feed::Response(response)).unwrap();
    assert_eq!(wanted(&run), [r#"mcp__demo__add {"a":21,"b":21}"#]);
    run.feed(output("1", "42")).unwrap();
    let Step::CallModel(request) = run.step() else { panic!() };
    assert_eq!(request.messages.len(), 3);
    run.feed(text("It is 42.")).unwrap();
    assert_eq!(outcome(&run), &Outcome::Final { text: "It is 42.".into() });
    assert_eq!(run.usage(), Usage::new(10, 2));
}

#[test]
fn results_may_come_in_any_order_but_only_once() {
    let mut run = asked(RunSettings::default());
    run.feed(Feed::Response(calls(&[
        ("1", "mcp__demo__add", "{}"),
        ("2", "mcp__demo__read", "{}"),
    ])))
    .unwrap();
    run.feed(output("2", "two")).unwrap();
    assert_eq!(wanted(&run), ["mcp__demo__add {}"]);
    assert_eq!(run.feed(output("2", "late")), Err(OutOfTurn::Output("2".into())));
    assert_eq!(run.feed(text("early")), Err(OutOfTurn::Response));
    run.feed(output("1", "one")).unwrap();
    assert!(matches!(run.step(), Step::CallModel(_)));
}

#[test]
fn an_unknown_tool_is_an_error_result_with_near_names() {
    let mut run = asked(RunSettings::default());
    run.feed(call("add", "{}")).unwrap();
    assert!(matches!(run.step(), Step::CallModel(_)));
    assert_eq!(run.answered_unrun().count(), 1);
    assert_eq!(
        last_result(&run),
        "there is no tool `add`; the tools are `mcp__demo__add`, `mcp__demo__read`, \
         `mcp__other__write`. Call one of them by its exact name, or answer in words"
    );
}

#[test]
fn unreadable_arguments_are_an_error_result() {
    let mut run = asked(RunSettings::default());
    run.feed(call("mcp__demo__add", "a=1")).unwrap();
    assert_eq!(
        last_result(&run),
        "the arguments must be one JSON object, but they cannot be read (expected value at line 1 \
         column 1): a=1"
    );
}

#[test]
fn the_step_limit_keeps_the_words_and_the_results() {
    let mut run = asked(RunSettings { max_steps: 2, ..RunSettings::default() });
    let mut response = calls(&[("1", "mcp__demo__add", "{}")]);
    response.parts.insert(0, Part::Text("I will add.".into()));
    run.feed(Feed::Response(response)).unwrap();
    run.feed(output("1", "42")).unwrap();
    run.feed(call("mcp__demo__read", "{}")).unwrap();
    assert_eq!(wanted(&run), ["mcp__demo__read {}"]);
    run.feed(output("1", "text")).unwrap();
    let why = Stop::StepLimit { max_steps: 2 };
    let partial = Some("I will add.".into());
    assert_eq!(outcome(&run), &Outcome::Stopped { why, partial });
    assert_eq!(last_result(&run), "text");

    assert!(run.extend(5));
    assert!(matches!(run.step(), Step::CallModel(_)));
    run.feed(text("done")).unwrap();
    assert!(outcome(&run).is_final());
}

#[test]
fn going_round_in_circles_is_noticed_told_and_stopped() {
    let mut run = asked(RunSettings::default());
    for turn in 0..4 {
        run.feed(call("mcp__demo__add", if turn % 2 == 0 { "{}" } else { "null" })).unwrap();
        run.feed(output("1", "42")).unwrap();
        let noted = last_result(&run).contains("do not repeat");
        assert_eq!(noted, turn > 0, "in turn {turn}");
    }
    let why = Stop::Repeating { tool: "mcp__demo__add".into(), turns: 3 };
    assert_eq!(outcome(&run), &Outcome::Stopped { why, partial: None });
}

#[test]
fn two_calls_in_turn_are_a_circle_too() {
    let mut run = asked(RunSettings::default());
    for turn in 0.. {
        run.feed(call(["mcp__demo__add", "mcp__demo__read"][turn % 2], "{}")).unwrap();
        run.feed(output("1", "same")).unwrap();
        if matches!(run.step(), Step::Done(_)) {
            assert_eq!(turn, 4);
            break;
        }
    }
}

#[test]
fn a_poll_with_news_goes_on() {
    let mut run = asked(RunSettings::default());
    for turn in 0..10 {
        run.feed(call("mcp__demo__read", "{}")).unwrap();
        run.feed(output("1", &format!("{turn} %"))).unwrap();
    }
    assert!(matches!(run.step(), Step::CallModel(_)));
}

#[test]
fn what_is_cut_off_is_not_run() {
    let mut run = asked(RunSettings::default());
    let mut response = calls(&[("1", "mcp__demo__add", r#"{"a": 1, "b"#)]);
    response.stop = StopReason::Length;
    run.feed(Feed::Response(response)).unwrap();
    assert_eq!(outcome(&run), &Outcome::Stopped { why: Stop::OutputLimit, partial: None });
    assert!(run.extend(1));
    assert!(matches!(run.step(), Step::CallModel(_)));
}

#[test]
fn an_empty_answer_is_no_answer() {
    let mut run = asked(RunSettings::default());
    run.feed(text(" \n")).unwrap();
    assert_eq!(outcome(&run), &Outcome::Stopped { why: Stop::EmptyAnswer, partial: None });
}

#[test]
fn a_printed_call_is_a_call() {
    let printed = [
        "```json\n{\"name\": \"mcp__demo__add\", \"arguments\": {\"a\": 1}}\n```",
        "<tool_call>\n{\"name\": \"mcp__demo__add\", \"arguments\": {\"a\": 1}}\n</tool_call>",
        r#"{"name": "mcp__demo__add", "parameters": {"a": 1}}"#,
        r#"[{"name": "mcp__demo__add", "arguments": "{\"a\": 1}"}]"#,
    ];
    for printed in printed {
        let mut run = asked(RunSettings::default());
        run.feed(text(printed)).unwrap();
        assert_eq!(wanted(&run), [r#"mcp__demo__add {"a":1}"#], "{printed}");
    }
}

#[test]
fn other_json_is_an_answer() {
    let answers = [
        r#"{"name": "Ada", "arguments": {}}"#,
        r#"{"name": "mcp__demo__add", "arguments": {}, "result": 3}"#,
        r#"Call {"name": "mcp__demo__add", "arguments": {}}"#,
        "```json\n50\n```",
    ];
    for answer in answers {
        let mut run = asked(RunSettings::default());
        run.feed(text(answer)).unwrap();
        assert_eq!(outcome(&run).text(), answer);
    }
}

#[test]
fn too_many_calls_in_one_turn() {
    let mut run = asked(RunSettings { max_calls_per_turn: 1, ..RunSettings::default() });
    run.feed(Feed::Response(calls(&[
        ("1", "mcp__demo__add", "{}"),
        ("2", "mcp__demo__read", "{}"),
    ])))
    .unwrap();
    assert_eq!(wanted(&run), ["mcp__demo__add {}"]);
    assert_eq!(last_result(&run), "not run: at most 1 calls are run in one turn");
}

#[test]
fn a_forced_call_is_forced_once() {
    let mut run =
        asked(RunSettings { tool_choice: ToolChoice::Required, ..RunSettings::default() });
    let Step::CallModel(request) = run.step() else { panic!() };
    assert_eq!(request.tool_choice, ToolChoice::Required);
    run.feed(call("mcp__demo__add", "{}")).unwrap();
    run.feed(output("1", "42")).unwrap();
    let Step::CallModel(request) = run.step() else { panic!() };
    assert_eq!(request.tool_choice, ToolChoice::Auto);
}

#[test]
fn a_cancelled_run_has_no_orphan_and_goes_on() {
    let mut run = asked(RunSettings::default());
    run.feed(call("mcp__demo__add", "{}")).unwrap();
    run.cancel("Ctrl-C");
    assert!(!outcome(&run).is_final());
    assert_eq!(last_result(&run), "Cancelled: Ctrl-C");
    run.prompt("again");
    assert!(matches!(run.step(), Step::CallModel(_)));
}

#[test]
fn another_format_is_refused() {
    let mut value = serde_json::to_value(asked(RunSettings::default())).unwrap();
    value["format"] = json!(99);
    let error = serde_json::from_value::<Run>(value).unwrap_err();
    assert_eq!(error.to_string(), "the run is written in format 99, this program reads 1");
}
