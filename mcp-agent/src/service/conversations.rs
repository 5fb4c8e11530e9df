//! `/mcp/conversations`: what a store keeps.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::IntoResponse,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    Service,
    access::{Principal, Role},
    problem::{Problem, ProblemCode, chain},
    read_json,
};
use crate::{
    JournalError,
    run::{Run, RunId},
    store::{Store, StoreError, Stored, to_markdown},
};

/// A conversation, without what was said. Times are in seconds since 1970.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Conversation {
    /// Its name. The start of it will do wherever only one begins so.
    id: String,
    /// The beginning of the first prompt.
    title: String,
    created: u64,
    updated: u64,
    /// How many things happened in it; it can be looked at as it was after any of them.
    steps: u64,
}

/// All of them, the latest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Conversations {
    conversations: Vec<Conversation>,
}

/// One of them, with what was said.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Shown {
    #[serde(flatten)]
    conversation: Conversation,
    /// What was said, turn by turn, calls with their results.
    transcript: Value,
}

/// `?at=`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct At {
    /// As it was after so many steps.
    at: Option<u64>,
}

impl From<&Stored> for Conversation {
    fn from(stored: &Stored) -> Self {
        // A clock before 1970 is nobody's.
        let seconds =
            |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            id: stored.id.to_string(),
            title: stored.title.clone(),
            created: seconds(stored.created),
            updated: seconds(stored.updated),
            steps: stored.feeds,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Away { .. } => return Self::not_shared(&error),
            StoreError::Unknown { .. } => ProblemCode::NotFound,
            StoreError::Ambiguous { .. } => ProblemCode::Usage,
            _ => ProblemCode::Unexpected,
        };
        Self::new(code, chain(&error))
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error.downcast::<StoreError>() {
            Ok(error) => error.into(),
            Err(error) => Self::new(ProblemCode::Unexpected, chain(&error)),
        }
    }
}

pub(super) async fn list(
    State(service): State<Service>,
    principal: Principal,
) -> Result<Json<Conversations>, Problem> {
    let all = service.store(&principal)?.list().await?;
    Ok(Json(Conversations { conversations: all.iter().map(Conversation::from).collect() }))
}

pub(super) async fn show(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
    at: Result<Query<At>, QueryRejection>,
) -> Result<Json<Shown>, Problem> {
    let (stored, run) = service.loaded(&principal, &name, at).await?;
    let transcript = serde_json::to_value(run.transcript())
        .map_err(|error| Problem::new(ProblemCode::Unexpected, error.to_string()))?;
    Ok(Json(Shown { conversation: Conversation::from(&stored), transcript }))
}

/// In Markdown, for people.
pub(super) async fn export(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
    at: Result<Query<At>, QueryRejection>,
) -> Result<impl IntoResponse, Problem> {
    let (_, run) = service.loaded(&principal, &name, at).await?;
    let kind = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
    Ok((kind, to_markdown(run.transcript())))
}

/// The same conversation under another name, so that both can go on.
pub(super) async fn fork(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
    read_json::Json(At { at }): read_json::Json<At>,
) -> Result<(StatusCode, Json<Conversation>), Problem> {
    let store = service.store(&principal)?;
    let stored = store.find(&name).await?;
    let fork = store.load(&stored.id, at).await?.fork();
    store.begin(&fork).await?;
    let forked = store.find(fork.id().as_str()).await?;
    Ok((StatusCode::CREATED, Json(Conversation::from(&forked))))
}

pub(super) async fn remove(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let store = service.store(&principal)?;
    // Only by its whole name: the start of one may be another's tomorrow.
    let id = RunId::from(name);
    if store.remove(&id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(StoreError::Unknown { name: id.to_string() }.into())
    }
}

impl Service {
    /// For operators: the conversations are nobody's in particular.
    fn store(&self, principal: &Principal) -> Result<&Arc<dyn Store>, Problem> {
        principal.must_be(Role::Operator)?;
        let missing = || {
            let detail = "this service was started without a store of conversations";
            Problem::new(ProblemCode::NotFound, detail)
        };
        self.0.conversations.as_ref().ok_or_else(missing)
    }

    async fn loaded(
        &self,
        principal: &Principal,
        name: &str,
        at: Result<Query<At>, QueryRejection>,
    ) -> Result<(Stored, Run), Problem> {
        let Query(At { at }) =
            at.map_err(|error| Problem::new(ProblemCode::Usage, error.body_text()))?;
        let store = self.store(principal)?;
        let stored = store.find(name).await?;
        let run = store.load(&stored.id, at).await?;
        Ok((stored, run))
    }
}
