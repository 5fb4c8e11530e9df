//! Ways to get access: what a grant is, and what it gets to work with.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use mcp_transport::{BoxFuture, http::HttpClient};

use super::{
    AuthorizationServerMetadata, ClientCredentials, DpopKey, OAuthError, ResponseError, StoreEntry,
    TokenEndpoint, TokenSet, client_id_metadata,
    discovery::Found,
    fetch::Web,
    readable,
    registration::{self, Applicant, Registration},
    settings::Settings,
};
use crate::Extension;

/// A way to get an access token once the authorization server is known.
pub trait Grant: Send + Sync + fmt::Debug + 'static {
    /// Gets tokens for [`Discovered::resource`] with [`Discovered::scopes`].
    ///
    /// # Errors
    /// No tokens can be had.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time; what it began is then abandoned.
    fn acquire<'a>(&'a self, at: &'a Discovered<'a>)
    -> BoxFuture<'a, Result<TokenSet, OAuthError>>;

    /// Whether a person is asked. Clocks of calls stand still meanwhile.
    fn is_interactive(&self) -> bool {
        false
    }

    /// Whether scopes may be asked for that the MCP server names, beside those that are configured.
    fn steps_up(&self) -> bool {
        true
    }

    /// Whether refresh tokens are of use, rather than acquiring anew each time.
    fn refreshes(&self) -> bool {
        false
    }

    /// Whether it takes over what others have got and gets nothing by itself, so that what is gone
    /// from the store is not there any more.
    fn only_takes_over(&self) -> bool {
        false
    }

    /// The id of the protocol extension that this is; clients declare it.
    fn extension(&self) -> Option<&'static str> {
        None
    }
}

/// The extension that a grant is, as a client declares it.
#[derive(Debug)]
pub(crate) struct DeclaredGrant(pub(crate) &'static str);

impl Extension for DeclaredGrant {
    fn id(&self) -> &str {
        self.0
    }
}

impl<G: Grant + ?Sized> Grant for Arc<G> {
    fn acquire<'a>(
        &'a self,
        at: &'a Discovered<'a>,
    ) -> BoxFuture<'a, Result<TokenSet, OAuthError>> {
        (**self).acquire(at)
    }

    fn is_interactive(&self) -> bool {
        (**self).is_interactive()
    }

    fn refreshes(&self) -> bool {
        (**self).refreshes()
    }

    fn steps_up(&self) -> bool {
        (**self).steps_up()
    }

    fn only_takes_over(&self) -> bool {
        (**self).only_takes_over()
    }

    fn extension(&self) -> Option<&'static str> {
        (**self).extension()
    }
}

/// An MCP server and the authorization server that was found for it.
pub struct Discovered<'a> {
    pub(super) web: &'a Web,
    pub(super) settings: &'a Settings,
    pub(super) found: &'a Found,
    pub(super) scopes: &'a [String],
    pub(super) dpop: Option<&'a DpopKey>,
    /// Who asked for tokens; whoever refreshes them must be the same.
    client: Mutex<Option<ClientCredentials>>,
    /// Whether the client is its metadata document here.
    is_document: AtomicBool,
}

impl<'a> Discovered<'a> {
    pub(super) fn new(
        web: &'a Web,
        settings: &'a Settings,
        found: &'a Found,
        scopes: &'a [String],
        dpop: Option<&'a DpopKey>,
    ) -> Self {
        Self {
            web,
            settings,
            found,
            scopes,
            dpop,
            client: Mutex::default(),
            is_document: AtomicBool::new(false),
        }
    }

    /// The MCP server as its metadata names it, byte for byte.
    pub fn resource(&self) -> &str {
        &self.found.resource
    }

    /// The authorization server.
    pub fn metadata(&self) -> &AuthorizationServerMetadata {
        &self.found.metadata
    }

    /// Whether the authorization server published its metadata. If not, its endpoints are assumed,
    /// as revision 2025-03-26 has it.
    pub fn is_published(&self) -> bool {
        self.found.published
    }

    /// The scopes to ask for. When there are none, the parameter is left out.
    pub fn scopes(&self) -> &[String] {
        self.scopes
    }

    /// The scopes with blanks between; `None` when the parameter is to be left out.
    pub fn scope(&self) -> Option<String> {
        (!self.scopes.is_empty()).then(|| self.scopes.join(" "))
    }

