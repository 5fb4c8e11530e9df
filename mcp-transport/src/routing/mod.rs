//! Requests and their answers over one channel that all messages share.
//!
//! A child process and the in-memory pair have the same problem: everything the server writes comes
//! in one sequence, and each message must find the exchange it belongs to. [`Routes`] is the table
//! of exchanges under way, [`Outbox`] the queue of what goes out, [`Reading`] decides who reads what
//! comes in, [`Connection`] is all together, [`RoutedReplies`] one request's view of them, and
//! [`Awaited`] that of a request which takes another way out. [`Carried`] is a whole transport
//! whose messages a task of its own moves.

mod awaited;
mod carried;
mod connection;
mod correlation;
mod outbox;
mod reading;
#[cfg(test)]
mod reading_model;
mod replies;
mod routes;
#[cfg(test)]
mod routes_model;

pub(crate) use awaited::Awaited;
pub(crate) use carried::Carried;
pub(crate) use connection::{Connection, Inlet, Outlet, OwnMessages};
pub(crate) use outbox::{Entry, Outbox, Put, Shut, Written};
pub(crate) use reading::{Progress, Reading, Source};
pub(crate) use replies::RoutedReplies;
pub(crate) use routes::End;

/// What [`Reading`] and the table lock with, so that a model checker can take its place.
mod sync {
    pub(super) use std::sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    };
}
