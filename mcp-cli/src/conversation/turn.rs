//! One answer of the model, watched from the question to the last word.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use mcp_agent::{
    AgentError, AgentEvent, AgentRun, Finished,
    model::{CallId, Usage},
    policy::{Decision, Remember},
    run::Run,
    toolbox::{McpToolset, PreparedCall},
};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    approval::{Question, Questions},
    card::{Label, call_text, card},
};
use crate::{
    args::Output,
    ask::ask,
    context::Context,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    measure::{number, show_time},
    printer::Printer,
    progress::{Reached, call_line, spinner},
    terminal_text::one_line,
    theme::Role,
};

/// How often the live line is drawn.
const TICK: Duration = Duration::from_millis(100);

/// How an answer is shown.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) context: &'a Context,
    pub(crate) printer: &'a mut Printer,
    pub(crate) tools: &'a Arc<McpToolset>,
    pub(crate) questions: &'a mut Questions,
    /// Whether words are shown as they come; else only the answer, at the end.
    pub(crate) streams: bool,
}

/// A tool call that was made, or refused.
#[derive(Clone, Debug)]
pub(crate) struct CallSeen {
    pub(crate) label: Label,
    pub(crate) arguments: Value,
    pub(crate) is_error: bool,
    /// Not made, for lack of approval.
    pub(crate) denied: Option<Denied>,
    pub(crate) text: String,
    pub(crate) took: Option<Duration>,
}

/// Why a call was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// This rule forbids it.
    ByRule(String),
    /// Nobody allowed it.
    NotApproved,
}

impl Denied {
    /// Reads what the model was told.
    fn read(told: &str) -> Option<Self> {
        let why = told.strip_prefix("not allowed")?;
        let rule = why.strip_prefix(" by the rule `").and_then(|rule| rule.strip_suffix('`'));
        Some(rule.map_or(Self::NotApproved, |rule| Self::ByRule(rule.to_owned())))
    }
}

/// What was seen of an answer.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) ended: std::result::Result<Finished, AgentError>,
    pub(crate) calls: Vec<CallSeen>,
    pub(crate) took: Duration,
    /// What agents used that handed the conversation over.
    pub(crate) earlier: Usage,
}

impl Watched {
    /// The conversation, where there is one to go on with.
    pub(crate) fn run(&self) -> Option<&Run> {
        match &self.ended {
            Ok(finished) => Some(&finished.run),
            Err(AgentError::Model { run, .. }) => Some(run),
            Err(_) => None,
        }
    }

    /// What was seen of an answer that began with another agent.
    pub(crate) fn after(mut self, earlier: Self) -> Self {
        self.calls.splice(..0, earlier.calls);
        self.took += earlier.took;
        self.earlier += earlier.earlier;
        if let Ok(finished) = &earlier.ended {
            self.earlier += finished.run.usage();
        }
        self
    }
}

struct Running {
    call: PreparedCall,
    label: Label,
    reached: Option<Reached>,
    started: Instant,
}

/// The state of the watching.
struct Seen {
    running: Vec<Running>,
    calls: Vec<CallSeen>,
    /// Whether the model is being waited for.
    thinking: Option<Instant>,
    /// Words of this answer that were shown.
    shown: bool,
    ended: Option<std::result::Result<Finished, AgentError>>,
}

type Asking<'f> = Pin<Box<dyn Future<Output = Result<()>> + 'f>>;

impl Turn<'_> {
    /// Watches a run to its end.
    pub(crate) async fn watch(self, mut run: AgentRun) -> Result<Watched> {
        let Turn { context, printer, tools, questions, streams } = self;
        let started = Instant::now();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut seen = Seen {
            running: Vec::new(),
            calls: Vec::new(),
            thinking: None,
            shown: false,
            ended: None,
        };
        // While a person is asked, tools go on, but nothing else is written.
        let mut asking: Option<Asking<'_>> = None;
        let mut waiting: VecDeque<AgentEvent> = VecDeque::new();
        let mut listening = true;
        context.elicitation.open();
        while seen.ended.is_none() {
            tokio::select! {
                event = run.next() => match event {
                    Some(Ok(event)) if asking.is_some() || context.typing.is_taken() => waiting.push_back(event),
                    Some(Ok(event)) => seen.take(event, context, printer, tools, streams)?,
                    Some(Err(error)) => seen.ended = Some(Err(error)),
                    None => seen.ended = Some(Err(AgentError::AlreadyFinished)),
                },
                question = questions.next(), if listening && asking.is_none() => match question {
                    Some(question) => {
                        let label = Label::of(&question.request.call.name, tools);
                        asking = Some(Box::pin(put(question, label, context)));
                    }
                    None => listening = false,
                },
                answered = async { match asking.as_mut() {
                    Some(asking) => asking.await,
                    None => std::future::pending().await,
                } } => {
                    asking = None;
                    answered?;
                    for event in waiting.drain(..) {
                        seen.take(event, context, printer, tools, streams)?;
                    }
                }
                // A server may have asked too.
                _ = ticks.tick(), if asking.is_none() && !context.typing.is_taken() => {
                    for event in waiting.drain(..) {
                        seen.take(event, context, printer, tools, streams)?;
                    }
                    seen.draw(context, printer);
                }
            }
        }
        context.elicitation.close();
        context.messages.clear();
        if let Some(asking) = asking {
            // The answer is of no use any more, but its line must not be taken for the next one.
            context.messages.note("press Enter to go on");
            asking.await?;
        }
        if context.typing.is_left() {
            context.messages.note("press Enter to go on");
            context.typing.line().await.map_err(|cause| {
                Report::new(ErrorCode::Unexpected, "cannot read from the terminal").cause(cause)
            })?;
        }
        for event in waiting {
            seen.take(event, context, printer, tools, streams)?;
        }
        if streams {
            printer.end_line()?;
            printer.flush()?;
        }
        let ended = seen.ended.unwrap_or(Err(AgentError::AlreadyFinished));
        if streams
            && !seen.shown
            && let Ok(finished) = &ended
            && !finished.outcome.text().is_empty()
        {
            printer.text(finished.outcome.text())?;
            printer.end_line()?;
            printer.flush()?;
        }
        let took = started.elapsed();
        Ok(Watched { ended, calls: seen.calls, took, earlier: Usage::default() })
    }
}

