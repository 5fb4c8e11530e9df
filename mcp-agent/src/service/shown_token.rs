//! The token of a caller that connections on their behalf are made with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_client::Secret;

use super::access::Shown;

/// The newest token that somebody has shown.
#[derive(Debug)]
pub(super) struct Subject(Mutex<Arc<Shown>>);

impl Subject {
    pub(super) fn new(shown: Arc<Shown>) -> Self {
        Self(Mutex::new(shown))
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Shown>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what lasts longer. Whether it is another one.
    pub(super) fn renew(&self, shown: &Arc<Shown>) -> bool {
        let mut known = self.lock();
        let is_newer = shown.ends > known.ends && shown.token != known.token;
        if is_newer {
            *known = Arc::clone(shown);
        }
        is_newer
    }

    pub(super) fn newest(&self) -> Arc<Shown> {
        Arc::clone(&self.lock())
    }

    pub(super) fn token(&self) -> Result<Secret, Ended> {
        let known = self.lock();
        if known.has_ended() { Err(Ended) } else { Ok(known.token.clone()) }
    }
}

/// The token of the caller is not good any more.
#[derive(Debug, thiserror::Error)]
#[error("the token that was shown to this service has ended; ask again with a new one")]
pub(super) struct Ended;
