//! Revisions up to 2025-11-25: `initialize`, then `notifications/initialized`.

use std::{sync::Arc, time::Duration};

use mcp_protocol::{
    initialize::{Initialize, InitializeParams, Initialized},
    logging::{LoggingLevel, SetLevel, SetLevelParams},
    method::{Method, Notification},
    version::Era,
};
use mcp_transport::transport::{Binding, Mirrored};

use tokio::time::timeout;

use super::{Declared, Dialed, Opening, session::Sessions};
use crate::{
    CallErrorKind, Client, ConnectFailure, ServerInfo,
    link::{CallOptions, Link},
};

/// How long the opening waits for the stream of unasked messages. Some servers send its head only
/// with its first event.
const STREAM_LIMIT: Duration = Duration::from_secs(1);

pub(super) async fn connect(opening: &Opening, dialed: Dialed) -> Result<Client, ConnectFailure> {
    let options = &opening.options;
    let link = opening.link(&dialed, Era::Legacy, None, Declared::default(), None);
    let mut capabilities = options.handlers.legacy_capabilities();
    options.extensions.declare_legacy(&mut capabilities);
    let params = InitializeParams::new(capabilities, options.implementation.clone());
    let name = Initialize::NAME;
    let mut limits = CallOptions { total: Some(options.connect_timeout), ..CallOptions::default() };
    let result = link
        .request(name, &params, Mirrored::default(), &mut limits)
        .await
        .map_err(ConnectFailure::Handshake)?;
    let result = Initialize::decode(&result).map_err(|error| {
        ConnectFailure::Handshake(link.error(CallErrorKind::Undecodable(error), name))
    })?;

    let version = result.protocol_version;
    if !version.is_supported() || version.era() == Era::Modern {
        dialed.transport.close().await;
        return Err(ConnectFailure::NoCommonVersion {
            endpoint: Arc::clone(&opening.endpoint),
            supported: vec![version.as_str().to_owned()],
        });
    }
    let logs = result.capabilities.logging.is_some();
    let sessions = (opening.recipe.binding() == Binding::Http)
        .then(|| Box::new(Sessions::new(params, options.connect_timeout, logs)));
    let declared = Declared::default();
    let link = opening.link(&dialed, Era::Legacy, Some(version.clone()), declared, sessions);
    link.notify(Initialized::NAME, &()).await.map_err(ConnectFailure::Handshake)?;
    // A question that the server asks during the first call must find the stream open.
    let mut unsolicited = link.transport.unsolicited();
    if let Some(stream) = &mut unsolicited
        && timeout(STREAM_LIMIT, stream.ready()).await.is_err()
    {
        tracing::debug!(endpoint = %opening.endpoint, "the stream for unasked messages opens late");
    }
    if let Some(level) = options.log_level.clone()
        && logs
    {
        set_log_level(&link, level, options.connect_timeout).await;
    }
    let info = ServerInfo {
        era: Era::Legacy,
        protocol_version: version,
        implementation: Some(result.server_info),
        capabilities: result.capabilities,
        instructions: result.instructions,
    };
    Ok(Client::new(link, info, options, unsolicited))
}

/// A server that refuses is as good as before; its log messages are then what they are.
pub(super) async fn set_log_level(link: &Arc<Link>, level: LoggingLevel, limit: Duration) {
    let mut options = CallOptions { total: Some(limit), ..CallOptions::default() };
    let params = SetLevelParams::new(level);
    if let Err(error) =
        link.request_once(SetLevel::NAME, &params, Mirrored::default(), &mut options).await
    {
        tracing::warn!(endpoint = %link.endpoint, %error, "the level of log messages is not set");
    }
}
