//! What servers say on their own account, as a stream: changes, log messages, notifications.
//!
//! An [`EventSink`] hears them from as many servers as one likes, an [`EventStream`] gives them to
//! one reader. Between the two is a buffer with a bound, and a stated policy for when it is full:
//!
//! - Changes of lists and resources wait for room. While they do, the watch that they come from
//!   gathers them and tells each once, so none is lost and memory stays bounded.
//! - Log messages and other notifications cannot wait, since whoever reads them from the wire also
//!   reads the answers to calls. The oldest or the newest of them is dropped, as
//!   [`Overflow`] says. Every event says how many were dropped before it.
//!
//! What a [`Filter`] does not want never takes room. To send something the other way, use
//! [`TypedResource::publish`](crate::resources::TypedResource::publish): MCP has no method for it
//! but tools.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use mcp_agent::streams::{EventKind, EventOptions, Filter, events};
//! use mcp_client::Client;
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let wanted = Filter::new().field("/level", ["error", "critical"]);
//! let (sink, stream) = events(EventOptions::default().filter(wanted));
//! let build = Client::stdio("build-server");
//! let client = sink.hear("build", build).connect().await?;
//!
//! let mut windows = std::pin::pin!(stream.windows(100, Duration::from_secs(60)));
//! while let Some(window) = windows.next().await {
//!     println!("{} faults, {} not heard", window.len(), window[0].lost_before);
//! }
//! # drop(client);
//! # Ok(())
//! # }
//! ```

mod buffer;
mod event;
mod filter;
mod follow;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use mcp_client::{ClientBuilder, ClientOptions};
use mcp_transport::Connect;

use self::buffer::Buffer;
pub use self::{
    event::{Event, EventKind},
    filter::Filter,
    follow::Watched,
};

/// What to drop when the buffer is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// What has waited longest: the reader sees what is new.
    #[default]
    DropOldest,
    /// What comes: the reader sees how it began.
    DropNewest,
}

/// How many events wait for their reader, and which.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct EventOptions {
    /// How many events wait at most; 1,000 by default, and at least one.
    pub capacity: usize,
    /// What to drop when more come.
    pub overflow: Overflow,
    /// What is wanted; everything by default.
    pub filter: Filter,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self { capacity: 1000, overflow: Overflow::default(), filter: Filter::new() }
    }
}

impl EventOptions {
    /// How many events wait at most.
    pub fn capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// What to drop when more come.
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// What is wanted.
    pub fn filter(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }
}

/// A buffer of events: the side that hears them, and the side that reads.
pub fn events(options: EventOptions) -> (EventSink, EventStream) {
    let buffer = Arc::new(Buffer::new(options));
    let sink = EventSink(Arc::new(Inlet(Arc::clone(&buffer))));
    (sink, EventStream { buffer, followed: tokio::task::JoinSet::new() })
}

/// Hears events for an [`EventStream`]. Cloning gives another handle; the stream ends when all of
/// them are gone, those included that clients and watches hold.
#[derive(Clone)]
pub struct EventSink(Arc<Inlet>);

/// The last one closes the buffer.
struct Inlet(Arc<Buffer>);

impl Drop for Inlet {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl EventSink {
    /// Puts an event into the buffer, or drops one as [`Overflow`] says. Never waits.
    pub fn push(&self, event: Event) {
        self.0.0.push(event);
    }

    /// Puts an event into the buffer as soon as there is room. Such an event is never dropped.
    ///
    /// # Cancel safety
    /// When the future is dropped the event is not in the buffer.
    pub async fn send(&self, event: Event) {
        self.0.0.send(event).await;
    }

    /// Hears the log messages and other notifications of a client that is to be connected, in place
    /// of whoever heard them before.
    pub fn hear<R: Connect>(
        &self,
        server: impl Into<String>,
        client: ClientBuilder<R>,
    ) -> ClientBuilder<R> {
        let server: Arc<str> = server.into().into();
        let (logs, others) = (self.clone(), self.clone());
        let name = Arc::clone(&server);
        client
            .on_log(move |message, _| logs.push(Event::log(&name, &message)))
            .on_notification(move |message, _| others.push(Event::notification(&server, &message)))
    }

    /// The same for all clients with these options, such as those of a hub. The servers are named
    /// by their command line or URL.
    pub fn hear_all(&self, options: &mut ClientOptions) {
        let (logs, others) = (self.clone(), self.clone());
        options.on_log(move |message, from| logs.push(Event::log(&from.endpoint, &message)));
        options.on_notification(move |message, from| {
            others.push(Event::notification(&from.endpoint, &message));
        });
    }
}

/// Events of servers, in the order in which they came. It ends when nothing more can come.
#[must_use = "a stream does nothing unless it is read"]
pub struct EventStream {
    buffer: Arc<Buffer>,
    /// Those who follow changes; they end with this value.
    followed: tokio::task::JoinSet<()>,
}

impl EventStream {
    /// How many events were dropped so far.
    pub fn lost(&self) -> u64 {
        self.buffer.lost()
    }

    /// Events in lots of so many, or as many as came within this time after the first of a lot.
    /// A lot is never empty; a count of zero is one.
    pub fn windows(self, count: usize, time: Duration) -> impl Stream<Item = Vec<Event>> {
        tokio_stream::StreamExt::chunks_timeout(self, count.max(1), time)
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.buffer.poll_next(cx)
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventSink").field(&self.0.0).finish()
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("buffer", &self.buffer)
            .field("followed", &self.followed.len())
            .finish()
    }
}
