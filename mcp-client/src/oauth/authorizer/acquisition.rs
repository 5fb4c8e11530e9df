//! From a refusal to new tokens.

use std::{
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Core, Credential, MAX_ATTEMPTS, MAX_STEP_UPS, State};
use crate::{
    Secret,
    oauth::{
        Discovered, DpopKey, DpopUse, OAuthError, StoreEntry, TokenErrorCode, TokenSet,
        challenge::AuthenticateChallenge, discovery::Found, readable, registration::Registration,
        scopes::Wanted,
    },
};

/// Which tokens were last used for a server, as the store keeps it.
#[derive(Deserialize, Serialize)]
pub(in crate::oauth) struct LastUsed {
    issuer: String,
    resource: String,
    client_id: String,
}

impl LastUsed {
    fn of(credential: &Credential) -> Self {
        let TokenSet { issuer, resource, .. } = &credential.tokens;
        let client_id = credential.client.as_ref().map(|client| client.client_id.clone());
        Self {
            issuer: issuer.clone(),
            resource: resource.clone(),
            client_id: client_id.unwrap_or_default(),
        }
    }

    /// What a store gives; `None` for what no version has written.
    pub(in crate::oauth) fn read(text: &Secret) -> Option<Self> {
        serde_json::from_str(text.reveal()).ok()
    }

    /// Where the name of these is kept, for an MCP server by its URL without credentials.
    pub(in crate::oauth) fn kept_at(server: &Url) -> StoreEntry {
        StoreEntry::Issuer { resource: server.to_string() }
    }

    pub(in crate::oauth) fn entry(self) -> StoreEntry {
        let Self { issuer, resource, client_id } = self;
        StoreEntry::Tokens { issuer, resource, client_id }
    }
}

/// New tokens, which are kept.
pub(super) struct Acquired {
    pub(super) credential: Arc<Credential>,
    /// Those in whose place they are.
    pub(super) replaced: Option<Arc<Credential>>,
}

impl Credential {
    /// Where these tokens are kept.
    pub(super) fn entry(&self) -> StoreEntry {
        LastUsed::of(self).entry()
    }
}

impl Core {
    fn last_used(&self) -> StoreEntry {
        LastUsed::kept_at(self.web.boundary().server())
    }

    /// Takes what the store has, once.
    pub(super) async fn load(&self) -> Result<(), OAuthError> {
        if self.state().loaded {
            return Ok(());
        }
        let turn = self.turns.take().await;
        if self.state().loaded {
            return Ok(());
        }
        let credential = self.stored().await?.map(Arc::new);
        let mut state = self.state();
        state.credential = credential;
        state.loaded = true;
        drop(state);
        drop(turn);
        Ok(())
    }

    /// Takes what somebody who logged in by another process left in the store, if it is something
    /// else. Whether it can be shown as it is.
    async fn take_new(&self) -> Result<bool, OAuthError> {
        let Some(stored) = self.stored().await? else { return Ok(false) };
        if self.current().is_some_and(|current| current.header == stored.header) {
            return Ok(false);
        }
        let is_fresh = !stored.tokens.is_stale(SystemTime::now());
        self.state().credential = Some(Arc::new(stored));
        Ok(is_fresh)
    }

    async fn stored(&self) -> Result<Option<Credential>, OAuthError> {
        let settings = &self.settings;
        if !self.uses_store() {
            return Ok(None);
        }
        let Some(text) = settings.store.load(&self.last_used()).await? else { return Ok(None) };
        let Some(last) = LastUsed::read(&text) else { return Ok(None) };
        settings.bind_client(&last.issuer);
        if !settings.may_be_ours(&last.issuer, &last.client_id) {
            return Ok(None);
        }
        let (issuer, client_id) = (last.issuer.clone(), last.client_id.clone());
        let Some(tokens) = settings.store.load_tokens(&last.entry()).await? else {
            return Ok(None);
        };
        let client = settings.client_of_id(&issuer, &client_id, SystemTime::now()).await?;
        Credential::new(tokens, client).map(Some)
    }

    /// What is acquired anew each time need not be kept, least of all where another client would
    /// find it.
    fn uses_store(&self) -> bool {
        self.settings.grant.refreshes()
    }

