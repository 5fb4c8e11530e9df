//! Answers that a later request can go on from.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    service::{access::Principal, belongings::Belongings, chat::ChatError},
    store::{StoreError, TurnStore},
    transcript::Entry,
};

/// How long they are kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of them is kept in this process, in bytes of JSON.
const MOST_BYTES: u64 = 64 << 20;

/// Answers by their name, which is not to be guessed.
#[derive(Clone, Debug)]
pub(in crate::service) struct Responses(Belongings<Kept>);

/// An answer, and what was said up to it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) body: Value,
    /// Without the rules of the service and of the request.
    pub(super) said: Vec<Entry>,
}

impl Default for Responses {
    fn default() -> Self {
        Self(Belongings::new(KEPT, MOST_BYTES))
    }
}

impl Responses {
    /// Keeps them where all replicas find them.
    pub(in crate::service) fn shared(self, store: &Arc<dyn TurnStore>) -> Self {
        Self(self.0.shared(Arc::clone(store)))
    }

    pub(super) async fn keep(&self, principal: &Principal, id: &str, body: &Value, said: &[Entry]) {
        let kept = Kept { body: body.clone(), said: said.to_vec() };
        self.0.keep(principal, id, kept).await;
    }

    pub(super) async fn get(
        &self,
        principal: &Principal,
        id: &str,
    ) -> Result<Arc<Kept>, ChatError> {
        let mut found = self.0.find(principal, &[id.to_owned()]).await.map_err(not_now)?;
        found.remove(id).ok_or_else(|| unknown(id))
    }

    pub(super) async fn remove(&self, principal: &Principal, id: &str) -> Result<(), ChatError> {
        if self.0.remove(principal, id).await.map_err(not_now)? { Ok(()) } else { Err(unknown(id)) }
    }
}

/// No answer of this name is kept.
fn unknown(id: &str) -> ChatError {
    let text = format!(
        "no answer `{}` is kept here; send the whole conversation as `input`",
        id.escape_debug()
    );
    ChatError::missing(text, Some("previous_response_not_found"))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn not_now(error: StoreError) -> ChatError {
    ChatError::not_now(&error)
}
