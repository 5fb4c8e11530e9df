//! What must be the same for a result to be used again.

use std::sync::Arc;

/// Whose result it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// That of one connection with one authorization.
    Private {
        /// Each connection has its own number.
        connection: u64,
        /// Changes whenever other credentials are shown.
        authorization: u64,
    },
    /// That of everybody who asks the same server in the same way.
    Public {
        /// The server as configured, credentials aside.
        server: u64,
        /// The `_meta` of the requests: revision, capabilities and name of the client.
        manner: Arc<str>,
    },
}

/// What the result is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    pub(crate) method: &'static str,
    /// The URI of a resource; nothing for lists, which are kept whole.
    pub(crate) uri: Box<str>,
}

impl Subject {
    pub(crate) fn list(method: &'static str) -> Self {
        Self { method, uri: Box::default() }
    }

    pub(crate) fn resource(method: &'static str, uri: &str) -> Self {
        Self { method, uri: uri.into() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) owner: Owner,
    pub(super) subject: Subject,
}

impl Key {
    pub(super) fn new(owner: &Owner, subject: &Subject) -> Self {
        Self { owner: owner.clone(), subject: subject.clone() }
    }

    pub(super) fn belongs_to(&self, owner: &Owner) -> bool {
        self.owner == *owner
    }
}
