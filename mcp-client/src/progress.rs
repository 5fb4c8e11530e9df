//! Progress, also that which comes after the response: the token of a call that became a task of
//! revision 2025-11-25 stays valid for the task's life.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_protocol::{
    jsonrpc::{NotificationMessage, RequestId},
    notifications::ProgressParams,
};

use crate::link::CallOptions;

/// Hears the progress of one call.
pub(crate) type ProgressHandler = Box<dyn FnMut(ProgressParams) + Send>;

type Shared = Arc<Mutex<ProgressHandler>>;

/// Whether progress is heard after the response.
#[derive(Default)]
pub(crate) enum Late {
    /// There will be none.
    #[default]
    No,
    /// The request to be sent may become a task.
    Wanted,
    /// It is heard.
    Heard(#[expect(dead_code, reason = "held for its drop")] Kept),
}

/// Who hears progress that comes on no exchange of its own, by token.
#[derive(Clone, Default)]
pub(crate) struct LateProgress(Arc<Mutex<HashMap<i64, Shared>>>);

impl LateProgress {
    /// Has the handler of a request hear late progress too, if that is wanted, for as long as the
    /// options live.
    pub(crate) fn keep(&self, token: i64, options: &mut CallOptions) {
        if matches!(options.late, Late::No) {
            return;
        }
        let Some(handler) = options.on_progress.take() else { return };
        let shared = Arc::new(Mutex::new(handler));
        let timely = Arc::clone(&shared);
        options.on_progress = Some(Box::new(move |progress| hear(&timely, progress)));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token, shared);
        options.late = Late::Heard(Kept { table: self.clone(), token });
    }

    /// Passes on what belongs to a call whose response has come.
    pub(crate) fn pass_on(&self, progress: ProgressParams) {
        let RequestId::Number(token) = progress.progress_token else { return };
        let handler = {
            let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            table.get(&token).cloned()
        };
        // A handler may end its own call, which takes the table's lock.
        if let Some(handler) = handler {
            hear(&handler, progress);
        }
    }
}

fn hear(handler: &Shared, progress: ProgressParams) {
    let mut handler = handler.lock().unwrap_or_else(PoisonError::into_inner);
    handler(progress);
}

/// Reads a progress notification; one that cannot be read is reported to the log.
pub(crate) fn read(notification: &NotificationMessage, endpoint: &str) -> Option<ProgressParams> {
    match serde_json::from_slice(&notification.params) {
        Ok(progress) => Some(progress),
        Err(error) => {
            tracing::warn!(endpoint, %error, "unreadable progress");
            None
        }
    }
}

/// Keeps a handler in the table.
pub(crate) struct Kept {
    table: LateProgress,
    token: i64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.table.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.token);
    }
}
