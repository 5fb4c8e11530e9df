//! Requests that outlive their answer: the extension `io.modelcontextprotocol/tasks` (2026-07-28).
//!
//! The server answers `tools/call` with a [`Task`]; the client asks how it stands until it ends.
//! What revision 2025-11-25 had instead is in [`legacy`]; the two are not compatible.

pub mod legacy;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    input_required::{InputRequests, InputResponses},
    jsonrpc::ErrorObject,
    meta::Meta,
    method::{Method, Notification},
    open_enum::open_enum,
    outcome::{EmptyResult, ResultType},
    raw::RawJson,
    tolerant::optional_whole,
};

/// `tasks/get`: how a task stands.
#[derive(Debug)]
pub enum GetTask {}

impl Method for GetTask {
    const NAME: &'static str = "tasks/get";
    type Params = TaskParams;
    type Output = DetailedTask;

    fn name_header(params: &Self::Params) -> Option<&str> {
        Some(&params.task_id)
    }
}

/// `tasks/update`: answers what a task asked for.
#[derive(Debug)]
pub enum UpdateTask {}

impl Method for UpdateTask {
    const NAME: &'static str = "tasks/update";
    type Params = UpdateTaskParams;
    type Output = EmptyResult;

    fn name_header(params: &Self::Params) -> Option<&str> {
        Some(&params.task_id)
    }
}

/// `tasks/cancel`: asks a task to stop. It may still end in another way.
#[derive(Debug)]
pub enum CancelTask {}

impl Method for CancelTask {
    const NAME: &'static str = "tasks/cancel";
    type Params = TaskParams;
    type Output = EmptyResult;

    fn name_header(params: &Self::Params) -> Option<&str> {
        Some(&params.task_id)
    }
}

/// `notifications/tasks`: how a task stands now.
#[derive(Debug)]
pub enum TaskChanged {}

impl Notification for TaskChanged {
    const NAME: &'static str = "notifications/tasks";
    type Params = DetailedTask;
}

/// Which task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskParams {
    /// Its id.
    pub task_id: String,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl TaskParams {
    /// A task.
    pub fn new(task_id: impl Into<String>) -> Self {
        Self { task_id: task_id.into(), meta: None }
    }
}

/// Answers to what a task asked for; not all at once need be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateTaskParams {
    /// The task.
    pub task_id: String,
    /// The answers by the keys of their questions.
    pub input_responses: InputResponses,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl UpdateTaskParams {
    /// Answers.
    pub fn new(task_id: impl Into<String>, input_responses: InputResponses) -> Self {
        Self { task_id: task_id.into(), input_responses, meta: None }
    }
}

open_enum! {
    /// How a task stands.
    pub enum TaskStatus {
        /// It goes on.
        Working = "working",
        /// It waits for input.
        InputRequired = "input_required",
        /// It has a result.
        Completed = "completed",
        /// It has ended in an error.
        Failed = "failed",
        /// It was stopped.
        Cancelled = "cancelled",
    }
}

impl TaskStatus {
    /// Whether it will not change any more.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A task, without what it asks or gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// What to ask for it by. Keep it where it survives a restart.
    pub task_id: String,
    /// How it stands.
    pub status: TaskStatus,
    /// More about how it stands. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// When it began, ISO 8601.
    pub created_at: String,
    /// When it last changed, ISO 8601.
    pub last_updated_at: String,
    /// How long after its beginning the server may forget it, in milliseconds; `None` for never.
    #[serde(default, deserialize_with = "optional_whole")]
    pub ttl_ms: Option<u64>,
    /// How long to wait before asking again, in milliseconds.
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub poll_interval_ms: Option<u64>,
    /// The kind of result, where the task is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the task.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// A task in place of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreatedTask {
    /// Of the extension.
    Extension(Task),
    /// Of revision 2025-11-25.
    Legacy(legacy::CreateTaskResult),
}

impl CreatedTask {
    /// What to ask for it by.
    pub fn task_id(&self) -> &str {
        match self {
            Self::Extension(task) => &task.task_id,
            Self::Legacy(created) => &created.task.task_id,
        }
    }
}

impl Serialize for CreatedTask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Extension(task) => task.serialize(serializer),
            Self::Legacy(created) => created.serialize(serializer),
        }
    }
}

/// A task, with what it asks or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailedTask {
    /// The task.
    pub task: Task,
    /// What it asks or gives.
    pub state: TaskState,
}

/// What a task asks or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// Nothing yet.
    Working,
    /// Questions; a key that was answered may be seen again and need not be answered again.
    InputRequired(InputRequests),
    /// The result that the request would have had.
    Completed(RawJson),
    /// The error that the request would have had.
    Failed(ErrorObject),
    /// Nothing any more.
    Cancelled,
    /// A status that this crate does not know.
    Unknown,
}

/// The flat object of the wire. Only a few go over it, so reading it twice does not matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDetails {
    #[serde(default)]
    input_requests: InputRequests,
    result: Option<RawJson>,
    error: Option<ErrorObject>,
}

impl<'de> Deserialize<'de> for DetailedTask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawJson::deserialize(deserializer)?;
        let task: Task = raw.parse().map_err(de::Error::custom)?;
        // The text of the extension says `complete`, its examples say `task`; servers follow either.
        if let Some(kind @ (ResultType::InputRequired | ResultType::Other(_))) = &task.result_type {
            let reason = format!("a result of kind `{kind}` is not allowed here");
            return Err(de::Error::custom(reason));
        }
        let details: WireDetails = raw.parse().map_err(de::Error::custom)?;
        let state = match task.status {
            TaskStatus::Working => TaskState::Working,
            TaskStatus::InputRequired => TaskState::InputRequired(details.input_requests),
            TaskStatus::Completed => TaskState::Completed(
                details.result.ok_or_else(|| de::Error::missing_field("result"))?,
            ),
            TaskStatus::Failed => {
                TaskState::Failed(details.error.ok_or_else(|| de::Error::missing_field("error"))?)
            }
            TaskStatus::Cancelled => TaskState::Cancelled,
            TaskStatus::Other(_) => TaskState::Unknown,
        };
        Ok(Self { task, state })
    }
}

impl Serialize for DetailedTask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            #[serde(flatten)]
            task: &'a Task,
            #[serde(skip_serializing_if = "Option::is_none")]
            input_requests: Option<&'a InputRequests>,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<&'a RawJson>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<&'a ErrorObject>,
        }
        let mut wire = Wire { task: &self.task, input_requests: None, result: None, error: None };
        match &self.state {
            TaskState::InputRequired(requests) => wire.input_requests = Some(requests),
            TaskState::Completed(result) => wire.result = Some(result),
            TaskState::Failed(error) => wire.error = Some(error),
            TaskState::Working | TaskState::Cancelled | TaskState::Unknown => {}
        }
        wire.serialize(serializer)
    }
}
