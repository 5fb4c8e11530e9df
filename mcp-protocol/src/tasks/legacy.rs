//! Tasks of revision 2025-11-25: asked for by the caller, fetched with a request of their own.

use serde::{Deserialize, Serialize};

use super::{TaskParams, TaskStatus};
use crate::{
    decode::DecodeError,
    list::{self, ListResult, SkippedItem},
    meta::Meta,
    method::{Method, Notification},
    pagination::{Cursor, PaginatedParams},
    raw::RawJson,
    tolerant::optional_whole,
};

/// `tasks/get`: how a task stands.
#[derive(Debug)]
pub enum GetTask {}

impl Method for GetTask {
    const NAME: &'static str = "tasks/get";
    type Params = TaskParams;
    type Output = Task;
}

/// `tasks/result`: waits for the end and gives the result that the request would have had.
#[derive(Debug)]
pub enum GetTaskResult {}

impl Method for GetTaskResult {
    const NAME: &'static str = "tasks/result";
    type Params = TaskParams;
    type Output = RawJson;
}

/// `tasks/list`.
#[derive(Debug)]
pub enum ListTasks {}

impl Method for ListTasks {
    const NAME: &'static str = "tasks/list";
    type Params = PaginatedParams;
    type Output = ListTasksResult;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        list::decode(result)
    }
}

/// `tasks/cancel`.
#[derive(Debug)]
pub enum CancelTask {}

impl Method for CancelTask {
    const NAME: &'static str = "tasks/cancel";
    type Params = TaskParams;
    type Output = Task;
}

/// `notifications/tasks/status`: how a task stands now. A server need not send it.
#[derive(Debug)]
pub enum TaskStatusChanged {}

impl Notification for TaskStatusChanged {
    const NAME: &'static str = "notifications/tasks/status";
    type Params = Task;
}

/// Asks that a request become a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMetadata {
    /// How long to keep it after its beginning, in milliseconds.
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// What to ask for it by.
    pub task_id: String,
    /// How it stands.
    pub status: TaskStatus,
    /// More about how it stands. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// When it began, ISO 8601.
    pub created_at: String,
    /// When it last changed, ISO 8601. Early servers leave it out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_updated_at: String,
    /// How long after its beginning the server may forget it, in milliseconds; `None` for never.
    #[serde(default, deserialize_with = "optional_whole")]
    pub ttl: Option<u64>,
    /// How long to wait before asking again, in milliseconds.
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub poll_interval: Option<u64>,
    /// Entries beside the task.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// A task in place of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTaskResult {
    /// The task.
    pub task: Task,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// One page of tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTasksResult {
    /// The tasks of this page.
    pub tasks: Vec<Task>,
    /// Entries that could not be read and were left out.
    #[serde(skip)]
    pub skipped: Vec<SkippedItem>,
    /// Where the next page starts, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl ListResult for ListTasksResult {
    const ITEMS: &'static str = "tasks";
    const NAME: &'static str = "taskId";
    type Item = Task;

    fn parts(&mut self) -> (&mut Vec<Task>, &mut Vec<SkippedItem>) {
        (&mut self.tasks, &mut self.skipped)
    }
}
