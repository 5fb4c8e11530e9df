//! One request to the chat, whichever API it came in: a run, and what is told of it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Service,
    access::Principal,
    chat::{ChatError, ChatOptions},
    chat_logins,
    chat_noting::Noting,
    client_tools::ClientTools,
    view::View,
    waiting_calls::{HandedCall, WaitingCalls, rename},
};
use crate::{
    Agent, AgentError, AgentEvent, AgentRun, Finished,
    caller::LoginRequired,
    model::Usage,
    run::{Outcome, Pause, RunSettings, Stop},
    toolbox::{Filtered, McpToolset, PreparedCall, ToolOutput, Toolset as _},
    transcript::{Entry, Transcript},
};

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) principal: Principal,
    pub(super) transcript: Transcript,
    pub(super) settings: RunSettings,
    pub(super) tools: ClientTools,
}

/// A run under way.
#[derive(Debug)]
pub(super) struct ChatRun {
    run: AgentRun,
    noting: Noting,
    principal: Principal,
    servers: Arc<McpToolset>,
    tools: ClientTools,
    waiting: WaitingCalls,
    /// How long the conversation was before.
    before: usize,
    /// Whether the words may be part of an answer that goes back to the model.
    holds: bool,
    told: VecDeque<ChatEvent>,
}

/// What is heard of it.
#[derive(Debug)]
pub(super) enum ChatEvent {
    /// The model says more.
    Text(String),
    /// The model thinks aloud.
    Reasoning(String),
    /// A tool of a server runs.
    ToolStarted(PreparedCall),
    /// It has ended.
    ToolEnded { id: String, name: String, output: Arc<ToolOutput>, took: Duration },
    /// A call is answered without running.
    ToolRefused { id: String, name: String, arguments: String, output: Arc<ToolOutput> },
    /// Nothing follows.
    Ended(Box<Ended>),
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) why: Why,
    /// The answer, or the last words; and where the person has to log in.
    pub(super) text: String,
    /// The same, for programs.
    pub(super) logins: Vec<LoginRequired>,
    /// What the client is to call.
    pub(super) calls: Vec<HandedCall>,
    pub(super) usage: Usage,
    /// The conversation with this request's turns.
    pub(super) transcript: Transcript,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The model answered.
    Answered,
    /// The client is to call its tools.
    Calls,
    /// The provider held the answer back, or the model declined.
    Filtered,
    /// A limit was reached; the answer is not complete.
    Limit,
}

impl ChatRun {
    /// Begins, with the tools of the servers and those of the request.
    pub(super) async fn begin(service: &Service, chat: &ChatOptions, asked: Asked) -> Self {
        let Asked { principal, transcript, settings, tools } = asked;
        let view = View::new(principal.clone(), None);
        let servers = service.tools_for(&view).await;
        let (known, offered) = (Arc::clone(&servers), chat.offered());
        service.settle_pins(&view).await;
        let held = service.held_for(&view);
        let noting = Noting::new(service, Arc::clone(&servers));
        let offers = Filtered::new(Arc::clone(&servers), move |tool| {
            known.tool(&tool.name).is_some_and(|tool| {
                let name = &tool.tool.name;
                offered(&tool) && view.has_tool(&tool.server, name) && !held(&tool.server, name)
            })
        });
        // Of two tools of one name the first keeps it, and that one is the client's.
        let holds = settings.output.is_some();
        let agent = Agent::builder(Arc::clone(chat.model()))
            .settings(settings)
            .tools(tools.clone())
            .tools(offers)
            .build();
        let before = transcript.entries().len();
        let run = agent.drive(agent.begin(transcript));
        let waiting = chat.waiting().clone();
        Self {
            run,
            noting,
            principal,
            servers,
            tools,
            waiting,
            before,
            holds,
            told: VecDeque::new(),
        }
    }

    /// The server of a tool.
    pub(super) fn server_of(&self, name: &str) -> Option<String> {
        self.servers.facts(name).server
    }

    /// What is heard next; the last is [`ChatEvent::Ended`] or an error.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped before the end of the run.
    pub(super) async fn next(&mut self) -> Result<ChatEvent, ChatError> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Ok(event);
            }
            let event = self.run.next().await.unwrap_or(Err(AgentError::AlreadyFinished))?;
            self.noting.hear(&event);
            match event {
                AgentEvent::TextDelta(text) if !self.holds => return Ok(ChatEvent::Text(text)),
                AgentEvent::ReasoningDelta(text) => return Ok(ChatEvent::Reasoning(text)),
                AgentEvent::ToolCallStarted(call) if !self.tools.has(&call.name) => {
                    return Ok(ChatEvent::ToolStarted(call));
                }
                AgentEvent::ToolCallFinished { id, name, output, took } => {
                    return Ok(ChatEvent::ToolEnded { id: id.0, name, output, took });
                }
                AgentEvent::ToolCallRefused { call, output } => {
                    return Ok(ChatEvent::ToolRefused {
                        id: call.id.0,
                        name: call.name,
                        arguments: call.arguments,
                        output,
                    });
                }
                AgentEvent::Finished(finished) => {
                    let mut ended = self.end(*finished).await?;
                    ended.logins = chat_logins::missing();
                    if self.holds {
                        // An answer of a certain shape stays as it is.
                        if !ended.text.is_empty() {
                            self.told.push_back(ChatEvent::Text(ended.text.clone()));
                        }
                    } else if let Some(note) = chat_logins::note(&ended.logins, &ended.text) {
                        ended.text.push_str(&note);
                        self.told.push_back(ChatEvent::Text(note));
                    }
                    self.told.push_back(ChatEvent::Ended(Box::new(ended)));
                }
                _ => {}
            }
        }
    }

    async fn end(&mut self, finished: Finished) -> Result<Ended, ChatError> {
        let Finished { outcome, run, .. } = finished;
        let usage = run.usage();
        let mut transcript = run.into_transcript();
        let mut calls = Vec::new();
        let (why, text) = match outcome {
            Outcome::Final { text } => (Why::Answered, text),
            Outcome::Paused { pause: Pause::Input(requests) } => {
                calls.extend(requests.into_iter().map(|request| HandedCall {
                    id: request.call.id.0,
                    name: request.call.name,
                    arguments: Value::Object(request.call.arguments).to_string(),
                }));
                rename(&mut transcript, &mut calls);
                self.waiting.keep(&self.principal, self.new_entries(&transcript), &calls).await;
                let text = transcript.last_turn().map(crate::transcript::Turn::text);
                (Why::Calls, text.unwrap_or_default())
            }
            Outcome::Stopped { why: Stop::InvalidOutput { problem }, .. } => {
                return Err(ChatError::of_model(format!(
                    "the model's answer does not have the shape asked for: {problem}"
                )));
            }
            Outcome::Stopped { why: Stop::ContentFilter | Stop::Refusal, partial } => {
                (Why::Filtered, partial.unwrap_or_default())
            }
            // Whatever else ended it, the answer is not complete.
            other => (Why::Limit, other.text().to_owned()),
        };
        Ok(Ended { why, text, logins: Vec::new(), calls, usage, transcript })
    }

    fn new_entries<'a>(&self, transcript: &'a Transcript) -> &'a [Entry] {
        transcript.entries().get(self.before..).unwrap_or_default()
    }
}
