//! The file that the record is kept in.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use super::{
    record::{Entry, Link, split},
    verify::Line,
};

/// No line is longer.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// A file of JSON lines, each of which holds the hash of the one before it: a line that is changed,
/// left out or put in between shows ([`verify`](super::verify)). Cut off at the end it does not;
/// keep the last hash elsewhere for that.
///
/// Secrets are left out: members named such as `password` or `api_key`, and words that look like
/// well-known tokens. Processes may share a file.
#[derive(Clone)]
pub struct AuditLog(Arc<Writer>);

struct Writer {
    path: PathBuf,
    /// Taken when the log ends.
    jobs: Option<mpsc::Sender<Box<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    broken: Arc<Mutex<Option<Arc<io::Error>>>>,
}

struct Job {
    entry: Entry,
    done: Option<oneshot::Sender<Result<(), Arc<io::Error>>>>,
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
        let (jobs, work) = mpsc::channel::<Box<Job>>();
        let broken = Arc::new(Mutex::new(None::<Arc<io::Error>>));
        let trouble = Arc::clone(&broken);
        let thread = thread::Builder::new().name("mcp-audit".to_owned()).spawn(move || {
            for job in work {
                let Job { entry, done } = *job;
                let outcome = book.append(&entry).map_err(Arc::new);
                if let Err(error) = &outcome {
                    tracing::error!(%error, "a call could not be recorded");
                    *trouble.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(Arc::clone(error));
                }
                if let Some(done) = done {
                    // Whoever waited is gone; the record is made all the same.
                    let _ = done.send(outcome);
                }
            }
        })?;
        let thread = Mutex::new(Some(thread));
        Ok(Self(Arc::new(Writer { path, jobs: Some(jobs), thread, broken })))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Why nothing can be recorded any more.
    pub(super) fn broken(&self) -> Option<Arc<io::Error>> {
        self.0.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Appends a line, and returns when the system has it.
    pub(super) async fn append(&self, entry: Entry) -> Result<(), Arc<io::Error>> {
        let (done, wait) = oneshot::channel();
        self.send(Job { entry, done: Some(done) });
        wait.await.unwrap_or_else(|_| Err(Arc::new(ended())))
    }

    /// Appends a line some time.
    pub(super) fn append_later(&self, entry: Entry) {
        self.send(Job { entry, done: None });
    }

    fn send(&self, job: Job) {
        let sent = self.0.jobs.as_ref().is_some_and(|jobs| jobs.send(Box::new(job)).is_ok());
        if !sent {
            *self.0.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(ended()));
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

/// The open file, and where the chain stands.
struct Book {
    file: File,
    /// As far as the chain is known.
    length: u64,
    last: Link,
}

impl Book {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        Ok(Self { file: options.open(path)?, length: 0, last: Link::default() })
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.file.lock()?;
        let written = self.append_locked(entry);
        let unlocked = self.file.unlock();
        written.and(unlocked)
    }

    fn append_locked(&mut self, entry: &Entry) -> io::Result<()> {
        self.read_last()?;
        let (mut line, last) = self.last.line(entry)?;
        line.push('\n');
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Half a line would be taken for tampering. If it cannot be removed either, that is so.
            return Err(self.file.set_len(self.length).err().unwrap_or(error));
        }
        self.length += line.len() as u64;
        self.last = last;
        Ok(())
    }

    fn catch_up(&mut self) -> io::Result<()> {
        self.file.lock()?;
        let read = self.read_last();
        let unlocked = self.file.unlock();
        read.and(unlocked)
    }

    /// Finds where the chain stands, if another process went on with it.
    fn read_last(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length == self.length {
            return Ok(());
        }
        let start = length.saturating_sub(MAX_LINE_BYTES);
        self.file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        (&self.file).take(MAX_LINE_BYTES).read_to_end(&mut tail)?;
        self.last = if length == 0 {
            Link::default()
        } else {
            last_link(&tail).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "its last line is not that of an audit record; begin a new file",
                )
            })?
        };
        self.length = length;
        Ok(())
    }
}

fn last_link(tail: &[u8]) -> Option<Link> {
    let text = std::str::from_utf8(tail.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()?);
    let line = text.ok()?;
    let Line { number, .. } = serde_json::from_str(line).ok()?;
    let (_, hash) = split(line)?;
    Some(Link { number, hash: hash.to_owned() })
}
