//! Revision 2026-07-28: no handshake; `server/discover` tells what the server is.

use std::{sync::Arc, time::Duration};

use mcp_protocol::{
    discover::{Discover, DiscoverResult},
    method::Method,
    version::ProtocolVersion,
};
use mcp_transport::transport::Mirrored;
use tokio::time::Instant;

use crate::{
    Cached, CallError, CallErrorKind, Client, ClientOptions, ServerInfo,
    cache::{Fetched, Subject, Wish},
    link::{CallOptions, Link},
};

impl Client {
    /// What the server says of itself, which may have changed since the connection was made: out
    /// of the cache for as long as the server lets it be kept (`ttlMs`), else asked for.
    /// [`server`](Self::server) stays what the connection was made with.
    ///
    /// # Errors
    /// As any call. Servers of earlier revisions do not know the question.
    ///
    /// # Cancel safety
    /// As [`Client::request`].
    pub async fn discover(&self) -> Result<Cached<DiscoverResult>, CallError> {
        let options = CallOptions { idle: self.0.call_timeout, ..CallOptions::default() };
        ask(self.link(), options, Wish::Fresh).await
    }
}

/// Asks what the server is and speaks. What it says is kept, but never taken from the cache: a
/// connection is made with a server that is there.
pub(super) async fn discover(
    link: &Arc<Link>,
    limit: Duration,
) -> Result<DiscoverResult, CallError> {
    let options = CallOptions { total: Some(limit), ..CallOptions::default() };
    ask(link, options, Wish::Anew).await.map(Cached::into_owned)
}

async fn ask(
    link: &Arc<Link>,
    mut options: CallOptions,
    wish: Wish,
) -> Result<Cached<DiscoverResult>, CallError> {
    let fetch = async {
        let name = Discover::NAME;
        let result = link.request(name, &(), Mirrored::default(), &mut options).await?;
        let value = Discover::decode(&result)
            .map_err(|error| link.error(CallErrorKind::Undecodable(error), name))?;
        Ok(Fetched {
            bytes: result.len(),
            received: Instant::now(),
            hint: value.ttl_ms.map(|_| value.cache_hint()),
            // What is assumed of other results does not hold for what a server is.
            is_pure: value.ttl_ms.is_some(),
            value,
        })
    };
    link.cached(Subject::list(Discover::NAME), wish, |_| {}, fetch).await
}

/// A client of a server that answered.
pub(super) fn client(link: Arc<Link>, options: &ClientOptions, found: DiscoverResult) -> Client {
    let info = ServerInfo {
        era: link.era,
        // A modern link always has its version.
        protocol_version: link.version.clone().unwrap_or(ProtocolVersion::LATEST),
        implementation: found.implementation(),
        capabilities: found.capabilities,
        instructions: found.instructions,
    };
    // Servers may still have something to log, and those on stdio to say of subscriptions.
    let unsolicited = link.transport.unsolicited();
    Client::new(link, info, options, unsolicited)
}
