//! Which tools may run without a question, and the questions.
//!
//! What a server says about its tools is believed only as far as that server was chosen by the
//! person: see [`Approval`].

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mcp_agent::{
    Person,
    model::BoxFuture,
    policy::{ApprovalRequest, Decision, Policy},
};
use tokio::sync::{mpsc, oneshot};

/// Which tools may run without a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approval {
    /// All.
    All,
    /// Those that say that they only read; a person is asked about the others.
    Ask,
    /// Those that say that they only read; the others are refused.
    ReadOnly,
}

impl Approval {
    /// As a policy, before the person's own rules. The servers were chosen by the person.
    pub(crate) fn policy(self) -> Policy {
        match self {
            Self::All => Policy::allowing(),
            Self::Ask => Policy::asking().trust("*"),
            Self::ReadOnly => Policy::denying().trust("*"),
        }
    }
}

/// A call that waits for a person's word.
#[derive(Debug)]
pub(crate) struct Question {
    /// What is to be called.
    pub(crate) request: ApprovalRequest,
    /// Takes the decision; when dropped, the call is refused.
    pub(crate) answer: oneshot::Sender<Decision>,
}

/// Where the questions come out.
#[derive(Debug)]
pub(crate) struct Questions {
    asked: mpsc::UnboundedReceiver<Question>,
    automatic: Arc<AtomicBool>,
}

impl Questions {
    /// The next question; `None` when nobody asks any more.
    pub(crate) async fn next(&mut self) -> Option<Question> {
        self.asked.recv().await
    }

    /// Answers all questions by yes from now on, or no longer.
    pub(crate) fn answer_all(&self, yes: bool) {
        self.automatic.store(yes, Ordering::Relaxed);
    }
}

/// Puts the questions of runs to whoever watches them.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    questions: mpsc::UnboundedSender<Question>,
    automatic: Arc<AtomicBool>,
}

impl Asker {
    pub(crate) fn new() -> (Self, Questions) {
        // One question at a time.
        let (questions, asked) = mpsc::unbounded_channel();
        let automatic = Arc::new(AtomicBool::new(false));
        (Self { questions, automatic: Arc::clone(&automatic) }, Questions { asked, automatic })
    }
}

impl Person for Asker {
    fn decide(&self, request: ApprovalRequest) -> BoxFuture<'_, Option<Decision>> {
        Box::pin(async move {
            if self.automatic.load(Ordering::Relaxed) {
                return Some(Decision::allow());
            }
            let (answer, decision) = oneshot::channel();
            // A question that nobody can answer is answered by no.
            let asked = self.questions.send(Question { request, answer });
            let decision = match asked {
                Ok(()) => decision.await.ok(),
                Err(_) => None,
            };
            Some(decision.unwrap_or_else(Decision::deny))
        })
    }
}