    /// The key to bind tokens to, where they shall be bound.
    pub fn dpop(&self) -> Option<&'a DpopKey> {
        self.dpop
    }

    /// The HTTP client to use for an endpoint.
    ///
    /// # Errors
    /// The endpoint must not be used: not https, or inside a network that the server has no
    /// business with.
    pub fn http(&self, endpoint: &str) -> Result<&'a HttpClient, OAuthError> {
        self.web.client_for(endpoint)
    }

    /// The client that the user registered by hand. Without one the grant makes no sense.
    pub(super) fn given_client(&self) -> Result<ClientCredentials, OAuthError> {
        let issuer = &self.metadata().issuer;
        self.settings
            .client_at(issuer)?
            .ok_or_else(|| OAuthError::NoClient { issuer: readable(issuer) })
    }

    /// The authorization server's token endpoint as `client` uses it.
    ///
    /// # Errors
    /// It has none, or one that must not be used.
    pub fn token_endpoint<'b>(
        &'b self,
        client: &'b ClientCredentials,
    ) -> Result<TokenEndpoint<'b>, OAuthError> {
        let metadata = self.metadata();
        let endpoint = metadata.token_endpoint.as_deref().ok_or_else(|| {
            OAuthError::NotOffered { issuer: readable(&metadata.issuer), what: "token endpoint" }
        })?;
        let http = self.http(endpoint)?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(TokenEndpoint { http, metadata, client, dpop: self.dpop, resource: self.resource() })
    }

    pub(super) fn into_client(self) -> Option<ClientCredentials> {
        self.client.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who this client is here: given in the settings, by its own metadata document, registered
    /// earlier, or registered now, in this order. A document that the authorization server has
    /// refused is passed over.
    ///
    /// # Errors
    /// There is no way to get a client id, or the given one is of another authorization server.
    pub async fn client(
        &self,
        redirect_uri: Option<&str>,
        grant_types: &[&str],
    ) -> Result<ClientCredentials, OAuthError> {
        let metadata = self.metadata();
        if let Some(client) = self.settings.client_at(&metadata.issuer)? {
            return Ok(client);
        }
        let known = self.registration().await?;
        let known = known.filter(|known| known.covers(redirect_uri, grant_types));
        let refuses_document = self.settings.refuses_document(&metadata.issuer);
        if let Some(client) = &self.settings.client_id_metadata
            && metadata.client_id_metadata_document_supported
            && client.authentication.is_taken_by(metadata)
            && !refuses_document
            && known.as_ref().is_none_or(|known| !known.replaces_document)
        {
            client_id_metadata::check(&client.client_id)?;
            self.is_document.store(true, Ordering::Relaxed);
            return Ok(client.clone());
        }
        self.is_document.store(false, Ordering::Relaxed);
        if let Some(known) = known {
            return Ok(known.credentials());
        }
        let mut scopes = self.scopes.to_vec();
        scopes.extend_from_slice(self.found.resource_scopes.as_deref().unwrap_or_default());
        scopes.sort_unstable();
        scopes.dedup();
        let scope = scopes.join(" ");
        let redirect_uris: Vec<_> = redirect_uri.map(str::to_owned).into_iter().collect();
        let name = &self.settings.client_name;
        let applicant =
            Applicant { name, redirect_uris: &redirect_uris, grant_types, scope: &scope };
        let mut registration = registration::register(self.web, metadata, applicant).await?;
        registration.replaces_document = refuses_document;
        let entry = StoreEntry::Client { issuer: metadata.issuer.clone() };
        self.settings.store.save(&entry, &registration.to_secret()?).await?;
        Ok(registration.credentials())
    }

    /// Whether the grant failed since the authorization server does not take the client's metadata
    /// document, though it says so of documents, and the client can be registered instead.
    pub(super) fn document_was_refused(&self, error: &OAuthError) -> bool {
        let refused = match error {
            OAuthError::Token(error) => error.refusal().map(|refusal| refusal.code.as_str()),
            OAuthError::Response(ResponseError::Refused { code, .. }) => Some(code.as_str()),
            _ => None,
        };
        self.is_document.load(Ordering::Relaxed)
            && self.metadata().registration_endpoint.is_some()
            && matches!(
                refused,
                Some("invalid_client" | "unauthorized_client" | "invalid_client_metadata")
            )
    }

    /// The redirect URIs that an earlier registration of this client has.
    pub(super) async fn known_redirect_uris(&self) -> Result<Vec<String>, OAuthError> {
        Ok(self.registration().await?.map(|known| known.redirect_uris).unwrap_or_default())
    }

    async fn registration(&self) -> Result<Option<Registration>, OAuthError> {
        self.settings.registration(&self.metadata().issuer, SystemTime::now()).await
    }
}

impl fmt::Debug for Discovered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovered")
            .field("found", self.found)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
