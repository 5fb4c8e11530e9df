//! Streamable HTTP, in both eras.

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
mod headers;
mod http_transport;
mod legacy_cancel;
mod legacy_session;
mod legacy_stream;
mod no_proxy;
mod outbox;
mod plain;
mod pool;
mod post;
mod proxy;
mod round_trip;
mod shared;
mod sse;
mod stream;
mod tasks;
mod timer;
mod tls;

pub use config::HttpConfig;
pub use plain::{HttpClient, PlainAnswer, PlainEvents, PlainLimits};
pub use proxy::Proxy;
pub use tls::TlsConfig;

#[cfg(test)]
mod tests;
