//! Where logins of callers come back to, and where their tokens are kept.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use mcp_client::{
    CallerLogin, Server, ServerError,
    config::{ServerConfig, TransportConfig},
    oauth::{
        Authorizer, EarlierLogin, Grant, MemoryTokenStore, OAuthError, StoredLogin, TokenStore,
    },
};

use super::super::access::{Access, Authority, Principal, Shown};

/// The path that the authorization servers of servers send browsers back to.
pub(super) const CALLBACK: &str = "/connect/callback";

/// The path that issuers send those back to who sign in. It is another, so that no authorization
/// server of a server can have the code of an issuer come to itself (RFC 9700 section 4.4.2).
pub(super) const SIGNED_IN: &str = "/connect/signed-in";

/// The path of the document about the service as a client of authorization servers.
pub(super) const CLIENT: &str = "/connect/client";

/// The tokens of callers, as the program that runs the service keeps them.
#[derive(Clone, Debug)]
pub(in crate::service) struct LoginStore {
    pub(in crate::service) store: Arc<dyn TokenStore>,
    /// Whether other replicas have the same.
    pub(in crate::service) is_shared: bool,
}

impl Default for LoginStore {
    fn default() -> Self {
        Self { store: Arc::new(MemoryTokenStore::new()), is_shared: false }
    }
}

/// Whose tokens they are. Those of one application are not used for another of the same person,
/// which may be trusted less: each asks for its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::service) struct CallerId(Arc<str>);

impl CallerId {
    pub(in crate::service) fn new(principal: &Principal, shown: Option<&Arc<Shown>>) -> Self {
        Self::of(principal.id(), shown.map_or(0, |shown| shown.kind))
    }

    pub(in crate::service) fn of(principal: &str, kind: u64) -> Self {
        Self(format!("{principal}/{kind:016x}").into())
    }
}

/// Shared by all that have to do with logins.
#[derive(Debug)]
pub(in crate::service) struct LoginPlace {
    access: Arc<Access>,
    kept: LoginStore,
    /// Where the service listens, once it does.
    address: OnceLock<SocketAddr>,
}

impl LoginPlace {
    pub(in crate::service) fn new(access: &Arc<Access>, kept: LoginStore) -> Self {
        Self { access: Arc::clone(access), kept, address: OnceLock::new() }
    }

    /// Who is let in now.
    pub(super) fn trusted(&self) -> Arc<Authority> {
        self.access.trusted()
    }

    /// Notes where the service listens; the first address counts.
    pub(in crate::service) fn listens_at(&self, address: SocketAddr) {
        // There is one for as long as the process runs.
        let _ = self.address.set(address);
    }

    /// Where browsers reach the service, without a slash at the end. What clients write into `Host`
    /// is not asked: an answer with a code must not go where they like.
    pub(super) fn base(&self) -> Option<String> {
        if let Some(url) = self.access.trusted().public_url() {
            return Some(url.trim_end_matches('/').to_owned());
        }
        let address = self.address.get().filter(|address| address.ip().is_loopback())?;
        Some(format!("http://{address}"))
    }

    /// What the store holds of a caller's login, to look at it again and again.
    pub(in crate::service) fn stored(
        &self,
        server: &Server,
        caller: &CallerId,
    ) -> Option<StoredLogin> {
        let config = server.config()?;
        let oauth = self.login(caller).oauth(server.hub().options(), &config, EarlierLogin);
        oauth.stored_login(url_of(&config)?)
    }

    pub(in crate::service) fn is_shared(&self) -> bool {
        self.kept.is_shared
    }

    pub(super) fn store(&self) -> &dyn TokenStore {
        &*self.kept.store
    }

    /// A caller as one who logs in.
    pub(in crate::service) fn login(&self, caller: &CallerId) -> CallerLogin {
        let login = CallerLogin::new(Arc::clone(&caller.0), Arc::clone(&self.kept.store));
        // No authorization server reads a document that is on this machine alone.
        match self.base().filter(|base| base.starts_with("https://")) {
            Some(base) => login.client_id_metadata(format!("{base}{CLIENT}")),
            None => login,
        }
    }

    /// What a caller has at a server, without asking anybody.
    pub(super) fn kept(
        &self,
        server: &Server,
        caller: &CallerId,
    ) -> Result<Authorizer, OAuthError> {
        self.authorizer(server, caller, EarlierLogin)
    }

    pub(super) fn authorizer(
        &self,
        server: &Server,
        caller: &CallerId,
        grant: impl Grant,
    ) -> Result<Authorizer, OAuthError> {
        self.authorizer_for(server, caller, grant, &[])
    }

    /// Access of a caller to a server, with these scopes if there are any.
    pub(super) fn authorizer_for(
        &self,
        server: &Server,
        caller: &CallerId,
        grant: impl Grant,
        scopes: &[String],
    ) -> Result<Authorizer, OAuthError> {
        let config = server.config();
        let config = config.as_deref().ok_or_else(|| no_url(server))?;
        let url = url_of(config).ok_or_else(|| no_url(server))?;
        let login = self.login(caller);
        let oauth = login.oauth(server.hub().options(), config, grant).client_name("MCP service");
        let oauth = if scopes.is_empty() { oauth } else { oauth.scopes(scopes) };
        oauth.at(url)
    }
}

fn no_url(server: &Server) -> OAuthError {
    let gone = ServerError::NeedsCaller { server: server.name().to_owned() };
    OAuthError::Grant(gone.into())
}

/// The URL of a server that has one.
pub(super) fn url_of(config: &ServerConfig) -> Option<&str> {
    match &config.transport {
        TransportConfig::Http { url, .. } | TransportConfig::Sse { url, .. } => Some(url),
        _ => None,
    }
}
