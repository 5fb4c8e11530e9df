//! The folders that servers may ask for, which can change while connections live.

use std::sync::{Arc, PoisonError, RwLock};

use mcp_protocol::{
    method::Notification,
    roots::{Root, RootsListChanged},
    version::Era,
};

use crate::{CallError, Client, InvalidOptions};

/// The list that all clients with the same options share.
#[derive(Clone, Debug)]
pub(crate) struct RootList(Arc<RwLock<Arc<[Root]>>>);

impl RootList {
    pub(crate) fn new(roots: impl IntoIterator<Item = Root>) -> Self {
        Self(Arc::new(RwLock::new(roots.into_iter().collect())))
    }

    pub(crate) fn current(&self) -> Arc<[Root]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, roots: Arc<[Root]>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = roots;
    }

    /// Servers are told of files only.
    pub(crate) fn check(&self) -> Result<(), InvalidOptions> {
        check(&self.current())
    }
}

fn check(roots: &[Root]) -> Result<(), InvalidOptions> {
    match roots.iter().find(|root| !root.uri.starts_with("file://")) {
        Some(root) => Err(InvalidOptions::Root { uri: root.uri.clone() }),
        None => Ok(()),
    }
}

/// Why the roots could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// They cannot be roots, or none were declared when the client was built.
    #[error(transparent)]
    Invalid(#[from] InvalidOptions),
    /// They were changed, but a server could not be told.
    #[error("the roots were changed, but the server was not told")]
    Untold(#[from] CallError),
}

impl Client {
    /// Changes the roots of this client and of all that were built with the same options. This
    /// client's server is told so, where its revision has a notification for that.
    ///
    /// # Errors
    /// A root is no `file://` URI; roots were not declared by
    /// [`ClientBuilder::roots`](crate::ClientBuilder::roots); or the server cannot be told.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the server untold; the roots are changed nevertheless.
    pub async fn set_roots(&self, roots: impl IntoIterator<Item = Root>) -> Result<(), RootsError> {
        let roots: Arc<[Root]> = roots.into_iter().collect();
        check(&roots)?;
        let link = self.link();
        let list = link.handlers.roots.as_ref().ok_or(InvalidOptions::RootsUndeclared)?;
        list.replace(roots);
        if link.era == Era::Legacy {
            link.notify(RootsListChanged::NAME, &()).await?;
        }
        Ok(())
    }
}