impl Seen {
    fn take(
        &mut self,
        event: AgentEvent,
        context: &Context,
        printer: &mut Printer,
        tools: &McpToolset,
        streams: bool,
    ) -> Result<()> {
        if printer.output() == Output::Ndjson {
            print_event(&event, printer, tools)?;
        }
        match event {
            AgentEvent::ModelCallStarted { .. } => {
                self.thinking = Some(Instant::now());
                self.shown = false;
            }
            AgentEvent::TextDelta(text) => {
                self.thinking = None;
                if streams {
                    context.messages.clear();
                    self.shown |= !text.trim().is_empty();
                    printer.text(&text)?;
                    printer.flush()?;
                }
            }
            AgentEvent::ModelCallRetried { attempt, wait, error } => {
                context.messages.warning(format_args!(
                    "the model failed ({}); attempt {} in {}",
                    one_line(&error.to_string()),
                    attempt + 1,
                    show_time(wait)
                ));
            }
            AgentEvent::ModelCallFinished { .. } => self.thinking = None,
            AgentEvent::ToolCallStarted(call) => {
                let label = Label::of(&call.name, tools);
                self.running.push(Running { call, label, reached: None, started: Instant::now() });
            }
            AgentEvent::ToolCallProgress { id, progress } => {
                if let Some(running) = self.running.iter_mut().find(|r| r.call.id == id) {
                    running.reached = Some(Reached {
                        progress: progress.progress,
                        total: progress.total,
                        message: progress.message,
                    });
                }
            }
            AgentEvent::ToolCallFinished { id, output, took, .. } => {
                let Some(at) = self.running.iter().position(|r| r.call.id == id) else {
                    return Ok(());
                };
                let Running { call, label, .. } = self.running.remove(at);
                let text = output.to_text();
                let outcome =
                    if output.is_error { Err(text.as_str()) } else { Ok((took, text.len())) };
                let line = card(&context.messages, &call_text(&label, &call), outcome);
                show_card(&line, context, printer, streams)?;
                self.calls.push(CallSeen {
                    label,
                    arguments: Value::Object(call.arguments),
                    is_error: output.is_error,
                    denied: None,
                    text,
                    took: Some(took),
                });
            }
            AgentEvent::ToolCallRefused { call, output } => {
                let label = Label::of(&call.name, tools);
                let text = output.to_text();
                let shown = format!("{} {}", label.dotted(), one_line(&call.arguments));
                let line = card(&context.messages, &shown, Err(&text));
                show_card(&line, context, printer, streams)?;
                self.calls.push(CallSeen {
                    label,
                    arguments: serde_json::from_str(&call.arguments)
                        .unwrap_or(Value::String(call.arguments)),
                    is_error: true,
                    denied: Denied::read(&text),
                    text,
                    took: None,
                });
            }
            AgentEvent::ApprovalDecided { call, decision: Decision::Deny { .. } } => {
                let label = Label::of(&call.name, tools);
                let text = "not allowed".to_owned();
                let line = card(&context.messages, &call_text(&label, &call), Err(&text));
                show_card(&line, context, printer, streams)?;
                self.calls.push(CallSeen {
                    label,
                    arguments: Value::Object(call.arguments),
                    is_error: true,
                    denied: Some(Denied::NotApproved),
                    text,
                    took: None,
                });
            }
            AgentEvent::Compacted { before, after } => context.messages.note(format_args!(
                "summarised the conversation so far: {before} tokens became {after}"
            )),
            AgentEvent::Finished(finished) => self.ended = Some(Ok(*finished)),
            _ => (),
        }
        Ok(())
    }

