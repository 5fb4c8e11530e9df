//! What a server says during a call, told to whoever called.

use std::{future::Future, pin::pin, sync::Arc};

use mcp_protocol::{
    input_required::InputRequest,
    jsonrpc::ErrorObject,
    logging::{LoggingLevel, LoggingMessageParams},
    notifications::ProgressParams,
    raw::RawJson,
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::asked::Caller;
use crate::{caller::Call, toolbox::ToolProgress};

/// One thing that is said.
pub(super) enum Said {
    Progress(ToolProgress),
    Log(LoggingMessageParams),
    Question(InputRequest, oneshot::Sender<Result<RawJson, ErrorObject>>),
}

/// How much may wait to be told: while a person is asked nobody listens, and the server goes on.
const MAX_HEARD: usize = 256;

/// Hears a server.
#[derive(Clone)]
pub(super) struct Ear(mpsc::Sender<Said>);

/// What was heard and not told yet.
pub(super) type Heard = mpsc::Receiver<Said>;

pub(super) fn ear() -> (Ear, Heard) {
    let (sender, heard) = mpsc::channel(MAX_HEARD);
    (Ear(sender), heard)
}

impl Ear {
    /// Has a call tell what its caller wants to know.
    pub(super) fn listen_to(&self, mut call: Call, caller: &Caller<'_>) -> Call {
        if caller.progress_token.is_some() {
            let ear = self.clone();
            call = call.on_progress(Arc::new(move |progress| ear.hear(Said::Progress(progress))));
        }
        let wanted = caller.log_level.clone();
        if let Some(level) = &wanted {
            call = call.log_level(level.clone());
        }
        // What nobody wants to know is not for the log of this process either.
        let ear = self.clone();
        call.on_log(Arc::new(move |message| {
            if wanted.as_ref().is_some_and(|wanted| gravity(&message.level) >= gravity(wanted)) {
                ear.hear(Said::Log(message));
            }
        }))
    }

    /// Progress and log messages. What there is no room for is lost.
    fn hear(&self, said: Said) {
        if let Err(TrySendError::Full(_)) = self.0.try_send(said) {
            tracing::debug!("a server says more than its caller hears");
        }
    }

    /// A question, which waits for room. Without a listener its sender of answers is dropped.
    pub(super) async fn ask(
        &self,
        question: InputRequest,
        answers: oneshot::Sender<Result<RawJson, ErrorObject>>,
    ) {
        if self.0.send(Said::Question(question, answers)).await.is_err() {
            tracing::debug!("nobody waits for this call any more");
        }
    }
}

impl Caller<'_> {
    /// Tells what is heard until the call has ended.
    pub(super) async fn hear_until<T>(
        &self,
        mut heard: Heard,
        calling: impl Future<Output = T>,
    ) -> T {
        let mut calling = pin!(calling);
        loop {
            tokio::select! {
                biased;
                Some(said) = heard.recv() => self.tell(said).await,
                outcome = &mut calling => {
                    while let Ok(said) = heard.try_recv() {
                        self.tell(said).await;
                    }
                    return outcome;
                }
            }
        }
    }

    pub(super) async fn tell(&self, said: Said) {
        let told = match said {
            Said::Progress(told) => {
                let Some(progress_token) = self.progress_token.clone() else { return };
                let ToolProgress { progress, total, message, .. } = told;
                let params =
                    ProgressParams { progress_token, progress, total, message, meta: None };
                self.peer.notify("notifications/progress", &params).await
            }
            Said::Log(message) => self.peer.notify("notifications/message", &message).await,
            // Dropped, it counts as not answered.
            Said::Question(..) => return,
        };
        if let Err(error) = told {
            tracing::debug!(%error, "not told to the client");
        }
    }
}

/// The order of RFC 5424, the gravest last. An unknown level is told to everybody.
pub(super) fn gravity(level: &LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use mcp_protocol::roots::ListRootsParams;

    use super::*;

    #[tokio::test]
    async fn what_nobody_listens_to_is_bounded_and_questions_are_kept() {
        let (ear, mut heard) = ear();
        for _ in 0..=MAX_HEARD {
            ear.hear(Said::Progress(ToolProgress::new(1.0)));
        }
        assert_eq!(heard.len(), MAX_HEARD);
        let (answers, _answer) = oneshot::channel();
        let asking = ear.ask(InputRequest::ListRoots(ListRootsParams::default()), answers);
        let listening = async {
            let mut before = 0;
            while let Some(Said::Progress(_)) = heard.recv().await {
                before += 1;
            }
            before
        };
        // The listening ends with the question.
        assert_eq!(tokio::join!(asking, listening), ((), MAX_HEARD));
    }
}
