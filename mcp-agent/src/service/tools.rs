//! `/mcp/tools`

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use mcp_client::CatalogLists;
use mcp_protocol::tools::Tool;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Service, access::Principal, call_stream, journal::Via, listing::Which, problem::Problem,
    read_json, view::View,
};
use crate::caller::{self, Caller as _, ToolHints};

/// The tools, each with its `server_name`, and what kept others from being listed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ToolList {
    tools: Vec<Map<String, Value>>,
    problems: Vec<Problem>,
}

pub(super) async fn list(
    State(service): State<Service>,
    principal: Principal,
    which: Which,
) -> Result<Json<ToolList>, Problem> {
    let view = View::new(principal, None);
    let list = |client: mcp_client::Client| async move {
        // A server without tools may refuse to list them.
        if client.server().capabilities.tools.is_none() {
            return Ok(mcp_client::Listing::default());
        }
        client.list_tools().await
    };
    service.settle_pins(&view).await;
    let has = |server: &mcp_client::Server, tool: &Tool| {
        let holds = service.pins().is_some_and(|pins| pins.holds(server, &tool.name));
        !holds && view.offers(server, &tool.name)
    };
    let listed = service.list(which, &view, list, has).await?;
    Ok(Json(ToolList { tools: listed.items, problems: listed.problems }))
}

/// The body of `POST /mcp/tools/call`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    server_name: String,
    tool_name: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

/// Calls a tool. A result with `isError` is a result. When the client goes away, the server is told
/// to stop.
///
/// Who accepts `text/event-stream` hears events `progress` and `log` while the call runs, and then
/// one of `result` or `problem`.
pub(super) async fn call(
    State(service): State<Service>,
    principal: Principal,
    headers: HeaderMap,
    read_json::Json(call): read_json::Json<Call>,
) -> Result<Response, Problem> {
    let Call { server_name, tool_name, arguments } = call;
    let view = View::new(principal, None);
    let server = service.server_for(&server_name, &view)?;
    if !view.offers(&server, &tool_name) {
        return Err(Problem::unknown_tool(&server_name, &tool_name));
    }
    if let Some(pins) = service.pins() {
        // What was never listed cannot be as it was agreed to.
        if server.catalog().tools.told.is_none()
            && let Err(error) = server.refresh_catalog(CatalogLists::TOOLS).await
        {
            return Err(Problem::of_server(&error));
        }
        pins.settle(&server, &server.catalog()).await;
        if let Some(reason) = pins.held(&server, &server.catalog()).get(&tool_name) {
            return Err(Problem::quarantined(&server_name, &tool_name, reason));
        }
    }
    let noted = service.0.journal.call(Via::Rest, &server_name, &tool_name, &arguments);
    let hints = known_hints(&server, &tool_name);
    let call = caller::Call::tool(server_name, tool_name, arguments).hints(hints);
    if wants_events(&headers) {
        return Ok(call_stream::answer(service.stack().clone(), call, noted).into_response());
    }
    let outcome = service.stack().call(call).await;
    noted.ended(&outcome);
    let result = outcome?.into_tool().ok_or_else(Problem::another_answer)?;
    Ok(Json(result).into_response())
}

/// What the server said of the tool when it was last asked, if it was.
fn known_hints(server: &mcp_client::Server, name: &str) -> ToolHints {
    let listing = server.catalog().tools.listing;
    let tool = listing.items.iter().find(|tool| tool.name == name);
    tool.and_then(|tool| tool.annotations.as_ref()).map(ToolHints::from).unwrap_or_default()
}

pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .filter_map(|kind| kind.split(';').next())
        .any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}
