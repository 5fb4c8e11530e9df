//! Answering a server's questions for one call, in place of the client's callbacks.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mcp_protocol::{
    capabilities::ClientCapabilities, elicitation::ElicitParams, error_code,
    input_required::InputRequest, jsonrpc::ErrorObject, raw::RawJson,
};
use mcp_transport::BoxFuture;

use crate::{Asker, handlers::LogHandler};

type Answer = Box<
    dyn Fn(InputRequest, Asker) -> BoxFuture<'static, Result<RawJson, ErrorObject>> + Send + Sync,
>;

/// What can be answered during one call, and by whom.
pub(crate) struct Answering {
    pub(crate) capabilities: ClientCapabilities,
    /// `None` when the caller is handed the questions.
    pub(crate) answer: Option<Answer>,
}

impl Answering {
    /// Answers a question, if it is of a kind that was declared.
    pub(crate) async fn resolve(
        &self,
        question: InputRequest,
        asker: Asker,
    ) -> Result<RawJson, ErrorObject> {
        self.check(&question)?;
        match &self.answer {
            Some(answer) => answer(question, asker).await,
            None => Err(refused(&question)),
        }
    }

    pub(crate) fn check(&self, question: &InputRequest) -> Result<(), ErrorObject> {
        let Self { capabilities, .. } = self;
        let is_declared = match question {
            InputRequest::Elicit(params) => match (&capabilities.elicitation, &**params) {
                // Said without modes, it is forms.
                (Some(modes), ElicitParams::Form(_)) => modes.form.is_some() || modes.url.is_none(),
                (Some(modes), ElicitParams::Url(_)) => modes.url.is_some(),
                _ => false,
            },
            InputRequest::CreateMessage(params) => capabilities
                .sampling
                .as_ref()
                .is_some_and(|sampling| params.tools.is_empty() || sampling.tools.is_some()),
            InputRequest::ListRoots(_) => capabilities.roots.is_some(),
            _ => false,
        };
        if is_declared { Ok(()) } else { Err(refused(question)) }
    }
}

fn refused(question: &InputRequest) -> ErrorObject {
    let text = format!("whoever made this call does not offer `{}`", question.method());
    ErrorObject::new(error_code::METHOD_NOT_FOUND, text)
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering")
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

/// The calls under way on a legacy connection that want to be asked themselves. What a server says
/// outside the stream of a call can be meant for one of them only while it is the only one.
#[derive(Default)]
pub(crate) struct Callers(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    calls: Vec<(u64, Caller)>,
}

/// One of the calls.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    pub(crate) answering: Option<Arc<Answering>>,
    pub(crate) on_log: Option<LogHandler>,
}

/// Whom something is for that a server says beside all calls.
pub(crate) enum Meant {
    /// The client itself.
    Client,
    Call(Caller),
    /// One of several calls, and nobody knows which.
    Unclear,
}

impl Callers {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call until the returned value is dropped.
    pub(crate) fn enter(&self, caller: Caller) -> Entered<'_> {
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        state.calls.push((number, caller));
        Entered { callers: self, number }
    }

    pub(crate) fn meant(&self) -> Meant {
        match &*self.lock().calls {
            [] => Meant::Client,
            [(_, caller)] => Meant::Call(caller.clone()),
            _ => Meant::Unclear,
        }
    }
}

pub(crate) struct Entered<'a> {
    callers: &'a Callers,
    number: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.callers.lock().calls.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_beside_all_calls_is_for_the_only_one() {
        let callers = Callers::default();
        assert!(matches!(callers.meant(), Meant::Client));
        let first = callers.enter(Caller::default());
        assert!(matches!(callers.meant(), Meant::Call(_)));
        let second = callers.enter(Caller::default());
        assert!(matches!(callers.meant(), Meant::Unclear));
        drop(first);
        assert!(matches!(callers.meant(), Meant::Call(_)));
        drop(second);
        assert!(matches!(callers.meant(), Meant::Client));
    }
}
