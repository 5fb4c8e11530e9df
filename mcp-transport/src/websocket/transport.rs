//! An open WebSocket as a transport.

use std::{
    future::pending,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    Sink, SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, Utf8Bytes, error::ProtocolError},
};

use crate::{
    ConnectError,
    http::Stream as Bytestream,
    routing::{Carried, Connection, End},
};

/// How long the two sides may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<Bytestream>;

/// Takes over an open WebSocket.
pub(super) fn carried(
    socket: Socket,
    ping_every: Option<Duration>,
    max_message_bytes: usize,
) -> Result<Carried, ConnectError> {
    Carried::start("a WebSocket", FAREWELL, |connection| async move {
        carry(socket, &connection, ping_every, max_message_bytes).await
    })
}

/// Moves messages in both directions until the connection ends.
async fn carry(
    socket: Socket,
    connection: &Connection,
    ping_every: Option<Duration>,
    max_message_bytes: usize,
) -> End {
    let (sink, stream) = socket.split();
    let pulse = Pulse { heard: AtomicBool::new(true), due: Notify::new() };
    let reading = read(stream, connection, &pulse, max_message_bytes);
    let writing = write(sink, connection, &pulse);
    tokio::pin!(reading, writing);
    tokio::select! {
        end = &mut reading => end,
        end = pulse.watch(ping_every) => end,
        end = &mut writing => match end {
            Some(end) => end,
            // The farewell is sent; the server's comes last.
            None => timeout(FAREWELL, reading)
                .await
                .unwrap_or_else(|_| End::closed("the server did not say goodbye")),
        },
    }
}

/// Whether the server is alive.
struct Pulse {
    /// Whether it was heard since the last question.
    heard: AtomicBool,
    /// Told when it is to be asked.
    due: Notify,
}

impl Pulse {
    /// Has the server asked every now and then; ends when it does not answer. Apart from the
    /// writing, which such a server may hold up for ever.
    async fn watch(&self, every: Option<Duration>) -> End {
        let Some(every) = every else { return pending().await };
        loop {
            sleep(every).await;
            if !self.heard.swap(false, Ordering::Relaxed) {
                return End::closed("the server does not answer a ping");
            }
            self.due.notify_one();
        }
    }
}

async fn read(
    mut stream: SplitStream<Socket>,
    connection: &Connection,
    pulse: &Pulse,
    max_message_bytes: usize,
) -> End {
    while let Some(message) = stream.next().await {
        pulse.heard.store(true, Ordering::Relaxed);
        match message {
            Ok(Message::Text(text)) => _ = connection.receive(&Bytes::from(text)),
            // Some servers do not tell the two kinds apart.
            Ok(Message::Binary(text)) => _ = connection.receive(&text),
            Ok(Message::Close(frame)) => {
                connection.routes.set_over();
                // Reading on answers the goodbye. Then it is the server's turn to hang up.
                let _ = timeout(FAREWELL, stream.next()).await;
                let words = frame.map(|frame| format!(": {} {}", frame.code, frame.reason));
                let words = words.unwrap_or_default();
                return End::closed(format!("the server closed the WebSocket{}", words.trim_end()));
            }
            // Pings are answered by the stream itself.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Err(Error::Capacity(_)) => return End::TooLarge { limit_bytes: max_message_bytes },
            Err(error) => return End::closed(format!("the WebSocket failed: {error}")),
        }
    }
    End::closed("the server closed the WebSocket")
}

/// Gives `None` when all is written and the farewell sent.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    connection: &Connection,
    pulse: &Pulse,
) -> Option<End> {
    let failed = |error: Error| End::closed(format!("the WebSocket failed: {error}"));
    loop {
        let outcome = tokio::select! {
            body = connection.outbox.pop() => match body {
                Some(body) => write_waiting(&mut sink, connection, body).await,
                None => return sink.close().await.err().map(failed),
            },
            () = pulse.due.notified() => sink.send(Message::Ping(Bytes::new())).await,
        };
        match outcome {
            Ok(()) => {}
            // The server has said goodbye, and why: that is how the connection ends.
            Err(Error::Protocol(ProtocolError::SendAfterClosing)) => pending().await,
            Err(error) => return Some(failed(error)),
        }
    }
}

/// Writes a message and those that wait behind it, then flushes once.
async fn write_waiting<S>(sink: &mut S, connection: &Connection, body: Bytes) -> Result<(), Error>
where
    S: Sink<Message, Error = Error> + Unpin,
{
    sink.feed(text(body)?).await?;
    while let Some(body) = connection.outbox.pop_waiting() {
        sink.feed(text(body)?).await?;
    }
    sink.flush().await
}

fn text(body: Bytes) -> Result<Message, Error> {
    Utf8Bytes::try_from(body).map(Message::Text).map_err(|error| Error::Utf8(error.to_string()))
}
