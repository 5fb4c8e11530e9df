//! Access to servers that want somebody to log in.

use std::{path::PathBuf, sync::Arc};

use etcetera::BaseStrategy as _;
use mcp_client::{
    config::{ServerConfig, TransportConfig},
    oauth::{AuthorizationCode, FileTokenStore, OAuth, TokenStore, UserAgent, Visit},
};
use mcp_transport::{BoxFuture, error::BoxError};

use crate::{
    args::KeptIn,
    error_report::{Report, Result},
    exit_code::ErrorCode,
};

/// Where tokens are kept: `~/.local/share/mcp/tokens`, or its place under `XDG_DATA_HOME`.
fn folder() -> Option<PathBuf> {
    let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
    Some(folders.data_dir().join("mcp").join("tokens"))
}

/// Access with what an earlier `mcp login` has stored. Nobody is asked for anything.
pub(crate) fn stored(_server: &ServerConfig) -> Option<OAuth> {
    let store = FileTokenStore::open(folder()?);
    Some(OAuth::with(AuthorizationCode::new(NobodyIsAsked)).store(store))
}

/// Access with what is kept in a store that others have too. Nobody is asked for anything.
#[cfg(feature = "postgres")]
pub(crate) fn kept_in(store: impl TokenStore) -> OAuth {
    OAuth::with(AuthorizationCode::new(NobodyIsAsked)).store(store)
}

impl KeptIn {
    /// The store that is meant.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_async, reason = "tokens are in files")
    )]
    pub(crate) async fn store(&self) -> Result<Arc<dyn TokenStore>> {
        #[cfg(feature = "postgres")]
        if let (Some(postgres), Some(key)) = (&self.postgres, &self.store_key) {
            return Ok(Arc::new(crate::replicas::postgres(postgres, key).await?));
        }
        files().ok_or_else(|| {
            Report::new(ErrorCode::Config, "there is no home folder to keep tokens in").into()
        })
    }
}

/// The files of this user, if there is a home folder.
pub(crate) fn files() -> Option<Arc<dyn TokenStore>> {
    Some(Arc::new(FileTokenStore::open(folder()?)))
}

/// Access that a person gives now.
pub(crate) fn interactive(agent: impl UserAgent, store: &Arc<dyn TokenStore>) -> OAuth {
    OAuth::with(AuthorizationCode::new(agent)).shared_store(Arc::clone(store)).client_name("mcp")
}

/// The address of a server that can want a login at all.
pub(crate) fn address(server: &ServerConfig) -> Result<&str> {
    match &server.transport {
        TransportConfig::Http { url, .. } | TransportConfig::Sse { url, .. }
            if url.starts_with("http") =>
        {
            Ok(url)
        }
        _ => Err(Report::new(
            ErrorCode::Usage,
            format!("server `{}` is not reached over HTTP, so there is no login", server.name),
        )
        .help("programs get their credentials as variables: `env` in the configuration, or -e KEY")
        .into()),
    }
}

/// Commands other than `login` do not open browsers.
#[derive(Debug)]
struct NobodyIsAsked;

impl UserAgent for NobodyIsAsked {
    fn prepare<'a>(
        &'a self,
        _known: &'a [String],
    ) -> BoxFuture<'a, std::result::Result<Box<dyn Visit>, BoxError>> {
        Box::pin(async { Err("nobody is logged in".into()) })
    }
}
