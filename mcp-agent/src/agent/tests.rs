use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{Agent, AgentError, AgentEvent};
use crate::{
    model::{
        ModelError, ModelErrorKind, Part, Role,
        openai_chat::failure,
        scripted::{Scene, ScriptedModel},
    },
    run::{InDoubt, Outcome, Run, RunSettings, Stop},
    toolbox::{Json, LocalTools, ToolOutput},
};

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Nap {
    seconds: u64,
}

fn tools() -> LocalTools {
    LocalTools::new()
        .tool("add", "Adds.", |add: Add| async move { Json(add.a + add.b) })
        .tool("nap", "Sleeps.", |nap: Nap| async move {
            sleep(Duration::from_secs(nap.seconds)).await;
            format!("slept {} s", nap.seconds)
        })
        .tool("fail", "Fails.", |_: serde_json::Map<String, serde_json::Value>| async move {
            Err::<String, _>("out of order")
        })
}

fn failed(status: u16) -> ModelError {
    failure::decode(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), b"")
}

/// The results that the model was shown last, in order.
fn results(model: &ScriptedModel) -> Vec<(String, bool)> {
    let requests = model.requests();
    let last = requests.last().unwrap().messages.last().unwrap();
    assert_eq!(last.role, Role::Tool);
    last.parts
        .iter()
        .map(|part| match part {
            Part::ToolResult(result) => {
                (ToolOutput::parts(result.content.clone()).to_text(), result.is_error)
            }
            part => panic!("{part:?}"),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_story_in_order() {
    let model = ScriptedModel::new([
        Scene::call("add", r#"{"a": 21, "b": "21"}"#),
        Scene::text("The sum is 42."),
    ]);
    let agent = Agent::builder(model.clone()).tools(tools()).system("Be brief.").build();
    let mut run = agent.run("21 + 21?");
    let mut story = Vec::new();
    while let Some(event) = run.next().await {
        story.push(match event.unwrap() {
            AgentEvent::ModelCallStarted { step } => format!("ask {step}"),
            AgentEvent::TextDelta(text) => text,
            AgentEvent::ModelCallFinished { step, .. } => format!("answered {step}"),
            AgentEvent::ToolCallStarted(call) => {
                format!("{} {}", call.name, serde_json::Value::from(call.arguments))
            }
            AgentEvent::ToolCallFinished { output, .. } => output.to_text(),
            AgentEvent::Finished(finished) => format!("done: {}", finished.outcome.text()),
            event => panic!("{event:?}"),
        });
    }
    let expected = [
        "ask 1",
        "answered 1",
        r#"add {"a":21,"b":21}"#,
        "42",
        "ask 2",
        "The sum",
        " is 42.",
        "answered 2",
        "done: The sum is 42.",
    ];
    assert_eq!(story, expected);
    assert_eq!(model.requests()[0].messages[0].role, Role::System);
    assert!(run.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_turn_run_side_by_side_and_keep_their_order() {
    let nap = |seconds| ("nap", format!(r#"{{"seconds": {seconds}}}"#));
    let model = ScriptedModel::new([Scene::calls([nap(3), nap(1), nap(2)]), Scene::text("ok")]);
    let agent = Agent::builder(model.clone()).tools(tools()).build();
    let started = Instant::now();
    agent.run("go").await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    let texts: Vec<_> = results(&model).into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["slept 3 s", "slept 1 s", "slept 2 s"]);
}

#[tokio::test(start_paused = true)]
async fn not_more_calls_at_a_time_than_allowed() {
    let nap = ("nap", r#"{"seconds": 1}"#);
    let model = ScriptedModel::new([Scene::calls([nap; 5]), Scene::text("ok")]);
    let agent = Agent::builder(model).tools(tools()).parallel_calls(2).build();
    let started = Instant::now();
    agent.run("go").await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(3));
}

// covers: tool-errors-are-results
#[tokio::test]
async fn errors_of_tools_are_results() {
    let model = ScriptedModel::new([
        Scene::calls([("fail", "{}"), ("add", r#"{"a": 1}"#), ("greeting", "{}")]),
        Scene::text("sorry"),
    ]);
    let agent = Agent::builder(model.clone()).tools(tools()).build();
    let finished = agent.run("go").await.unwrap();
    assert_eq!(finished.outcome, Outcome::Final { text: "sorry".into() });
    let results = results(&model);
    assert!(results.iter().all(|(_, is_error)| *is_error));
    assert_eq!(results[0].0, "out of order");
    assert!(results[1].0.contains("\"b\" is a required property"), "{}", results[1].0);
    assert!(results[2].0.starts_with("there is no tool `greeting`"), "{}", results[2].0);
}

#[tokio::test(start_paused = true)]
async fn a_busy_provider_is_asked_again_but_only_before_the_first_word() {
    let model = ScriptedModel::new([
        Scene::failure(failed(503)),
        Scene::failure(failed(429)),
        Scene::text("here"),
    ]);
    let agent = Agent::builder(model.clone()).build();
    let mut run = agent.run("go");
    let mut retries = 0;
    while let Some(event) = run.next().await {
        if let AgentEvent::ModelCallRetried { .. } = event.unwrap() {
            retries += 1;
        }
    }
    assert_eq!((retries, model.requests().len()), (2, 3));

    let broken = ModelError::new(ModelErrorKind::Interrupted { source: None });
    let model = ScriptedModel::new([Scene::text("half a sen").then_failure(broken)]);
    let mut run = Agent::builder(model.clone()).build().run("go");
    let error = loop {
        if let Err(error) = run.next().await.unwrap() {
            break error;
        }
    };
    assert_eq!(model.requests().len(), 1);
    let AgentError::Model { run, .. } = error else { panic!() };
    // The run is as it was and can be driven again.
    let model = ScriptedModel::new([Scene::text("whole")]);
    let finished = Agent::builder(model).build().drive(*run).await.unwrap();
    assert_eq!(finished.outcome.text(), "whole");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_is_not_asked_again() {
    let model = ScriptedModel::new([Scene::failure(failed(401))]);
    let error = Agent::builder(model.clone()).build().run("go").await.unwrap_err();
    assert!(matches!(error, AgentError::Model { .. }));
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn the_step_limit_is_an_outcome_that_can_be_lifted() {
    let add = |a: u32| Scene::call("add", format!(r#"{{"a": {a}, "b": 0}}"#));
    let model = ScriptedModel::new([add(1), add(2), Scene::text("2")]);
    let agent = Agent::builder(model).tools(tools()).max_steps(2).build();
    let mut finished = agent.run("go").await.unwrap();
    let why = Stop::StepLimit { max_steps: 2 };
    assert_eq!(finished.outcome, Outcome::Stopped { why, partial: None });
    assert!(finished.run.extend(1));
    let finished = agent.drive(finished.run).await.unwrap();
    assert_eq!(finished.outcome, Outcome::Final { text: "2".into() });
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_ends_with_its_history_in_order() {
    let model =
        ScriptedModel::new([Scene::call("nap", r#"{"seconds": 3600}"#), Scene::text("awake")]);
    let agent = Agent::builder(model).tools(tools()).build();
    let mut run = agent.run("sleep");
    let canceller = run.canceller();
    let finished = loop {
        match run.next().await.unwrap().unwrap() {
            AgentEvent::ToolCallStarted(_) => canceller.cancel("Ctrl-C"),
            AgentEvent::Finished(finished) => break *finished,
            _ => {}
        }
    };
    let why = Stop::Cancelled { reason: "Ctrl-C".into() };
    assert_eq!(finished.outcome, Outcome::Stopped { why, partial: None });
    let finished = agent.go_on(finished.run.into_transcript(), "wake up").await.unwrap();
    assert_eq!(finished.outcome.text(), "awake");
}

#[tokio::test]
async fn written_down_after_any_step_it_goes_on_elsewhere() {
    let scenes = || {
        [
            Scene::calls([("add", r#"{"a": 1, "b": 2}"#), ("fail", "{}")]),
            Scene::call("add", r#"{"a": 3, "b": 4}"#),
            Scene::text("7"),
        ]
    };
    let saved = Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = Arc::clone(&saved);
    let settings = RunSettings { in_doubt: InDoubt::Repeat, ..RunSettings::default() };
    let agent =
        Agent::builder(ScriptedModel::new(scenes())).tools(tools()).settings(settings).build();
    let whole = agent
        .run("go")
        .on_step(move |run| kept.lock().unwrap().push(serde_json::to_string(run).unwrap()))
        .await
        .unwrap();
    let saved = saved.lock().unwrap().clone();
    // A prompt, three answers, and three calls that begin and end.
    assert_eq!(saved.len(), 10);
    for text in saved {
        let run: Run = serde_json::from_str(&text).unwrap();
        let asked = usize::try_from(run.steps()).unwrap();
        let model = ScriptedModel::new(scenes().into_iter().skip(asked));
        let finished = Agent::builder(model).tools(tools()).build().drive(run).await.unwrap();
        assert_eq!(finished.outcome, whole.outcome);
        assert_eq!(
            serde_json::to_value(finished.run.transcript()).unwrap(),
            serde_json::to_value(whole.run.transcript()).unwrap()
        );
    }
}

/// Counts down when it is dropped.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_run_abandons_its_tools() {
    let running = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&running);
    let tools = LocalTools::new().tool("hang", "", move |_: serde_json::Value| {
        counter.fetch_add(1, Ordering::SeqCst);
        let guard = Guard(Arc::clone(&counter));
        async move {
            let _guard = guard;
            std::future::pending::<String>().await
        }
    });
    let model = ScriptedModel::new([Scene::call("hang", "{}")]);
    let agent = Agent::builder(model).tools(tools).build();
    let mut run = agent.run("go");
    while running.load(Ordering::SeqCst) == 0 {
        tokio::select! {
            event = run.next() => drop(event),
            () = sleep(Duration::from_millis(1)) => {}
        }
    }
    drop(run);
    assert_eq!(running.load(Ordering::SeqCst), 0);
}
