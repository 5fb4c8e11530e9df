//! A run that is cancelled, at whatever moment, leaves a history in order with which the
//! conversation goes on.

use std::{sync::Arc, time::Duration};

use mcp_agent::{
    Agent, AgentEvent, Person,
    model::{
        BoxFuture, ModelError, ModelErrorKind,
        scripted::{Scene, ScriptedModel},
    },
    policy::{ApprovalRequest, Decision, Policy},
    run::{Outcome, Stop},
    toolbox::LocalTools,
};
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::{
    history::{assert_whole, told},
    piecemeal::Piecemeal,
};

fn tools() -> LocalTools {
    LocalTools::new()
        .tool("look", "Looks.", |_: Map<String, Value>| async { "a cat".to_owned() })
        .tool("wait", "Never ends.", |_: Map<String, Value>| std::future::pending::<String>())
}

/// Cancels after the event at this place, and returns what came of it and how many events came.
async fn cancelled_at(agent: &Agent, at: usize) -> (usize, mcp_agent::Finished) {
    let mut run = agent.run("What?");
    let canceller = run.canceller();
    let mut number = 0;
    while let Some(event) = run.next().await {
        if let AgentEvent::Finished(finished) = event.unwrap() {
            return (number, *finished);
        }
        if number == at {
            canceller.cancel("Ctrl-C");
        }
        number += 1;
    }
    panic!("the run has no end")
}

fn scenes() -> [Scene; 3] {
    [
        Scene::calls([("look", "{}"), ("look", r#"{"again": true}"#)]),
        Scene::call("look", "{}"),
        Scene::text("I see a cat."),
    ]
}

#[tokio::test]
async fn at_any_moment_the_history_is_in_order_and_goes_on() {
    let builder = |model| Agent::builder(Piecemeal(model)).tools(tools()).build();
    let (events, _) = cancelled_at(&builder(ScriptedModel::new(scenes())), usize::MAX).await;
    for at in 0..events {
        let (_, finished) = cancelled_at(&builder(ScriptedModel::new(scenes())), at).await;
        let cancelled = Stop::Cancelled { reason: "Ctrl-C".into() };
        match &finished.outcome {
            Outcome::Stopped { why, .. } => assert_eq!(*why, cancelled, "{at}"),
            // When the last event is read, the run is over.
            outcome => assert!(outcome.is_final() && at + 1 == events, "{at}: {outcome:?}"),
        }
        assert_whole(&finished.run.transcript().messages());
        let model = ScriptedModel::new([Scene::text("As I said.")]);
        let next = builder(model.clone()).prompt(finished.run, "Go on.").await.unwrap();
        assert_eq!(next.outcome.text(), "As I said.", "{at}");
        assert_whole(&model.requests()[0].messages);
    }
}

#[tokio::test]
async fn what_has_ended_keeps_its_result_and_what_runs_is_told_to_be_cancelled() {
    let model = ScriptedModel::new([Scene::calls([("wait", "{}"), ("look", "{}")])]);
    let agent = Agent::builder(model).tools(tools()).build();
    let mut run = agent.run("What?");
    let canceller = run.canceller();
    let finished = loop {
        match run.next().await.unwrap().unwrap() {
            AgentEvent::ToolCallFinished { .. } => canceller.cancel("Ctrl-C"),
            AgentEvent::Finished(finished) => break finished,
            _ => {}
        }
    };
    let said = told(finished.run.transcript());
    assert_eq!(said[3..], ["result: Cancelled: Ctrl-C", "result: a cat"], "{said:#?}");
}

/// Never makes up their mind.
#[derive(Debug)]
struct Ditherer(Arc<Notify>);

impl Person for Ditherer {
    fn decide(&self, _: ApprovalRequest) -> BoxFuture<'_, Option<Decision>> {
        self.0.notify_one();
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn while_a_person_is_asked() {
    let asked = Arc::new(Notify::new());
    let agent = Agent::builder(ScriptedModel::new(scenes()))
        .tools(tools())
        .policy(Policy::asking())
        .person(Ditherer(Arc::clone(&asked)))
        .build();
    let run = agent.run("What?");
    let canceller = run.canceller();
    let cancel = async {
        asked.notified().await;
        canceller.cancel("the window was closed");
    };
    let (finished, ()) = tokio::join!(run.into_future(), cancel);
    let finished = finished.unwrap();
    assert!(!finished.outcome.is_final());
    assert_whole(&finished.run.transcript().messages());
}

#[tokio::test(start_paused = true)]
async fn while_it_waits_to_ask_again() {
    let busy = || ModelError::new(ModelErrorKind::Interrupted { source: None });
    let model = ScriptedModel::new([Scene::failure(busy()), Scene::failure(busy())]);
    let mut run = Agent::builder(model.clone()).build().run("What?");
    let canceller = run.canceller();
    let begun = tokio::time::Instant::now();
    let finished = loop {
        match run.next().await.unwrap().unwrap() {
            AgentEvent::ModelCallRetried { .. } => canceller.cancel("Ctrl-C"),
            AgentEvent::Finished(finished) => break finished,
            _ => {}
        }
    };
    // Not after the wait, and the clock of this test goes on only where everybody waits.
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(model.requests().len(), 1);
    assert!(matches!(finished.outcome, Outcome::Stopped { why: Stop::Cancelled { .. }, .. }));
}
