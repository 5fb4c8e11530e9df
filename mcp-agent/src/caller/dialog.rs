//! What a server asks during a call, and who answers.

use std::{fmt, sync::Arc};

use mcp_protocol::{
    capabilities::ClientCapabilities,
    input_required::{InputRequest, InputResponses, RequestState},
    jsonrpc::ErrorObject,
    raw::RawJson,
};

use crate::model::BoxFuture;

/// Answers one question of a server.
pub type QuestionSink =
    Arc<dyn Fn(InputRequest) -> BoxFuture<'static, Result<RawJson, ErrorObject>> + Send + Sync>;

/// Who answers what a server asks during a call, in place of the client's callbacks.
#[derive(Clone)]
pub struct Dialog {
    /// What can be answered. Only this is declared to a server of the modern lifecycle, and
    /// everything else is refused to any.
    pub capabilities: ClientCapabilities,
    /// How.
    pub answers: Answers,
}

/// How a server's questions are answered.
#[derive(Clone)]
#[non_exhaustive]
pub enum Answers {
    /// One by one, while the call goes on.
    Each(QuestionSink),
    /// In rounds: the reply is [`Answer::Asked`](super::Answer::Asked), and the answers come with
    /// another call. For servers of the modern lifecycle.
    Rounds {
        /// The answers to the round before, by their keys.
        responses: InputResponses,
        /// What the server gave with the round before.
        state: Option<RequestState>,
    },
}

impl Dialog {
    /// Whether the server can ask anything at all.
    pub fn is_possible(&self) -> bool {
        let ClientCapabilities { elicitation, sampling, roots, .. } = &self.capabilities;
        elicitation.is_some() || sampling.is_some() || roots.is_some()
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Each(_) => "Each(..)",
            Self::Rounds { .. } => "Rounds(..)",
        })
    }
}

impl fmt::Debug for Dialog {
    /// Without the answers, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialog").field("capabilities", &self.capabilities).finish_non_exhaustive()
    }
}
