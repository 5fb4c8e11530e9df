//! Every interleaving of callers and of what comes in for them, tried by a model checker: the table
//! of ids gives each its own answer, wakes whoever waits, and forgets whoever left.

use std::future::poll_fn;

use bytes::Bytes;
use loom::{future::block_on, sync::Arc, thread};
use mcp_protocol::{
    jsonrpc::{Message, RequestId, Response},
    version::Era,
};

use self::routes::{End, Routed, Routes};
use super::correlation;
use crate::error::DeliveryErrorKind;

/// What the table locks with here.
mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    };
}

#[path = "routes.rs"]
#[expect(clippy::duplicate_mod, reason = "the same code with the checker's lock")]
#[expect(dead_code, reason = "the server's own messages are not part of the model")]
mod routes;

const OPEN: Result<(), ()> = Ok(());

fn open(routes: &Routes, id: i64) -> Result<(), ()> {
    routes.open(&RequestId::Number(id), Era::Modern).map_err(drop)
}

/// The answer to a request, which says whose it is.
fn answer(id: i64) -> Message {
    let outcome = Ok(Bytes::from(id.to_string()));
    Message::Response(Response { id: Some(RequestId::Number(id)), outcome })
}

/// Waits for the answer; `None` when the connection ended before.
fn wait(routes: &Routes, id: i64) -> Option<Bytes> {
    let next = block_on(poll_fn(|cx| routes.poll(&RequestId::Number(id), cx)));
    match next {
        Some(Ok(Message::Response(response))) => Some(response.outcome.unwrap()),
        Some(Err(DeliveryErrorKind::Closed(_))) => None,
        other => panic!("{other:?}"),
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut checker = loom::model::Builder::new();
    checker.preemption_bound = checker.preemption_bound.or(Some(3));
    checker.check(model);
}

#[test]
fn answers_out_of_order_reach_their_own_callers() {
    check(|| {
        let routes = Arc::new(Routes::new());
        assert_eq!((open(&routes, 1), open(&routes, 2)), (OPEN, OPEN));
        let callers = [1, 2].map(|id| {
            let routes = Arc::clone(&routes);
            thread::spawn(move || wait(&routes, id))
        });
        for id in [2, 1] {
            assert!(matches!(routes.deliver(answer(id)), Routed::Answer));
            // One answer counts.
            assert!(matches!(routes.deliver(answer(id)), Routed::Dropped));
        }
        for (caller, id) in callers.into_iter().zip(["1", "2"]) {
            assert_eq!(caller.join().unwrap().unwrap(), id);
        }
        assert_eq!(open(&routes, 1), OPEN, "an id that is done is free");
    });
}

#[test]
fn a_late_answer_reaches_nobody_else() {
    check(|| {
        let routes = Arc::new(Routes::new());
        assert_eq!(open(&routes, 1), OPEN);
        let leaver = thread::spawn({
            let routes = Arc::clone(&routes);
            move || {
                let was_open = routes.forget(&RequestId::Number(1));
                // The end may have come before.
                (was_open, open(&routes, 2).ok().and_then(|()| wait(&routes, 2)))
            }
        });
        let was_used = matches!(routes.deliver(answer(1)), Routed::Answer);
        // Whoever comes later is told of the end alone.
        routes.end(End::closed("over"));
        let (was_open, later) = leaver.join().unwrap();
        assert_eq!(later, None);
        assert_ne!(was_used, was_open, "either it was answered, or it was given up");
    });
}

#[test]
fn whoever_waits_or_comes_is_told_of_the_end() {
    check(|| {
        let routes = Arc::new(Routes::new());
        let callers = [1, 2].map(|id| {
            let routes = Arc::clone(&routes);
            thread::spawn(move || open(&routes, id).ok().map(|()| wait(&routes, id)))
        });
        let answered = matches!(routes.deliver(answer(1)), Routed::Answer);
        routes.end(End::closed("over"));
        let ends = callers.map(|caller| caller.join().unwrap());
        for (end, id) in ends.into_iter().zip([1_i64, 2]) {
            let expected = (answered && id == 1).then(|| Bytes::from("1"));
            // It came too late, was told of the end, or got its answer.
            assert!(end.is_none_or(|end| end == expected), "{id}");
        }
        assert!(open(&routes, 3).is_err());
    });
}
