//! Serving over standard input and output, over any other byte stream, and in memory.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use super::{Service, session::Session};
use crate::{
    byte_stream::{Ended, LineReader},
    memory::MemoryPeer,
};

/// The longest message that is read.
const MAX_LINE_BYTES: usize = 64 << 20;

/// How many messages are joined into one write.
const JOINED_MESSAGES: usize = 64;

/// Serves over this process's standard input and output until the input ends.
///
/// # Errors
/// Input or output failed, or a message was too long.
pub async fn stdio(service: impl Service) -> io::Result<()> {
    lines(tokio::io::stdin(), tokio::io::stdout(), service).await
}

/// Serves over a byte stream, one message per line, until the input ends. Requests that are then
/// still running get a moment to finish.
///
/// # Errors
/// Input or output failed, or a message was too long.
pub async fn lines(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    service: impl Service,
) -> io::Result<()> {
    let (session, messages) = Session::new(Arc::new(service));
    let writing = write(output, messages);
    let reading = read(LineReader::new(input, MAX_LINE_BYTES), session);
    tokio::pin!(writing, reading);
    tokio::select! {
        // The output ends only when it fails: the session holds the other end of its queue.
        written = &mut writing => written,
        read = &mut reading => {
            // The session is gone, so what is queued is all there will be.
            writing.await?;
            read
        }
    }
}

async fn read(
    mut input: LineReader<impl AsyncRead + Unpin>,
    mut session: Session,
) -> io::Result<()> {
    let ended = loop {
        tokio::select! {
            line = input.next() => match line {
                Ok(line) => session.receive(&line).await,
                Err(ended) => break ended,
            },
            finished = session.next_finished() => session.finished(finished).await,
        }
    };
    let result = match ended {
        Ended::Eof { rest } => {
            session.receive(&rest).await;
            Ok(())
        }
        Ended::TooLong => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message of the client exceeds {MAX_LINE_BYTES} bytes"),
        )),
        Ended::Failed(error) => Err(error),
    };
    session.finish().await;
    result
}

async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut messages: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(JOINED_MESSAGES);
    let mut text = BytesMut::new();
    while messages.recv_many(&mut batch, JOINED_MESSAGES).await > 0 {
        for message in batch.drain(..) {
            text.extend_from_slice(&message);
            text.extend_from_slice(b"\n");
        }
        output.write_all(&text).await?;
        output.flush().await?;
        text.clear();
    }
    Ok(())
}

/// Serves the other end of an in-memory transport until the client closes it.
pub async fn in_memory(mut peer: MemoryPeer, service: Arc<dyn Service>) {
    let (mut session, mut messages) = Session::new(service);
    let client = peer.client();
    let reading = async {
        loop {
            tokio::select! {
                text = peer.recv_text() => match text {
                    Some(text) => session.receive(&text).await,
                    None => break,
                },
                finished = session.next_finished() => session.finished(finished).await,
            }
        }
    };
    // Side by side, since taking in a message may have to wait for an answer to be sent.
    tokio::select! {
        () = reading => {}
        () = async { while let Some(message) = messages.recv().await { client.receive(&message); } } => {}
    }
}
