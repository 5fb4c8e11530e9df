//! How a hub starts and keeps its servers.

use std::{fmt, sync::Arc, time::Duration};

use super::{Backoff, CatalogLists, OnBehalfOf};
use crate::{
    ClientOptions,
    config::{AllowList, ServerConfig},
    oauth::OAuth,
};

type Authorization = Arc<dyn Fn(&ServerConfig) -> Option<OAuth> + Send + Sync>;

/// How a [`Hub`](super::Hub) starts and keeps its servers.
#[derive(Clone)]
pub struct HubOptions {
    /// Settings and handlers of every client; a server's own settings win.
    pub client: ClientOptions,
    /// The limit for starting one server, downloads by `npx` and `uvx` included.
    pub startup_timeout: Duration,
    /// How many servers may be starting at the same time.
    pub parallel_starts: usize,
    /// Whether servers wait for their first use before they start.
    pub lazy: bool,
    /// Whether a server that is down is started again, and when; `None` leaves it down until
    /// [`Hub::restart`](super::Hub::restart).
    pub restart: Option<Backoff>,
    /// How long a call may wait for a server that is down and is about to be started again; the
    /// call fails at once when `None`. The call's own limit of time counts beside it only where
    /// somebody keeps one over all waits, as the layers of `mcp-agent` do.
    pub await_restart: Option<Duration>,
    /// How often a server that is quiet is asked for a sign of life; never when `None`.
    pub keep_alive: Option<Duration>,
    /// How often it is seen whether somebody has logged in by another process, such as `mcp login`,
    /// while a server waits for that. The store of tokens is looked at, and no server is asked.
    /// Never when `None`: such a server waits for [`Hub::restart`](super::Hub::restart).
    pub look_for_login: Option<Duration>,
    /// How long a child process may take to exit after its input was closed, before it is told to
    /// by signal; the transport's own limit when `None`.
    pub shutdown_grace: Option<Duration>,
    /// Which lists of the servers are kept, so that what a server offers is known while it is
    /// away. By default none: nothing is asked for that nobody needs.
    pub catalogs: CatalogLists,
    /// The servers that may be used; all when `None`. Others are [refused](super::Refusal).
    pub allowed: Option<AllowList>,
    /// For whom servers are reached whose configuration says that they are reached on behalf of
    /// somebody ([`ServerConfig::is_per_caller`]). Without, or where it is not in the way that the
    /// configuration speaks of, such servers stay [`PerCaller`](super::ServerState::PerCaller).
    pub on_behalf_of: Option<OnBehalfOf>,
    pub(super) authorization: Option<Authorization>,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            client: ClientOptions::default(),
            startup_timeout: Duration::from_secs(60),
            parallel_starts: 16,
            lazy: false,
            restart: Some(Backoff::default()),
            await_restart: None,
            keep_alive: None,
            look_for_login: Some(Duration::from_secs(5)),
            shutdown_grace: None,
            catalogs: CatalogLists::default(),
            allowed: None,
            on_behalf_of: None,
            authorization: None,
        }
    }
}

impl HubOptions {
    /// How to get access to a server that is reached by URL and whose configuration holds no
    /// credentials. `None` means without. What the configuration says of the login is added
    /// ([`OAuth::configured`]).
    pub fn authorize(
        &mut self,
        authorization: impl Fn(&ServerConfig) -> Option<OAuth> + Send + Sync + 'static,
    ) {
        self.authorization = Some(Arc::new(authorization));
    }
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("startup_timeout", &self.startup_timeout)
            .field("parallel_starts", &self.parallel_starts)
            .field("lazy", &self.lazy)
            .field("restart", &self.restart)
            .field("await_restart", &self.await_restart)
            .field("keep_alive", &self.keep_alive)
            .field("look_for_login", &self.look_for_login)
            .finish_non_exhaustive()
    }
}
