//! WebSocket (RFC 6455): one message of the protocol per text message.
//!
//! The specification leaves this to custom transports; the subprotocol `mcp` is what servers agreed
//! on. `handshake` opens a connection, `transport` runs it.
//!
//! ```no_run
//! use mcp_transport::{Connect as _, websocket::WebSocketConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = WebSocketConfig::new("wss://example.com/mcp").bearer("token");
//! let transport = config.connect().await?;
//! # Ok(())
//! # }
//! ```

mod handshake;
mod transport;

use std::{sync::Arc, time::Duration};

use crate::{
    BoxFuture, Connect, ConnectError, Transport,
    authorize::Authorize,
    http::{HttpConfig, Proxy, Reach, TlsConfig, redact},
    transport::Binding,
};

/// A server's `ws://` or `wss://` URL and how to talk to it.
///
/// Unlike over HTTP there is one connection, opened by [`Connect::connect`]. When it ends, the
/// transport is over at once; a new one must be opened.
#[derive(Clone, Debug)]
#[must_use]
pub struct WebSocketConfig {
    http: HttpConfig,
    ping_every: Option<Duration>,
    /// Whether the URL was of this binding.
    is_url: bool,
}

impl WebSocketConfig {
    /// A server with the default settings. Whether the URL can be used is seen when connecting.
    pub fn new(url: impl AsRef<str>) -> Self {
        let http = as_http(url.as_ref());
        Self {
            is_url: http.is_some(),
            http: HttpConfig::new(http.unwrap_or_default()),
            ping_every: Some(Duration::from_secs(30)),
        }
    }

    /// Sends a header with the handshake. Those that the handshake or HTTP itself needs are refused
    /// when connecting.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.http = self.http.header(name, value);
        self
    }

    /// Sends a bearer token with the handshake.
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.http = self.http.bearer(token);
        self
    }

    /// Sends a name and a password with the handshake.
    pub fn basic(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.http = self.http.basic(user, password);
        self
    }

    /// Asks for credentials before the handshake, and for better ones when they are refused.
    pub fn authorize(mut self, authorize: Arc<dyn Authorize>) -> Self {
        self.http = self.http.authorize(authorize);
        self
    }

    /// How long opening a connection may take, with all of names, proxy and TLS, and then the
    /// handshake. Default: 10 s each.
    pub fn connect_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.http = self.http.connect_timeout(limit);
        self
    }

    /// How often the server is asked for a sign of life. When none came since the last question,
    /// the connection is over. Default: 30 s. `None` never asks.
    pub fn ping_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.ping_every = interval.into();
        self
    }

    /// The largest message that is accepted. Default: 64 MiB.
    pub fn max_message_bytes(mut self, limit: usize) -> Self {
        self.http = self.http.max_message_bytes(limit);
        self
    }

    /// Which certificates are trusted and shown. Only `wss` URLs need it.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.http = self.http.tls(tls);
        self
    }

    /// Connects only to these addresses; see [`HttpConfig::reach`].
    pub fn reach(mut self, reach: Reach) -> Self {
        self.http = self.http.reach(reach);
        self
    }

    /// Which proxy to use, by `CONNECT`. Default: what the environment says.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.http = self.http.proxy(proxy);
        self
    }
}

impl Connect for WebSocketConfig {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        Box::pin(async {
            if !self.is_url {
                return Err(ConnectError::InvalidSetting {
                    setting: "url".to_owned(),
                    reason: "it does not begin with ws:// or wss://".to_owned(),
                });
            }
            let way = self.http.upgrade().await?;
            let socket = handshake::open(&way).await.map_err(ConnectError::Failed)?;
            let transport = transport::carried(socket, self.ping_every, way.max_message_bytes)?;
            Ok(Arc::new(transport) as Arc<dyn Transport>)
        })
    }

    fn endpoint(&self) -> String {
        let shown = self.http.endpoint();
        // `http` becomes `ws`, and what is no URL stays as it is shown.
        shown.strip_prefix("http").map_or_else(|| redact(""), |rest| format!("ws{rest}"))
    }

    fn binding(&self) -> Binding {
        Binding::WebSocket
    }
}

/// The URL of the handshake.
fn as_http(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once(':')?;
    match scheme.to_ascii_lowercase().as_str() {
        "ws" => Some(format!("http:{rest}")),
        "wss" => Some(format!("https:{rest}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
