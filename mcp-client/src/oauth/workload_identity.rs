//! Workload identity federation: the platform that a program runs on vouches for it (RFC 7523
//! section 2.1).

use std::sync::{Mutex, PoisonError};

use mcp_transport::BoxFuture;

use super::{
    AssertionSource, Discovered, Grant, OAuthError, TokenError, TokenRefusal, TokenSet, jwt::sha256,
};

/// The grant that takes a signed statement.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Access for a program by the token that its platform gives it, such as that of a Kubernetes
/// service account or of a build job. There is no secret to configure and none to leak.
///
/// The token must name the authorization server as its audience. Set the client id that the
/// server knows the workload by, with
/// [`ClientCredentials::public`](super::ClientCredentials::public).
///
/// ```no_run
/// use mcp_client::oauth::{AssertionSource, ClientCredentials, OAuth, WorkloadIdentity};
///
/// let token = AssertionSource::file("/var/run/secrets/tokens/mcp");
/// let auth = OAuth::with(WorkloadIdentity::new(token))
///     .client_at("https://login.example", ClientCredentials::public("nightly"));
/// ```
///
/// A statement that the server refused is not shown to it again.
#[derive(Debug)]
pub struct WorkloadIdentity {
    source: AssertionSource,
    /// The hash of the last statement that was refused, and why.
    refused: Mutex<Option<(String, TokenRefusal)>>,
}

impl WorkloadIdentity {
    /// Access by the statements of this source.
    pub fn new(source: AssertionSource) -> Self {
        Self { source, refused: Mutex::default() }
    }

    async fn exchange(&self, at: &Discovered<'_>) -> Result<TokenSet, OAuthError> {
        let client = at.given_client()?;
        let assertion = self.source.get().await?;
        // The same words to another server are another case.
        let hash = sha256(&format!("{} {}", at.metadata().issuer, assertion.reveal()));
        if let Some(refusal) = self.refusal_of(&hash) {
            return Err(TokenError::Refused(refusal).into());
        }
        let scope = at.scope();
        let mut form = vec![("grant_type", JWT_BEARER), ("assertion", assertion.reveal())];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        let outcome = at.token_endpoint(&client)?.request(&form).await;
        if let Err(TokenError::Refused(refusal)) = &outcome {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            *refused = Some((hash, refusal.clone()));
        }
        Ok(outcome?)
    }

    fn refusal_of(&self, hash: &str) -> Option<TokenRefusal> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().filter(|(known, _)| known == hash).map(|(_, refusal)| refusal.clone())
    }
}

impl Grant for WorkloadIdentity {
    fn acquire<'a>(
        &'a self,
        at: &'a Discovered<'a>,
    ) -> BoxFuture<'a, Result<TokenSet, OAuthError>> {
        Box::pin(self.exchange(at))
    }
}

#[cfg(test)]
mod tests;
