//! The log, and who writes it: whoever has a line, as long as that takes no time, or else a thread
//! that may wait.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use super::{book::Book, record::Entry, scribe::Scribe};

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
    /// Whoever holds it writes.
    scribe: Arc<Mutex<Scribe>>,
    /// How many jobs the thread has not done yet: lines stay in order.
    left: Arc<AtomicUsize>,
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
        let scribe = Arc::new(Mutex::new(Scribe::new(book)));
        let trouble = Trouble::default();
        let left = Arc::new(AtomicUsize::new(0));
        let (of_thread, told, undone) =
            (Arc::clone(&scribe), Arc::clone(&trouble), Arc::clone(&left));
        let thread = thread::Builder::new().name("mcp-audit".to_owned()).spawn(move || {
            for job in work {
                let mut scribe = of_thread.lock().unwrap_or_else(PoisonError::into_inner);
                let (outcome, done) = match job {
                    Job::Record(entry, done) => (scribe.record(&entry), done),
                    Job::TryAgain(done) => (scribe.try_again(), Some(done)),
                };
                let outcome = note(&told, outcome);
                undone.fetch_sub(1, Ordering::Release);
                drop(scribe);
                if let Some(done) = done {
                    // Whoever waited is gone; the record is made all the same.
                    let _ = done.send(outcome);
                }
            }
        })?;
        let thread = Mutex::new(Some(thread));
        Ok(Self(Arc::new(Writer { path, scribe, left, jobs: Some(jobs), thread, trouble })))
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
        if let Some(outcome) = self.write_at_once(&entry) {
            return outcome;
        }
        self.ask(|done| Job::Record(Box::new(entry), Some(done))).await
    }

    /// Appends a line some time.
    pub(super) fn append_later(&self, entry: Entry) {
        self.send(Job::Record(Box::new(entry), None));
    }

    /// Appends a line here and now, if nobody else writes and nothing has to be waited for: two
    /// changes of threads for each call would cost more than all else that is done for it.
    fn write_at_once(&self, entry: &Entry) -> Option<Outcome> {
        if self.0.left.load(Ordering::Acquire) > 0 {
            return None;
        }
        let mut scribe = match self.0.scribe.try_lock() {
            Ok(scribe) => scribe,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let outcome = scribe.record_at_once(entry)?;
        Some(note(&self.0.trouble, outcome))
    }

    async fn ask(&self, job: impl FnOnce(oneshot::Sender<Outcome>) -> Job) -> Outcome {
        let (done, wait) = oneshot::channel();
        self.send(job(done));
        wait.await.unwrap_or_else(|_| Err(Arc::new(ended())))
    }

    fn send(&self, job: Job) {
        self.0.left.fetch_add(1, Ordering::Relaxed);
        let sent = self.0.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Arc::new(ended()));
        }
    }
}

/// Remembers whether lines can be written.
fn note(trouble: &Mutex<Option<Arc<io::Error>>>, outcome: io::Result<()>) -> Outcome {
    let outcome = outcome.map_err(Arc::new);
    let now = outcome.as_ref().err().cloned();
    let before =
        std::mem::replace(&mut *trouble.lock().unwrap_or_else(PoisonError::into_inner), now);
    match &outcome {
        Err(error) if before.is_none() => {
            tracing::error!(%error, "calls cannot be recorded, and none are made");
        }
        Ok(()) if before.is_some() => tracing::info!("calls are recorded again"),
        _ => {}
    }
    outcome
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
