//! `/v1`: an OpenAI-compatible chat whose model uses the servers' tools.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    Service, access::Principal, chat_noting::Noting, chat_reply, chat_request::ChatRequest,
    problem, view::View,
};
use crate::{
    Agent, AgentError,
    model::ChatModel,
    run::{Run, RunSettings},
    toolbox::{Filtered, McpTool, McpToolset},
};

/// The model that the service chats with, and its terms.
#[derive(Clone)]
#[must_use]
pub struct ChatOptions {
    model: Arc<dyn ChatModel>,
    system: Option<String>,
    settings: RunSettings,
    offered: Arc<dyn Fn(&McpTool) -> bool + Send + Sync>,
    tools: Arc<Tools>,
}

/// The servers' tools as they were listed last.
#[derive(Debug, Default)]
struct Tools {
    listed: OnceCell<Arc<McpToolset>>,
    /// The count of the hub's changes at that time.
    seen: Mutex<u64>,
}

impl ChatOptions {
    /// Chats with this model.
    pub fn new(model: impl ChatModel + 'static) -> Self {
        Self {
            model: Arc::new(model),
            system: None,
            settings: RunSettings::default(),
            offered: Arc::new(|_| true),
            tools: Arc::default(),
        }
    }

    /// Rules for the model, said before those of the request.
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.system = Some(text.into());
        self
    }

    /// Offers only these of the servers' tools.
    pub fn offer(mut self, choose: impl Fn(&McpTool) -> bool + Send + Sync + 'static) -> Self {
        self.offered = Arc::new(choose);
        self
    }

    /// How many times the model may answer in one request; 20 by default.
    pub fn max_steps(mut self, steps: u32) -> Self {
        self.settings.max_steps = steps.max(1);
        self
    }
}

impl fmt::Debug for ChatOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatOptions").field("model", self.model.id()).finish_non_exhaustive()
    }
}

/// An error in the way of OpenAI.
#[derive(Debug)]
pub(super) struct ChatError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl ChatError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            message: message.into(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"error": {
            "message": self.message, "type": self.kind, "param": null, "code": null,
        }})
    }
}

impl From<AgentError> for ChatError {
    fn from(error: AgentError) -> Self {
        let message = problem::chain(&error);
        Self { status: StatusCode::BAD_GATEWAY, kind: "model_error", message }
    }
}

impl IntoResponse for ChatError {
    fn into_response(self) -> Response {
        (self.status, Json(self.to_json())).into_response()
    }
}

fn options(service: &Service) -> Result<&ChatOptions, ChatError> {
    service.0.chat.as_ref().ok_or_else(|| ChatError {
        status: StatusCode::NOT_FOUND,
        kind: "invalid_request_error",
        message: "this service was started without a model".to_owned(),
    })
}

pub(super) async fn models(State(service): State<Service>) -> Result<Json<Value>, ChatError> {
    let id = options(&service)?.model.id();
    Ok(Json(json!({"object": "list", "data": [
        {"id": id.model, "object": "model", "created": 0, "owned_by": id.provider},
    ]})))
}

/// Answers with the whole loop of model and tools. When the client goes away, the model's answer is
/// abandoned, and the tools that are running are told to stop.
pub(super) async fn completions(
    State(service): State<Service>,
    principal: Principal,
    request: Result<Json<ChatRequest>, JsonRejection>,
) -> Result<Response, ChatError> {
    let chat = options(&service)?;
    let Json(request) = request.map_err(|rejection| ChatError {
        status: rejection.status(),
        ..ChatError::invalid(rejection.body_text())
    })?;
    let listed = chat.tools.of(&service).await;
    let view = View::new(principal, None);
    let (known, offered) = (Arc::clone(&listed), Arc::clone(&chat.offered));
    let noting = Noting::new(&service, Arc::clone(&listed));
    let tools = Filtered::new(listed, move |tool| {
        known
            .tool(&tool.name)
            .is_some_and(|tool| offered(&tool) && view.has_tool(&tool.server, &tool.tool.name))
    });
    let agent = Agent::builder(Arc::clone(&chat.model)).tools(tools).build();
    let reply = chat_reply::Reply {
        id: reply_id(),
        created: unix_seconds(),
        model: chat.model.id().model.clone(),
        tells_usage: request.tells_usage(),
    };
    let streams = request.streams();
    let settings = request.settings(&chat.settings)?;
    let transcript = request.into_transcript(chat.system.as_deref())?;
    let run = agent.drive(Run::new(transcript, agent.tools(), settings));
    if streams {
        Ok(reply.stream(run, noting).into_response())
    } else {
        Ok(Json(reply.whole(run, noting).await?).into_response())
    }
}

impl Tools {
    /// The tools of all servers; they are listed again when a server changed.
    async fn of(&self, service: &Service) -> Arc<McpToolset> {
        let hub = service.hub();
        let toolset = self
            .listed
            .get_or_init(async || {
                Arc::new(McpToolset::of_hub(hub.clone()).await.through(service.stack().clone()))
            })
            .await;
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = hub.changed_since(seen).now_or_never() {
            toolset.refresh().await;
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = count;
        }
        Arc::clone(toolset)
    }
}

/// Names one answer. Not a secret.
fn reply_id() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    format!("chatcmpl-{:016x}", RandomState::new().hash_one(0_u8))
}

fn unix_seconds() -> u64 {
    // A clock before 1970 is nobody's.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
