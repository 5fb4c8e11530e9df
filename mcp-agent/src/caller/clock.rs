//! What happened to a call so far, known to all layers.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_client::Client;

/// How often a call was sent, how long people were asked meanwhile, and whether its time is over.
///
/// A layer that drops the future of a call leaves no other trace for those inside, who must tell
/// an impatient caller from a silent server.
#[derive(Debug, Default)]
pub struct CallClock(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    attempts: u32,
    expired: bool,
    /// The connection of the last attempt, and how long people had been asked there before.
    connection: Option<(Client, Duration)>,
    /// The same of the attempts before it.
    asked: Duration,
}

impl CallClock {
    /// The call is about to be sent.
    pub fn attempt(&self) {
        self.told().attempts += 1;
    }

    /// The call is about to be sent on this connection. The time in which a person is asked
    /// something there is not counted against the call.
    pub fn attempt_on(&self, client: &Client) {
        let mut told = self.told();
        told.attempts += 1;
        told.asked = told.time_asking();
        told.connection = Some((client.clone(), client.time_asking()));
    }

    /// How often it was sent, or nearly.
    pub fn attempts(&self) -> u32 {
        self.told().attempts
    }

    /// Whether a server may have seen it.
    pub fn was_sent(&self) -> bool {
        self.attempts() > 0
    }

    /// How long people were asked something on the connections of this call, while it was made.
    pub fn time_asking(&self) -> Duration {
        self.told().time_asking()
    }

    /// The time of the call is over: its future is about to be dropped.
    pub fn expire(&self) {
        self.told().expired = true;
    }

    /// Whether the call ended because its time was over.
    pub fn is_expired(&self) -> bool {
        self.told().expired
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn time_asking(&self) -> Duration {
        let last = self.connection.as_ref();
        let last = last.map(|(client, before)| client.time_asking().saturating_sub(*before));
        self.asked + last.unwrap_or_default()
    }
}
