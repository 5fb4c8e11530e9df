//! A scripted model that gives others a turn before each piece of its answer, as one behind a network
//! does, so that what they do in the middle comes in the middle.

use futures_util::StreamExt as _;
use mcp_agent::model::{ChatModel, ModelId, ModelRequest, ModelStream, scripted::ScriptedModel};
use tokio::task::yield_now;

#[derive(Clone, Debug)]
pub(crate) struct Piecemeal(pub(crate) ScriptedModel);

impl ChatModel for Piecemeal {
    fn id(&self) -> &ModelId {
        self.0.id()
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        Box::pin(self.0.stream(request).then(|event| async {
            yield_now().await;
            event
        }))
    }
}
