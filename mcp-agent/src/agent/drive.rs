//! Does what a run asks for: the only place where model, tools and clock meet.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::{mpsc::UnboundedSender, watch},
    time::{Instant, sleep},
};

use super::{AgentError, AgentEvent, Finished, Shared};
use crate::{
    model::{Assembly, CallId, ModelError, ModelEvent, ModelRequest, ModelResponse},
    run::{Feed, OutOfTurn, Run, Step},
    toolbox::{PreparedCall, ProgressSink, ToolOutput, Toolset, results},
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
struct Events(UnboundedSender<AgentEvent>);

impl Events {
    fn tell(&self, event: AgentEvent) {
        let _ = self.0.send(event);
    }
}

/// Drives a run to its end.
pub(super) async fn drive(
    agent: Arc<Shared>,
    mut run: Run,
    events: UnboundedSender<AgentEvent>,
    mut cancelled: watch::Receiver<Option<String>>,
    observer: Observer,
) -> Result<Finished, AgentError> {
    let driver = Driver { agent: &agent, events: Events(events), observer };
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
        ended = driver.to_the_end(&mut run) => Ok(ended),
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(source)) => return Err(AgentError::Model { source, run: Box::new(run) }),
        Err(reason) => {
            run.cancel(&reason);
            driver.observer.show(&run);
        }
    }
    match run.step() {
        Step::Done(outcome) => Ok(Finished { outcome: outcome.clone(), run }),
        step => unreachable!("a run that is driven to its end is done, not at {step:?}"),
    }
}

struct Driver<'a> {
    agent: &'a Shared,
    events: Events,
    observer: Observer,
}

impl Driver<'_> {
    async fn to_the_end(&self, run: &mut Run) -> Result<(), ModelError> {
        loop {
            match run.step() {
                Step::Done(_) => return Ok(()),
                Step::CallModel(request) => {
                    let response = self.ask(&request, run.steps() + 1).await?;
                    self.feed(run, Feed::Response(response));
                    self.tell_refused(run);
                }
                Step::CallTools(calls) => {
                    let calls = calls.into_iter().map(|call| self.call(call));
                    let mut running =
                        stream::iter(calls).buffer_unordered(self.agent.parallel_calls);
                    while let Some((call, output)) = running.next().await {
                        self.feed(run, Feed::Output { call, output });
                    }
                }
            }
        }
    }

    fn feed(&self, run: &mut Run, feed: Feed) {
        // The run is fed only with what it asked for.
        if let Err(error) = run.feed(feed) {
            let error: OutOfTurn = error;
            tracing::error!(%error, "the run was fed out of turn");
        }
        self.observer.show(run);
    }

    fn tell_refused(&self, run: &Run) {
        for (call, output) in run.answered_unrun() {
            self.events.tell(AgentEvent::ToolCallRefused {
                call: call.clone(),
                output: Arc::new(output.clone()),
            });
        }
    }

    /// Asks the model, again if nothing came.
    async fn ask(&self, request: &ModelRequest, step: u32) -> Result<ModelResponse, ModelError> {
        self.events.tell(AgentEvent::ModelCallStarted { step });
        let started = Instant::now();
        let mut attempt = 1;
        let response = loop {
            let mut assembly = Assembly::new(self.agent.model.id().clone());
            let error = match self.listen(request, &mut assembly).await {
                Ok(()) => break assembly.finish()?,
                Err(error) => error,
            };
            let wait = self.agent.retry.wait(attempt, &error, chance());
            let Some(wait) = wait.filter(|_| assembly.is_empty()) else { return Err(error) };
            tracing::debug!(%error, attempt, ?wait, "the model is asked again");
            let error = Arc::new(error);
            self.events.tell(AgentEvent::ModelCallRetried { attempt, wait, error });
            sleep(wait).await;
            attempt += 1;
        };
        self.events.tell(AgentEvent::ModelCallFinished {
            step,
            stop: response.stop.clone(),
            usage: response.usage,
            took: started.elapsed(),
        });
        Ok(response)
    }

    async fn listen(
        &self,
        request: &ModelRequest,
        assembly: &mut Assembly,
    ) -> Result<(), ModelError> {
        let mut answer = self.agent.model.stream(request);
        while let Some(event) = answer.next().await {
            let event = event?;
            match &event {
                ModelEvent::TextDelta(text) => {
                    self.events.tell(AgentEvent::TextDelta(text.clone()));
                }
                ModelEvent::ReasoningDelta(text) => {
                    self.events.tell(AgentEvent::ReasoningDelta(text.clone()));
                }
                _ => {}
            }
            assembly.push(event);
        }
        Ok(())
    }

    /// Runs a tool. Whatever happens is a result that the model reads.
    async fn call(&self, call: PreparedCall) -> (CallId, ToolOutput) {
        let (id, name) = (call.id.clone(), call.name.clone());
        self.events.tell(AgentEvent::ToolCallStarted(call.clone()));
        let started = Instant::now();
        let progress: ProgressSink = {
            let (events, id) = (self.events.clone(), id.clone());
            Arc::new(move |progress| {
                events.tell(AgentEvent::ToolCallProgress { id: id.clone(), progress });
            })
        };
        let output = match self.agent.tools.call(call, progress).await {
            Ok(output) => output,
            Err(error) => ToolOutput::error(error.explain()),
        };
        let mut shown = output.clone();
        results::limit(&mut shown, self.agent.result_limits);
        self.events.tell(AgentEvent::ToolCallFinished {
            id: id.clone(),
            name,
            output: Arc::new(output),
            took: started.elapsed(),
        });
        (id, shown)
    }
}

/// From 0 to 1, different each time.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}
