//! The servers' tools as they were listed last.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use tokio::sync::OnceCell;

use super::Service;
use crate::toolbox::McpToolset;

/// Empty until somebody asks for it.
#[derive(Debug, Default)]
pub(super) struct ListedTools {
    listed: OnceCell<Arc<McpToolset>>,
    /// The count of the hub's changes at that time.
    seen: Mutex<u64>,
}

impl Service {
    /// The tools of all servers; they are listed again when a server changed.
    pub(super) async fn tools(&self) -> Arc<McpToolset> {
        let (hub, tools) = (self.hub(), &self.0.tools);
        let toolset = tools
            .listed
            .get_or_init(async || {
                Arc::new(McpToolset::of_hub(hub.clone()).await.through(self.stack().clone()))
            })
            .await;
        let seen = *tools.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = hub.changed_since(seen).now_or_never() {
            toolset.refresh().await;
            *tools.seen.lock().unwrap_or_else(PoisonError::into_inner) = count;
        }
        Arc::clone(toolset)
    }
}
