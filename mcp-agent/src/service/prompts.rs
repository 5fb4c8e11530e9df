//! `/mcp/prompts`

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use mcp_protocol::prompts::{GetPromptResult, Prompt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Service, access::Principal, listing::Which, problem::Problem, read_json, view::View};
use crate::caller::{Answer, Call, Caller as _, Operation};

/// The prompts, each with its `server_name`, and what kept others from being listed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PromptList {
    prompts: Vec<Map<String, Value>>,
    problems: Vec<Problem>,
}

pub(super) async fn list(
    State(service): State<Service>,
    principal: Principal,
    which: Which,
) -> Result<Json<PromptList>, Problem> {
    let view = View::new(principal, None);
    let list = |client: mcp_client::Client| async move {
        if client.server().capabilities.prompts.is_none() {
            return Ok(mcp_client::Listing::default());
        }
        client.list_prompts().await
    };
    let has = |server: &mcp_client::Server, _: &Prompt| view.has_contents(server.name());
    let listed = service.list(which, &view, list, has).await?;
    Ok(Json(PromptList { prompts: listed.items, problems: listed.problems }))
}

/// The body of `POST /mcp/prompts/get`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Get {
    server_name: String,
    prompt_name: String,
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

pub(super) async fn get(
    State(service): State<Service>,
    principal: Principal,
    read_json::Json(get): read_json::Json<Get>,
) -> Result<Json<GetPromptResult>, Problem> {
    let view = View::new(principal, None);
    service.server(&get.server_name, &view)?;
    if !view.has_contents(&get.server_name) {
        return Err(Problem::no_contents(&get.server_name));
    }
    let Get { server_name, prompt_name, arguments } = get;
    let get = Operation::GetPrompt {
        name: prompt_name.into(),
        arguments: arguments.into_iter().collect(),
    };
    match service.stack().call(Call::new(server_name, get)).await?.answer {
        Answer::Prompt(result) => Ok(Json(Arc::unwrap_or_clone(result))),
        _ => Err(Problem::another_answer()),
    }
}
