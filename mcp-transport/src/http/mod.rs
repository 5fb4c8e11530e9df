//! Streamable HTTP, in both eras, and the HTTP+SSE that came before.
//!
//! An exchange is one async function (`post`): headers, a connection from the `pool`, the answer
//! as one message or as events. Over HTTP/1.1 it drives its connection itself (`connection`), so a
//! call costs no task and no queue; an HTTP/2 connection is shared and has a task. What only the
//! legacy lifecycle has is in the `legacy_*` files; `legacy_sse` is a transport of its own, that of
//! revision 2024-11-05.
//!
//! ```no_run
//! use mcp_transport::{Connect as _, http::HttpConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = HttpConfig::new("https://example.com/mcp").bearer("token");
//! let transport = config.connect().await?;
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
mod certificate_check;
mod config;
mod connection;
mod content_coding;
mod credentials;
mod dial;
mod endpoint;
mod events;
mod gate;
pub(crate) mod headers;
mod http_transport;
mod legacy_cancel;
mod legacy_session;
mod legacy_sse;
mod legacy_stream;
mod no_proxy;
mod outbox;
mod plain;
mod pool;
mod post;
mod proxy;
mod reach;
mod round_trip;
mod shared;
mod sse;
mod stream;
mod tasks;
mod timer;
mod tls;
#[cfg(feature = "websocket")]
mod upgrade;

pub use config::HttpConfig;
pub(crate) use dial::connect as dial_tcp;
pub use plain::{HttpClient, PlainAnswer, PlainEvents, PlainLimits};
pub use proxy::Proxy;
pub use reach::Reach;
pub use tls::TlsConfig;
#[cfg(feature = "websocket")]
pub(crate) use {
    endpoint::redact,
    stream::Stream,
    upgrade::{Refusals, Upgrade},
};

#[cfg(test)]
mod tests;
