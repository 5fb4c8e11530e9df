//! Waking those who wait for a word of the server about one thing, by its id. The word itself is
//! never taken for the truth: it is a reason to ask.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

/// Who waits for what.
#[derive(Debug, Default)]
pub(crate) struct News(Mutex<HashMap<String, Arc<Notify>>>);

/// Is woken when the server says something about one id.
pub(crate) struct Awaited<'a> {
    news: &'a News,
    id: String,
    notify: Arc<Notify>,
}

impl News {
    /// Waits for word of an id from now on.
    pub(crate) fn of(&self, id: &str) -> Awaited<'_> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let notify = Arc::clone(waiting.entry(id.to_owned()).or_default());
        Awaited { news: self, id: id.to_owned(), notify }
    }

    /// Wakes who waits for the id. Ids that nobody waits for are ignored.
    pub(crate) fn wake(&self, id: &str) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = waiting.get(id) {
            notify.notify_one();
        }
    }
}

impl Awaited<'_> {
    /// Waits for the next word.
    ///
    /// # Cancel safety
    /// No word is lost when the future is dropped.
    pub(crate) async fn heard(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let mut waiting = self.news.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One in the table, one here: nobody else waits for this id.
        if Arc::strong_count(&self.notify) <= 2 {
            waiting.remove(&self.id);
        }
    }
}
