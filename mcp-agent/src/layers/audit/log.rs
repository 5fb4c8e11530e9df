//! The log, and the thread that writes it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use super::{
    book::Book,
    record::{Entry, Gap},
};

/// A file of JSON lines, each of which holds the hash of the one before it: a line that is changed,
/// left out or put in between shows ([`verify`](super::verify)). Cut off at the end it does not;
/// keep the last hash elsewhere for that.
///
/// While nothing can be written, such as on a full disk, no call is made. The first line that can be
/// written again says how many calls have none, and calls go on.
///
/// Secrets are left out: members named such as `password` or `api_key`, and words that look like
/// well-known tokens. Processes may share a file.
#[derive(Clone)]
pub struct AuditLog(Arc<Writer>);

type Outcome = Result<(), Arc<io::Error>>;
/// Why nothing can be written at the moment.
type Trouble = Arc<Mutex<Option<Arc<io::Error>>>>;

struct Writer {
    path: PathBuf,
    /// Taken when the log ends.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    trouble: Trouble,
}

enum Job {
    /// A line about a call; somebody may wait for it.
    Record(Box<Entry>, Option<oneshot::Sender<Outcome>>),
    /// To see whether lines can be written again, before a call is made.
    TryAgain(oneshot::Sender<Outcome>),
}

impl AuditLog {
    /// Opens a file to append to it, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// It cannot be opened, or its last line is not that of a record.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut book = Book::open(&path)?;
        book.catch_up()?;
        let (jobs, work) = mpsc::channel::<Job>();
        let trouble = Trouble::default();
        let told = Arc::clone(&trouble);
        let thread = thread::Builder::new().name("mcp-audit".to_owned()).spawn(move || {
            let mut scribe = Scribe { book, gap: None };
            for job in work {
                let (outcome, done) = match job {
                    Job::Record(entry, done) => (scribe.record(&entry), done),
                    Job::TryAgain(done) => (scribe.try_again(), Some(done)),
                };
                let outcome = outcome.map_err(Arc::new);
                let now = outcome.as_ref().err().cloned();
                let before = std::mem::replace(
                    &mut *told.lock().unwrap_or_else(PoisonError::into_inner),
                    now,
                );
                match &outcome {
                    Err(error) if before.is_none() => {
                        tracing::error!(%error, "calls cannot be recorded, and none are made");
                    }
                    Ok(()) if before.is_some() => tracing::info!("calls are recorded again"),
                    _ => {}
                }
                if let Some(done) = done {
                    // Whoever waited is gone; the record is made all the same.
                    let _ = done.send(outcome);
                }
            }
        })?;
        let thread = Mutex::new(Some(thread));
        Ok(Self(Arc::new(Writer { path, jobs: Some(jobs), thread, trouble })))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Makes sure that what comes can be recorded, as far as is known before.
    pub(super) async fn is_writable(&self) -> Outcome {
        let trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if trouble { self.ask(Job::TryAgain).await } else { Ok(()) }
    }

    /// Appends a line, and returns when the system has it.
    pub(super) async fn append(&self, entry: Entry) -> Outcome {
        self.ask(|done| Job::Record(Box::new(entry), Some(done))).await
    }

    /// Appends a line some time.
    pub(super) fn append_later(&self, entry: Entry) {
        self.send(Job::Record(Box::new(entry), None));
    }

    async fn ask(&self, job: impl FnOnce(oneshot::Sender<Outcome>) -> Job) -> Outcome {
        let (done, wait) = oneshot::channel();
        self.send(job(done));
        wait.await.unwrap_or_else(|_| Err(Arc::new(ended())))
    }

    fn send(&self, job: Job) {
        let sent = self.0.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Arc::new(ended()));
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that writes the record has ended")
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What was handed over is written before the program goes on.
        self.jobs = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the record panicked");
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuditLog").field(&self.0.path).finish()
    }
}

/// Writes the book, and keeps count of what could not be written.
struct Scribe {
    book: Book,
    gap: Option<Gap>,
}

impl Scribe {
    fn record(&mut self, entry: &Entry) -> io::Result<()> {
        let written = self.close_gap().and_then(|()| self.book.append(entry));
        written.inspect_err(|error| self.gap(error).unrecorded += 1)
    }

    fn try_again(&mut self) -> io::Result<()> {
        self.close_gap().inspect_err(|error| self.gap(error).not_made += 1)
    }

    fn gap(&mut self, error: &io::Error) -> &mut Gap {
        self.gap.get_or_insert_with(|| Gap::because(error))
    }

    /// Says how many calls have no line, before anything else is written.
    fn close_gap(&mut self) -> io::Result<()> {
        let Some(gap) = &mut self.gap else { return Ok(()) };
        self.book.mend()?;
        gap.ends_now();
        self.book.append(gap)?;
        self.gap = None;
        Ok(())
    }
}
