//! Taking tokens back at the authorization server (RFC 7009).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use tokio::time::timeout;

use super::{Core, Credential};
use crate::{
    Secret,
    oauth::{OAuthError, TokenEndpoint, readable},
};

/// How long the server may take that gave tokens which were replaced.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of tokens at the authorization server when a person logged out. Here and in the
/// store they are forgotten in any case.
#[derive(Debug)]
#[non_exhaustive]
pub enum Revocation {
    /// There were none.
    NoTokens,
    /// They are of no use to anybody any more.
    Revoked {
        /// The authorization server.
        issuer: String,
    },
    /// The server takes no tokens back; they are good until they end.
    NotOffered {
        /// The authorization server.
        issuer: String,
    },
    /// The server could not be told; they are good until they end.
    Failed(OAuthError),
}

impl Core {
    /// Has the server that issued these tokens take them back.
    pub(super) async fn revoke(&self, credential: &Credential) -> Revocation {
        let issuer = readable(&credential.tokens.issuer);
        match self.try_revoke(credential).await {
            Ok(true) => Revocation::Revoked { issuer },
            Ok(false) => Revocation::NotOffered { issuer },
            Err(error) => Revocation::Failed(error),
        }
    }

    /// Has tokens taken back in whose place others are now, where that leaves these good. That it
    /// cannot be done is no error: they end by themselves.
    pub(super) async fn revoke_replaced(&self, replaced: &Credential, now: &Credential) {
        if !is_apart(replaced, now) {
            return;
        }
        // Somebody waits to hear that the new ones are there.
        match timeout(PATIENCE, self.revoke(replaced)).await {
            Ok(Revocation::Failed(error)) => {
                tracing::info!(%error, "tokens that were replaced could not be taken back");
            }
            Ok(_) => {}
            Err(_) => tracing::info!("whoever gave the tokens that were replaced does not answer"),
        }
    }

    /// False where the server has no endpoint for it.
    async fn try_revoke(&self, credential: &Credential) -> Result<bool, OAuthError> {
        let tokens = &credential.tokens;
        let found = self.found_for(tokens).await?;
        let metadata = &found.metadata;
        let Some(endpoint) = metadata.revocation_endpoint.as_deref() else { return Ok(false) };
        let Some(client) = &credential.client else {
            return Err(OAuthError::NoClient { issuer: readable(&metadata.issuer) });
        };
        let http = self.web.client_for(endpoint)?;
        // Neither the resource nor the key has a meaning there.
        let at = TokenEndpoint { http, metadata, client, dpop: None, resource: "" };
        // The one that renews comes first: without it the other ends by itself at the latest.
        if let Some(token) = &tokens.refresh_token {
            at.revoke(endpoint, token, "refresh_token").await?;
        }
        at.revoke(endpoint, &tokens.access_token, "access_token").await?;
        Ok(true)
    }
}

/// Whether tokens are known to be of another grant than others. To several logins of one account by
/// one client many servers see one grant, which ends as a whole with any of its refresh tokens
/// (RFC 7009 section 2.1): the login of now would end with the one before.
fn is_apart(one: &Credential, other: &Credential) -> bool {
    let subject = |of: &Credential| of.tokens.id_token.as_ref().and_then(subject);
    let client = |of: &Credential| of.client.as_ref().map(|client| client.client_id.clone());
    // The resource is no part of it: a server may name itself otherwise by now.
    one.tokens.issuer != other.tokens.issuer
        || client(one) != client(other)
        || matches!((subject(one), subject(other)), (Some(one), Some(other)) if one != other)
}

/// Whom an ID token speaks of. It came from the token endpoint itself, which is as good as its
/// signature (OpenID Connect Core section 3.1.3.7).
fn subject(id_token: &Secret) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let claims = id_token.reveal().split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    serde_json::from_slice(&claims).ok().map(|Claims { sub }| sub)
}
