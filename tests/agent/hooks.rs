//! Hooks hear all that happens, and at each of their places may change it or end the run; nothing
//! is left without its result.

use std::sync::{Arc, Mutex};

use mcp_agent::{
    Agent, AgentBuilder, AgentEvent, EndAction, Finished, Hooks, ModelCallAction, OutputAction,
    Person, ResponseAction, ToolCallAction,
    model::{
        BoxFuture, Message, ModelError, ModelErrorKind, ModelRequest, ModelResponse, Part, Role,
        StopReason,
        scripted::{Scene, ScriptedModel},
    },
    policy::{ApprovalRequest, Decision, Policy},
    run::{Compaction, Outcome, Stop},
    toolbox::{LocalTools, PreparedCall, ToolOutput},
};
use serde_json::{Map, Value, json};

use crate::history::{assert_whole, told};

fn tools() -> LocalTools {
    LocalTools::new().tool("echo", "Says it again.", |call: Map<String, Value>| async move {
        call.get("text").and_then(Value::as_str).unwrap_or("nothing").to_owned()
    })
}

fn scenes() -> Vec<Scene> {
    vec![
        Scene::calls([("echo", r#"{"text": "one"}"#), ("echo", r#"{"text": "two"}"#)]),
        Scene::text("Both were said."),
    ]
}

fn builder(model: &ScriptedModel) -> AgentBuilder {
    Agent::builder(model.clone()).tools(tools())
}

/// The end of a run, awaited or taken as a stream.
async fn end(agent: &Agent, prompt: &str, streamed: bool) -> Finished {
    let mut run = agent.run(prompt);
    if !streamed {
        return run.await.unwrap();
    }
    while let Some(event) = run.next().await {
        if let AgentEvent::Finished(finished) = event.unwrap() {
            return *finished;
        }
    }
    panic!("the run has no end")
}

/// Writes down a word for each event.
#[derive(Clone, Debug, Default)]
struct Listener(Arc<Mutex<Vec<&'static str>>>);

impl Hooks for Listener {
    fn on_event(&self, event: &AgentEvent) {
        let word = match event {
            AgentEvent::ModelCallStarted { .. } => "ask",
            AgentEvent::ModelCallRetried { .. } => "retry",
            AgentEvent::TextDelta(_) => "word",
            AgentEvent::ModelCallFinished { .. } => "answer",
            AgentEvent::ToolCallStarted(_) => "call",
            AgentEvent::ToolCallFinished { .. } => "result",
            AgentEvent::ToolCallRefused { .. } => "refused",
            AgentEvent::ApprovalRequested(_) => "may it",
            AgentEvent::ApprovalDecided { .. } => "decided",
            AgentEvent::Steered(_) => "steered",
            AgentEvent::Finished(_) => "end",
            event => panic!("{event:?}"),
        };
        let mut heard = self.0.lock().unwrap();
        if heard.last() != Some(&word) {
            heard.push(word);
        }
    }
}

#[derive(Debug)]
struct Generous;

impl Person for Generous {
    fn decide(&self, _: ApprovalRequest) -> BoxFuture<'_, Option<Decision>> {
        Box::pin(std::future::ready(Some(Decision::allow())))
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_hear_everything_whether_or_not_somebody_takes_the_events() {
    for streamed in [false, true] {
        let busy = ModelError::new(ModelErrorKind::Interrupted { source: None });
        let scenes = [
            Scene::failure(busy),
            Scene::call("echo", r#"{"text": "one"}"#),
            Scene::call("shout", "{}"),
            Scene::text("Done."),
        ];
        let listener = Listener::default();
        let agent = builder(&ScriptedModel::new(scenes))
            .policy(Policy::asking())
            .person(Generous)
            .hooks(listener.clone())
            .build();
        end(&agent, "go", streamed).await;
        let heard = listener.0.lock().unwrap().join(", ");
        assert_eq!(
            heard,
            "ask, retry, answer, may it, decided, call, result, ask, answer, refused, ask, word, \
             answer, end"
        );
    }
}

#[tokio::test]
async fn hooks_hear_of_a_pause_too() {
    let listener = Listener::default();
    let agent = builder(&ScriptedModel::new(scenes()))
        .policy(Policy::asking())
        .hooks(listener.clone())
        .build();
    let finished = agent.run("go").await.unwrap();
    assert!(matches!(finished.outcome, Outcome::Paused { .. }));
    assert_eq!(listener.0.lock().unwrap().join(", "), "ask, answer, end");
}

/// Where a hook stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    BeforeModel,
    AfterModel,
    BeforeTool,
    AfterTool,
}

/// Ends the run at a place.
#[derive(Debug)]
struct Stopper(Place);

impl Stopper {
    fn at<T: Send + 'static>(&self, place: Place, stop: T, go_on: T) -> BoxFuture<'static, T> {
        Box::pin(std::future::ready(if self.0 == place { stop } else { go_on }))
    }
}

const ENOUGH: &str = "that is enough";

impl Hooks for Stopper {
    fn before_model<'a>(&'a self, _: &'a ModelRequest) -> BoxFuture<'a, ModelCallAction> {
        let stop = ModelCallAction::Stop { reason: ENOUGH.into() };
        self.at(Place::BeforeModel, stop, ModelCallAction::Ask)
    }

    fn after_model<'a>(&'a self, _: &'a ModelResponse) -> BoxFuture<'a, ResponseAction> {
        let stop = ResponseAction::Stop { reason: ENOUGH.into() };
        self.at(Place::AfterModel, stop, ResponseAction::Keep)
    }

    fn before_tool<'a>(&'a self, _: &'a PreparedCall) -> BoxFuture<'a, ToolCallAction> {
        let stop = ToolCallAction::Stop { reason: ENOUGH.into() };
        self.at(Place::BeforeTool, stop, ToolCallAction::Run)
    }

    fn after_tool<'a>(
        &'a self,
        _: &'a PreparedCall,
        _: &'a ToolOutput,
    ) -> BoxFuture<'a, OutputAction> {
        let stop = OutputAction::Stop { reason: ENOUGH.into() };
        self.at(Place::AfterTool, stop, OutputAction::Keep)
    }
}

#[tokio::test]
async fn each_hook_can_end_the_run_and_nothing_is_left_without_a_result() {
    for place in [Place::BeforeModel, Place::AfterModel, Place::BeforeTool, Place::AfterTool] {
        for streamed in [false, true] {
            let model = ScriptedModel::new(scenes());
            let agent = builder(&model).hooks(Stopper(place)).build();
            let finished = end(&agent, "go", streamed).await;
            let why = Stop::Halted { reason: ENOUGH.into() };
            assert_eq!(finished.outcome, Outcome::Stopped { why, partial: None }, "{place:?}");
            let transcript = finished.run.into_transcript();
            assert_whole(&transcript.messages());
            // The conversation goes on with another agent, under whose eyes it is in order.
            let model = ScriptedModel::new([Scene::text("Well.")]);
            let next = builder(&model).build().go_on(transcript, "And now?").await.unwrap();
            assert_eq!(next.outcome.text(), "Well.", "{place:?}");
            assert_whole(&model.requests()[0].messages);
        }
    }
}

/// Changes what passes it, everywhere.
#[derive(Debug)]
struct Changer;

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(value))
}

impl Hooks for Changer {
    fn before_model<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, ModelCallAction> {
        let mut request = request.clone();
        request.messages.insert(0, Message::system("Be brief."));
        ready(ModelCallAction::AskThis(Box::new(request)))
    }

    fn after_model<'a>(&'a self, response: &'a ModelResponse) -> BoxFuture<'a, ResponseAction> {
        let mut response = response.clone();
        for part in &mut response.parts {
            if let Part::Text(text) = part {
                *text = text.to_uppercase();
            }
        }
        ready(ResponseAction::Replace(response))
    }

    fn before_tool<'a>(&'a self, call: &'a PreparedCall) -> BoxFuture<'a, ToolCallAction> {
        if call.arguments["text"] == "two" {
            return ready(ToolCallAction::answer_error("twice is once too often"));
        }
        let other = json!({"text": "uno"}).as_object().cloned();
        ready(ToolCallAction::RunWith(other.unwrap_or_default()))
    }

    fn after_tool<'a>(
        &'a self,
        _: &'a PreparedCall,
        output: &'a ToolOutput,
    ) -> BoxFuture<'a, OutputAction> {
        ready(OutputAction::Replace(ToolOutput::text(format!("<{}>", output.to_text()))))
    }

    fn before_end<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, EndAction> {
        ready(match outcome.text() {
            "BOTH WERE SAID." => EndAction::GoOn("Are you sure?".into()),
            _ => EndAction::Accept,
        })
    }
}

