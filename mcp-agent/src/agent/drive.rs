//! Does what a run asks for: the only place where model, tools, people and clock meet.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender},
        watch,
    },
    time::{Instant, timeout},
};

use super::{
    AgentError, AgentEvent, EndAction, Finished, JournalError, Shared,
    lanes::{Lane, lanes},
};
use crate::{
    model::{CallId, ModelError, ModelRequest, Parts},
    policy::{ApprovalRequest, definition_hash},
    run::{Feed, InputRequest, Outcome, Pause, Run, Step},
    toolbox::{PreparedCall, Toolset},
};

/// Sees the run after every step.
#[derive(Clone, Default)]
pub(super) struct Observer(Arc<Mutex<Option<Watch>>>);

type Watch = Box<dyn FnMut(&Run) + Send>;

impl Observer {
    pub(super) fn set(&self, observer: impl FnMut(&Run) + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(observer));
    }

    fn show(&self, run: &Run) {
        if let Some(observer) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            observer(run);
        }
    }
}

/// Where events go. That nobody listens is no reason to stop.
#[derive(Clone)]
pub(super) struct Events {
    sender: UnboundedSender<AgentEvent>,
    /// For its hooks.
    agent: Arc<Shared>,
}

impl Events {
    /// Returns whether somebody takes the events of the run.
    pub(super) fn tell(&self, event: AgentEvent) -> bool {
        self.tell_hooks(&event);
        self.sender.send(event).is_ok()
    }

    /// The end is taken from the run itself; the hooks hear of it here.
    fn end(&self, finished: Finished) -> Finished {
        if self.agent.hooks.is_empty() {
            return finished;
        }
        let event = AgentEvent::Finished(Box::new(finished));
        self.tell_hooks(&event);
        match event {
            AgentEvent::Finished(finished) => *finished,
            event => unreachable!("hooks cannot change {event:?}"),
        }
    }

    fn tell_hooks(&self, event: &AgentEvent) {
        for hook in &self.agent.hooks {
            hook.on_event(event);
        }
    }
}

/// What a run is driven with.
pub(super) struct Driving {
    pub(super) run: Run,
    /// Fed before anything else.
    pub(super) first: Vec<Feed>,
    pub(super) events: UnboundedSender<AgentEvent>,
    pub(super) cancelled: watch::Receiver<Option<String>>,
    pub(super) steering: UnboundedReceiver<Parts>,
    pub(super) observer: Observer,
}

/// Drives a run to its end, or until it waits for a person.
pub(super) async fn drive(agent: Arc<Shared>, driving: Driving) -> Result<Finished, AgentError> {
    let Driving { mut run, first, events, mut cancelled, steering, observer } = driving;
    let events = Events { sender: events, agent: Arc::clone(&agent) };
    let mut driver = Driver { agent: &agent, events, observer, steering };
    driver.begin(&mut run, first).await?;
    let reason = async {
        let reason = cancelled.wait_for(Option::is_some).await.ok().and_then(|held| held.clone());
        match reason {
            Some(reason) => reason,
            // Nobody is left who could cancel.
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        biased;
        reason = reason => Err(reason),
        ended = driver.go_to_the_end(&mut run) => Ok(ended),
    };
    // Words that came while tools were running are kept for whoever goes on with the run. To one
    // that is done they would be a new prompt.
    let is_written = !matches!(ended, Ok(Err(Failure::Journal(_))));
    if is_written
        && !run.is_done()
        && let Err(source) = driver.hear(&mut run).await
    {
        return Err(AgentError::Journal { source, run: Box::new(run) });
    }
    match ended {
        Ok(Ok(Some(pause))) => {
            return Ok(driver.events.end(Finished { outcome: Outcome::Paused { pause }, run }));
        }
        Ok(Ok(None)) => {}
        Ok(Err(Failure::Model(source))) => {
            return Err(AgentError::Model { source, run: Box::new(run) });
        }
        Ok(Err(Failure::Journal(source))) => {
            return Err(AgentError::Journal { source, run: Box::new(run) });
        }
        Err(reason) => {
            let fed = driver.feed(&mut run, Feed::Cancel { reason }).await;
            if let Err(source) = fed {
                return Err(AgentError::Journal { source, run: Box::new(run) });
            }
        }
    }
    match run.step() {
        Step::Done(outcome) => Ok(driver.events.end(Finished { outcome: outcome.clone(), run })),
        step => unreachable!("a run that is driven to its end is done, not at {step:?}"),
    }
}

pub(super) struct Driver<'a> {
    pub(super) agent: &'a Shared,
    pub(super) events: Events,
    observer: Observer,
    steering: UnboundedReceiver<Parts>,
}

