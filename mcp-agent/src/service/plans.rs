//! `/mcp/plans`: steps of tool calls, checked before anything runs.
//!
//! Nothing is kept here. What a run came to is in its answer, and with that it goes on, at this
//! service or at another with the same servers.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_core::{Stream, future::BoxFuture};
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Service,
    access::Principal,
    noted_tools::NotedTools,
    problem::{Problem, ProblemCode},
    read_json,
    tools::wants_events,
    view::View,
};
use crate::{
    plan::{CheckedPlan, ExecuteOptions, Plan, PlanRun, StepOutcome},
    toolbox::Filtered,
};

/// The body of `POST /mcp/plans/validate`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Validate {
    /// The plan.
    plan: Plan,
}

/// Whether a plan can run.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Validity {
    valid: bool,
    /// All that is wrong with it.
    problems: Vec<String>,
    /// The names of steps that run side by side, in the order in which these groups run.
    waves: Vec<Vec<String>>,
}

/// The body of `POST /mcp/plans/run`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Execute {
    /// The plan.
    plan: Plan,
    /// Whether to say only what would run.
    #[serde(default)]
    dry_run: bool,
}

/// The body of `POST /mcp/plans/resume`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {
    /// The plan as it was.
    plan: Plan,
    /// The steps as the report of the earlier run has them. Those that are done do not run again.
    steps: BTreeMap<String, StepOutcome>,
}

/// What a run of a plan came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PlanReport {
    /// What is to be reached.
    goal: String,
    /// Whether all steps ended well.
    done: bool,
    /// What became of the steps, by name. A step that is not here did not run.
    steps: BTreeMap<String, StepOutcome>,
    /// The names of steps that run side by side, in order.
    waves: Vec<Vec<String>>,
}

impl PlanReport {
    fn new(run: &PlanRun) -> Self {
        Self {
            goal: run.plan().plan().goal.clone(),
            done: run.is_done(),
            steps: run.outcomes().clone(),
            waves: run.plan().waves().to_vec(),
        }
    }
}

/// Finds everything that would stop a plan. Nothing runs.
pub(super) async fn validate(
    State(service): State<Service>,
    principal: Principal,
    read_json::Json(Validate { plan }): read_json::Json<Validate>,
) -> Json<Validity> {
    let tools = tools(&service, principal).await;
    Json(match plan.check(&tools) {
        Ok(plan) => Validity { valid: true, problems: Vec::new(), waves: plan.waves().to_vec() },
        Err(error) => Validity {
            valid: false,
            problems: error.problems.iter().map(ToString::to_string).collect(),
            waves: Vec::new(),
        },
    })
}

/// Runs a plan. When the client goes away, the tools that are running are told to stop.
///
/// Who accepts `text/event-stream` hears an event `step` for each step that ended, and then
/// `result`.
pub(super) async fn run(
    State(service): State<Service>,
    principal: Principal,
    headers: HeaderMap,
    read_json::Json(Execute { plan, dry_run }): read_json::Json<Execute>,
) -> Result<Response, Problem> {
    let (plan, tools) = checked(&service, principal, plan).await?;
    let run = PlanRun::new(plan);
    if dry_run {
        return Ok(Json(PlanReport::new(&run)).into_response());
    }
    Ok(answer(run, tools, &headers).await)
}

/// Runs what has not ended well yet.
pub(super) async fn resume(
    State(service): State<Service>,
    principal: Principal,
    headers: HeaderMap,
    read_json::Json(Resume { plan, steps }): read_json::Json<Resume>,
) -> Result<Response, Problem> {
    let (plan, tools) = checked(&service, principal, plan).await?;
    Ok(answer(PlanRun::resumed(plan, steps), tools, &headers).await)
}

/// The tools that are there for somebody.
type Tools = Filtered<NotedTools>;

async fn tools(service: &Service, principal: Principal) -> Tools {
    let view = View::new(principal, None);
    let tools = service.tools_for(&view).await;
    service.settle_pins(&view).await;
    let (known, held) = (Arc::clone(&tools), service.held_for(&view));
    let noted = NotedTools::new(tools, Arc::clone(&service.0.journal));
    Filtered::new(noted, move |tool| {
        known.tool(&tool.name).is_some_and(|tool| {
            let name = &tool.tool.name;
            view.has_tool(&tool.server, name) && !held(&tool.server, name)
        })
    })
}

async fn checked(
    service: &Service,
    principal: Principal,
    plan: Plan,
) -> Result<(CheckedPlan, Tools), Problem> {
    let tools = tools(service, principal).await;
    match plan.check(&tools) {
        Ok(plan) => Ok((plan, tools)),
        Err(error) => Err(Problem::new(ProblemCode::InvalidArguments, error.to_string())),
    }
}

async fn answer(mut run: PlanRun, tools: Tools, headers: &HeaderMap) -> Response {
    if wants_events(headers) {
        return Sse::new(told(run, tools)).keep_alive(KeepAlive::default()).into_response();
    }
    run.execute(&tools).await;
    Json(PlanReport::new(&run)).into_response()
}

/// The run as it goes on. Dropping the stream abandons it.
fn told(mut run: PlanRun, tools: Tools) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    // No more than the steps of the plan.
    let (tell, heard) = mpsc::unbounded_channel();
    let running = Box::pin(async move {
        let observer = |run: &PlanRun, step: &str| {
            if let Some(outcome) = run.outcomes().get(step) {
                // The receiver is gone only if nobody listens any more.
                let _ = tell.send(event("step", &json!({"step": step, "outcome": outcome})));
            }
        };
        run.execute_with(&tools, ExecuteOptions::default(), observer).await;
        event("result", &json!(PlanReport::new(&run)))
    });
    stream::unfold(Running { job: Some(running), heard, last: None }, |mut state| async move {
        let event = state.next().await?;
        Some((Ok(event), state))
    })
}

struct Running {
    /// Gone once the run has ended.
    job: Option<BoxFuture<'static, Event>>,
    heard: mpsc::UnboundedReceiver<Event>,
    last: Option<Event>,
}

impl Running {
    async fn next(&mut self) -> Option<Event> {
        if let Some(running) = self.job.as_mut() {
            tokio::select! {
                biased;
                Some(event) = self.heard.recv() => return Some(event),
                event = running => self.last = Some(event),
            }
            self.job = None;
        }
        // What was told on the way comes before the end.
        self.heard.recv().await.or_else(|| self.last.take())
    }
}

fn event(kind: &str, what: &Value) -> Event {
    Event::default().event(kind).data(what.to_string())
}
