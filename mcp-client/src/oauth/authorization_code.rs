//! The authorization code grant: a person consents in a browser (RFC 6749 section 4.1, with
//! RFC 7636, 8252, 8707 and 9207).

use std::{sync::Arc, time::Duration};

use mcp_transport::BoxFuture;
use tokio::time::timeout;
use url::Url;

use super::{
    Discovered, Grant, OAuthError, TokenSet, UserAgent, boundary,
    pkce::{Pkce, unguessable},
    readable,
    redirect::Expected,
    scopes::OFFLINE_ACCESS,
};

/// Asks a person through a [`UserAgent`].
#[derive(Clone, Debug)]
pub struct AuthorizationCode {
    agent: Arc<dyn UserAgent>,
    patience: Duration,
    is_once: bool,
}

impl AuthorizationCode {
    /// Asks through this agent, and waits five minutes.
    pub fn new(agent: impl UserAgent) -> Self {
        Self { agent: Arc::new(agent), patience: Duration::from_secs(300), is_once: false }
    }

    /// How long a person may take to consent.
    #[must_use]
    pub fn patience(mut self, limit: Duration) -> Self {
        self.patience = limit;
        self
    }

    /// Gets access for now only: nothing is asked for that would renew it, and what comes is in no
    /// store.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.is_once = true;
        self
    }

    async fn ask(&self, at: &Discovered<'_>) -> Result<TokenSet, OAuthError> {
        let metadata = at.metadata();
        let issuer = || readable(&metadata.issuer);
        if at.is_published() && !metadata.supports_pkce() {
            return Err(OAuthError::NoPkce { issuer: issuer() });
        }
        let endpoint = metadata.authorization_endpoint.as_deref().ok_or_else(|| {
            OAuthError::NotOffered { issuer: issuer(), what: "authorization endpoint" }
        })?;
        let mut url = boundary::parse(endpoint)?;
        at.web.boundary().endpoint(&url)?;

        let known = at.known_redirect_uris().await?;
        let visit = self.agent.prepare(&known).await.map_err(OAuthError::UserAgent)?;
        let redirect_uri = visit.redirect_uri().to_owned();
        let client =
            at.client(Some(&redirect_uri), &["authorization_code", "refresh_token"]).await?;
        let pkce = Pkce::new()?;
        let expected = Expected::of(metadata, redirect_uri, unguessable()?);
        complete(&mut url, at, &client.client_id, &pkce, &expected);

        let answer = timeout(self.patience, visit.visit(url))
            .await
            .map_err(|_| OAuthError::TimedOut { after: self.patience })?
            .map_err(OAuthError::UserAgent)?;
        let code = expected.code(&answer)?;
        let mut tokens = at
            .token_endpoint(&client)?
            .request(&[
                ("grant_type", "authorization_code"),
                ("code", code.reveal()),
                ("code_verifier", pkce.verifier.reveal()),
                ("redirect_uri", &expected.redirect_uri),
            ])
            .await?;
        // The token request names no scopes; the authorization request did.
        tokens.scopes_requested = at.scopes().to_vec();
        if tokens.scopes_granted.is_empty() {
            tokens.scopes_granted.clone_from(&tokens.scopes_requested);
        }
        Ok(tokens)
    }
}

/// Adds the parameters of the request to the endpoint's own.
fn complete(url: &mut Url, at: &Discovered<'_>, client_id: &str, pkce: &Pkce, expected: &Expected) {
    url.set_fragment(None);
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", &expected.redirect_uri)
        .append_pair("state", &expected.state)
        .append_pair("code_challenge", &pkce.challenge)
        .append_pair("code_challenge_method", "S256")
        .append_pair("resource", at.resource());
    if let Some(scope) = at.scope() {
        query.append_pair("scope", &scope);
    }
    if at.scopes().iter().any(|scope| scope == OFFLINE_ACCESS) {
        // Without it the scope is ignored (OpenID Connect Core section 11).
        query.append_pair("prompt", "consent");
    }
    if let Some(key) = at.dpop() {
        // Binds the code too (RFC 9449 section 10).
        query.append_pair("dpop_jkt", &key.thumbprint());
    }
}

impl Grant for AuthorizationCode {
    fn acquire<'a>(
        &'a self,
        at: &'a Discovered<'a>,
    ) -> BoxFuture<'a, Result<TokenSet, OAuthError>> {
        Box::pin(self.ask(at))
    }

    fn is_interactive(&self) -> bool {
        true
    }

    fn refreshes(&self) -> bool {
        !self.is_once
    }
}
