//! Streamable HTTP, in both eras.

mod answer;
mod body;
mod config;
mod connection;
mod content_coding;
mod credentials;
mod dial;
mod endpoint;
mod events;
mod headers;
mod http_transport;
mod legacy_cancel;
mod legacy_session;
mod legacy_stream;
mod outbox;
mod pool;
mod post;
mod proxy;
mod shared;
mod sse;
mod stream;
mod tasks;
mod timer;
mod tls;

pub use config::HttpConfig;

#[cfg(test)]
mod tests;
