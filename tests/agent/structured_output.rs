//! Answers of a certain shape with tools at the same time, in each of the three ways to ask for
//! them: checked, corrected a bounded number of times, and without anything lost.

use mcp_agent::{
    Agent, AgentEvent, Finished,
    model::{
        ModelRequest, Role,
        scripted::{Scene, ScriptedModel},
    },
    run::{ANSWER_TOOL, ExpectedOutput, Outcome, OutputMode, Run, RunSettings, Stop},
    toolbox::LocalTools,
};
use serde_json::{Value, json};

use crate::history::{assert_whole, told};

const MODES: [OutputMode; 3] = [OutputMode::Native, OutputMode::Tool, OutputMode::Prompted];

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

fn expected(mode: OutputMode) -> ExpectedOutput {
    let schema = json!({
        "type": "object",
        "properties": {"sum": {"type": "integer"}, "unit": {"enum": ["m", "kg"]}},
        "required": ["sum", "unit"],
        "additionalProperties": false,
    });
    let mut expected = ExpectedOutput::new("length", schema);
    expected.mode = mode;
    expected
}

fn agent(model: &ScriptedModel, expected: ExpectedOutput, settings: RunSettings) -> Agent {
    let tools = LocalTools::new()
        .tool("add", "Adds.", |add: Add| async move { (add.a + add.b).to_string() });
    Agent::builder(model.clone()).tools(tools).settings(settings).build().expecting(expected)
}

/// The model answers this, in the way of the mode.
fn answer(mode: OutputMode, json: &str) -> Scene {
    match mode {
        OutputMode::Tool => Scene::call(ANSWER_TOOL, json),
        _ => Scene::text(json),
    }
}

