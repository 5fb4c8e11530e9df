//! Access under the control of an organisation: its identity provider vouches for the person
//! (`io.modelcontextprotocol/enterprise-managed-authorization`).

use mcp_protocol::extensions::ENTERPRISE_MANAGED_AUTHORIZATION;
use mcp_transport::BoxFuture;

use super::{
    AssertionSource, AuthorizationServerMetadata, ClientCredentials, Discovered, Grant, OAuthError,
    TokenEndpoint, TokenSet, readable, token_exchange::TOKEN_EXCHANGE,
    workload_identity::JWT_BEARER,
};

const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// Access for a person who is signed on at an identity provider. The provider exchanges the proof
/// of the sign-on for a grant that one authorization server accepts; nobody is asked again, and
/// the provider's administrators decide.
///
/// ```no_run
/// use mcp_client::{
///     Secret,
///     oauth::{AssertionSource, ClientCredentials, EnterpriseManaged, IdentityProvider, OAuth},
/// };
///
/// let provider = IdentityProvider::new(
///     "https://acme.idp.example",
///     "https://acme.idp.example/oauth2/token",
///     ClientCredentials::public("our-client-at-the-idp"),
/// );
/// let id_token = AssertionSource::callback(|| async {
///     // Refresh the ID token at the provider when it has expired.
///     Ok(Secret::new("…"))
/// });
/// let auth = OAuth::with(EnterpriseManaged::new(provider, id_token)).client_at(
///     "https://login.chat.example",
///     ClientCredentials::secret("our-client-there", "…"),
/// );
/// ```
#[derive(Clone, Debug)]
pub struct EnterpriseManaged {
    provider: IdentityProvider,
    subject: AssertionSource,
    kind: SubjectToken,
}

/// An identity provider as its administrators configure it here, and who we are to it. One inside a
/// private network needs [`OAuth::allow_private_addresses`](super::OAuth::allow_private_addresses).
#[derive(Clone, Debug)]
pub struct IdentityProvider {
    metadata: AuthorizationServerMetadata,
    client: ClientCredentials,
}

/// A kind of token that speaks of somebody, as it is exchanged for another one (RFC 8693 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectToken {
    /// An ID token of OpenID Connect.
    #[default]
    IdToken,
    /// A SAML 2.0 assertion.
    Saml2,
    /// An access token of OAuth, whatever it looks like inside.
    AccessToken,
    /// A JSON Web Token that is nothing more special.
    Jwt,
}

impl IdentityProvider {
    /// A provider with this issuer and this token endpoint, where `client` is registered for single
    /// sign-on.
    pub fn new(
        issuer: impl Into<String>,
        token_endpoint: impl Into<String>,
        client: ClientCredentials,
    ) -> Self {
        let mut metadata = AuthorizationServerMetadata::new(issuer);
        metadata.token_endpoint = Some(token_endpoint.into());
        Self { metadata, client }
    }
}

impl SubjectToken {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Saml2 => "urn:ietf:params:oauth:token-type:saml2",
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }
}

impl EnterpriseManaged {
    /// Access for whoever `id_token` speaks of. The source is asked at each exchange, so that it
    /// can refresh what has expired.
    pub fn new(provider: IdentityProvider, id_token: AssertionSource) -> Self {
        Self { provider, subject: id_token, kind: SubjectToken::default() }
    }

    /// The source gives another kind of proof than ID tokens.
    #[must_use]
    pub fn subject_token(mut self, kind: SubjectToken) -> Self {
        self.kind = kind;
        self
    }

    async fn exchange(&self, at: &Discovered<'_>) -> Result<TokenSet, OAuthError> {
        let client = at.given_client()?;
        let metadata = at.metadata();
        let grants = metadata.grant_types_supported.as_deref();
        if grants.is_some_and(|grants| !grants.iter().any(|grant| grant == JWT_BEARER)) {
            let issuer = readable(&metadata.issuer);
            return Err(OAuthError::NotOffered { issuer, what: "grant by JWT (jwt-bearer)" });
        }
        let scope = at.scope();
        let scope = scope.as_deref().map(|scope| ("scope", scope));

        let subject = self.subject.get().await?;
        let mut form = vec![
            ("grant_type", TOKEN_EXCHANGE),
            ("requested_token_type", ID_JAG),
            ("audience", metadata.issuer.as_str()),
            ("subject_token", subject.reveal()),
            ("subject_token_type", self.kind.name()),
        ];
        form.extend(scope);
        let IdentityProvider { metadata: provider, client: own } = &self.provider;
        let http = at.http(provider.token_endpoint.as_deref().unwrap_or_default())?;
        let resource = at.resource();
        let endpoint =
            TokenEndpoint { http, metadata: provider, client: own, dpop: None, resource };
        let id_jag = endpoint.exchange(&form, ID_JAG).await?;

        let mut form = vec![("grant_type", JWT_BEARER), ("assertion", id_jag.reveal())];
        form.extend(scope);
        Ok(at.token_endpoint(&client)?.request(&form).await?)
    }
}

impl Grant for EnterpriseManaged {
    fn acquire<'a>(
        &'a self,
        at: &'a Discovered<'a>,
    ) -> BoxFuture<'a, Result<TokenSet, OAuthError>> {
        Box::pin(self.exchange(at))
    }

    fn extension(&self) -> Option<&'static str> {
        Some(ENTERPRISE_MANAGED_AUTHORIZATION)
    }
}

#[cfg(test)]
mod tests;
