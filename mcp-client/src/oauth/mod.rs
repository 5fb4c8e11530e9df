//! Authorization for servers over HTTP: OAuth 2.1 as MCP profiles it.
//!
//! A server that wants authorization refuses a request and says so (`challenge`). From there it
//! is: the server's metadata and that of its authorization server (`discovery`), who we are there
//! (`registration`), a [`Grant`] that gets tokens, such as the [`AuthorizationCode`] that a person
//! gives in a [`Browser`], and an [`Authorizer`] that shows them, renews them and asks for more.
//!
//! ```no_run
//! use mcp_client::{Client, oauth::OAuth};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mail = Client::http("https://mail.example/mcp").auth(OAuth::browser()).connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Metadata is written by strangers, so URLs in it are followed only within a boundary: https, the
//! public internet, and this machine only if the MCP server itself is on it. No client id, code or
//! token ever goes to an authorization server other than the one that issued it.

mod challenge;

mod boundary;
mod fetch;

mod authorization_server;
mod discovery;
mod protected_resource;

mod client_authentication;
mod client_id_metadata;
mod registration;

mod grant;
mod settings;

mod authorization_code;
mod loopback;
mod pkce;
mod redirect;
mod redirected;
mod scopes;
mod user_agent;

mod assertion;
mod bearer_source;
mod client_credentials;
mod device;
mod earlier_login;
mod enterprise_managed;
mod token_exchange;
mod workload_identity;

mod dpop;
mod jwt;
mod single_flight;
mod stored_login;
mod token;
mod token_endpoint;
mod token_error;
mod token_store;

mod authorizer;
mod error;

#[cfg(test)]
mod test_server;

use std::{future::Future, sync::Arc};

use mcp_transport::{
    error::BoxError,
    http::{Proxy, Reach, TlsConfig},
};
use url::Url;

pub(crate) use self::boundary::{is_loopback, shown};
pub use self::{
    assertion::{AssertionError, AssertionSource},
    authorization_code::AuthorizationCode,
    authorization_server::AuthorizationServerMetadata,
    authorizer::{Authorizer, Revocation},
    client_authentication::{ClientAuthentication, ClientCredentials},
    client_credentials::ClientCredentialsGrant,
    client_id_metadata::ClientIdMetadata,
    device::{Device, DeviceCode},
    dpop::DpopKey,
    earlier_login::EarlierLogin,
    enterprise_managed::{EnterpriseManaged, IdentityProvider, SubjectToken},
    error::OAuthError,
    grant::{Discovered, Grant},
    jwt::{JwtError, SigningAlgorithm, SigningKey},
    protected_resource::ProtectedResourceMetadata,
    redirect::ResponseError,
    redirected::{PendingVisit, Redirected},
    settings::DpopUse,
    stored_login::StoredLogin,
    token::{TokenSet, TokenType},
    token_endpoint::TokenEndpoint,
    token_error::{TokenError, TokenErrorCode, TokenRefusal},
    token_exchange::{IssuedToken, TokenExchange},
    token_store::{
        FileTokenStore, MemoryTokenStore, StoreEntry, StoreLock, TokenStore, TokenStoreError,
    },
    user_agent::{Browser, Pasted, UserAgent, Visit},
    workload_identity::WorkloadIdentity,
};
pub(crate) use self::{bearer_source::BearerSource, grant::DeclaredGrant};
use self::{settings::Settings, token_error::readable};
use crate::config::OAuthConfig;

/// How a client gets access to a server, and where it keeps it.
#[derive(Debug)]
#[must_use]
pub struct OAuth(Settings);

impl OAuth {
    /// A person consents in the default browser of this machine.
    pub fn browser() -> Self {
        Self::with(AuthorizationCode::new(Browser::new()))
    }

