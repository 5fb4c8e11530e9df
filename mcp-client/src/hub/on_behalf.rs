//! For whom servers are reached that have no credentials of this program's own.

use std::{fmt, sync::Arc};

use super::HubOptions;
use crate::{
    config::ServerConfig,
    oauth::{AssertionSource, EarlierLogin, Grant, OAuth, TokenStore},
};

/// Somebody on whose behalf a [`Hub`](super::Hub) reaches servers whose configuration says so
/// ([`ServerConfig::is_per_caller`]).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OnBehalfOf {
    /// By a token of theirs, which is exchanged for one of the server's
    /// ([`ExchangeEntry`](crate::config::ExchangeEntry)).
    Exchange(AssertionSource),
    /// By tokens that they got for the server when they logged in.
    Login(CallerLogin),
}

impl OnBehalfOf {
    /// Whether this is the way that a server's entry speaks of.
    pub(super) fn fits(&self, server: &ServerConfig) -> bool {
        let oauth = server.oauth.as_ref();
        match self {
            Self::Exchange(_) => oauth.is_some_and(|oauth| oauth.exchange.is_some()),
            Self::Login(_) => oauth.is_some_and(|oauth| oauth.per_caller),
        }
    }
}

/// One of the callers of a program who log in to servers.
#[derive(Clone)]
pub struct CallerLogin {
    caller: Arc<str>,
    store: Arc<dyn TokenStore>,
    client_id_metadata: Option<String>,
}

impl CallerLogin {
    /// A caller by an id that no other one has. Their tokens are kept in this store, apart from those
    /// of others.
    pub fn new(caller: impl Into<Arc<str>>, store: Arc<dyn TokenStore>) -> Self {
        Self { caller: caller.into(), store, client_id_metadata: None }
    }

    /// The https URL of a document about the program, as with [`OAuth::client_id_metadata`].
    #[must_use]
    pub fn client_id_metadata(mut self, url: impl Into<String>) -> Self {
        self.client_id_metadata = Some(url.into());
        self
    }

    /// Their access to a server through a grant, such as the one that asks them. A [`Hub`] that has
    /// these options and this caller takes it over without asking ([`EarlierLogin`]).
    ///
    /// [`Hub`]: super::Hub
    pub fn oauth(&self, options: &HubOptions, server: &ServerConfig, grant: impl Grant) -> OAuth {
        let made = options.authorization.as_ref().and_then(|make| make(server));
        let mut oauth = made
            .unwrap_or_else(|| OAuth::with(EarlierLogin))
            .grant(grant)
            .shared_store(Arc::clone(&self.store))
            .caller(Arc::clone(&self.caller))
            .server_within(server.reach);
        if let Some(url) = &self.client_id_metadata {
            oauth = oauth.client_id_metadata(url);
        }
        match &server.oauth {
            Some(config) => oauth.configured(config),
            None => oauth,
        }
    }
}

impl fmt::Debug for CallerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerLogin").field("caller", &self.caller).finish_non_exhaustive()
    }
}
