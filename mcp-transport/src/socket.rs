//! Unix and TCP sockets: one message per line, as over the standard streams of a child process.
//!
//! Nothing is encrypted and nobody proves who they are. A Unix socket is guarded by the rights of its
//! file; a TCP port should be reachable by friends only.
//!
//! ```no_run
//! use mcp_transport::{Connect as _, socket::SocketConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = SocketConfig::unix("/run/notes.sock").connect().await?;
//! # Ok(())
//! # }
//! ```

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    BoxFuture, Connect, ConnectError, DeliveryError, Transport,
    byte_stream::lines,
    error::{BoxError, DeliveryErrorKind},
    http::{Reach, dial_tcp},
    routing::Carried,
    transport::Binding,
};

/// A socket that a server listens on.
///
/// There is one connection, opened by [`Connect::connect`]. When it ends, the transport is over at
/// once; a new one must be opened.
#[derive(Clone, Debug)]
#[must_use]
pub struct SocketConfig {
    place: Place,
    connect_timeout: Option<Duration>,
    max_message_bytes: usize,
    reach: Reach,
}

#[derive(Clone, Debug)]
enum Place {
    #[cfg(unix)]
    Unix(PathBuf),
    Tcp {
        host: String,
        port: u16,
    },
}

impl SocketConfig {
    /// A Unix socket.
    #[cfg(unix)]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Place::Unix(path.into()))
    }

    /// A TCP port of a host, given by name or number.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::new(Place::Tcp { host: host.into(), port })
    }

    fn new(place: Place) -> Self {
        let connect_timeout = Some(Duration::from_secs(10));
        Self { place, connect_timeout, max_message_bytes: 64 << 20, reach: Reach::Anywhere }
    }

    /// How long connecting may take. Default: 10 s.
    pub fn connect_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.connect_timeout = limit.into();
        self
    }

    /// The largest message that is accepted. Default: 64 MiB.
    pub fn max_message_bytes(mut self, limit: usize) -> Self {
        self.max_message_bytes = limit;
        self
    }

    /// Connects only to these addresses. A Unix socket is on this machine, so only
    /// [`Reach::Anywhere`] leads to it.
    pub fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    async fn open(&self) -> Result<Carried, ConnectError> {
        let limit = self.max_message_bytes;
        match &self.place {
            #[cfg(unix)]
            Place::Unix(path) => {
                if self.reach != Reach::Anywhere {
                    let source = "a socket on this machine is out of reach".into();
                    let address = self.endpoint();
                    return Err(failed(DeliveryErrorKind::Unreachable { address, source }));
                }
                let stream = self.within(tokio::net::UnixStream::connect(path)).await?;
                let (input, output) = stream.into_split();
                lines(input, output, limit)
            }
            Place::Tcp { host, port } => {
                let stream = self.within(dial_tcp(host, *port, self.reach)).await?;
                let (input, output) = stream.into_split();
                lines(input, output, limit)
            }
        }
    }

    async fn within<T, E: Into<BoxError>>(
        &self,
        connecting: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ConnectError> {
        let outcome = match self.connect_timeout {
            None => connecting.await,
            Some(after) => timeout(after, connecting)
                .await
                .map_err(|_| failed(DeliveryErrorKind::TimedOut { phase: "connection", after }))?,
        };
        outcome.map_err(|error| {
            let address = self.endpoint();
            failed(DeliveryErrorKind::Unreachable { address, source: error.into() })
        })
    }
}

fn failed(kind: DeliveryErrorKind) -> ConnectError {
    ConnectError::Failed(DeliveryError::not_sent(kind))
}

impl Connect for SocketConfig {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        Box::pin(async { Ok(Arc::new(self.open().await?) as Arc<dyn Transport>) })
    }

    fn endpoint(&self) -> String {
        match &self.place {
            #[cfg(unix)]
            Place::Unix(path) => format!("unix://{}", path.display()),
            Place::Tcp { host, port } if host.contains(':') => format!("tcp://[{host}]:{port}"),
            Place::Tcp { host, port } => format!("tcp://{host}:{port}"),
        }
    }

    fn binding(&self) -> Binding {
        Binding::Socket
    }
}

#[cfg(test)]
mod tests;
