//! From a URL to an open WebSocket.

use std::time::Duration;

use http::{HeaderValue, Uri, header, uri::Scheme};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error,
        error::{ProtocolError, SubProtocolError},
        handshake::client::generate_key,
        protocol::WebSocketConfig as Limits,
    },
};

use crate::{
    DeliveryError,
    error::DeliveryErrorKind,
    http::{Refusals, Stream, Upgrade},
};

/// How long a server may take to agree.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// What one read asks for at most.
const READ_BYTES: usize = 32 << 10;

/// The subprotocol that servers of MCP agreed on.
const SUBPROTOCOL: HeaderValue = HeaderValue::from_static("mcp");

/// Opens a WebSocket; messages of the server above the limit of `way` will be refused.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub(super) async fn open(way: &Upgrade) -> Result<WebSocketStream<Stream>, DeliveryError> {
    let limits = Limits::default()
        .read_buffer_size(READ_BYTES)
        .max_message_size(Some(way.max_message_bytes))
        .max_frame_size(Some(way.max_message_bytes));
    let mut refusals = Refusals::default();
    let mut names_subprotocol = true;
    loop {
        let stream = way.dial().await?;
        let mut request = way.request(&mut refusals).await?;
        // Only the path is sent; the library wants to see a scheme of its own.
        let mut uri = request.uri().clone().into_parts();
        uri.scheme = Some(ws_scheme()?);
        *request.uri_mut() = Uri::from_parts(uri).map_err(|error| broken(error.into()))?;
        let headers = request.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let key = HeaderValue::try_from(generate_key()).map_err(|error| broken(error.into()))?;
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
        headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
        if names_subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        }
        let handshake = client_async_with_config(request, stream, Some(limits));
        let outcome = timeout(HANDSHAKE_LIMIT, handshake).await.map_err(|_| {
            let phase = "answer to the WebSocket handshake";
            DeliveryError::not_sent(DeliveryErrorKind::TimedOut { phase, after: HANDSHAKE_LIMIT })
        })?;
        match outcome {
            Ok((socket, response)) => {
                way.agreed(&response);
                return Ok(socket);
            }
            Err(Error::Http(response)) => way.refused(*response, &mut refusals).await?,
            // A server without subprotocols leaves it out, which is for the client to judge
            // (RFC 6455 section 4.1).
            Err(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
                SubProtocolError::NoSubProtocol,
            ))) if names_subprotocol => names_subprotocol = false,
            Err(error) => return Err(broken(error.into())),
        }
    }
}

fn ws_scheme() -> Result<Scheme, DeliveryError> {
    Scheme::try_from("ws").map_err(|error| broken(error.into()))
}

fn broken(error: crate::error::BoxError) -> DeliveryError {
    DeliveryError::not_sent(DeliveryErrorKind::Broken(error))
}
