//! Logins and logouts at other replicas: what they mean for the connections here.
//!
//! The tokens of before may be good for long: a connection would go on as the account that its
//! caller has left.

use std::time::{Duration, SystemTime};

use mcp_client::{StateKind, oauth::StoredLogin};
use tokio::time::sleep;

use super::{Key, OwnServers};

/// How soon it is seen.
const LOOK: Duration = Duration::from_secs(5);

/// What is known of the login that a connection was begun with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// Nobody has looked yet.
    Unseen,
    /// Whatever is there now is good for it.
    Taken,
    Missing,
    /// Given then, if that was noted.
    Given(Option<SystemTime>),
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Stays,
    BeginsAnew,
    Ends,
}

impl Login {
    /// What a connection of `began` that was seen with this login has to do with the one of now.
    /// It `waits` if it has found none by itself.
    fn next(self, now: Self, began: SystemTime, waits: bool) -> Next {
        match (self, now) {
            // It may have begun with one that is gone by now.
            (Self::Unseen, Self::Missing) if !waits => Next::BeginsAnew,
            (Self::Unseen, Self::Given(Some(given))) if given > began => Next::BeginsAnew,
            (Self::Given(before), Self::Given(given)) if before != given => Next::BeginsAnew,
            (Self::Given(_) | Self::Taken, Self::Missing) => Next::Ends,
            // One without a login waits for it by itself.
            _ => Next::Stays,
        }
    }
}

impl OwnServers {
    /// Looks again and again, where other replicas have the same logins.
    pub(in crate::service) async fn follow_logins(self) {
        if !self.0.place.is_shared() {
            return;
        }
        loop {
            sleep(LOOK).await;
            let logins: Vec<_> = {
                let open = self.open();
                open.iter()
                    .filter_map(|(key, one)| Some((key.clone(), one.stored.clone()?)))
                    .collect()
            };
            for (key, stored) in logins {
                self.compare(&key, &stored).await;
            }
        }
    }

    async fn compare(&self, key: &Key, stored: &StoredLogin) {
        let now = match stored.tokens().await {
            Ok(tokens) => tokens.map_or(Login::Missing, |tokens| Login::Given(tokens.granted_at)),
            Err(error) => {
                tracing::debug!(%error, "it cannot be seen whether somebody has logged in");
                return;
            }
        };
        let next = {
            let mut open = self.open();
            let Some(one) = open.get_mut(key) else { return };
            let own = one.hub.server(&key.server);
            let waits = own.is_none_or(|own| own.state() == StateKind::NeedsAuth);
            let next = one.login.next(now, one.began, waits);
            one.login = now;
            next
        };
        let Key { server, caller, kind } = key;
        match next {
            Next::Stays => return,
            Next::BeginsAnew => {
                self.renew(server, caller, *kind);
                // The clocks of replicas differ: it is not begun anew for this one again.
                if let Some(one) = self.open().get_mut(key) {
                    one.login = now;
                }
            }
            Next::Ends => self.forget(server, caller, *kind),
        }
        tracing::info!(server, principal = &**caller, "logged in or out at another replica");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_that_of_the_login_of_now() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let given = |seconds| Login::Given(Some(at(seconds)));
        let began = at(10);
        for (before, now, next) in [
            (Login::Unseen, given(9), Next::Stays),
            (Login::Unseen, given(11), Next::BeginsAnew),
            (Login::Unseen, Login::Given(None), Next::Stays),
            (Login::Taken, given(11), Next::Stays),
            (Login::Taken, Login::Missing, Next::Ends),
            (Login::Missing, given(11), Next::Stays),
            (given(9), given(9), Next::Stays),
            (given(9), given(12), Next::BeginsAnew),
            (Login::Given(None), given(12), Next::BeginsAnew),
            (given(9), Login::Missing, Next::Ends),
        ] {
            assert_eq!(before.next(now, began, false), next, "{before:?} {now:?}");
        }
        let unseen = |waits| Login::Unseen.next(Login::Missing, began, waits);
        assert_eq!((unseen(true), unseen(false)), (Next::Stays, Next::BeginsAnew));
    }
}
