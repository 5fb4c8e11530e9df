//! `/v1/responses`: the other API of OpenAI, on the same runs as the chat.

mod items;
mod kept;
mod output;
mod reply;
mod request;

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use self::reply::Reply;
pub(super) use self::{kept::Responses, request::ResponseRequest};
use super::{
    Service,
    access::Principal,
    chat::{self, ChatError, options},
    chat_run::ChatRun,
};

/// Answers as the chat does. When the client goes away, the model's answer is abandoned, and the
/// tools that are running are told to stop.
pub(super) async fn create(
    State(service): State<Service>,
    principal: Principal,
    request: Result<Json<ResponseRequest>, JsonRejection>,
) -> Result<Response, ChatError> {
    let chat = options(&service)?;
    let request = chat::read(request)?;
    let streams = request.streams();
    let reply = Reply::new(&request, &chat.model().id().model);
    let (asked, rules) = request.asked(chat, principal.clone()).await?;
    let reply = reply.kept_in(chat.responses().clone(), principal, rules);
    let run = ChatRun::begin(&service, chat, asked).await;
    if streams {
        Ok(reply.stream(run).into_response())
    } else {
        Ok(Json(reply.whole(run).await?).into_response())
    }
}

/// An answer that is kept.
pub(super) async fn retrieve(
    State(service): State<Service>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, ChatError> {
    let kept = options(&service)?.responses().get(&principal, &id).await?;
    Ok(Json(kept.body.clone()))
}

/// Forgets an answer.
pub(super) async fn delete(
    State(service): State<Service>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, ChatError> {
    options(&service)?.responses().remove(&principal, &id).await?;
    Ok(Json(json!({"id": id, "object": "response", "deleted": true})))
}
