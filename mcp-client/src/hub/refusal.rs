//! Servers that are not started because they may not be.

use crate::{
    Digest,
    config::{AllowList, ServerConfig},
};

/// Why a server may not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It stands in a project's file, and nobody agreed to it as it is now.
    #[error(
        "its entry in a project's file was not trusted, or has changed since; look at it, and \
         trust it if it is as it should be"
    )]
    Untrusted {
        /// What is to be trusted.
        digest: Digest,
    },
    /// It is not on the list of servers that may be used.
    #[error("{what} is not on the list of allowed servers")]
    NotAllowed {
        /// The name, command, variable or URL that is not.
        what: String,
    },
}

impl Refusal {
    pub(super) fn of(server: &ServerConfig, allowed: Option<&AllowList>) -> Option<Self> {
        if let Some(what) = allowed.and_then(|list| list.refusal(server)) {
            return Some(Self::NotAllowed { what });
        }
        server.untrusted.map(|digest| Self::Untrusted { digest })
    }
}
