//! The next connection of a listener, whatever becomes of those that fail on the way.

use std::{io, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// How long to wait when the system has no more sockets.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Waits for the next connection, which sends small packets at once. A client that has gone
/// already is passed over, and a system that is short of something is given time.
///
/// # Errors
/// The listener itself failed.
///
/// # Cancel safety
/// Dropping the future loses no connection.
pub async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "small packets may be late");
                }
                return Ok(stream);
            }
            Err(error) if is_passing(&error) => {
                tracing::warn!(%error, "cannot accept a connection now");
                sleep(EXHAUSTED).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the listener itself is well: the client has gone already, or the system is short of
/// something.
fn is_passing(error: &io::Error) -> bool {
    // ENFILE and EMFILE have no kind of their own.
    matches!(error.raw_os_error(), Some(23 | 24))
        || matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
                | io::ErrorKind::OutOfMemory
        )
}
