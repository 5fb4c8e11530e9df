//! A server for the tests of layers: a function of the call and of how many came before.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    caller::{Call, CallError, Caller, Reply},
    model::BoxFuture,
};

type Answering = dyn Fn(Call, usize) -> BoxFuture<'static, Result<Reply, CallError>> + Send + Sync;

pub(crate) struct Fake {
    answer: Box<Answering>,
    calls: AtomicUsize,
}

impl Fake {
    pub(crate) fn new(
        answer: impl Fn(Call, usize) -> BoxFuture<'static, Result<Reply, CallError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { answer: Box::new(answer), calls: AtomicUsize::new(0) }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Caller for Fake {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let before = self.calls.fetch_add(1, Ordering::Relaxed);
        (self.answer)(call, before).await
    }
}

/// Runs a simulation on a clock that goes on by itself when nothing else does.
pub(crate) fn on_paused_clock<F: Future>(simulation: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system")
        .block_on(simulation)
}