#[tokio::test]
async fn each_hook_can_change_what_passes_it() {
    for streamed in [false, true] {
        let mut scenes = scenes();
        scenes.push(Scene::text("Yes."));
        let model = ScriptedModel::new(scenes);
        let agent = builder(&model).hooks(Changer).build();
        let finished = end(&agent, "go", streamed).await;
        assert_eq!(finished.outcome.text(), "YES.");
        assert_eq!(
            told(finished.run.transcript()),
            [
                "user: go",
                r#"call echo {"text": "one"}"#,
                r#"call echo {"text": "two"}"#,
                "result: <uno>",
                "result: <twice is once too often>",
                "model: BOTH WERE SAID.",
                "user: Are you sure?",
                "model: YES.",
            ]
        );
        // What was put into the requests is in them, and nowhere else.
        for request in model.requests() {
            assert_eq!(request.messages[0], Message::system("Be brief."));
        }
    }
}

/// Answers in place of the model.
#[derive(Debug)]
struct Parrot;

impl Hooks for Parrot {
    fn before_model<'a>(&'a self, _: &'a ModelRequest) -> BoxFuture<'a, ModelCallAction> {
        let said = vec![Part::Text("Polly.".into())];
        ready(ModelCallAction::Answer(ModelResponse::new(said, StopReason::EndTurn)))
    }
}

