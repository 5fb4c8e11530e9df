//! What a server says during a call, told to whoever called.

use std::{future::Future, pin::pin, sync::Arc};

use mcp_protocol::{
    input_required::InputRequest,
    jsonrpc::ErrorObject,
    logging::{LoggingLevel, LoggingMessageParams},
    notifications::ProgressParams,
    raw::RawJson,
};
use tokio::sync::{mpsc, oneshot};

use super::asked::Caller;
use crate::{caller::Call, toolbox::ToolProgress};

/// One thing that is said.
pub(super) enum Said {
    Progress(ToolProgress),
    Log(LoggingMessageParams),
    Question(InputRequest, oneshot::Sender<Result<RawJson, ErrorObject>>),
}

/// Hears a server.
#[derive(Clone)]
pub(super) struct Ear(mpsc::UnboundedSender<Said>);

/// What was heard and not told yet. A server is read no faster than its call is polled, so little
/// waits in here.
pub(super) type Heard = mpsc::UnboundedReceiver<Said>;

pub(super) fn ear() -> (Ear, Heard) {
    let (sender, heard) = mpsc::unbounded_channel();
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

    pub(super) fn hear(&self, said: Said) {
        // The receiver is gone only if nobody waits for the call any more.
        let _ = self.0.send(said);
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
