//! The servers' tools as they were listed last.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{sync::OnceCell, time::timeout};

use super::{Service, scope::Scope, tool_pins::ToolPins, view::View};
use crate::toolbox::McpToolset;

/// Empty until somebody asks for it.
#[derive(Debug, Default)]
pub(super) struct ListedTools {
    listed: OnceCell<Arc<McpToolset>>,
    /// The count of the hub's changes at that time.
    seen: Mutex<u64>,
}

/// How long servers that are still starting hold a caller up.
const START_LIMIT: Duration = Duration::from_secs(10);

impl Service {
    /// The tools of all servers as they are for somebody.
    pub(super) async fn tools_for(&self, view: &View) -> Arc<McpToolset> {
        let common = self.tools().await;
        self.own_are_ready(view).await;
        let own = &self.0.own;
        if !own.has_any(view) {
            return common;
        }
        Arc::new(McpToolset::of_servers(own.servers(view), self.stack().clone()))
    }

    /// Begins somebody's own connections, and waits for their lists, though not for long. Those that
    /// are not there by then say so when they are called.
    pub(super) async fn own_are_ready(&self, view: &View) {
        let (own, scope) = (&self.0.own, Scope::current());
        own.visit(view, scope.request().and_then(|request| request.shown()));
        let _ = timeout(START_LIMIT, own.ready(view)).await;
    }

    /// Which tools are in quarantine for somebody, by server and name.
    pub(super) fn held_for(&self, view: &View) -> impl Fn(&str, &str) -> bool + use<> {
        let (pins, own) = (self.pins().cloned(), self.0.own.clone());
        let principal = view.principal.clone();
        move |server, tool| {
            let holds = |pins: &ToolPins| {
                own.named(server, &principal).is_some_and(|server| pins.holds(&server, tool))
            };
            pins.as_ref().is_some_and(holds)
        }
    }

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
