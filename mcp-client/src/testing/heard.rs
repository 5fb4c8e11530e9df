//! What a scripted server was told.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use tokio::sync::watch;

/// What clients sent, in order of arrival. Cloning gives another handle to the same record.
#[derive(Clone, Default)]
pub struct Heard(Arc<Shared>);

#[derive(Default)]
struct Shared {
    messages: Mutex<Vec<Kind>>,
    count: watch::Sender<usize>,
}

enum Kind {
    /// A request or notification: its method and parameters.
    Said(String, Value),
    /// The answer to a question of the server: its result, or its error.
    Answered(Value),
}

impl Heard {
    pub(super) fn said(&self, method: &str, params: &Value) {
        self.push(Kind::Said(method.to_owned(), params.clone()));
    }

    pub(super) fn answered(&self, outcome: Value) {
        self.push(Kind::Answered(outcome));
    }

    fn push(&self, kind: Kind) {
        let count = {
            let mut messages = self.0.messages.lock().unwrap_or_else(PoisonError::into_inner);
            messages.push(kind);
            messages.len()
        };
        self.0.count.send_replace(count);
    }

    /// The methods of all requests and notifications.
    pub fn methods(&self) -> Vec<String> {
        self.all(|kind| match kind {
            Kind::Said(method, _) => Some(method.clone()),
            Kind::Answered(_) => None,
        })
    }

    /// The parameters of all requests and notifications with this method.
    pub fn params(&self, method: &str) -> Vec<Value> {
        self.all(|kind| match kind {
            Kind::Said(name, params) if name == method => Some(params.clone()),
            _ => None,
        })
    }

    /// What clients answered to the server's questions: results, and errors as objects with a
    /// `code`.
    pub fn answers(&self) -> Vec<Value> {
        self.all(|kind| match kind {
            Kind::Answered(outcome) => Some(outcome.clone()),
            Kind::Said(..) => None,
        })
    }

    fn all<T>(&self, pick: impl FnMut(&Kind) -> Option<T>) -> Vec<T> {
        let messages = self.0.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.iter().filter_map(pick).collect()
    }

    /// Waits until what was heard is enough.
    ///
    /// ```
    /// # async fn example(heard: mcp_client::testing::Heard) {
    /// heard.until(|heard| heard.params("notifications/cancelled").len() == 2).await;
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn until(&self, is_enough: impl Fn(&Self) -> bool) {
        let mut count = self.0.count.subscribe();
        loop {
            count.mark_unchanged();
            if is_enough(self) {
                return;
            }
            // The sender lives as long as this record.
            if count.changed().await.is_err() {
                return;
            }
        }
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Heard").field(&self.methods()).finish()
    }
}