/// Why a run cannot be driven further.
#[derive(Debug)]
pub(super) enum Failure {
    Model(ModelError),
    Journal(JournalError),
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Driver<'_> {
    async fn begin(&mut self, run: &mut Run, first: Vec<Feed>) -> Result<(), AgentError> {
        if let Some(journal) = &self.agent.journal
            && let Err(source) = journal.begin(run).await
        {
            return Err(AgentError::Journal { source, run: Box::new(run.clone()) });
        }
        // Whoever began calls in this run before is not there any more.
        let interrupted = run.has_begun_calls().then_some(Feed::Interrupted);
        for feed in interrupted.into_iter().chain(first) {
            if let Err(source) = self.feed(run, feed).await {
                return Err(AgentError::Journal { source, run: Box::new(run.clone()) });
            }
        }
        Ok(())
    }

    /// Takes in what a person said meanwhile.
    async fn hear(&mut self, run: &mut Run) -> Result<(), JournalError> {
        while let Ok(parts) = self.steering.try_recv() {
            self.events.tell(AgentEvent::Steered(parts.clone()));
            self.feed(run, Feed::Steer(parts.0)).await?;
        }
        Ok(())
    }

    /// Returns what the run waits for, unless it is done.
    async fn go_to_the_end(&mut self, run: &mut Run) -> Result<Option<Pause>, Failure> {
        loop {
            self.hear(run).await?;
            match run.step() {
                Step::Done(outcome) => {
                    let outcome = outcome.clone();
                    match self.before_end(&outcome).await {
                        EndAction::GoOn(parts) => self.feed(run, Feed::GoOn(parts.0)).await?,
                        EndAction::Accept => return Ok(None),
                    }
                }
                Step::CallModel(request) => {
                    let step = run.steps() + 1;
                    self.ask_in_time(run, &request, Some(step)).await?;
                }
                Step::Compact(request) => self.ask_in_time(run, &request, None).await?,
                Step::NeedApproval(requests) => {
                    if !self.approve(run, &requests).await? {
                        return Ok(Some(Pause::Approval(requests)));
                    }
                }
                Step::NeedInput(requests) => {
                    if !self.ask_person(run, &requests).await? {
                        return Ok(Some(Pause::Input(requests)));
                    }
                }
                Step::CallTools(calls) => {
                    let lanes = lanes(calls, run, self.agent.call_order);
                    self.run_tools(run, lanes).await?;
                }
            }
        }
    }

    async fn before_end(&self, outcome: &Outcome) -> EndAction {
        for hook in &self.agent.hooks {
            if let EndAction::GoOn(parts) = hook.before_end(outcome).await {
                return EndAction::GoOn(parts);
            }
        }
        EndAction::Accept
    }

    /// Writes down and shows what the run takes in.
    pub(super) async fn feed(&self, run: &mut Run, feed: Feed) -> Result<(), JournalError> {
        // The copy is for the journal only.
        let written = self.agent.journal.as_ref().map(|journal| (journal, feed.clone()));
        match run.feed(feed) {
            Ok(()) => {
                if let Some((journal, feed)) = written {
                    journal.record(&feed, run).await?;
                }
            }
            // The run is fed only with what it asked for.
            Err(error) => tracing::error!(%error, "the run was fed out of turn"),
        }
        self.observer.show(run);
        Ok(())
    }

    /// Asks the model and feeds the run with its answer: a summary, where there is no step.
    async fn ask_in_time(
        &self,
        run: &mut Run,
        request: &ModelRequest,
        step: Option<u32>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let asking = self.ask_with_hooks(request, step);
        let answered = match run.time_left() {
            Some(left) => match timeout(left, asking).await {
                Ok(answered) => answered?,
                Err(_) => return self.pass_time(run, left).await,
            },
            None => asking.await?,
        };
        match (answered, step) {
            (Ok(response), Some(_)) => {
                self.feed(run, Feed::Response(response)).await?;
                self.tell_refused(run);
            }
            (Ok(summary), None) => {
                let before = run.context_tokens();
                self.feed(run, Feed::Summary(summary)).await?;
                self.events.tell(AgentEvent::Compacted { before, after: run.context_tokens() });
            }
            (Err(reason), _) => self.feed(run, Feed::Halt { reason }).await?,
        }
        self.pass_time(run, started.elapsed()).await
    }

