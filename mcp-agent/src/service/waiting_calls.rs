//! What was said here when a client was handed calls of its own tools.
//!
//! A client sends the conversation with every request, but it never saw the calls that were made
//! here on the way. So they are kept, for a while, under the names of the calls that the client was
//! handed; without them the conversation goes on from what the client sends.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{access::Principal, belongings::Belongings, chat::ChatError};
use crate::{
    model::CallId,
    run::RunId,
    store::TurnStore,
    transcript::{Entry, Transcript},
};

/// How long they are kept.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// How much of them is kept in this process, in bytes of JSON.
const MOST_BYTES: u64 = 32 << 20;

/// What the names of calls begin with.
const PREFIX: &str = "call_";

/// The length of the part of a call's name that is its turn's: the whole is at most 40 long, which
/// is what providers take.
const TURN_LENGTH: usize = 32;

/// A call that the client is to make.
#[derive(Clone, Debug)]
pub(super) struct HandedCall {
    /// Not to be guessed: it leads to what was said.
    pub(super) id: String,
    pub(super) name: String,
    /// JSON text that fits the schema.
    pub(super) arguments: String,
}

/// The turns, by the part that the names of the calls have in common which wait in the last of
/// them.
#[derive(Clone, Debug)]
pub(super) struct WaitingCalls(Belongings<Waiting>);

#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    said: Vec<Entry>,
    /// The names of the calls.
    calls: BTreeSet<String>,
}

/// The turns that a request goes on from.
#[derive(Debug)]
pub(super) struct RecalledTurns(HashMap<String, Arc<Waiting>>);

impl Default for WaitingCalls {
    fn default() -> Self {
        Self(Belongings::new(KEPT, MOST_BYTES))
    }
}

/// Gives the calls that wait names that nobody else has.
pub(super) fn rename(transcript: &mut Transcript, handed: &mut [HandedCall]) {
    let (turn, mut number) = (RunId::random(), 0);
    transcript.rename_pending(|old| {
        let new = format!("{PREFIX}{turn}{number:x}");
        number += 1;
        for call in handed.iter_mut().filter(|call| call.id == old.as_str()) {
            call.id.clone_from(&new);
        }
        CallId(new)
    });
}

/// The part of a call's name that is its turn's; `None` when the name was not given here.
fn turn_of(call: &str) -> Option<&str> {
    let (turn, number) = call.strip_prefix(PREFIX)?.split_at_checked(TURN_LENGTH)?;
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex(turn) && is_hex(number) && !number.is_empty()).then_some(turn)
}

impl WaitingCalls {
    /// Keeps them where all replicas find them.
    pub(super) fn shared(self, store: &Arc<dyn TurnStore>) -> Self {
        Self(self.0.shared(Arc::clone(store)))
    }

    /// Keeps the turns that end with these calls.
    pub(super) async fn keep(&self, principal: &Principal, said: &[Entry], handed: &[HandedCall]) {
        let calls: BTreeSet<String> = handed.iter().map(|call| call.id.clone()).collect();
        let Some(turn) = calls.first().and_then(|call| turn_of(call)).map(str::to_owned) else {
            return;
        };
        self.0.keep(principal, &turn, Waiting { said: said.to_vec(), calls }).await;
    }

    /// Recalls the turns that ended with any of these calls, all at once.
    pub(super) async fn recall(
        &self,
        principal: &Principal,
        calls: &[&str],
    ) -> Result<RecalledTurns, ChatError> {
        let turns: BTreeSet<&str> = calls.iter().filter_map(|call| turn_of(call)).collect();
        let turns: Vec<String> = turns.into_iter().map(str::to_owned).collect();
        let found = self.0.find(principal, &turns).await;
        found.map(RecalledTurns).map_err(|error| ChatError::not_now(&error))
    }
}

impl RecalledTurns {
    /// The turns that ended with these calls, all of them.
    pub(super) fn said(&self, calls: &[&str]) -> Option<Vec<Entry>> {
        let waiting = self.0.get(turn_of(calls.first()?)?)?;
        calls.iter().all(|call| waiting.calls.contains(*call)).then(|| waiting.said.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_calls_lead_to_their_turn() {
        let turn = RunId::random();
        assert_eq!(turn_of(&format!("call_{turn}0")), Some(turn.as_str()));
        assert_eq!(turn_of(&format!("call_{turn}1f")), Some(turn.as_str()));
        for other in ["call_1", "call_", "", &format!("call_{turn}"), &format!("call_{turn}é")] {
            assert_eq!(turn_of(other), None, "{other}");
        }
    }
}
