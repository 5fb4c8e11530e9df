//! What is left of a call that became a task: enough to come back to it later.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use mcp_protocol::{
    input_required::InputRequests,
    raw::RawJson,
    tasks::{CreatedTask, TaskStatus},
    version::ProtocolVersion,
};
use serde::{Deserialize, Serialize};

/// A task on a server. Serializable: store it, and resume it in another process with
/// [`Client::resume_task`](crate::Client::resume_task).
///
/// Keep it as you keep a password: with many servers, whoever has the id has the task.
///
/// ```no_run
/// use mcp_client::{Client, Started};
///
/// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// match client.call_tool("render", serde_json::json!({"frames": 9000})).detached().await? {
///     Started::Done(result) => println!("{}", result.joined_text()),
///     Started::Task(handle) => std::fs::write("task.json", serde_json::to_string(&handle)?)?,
/// }
/// // Later, perhaps in another process:
/// let handle = serde_json::from_str(&std::fs::read_to_string("task.json")?)?;
/// println!("{}", client.resume_task(handle).await?.joined_text());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskHandle {
    pub(super) endpoint: String,
    pub(super) protocol_version: ProtocolVersion,
    pub(super) task_id: String,
    /// By the clock of this machine, since a server's clock may be wrong.
    pub(super) created_unix_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) poll_interval_ms: Option<u64>,
    /// What the result must satisfy, where the caller wants it checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) output_schema: Option<RawJson>,
    #[serde(skip)]
    pub(super) created: Option<Box<CreatedTask>>,
}

impl TaskHandle {
    pub(super) fn new(
        endpoint: &str,
        protocol_version: ProtocolVersion,
        created: &CreatedTask,
    ) -> Self {
        let (ttl_ms, poll_interval_ms) = match created {
            CreatedTask::Extension(task) => (task.ttl_ms, task.poll_interval_ms),
            CreatedTask::Legacy(created) => (created.task.ttl, created.task.poll_interval),
            _ => (None, None),
        };
        Self {
            endpoint: endpoint.to_owned(),
            protocol_version,
            task_id: created.task_id().to_owned(),
            created_unix_ms: unix_ms(SystemTime::now()),
            ttl_ms,
            poll_interval_ms,
            output_schema: None,
            created: Some(Box::new(created.clone())),
        }
    }

    /// The same, whose result must satisfy this schema.
    #[must_use]
    pub(crate) fn promising(self, output_schema: Option<RawJson>) -> Self {
        Self { output_schema, ..self }
    }

    /// What the server said when it began the task. A handle that was stored does not have it.
    pub fn created(&self) -> Option<&CreatedTask> {
        self.created.as_deref()
    }

    /// What the server calls it.
    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// The server: a command line or a URL, without secrets.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// When it was created, by the clock of this machine.
    pub fn created_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.created_unix_ms)
    }

    /// How long after its creation the server may forget it, as far as known.
    pub fn ttl(&self) -> Option<Duration> {
        self.ttl_ms.map(Duration::from_millis)
    }
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle")
            .field("endpoint", &self.endpoint)
            .field("created_unix_ms", &self.created_unix_ms)
            .field("ttl_ms", &self.ttl_ms)
            .finish_non_exhaustive()
    }
}

pub(super) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskReport {
    /// In one word.
    pub status: TaskStatus,
    /// More about it. Untrusted text.
    pub message: Option<String>,
    /// What the server waits for; always empty for servers of revision 2025-11-25, which ask for
    /// input by requests of their own.
    pub input_requests: InputRequests,
    pub(super) ttl_ms: Option<u64>,
    pub(super) poll_interval_ms: Option<u64>,
}
