//! A login that somebody is to make, as an id that any replica can read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcp_transport::serve::{SessionKeyError, SessionKeys};
use serde::{Deserialize, Serialize};

use super::{
    super::access::{Principal, Shown},
    place::CallerId,
};
use std::sync::Arc;

/// How long such an id is good.
const LIFE: Duration = Duration::from_secs(600);

/// What the seal is for. Nothing else that is sealed here is such an id.
const PURPOSE: &str = "login";

/// Who is to log in where. Sealed, it is the id of the wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// The id of the principal.
    #[serde(rename = "p")]
    pub(super) principal: String,
    /// Which kind of their tokens.
    #[serde(rename = "k")]
    pub(super) kind: u64,
    #[serde(rename = "s")]
    pub(super) server: String,
    /// What the login has to give; whatever the server says when it is empty.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
    /// Milliseconds since 1970.
    #[serde(rename = "m")]
    pub(super) made: u64,
}

impl Wanted {
    pub(super) fn new(
        server: &str,
        principal: &Principal,
        shown: Option<&Arc<Shown>>,
        scopes: &[String],
    ) -> Self {
        Self {
            principal: principal.id().to_owned(),
            kind: shown.map_or(0, |shown| shown.kind),
            server: server.to_owned(),
            scopes: scopes.to_vec(),
            made: millis(SystemTime::now()),
        }
    }

    pub(super) fn caller(&self) -> CallerId {
        CallerId::of(&self.principal, self.kind)
    }

    /// Whether it is meant for somebody. Who opens the address must be who was asked: else a stranger
    /// could have others log in for them.
    pub(super) fn is_for(&self, principal: &Principal) -> bool {
        self.principal == principal.id()
    }

    /// Whether something happened after this was wished for.
    pub(super) fn is_before(&self, time: SystemTime) -> bool {
        self.made <= millis(time)
    }

    pub(super) fn left(&self) -> Duration {
        let ends = UNIX_EPOCH + Duration::from_millis(self.made) + LIFE;
        ends.duration_since(SystemTime::now()).unwrap_or_default()
    }

    pub(super) fn seal(&self, keys: &SessionKeys) -> Result<String, SessionKeyError> {
        let text = serde_json::json!(self).to_string();
        keys.seal_text(PURPOSE, &text)
    }

    /// What an id says, unless it has ended.
    pub(super) fn open(keys: &SessionKeys, id: &str) -> Option<Self> {
        let text = keys.open_text(PURPOSE, id)?;
        let wanted: Self = serde_json::from_str(&text).ok()?;
        (!wanted.left().is_zero()).then_some(wanted)
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::access::{AccessRules, Role};

    #[test]
    fn an_id_is_read_by_all_replicas_and_ends() {
        let ada = Principal::new("key:ada", Role::User, AccessRules::default());
        let bob = Principal::new("key:bob", Role::User, AccessRules::default());
        let keys = || SessionKeys::derive(b"the secret of all replicas").unwrap();
        let mut wanted = Wanted::new("mail", &ada, None, &["send".to_owned()]);
        let id = wanted.seal(&keys()).unwrap();
        assert_eq!(Wanted::open(&keys(), &id), Some(wanted.clone()));
        assert!(wanted.is_for(&ada) && !wanted.is_for(&bob));
        assert_eq!(Wanted::open(&SessionKeys::random().unwrap(), &id), None);
        // What is sealed for something else is no such id.
        let other = keys().seal_text("task", &serde_json::json!(wanted).to_string()).unwrap();
        assert_eq!(Wanted::open(&keys(), &other), None);
        wanted.made -= 600_001;
        assert_eq!(Wanted::open(&keys(), &wanted.seal(&keys()).unwrap()), None);
    }
}
