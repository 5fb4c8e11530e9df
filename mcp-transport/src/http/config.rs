//! How to reach a server over Streamable HTTP.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock, atomic::AtomicBool},
    time::Duration,
};

use http::{
    HeaderMap,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION},
};

#[cfg(feature = "websocket")]
use super::upgrade::Upgrade;
use super::{
    credentials,
    dial::Dialer,
    endpoint::{Endpoint, redact},
    headers::{self, Headers},
    http_transport::HttpTransport,
    legacy_session::Session,
    legacy_sse::LegacySse,
    pool::Pool,
    proxy::{Proxy, Route},
    reach::Reach,
    shared::{Limits, Shared, Shown},
    tasks::Tasks,
    tls::{Tls, TlsConfig},
};
use crate::{
    BoxFuture, Connect, ConnectError, Transport, authorize::Authorize, transport::Binding,
};

/// A server's URL and how to talk to it.
///
/// Connections are made when they are needed and kept for the next call.
#[derive(Clone)]
#[must_use]
pub struct HttpConfig {
    url: String,
    headers: Vec<(String, String)>,
    credentials: Option<Credentials>,
    authorize: Option<Arc<dyn Authorize>>,
    connect_timeout: Option<Duration>,
    first_byte_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    max_message_bytes: usize,
    max_connections: usize,
    compressed: bool,
    tls: TlsConfig,
    proxy: Proxy,
    reach: Reach,
    /// Whether to speak the binding of revision 2024-11-05.
    sse: bool,
}

#[derive(Clone)]
enum Credentials {
    Bearer(String),
    Basic(String, String),
}

impl HttpConfig {
    /// A server with the default settings. Whether the URL can be used is seen when connecting.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            credentials: None,
            authorize: None,
            connect_timeout: Some(Duration::from_secs(10)),
            first_byte_timeout: Some(Duration::from_secs(60)),
            idle_timeout: Some(Duration::from_secs(300)),
            max_message_bytes: 64 << 20,
            max_connections: 256,
            compressed: true,
            tls: TlsConfig::new(),
            proxy: Proxy::default(),
            reach: Reach::default(),
            sse: false,
        }
    }

    /// Sends a header with every request. Those that the protocol or HTTP itself needs are refused
    /// when connecting.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a bearer token with every request.
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::Bearer(token.into()));
        self
    }

    /// Sends a name and a password with every request.
    pub fn basic(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::Basic(user.into(), password.into()));
        self
    }

    /// The URL as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks for credentials before every request, and for better ones when they are refused.
    pub fn authorize(mut self, authorize: Arc<dyn Authorize>) -> Self {
        self.authorize = Some(authorize);
        self
    }

    /// How long opening a connection may take, with all of names, proxy and TLS. Default: 10 s.
    pub fn connect_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.connect_timeout = limit.into();
        self
    }

    /// How long a server may take to begin its answer; for an answer in JSON this is all its work.
    /// Default: 60 s. `None` leaves it to the deadline of the caller.
    pub fn first_byte_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.first_byte_timeout = limit.into();
        self
    }

    /// How long a server may be silent within an answer. Default: 5 minutes. Streams whose nature
    /// is to be silent are exempt.
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = limit.into();
        self
    }

    /// The largest message that is accepted, after decompression. Default: 64 MiB.
    pub fn max_message_bytes(mut self, limit: usize) -> Self {
        self.max_message_bytes = limit;
        self
    }

    /// How many requests may be under way over HTTP/1.1 at a time; more wait for their turn.
    /// Default: 256.
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit.max(1);
        self
    }

    /// Asks servers not to compress.
    pub fn uncompressed(mut self) -> Self {
        self.compressed = false;
        self
    }

    /// Which certificates are trusted and shown. Only `https` URLs need it.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// Which proxy to use. Default: what the environment says.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Connects only to these addresses: for a URL that the user did not write himself. Checked when
    /// names are resolved, for every connection and redirect, against the very addresses that are
    /// then connected to; behind a proxy, which resolves names itself, only the host is checked.
    /// Default: [`Reach::Anywhere`].
    pub fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Speaks HTTP+SSE, the binding of revision 2024-11-05, without asking for a newer one. Not
    /// needed to reach such servers: a client falls back to it.
    pub fn http_sse(mut self) -> Self {
        self.sse = true;
        self
    }

    async fn open(&self) -> Result<(Shared, Arc<Tasks>), ConnectError> {
        let Settled { endpoint, mut own, route, tls } = self.settle().await?;
        if let Some(credentials) = route.credentials(&endpoint) {
            own.insert(PROXY_AUTHORIZATION, credentials);
        }
        let tasks = Arc::new(Tasks::default());
        let dialer =
            Dialer::new(Arc::clone(&endpoint), route, tls, self.connect_timeout).within(self.reach);
        let shared = Shared {
            headers: Headers::new(&endpoint, own, self.compressed),
            pool: Pool::new(dialer, self.max_connections, Arc::clone(&tasks)),
            authorize: self.authorize.clone(),
            session: Session::default(),
            limits: Limits {
                first_byte: self.first_byte_timeout,
                idle: self.idle_timeout,
                message_bytes: self.max_message_bytes,
            },
            closed: AtomicBool::new(false),
            shown: Shown::default(),
            endpoint,
        };
        Ok((shared, tasks))
    }

    /// Checks the settings that all bindings have in common.
    async fn settle(&self) -> Result<Settled, ConnectError> {
        let endpoint = Arc::new(Endpoint::parse(&self.url)?);
        let mut own = HeaderMap::new();
        for (name, value) in &self.headers {
            let (name, value) = headers::own(name, value)?;
            own.append(name, value);
        }
        match &self.credentials {
            Some(Credentials::Bearer(token)) => {
                own.insert(AUTHORIZATION, credentials::bearer(token)?);
            }
            Some(Credentials::Basic(user, password)) => {
                own.insert(AUTHORIZATION, credentials::basic(user, password)?);
            }
            None => (),
        }
        let route = Route::choose(&self.proxy, &endpoint, |name| std::env::var(name).ok())?;
        let tls = if endpoint.https { Some(self.tls.clone().prepare_aside().await?) } else { None };
        if !endpoint.https && !endpoint.is_loopback() {
            tracing::warn!(%endpoint, "everything sent to this server can be read on the way");
        }
        Ok(Settled { endpoint, own, route, tls })
    }

    /// Prepares connections that begin with an upgrade.
    #[cfg(feature = "websocket")]
    pub(crate) async fn upgrade(&self) -> Result<Upgrade, ConnectError> {
        let Settled { endpoint, own, route, tls } = self.settle().await?;
        Ok(Upgrade {
            endpoint,
            own,
            route,
            reach: self.reach,
            tls: tls.map(|tls| tls.http1_only()),
            authorize: self.authorize.clone(),
            connect_timeout: self.connect_timeout,
            max_message_bytes: self.max_message_bytes,
        })
    }
}

