//! Where answers are kept that a later request goes on from.

use std::{fmt, time::Duration};

use mcp_client::Secret;

use super::StoreError;
use crate::model::BoxFuture;

/// What a service keeps for a while for those who go on from it, where all its replicas find it:
/// answers of `/v1/responses`, and turns that wait for a client to run its own tools. Each is
/// written once, and is not to be read by anybody else.
pub trait TurnStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps something. When there is too much of one owner or of all, the oldest is forgotten.
    ///
    /// # Errors
    /// It cannot be written.
    ///
    /// # Cancel safety
    /// When the future is dropped, it may be kept or not.
    fn keep<'a>(&'a self, turn: &'a KeptTurn) -> BoxFuture<'a, Result<(), StoreError>>;

    /// What is kept under these names, with the name, in any order. What is not there any more is
    /// left out.
    ///
    /// # Errors
    /// It cannot be read.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    fn find<'a>(
        &'a self,
        ids: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<(String, Secret)>, StoreError>>;

    /// Forgets something. Returns whether it was there.
    ///
    /// # Errors
    /// It cannot be forgotten.
    ///
    /// # Cancel safety
    /// When the future is dropped, it may be forgotten or not.
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// Something that is kept for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptTurn {
    /// A name that nobody can guess.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// What was said, as JSON.
    pub said: Secret,
    /// How long it is kept.
    pub lasts: Duration,
}

impl KeptTurn {
    /// Keeps what an owner was told under a name, for so long.
    pub fn new(
        id: impl Into<String>,
        owner: impl Into<String>,
        said: Secret,
        lasts: Duration,
    ) -> Self {
        Self { id: id.into(), owner: owner.into(), said, lasts }
    }
}