fn add() -> Scene {
    Scene::call("add", r#"{"a": 2, "b": 3}"#)
}

const WRONG: &str = r#"{"sum": "many", "unit": "m"}"#;
const RIGHT: &str = r#"{"sum": 5, "unit": "m"}"#;

fn names(request: &ModelRequest) -> Vec<&str> {
    request.tools.iter().map(|tool| tool.name.as_str()).collect()
}

/// How each mode asks for the shape.
fn assert_asks(mode: OutputMode, request: &ModelRequest) {
    assert_eq!(request.output.is_some(), mode == OutputMode::Native);
    let tools: &[&str] = match mode {
        OutputMode::Tool => &["add", ANSWER_TOOL],
        _ => &["add"],
    };
    assert_eq!(names(request), tools, "{mode:?}");
    let rules: Vec<_> =
        request.messages.iter().filter(|message| message.role == Role::System).collect();
    match mode {
        OutputMode::Prompted => {
            let text = rules[0].parts[0].as_text().unwrap();
            assert!(text.contains(r#""enum":["m","kg"]"#), "{text}");
        }
        _ => assert!(rules.is_empty(), "{mode:?}"),
    }
}

#[tokio::test]
async fn tools_then_a_wrong_answer_then_a_tool_again_then_the_right_one() {
    for mode in MODES {
        let scenes = [add(), answer(mode, WRONG), add(), answer(mode, RIGHT)];
        let model = ScriptedModel::new(scenes);
        let mut run = agent(&model, expected(mode), RunSettings::default()).run("2 m + 3 m?");
        let mut called = 0;
        let mut finished = None;
        while let Some(event) = run.next().await {
            match event.unwrap() {
                AgentEvent::ToolCallFinished { .. } => called += 1,
                AgentEvent::Finished(end) => finished = Some(end),
                _ => {}
            }
        }
        let finished = finished.unwrap();
        assert_eq!(called, 2, "{mode:?}");
        let Outcome::Final { text } = &finished.outcome else { panic!("{:?}", finished.outcome) };
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value, json!({"sum": 5, "unit": "m"}), "{mode:?}");
        let requests = model.requests();
        assert_eq!(requests.len(), 4, "{mode:?}");
        for request in &requests {
            assert_asks(mode, request);
            assert_whole(&request.messages);
        }
        // The model was told what is wrong, by the path in its answer.
        let told = serde_json::to_string(&requests[2].messages).unwrap();
        assert!(told.contains("The answer cannot be used") && told.contains("/sum"), "{told}");
        assert_whole(&finished.run.transcript().messages());
    }
}

async fn ends(mode: OutputMode, retries: u32, settings: RunSettings) -> (usize, Finished) {
    let model = ScriptedModel::new((0..9).map(|_| answer(mode, WRONG)));
    let mut expected = expected(mode);
    expected.max_retries = retries;
    let finished = agent(&model, expected, settings).run("How long?").await.unwrap();
    (model.requests().len(), finished)
}

#[tokio::test]
async fn a_model_that_never_fits_is_asked_so_often_and_no_more() {
    for mode in MODES {
        for (retries, asked) in [(0, 1), (2, 3), (5, 6)] {
            let (requests, finished) = ends(mode, retries, RunSettings::default()).await;
            assert_eq!(requests, asked, "{mode:?}");
            let Outcome::Stopped { why: Stop::InvalidOutput { problem }, .. } = &finished.outcome
            else {
                panic!("{mode:?}: {:?}", finished.outcome)
            };
            assert!(problem.contains("/sum"), "{problem}");
            assert_whole(&finished.run.transcript().messages());
        }
    }
}

#[tokio::test]
async fn corrections_count_as_steps() {
    for mode in MODES {
        let mut settings = RunSettings::default();
        settings.max_steps = 2;
        let (requests, finished) = ends(mode, 5, settings).await;
        assert_eq!(requests, 2, "{mode:?}");
        assert!(!finished.outcome.is_final());
    }
}

#[tokio::test]
async fn words_and_fences_around_the_answer_are_no_reason_to_ask_again() {
    for said in [
        RIGHT.to_owned(),
        format!("```json\n{RIGHT}\n```"),
        format!("Here is the answer:\n\n```json\n{RIGHT}\n```\n\nIs there anything else?"),
    ] {
        for mode in MODES {
            let model = ScriptedModel::new([Scene::text(said.as_str())]);
            let agent = agent(&model, expected(mode), RunSettings::default());
            let finished = agent.run("How long?").await.unwrap();
            assert!(finished.outcome.is_final(), "{mode:?}: {said}");
            assert_eq!(model.requests().len(), 1);
        }
    }
    // Which of two would it be?
    let two = format!("```json\n{RIGHT}\n```\nor\n```json\n{RIGHT}\n```");
    let model = ScriptedModel::new([Scene::text(two), Scene::text(RIGHT)]);
    let agent = agent(&model, expected(OutputMode::Prompted), RunSettings::default());
    assert!(agent.run("How long?").await.unwrap().outcome.is_final());
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_printed_as_a_call_is_taken() {
    let printed = format!("```json\n{{\"name\": \"{ANSWER_TOOL}\", \"arguments\": {RIGHT}}}\n```");
    let model = ScriptedModel::new([Scene::text(printed)]);
    let agent = agent(&model, expected(OutputMode::Tool), RunSettings::default());
    let finished = agent.run("How long?").await.unwrap();
    assert_eq!(finished.outcome.text(), json!({"sum": 5, "unit": "m"}).to_string());
}

#[tokio::test]
async fn an_answer_beside_other_calls_ends_the_run_and_they_are_not_made() {
    let calls = [("add", r#"{"a": 1, "b": 1}"#), (ANSWER_TOOL, RIGHT)];
    let model = ScriptedModel::new([Scene::calls(calls)]);
    let agent = agent(&model, expected(OutputMode::Tool), RunSettings::default());
    let finished = agent.run("How long?").await.unwrap();
    assert!(finished.outcome.is_final());
    let said = told(finished.run.transcript());
    assert_eq!(said[3], "result: Cancelled: the answer was given", "{said:#?}");
    assert_whole(&finished.run.transcript().messages());
}

#[tokio::test]
async fn written_down_anywhere_it_ends_the_same_elsewhere() {
    for mode in MODES {
        let scenes = || vec![add(), answer(mode, WRONG), answer(mode, WRONG), answer(mode, RIGHT)];
        let saved = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = std::sync::Arc::clone(&saved);
        let whole = agent(&ScriptedModel::new(scenes()), expected(mode), RunSettings::default())
            .run("2 m + 3 m?")
            .on_step(move |run| kept.lock().unwrap().push(serde_json::to_string(run).unwrap()))
            .await
            .unwrap();
        assert!(whole.outcome.is_final(), "{mode:?}");
        let saved = std::mem::take(&mut *saved.lock().unwrap());
        for text in &saved {
            let run: Run = serde_json::from_str(text).unwrap();
            let begun = serde_json::from_str::<Value>(text).unwrap()["plans"].to_string();
            if begun.contains("began") {
                // Of what had begun nobody knows; that is another test.
                continue;
            }
            let asked = usize::try_from(run.steps()).unwrap();
            let model = ScriptedModel::new(scenes().into_iter().skip(asked));
            let agent = agent(&model, expected(mode), RunSettings::default());
            let finished = agent.drive(run).await.unwrap();
            assert_eq!(finished.outcome, whole.outcome, "{mode:?}");
            assert_eq!(told(finished.run.transcript()), told(whole.run.transcript()), "{mode:?}");
        }
    }
}
