//! Who sends a request.

use std::sync::Arc;

/// Who sends a request, as far as it was checked before it came to the endpoint: put it into the
/// extensions of the HTTP request. Sessions belong to whoever opened them; for anybody else they do
/// not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal(Arc<str>);

impl Principal {
    /// By a name that nobody else has.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}
