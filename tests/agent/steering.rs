//! Words in the middle of a run reach the model once, wherever they come, and nothing is lost.

use mcp_agent::{
    Agent, AgentEvent, AgentRun, Finished,
    model::scripted::{Scene, ScriptedModel},
    run::Outcome,
    toolbox::LocalTools,
};
use serde_json::{Map, Value};
use tokio::task::yield_now;

use crate::{
    history::{assert_whole, told},
    piecemeal::Piecemeal,
};

const WORDS: &str = "Only in French.";

fn agent(model: &ScriptedModel) -> Agent {
    let tools = LocalTools::new().tool("look", "Looks.", |_: Map<String, Value>| async {
        yield_now().await;
        "a cat".to_owned()
    });
    Agent::builder(Piecemeal(model.clone())).tools(tools).build()
}

fn scenes() -> Vec<Scene> {
    vec![
        Scene::call("look", "{}"),
        Scene::text("I see a cat, I think."),
        Scene::text("Un chat."),
        Scene::text("Oui."),
    ]
}

/// Takes all events; says something after the one at this place. Returns how many there were, and
/// whether it came in time.
async fn steered_at(mut run: AgentRun, at: usize) -> (usize, Finished, bool) {
    let steering = run.steering();
    let (mut number, mut in_time, mut heard) = (0, false, 0);
    while let Some(event) = run.next().await {
        match event.unwrap() {
            AgentEvent::Finished(finished) => {
                assert_eq!(heard, usize::from(in_time), "{at}");
                return (number, *finished, in_time);
            }
            AgentEvent::Steered(parts) => {
                assert_eq!(parts, WORDS.into());
                heard += 1;
            }
            _ => {}
        }
        if number == at {
            in_time = steering.say(WORDS);
        }
        number += 1;
    }
    panic!("the run has no end")
}

#[tokio::test]
async fn words_at_any_moment_are_heard_once_before_the_end() {
    let (events, ..) =
        steered_at(agent(&ScriptedModel::new(scenes())).run("What?"), usize::MAX).await;
    assert_eq!(events, 9);
    for at in 0..events {
        let model = ScriptedModel::new(scenes());
        let (_, finished, in_time) = steered_at(agent(&model).run("What?"), at).await;
        assert!(finished.outcome.is_final(), "{at}: {:?}", finished.outcome);
        // When the last event is read, the run is over.
        assert_eq!(in_time, at + 1 < events, "{at}");
        if !in_time {
            continue;
        }
        let said = told(finished.run.transcript());
        let user = format!("user: {WORDS}");
        assert_eq!(said.iter().filter(|line| **line == user).count(), 1, "{at}: {said:#?}");
        for request in model.requests() {
            assert_whole(&request.messages);
        }
        // The model knew when it gave its last answer.
        let requests = model.requests();
        let last = serde_json::to_string(&requests.last().unwrap().messages).unwrap();
        assert!(last.contains(WORDS), "{at}: {last}");
    }
}

#[tokio::test]
async fn words_during_a_tool_are_heard_after_its_result() {
    let model = ScriptedModel::new(scenes());
    let mut run = agent(&model).run("What?");
    let steering = run.steering();
    while let Some(event) = run.next().await {
        if let AgentEvent::ToolCallStarted(_) = event.unwrap() {
            assert!(steering.say(WORDS));
        }
    }
    let messages = &model.requests()[1].messages;
    let tail: Vec<_> = messages[messages.len() - 2..].iter().map(|it| it.role).collect();
    assert_eq!(format!("{tail:?}"), "[Tool, User]");
    // Whoever speaks after the end is told so.
    drop(run);
    assert!(!steering.say("Too late."));
}

#[tokio::test]
async fn words_during_the_last_answer_bring_another() {
    let model = ScriptedModel::new([Scene::text("I see a cat."), Scene::text("Un chat.")]);
    let mut run = agent(&model).run("What?");
    let steering = run.steering();
    let mut words = String::new();
    let finished = loop {
        match run.next().await.unwrap().unwrap() {
            AgentEvent::TextDelta(text) => {
                if words.is_empty() {
                    assert!(steering.say(WORDS));
                }
                words.push_str(&text);
            }
            AgentEvent::Finished(finished) => break finished,
            _ => {}
        }
    };
    assert_eq!(finished.outcome, Outcome::Final { text: "Un chat.".into() });
    // The first answer was given to its end, and stays.
    assert_eq!(words, "I see a cat.Un chat.");
    assert_eq!(
        told(finished.run.transcript()),
        ["user: What?", "model: I see a cat.", "user: Only in French.", "model: Un chat."]
    );
}
