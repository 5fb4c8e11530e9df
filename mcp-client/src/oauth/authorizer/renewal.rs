//! Refreshing: ahead of time or after a refusal, once for all who need it, also across processes.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Core, Credential};
use crate::oauth::{
    OAuthError, StoreEntry, TokenEndpoint, TokenErrorCode, TokenSet, discovery::Found, readable,
    single_flight::renewed,
};

/// After a refresh that failed, the old token is shown for so long without another try.
const PAUSE: Duration = Duration::from_secs(15);

impl Core {
    /// Renews tokens that are about to end. When that fails, the old ones are shown, and the
    /// server's refusal decides.
    pub(super) async fn renew_early(self: &Arc<Self>, stale: &Arc<Credential>) {
        let ticket = self.turns.ticket();
        let turn = self.turns.take().await;
        if turn.missed(ticket).is_some() || !self.is_current(stale) {
            return;
        }
        let paused = self.state().no_refresh_before.is_some_and(|until| Instant::now() < until);
        if paused {
            return;
        }
        let outcome = if stale.can_refresh() {
            self.refresh_alone(stale).await
        } else if self.settings.grant.is_interactive() {
            // Only a refusal is reason enough to ask a person.
            return;
        } else {
            self.acquire_again(stale).await
        };
        match outcome {
            Ok(()) => turn.succeed(),
            Err(error) => {
                // Not an outcome for those who wait after a refusal: they can do more.
                tracing::debug!(%error, "the tokens could not be renewed ahead of time");
                self.state().no_refresh_before = Some(Instant::now() + PAUSE);
            }
        }
    }

    fn is_current(&self, credential: &Arc<Credential>) -> bool {
        self.current().is_some_and(|current| Arc::ptr_eq(&current, credential))
    }

    async fn refresh_alone(
        self: &Arc<Self>,
        stale: &Arc<Credential>,
    ) -> Result<(), Arc<OAuthError>> {
        let found = self.found_for(&stale.tokens).await?;
        self.refresh(stale, found).await
    }

    async fn acquire_again(&self, stale: &Credential) -> Result<(), Arc<OAuthError>> {
        let found = self.found_for(&stale.tokens).await?;
        let TokenSet { scopes_requested, dpop_key, .. } = &stale.tokens;
        self.acquire_with(found, scopes_requested, dpop_key.as_ref()).await?;
        Ok(())
    }

    /// The metadata of the tokens' issuer, which a fresh process has yet to read.
    pub(super) async fn found_for(&self, tokens: &TokenSet) -> Result<Arc<Found>, OAuthError> {
        let known = self.state().found.clone();
        if let Some(found) = known.filter(|found| found.metadata.issuer == tokens.issuer) {
            return Ok(found);
        }
        let found = Arc::new(self.web.issuer_of(tokens).await?);
        self.state().found = Some(Arc::clone(&found));
        Ok(found)
    }

    /// Exchanges the refresh token. Goes on to its end when the caller does not wait, since a
    /// token that the server replaced must not be lost.
    pub(super) async fn refresh(
        self: &Arc<Self>,
        old: &Arc<Credential>,
        found: Arc<Found>,
    ) -> Result<(), Arc<OAuthError>> {
        let (core, old) = (Arc::clone(self), Arc::clone(old));
        let entry = old.entry();
        let work = async move { core.exchange(&old, found).await.map_err(Arc::new) };
        self.refreshes.run(&entry, work).await
    }

    async fn exchange(&self, old: &Credential, found: Arc<Found>) -> Result<(), OAuthError> {
        let store = &*self.settings.store;
        let takes_over = self.settings.grant.only_takes_over();
        let found_here = &*found;
        let outcome =
            renewed(store, &old.entry(), Some(&old.tokens.access_token), |stored| async move {
                let kept = match stored {
                    // Another process may have been here first, and then the refresh token is
                    // another too.
                    Some(stored) => stored,
                    // Somebody has logged out.
                    None if takes_over => {
                        return Err(OAuthError::NotLoggedIn {
                            scopes: Vec::new(),
                            for_more: false,
                        });
                    }
                    None => old.tokens.clone(),
                };
                self.redeem(old, kept, found_here).await
            })
            .await;
        if matches!(outcome, Err(OAuthError::NotLoggedIn { .. })) {
            self.state().credential = None;
        }
        let tokens = outcome?;
        let credential = Arc::new(Credential::new(tokens, old.client.clone())?);
        let mut state = self.state();
        state.credential = Some(credential);
        state.found = Some(found);
        state.no_refresh_before = None;
        Ok(())
    }

    async fn redeem(
        &self,
        old: &Credential,
        kept: TokenSet,
        found: &Found,
    ) -> Result<TokenSet, OAuthError> {
        let (Some(client), Some(refresh_token)) = (&old.client, &kept.refresh_token) else {
            return Err(OAuthError::Grant("there is no refresh token any more".into()));
        };
        let metadata = &found.metadata;
        let endpoint = metadata.token_endpoint.as_deref().ok_or_else(|| {
            OAuthError::NotOffered { issuer: readable(&metadata.issuer), what: "token endpoint" }
        })?;
        let http = self.web.client_for(endpoint)?;
        let dpop = kept.dpop_key.as_ref();
        let endpoint = TokenEndpoint { http, metadata, client, dpop, resource: &kept.resource };
        let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.reveal())];
        match endpoint.request(&grant).await {
            Ok(mut new) => {
                // A server that does not replace it means it to be used again (RFC 6749 section 6).
                new.refresh_token = new.refresh_token.or(kept.refresh_token);
                new.id_token = new.id_token.or(kept.id_token);
                new.granted_at = kept.granted_at;
                new.scopes_requested = kept.scopes_requested;
                if new.scopes_granted.is_empty() {
                    new.scopes_granted = kept.scopes_granted;
                }
                Ok(new)
            }
            Err(error) => {
                let refused = error.refusal().map(|refusal| &refusal.code);
                if refused == Some(&TokenErrorCode::InvalidClient) {
                    // The server has forgotten this client; for new tokens it is registered anew.
                    let issuer = metadata.issuer.clone();
                    self.settings.store.remove(&StoreEntry::Client { issuer }).await?;
                }
                if refused == Some(&TokenErrorCode::InvalidGrant) {
                    // It will never be good again.
                    let spent = TokenSet { refresh_token: None, ..kept };
                    let credential = Credential::new(spent, old.client.clone())?;
                    self.keep(&credential).await?;
                    self.state().credential = Some(Arc::new(credential));
                }
                Err(error.into())
            }
        }
    }
}
