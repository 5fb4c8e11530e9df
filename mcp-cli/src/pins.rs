//! Tools that are kept from models until somebody has looked at them.

use std::{collections::BTreeMap, sync::Arc};

use mcp_agent::toolbox::{McpToolset, Pinned, Toolset};
use mcp_client::{Hub, ServerStatus, pins::PinFile};

use crate::{context::Context, terminal_text::one_line, trust::state_file};

/// The pins of this user.
pub(crate) fn file() -> Option<PinFile> {
    state_file("pins.json").map(PinFile::at)
}

/// What pins are kept under: another program under the same name is another server.
pub(crate) fn key(status: &ServerStatus) -> String {
    format!("{}  {}", status.name, status.endpoint)
}

/// The tools, as they were when they were used first.
pub(crate) fn held(tools: &Arc<McpToolset>, hub: &Hub, context: &Context) -> Arc<dyn Toolset> {
    let Some(file) = file() else { return Arc::clone(tools) as _ };
    let keys: BTreeMap<String, String> =
        hub.status().iter().map(|status| (status.name.clone(), key(status))).collect();
    let messages = Arc::clone(&context.messages);
    let pinned = Pinned::new(Arc::clone(tools), file)
        .keyed(move |server| keys.get(server).cloned().unwrap_or_else(|| server.to_owned()))
        .on_drift(move |server, drift| {
            let (tool, kind) = (one_line(&drift.tool), drift.kind());
            let then = if drift.now.is_some() { ", so it is not offered" } else { "" };
            messages.warning(format_args!(
                "tool {server}.{tool} is {kind}{then}; see `mcp pins show {server}`"
            ));
        });
    Arc::new(pinned)
}
