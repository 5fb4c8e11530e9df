//! `/v1`: an OpenAI-compatible chat whose model uses the servers' tools.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Service, access::Principal, chat_reply, chat_request::ChatRequest, chat_run::ChatRun, problem,
    responses::Responses, traced_model::TracedModel, waiting_calls::WaitingCalls,
};
use crate::{
    AgentError,
    model::ChatModel,
    run::{RunId, RunSettings},
    spans::Spans,
    store::{StoreError, TurnStore},
    toolbox::McpTool,
};

/// The model that the service chats with, and its terms.
#[derive(Clone)]
#[must_use]
pub struct ChatOptions {
    model: Arc<dyn ChatModel>,
    system: Option<String>,
    settings: RunSettings,
    offered: Offered,
    waiting: WaitingCalls,
    responses: Responses,
}

/// Which of the servers' tools are offered.
pub(super) type Offered = Arc<dyn Fn(&McpTool) -> bool + Send + Sync>;

impl ChatOptions {
    /// Chats with this model.
    pub fn new(model: impl ChatModel + 'static) -> Self {
        Self {
            model: Arc::new(model),
            system: None,
            settings: RunSettings::default(),
            offered: Arc::new(|_| true),
            waiting: WaitingCalls::default(),
            responses: Responses::default(),
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

    /// Keeps what later requests go on from where all replicas find it.
    pub(super) fn kept_in(mut self, store: &Arc<dyn TurnStore>) -> Self {
        self.waiting = self.waiting.shared(store);
        self.responses = self.responses.shared(store);
        self
    }

    /// Tells of each answer.
    pub(super) fn traced(mut self, spans: &Arc<dyn Spans>) -> Self {
        self.model = Arc::new(TracedModel::new(self.model, Arc::clone(spans)));
        self
    }

    pub(super) fn model(&self) -> &Arc<dyn ChatModel> {
        &self.model
    }

    /// The rules and the terms of every request.
    pub(super) fn terms(&self) -> (Option<&str>, &RunSettings) {
        (self.system.as_deref(), &self.settings)
    }

    pub(super) fn offered(&self) -> Offered {
        Arc::clone(&self.offered)
    }

    pub(super) fn waiting(&self) -> &WaitingCalls {
        &self.waiting
    }

    pub(super) fn responses(&self) -> &Responses {
        &self.responses
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
    /// The member of the request that is wrong.
    param: Option<&'static str>,
    code: Option<&'static str>,
    /// When to try again.
    again_in: Option<Duration>,
}

impl ChatError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            message: message.into(),
            param: None,
            code: None,
            again_in: None,
        }
    }

    /// What the model, or its provider, did wrong.
    pub(super) fn of_model(message: impl Into<String>) -> Self {
        let (status, kind) = (StatusCode::BAD_GATEWAY, "model_error");
        Self { status, kind, ..Self::invalid(message) }
    }

    /// There is no such thing.
    pub(super) fn missing(message: impl Into<String>, code: Option<&'static str>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code, ..Self::invalid(message) }
    }

    /// What replicas share is not to be had.
    pub(super) fn not_now(error: &StoreError) -> Self {
        let text = format!("what the replicas share cannot be used: {}", problem::chain(error));
        let (status, kind) = (StatusCode::SERVICE_UNAVAILABLE, "server_error");
        Self { status, kind, again_in: Some(problem::STORE_AGAIN), ..Self::invalid(text) }
    }

    /// In this member of the request.
    pub(super) fn of(self, param: &'static str) -> Self {
        Self { param: Some(param), ..self }
    }

    /// This member of the request cannot be done here.
    pub(super) fn unsupported(param: &'static str, message: impl Into<String>) -> Self {
        Self { code: Some("unsupported_parameter"), ..Self::invalid(message).of(param) }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        }})
    }
}

impl From<AgentError> for ChatError {
    fn from(error: AgentError) -> Self {
        Self::of_model(problem::chain(&error))
    }
}

impl IntoResponse for ChatError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.to_json())).into_response();
        if let Some(wait) = self.again_in {
            response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        response
    }
}

pub(super) fn options(service: &Service) -> Result<&ChatOptions, ChatError> {
    let chat = service.0.chat.as_ref();
    chat.ok_or_else(|| ChatError::missing("this service was started without a model", None))
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
    let request = read(request)?;
    let (streams, tells_usage) = (request.streams(), request.tells_usage());
    let asked = request.asked(chat, principal).await?;
    let reply = chat_reply::Reply {
        id: format!("chatcmpl-{}", RunId::random()),
        created: unix_seconds(),
        model: chat.model.id().model.clone(),
        tells_usage,
    };
    let run = ChatRun::begin(&service, chat, asked).await;
    if streams {
        Ok(reply.stream(run).into_response())
    } else {
        Ok(Json(reply.whole(run).await?).into_response())
    }
}

/// The body of a request.
pub(super) fn read<T>(request: Result<Json<T>, JsonRejection>) -> Result<T, ChatError> {
    let Json(request) = request.map_err(|rejection| ChatError {
        status: rejection.status(),
        ..ChatError::invalid(rejection.body_text())
    })?;
    Ok(request)
}

pub(super) fn unix_seconds() -> u64 {
    // A clock before 1970 is nobody's.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
