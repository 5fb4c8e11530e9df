//! What logins and logouts of callers mean for their connections.

use std::time::SystemTime;

use mcp_client::StateKind;

use super::{Key, Open, OwnServers, elsewhere::Login};
use crate::service::{access::Principal, logins::wants_login};

impl OwnServers {
    /// Begins a connection anew that waits for a login of its caller.
    pub(in crate::service) fn begin_anew(&self, server: &str, caller: &str, kind: u64) {
        let mut open = self.open();
        let Some(one) = open.get_mut(&key(server, caller, kind)) else { return };
        if waits(one, server) {
            one.login = Login::Taken;
            one.hub.restart(server);
        }
    }

    /// Has a connection go on with whatever login is in the store, which was given for more.
    pub(in crate::service) fn goes_on(&self, server: &str, caller: &str, kind: u64) {
        if let Some(one) = self.open().get_mut(&key(server, caller, kind)) {
            one.login = Login::Taken;
        }
    }

    /// The same as [`begin_anew`](Self::begin_anew) for a login that is in the store since then,
    /// once for each. Whether there is one.
    pub(in crate::service) fn begin_anew_with(
        &self,
        server: &str,
        caller: &str,
        kind: u64,
        since: SystemTime,
    ) -> bool {
        let mut open = self.open();
        let one = open.get_mut(&key(server, caller, kind)).filter(|one| waits(one, server));
        let Some(one) = one.filter(|one| one.tried != Some(since)) else { return false };
        (one.tried, one.login) = (Some(since), Login::Taken);
        one.hub.restart(server)
    }

    /// Has a connection of a caller who has logged in take the place of the one before, which may
    /// know what another account is told.
    pub(in crate::service) fn renew(&self, server: &str, caller: &str, kind: u64) {
        let key = key(server, caller, kind);
        let mut open = self.open();
        let Some(old) = open.remove(&key) else { return };
        let now = self.hub().server(server);
        let now = now.filter(|now| now.identity().entry == old.entry && wants_login(now));
        if let Some(now) = now.filter(|_| self.lets_in(&old.principal)) {
            let mut begun = self.begin(&now, old.entry, &old.principal, None, &key);
            begun.ends = old.ends;
            open.insert(key, begun);
        }
        drop(open);
        self.end([old]);
    }

    /// Whether the connection of a caller is there.
    pub(in crate::service) fn is_up(&self, server: &str, caller: &str, kind: u64) -> bool {
        let open = self.open();
        let own = open.get(&key(server, caller, kind)).and_then(|one| one.hub.server(server));
        own.is_some_and(|own| matches!(own.state(), StateKind::Ready | StateKind::Degraded))
    }

    /// Ends the connection of a caller who has logged out.
    pub(in crate::service) fn forget(&self, server: &str, caller: &str, kind: u64) {
        let ended = self.open().remove(&key(server, caller, kind));
        self.end(ended);
    }

    /// Whether somebody is let in. Over standard streams there is only the owner, whoever is.
    pub(in crate::service) fn lets_in(&self, principal: &Principal) -> bool {
        *principal == Principal::owner() || self.knows(principal)
    }
}

fn key(server: &str, caller: &str, kind: u64) -> Key {
    Key { server: server.to_owned(), caller: caller.into(), kind }
}

fn waits(one: &Open, server: &str) -> bool {
    one.hub.server(server).is_some_and(|own| own.state() == StateKind::NeedsAuth)
}
