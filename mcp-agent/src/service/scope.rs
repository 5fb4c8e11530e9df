//! What a request belongs to while it is worked on: its trace (W3C Trace Context), and the HTTP
//! request that led to it. It goes along with the task, also while an answer streams.
//!
//! The trace is handed on to servers in the `_meta` of calls. Baggage stays here unless the
//! operator wants it to go on: it may tell of the client.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use mcp_client::{HubOptions, TraceContext};

use super::access::{Principal, Shown};
use crate::{
    caller::LoginRequired,
    layers::{CallEnd, CallRecord, Observe},
};

tokio::task_local! {
    static SCOPE: Scope;
}

/// What somebody does something for. Clones are of the same request.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    trace: Option<TraceContext>,
    request: Option<Arc<RequestNotes>>,
}

/// What is known of an HTTP request by its end.
#[derive(Debug, Default)]
pub(super) struct RequestNotes {
    pub(super) id: String,
    pub(super) passes_baggage: bool,
    principal: OnceLock<Principal>,
    shown: OnceLock<Arc<Shown>>,
    what: Mutex<What>,
}

/// What a request was about: the last, if it did several things.
#[derive(Clone, Debug, Default)]
pub(super) struct What {
    /// The method of MCP.
    pub(super) method: Option<Arc<str>>,
    pub(super) server: Option<Arc<str>>,
    pub(super) tool: Option<Arc<str>>,
    /// How the last call ended.
    pub(super) outcome: Option<&'static str>,
    /// How many calls of servers it led to.
    pub(super) calls: u32,
    /// Where somebody has to log in first: the newest of each server.
    logins: Vec<LoginRequired>,
}

impl Scope {
    pub(super) fn new(trace: Option<TraceContext>, request: RequestNotes) -> Self {
        Self { trace, request: Some(Arc::new(request)) }
    }

    /// That of the task, which belongs to nothing outside of requests.
    pub(super) fn current() -> Self {
        SCOPE.try_with(Clone::clone).unwrap_or_default()
    }

    /// The same request, as a part of this trace, if there is one.
    pub(super) fn in_trace(&self, trace: Option<TraceContext>) -> Self {
        Self { trace: trace.or_else(|| self.trace.clone()), request: self.request.clone() }
    }

    pub(super) fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    pub(super) fn request(&self) -> Option<&RequestNotes> {
        self.request.as_deref()
    }

    /// Does something for it. Calls are large, and are moved no more from here on.
    pub(super) fn within<T>(self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        SCOPE.scope(self, Box::pin(work))
    }

    /// Does one step for it.
    pub(super) fn step<T>(&self, work: impl FnOnce() -> T) -> T {
        SCOPE.sync_scope(self.clone(), work)
    }

    /// A trace by its fields; what is none is nobody's.
    pub(super) fn read_trace(
        &self,
        parent: Option<&str>,
        state: Option<&str>,
        baggage: Option<&str>,
    ) -> Option<TraceContext> {
        let mut trace = TraceContext::new(parent?).ok()?;
        if let Some(state) = state {
            trace = trace.clone().state(state).unwrap_or(trace);
        }
        let passes = self.request().is_some_and(|request| request.passes_baggage);
        if let Some(baggage) = baggage.filter(|_| passes) {
            trace = trace.clone().baggage(baggage).unwrap_or(trace);
        }
        Some(trace)
    }
}

impl RequestNotes {
    pub(super) fn new(id: String, passes_baggage: bool) -> Self {
        Self { id, passes_baggage, ..Self::default() }
    }

    /// Somebody was let in, with a token of an issuer or something else.
    pub(super) fn is_of(&self, principal: &Principal, shown: Option<Arc<Shown>>) {
        // There is one for a request.
        let _ = self.principal.set(principal.clone());
        if let Some(shown) = shown {
            let _ = self.shown.set(shown);
        }
    }

    /// The token of an issuer that the request shows.
    pub(super) fn shown(&self) -> Option<&Arc<Shown>> {
        self.shown.get()
    }

    pub(super) fn principal(&self) -> Option<&Principal> {
        self.principal.get()
    }

    /// Where whoever asks has to log in before calls of theirs can be made.
    pub(super) fn logins(&self) -> Vec<LoginRequired> {
        self.noted().logins.clone()
    }

    pub(super) fn what(&self) -> What {
        self.noted().clone()
    }

    /// What a request of MCP asks for.
    pub(super) fn asks(&self, method: &str) {
        self.noted().method = Some(method.into());
    }

    fn noted(&self) -> MutexGuard<'_, What> {
        self.what.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a hub's clients hand on the trace of whatever they do a request for.
pub(super) fn hand_on(options: &mut HubOptions) {
    options.client.trace(|| Scope::current().trace);
}

/// Who asks, for those below the service.
pub(super) fn principal_id() -> Option<Arc<str>> {
    let scope = Scope::current();
    Some(scope.request()?.principal()?.id().into())
}

/// Notes with each request which calls it led to.
#[derive(Debug)]
pub(super) struct CallNotes;

impl Observe for CallNotes {
    fn call_ended(&self, record: &CallRecord<'_>) {
        let scope = Scope::current();
        let Some(request) = scope.request() else { return };
        let mut what = request.noted();
        what.calls += 1;
        what.server = Some(Arc::clone(&record.call.server));
        what.tool = record.call.operation.tool().map(Arc::from);
        what.outcome = Some(record.end.kind());
        if let CallEnd::Failed(error) = record.end
            && let Some(login) = error.login()
        {
            what.logins.retain(|known| known.server() != login.server());
            what.logins.push(login.clone());
        }
        if what.method.is_none() {
            what.method = Some(record.call.operation.method().into());
        }
    }
}
