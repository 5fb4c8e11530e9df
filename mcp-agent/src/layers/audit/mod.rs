//! A record of every call, which cannot be changed unnoticed.

mod book;
mod log;
mod record;
mod redact;
mod scribe;
mod verify;

use std::{fmt, io, sync::Arc};

use tokio::time::Instant;
use tower_layer::Layer;

use self::record::Entry;
pub use self::{
    log::AuditLog,
    verify::{AuditError, Verified, verify, verify_since},
};
use super::CallEnd;
use crate::caller::{Call, CallError, Caller, Reply};

/// Records every call before its reply is given. What cannot be recorded fails, and nothing is sent
/// until lines can be written again.
#[derive(Debug)]
pub struct Audit<C> {
    inner: C,
    layer: AuditLayer,
}

/// Makes [`Audit`]s.
#[derive(Clone)]
pub struct AuditLayer {
    log: Option<AuditLog>,
    principals: Option<Principals>,
}

/// Says who asks for the call that is about to be made: a name that is no secret, and of which
/// kind it is, such as `key:ci`.
pub type Principals = Arc<dyn Fn() -> Option<Arc<str>> + Send + Sync>;

impl AuditLayer {
    /// Into this log; without one nothing is recorded.
    pub fn new(log: impl Into<Option<AuditLog>>) -> Self {
        Self { log: log.into(), principals: None }
    }

    /// Records who asks, too.
    #[must_use]
    pub fn principals(mut self, source: Option<Principals>) -> Self {
        self.principals = source;
        self
    }
}

impl<C> Layer<C> for AuditLayer {
    type Service = Audit<C>;

    fn layer(&self, inner: C) -> Audit<C> {
        Audit { inner, layer: self.clone() }
    }
}

impl fmt::Debug for AuditLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLayer").field("log", &self.log).finish_non_exhaustive()
    }
}

/// A call that is not recorded yet. One that is dropped was called off.
struct Unrecorded<'a> {
    log: &'a AuditLog,
    call: Option<Call>,
    principal: Option<Arc<str>>,
    started: Instant,
}

impl Drop for Unrecorded<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let took = self.started.elapsed();
            let principal = self.principal.take();
            self.log.append_later(Entry::of(&call, principal.as_deref(), CallEnd::Cancelled, took));
        }
    }
}

impl<C: Caller> Caller for Audit<C> {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let AuditLayer { log, principals } = &self.layer;
        let Some(log) = log else { return self.inner.call(call).await };
        let (server, clock) = (call.server.clone(), call.clock.clone());
        let unrecorded = |sent, source: Arc<io::Error>| CallError::Unrecorded {
            server: Arc::clone(&server),
            sent,
            source,
        };
        log.is_writable().await.map_err(|trouble| unrecorded(false, trouble))?;
        let started = Instant::now();
        let principal = principals.as_ref().and_then(|principals| principals());
        let mut pending = Unrecorded { log, call: Some(call.clone()), principal, started };
        let outcome = self.inner.call(call).await;
        let end = match &outcome {
            Ok(reply) => CallEnd::Replied(reply),
            Err(error) => CallEnd::Failed(error),
        };
        if let Some(call) = pending.call.take() {
            let entry = Entry::of(&call, pending.principal.as_deref(), end, started.elapsed());
            log.append(entry).await.map_err(|error| unrecorded(clock.was_sent(), error))?;
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
