//! Tools that are kept from models until somebody has looked at them.

use std::sync::Arc;

use mcp_agent::{
    service::ToolPins,
    toolbox::{McpToolset, Pinned, Toolset},
};
use mcp_client::{
    Hub, ServerStatus,
    pins::{Drift, PinFile, PinStore as _, ServerPins},
};

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
    let servers = hub.clone();
    let pinned = Pinned::new(Arc::clone(tools), file)
        .keyed(move |name| {
            servers.server(name).map_or_else(|| name.to_owned(), |one| key(&one.status()))
        })
        .on_drift(warning(context));
    Arc::new(pinned)
}

/// The same for a service, with the pins of this user.
pub(crate) fn of_service(context: &Context) -> Option<ToolPins> {
    Some(ToolPins::new(file()?).keyed(key).on_drift(warning(context)))
}

/// The same with pins that all replicas have.
#[cfg(feature = "postgres")]
pub(crate) fn of_replicas(store: mcp_agent::store::PostgresStore, context: &Context) -> ToolPins {
    let messages = Arc::clone(&context.messages);
    ToolPins::shared(store).keyed(key).on_drift(move |server, drift| {
        let server = one_line(server);
        messages.warning(format_args!(
            "{}; see GET /mcp/servers/{server}/drift",
            drifted(&server, drift)
        ));
    })
}

fn warning(context: &Context) -> impl Fn(&str, &Drift) + Send + Sync + use<> {
    let messages = Arc::clone(&context.messages);
    move |server, drift| {
        messages.warning(format_args!("{}; see `mcp pins show {server}`", drifted(server, drift)));
    }
}

fn drifted(server: &str, drift: &Drift) -> String {
    let (tool, kind) = (one_line(&drift.tool), drift.kind());
    let then = if drift.now.is_some() { ", so it is not offered" } else { "" };
    format!("tool {server}.{tool} is {kind}{then}")
}

/// Tells the hub which tools are not as they were agreed to. Servers that were never used with a
/// model have nothing to differ from.
pub(crate) fn compare(hub: &Hub) {
    let Some(file) = file() else { return };
    for server in hub.servers() {
        let tools = server.catalog().tools;
        // What cannot be read is said by whoever needs it.
        if let (Some(_), Ok(Some(pins))) = (tools.told, file.load(&key(&server.status()))) {
            let drift = pins.drift(&ServerPins::of(&tools.listing.items));
            hub.report_drift(server.name(), drift.into_iter().map(|one| one.tool).collect());
        }
    }
}