    /// Removes the tokens, here and in the store, and the registration of the client if no other
    /// server's tokens are its own. Gives what the tokens were at last.
    pub(super) async fn forget(&self) -> Result<Option<Credential>, OAuthError> {
        let store = &self.settings.store;
        let mut newest = None;
        if let Some(known) = self.current() {
            let entry = known.entry();
            // A refresh under way would bring them back, and has others to take back.
            let _lock = store.lock(&entry).await?;
            let kept = store.load_tokens(&entry).await?;
            let tokens = kept.unwrap_or_else(|| known.tokens.clone());
            newest = Some(Credential::new(tokens, known.client.clone())?);
            store.remove(&entry).await?;
            store.remove(&self.last_used()).await?;
        } else {
            store.remove(&self.last_used()).await?;
        }
        self.state().credential = None;
        // That of several callers is good for the others.
        if let Some(credential) = newest.as_ref().filter(|_| self.settings.caller.is_none()) {
            // The server may have forgotten the client, which only the person's browser would show.
            let LastUsed { issuer, resource, client_id } = LastUsed::of(credential);
            let note = |known: &mut Registration| known.unused_for(&client_id, &resource);
            self.settings.note_use(&issuer, note).await?;
        }
        Ok(newest)
    }

    /// Gets better tokens than those that were refused.
    pub(super) async fn improve(
        self: &Arc<Self>,
        challenges: &[AuthenticateChallenge],
        lacks_scope: bool,
        attempt: u32,
    ) -> Result<(), Arc<OAuthError>> {
        let asked = scope_of(challenges).unwrap_or_default();
        let refused = |times| OAuthError::StillRefused { scopes: readable(asked), times };
        if lacks_scope {
            let tried = self.state().step_ups(asked);
            if tried >= MAX_STEP_UPS {
                return Err(refused(tried).into());
            }
        }
        if attempt >= MAX_ATTEMPTS {
            return Err(refused(attempt - 1).into());
        }
        if self.take_new().await? {
            return Ok(());
        }
        let current = self.current();
        if let Some(current) = current.filter(|_| !lacks_scope && attempt == 1)
            && current.can_refresh()
            && asks_nothing_new(&current.tokens, asked)
        {
            // The server may have moved to another authorization server meanwhile.
            let found = Arc::new(self.discover(challenges).await?);
            if found.metadata.issuer == current.tokens.issuer {
                match self.refresh(&current, Arc::clone(&found)).await {
                    Ok(()) => return Ok(()),
                    Err(error) if is_refusal(&error) => {
                        tracing::debug!(%error, "the refresh token is not good any more");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        match self.acquire(challenges).await {
            Err(OAuthError::NotLoggedIn { scopes, .. }) if lacks_scope => {
                return Err(OAuthError::NotLoggedIn { scopes, for_more: true }.into());
            }
            // What was replaced is of the same grant.
            acquired => drop(acquired?),
        }
        if lacks_scope {
            self.state().stepped_up(asked);
        }
        Ok(())
    }

    async fn discover(&self, challenges: &[AuthenticateChallenge]) -> Result<Found, OAuthError> {
        let known = self.current().map(|credential| credential.tokens.issuer.clone());
        let prefer = |issuer: &str| known.as_deref() == Some(issuer) || self.settings.knows(issuer);
        self.web.discover(challenges, prefer).await
    }

    /// Gets tokens from the grant, with all that was asked for before and what is asked for now.
    pub(super) async fn acquire(
        &self,
        challenges: &[AuthenticateChallenge],
    ) -> Result<Acquired, OAuthError> {
        let found = self.discover(challenges).await?;
        let current = self.current().filter(|one| one.tokens.issuer == found.metadata.issuer);
        let metadata = &found.metadata;
        let grants = metadata.grant_types_supported.as_deref();
        let steps_up = self.settings.grant.steps_up();
        let scopes = Wanted {
            configured: &self.settings.scopes,
            challenged: scope_of(challenges).filter(|_| steps_up),
            requested: current.as_ref().map_or(&[], |one| &one.tokens.scopes_requested),
            resource: found.resource_scopes.as_deref().filter(|_| steps_up),
            server: metadata.scopes_supported.as_deref(),
            refreshes: self.settings.grant.refreshes()
                && grants.is_none_or(|grants| grants.iter().any(|one| one == "refresh_token")),
        }
        .choose();
        let bound = challenges.iter().any(|one| one.is("dpop")) || found.bound_tokens;
        let key = self.dpop_key(&found, bound, current.as_deref())?;
        self.acquire_with(Arc::new(found), &scopes, key.as_ref()).await
    }

    /// Gets tokens for certain scopes, and keeps them.
    pub(super) async fn acquire_with(
        &self,
        found: Arc<Found>,
        scopes: &[String],
        key: Option<&DpopKey>,
    ) -> Result<Acquired, OAuthError> {
        let settings = &self.settings;
        let at = Discovered::new(&self.web, settings, &found, scopes, key);
        let asking = settings.grant.is_interactive().then(|| Asking::new(self));
        let mut outcome = settings.grant.acquire(&at).await;
        if let Err(error) = &outcome
            && at.document_was_refused(error)
        {
            let issuer = &found.metadata.issuer;
            tracing::info!(%issuer, %error, "the client's document is refused; registering it");
            settings.refuse_document(issuer);
            outcome = settings.grant.acquire(&at).await;
        }
        drop(asking);
        if let Err(OAuthError::Token(error)) = &outcome
            && error.refusal().is_some_and(|refusal| refusal.code == TokenErrorCode::InvalidClient)
        {
            // The server has forgotten this client; the next time it is registered anew.
            let issuer = found.metadata.issuer.clone();
            settings.store.remove(&StoreEntry::Client { issuer }).await?;
        }
        let mut tokens = outcome?;
        tokens.granted_at = settings.grant.is_interactive().then(SystemTime::now);
        if !settings.grant.refreshes() {
            // Some servers send one all the same.
            tokens.refresh_token = None;
        }
        let credential = Arc::new(Credential::new(tokens, at.into_client())?);
        let mut replaced = self.current();
        {
            // A refresh under way would be written over it.
            let _lock = settings.store.lock(&credential.entry()).await?;
            if let Some(old) = replaced.as_ref().filter(|_| self.uses_store())
                && old.entry() == credential.entry()
                && let Some(newest) = settings.store.load_tokens(&old.entry()).await?
            {
                replaced = Some(Arc::new(Credential::new(newest, old.client.clone())?));
            }
            self.keep(&credential).await?;
        }
        if let Some(old) = replaced.as_ref().filter(|old| old.entry() != credential.entry()) {
            settings.store.remove(&old.entry()).await?;
        }
        let mut state = self.state();
        let State { credential: current, found: last, no_refresh_before, .. } = &mut *state;
        *current = Some(Arc::clone(&credential));
        *last = Some(found);
        *no_refresh_before = None;
        drop(state);
        Ok(Acquired { credential, replaced })
    }

    /// Writes tokens to the store, and that they are the ones in use.
    pub(super) async fn keep(&self, credential: &Credential) -> Result<(), OAuthError> {
        if !self.uses_store() {
            return Ok(());
        }
        let store = &self.settings.store;
        let last = LastUsed::of(credential);
        let text = serde_json::json!(last).to_string();
        store.save_tokens(&last.entry(), &credential.tokens).await?;
        store.save(&self.last_used(), &Secret::new(text)).await?;
        let LastUsed { issuer, resource, client_id } = LastUsed::of(credential);
        let note = |known: &mut Registration| known.used_for(&client_id, &resource);
        self.settings.note_use(&issuer, note).await
    }

    fn dpop_key(
        &self,
        found: &Found,
        required: bool,
        current: Option<&Credential>,
    ) -> Result<Option<DpopKey>, OAuthError> {
        let listed = found.metadata.dpop_signing_alg_values_supported.as_deref();
        let wanted = match self.settings.dpop {
            DpopUse::Never => false,
            DpopUse::WhereRequired => required,
            DpopUse::WhereOffered => required || listed.is_some(),
        };
        if !wanted {
            return Ok(None);
        }
        match current.and_then(|current| current.tokens.dpop_key.clone()) {
            Some(key) => Ok(Some(key)),
            None => {
                DpopKey::generate(listed.unwrap_or_default()).map(Some).map_err(OAuthError::proof)
            }
        }
    }
}

/// The scopes that a refusal names.
fn scope_of(challenges: &[AuthenticateChallenge]) -> Option<&str> {
    let mut oauth = challenges.iter().filter(|challenge| challenge.is_oauth());
    oauth.find_map(|challenge| challenge.param("scope"))
}

/// Whether the authorization server answered, and said no.
fn is_refusal(error: &OAuthError) -> bool {
    matches!(error, OAuthError::Token(error) if error.refusal().is_some())
}

/// Whether the tokens were meant to cover what is asked for.
fn asks_nothing_new(tokens: &TokenSet, scope: &str) -> bool {
    scope
        .split_ascii_whitespace()
        .all(|scope| tokens.scopes_requested.iter().any(|one| one == scope))
}

/// A person is being asked, until this is dropped.
struct Asking<'a>(&'a Core);

impl<'a> Asking<'a> {
    fn new(core: &'a Core) -> Self {
        core.asking.fetch_add(1, Ordering::Relaxed);
        Self(core)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::Relaxed);
    }
}
