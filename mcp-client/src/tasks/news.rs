//! Notifications about tasks: a reason to ask at once. What they say is never taken for the truth.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_protocol::{
    jsonrpc::NotificationMessage,
    method::Notification,
    tasks::{TaskChanged, TaskParams, legacy::TaskStatusChanged},
};
use tokio::sync::Notify;

/// Who waits for which task.
#[derive(Debug, Default)]
pub(crate) struct TaskNews(Mutex<HashMap<String, Arc<Notify>>>);

/// Is woken when the server says something about one task.
pub(super) struct Awaited<'a> {
    news: &'a TaskNews,
    task_id: String,
    notify: Arc<Notify>,
}

impl TaskNews {
    pub(super) fn of(&self, task_id: &str) -> Awaited<'_> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let notify = Arc::clone(waiting.entry(task_id.to_owned()).or_default());
        Awaited { news: self, task_id: task_id.to_owned(), notify }
    }

    /// Looks at any notification of the server.
    pub(crate) fn hear(&self, notification: &NotificationMessage) {
        if !matches!(&*notification.method, TaskChanged::NAME | TaskStatusChanged::NAME) {
            return;
        }
        match serde_json::from_slice::<TaskParams>(&notification.params) {
            Ok(TaskParams { task_id, .. }) => {
                let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(notify) = waiting.get(&task_id) {
                    notify.notify_one();
                }
            }
            Err(error) => tracing::warn!(%error, "unreadable task notification"),
        }
    }
}

impl Awaited<'_> {
    /// Waits for the next word about the task.
    ///
    /// # Cancel safety
    /// No word is lost when the future is dropped.
    pub(super) async fn heard(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let mut waiting = self.news.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One in the table, one here: nobody else waits for this task.
        if Arc::strong_count(&self.notify) <= 2 {
            waiting.remove(&self.task_id);
        }
    }
}