#[tokio::test]
async fn a_hook_can_answer_for_the_model_and_the_first_has_the_word() {
    let model = ScriptedModel::new([]);
    let finished = builder(&model).hooks(Parrot).build().run("who?").await.unwrap();
    assert_eq!((finished.outcome.text(), model.requests().len()), ("Polly.", 0));
    let agent = builder(&model).hooks(Stopper(Place::BeforeModel)).hooks(Parrot).build();
    let finished = agent.run("who?").await.unwrap();
    assert!(!finished.outcome.is_final());
}

/// Keeps a name out of summaries, or allows none.
#[derive(Debug)]
struct Censor {
    stops: bool,
}

impl Hooks for Censor {
    fn before_summary<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, ModelCallAction> {
        if self.stops {
            return ready(ModelCallAction::Stop { reason: "no summaries".into() });
        }
        let text = serde_json::to_string(&request.messages).unwrap().replace("Ada", "somebody");
        let mut request = request.clone();
        request.messages = serde_json::from_str(&text).unwrap();
        ready(ModelCallAction::AskThis(Box::new(request)))
    }
}

#[tokio::test]
async fn summaries_pass_a_hook_of_their_own() {
    let long = format!("Ada says {}", "lorem ipsum ".repeat(800));
    let mut compaction = Compaction::of_window(2_000);
    compaction.keep = 1;
    for stops in [false, true] {
        let model = ScriptedModel::new([
            Scene::text("First."),
            Scene::text("It was about somebody."),
            Scene::text("Second."),
        ]);
        let agent = builder(&model).compaction(compaction).hooks(Censor { stops }).build();
        let first = agent.run(long.as_str()).await.unwrap();
        let second = agent.prompt(first.run, "And then?").await.unwrap();
        let requests = model.requests();
        if stops {
            let why = Stop::Halted { reason: "no summaries".into() };
            assert_eq!(second.outcome, Outcome::Stopped { why, partial: None });
            assert_eq!(requests.len(), 1);
            continue;
        }
        assert_eq!(second.outcome.text(), "Second.");
        let asked = serde_json::to_string(&requests[1].messages).unwrap();
        assert!(asked.contains("somebody says") && !asked.contains("Ada"), "{asked}");
        let then = &requests[2].messages;
        assert_eq!(then.iter().filter(|message| message.role == Role::User).count(), 2);
    }
}
