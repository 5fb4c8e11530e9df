//! Writing a run down while it goes on.

use std::{error::Error, fmt};

use crate::{
    model::BoxFuture,
    run::{Feed, Run},
};

/// Writes a run down while it goes on, so that another process can go on with it.
///
/// What a run is fed is written down before anything else happens. So a call is known to a later
/// process before it is made.
pub trait Journal: Send + Sync + fmt::Debug {
    /// A run is about to be driven: for the first time, or again.
    fn begin<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), JournalError>>;

    /// The run was fed this; `run` has taken it in.
    fn record<'a>(
        &'a self,
        feed: &'a Feed,
        run: &'a Run,
    ) -> BoxFuture<'a, Result<(), JournalError>>;
}

/// A run could not be written down.
#[derive(Debug, thiserror::Error)]
#[error("the store failed")]
pub struct JournalError(#[source] Box<dyn Error + Send + Sync>);

impl JournalError {
    /// For this reason.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }

    /// The reason, if it is one of this kind; else the error as it was.
    ///
    /// # Errors
    /// The reason is something else.
    #[cfg(feature = "service")]
    pub(crate) fn downcast<E: Error + 'static>(self) -> Result<E, Self> {
        self.0.downcast().map(|reason| *reason).map_err(Self)
    }
}