    /// Shows what is going on; never into the middle of the model's words.
    fn draw(&self, context: &Context, printer: &Printer) {
        if printer.is_terminal() && !printer.is_at_line_start() {
            return;
        }
        let (since, line) = match (self.running.as_slice(), self.thinking) {
            ([one], _) => {
                let elapsed = one.started.elapsed();
                let name = one.label.dotted();
                (elapsed, call_line(&name, one.reached.as_ref(), elapsed))
            }
            ([], Some(started)) => {
                let elapsed = started.elapsed();
                (elapsed, format!("thinking  {}", show_time(elapsed)))
            }
            ([], None) => return,
            (several, _) => {
                let names: Vec<_> = several.iter().map(|running| running.label.dotted()).collect();
                let elapsed = several.first().map_or(TICK, |first| first.started.elapsed());
                (elapsed, format!("{}  {}", names.join(", "), show_time(elapsed)))
            }
        };
        if since >= 2 * TICK {
            context.messages.draw(&format!("{} {line}", spinner(since)));
        }
    }
}

fn show_card(line: &str, context: &Context, printer: &mut Printer, streams: bool) -> Result<()> {
    if streams {
        // The model may have stopped in the middle of a line.
        printer.end_line()?;
        printer.flush()?;
    }
    context.messages.note(line);
    Ok(())
}

/// Asks a person about a call.
async fn put(question: Question, label: Label, context: &Context) -> Result<()> {
    let Question { request, answer } = question;
    let _floor = context.typing.floor().await;
    let call = &request.call;
    if !context.settings.interactive {
        context.messages.note(format_args!(
            "{} needs approval, and nobody can be asked: allow it with --approve auto",
            label.dotted()
        ));
        drop(answer);
        return Ok(());
    }
    let warning = if label.destructive { " (destructive)" } else { "" };
    context.messages.note(format_args!(
        "{} {}{}",
        context.messages.paint(Role::Warning, "allow"),
        call_text(&label, call),
        context.messages.paint(Role::Warning, format!("?{warning}"))
    ));
    let decision = loop {
        let choices =
            "[y]es  [n]o, and why  [a]lways this tool  [s]erver always  [e]dit the arguments:";
        let text = ask(context, choices).await?;
        let text = text.as_deref().map(str::trim);
        match text.map(str::to_ascii_lowercase).as_deref() {
            Some("y" | "yes") => break Decision::allow(),
            Some("a" | "always") => break Decision::allow_and_remember(Remember::Tool),
            Some("s" | "server") => break Decision::allow_and_remember(Remember::Server),
            Some("n" | "no") | None => break Decision::deny(),
            Some("e" | "edit") => {
                let question = "the arguments as one JSON object (empty: as they are):";
                let line = ask(context, question).await?.unwrap_or_default();
                if line.trim().is_empty() {
                    continue;
                }
                match serde_json::from_str(&line) {
                    Ok(arguments) => break Decision::allow_with(arguments),
                    Err(error) => context.messages.note(format_args!("no JSON object: {error}")),
                }
            }
            Some(word) => {
                if let Some(reason) = word.strip_prefix("n ").or_else(|| word.strip_prefix("no ")) {
                    break Decision::deny_because(reason);
                }
            }
        }
    };
    // The run may have been ended meanwhile; then nobody waits for the answer.
    let _ = answer.send(decision);
    Ok(())
}

fn print_event(event: &AgentEvent, printer: &mut Printer, tools: &McpToolset) -> Result<()> {
    let named = |name: &str, id: &CallId| {
        let label = Label::of(name, tools);
        json!({"id": id, "server": label.server, "tool": label.tool})
    };
    let with = |mut document: Value, kind: &str, more: Value| {
        document["type"] = json!(kind);
        if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
            document.extend(more);
        }
        document
    };
    let millis = |took: &Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let document = match event {
        AgentEvent::TextDelta(text) => json!({"type": "text", "text": text}),
        AgentEvent::ReasoningDelta(text) => json!({"type": "reasoning", "text": text}),
        AgentEvent::ModelCallStarted { step } => json!({"type": "step", "step": step}),
        AgentEvent::ToolCallStarted(call) => {
            with(named(&call.name, &call.id), "call", json!({"arguments": call.arguments}))
        }
        AgentEvent::ToolCallProgress { id, progress } => json!({
            "type": "progress", "id": id, "progress": number(progress.progress),
            "total": progress.total.map(number), "message": progress.message,
        }),
        AgentEvent::ToolCallFinished { id, name, output, took } => with(
            named(name, id),
            "call_result",
            json!({"isError": output.is_error, "text": output.to_text(), "tookMs": millis(took)}),
        ),
        AgentEvent::ApprovalDecided { call, decision: Decision::Deny { .. } } => with(
            named(&call.name, &call.id),
            "call_result",
            json!({"isError": true, "text": "not allowed"}),
        ),
        AgentEvent::ToolCallRefused { call, output } => with(
            named(&call.name, &call.id),
            "call_result",
            json!({"isError": true, "text": output.to_text()}),
        ),
        _ => return Ok(()),
    };
    printer.json(&document)?;
    printer.flush()
}
