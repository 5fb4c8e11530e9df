//! Transports of the Model Context Protocol.
//!
//! A [`Transport`] moves messages to one server and knows nothing of their meaning. Its unit is the
//! exchange: one request out, and back on a stream of its own whatever the server sends because of
//! it, the response last. That is the shape of revision 2026-07-28, and the earlier ones fit in it.

pub mod transport;

pub mod exchange;

pub mod error;

pub mod authorize;

mod routing;

mod byte_stream;

#[cfg(unix)]
pub mod stdio;

pub mod http;

pub mod socket;

#[cfg(feature = "websocket")]
pub mod websocket;

pub mod memory;

pub mod serve;

mod from_url;

pub use error::{ConnectError, DeliveryError};
pub use exchange::Exchange;
pub use from_url::UrlConnect;
pub use transport::{BoxFuture, Connect, OutgoingMessage, OutgoingRequest, Transport, Unsolicited};
