//! Tool calls that outlive their answer, of both kinds: the extension
//! `io.modelcontextprotocol/tasks` and the experimental tasks of revision 2025-11-25.
//!
//! Awaiting a call follows its task to the end. [`CallTool::detached`](crate::CallTool::detached)
//! hands out a [`TaskHandle`] instead, which can be stored and resumed by another process.

mod calls;
mod detached;
mod error;
mod follow;
mod handle;
mod legacy;
mod modern;
mod pace;
#[cfg(test)]
mod tests;

use mcp_protocol::extensions;

pub(crate) use self::follow::finish;
pub use self::{
    calls::{FollowTask, WhenDropped},
    detached::{Detached, Started},
    error::TaskError,
    handle::{TaskHandle, TaskReport},
};
use crate::Extension;

/// Hears how a task stands, each time the server was asked.
pub(crate) type TaskHandler = Box<dyn FnMut(&TaskReport) + Send>;

/// The tasks extension: lets servers answer tool calls with tasks.
///
/// Registered by [`ClientBuilder::tasks`](crate::ClientBuilder::tasks). Tasks of revision
/// 2025-11-25 need no declaration and are followed without it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tasks;

impl Extension for Tasks {
    fn id(&self) -> &'static str {
        extensions::TASKS
    }

    fn methods(&self) -> &[&str] {
        &["tools/call", "tasks/get", "tasks/update", "tasks/cancel", "subscriptions/listen"]
    }

    fn is_legacy(&self) -> bool {
        false
    }
}
