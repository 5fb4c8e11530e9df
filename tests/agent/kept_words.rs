//! Words in the middle of a run that ends before the model is asked again are not lost.

use std::sync::{Arc, Mutex};

use mcp_agent::{
    Agent, AgentError, AgentEvent, Hooks, ModelCallAction, Steering,
    model::{
        BoxFuture, ModelError, ModelErrorKind, ModelRequest, Part, Role,
        scripted::{Scene, ScriptedModel},
    },
    run::{Outcome, Stop},
    toolbox::LocalTools,
};
use serde_json::{Map, Value};

const WORDS: &str = "Only in French.";

fn agent(model: &ScriptedModel) -> Agent {
    let tools = LocalTools::new()
        .tool("wait", "Never ends.", |_: Map<String, Value>| std::future::pending::<String>());
    Agent::builder(model.clone()).tools(tools).build()
}

/// What the user said, as the model was shown it last.
fn heard(model: &ScriptedModel) -> Vec<String> {
    let requests = model.requests();
    let messages = &requests.last().unwrap().messages;
    let user = messages.iter().filter(|message| message.role == Role::User);
    user.flat_map(|message| &message.parts).filter_map(Part::as_text).map(str::to_owned).collect()
}

#[tokio::test]
async fn who_speaks_and_then_cancels_was_heard() {
    let model = ScriptedModel::new([Scene::call("wait", "{}"), Scene::text("Un chat.")]);
    let agent = agent(&model);
    let mut run = agent.run("What?");
    let (steering, canceller) = (run.steering(), run.canceller());
    let finished = loop {
        match run.next().await.unwrap().unwrap() {
            AgentEvent::ToolCallStarted(_) => {
                assert!(steering.say(WORDS));
                canceller.cancel("too slow");
            }
            AgentEvent::Finished(finished) => break finished,
            _ => {}
        }
    };
    let why = Stop::Cancelled { reason: "too slow".into() };
    assert_eq!(finished.outcome, Outcome::Stopped { why, partial: None });
    agent.go_on(finished.run.into_transcript(), "And now?").await.unwrap();
    assert_eq!(heard(&model), ["What?", WORDS, "And now?"]);
}

/// Says the words once, while the model is asked.
#[derive(Clone, Debug, Default)]
struct Speaker(Arc<Mutex<Option<Steering>>>);

impl Hooks for Speaker {
    fn before_model<'a>(&'a self, _: &'a ModelRequest) -> BoxFuture<'a, ModelCallAction> {
        Box::pin(async {
            if let Some(steering) = self.0.lock().unwrap().take() {
                assert!(steering.say(WORDS));
            }
            ModelCallAction::Ask
        })
    }
}

#[tokio::test]
async fn who_speaks_while_the_model_fails_is_heard_when_the_run_goes_on() {
    let broken = ModelError::new(ModelErrorKind::InvalidRequest { reason: "no".into() });
    let model = ScriptedModel::new([Scene::failure(broken), Scene::text("Un chat.")]);
    let speaker = Speaker::default();
    let agent = Agent::builder(model.clone()).hooks(speaker.clone()).build();
    let run = agent.run("What?");
    *speaker.0.lock().unwrap() = Some(run.steering());
    let AgentError::Model { run, .. } = run.await.unwrap_err() else { panic!() };
    agent.drive(*run).await.unwrap();
    assert_eq!(heard(&model), ["What?", WORDS]);
}
