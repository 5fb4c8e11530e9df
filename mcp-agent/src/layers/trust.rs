//! Whose word about its tools is believed.

use std::collections::BTreeSet;

use crate::caller::Call;

/// The servers whose hints about their tools are believed. A hint may always make a rule stricter;
/// only a trusted one makes it laxer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// None of them.
    #[default]
    Nobody,
    /// These, by name.
    Servers(BTreeSet<String>),
    /// All of them.
    Everybody,
}

impl Trust {
    /// Whether this server is believed.
    pub fn covers(&self, server: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::Servers(names) => names.contains(server),
            Self::Everybody => true,
        }
    }

    /// Whether the call surely changes nothing.
    pub(super) fn knows_read(&self, call: &Call) -> bool {
        call.operation.is_read() || (call.hints.read_only && self.covers(&call.server))
    }

    /// Whether to make the call twice is the same as to make it once.
    pub(super) fn knows_repeatable(&self, call: &Call) -> bool {
        self.knows_read(call) || (call.hints.idempotent && self.covers(&call.server))
    }
}
