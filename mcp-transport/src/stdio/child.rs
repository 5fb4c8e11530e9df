//! A server that runs as a child process.

use std::{
    fmt,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    os::fd::OwnedFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use mcp_protocol::{decode::snippet, jsonrpc::Message};
use tokio::{
    net::unix::pipe,
    runtime::Handle,
    sync::watch,
    task::{JoinError, JoinHandle},
    time::{Instant, timeout, timeout_at},
};

use super::{
    nursery::{Life, Newborn, Signals, Stage},
    stderr::Tail,
};
use crate::{
    BoxFuture, DeliveryError, Exchange, OutgoingMessage, OutgoingRequest, Transport, Unsolicited,
    byte_stream::{ByteSink, Ended, LineSource, LineWriter, Readable},
    error::ClosedReason,
    routing::{Connection, End, Inlet, Outbox, Reading, RoutedReplies},
};

/// How long the exit status and the last lines may lag behind the end of the output.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long the kernel may take to remove a killed process.
const REAPING: Duration = Duration::from_secs(1);

/// Bounds on what a server may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_line_bytes: usize,
    pub(super) shutdown_grace: Duration,
    pub(super) kill_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_line_bytes: 64 << 20,
            shutdown_grace: Duration::from_millis(500),
            kill_grace: Duration::from_millis(500),
        }
    }
}

/// A running server. Dropping it ends the server; [`close`](Transport::close) does so in order.
pub struct ChildProcess {
    connection: Arc<Connection>,
    writer: LineWriter<pipe::Sender>,
    life: Life,
    closing: Arc<AtomicBool>,
    stderr: Arc<Tail>,
    limits: Limits,
    /// Held for its drop.
    _supervisor: Task<()>,
}

impl ChildProcess {
    pub(super) fn start(newborn: Newborn, program: &str, limits: Limits) -> io::Result<Self> {
        let Newborn { stdin, stdout, stderr, life } = newborn;
        let stdin = pipe::Sender::from_owned_fd(OwnedFd::from(stdin))?;
        let stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout))?;
        let stderr = pipe::Receiver::from_owned_fd(OwnedFd::from(stderr))?;
        let writer = LineWriter::new(stdin);
        let reading = Arc::new(Reading::new(LineSource::new(stdout, limits.max_line_bytes)));
        let connection = Arc::new(Connection::new(
            Outbox::written_by_callers(),
            writer.clone(),
            Some(Arc::clone(&reading) as Arc<dyn Inlet>),
        ));
        let tail = Arc::new(Tail::default());
        let closing = Arc::new(AtomicBool::new(false));

        let supervision = Supervision {
            reader: Task::spawn(read(Output(reading), Arc::clone(&connection))),
            writer: Task::spawn({
                let (writer, connection) = (writer.clone(), Arc::clone(&connection));
                async move { writer.run(&connection.outbox).await }
            }),
            stderr: Task::spawn({
                let (tail, program) = (Arc::clone(&tail), program.to_owned());
                async move { tail.follow(stderr, &program).await }
            }),
            ending: Ending(Arc::clone(&connection)),
            tail: Arc::clone(&tail),
            stage: life.stage(),
            signals: life.signals().clone(),
            closing: Arc::clone(&closing),
            max_line_bytes: limits.max_line_bytes,
        };
        Ok(Self {
            connection,
            writer,
            life,
            closing,
            stderr: tail,
            limits,
            _supervisor: Task::spawn(supervision.run()),
        })
    }

    /// The process id of the child, which is also the id of its process group.
    pub fn pid(&self) -> u32 {
        self.life.pid()
    }

    async fn shut_down(&self) {
        self.closing.store(true, Ordering::Release);
        self.connection.routes.end(End::Closed(ClosedReason {
            stderr: self.stderr.lines(),
            note: Some("it was closed from this side".to_owned()),
            ..ClosedReason::default()
        }));
        self.connection.outbox.shut();
        let mut stage = self.life.stage();
        let deadline = Instant::now() + self.limits.shutdown_grace;
        // What was sent before may still go out, if the server reads. The output is read on.
        let flushed = poll_fn(|cx| self.connection.outbox.poll_flushed(cx));
        let _ = timeout_at(deadline, async {
            tokio::select! { () = flushed => {}, () = gone(&mut stage) => {} }
        })
        .await;
        self.writer.close();
        if timeout_at(deadline, gone(&mut stage)).await.is_ok() {
            return;
        }
        self.life.signals().terminate();
        if timeout(self.limits.kill_grace, gone(&mut stage)).await.is_ok() {
            return;
        }
        self.life.signals().kill();
        if timeout(REAPING, gone(&mut stage)).await.is_err() {
            tracing::warn!(pid = self.pid(), "the server does not end even by SIGKILL");
        }
    }
}

