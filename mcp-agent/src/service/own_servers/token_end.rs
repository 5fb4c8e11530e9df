//! The end of the token with which a caller was let in: what they listen to ends with it, and so does
//! the connection once nothing of it is in use. Calls under way go on to their end.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{Open, OwnServers};
use crate::service::access::{Principal, Shown, until};

/// How long to sleep at most: the clock may be set, and a caller may show a newer token.
const STEP: Duration = Duration::from_secs(5);

/// How long a listener whose stream has ended may take to come back with a newer token, and find
/// what they have subscribed to.
const GRACE: Duration = Duration::from_secs(5);

impl Open {
    /// Its caller has shown this.
    pub(super) fn lasts_for(&mut self, shown: Option<&Arc<Shown>>) {
        if let Some(shown) = shown {
            self.ends = Some(self.ends.map_or(shown.ends, |ends| ends.max(shown.ends)));
        }
    }

    /// How long its caller may have it, if that ends.
    fn left(&self) -> Option<Duration> {
        self.ends.map(|ends| until(ends + GRACE.as_secs_f64()))
    }

    pub(super) fn token_has_ended(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

impl OwnServers {
    /// A caller goes on listening, and has shown this.
    pub(in crate::service) fn listens_on(&self, principal: &Principal, shown: &Arc<Shown>) {
        for (key, one) in &mut *self.open() {
            if *key.caller == *principal.id() && key.kind == shown.kind {
                one.lasts_for(Some(shown));
            }
        }
    }

    /// Waits until the last of the tokens has ended by which a caller has connections of their own.
    /// For ever where they have none, or were let in by something that does not end.
    pub(in crate::service) async fn token_end(&self, principal: &Principal, kind: u64) {
        loop {
            let left = {
                let open = self.open();
                let theirs = open
                    .iter()
                    .filter(|(key, _)| *key.caller == *principal.id() && key.kind == kind);
                theirs.filter_map(|(_, one)| one.left()).max()
            };
            match left {
                Some(Duration::ZERO) => return,
                left => sleep(left.map_or(STEP, |left| left.min(STEP))).await,
            }
        }
    }
}
