//! Who asks, and what they may do.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::{Deserialize, Serialize};

use super::{
    super::problem::{Problem, ProblemCode},
    rules::AccessRules,
};

/// What somebody may do, each one more than those before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Sees servers, lists and counters.
    Viewer,
    /// Calls tools, reads resources, gets prompts, and chats.
    #[default]
    User,
    /// Starts servers anew, and sees the calls of all.
    Operator,
    /// Adds and removes servers.
    Admin,
}

impl Role {
    /// The word in configuration and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::User => "user",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody whose credentials were checked. Sessions, and whatever else is kept for a caller,
/// belong to one principal: to another one of other rights, or of another name, they do not exist.
#[derive(Clone, Debug)]
pub struct Principal(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    id: String,
    role: Role,
    rules: AccessRules,
}

impl Principal {
    /// Somebody by an id that no one else has, such as `key:ci`.
    pub fn new(id: impl Into<String>, role: Role, rules: AccessRules) -> Self {
        Self(Arc::new(Inner { id: id.into(), role, rules }))
    }

    /// Whoever asks a service that wants no credentials, or starts it.
    pub(in crate::service) fn owner() -> Self {
        Self::new("owner", Role::Admin, AccessRules::default())
    }

    /// The id. Not a secret.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// The tools and servers that are there for this one.
    pub fn rules(&self) -> &AccessRules {
        &self.0.rules
    }

    /// Whether this one may do what the role is for.
    pub fn is(&self, role: Role) -> bool {
        self.0.role >= role
    }

    /// Refuses whoever lacks a role.
    pub(in crate::service) fn must_be(&self, role: Role) -> Result<(), Problem> {
        if self.is(role) {
            return Ok(());
        }
        let detail = format!("this needs the role `{role}`; yours is `{}`", self.role());
        Err(Problem::new(ProblemCode::Refused, detail))
    }
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Principal {}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    /// Found where the check of access has put it.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| Problem::new(ProblemCode::Refused, "nobody checked who asks"))
    }
}
