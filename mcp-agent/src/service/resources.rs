//! `/mcp/resources`

use std::sync::Arc;

use axum::{Json, extract::State};
use mcp_protocol::resources::{ReadResourceResult, Resource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Service, access::Principal, listing::Which, problem::Problem, read_json, view::View};
use crate::caller::{Answer, Call, Caller as _, Operation};

/// The resources, each with its `server_name`, and what kept others from being listed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ResourceList {
    resources: Vec<Map<String, Value>>,
    problems: Vec<Problem>,
}

pub(super) async fn list(
    State(service): State<Service>,
    principal: Principal,
    which: Which,
) -> Result<Json<ResourceList>, Problem> {
    let view = View::new(principal, None);
    let list = |client: mcp_client::Client| async move {
        if client.server().capabilities.resources.is_none() {
            return Ok(mcp_client::Listing::default());
        }
        client.list_resources().await
    };
    let has = |server: &mcp_client::Server, _: &Resource| view.has_contents(server.name());
    let listed = service.list(which, &view, list, has).await?;
    Ok(Json(ResourceList { resources: listed.items, problems: listed.problems }))
}

/// The body of `POST /mcp/resources/read`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    server_name: String,
    uri: String,
}

pub(super) async fn read(
    State(service): State<Service>,
    principal: Principal,
    read_json::Json(Read { server_name, uri }): read_json::Json<Read>,
) -> Result<Json<ReadResourceResult>, Problem> {
    let view = View::new(principal, None);
    service.server(&server_name, &view)?;
    if !view.has_contents(&server_name) {
        return Err(Problem::no_contents(&server_name));
    }
    let read = Call::new(server_name, Operation::ReadResource { uri: uri.into() });
    match service.stack().call(read).await?.answer {
        Answer::Resource(result) => Ok(Json(Arc::unwrap_or_clone(result))),
        _ => Err(Problem::another_answer()),
    }
}
