//! Lines over any byte stream as a transport, with a task of its own.

use std::{io, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{Ended, LineReader};
use crate::{
    ConnectError,
    routing::{Carried, Connection, End},
};

/// How long the server may take to end its side after this one was ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// How much is joined into one write.
const JOINED_BYTES: usize = 64 << 10;

/// Takes over both directions of an open stream.
pub(crate) fn lines(
    input: impl AsyncRead + Unpin + Send + 'static,
    output: impl AsyncWrite + Unpin + Send + 'static,
    max_line_bytes: usize,
) -> Result<Carried, ConnectError> {
    Carried::start("a connection", FAREWELL, |connection| async move {
        let lines = LineReader::new(input, max_line_bytes);
        carry(lines, output, &connection, max_line_bytes).await
    })
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
                .unwrap_or_else(|_| End::closed("the server did not end its side")),
            Err(error) => End::closed(format!("nothing can be sent: {error}")),
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
                return End::closed(note);
            }
            Err(Ended::TooLong) => return End::TooLarge { limit_bytes },
            Err(Ended::Failed(error)) => return End::closed(format!("it failed: {error}")),
        }
    }
}

/// Writes until nothing more will come, then ends this side and gives the stream back: some kinds
/// end both ways when they are dropped.
async fn write<W: AsyncWrite + Unpin>(mut output: W, connection: &Connection) -> io::Result<W> {
    let mut text = BytesMut::new();
    while let Some(first) = connection.outbox.pop().await {
        let mut next = Some(first);
        while let Some(body) = next {
            text.extend_from_slice(&body);
            text.extend_from_slice(b"\n");
            next = if text.len() < JOINED_BYTES { connection.outbox.pop_waiting() } else { None };
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
