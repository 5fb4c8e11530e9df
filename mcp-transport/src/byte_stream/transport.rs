//! Lines over any byte stream as a transport, with a task of its own.

use std::{
    future::poll_fn,
    io,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    runtime::Handle,
    task::{AbortHandle, JoinHandle},
    time::timeout,
};

use super::{Ended, LineReader};
use crate::{
    BoxFuture, ConnectError, DeliveryError, Exchange, OutgoingMessage, OutgoingRequest, Transport,
    Unsolicited,
    error::ClosedReason,
    routing::{Connection, End, RoutedReplies},
};

/// How long the server may take to end its side after this one was ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// How much is joined into one write.
const JOINED_BYTES: usize = 64 << 10;

/// One byte stream. Its task ends with it.
#[derive(Debug)]
pub(crate) struct LineTransport {
    connection: Arc<Connection>,
    task: Mutex<Option<JoinHandle<()>>>,
    abort: AbortHandle,
}

impl LineTransport {
    /// Takes over both directions of an open stream.
    pub(crate) fn start(
        input: impl AsyncRead + Unpin + Send + 'static,
        output: impl AsyncWrite + Unpin + Send + 'static,
        max_line_bytes: usize,
    ) -> Result<Self, ConnectError> {
        let runtime = Handle::try_current().map_err(|error| ConnectError::Spawn {
            program: "the task of a connection".to_owned(),
            source: io::Error::other(error),
        })?;
        let connection = Arc::new(Connection::popped());
        let carried = Arc::clone(&connection);
        let task = runtime.spawn(async move {
            let lines = LineReader::new(input, max_line_bytes);
            let end = carry(lines, output, &carried, max_line_bytes).await;
            finish(&carried, end);
        });
        let abort = task.abort_handle();
        Ok(Self { connection, task: Mutex::new(Some(task)), abort })
    }
}

/// Moves messages in both directions until the stream ends.
async fn carry(
    lines: LineReader<impl AsyncRead + Unpin>,
    output: impl AsyncWrite + Unpin,
    connection: &Connection,
    max_line_bytes: usize,
) -> End {
    let reading = read(lines, connection, max_line_bytes);
    let writing = write(output, connection);
    tokio::pin!(reading, writing);
    tokio::select! {
        end = &mut reading => end,
        written = &mut writing => match written {
            // This side has ended; the server's end comes last.
            Ok(_open) => timeout(FAREWELL, reading)
                .await
                .unwrap_or_else(|_| closed("the server did not end its side")),
            Err(error) => closed(format!("nothing can be sent: {error}")),
        },
    }
}

async fn read(
    mut lines: LineReader<impl AsyncRead + Unpin>,
    connection: &Connection,
    limit_bytes: usize,
) -> End {
    loop {
        match lines.next().await {
            Ok(line) => _ = connection.receive(&line),
            Err(Ended::Eof { rest }) => {
                connection.receive(&rest);
                let reason = connection.reason_so_far();
                let note = reason.note.unwrap_or_else(|| "the server has ended it".to_owned());
                return closed(note);
            }
            Err(Ended::TooLong) => return End::TooLarge { limit_bytes },
            Err(Ended::Failed(error)) => return closed(format!("it failed: {error}")),
        }
    }
}

/// Writes until nothing more will come, then ends this side and gives the stream back: some kinds
/// end both ways when they are dropped.
async fn write<W: AsyncWrite + Unpin>(mut output: W, connection: &Connection) -> io::Result<W> {
    let mut text = BytesMut::new();
    let pop = || poll_fn(|cx| connection.outbox.poll_pop(cx));
    while let Some(first) = pop().await {
        let mut next = Some(first);
        while let Some(body) = next {
            text.extend_from_slice(&body);
            text.extend_from_slice(b"\n");
            next = if text.len() < JOINED_BYTES { waiting(connection).await } else { None };
        }
        output.write_all(&text).await?;
        output.flush().await?;
        if text.len() > JOINED_BYTES {
            text = BytesMut::new();
        }
        text.clear();
    }
    output.shutdown().await?;
    Ok(output)
}

/// The next message, if there is one already.
async fn waiting(connection: &Connection) -> Option<Bytes> {
    poll_fn(|cx| match connection.outbox.poll_pop(cx) {
        Poll::Ready(body) => Poll::Ready(body),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn closed(note: impl Into<String>) -> End {
    End::Closed(ClosedReason { note: Some(note.into()), ..ClosedReason::default() })
}

fn finish(connection: &Connection, end: End) {
    connection.outbox.shut();
    connection.routes.end(end);
}

impl Transport for LineTransport {
    fn exchange(&self, request: OutgoingRequest) -> Exchange {
        Exchange::new(RoutedReplies::new(Arc::clone(&self.connection), request))
    }

    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(self.connection.send(message.body))
    }

    fn unsolicited(&self) -> Option<Unsolicited> {
        self.connection.unsolicited()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            finish(&self.connection, closed("it was closed from this side"));
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(task) = task {
                // The task ends by itself, or is ended below.
                let _ = timeout(2 * FAREWELL, task).await;
            }
            self.abort.abort();
        })
    }

    fn is_closed(&self) -> bool {
        self.connection.routes.is_over()
    }
}

impl Drop for LineTransport {
    fn drop(&mut self) {
        finish(&self.connection, closed("its owner let go of it"));
        self.abort.abort();
    }
}
