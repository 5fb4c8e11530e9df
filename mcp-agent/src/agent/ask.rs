//! Asks the model, and again if nothing came.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use futures_util::StreamExt;
use tokio::time::{Instant, sleep};

use super::{AgentEvent, ModelCallAction, ResponseAction, drive::Driver};
use crate::model::{Assembly, ModelError, ModelEvent, ModelRequest, ModelResponse};

impl Driver<'_> {
    /// Asks the model in the way that the hooks want, for a summary where there is no step. They
    /// can end the run for a reason.
    pub(super) async fn ask_with_hooks(
        &self,
        request: &ModelRequest,
        step: Option<u32>,
    ) -> Result<Result<ModelResponse, String>, ModelError> {
        let mut replaced = None;
        let mut given = None;
        for hook in &self.agent.hooks {
            let request = replaced.as_ref().unwrap_or(request);
            let action = match step {
                Some(_) => hook.before_model(request),
                None => hook.before_summary(request),
            };
            match action.await {
                ModelCallAction::Ask => {}
                ModelCallAction::AskThis(request) => replaced = Some(*request),
                ModelCallAction::Answer(response) => {
                    given = Some(response);
                    break;
                }
                ModelCallAction::Stop { reason } => return Ok(Err(reason)),
            }
        }
        let mut response = match given {
            Some(response) => response,
            None => self.ask(replaced.as_ref().unwrap_or(request), step).await?,
        };
        // What a summary leaves out cannot be put back, so it is nothing to be kept or replaced.
        let heard = self.agent.hooks.iter().filter(|_| step.is_some());
        for hook in heard {
            match hook.after_model(&response).await {
                ResponseAction::Keep => {}
                ResponseAction::Replace(other) => response = other,
                ResponseAction::Stop { reason } => return Ok(Err(reason)),
            }
        }
        Ok(Ok(response))
    }

    /// Asks the model, again if nobody heard a word of an answer that broke off. Without a step,
    /// nobody does.
    async fn ask(
        &self,
        request: &ModelRequest,
        step: Option<u32>,
    ) -> Result<ModelResponse, ModelError> {
        if let Some(step) = step {
            self.events.tell(AgentEvent::ModelCallStarted { step });
        }
        let started = Instant::now();
        let mut attempt = 1;
        let response = loop {
            let mut assembly = Assembly::new(self.agent.model.id().clone());
            let mut told = false;
            let error = match self.listen(request, &mut assembly, step.and(Some(&mut told))).await {
                Ok(()) => break assembly.finish()?,
                Err(error) => error,
            };
            let wait = self.agent.retry.wait(attempt, &error, chance());
            // Words that were heard cannot be taken back; calls have not been made.
            let Some(wait) = wait.filter(|_| !told) else { return Err(error) };
            tracing::debug!(%error, attempt, ?wait, "the model is asked again");
            let error = Arc::new(error);
            self.events.tell(AgentEvent::ModelCallRetried { attempt, wait, error });
            sleep(wait).await;
            attempt += 1;
        };
        if let Some(step) = step {
            self.events.tell(AgentEvent::ModelCallFinished {
                step,
                stop: response.stop.clone(),
                usage: response.usage,
                took: started.elapsed(),
            });
        }
        Ok(response)
    }

    /// Listens to the end. `told` is where to note that somebody heard words of the answer; without
    /// it they are told to nobody.
    async fn listen(
        &self,
        request: &ModelRequest,
        assembly: &mut Assembly,
        mut told: Option<&mut bool>,
    ) -> Result<(), ModelError> {
        let mut answer = self.agent.model.stream(request);
        while let Some(event) = answer.next().await {
            let event = event?;
            match (&event, &mut told) {
                (ModelEvent::TextDelta(text), Some(told)) => {
                    **told |= self.events.tell(AgentEvent::TextDelta(text.clone()));
                }
                (ModelEvent::ReasoningDelta(text), Some(_)) => {
                    self.events.tell(AgentEvent::ReasoningDelta(text.clone()));
                }
                _ => {}
            }
            assembly.push(event);
        }
        Ok(())
    }
}

/// From 0 to 1, different each time.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}
