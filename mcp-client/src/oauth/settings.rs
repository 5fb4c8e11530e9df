//! What the user chose, as all parts of the flow see it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use mcp_transport::http::{Proxy, Reach, TlsConfig};

use super::{
    ClientCredentials, Grant, MemoryTokenStore, OAuthError, StoreEntry, TokenStore, readable,
    registration::{Noted, Registration},
    token_store::CallerStore,
};

/// When tokens are bound to a key (RFC 9449).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DpopUse {
    /// Never, even if the server insists.
    Never,
    /// Where the MCP server asks for it.
    #[default]
    WhereRequired,
    /// Wherever the authorization server offers it. The MCP server must understand it too.
    WhereOffered,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) grant: Arc<dyn Grant>,
    pub(super) store: Arc<dyn TokenStore>,
    /// For whom, where others log in with the same client.
    pub(super) caller: Option<Arc<str>>,
    /// By issuer.
    pub(super) clients: Vec<(String, ClientCredentials)>,
    /// For the first issuer that is met, and from then on only for that.
    pub(super) client: Option<ClientCredentials>,
    pub(super) client_issuer: Mutex<Option<String>>,
    /// Its id is the URL of a document.
    pub(super) client_id_metadata: Option<ClientCredentials>,
    /// Issuers that say they take documents, and did not take that one.
    refused_document: Mutex<BTreeSet<String>>,
    /// The authorization server, where the MCP server need not be asked for it.
    pub(super) issuer: Option<String>,
    pub(super) metadata_url: Option<String>,
    pub(super) token_url: Option<String>,
    pub(super) client_name: String,
    pub(super) scopes: Vec<String>,
    pub(super) dpop: DpopUse,
    pub(super) private_addresses: bool,
    /// Which addresses the MCP server itself may be at.
    pub(super) server_reach: Reach,
    pub(super) tls: TlsConfig,
    pub(super) proxy: Proxy,
}

impl Settings {
    pub(super) fn new(grant: Arc<dyn Grant>) -> Self {
        Self {
            grant,
            store: Arc::new(MemoryTokenStore::default()),
            caller: None,
            clients: Vec::new(),
            client: None,
            client_issuer: Mutex::default(),
            client_id_metadata: None,
            refused_document: Mutex::default(),
            issuer: None,
            metadata_url: None,
            token_url: None,
            client_name: "MCP client".to_owned(),
            scopes: Vec::new(),
            dpop: DpopUse::default(),
            private_addresses: false,
            server_reach: Reach::Anywhere,
            tls: TlsConfig::new(),
            proxy: Proxy::default(),
        }
    }

    /// Where this one's tokens are.
    pub(super) fn own_store(&self) -> Arc<dyn TokenStore> {
        let store = Arc::clone(&self.store);
        match &self.caller {
            Some(caller) => Arc::new(CallerStore::new(store, Arc::clone(caller))),
            None => store,
        }
    }

    /// The client that the user registered at an issuer. One of another issuer is not shown here.
    pub(super) fn client_at(&self, issuer: &str) -> Result<Option<ClientCredentials>, OAuthError> {
        if let Some((_, client)) = self.clients.iter().find(|(at, _)| at == issuer) {
            return Ok(Some(client.clone()));
        }
        let foreign = |registered: String| OAuthError::ForeignClient {
            issuer: readable(issuer),
            registered: readable(&registered),
        };
        if let Some(client) = &self.client {
            let mut bound = self.client_issuer.lock().unwrap_or_else(PoisonError::into_inner);
            return match &*bound {
                Some(other) if other != issuer => Err(foreign(other.clone())),
                _ => {
                    *bound = Some(issuer.to_owned());
                    Ok(Some(client.clone()))
                }
            };
        }
        match self.clients.first() {
            Some((other, _)) => Err(foreign(other.clone())),
            None => Ok(None),
        }
    }

    /// Binds the user's client to the issuer that it was used at before.
    pub(super) fn bind_client(&self, issuer: &str) {
        let mut bound = self.client_issuer.lock().unwrap_or_else(PoisonError::into_inner);
        bound.get_or_insert_with(|| issuer.to_owned());
    }

