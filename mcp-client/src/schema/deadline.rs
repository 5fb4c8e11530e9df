//! Checks that may take long, with a limit of time.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::SchemaError;

/// How many checks may run at a time, those that were given up included.
const MAX_RUNNING: usize = 8;
/// Enough for a value as deep as the parser takes, below schemas as deep as are compiled.
const STACK_BYTES: usize = 8 << 20;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// What makes the validator do things again: a reference may be followed over and over, and what is
/// unevaluated is found out by evaluating once more.
const REPEATING: [&str; 4] = ["$ref", "$dynamicRef", "$recursiveRef", "unevaluated"];

/// Whether a check with this schema does each thing at most once for each part of the value.
pub(super) fn is_bounded(schema: &str) -> bool {
    // A key can also be written with escapes.
    !schema.contains("\\u") && REPEATING.iter().all(|word| !schema.contains(word))
}

/// Runs a check on a thread of its own, and gives it up after the limit. Nothing can stop the
/// thread, so it is counted until it ends by itself.
pub(super) fn within(
    limit: Duration,
    check: impl FnOnce() -> Result<(), SchemaError> + Send + 'static,
) -> Result<(), SchemaError> {
    let Some(counted) = Counted::take() else {
        return Err(SchemaError::TooSlow { after: Duration::ZERO });
    };
    let (sender, outcome) = mpsc::sync_channel(1);
    let run = move || {
        let _counted = counted;
        // Whoever waited may have given up.
        let _ = sender.send(check());
    };
    let thread = thread::Builder::new().name("mcp-schema".to_owned()).stack_size(STACK_BYTES);
    if let Err(error) = thread.spawn(run) {
        return Err(SchemaError::Unusable { reason: format!("no thread for the check: {error}") });
    }
    outcome.recv_timeout(limit).unwrap_or(Err(SchemaError::TooSlow { after: limit }))
}

/// One of the checks that may run.
struct Counted;

impl Counted {
    fn take() -> Option<Self> {
        let more = |running| (running < MAX_RUNNING).then_some(running + 1);
        RUNNING.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}
