//! A result and where it came from.

use std::{ops::Deref, sync::Arc, time::Duration};

use crate::CallError;

/// A result that is shared with the cache, not copied.
#[derive(Debug)]
pub struct Cached<T> {
    value: Arc<T>,
    source: Source,
}

/// Where a result came from.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// From the server, just now.
    Server,
    /// From the cache, and still fresh.
    Cache {
        /// How long ago it came from the server.
        age: Duration,
    },
    /// From the cache and no longer fresh, since the server could not be asked.
    Stale {
        /// How long ago it came from the server.
        age: Duration,
        /// Why the server could not be asked.
        error: CallError,
    },
}

impl<T> Cached<T> {
    pub(crate) fn new(value: Arc<T>, source: Source) -> Self {
        Self { value, source }
    }

    /// Where it came from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether it is known to be as old as it may be.
    pub fn is_stale(&self) -> bool {
        matches!(self.source, Source::Stale { .. })
    }

    /// The result, for keeping.
    pub fn shared(&self) -> Arc<T> {
        Arc::clone(&self.value)
    }
}

impl<T: Clone> Cached<T> {
    /// The result itself; a copy if the cache keeps it.
    pub fn into_owned(self) -> T {
        Arc::unwrap_or_clone(self.value)
    }
}

impl<T> Deref for Cached<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