    /// Remembers that an issuer refuses the client's metadata document.
    pub(super) fn refuse_document(&self, issuer: &str) {
        let mut refused = self.refused_document.lock().unwrap_or_else(PoisonError::into_inner);
        refused.insert(issuer.to_owned());
    }

    pub(super) fn refuses_document(&self, issuer: &str) -> bool {
        self.refused_document.lock().unwrap_or_else(PoisonError::into_inner).contains(issuer)
    }

    /// Whether the user registered a client at this issuer.
    pub(super) fn knows(&self, issuer: &str) -> bool {
        self.clients.iter().any(|(at, _)| at == issuer)
    }

    /// Whether tokens of this client may be used: where the user gave a client, only of that.
    pub(super) fn may_be_ours(&self, issuer: &str, client_id: &str) -> bool {
        match self.client_at(issuer) {
            Ok(Some(client)) => client.client_id == client_id,
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// What this program registered at an issuer, if it is still good.
    pub(super) async fn registration(
        &self,
        issuer: &str,
        now: SystemTime,
    ) -> Result<Option<Registration>, OAuthError> {
        let entry = StoreEntry::Client { issuer: issuer.to_owned() };
        let kept = self.store.load(&entry).await?;
        Ok(kept.and_then(|kept| Registration::from_secret(&kept)).filter(|one| one.is_valid(now)))
    }

    /// Changes what is kept of the registration at an issuer, if there is one.
    pub(super) async fn note_use(
        &self,
        issuer: &str,
        note: impl FnOnce(&mut Registration) -> Noted + Send,
    ) -> Result<(), OAuthError> {
        let entry = StoreEntry::Client { issuer: issuer.to_owned() };
        let _lock = self.store.lock(&entry).await?;
        let kept = self.store.load(&entry).await?;
        let Some(mut known) = kept.as_ref().and_then(Registration::from_secret) else {
            return Ok(());
        };
        match note(&mut known) {
            Noted::Nothing => {}
            Noted::Change => self.store.save(&entry, &known.to_secret()?).await?,
            Noted::Unused => self.store.remove(&entry).await?,
        }
        Ok(())
    }

    /// The client of this id, which tokens were issued to.
    pub(super) async fn client_of_id(
        &self,
        issuer: &str,
        client_id: &str,
        now: SystemTime,
    ) -> Result<Option<ClientCredentials>, OAuthError> {
        if let Some(client) = self.client_at(issuer)? {
            return Ok(Some(client).filter(|client| client.client_id == client_id));
        }
        if let Some(client) = &self.client_id_metadata
            && client.client_id == client_id
        {
            return Ok(Some(client.clone()));
        }
        let known = self.registration(issuer, now).await?;
        Ok(known.map(|known| known.credentials()).filter(|client| client.client_id == client_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{AuthorizationCode, Pasted};

    fn settings() -> Settings {
        let agent = Pasted::new(|_| async { Err("nobody".into()) });
        Settings::new(Arc::new(AuthorizationCode::new(agent)))
    }

    // covers: auth-credentials-issuer
    #[test]
    fn a_client_is_shown_only_to_its_own_issuer() {
        let mut settings = settings();
        assert!(settings.client_at("https://a.example").unwrap().is_none());
        settings.clients = vec![("https://a.example".to_owned(), ClientCredentials::public("one"))];
        assert_eq!(settings.client_at("https://a.example").unwrap().unwrap().client_id, "one");
        let error = settings.client_at("https://b.example").unwrap_err();
        assert!(matches!(error, OAuthError::ForeignClient { .. }), "{error:?}");
    }

    #[test]
    fn a_client_without_an_issuer_belongs_to_the_first_that_is_met() {
        let mut settings = settings();
        settings.client = Some(ClientCredentials::secret("one", "s"));
        assert!(settings.client_at("https://a.example").unwrap().is_some());
        assert!(settings.client_at("https://a.example").unwrap().is_some());
        assert!(settings.client_at("https://b.example").is_err());
    }
}
