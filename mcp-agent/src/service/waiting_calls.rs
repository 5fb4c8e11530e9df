//! What was said here when a client was handed calls of its own tools.
//!
//! A client sends the conversation with every request, but it never saw the calls that were made
//! here on the way. So they are kept, for a while, under the names of the calls that the client was
//! handed; without them the conversation goes on from what the client sends.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;

use super::access::Principal;
use crate::{
    model::CallId,
    run::RunId,
    transcript::{Entry, Transcript},
};

/// How long they are kept.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// How much of them is kept, in bytes of JSON.
const MOST_BYTES: u64 = 32 << 20;

/// A call that the client is to make.
#[derive(Clone, Debug)]
pub(super) struct HandedCall {
    /// Not to be guessed: it leads to what was said.
    pub(super) id: String,
    pub(super) name: String,
    /// JSON text that fits the schema.
    pub(super) arguments: String,
}

/// The turns, by each call that waits in the last of them.
#[derive(Clone, Debug)]
pub(super) struct WaitingCalls(Cache<String, Arc<Waiting>>);

#[derive(Debug)]
struct Waiting {
    /// To others it does not exist.
    principal: Principal,
    said: Vec<Entry>,
    bytes: u32,
}

impl Default for WaitingCalls {
    fn default() -> Self {
        let weigh = |_: &String, waiting: &Arc<Waiting>| waiting.bytes;
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weigh).time_to_live(KEPT).build())
    }
}

/// Gives the calls that wait names that nobody else has.
pub(super) fn rename(transcript: &mut Transcript, handed: &mut [HandedCall]) {
    transcript.rename_pending(|old| {
        let new = format!("call_{}", RunId::random());
        for call in handed.iter_mut().filter(|call| call.id == old.as_str()) {
            call.id.clone_from(&new);
        }
        CallId(new)
    });
}

impl WaitingCalls {
    /// Keeps the turns that end with these calls.
    pub(super) async fn keep(&self, principal: &Principal, said: &[Entry], handed: &[HandedCall]) {
        let bytes = serde_json::to_vec(said).map_or(usize::MAX, |json| json.len());
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let waiting =
            Arc::new(Waiting { principal: principal.clone(), said: said.to_vec(), bytes });
        for call in handed {
            self.0.insert(call.id.clone(), Arc::clone(&waiting)).await;
        }
    }

    /// The turns that ended with these calls, all of them.
    pub(super) async fn said(&self, principal: &Principal, ids: &[&str]) -> Option<Vec<Entry>> {
        let mut found: Option<Arc<Waiting>> = None;
        for id in ids {
            let waiting = self.0.get(*id).await?;
            if waiting.principal != *principal {
                return None;
            }
            if found.is_some_and(|found| !Arc::ptr_eq(&found, &waiting)) {
                return None;
            }
            found = Some(waiting);
        }
        found.map(|waiting| waiting.said.clone())
    }
}
