//! Who stands behind the name of a server.

use super::{Hub, Server, member::Member, slot::Slot};
use crate::Client;

/// Who stands behind the name of a server: which entry of the configuration, and whose credentials.
/// What was learnt of one must not be told of another, though the name be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Another for every entry that had the name; that of a later one is greater. A restart of the
    /// same entry does not change it.
    pub entry: u64,
    /// Grows whenever the server is shown other credentials than before, be it after a login, a
    /// logout or a renewal.
    pub account: u64,
}

/// The credentials that a connection shows, as far as they can be told apart without being known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    /// Those of one connection, after so many changes.
    Credentials(u64, u64),
}

impl Shown {
    pub(super) fn by(client: &Client) -> Self {
        match client.link().transport.authorization() {
            0 => Self::Nothing,
            changes => Self::Credentials(client.link().cache.connection(), changes),
        }
    }
}

impl Hub {
    /// Who stands behind a name now; `None` when no server has it. Quick enough for every call.
    pub fn identity(&self, name: &str) -> Option<Identity> {
        let members = self.lock();
        let member = members.iter().find(|member| member.name() == name);
        member
            .map(Member::identity)
            .or_else(|| members.iter().find_map(|one| one.slot(name)).map(|slot| slot.identity()))
    }
}

impl Server {
    /// Who stands behind its name. That of a server which is not in the hub any more stays.
    pub fn identity(&self) -> Identity {
        self.member.identity()
    }
}

impl Member {
    /// All replicas are made anew together.
    fn identity(&self) -> Identity {
        let each = self.slots().iter().map(|slot| Slot::identity(slot));
        each.reduce(|one, other| Identity {
            entry: one.entry.min(other.entry),
            account: one.account + other.account,
        })
        .unwrap_or_default()
    }
}
