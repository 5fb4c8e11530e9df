//! Revision 2026-07-28: no handshake; `server/discover` tells what the server is.

use std::{sync::Arc, time::Duration};

use mcp_protocol::{
    discover::{Discover, DiscoverResult},
    method::Method,
    version::ProtocolVersion,
};
use mcp_transport::transport::Mirrored;

use crate::{
    CallError, CallErrorKind, Client, ClientOptions, ServerInfo,
    link::{CallOptions, Link},
};

/// Asks what the server is and speaks.
pub(super) async fn discover(
    link: &Arc<Link>,
    limit: Duration,
) -> Result<DiscoverResult, CallError> {
    let mut options = CallOptions { total: Some(limit), ..CallOptions::default() };
    let name = Discover::NAME;
    let result = link.request(name, &(), Mirrored::default(), &mut options).await?;
    Discover::decode(&result).map_err(|error| link.error(CallErrorKind::Undecodable(error), name))
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