/// The settings after a check.
struct Settled {
    endpoint: Arc<Endpoint>,
    /// The user's headers and credentials.
    own: HeaderMap,
    route: Route,
    /// Only for https.
    tls: Option<Tls>,
}

impl Connect for HttpConfig {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        Box::pin(async {
            let (shared, tasks) = self.open().await?;
            if self.sse {
                let transport = LegacySse::open(shared, tasks).await?;
                return Ok(Arc::new(transport) as Arc<dyn Transport>);
            }
            Ok(Arc::new(HttpTransport::new(shared, tasks)) as Arc<dyn Transport>)
        })
    }

    fn endpoint(&self) -> String {
        redact(&self.url)
    }

    fn binding(&self) -> Binding {
        if self.sse { Binding::HttpSse } else { Binding::Http }
    }

    fn server_key(&self) -> Option<u64> {
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        // Headers may choose a tenant as well as show a key, so they count.
        Some(KEYS.hash_one((&self.url, &self.headers, self.sse)))
    }

    fn earlier(&self) -> Option<Arc<dyn Connect>> {
        (!self.sse).then(|| Arc::new(self.clone().http_sse()) as Arc<dyn Connect>)
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpConfig")
            .field("url", &redact(&self.url))
            .field("headers", &names)
            .field("connect_timeout", &self.connect_timeout)
            .field("first_byte_timeout", &self.first_byte_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_message_bytes", &self.max_message_bytes)
            .field("max_connections", &self.max_connections)
            .field("tls", &self.tls)
            .field("proxy", &self.proxy)
            .field("reach", &self.reach)
            .field("sse", &self.sse)
            .finish_non_exhaustive()
    }
}
