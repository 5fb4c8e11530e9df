//! Taking tokens back at the authorization server (RFC 7009).

use super::{Core, Credential};
use crate::oauth::{OAuthError, TokenEndpoint, readable};

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
