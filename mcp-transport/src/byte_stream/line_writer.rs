//! Writes messages as lines to whatever takes bytes.

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use crate::routing::{Entry, Outbox, Outlet, Put, Shut, Written};

/// How many messages one system call writes at most.
const BATCH: usize = 32;

/// A byte stream that can be written without waiting: a pipe, a socket.
pub(crate) trait ByteSink: Send + Sync + fmt::Debug + 'static {
    /// Writes what fits; [`io::ErrorKind::WouldBlock`] when nothing does.
    fn try_write(&self, text: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Waits until something may fit.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The writing half of a line connection.
#[derive(Debug)]
pub(crate) struct LineWriter<S>(Arc<Mutex<Option<Arc<S>>>>);

impl<S> Clone for LineWriter<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: ByteSink> LineWriter<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self(Arc::new(Mutex::new(Some(Arc::new(sink)))))
    }

    /// Lets go of the stream, which the other side sees as its end. What is not written yet never
    /// will be.
    pub(crate) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn sink(&self) -> Option<Arc<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The writer task: writes what callers leave to it, until the outbox is shut and empty, or the
    /// stream is broken or closed.
    pub(crate) async fn run(self, outbox: &Outbox) {
        while let Ok(()) = poll_fn(|cx| outbox.poll_work(cx)).await {
            loop {
                let mut batch = outbox.take(BATCH);
                let (bytes, how) = match self.sink() {
                    Some(sink) => write::<{ 2 * BATCH }>(&*sink, &mut batch),
                    None => (0, Written::Broken),
                };
                if !outbox.written(bytes, batch.into_iter().filter(Entry::is_unfinished), how) {
                    break;
                }
                if how == Written::Blocked && self.wait_for_room().await.is_err() {
                    outbox.written(0, std::iter::empty(), Written::Broken);
                    return;
                }
            }
        }
    }

    async fn wait_for_room(&self) -> Result<(), Shut> {
        // The stream is not kept across the wait, so that `close` really closes it.
        poll_fn(|cx| match self.sink() {
            Some(sink) => sink.poll_writable(cx).map_err(|_| Shut),
            None => Poll::Ready(Err(Shut)),
        })
        .await
    }
}

impl<S: ByteSink> Outlet for LineWriter<S> {
    fn carry_out(&self, put: Put, outbox: &Outbox) {
        let Put::WriteNow(_, mut entry) = put else { return };
        let (bytes, how) = match self.sink() {
            Some(sink) => write::<2>(&*sink, std::slice::from_mut(&mut entry)),
            None => (0, Written::Broken),
        };
        outbox.written(bytes, Some(entry).filter(Entry::is_unfinished).into_iter(), how);
    }
}

/// Writes as much of the lines as fits, with one system call; each takes two of the `PIECES`.
fn write<const PIECES: usize>(sink: &impl ByteSink, lines: &mut [Entry]) -> (usize, Written) {
    let mut text = [IoSlice::new(&[]); PIECES];
    let mut given = 0;
    let (places, _) = text.as_chunks_mut::<2>();
    for (place, line) in places.iter_mut().zip(lines.iter()) {
        let rest = line.body.get(line.written..).unwrap_or_default();
        *place = [IoSlice::new(rest), IoSlice::new(b"\n")];
        given += line.line_len() - line.written;
    }
    let text = &text[..PIECES.min(2 * lines.len())];
    let result = loop {
        match sink.try_write(text) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    let written = match result {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (0, Written::Blocked),
        Err(error) => {
            tracing::debug!(%error, "cannot write to the server");
            return (0, Written::Broken);
        }
    };
    let mut left = written;
    for line in lines {
        let part = left.min(line.line_len() - line.written);
        line.written += part;
        left -= part;
    }
    (written, if written < given { Written::Blocked } else { Written::All })
}