    /// Counts time where it is limited.
    async fn pass_time(&self, run: &mut Run, time: Duration) -> Result<(), Failure> {
        if run.time_left().is_some() && !run.is_done() {
            self.feed(run, Feed::Time(time)).await?;
        }
        Ok(())
    }

    fn tell_refused(&self, run: &Run) {
        // An accepted final answer is a call that has its result without having run, too.
        for (call, output) in run.answered_unrun().filter(|(_, output)| output.is_error) {
            self.events.tell(AgentEvent::ToolCallRefused {
                call: call.clone(),
                output: Arc::new(output.clone()),
            });
        }
    }

    /// Returns whether a person decided.
    async fn approve(
        &self,
        run: &mut Run,
        requests: &[ApprovalRequest],
    ) -> Result<bool, JournalError> {
        let (Some(person), Some(request)) = (&self.agent.person, requests.first()) else {
            return Ok(false);
        };
        self.events.tell(AgentEvent::ApprovalRequested(request.clone()));
        let Some(decision) = person.decide(request.clone()).await else { return Ok(false) };
        let call = request.call.id.clone();
        self.events.tell(AgentEvent::ApprovalDecided {
            call: request.call.clone(),
            decision: decision.clone(),
        });
        self.feed(run, Feed::Decision { call, decision }).await?;
        Ok(true)
    }

    /// Returns whether a person answered.
    async fn ask_person(
        &self,
        run: &mut Run,
        requests: &[InputRequest],
    ) -> Result<bool, JournalError> {
        let (Some(person), Some(request)) = (&self.agent.person, requests.first()) else {
            return Ok(false);
        };
        let Some(answer) = person.answer(request.clone()).await else { return Ok(false) };
        self.feed(run, Feed::Answer { call: request.call.id.clone(), answer }).await?;
        Ok(true)
    }

    async fn run_tools(&self, run: &mut Run, all: Vec<Lane>) -> Result<(), Failure> {
        let started = Instant::now();
        let left = run.time_left();
        // What a person allowed must still be what it was.
        let bound: Vec<(Lane, Vec<Option<String>>)> = all
            .into_iter()
            .map(|lane| {
                let hashes = lane.iter().map(|call| approved_definition(run, call)).collect();
                (lane, hashes)
            })
            .collect();
        let lanes = bound.into_iter().map(|(lane, hashes)| {
            let calls = stream::iter(lane.into_iter().zip(hashes));
            // That a call begins is told, and written down, before it is polled.
            calls.flat_map(|(call, definition)| {
                let began = stream::iter([Heard::Began(call.id.clone())]);
                began.chain(stream::once(self.call(call, definition))).boxed()
            })
        });
        let mut running = stream::iter(lanes).flatten_unordered(self.agent.parallel_calls);
        loop {
            let next = match left {
                Some(left) => {
                    let left = left.saturating_sub(started.elapsed());
                    let Ok(next) = timeout(left, running.next()).await else { break };
                    next
                }
                None => running.next().await,
            };
            match next {
                Some(Heard::Began(call)) => self.feed(run, Feed::Began { call }).await?,
                Some(Heard::Fed(feed)) => {
                    if let Feed::Output { output, .. } = &feed
                        && !output.reveals.is_empty()
                    {
                        let names = output.reveals.iter().map(|tool| tool.name.clone());
                        let facts = names.map(|name| (name.clone(), self.agent.tools.facts(&name)));
                        self.feed(run, Feed::Facts(facts.collect())).await?;
                    }
                    self.feed(run, feed).await?;
                }
                None => break,
            }
            if run.is_done() {
                return Ok(());
            }
        }
        drop(running);
        self.pass_time(run, started.elapsed()).await
    }
}

/// The hash of what a person allowed, where one did.
fn approved_definition(run: &Run, call: &PreparedCall) -> Option<String> {
    let definition = run.definition(&call.name).filter(|_| run.was_approved(&call.id))?;
    Some(definition_hash(definition, &run.facts(&call.name)))
}

/// What is heard of running tools.
pub(super) enum Heard {
    Began(CallId),
    Fed(Feed),
}
