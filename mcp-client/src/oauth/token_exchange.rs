//! Token exchange (RFC 8693): a program acts for somebody who has shown it a token.

use mcp_transport::BoxFuture;

use super::{AssertionSource, Discovered, Grant, OAuthError, SubjectToken, TokenSet, readable};

/// The grant that takes a token for another one.
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Access for a program on behalf of whoever has shown it a token, such as the user of a gateway.
/// The authorization server sees both, the program and that token, and decides. The MCP server gets
/// the new token and never sees the one that was shown.
///
/// ```no_run
/// use mcp_client::{
///     Secret,
///     oauth::{AssertionSource, ClientCredentials, OAuth, TokenExchange},
/// };
///
/// let shown = AssertionSource::callback(|| async {
///     // The token of the user as it is now.
///     Ok(Secret::new("…"))
/// });
/// let auth = OAuth::with(TokenExchange::new(shown).audience("mail"))
///     .client_at("https://login.example", ClientCredentials::secret("gateway", "…"));
/// ```
///
/// When the new token ends, the source is asked again; nothing is refreshed.
#[derive(Clone, Debug)]
pub struct TokenExchange {
    subject: AssertionSource,
    subject_kind: SubjectToken,
    actor: Option<(AssertionSource, SubjectToken)>,
    audience: Option<String>,
    resource: Option<String>,
    requested: Option<IssuedToken>,
}

/// What kind of token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuedToken {
    /// An access token, whatever it looks like inside.
    AccessToken,
    /// A JSON Web Token.
    Jwt,
}

impl IssuedToken {
    fn name(self) -> &'static str {
        match self {
            Self::AccessToken => SubjectToken::AccessToken.name(),
            Self::Jwt => SubjectToken::Jwt.name(),
        }
    }

    /// Whether a token of this kind (`issued_token_type`) is one to show to a resource server.
    pub(super) fn is_for_resources(kind: &str) -> bool {
        [Self::AccessToken, Self::Jwt].iter().any(|one| one.name() == kind)
    }
}

impl TokenExchange {
    /// Access for whoever the access tokens of `subject` speak of. It is asked at each exchange.
    pub fn new(subject: AssertionSource) -> Self {
        Self {
            subject,
            subject_kind: SubjectToken::AccessToken,
            actor: None,
            audience: None,
            resource: None,
            requested: None,
        }
    }

    /// What the source gives is of another kind (`subject_token_type`).
    #[must_use]
    pub fn subject_token(mut self, kind: SubjectToken) -> Self {
        self.subject_kind = kind;
        self
    }

    /// Who acts, where that is not said by the client alone (`actor_token`).
    #[must_use]
    pub fn actor(mut self, token: AssertionSource, kind: SubjectToken) -> Self {
        self.actor = Some((token, kind));
        self
    }

    /// The name that the authorization server has for the MCP server (`audience`). Its URL is sent
    /// in any case, as `resource`.
    #[must_use]
    pub fn audience(mut self, name: impl Into<String>) -> Self {
        self.audience = Some(name.into());
        self
    }

    /// The URL that the authorization server knows the MCP server by, if it is another.
    #[must_use]
    pub fn resource(mut self, url: impl Into<String>) -> Self {
        self.resource = Some(url.into());
        self
    }

    /// The kind of token to ask for (`requested_token_type`). Without, the authorization server
    /// chooses.
    #[must_use]
    pub fn requested_token(mut self, kind: IssuedToken) -> Self {
        self.requested = Some(kind);
        self
    }

    async fn exchange(&self, at: &Discovered<'_>) -> Result<TokenSet, OAuthError> {
        let client = at.given_client()?;
        let metadata = at.metadata();
        let grants = metadata.grant_types_supported.as_deref();
        if grants.is_some_and(|grants| !grants.iter().any(|grant| grant == TOKEN_EXCHANGE)) {
            let issuer = readable(&metadata.issuer);
            return Err(OAuthError::NotOffered { issuer, what: "token exchange" });
        }
        let subject = self.subject.get().await?;
        let actor = match &self.actor {
            Some((source, kind)) => Some((source.get().await?, *kind)),
            None => None,
        };
        let scope = at.scope();
        let mut form = vec![
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", subject.reveal()),
            ("subject_token_type", self.subject_kind.name()),
        ];
        if let Some((token, kind)) = &actor {
            form.extend([("actor_token", token.reveal()), ("actor_token_type", kind.name())]);
        }
        form.extend(self.audience.as_deref().map(|name| ("audience", name)));
        form.extend(self.resource.as_deref().map(|url| ("resource", url)));
        form.extend(self.requested.map(|kind| ("requested_token_type", kind.name())));
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        // One that is no access token has another `token_type`, and is refused.
        let tokens = at.token_endpoint(&client)?.request(&form).await?;
        if tokens.access_token == subject {
            return Err(OAuthError::NotExchanged { issuer: readable(&metadata.issuer) });
        }
        Ok(tokens)
    }
}

impl Grant for TokenExchange {
    /// Whoever is acted for is not asked, so a server gets no more than is configured.
    fn steps_up(&self) -> bool {
        false
    }

    fn acquire<'a>(
        &'a self,
        at: &'a Discovered<'a>,
    ) -> BoxFuture<'a, Result<TokenSet, OAuthError>> {
        Box::pin(self.exchange(at))
    }
}

#[cfg(test)]
mod tests;
