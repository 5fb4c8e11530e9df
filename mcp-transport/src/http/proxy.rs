//! The way to a server: straight, or through a proxy.
use super::{dial, endpoint::Endpoint, stream::Stream};
use crate::error::BoxError;

/// How an endpoint is reached.
#[derive(Debug)]
pub(super) enum Route {
    /// Without a proxy.
    Direct,
}

impl Route {
    /// Opens the bytes under HTTP (or under TLS, for https).
    pub(super) async fn open(&self, endpoint: &Endpoint) -> Result<Stream, BoxError> {
        Ok(Stream::Plain(dial::connect(&endpoint.host, endpoint.port).await?))
    }
}
