//! A server of a hub as people know it: by one name, with one slot or several.

use std::{slice, sync::Arc};

use super::{Catalog, ServerStatus, group::Group, slot::Slot};
use crate::{Client, config::ServerConfig};

/// One server, or replicas of one.
#[derive(Clone)]
pub(super) enum Member {
    One(Arc<Slot>),
    Replicated(Arc<Group>),
}

impl Member {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::One(slot) => slot.name(),
            Self::Replicated(group) => group.name(),
        }
    }

    /// All of them; at least one.
    pub(super) fn slots(&self) -> &[Arc<Slot>] {
        match self {
            Self::One(slot) => slice::from_ref(slot),
            Self::Replicated(group) => &group.slots,
        }
    }

    /// The one that is of most use now.
    pub(super) fn first(&self) -> &Arc<Slot> {
        match self {
            Self::One(slot) => slot,
            Self::Replicated(group) => group.first().unwrap_or(&group.slots[0]),
        }
    }

    pub(super) fn config(&self) -> Option<Arc<ServerConfig>> {
        match self {
            Self::One(slot) => slot.config.now(),
            Self::Replicated(group) => group.config.now(),
        }
    }

    /// Takes over what a running server need not know.
    pub(super) fn take_rules(&self, newer: &ServerConfig) {
        if let Self::Replicated(group) = self {
            group.config.take_rules(newer);
        }
        self.slots().iter().for_each(|slot| slot.config.take_rules(newer));
    }

    pub(super) fn status(&self) -> ServerStatus {
        match self {
            Self::One(slot) => slot.status(),
            Self::Replicated(group) => group.status(),
        }
    }

    pub(super) fn catalog(&self) -> Catalog {
        match self {
            Self::One(slot) => slot.catalog(),
            Self::Replicated(group) => group.catalog(),
        }
    }

    /// A connection of now.
    pub(super) fn client(&self) -> Option<Client> {
        self.slots().iter().find_map(|slot| slot.client())
    }

    /// What is still to be done at all of them: whether one is so.
    pub(super) fn any(&self, is_so: impl Fn(&Slot) -> bool) -> bool {
        self.slots().iter().any(|slot| is_so(slot))
    }

    /// The slot of this name, which may be that of one replica.
    pub(super) fn slot(&self, name: &str) -> Option<&Arc<Slot>> {
        self.slots().iter().find(|slot| slot.name() == name)
    }

    /// Takes over what another server of this name offered.
    pub(super) fn inherit(&self, other: &Self) {
        for slot in self.slots() {
            slot.inherit(other.slot(slot.name()).unwrap_or_else(|| other.first()));
        }
    }

    /// It is in the hub no more.
    pub(super) fn gone(&self) {
        self.slots().iter().for_each(|slot| slot.gone());
    }
}
