//! Summaries of long conversations.

use std::time::Duration;

use futures_util::stream;
use mcp_agent::{
    Agent,
    model::{
        ChatModel, ModelId, ModelRequest, ModelResponse, ModelStream, Part, StopReason, ToolChoice,
        scripted::{Scene, ScriptedModel},
    },
    run::{Budget, Compaction, Outcome, Stop},
    transcript::Transcript,
};

/// Answers, but never summarises.
#[derive(Debug)]
struct Forgetful(ScriptedModel);

impl ChatModel for Forgetful {
    fn id(&self) -> &ModelId {
        self.0.id()
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        match request.tool_choice {
            ToolChoice::None => Box::pin(stream::pending()),
            _ => self.0.stream(request),
        }
    }
}

fn long() -> Transcript {
    let mut transcript = Transcript::new();
    for number in 0..6 {
        transcript.push_user(format!("Question {number}: {}", "lorem ipsum ".repeat(100)));
        let answer = vec![Part::Text("Dolor sit amet.".into())];
        transcript.push_response(ModelResponse::new(answer, StopReason::EndTurn));
    }
    transcript
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_run_is_the_time_of_its_summaries_too() {
    let limit = Duration::from_secs(60);
    let agent = Agent::builder(Forgetful(ScriptedModel::new([Scene::text("Amen.")])))
        .compaction(Compaction::of_window(1_000))
        .budget(Budget::default().time(limit))
        .build();
    let asking = tokio::time::timeout(limit * 2, agent.go_on(long(), "And now?"));
    let finished = asking.await.unwrap().unwrap();
    let why = Stop::TimeLimit { max_time: limit };
    assert_eq!(finished.outcome, Outcome::Stopped { why, partial: None });
}
