//! Pinned resources in every question to the model.

use std::sync::Arc;

use super::LiveContext;
use crate::{
    Hooks, ModelCallAction,
    model::{BoxFuture, ModelRequest, Role},
};

/// Puts everything that is pinned before the last thing that a person said, in every request to the
/// model and as it is at that moment, and nowhere else: the conversation stays without it. So it is
/// there however long the conversation gets, after a summary too, and an old state is never left
/// behind.
///
/// [`LiveContext::turn`] is the other way: what is pinned is told once and becomes part of the
/// conversation, then only what changed. That costs fewer tokens, since nothing that was said
/// changes and the provider's cache holds. Use one of the two.
///
/// ```no_run
/// use mcp_agent::{Agent, context::{EveryTurn, LiveContext, LiveOptions}};
///
/// # async fn example(hub: mcp_client::Hub, model: mcp_agent::model::scripted::ScriptedModel) {
/// let live = LiveContext::start(hub, ["file:///project/*.md"], LiveOptions::default()).await;
/// let agent = Agent::builder(model).hooks(EveryTurn::new(live)).build();
/// # drop(agent);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EveryTurn(Arc<LiveContext>);

impl EveryTurn {
    /// Of these resources.
    pub fn new(live: impl Into<Arc<LiveContext>>) -> Self {
        Self(live.into())
    }
}

impl Hooks for EveryTurn {
    fn before_model<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, ModelCallAction> {
        Box::pin(async move {
            self.0.settled().await;
            let last = request.messages.iter().rposition(|message| message.role == Role::User);
            match (last, self.0.to_part()) {
                (Some(last), Some(pinned)) => {
                    let mut request = request.clone();
                    request.messages[last].parts.insert(0, pinned);
                    ModelCallAction::AskThis(Box::new(request))
                }
                _ => ModelCallAction::Ask,
            }
        })
    }
}
