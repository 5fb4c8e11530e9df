//! `/mcp/servers/{name}/drift`: tools that are not as they were agreed to.

use axum::{
    Json,
    extract::{Path, State},
};
use mcp_client::pins;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Service,
    access::Principal,
    problem::{Problem, ProblemCode, chain},
    read_json,
    tool_pins::{AcceptError, ToolPins},
    view::View,
};
use crate::toolbox::pins::diff;

/// What is not as it was agreed to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DriftList {
    drift: Vec<DriftReport>,
}

/// A tool that is not as it was. One that is `new` or `changed` is in quarantine.
#[derive(Debug, Serialize, JsonSchema)]
struct DriftReport {
    tool: String,
    /// `new`, `changed` or `gone`.
    kind: &'static str,
    /// The definition that was agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// The definition now. Untrusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Value>,
    /// What is another, line by line.
    diff: String,
}

impl DriftList {
    fn new(drift: impl IntoIterator<Item = pins::Drift>) -> Self {
        let report = |one: pins::Drift| DriftReport {
            kind: one.kind(),
            diff: diff(&one),
            tool: one.tool,
            before: one.before.map(|pin| pin.definition),
            now: one.now.map(|pin| pin.definition),
        };
        Self { drift: drift.into_iter().map(report).collect() }
    }
}

/// The body of `POST /mcp/servers/{name}/drift/accept`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Accept {
    /// All tools of the server when left out.
    #[serde(default)]
    tool: Option<String>,
}

pub(super) async fn show(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
) -> Result<Json<DriftList>, Problem> {
    let view = View::new(principal, None);
    let server = service.server(&name, &view)?;
    let pins = pins_of(&service)?;
    pins.settle(&server, &server.catalog()).await;
    let drift = pins.drift(&server).into_iter();
    Ok(Json(DriftList::new(drift.filter(|one| view.has_tool(&name, &one.tool)))))
}

/// Agrees to what is another now; it is offered from then on, and soon at all replicas that share
/// pins. The answer is what was agreed to.
pub(super) async fn accept(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
    read_json::Json(Accept { tool }): read_json::Json<Accept>,
) -> Result<Json<DriftList>, Problem> {
    let view = View::new(principal, None);
    let server = service.server(&name, &view)?;
    let pins = pins_of(&service)?;
    // What somebody does not see, they do not agree to.
    let mut wanted = match tool {
        None if view.sees_all(&name) => vec![None],
        None => pins.drift(&server).into_iter().map(|one| Some(one.tool)).collect(),
        tool => vec![tool],
    };
    wanted.retain(|tool| tool.as_ref().is_none_or(|tool| view.has_tool(&name, tool)));
    let mut accepted = Vec::new();
    for tool in wanted {
        let agreed = pins.accept(&server, tool.as_deref()).await.map_err(|error| {
            let problem = match &error {
                AcceptError::Own(_) => Problem::new(ProblemCode::Unexpected, chain(&error)),
                AcceptError::Common(error) => Problem::not_shared(error),
            };
            problem.server(&name)
        })?;
        accepted.extend(agreed);
    }
    Ok(Json(DriftList::new(accepted)))
}

fn pins_of(service: &Service) -> Result<&ToolPins, Problem> {
    service.pins().ok_or_else(|| {
        Problem::new(ProblemCode::NotFound, "this service does not hold tools to pins")
    })
}
