//! Answers that a later request can go on from.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use serde_json::Value;

use crate::{
    service::{access::Principal, chat::ChatError},
    transcript::Entry,
};

/// How long they are kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of them is kept, in bytes of JSON.
const MOST_BYTES: u64 = 64 << 20;

/// Answers by their name, which is not to be guessed. Those that nobody asked for the longest are
/// forgotten first, and all of them with the process.
#[derive(Clone, Debug)]
pub(in crate::service) struct Responses(Cache<String, Arc<Kept>>);

/// An answer, and what was said up to it.
#[derive(Debug)]
pub(super) struct Kept {
    /// To others it does not exist.
    principal: Principal,
    pub(super) body: Value,
    /// Without the rules of the service and of the request.
    pub(super) said: Vec<Entry>,
    bytes: u32,
}

impl Default for Responses {
    fn default() -> Self {
        let weigh = |_: &String, kept: &Arc<Kept>| kept.bytes;
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weigh).time_to_live(KEPT).build())
    }
}

impl Responses {
    pub(super) async fn keep(&self, principal: &Principal, id: &str, body: &Value, said: &[Entry]) {
        let bytes = serde_json::to_vec(said).map_or(usize::MAX, |json| json.len());
        let bytes = u32::try_from(bytes.saturating_add(body.to_string().len()));
        let (body, said) = (body.clone(), said.to_vec());
        let kept =
            Kept { principal: principal.clone(), body, said, bytes: bytes.unwrap_or(u32::MAX) };
        self.0.insert(id.to_owned(), Arc::new(kept)).await;
    }

    pub(super) async fn get(&self, principal: &Principal, id: &str) -> Option<Arc<Kept>> {
        self.0.get(id).await.filter(|kept| kept.principal == *principal)
    }

    pub(super) async fn remove(&self, principal: &Principal, id: &str) -> bool {
        self.get(principal, id).await.is_some() && self.0.remove(id).await.is_some()
    }
}

/// No answer of this name is kept.
pub(super) fn unknown(id: &str) -> ChatError {
    let text = format!(
        "no answer `{}` is kept here; send the whole conversation as `input`",
        id.escape_debug()
    );
    ChatError::missing(text, Some("previous_response_not_found"))
}