    /// A person opens a URL wherever they have a browser, and pastes the address that it ends at.
    ///
    /// ```no_run
    /// use mcp_client::oauth::OAuth;
    ///
    /// let auth = OAuth::pasted(|url| async move {
    ///     println!("Open {url}, and paste the address of the page that does not load:");
    ///     let mut line = String::new();
    ///     std::io::stdin().read_line(&mut line)?;
    ///     Ok(line)
    /// });
    /// ```
    pub fn pasted<F, Fut>(prompt: F) -> Self
    where
        F: Fn(Url) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        Self::with(AuthorizationCode::new(Pasted::new(prompt)))
    }

    /// Access through any grant.
    pub fn with(grant: impl Grant) -> Self {
        Self(Settings::new(Arc::new(grant)))
    }

    /// Keeps tokens and registrations here, so that the next process has them. Default: in memory.
    pub fn store(mut self, store: impl TokenStore) -> Self {
        self.0.store = Arc::new(store);
        self
    }

    /// Keeps tokens and registrations in a store that others use too.
    pub fn shared_store(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.0.store = store;
        self
    }

    /// Gets access in another way than before.
    pub fn grant(mut self, grant: impl Grant) -> Self {
        self.0.grant = Arc::new(grant);
        self
    }

    /// Access for one of several callers of a program. In the store the tokens of each are apart;
    /// the client that was registered is that of all of them, and of nobody else who uses the store.
    pub fn caller(mut self, id: impl Into<Arc<str>>) -> Self {
        self.0.caller = Some(id.into());
        self
    }

    /// The client that was registered by hand at the authorization server with this issuer. Call
    /// it once for each.
    pub fn client_at(mut self, issuer: impl Into<String>, client: ClientCredentials) -> Self {
        self.0.clients.push((issuer.into(), client));
        self
    }

    /// The client that was registered by hand, where the issuer is not known beforehand: it is used
    /// at the first authorization server that the MCP server names, and never at another.
    pub fn client(mut self, client: ClientCredentials) -> Self {
        self.0.client = Some(client);
        self
    }

    /// The https URL of a document about this client ([`ClientIdMetadata`]), for authorization
    /// servers that take it as client id.
    pub fn client_id_metadata(mut self, url: impl Into<String>) -> Self {
        self.0.client_id_metadata = Some(ClientCredentials::public(url));
        self
    }

    /// As [`client_id_metadata`](Self::client_id_metadata), of a client that proves itself by a
    /// signature (`private_key_jwt`); the document holds the public half of the key. Authorization
    /// servers that do not take signatures are asked for a registration instead.
    pub fn client_id_metadata_signed(mut self, url: impl Into<String>, key: SigningKey) -> Self {
        self.0.client_id_metadata = Some(ClientCredentials::private_key_jwt(url, key));
        self
    }

    /// The authorization server by its issuer, where it is known beforehand: the MCP server is not
    /// asked for it, nor for its scopes. The program may be that server itself.
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.0.issuer = Some(issuer.into());
        self
    }

    /// Where the authorization server's metadata is, for one that does not have it in the place
    /// that its issuer stands for. It must still be that issuer's.
    pub fn authorization_server_metadata(mut self, url: impl Into<String>) -> Self {
        self.0.metadata_url = Some(url.into());
        self
    }

    /// Where tokens are to be had, for a server that does not say so itself; no metadata is looked
    /// for. Enough for [`ClientCredentialsGrant`].
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.0.token_url = Some(url.into());
        self
    }

    /// What a configuration says: the client, the scopes, and where metadata or tokens are.
    pub fn configured(mut self, config: &OAuthConfig) -> Self {
        let OAuthConfig { client_id, client_secret, scopes, metadata_url, token_url, .. } = config;
        if config.allow_private_addresses {
            self = self.allow_private_addresses();
        }
        if let Some(id) = client_id {
            self = self.client(match client_secret {
                Some(secret) => ClientCredentials::secret(id, secret.reveal()),
                None => ClientCredentials::public(id),
            });
        }
        if !scopes.is_empty() {
            self = self.scopes(scopes);
        }
        if let Some(url) = token_url {
            self = self.token_url(url);
        }
        match metadata_url {
            Some(url) => self.authorization_server_metadata(url),
            None => self,
        }
    }

    /// The name that people see when they are asked for consent.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.0.client_name = name.into();
        self
    }

    /// Scopes to ask for in any case, in place of those that the server lists.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.0.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// When tokens are bound to a key. Default: where the MCP server asks for it.
    pub fn dpop(mut self, dpop: DpopUse) -> Self {
        self.0.dpop = dpop;
        self
    }

    /// Which addresses the MCP server itself may be at; clients set it as for their connections.
    /// Nothing that the server names leads farther than that.
    pub fn server_within(mut self, reach: Reach) -> Self {
        self.0.server_reach = reach;
        self
    }

    /// Follows metadata to authorization servers and identity providers in private networks too. For
    /// servers inside a company, whose metadata is trusted.
    pub fn allow_private_addresses(mut self) -> Self {
        self.0.private_addresses = true;
        self
    }

    /// Which certificates authorization servers may show.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.0.tls = tls;
        self
    }

    /// The way to authorization servers. Default: what the environment says.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.0.proxy = proxy;
        self
    }

    /// The authorization of one client at the MCP server with this URL.
    /// [`ClientBuilder::auth`](crate::ClientBuilder::auth) does this by itself.
    ///
    /// # Errors
    /// It is no URL of http or https.
    pub fn at(self, server: &str) -> Result<Authorizer, OAuthError> {
        Authorizer::new(server, self.0)
    }

    /// What is kept of the login at the MCP server with this URL; `None` where nothing is kept.
    pub fn stored_login(&self, server: &str) -> Option<StoredLogin> {
        let server = authorizer::plain(&boundary::parse(server).ok()?).ok()?;
        let store = self.0.own_store();
        let uses_store = self.0.grant.refreshes();
        uses_store.then(|| StoredLogin::new(store, authorizer::LastUsed::kept_at(&server)))
    }

    /// The protocol extension that the grant is, if it is one.
    pub fn extension(&self) -> Option<&'static str> {
        self.0.grant.extension()
    }
}