impl Transport for ChildProcess {
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
        Box::pin(self.shut_down())
    }

    fn is_closed(&self) -> bool {
        self.connection.routes.is_over()
    }

    fn stderr_tail(&self) -> Vec<String> {
        self.stderr.lines()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.connection.outbox.shut();
        self.writer.close();
        self.connection.routes.end(End::Closed(ClosedReason {
            stderr: self.stderr.lines(),
            note: Some("its owner let go of it".to_owned()),
            ..ClosedReason::default()
        }));
        // `life` sends the signals.
    }
}

impl fmt::Debug for ChildProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildProcess")
            .field("pid", &self.pid())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl ByteSink for pipe::Sender {
    fn try_write(&self, text: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(text)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }
}

impl Readable for pipe::Receiver {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }
}

/// The child's standard output. Closed when the reader task ends, however it does.
struct Output(Arc<Reading<LineSource<pipe::Receiver>>>);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The reader task: takes in lines until there are no more.
async fn read(output: Output, connection: Arc<Connection>) -> Option<Ended> {
    output.0.run(&connection).await.into_end()
}

/// Sees the connection end, finds out why, and tells everybody.
struct Supervision {
    reader: Task<Option<Ended>>,
    writer: Task<()>,
    stderr: Task<()>,
    ending: Ending,
    tail: Arc<Tail>,
    stage: watch::Receiver<Stage>,
    signals: Signals,
    closing: Arc<AtomicBool>,
    max_line_bytes: usize,
}

impl Supervision {
    async fn run(mut self) {
        let connection = Arc::clone(&self.ending.0);
        let mut exited = self.stage.clone();
        let mut read = None;
        tokio::select! {
            ended = &mut self.reader => read = Some(ended),
            () = exit(&mut exited) => {}
            // The server has closed its input, or the connection was shut from this side.
            _ = &mut self.writer => {}
        }
        connection.routes.set_over();
        connection.outbox.shut();
        if !matches!(read, Some(Ok(Some(Ended::TooLong)))) {
            // The other signs of the end follow closely, if they follow at all.
            let all = async {
                exit(&mut exited).await;
                if read.is_none() {
                    read = Some((&mut self.reader).await);
                }
                let _ = (&mut self.stderr).await;
            };
            let _ = timeout(LAST_WORDS, all).await;
        }
        match read {
            Some(Ok(Some(Ended::Eof { rest }))) => last_line(&connection, &rest),
            Some(Ok(Some(Ended::Failed(error)))) => {
                connection.note(format!("its output cannot be read: {error}"));
            }
            Some(Ok(Some(Ended::TooLong))) => {
                connection.routes.end(End::TooLarge { limit_bytes: self.max_line_bytes });
            }
            Some(Ok(None) | Err(_)) | None => {}
        }
        // The first end counts.
        connection.routes.end(End::Closed(self.reason(&connection)));
        if self.closing.load(Ordering::Acquire) {
            // Whoever closes sends the signals. Until then the output is read on, so that the
            // server is not kept from its end by a full pipe.
            gone(&mut self.stage).await;
        } else {
            self.signals.end();
        }
    }

    fn reason(&self, connection: &Connection) -> ClosedReason {
        let mut reason = connection.reason_so_far();
        reason.stderr = self.tail.lines();
        match *self.stage.borrow() {
            Stage::Running => {
                reason.note.get_or_insert_with(|| {
                    "the server closed its input or output, but has not exited".to_owned()
                });
            }
            Stage::Exited(status) | Stage::Gone(status) => {
                reason.exit = Some(status.map_or_else(
                    || "an unknown exit status".to_owned(),
                    |status| status.to_string(),
                ));
            }
        }
        reason
    }
}

/// A message whose line end never came, or the remains of one.
fn last_line(connection: &Connection, rest: &Bytes) {
    if rest.trim_ascii().is_empty() {
        return;
    }
    if Message::parse(rest).is_ok() {
        connection.receive(rest);
    } else {
        connection.note(format!("its output ended within a message: `{}`", snippet(rest)));
    }
}

async fn exit(stage: &mut watch::Receiver<Stage>) {
    // The sender goes only after the last stage.
    let _ = stage.wait_for(|stage| *stage != Stage::Running).await;
}

async fn gone(stage: &mut watch::Receiver<Stage>) {
    let _ = stage.wait_for(|stage| matches!(stage, Stage::Gone(_))).await;
}

/// Fails all requests when the supervision ends without having done so, because its runtime did.
struct Ending(Arc<Connection>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.outbox.shut();
        let note = "the runtime that drove the connection has ended".to_owned();
        self.0.routes.end(End::Closed(ClosedReason { note: Some(note), ..self.0.reason_so_far() }));
    }
}

/// A task that ends with its owner.
struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Handle::current().spawn(work))
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
