//! The file that the record is kept in.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    record::{Link, split},
    verify::Line,
};

/// How much of the end is read at first.
const FIRST_LOOK_BYTES: u64 = 64 << 10;
/// More than a line takes.
const ROOM_BYTES: usize = 512 << 10;
/// No line is longer; those that are written here are far shorter.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// The open file, and where the chain stands.
#[derive(Debug)]
pub(super) struct Book {
    path: PathBuf,
    file: File,
    /// As far as the chain is known.
    length: u64,
    last: Link,
    /// Where the file has to be cut off, after half a line was written.
    torn_at: Option<u64>,
    /// Whether writing to it waits for nobody else.
    is_at_hand: bool,
}

impl Book {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = options.open(path)?;
        let (path, last, is_at_hand) = (path.to_owned(), Link::default(), is_at_hand(&file));
        Ok(Self { path, file, length: 0, last, torn_at: None, is_at_hand })
    }

    /// Appends a line.
    pub(super) fn append(&mut self, what: &impl Serialize) -> io::Result<()> {
        self.locked(|book| book.append_locked(what))
    }

    /// Appends a line if nothing has to be waited for: another process, or a machine that has the
    /// file. `None` otherwise.
    pub(super) fn append_at_once(&mut self, what: &impl Serialize) -> Option<io::Result<()>> {
        if !self.is_at_hand {
            return None;
        }
        match self.file.try_lock() {
            Ok(()) => Some(self.while_locked(|book| book.append_locked(what))),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(error)) => Some(Err(error)),
        }
    }

    /// Finds where the chain stands, if another process went on with it.
    pub(super) fn catch_up(&mut self) -> io::Result<()> {
        self.locked(Self::read_last)
    }

    /// Makes good what a failure left behind: half a line is taken away, and otherwise the file is
    /// opened anew, since its volume may have gone and come back.
    pub(super) fn mend(&mut self) -> io::Result<()> {
        if let Some(length) = self.torn_at {
            self.locked(|book| book.file.set_len(length))?;
            self.torn_at = None;
        } else {
            *self = Self::open(&self.path)?;
        }
        self.see_room()?;
        self.catch_up()
    }

    /// That there is room for any line: a short one may fit where the next one does not. Where no
    /// file can be made beside this one, nobody knows before.
    fn see_room(&self) -> io::Result<()> {
        let mut place = self.path.clone().into_os_string();
        place.push(format!(".room-{}", std::process::id()));
        let Ok(mut room) = File::create_new(&place) else { return Ok(()) };
        let written = room.write_all(&vec![0; ROOM_BYTES]).and_then(|()| room.sync_data());
        let removed = fs::remove_file(&place);
        written.and(removed)
    }

    fn locked(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.file.lock()?;
        self.while_locked(work)
    }

    fn while_locked(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let done = work(self);
        let unlocked = self.file.unlock();
        done.and(unlocked)
    }

    fn append_locked(&mut self, what: &impl Serialize) -> io::Result<()> {
        self.read_last()?;
        let (mut line, last) = self.last.line(what)?;
        line.push('\n');
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Half a line would be taken for tampering.
            if self.file.metadata()?.len() > self.length && self.file.set_len(self.length).is_err()
            {
                self.torn_at = Some(self.length);
            }
            return Err(error);
        }
        self.length += line.len() as u64;
        self.last = last;
        Ok(())
    }

    fn read_last(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length == self.length {
            return Ok(());
        }
        self.last = if length == 0 {
            Link::default()
        } else {
            let line = last_line(&mut self.file, length)?;
            line.as_deref().and_then(link_of).ok_or_else(|| {
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

/// Whether a file is one of a file system of this machine. A pipe waits for its reader, and a file
/// that is elsewhere for its network.
#[cfg(target_os = "linux")]
fn is_at_hand(file: &File) -> bool {
    // btrfs, ext2 to ext4, f2fs, overlay, tmpfs, xfs, zfs: as statfs(2) lists them.
    const LOCAL: [i64; 7] =
        [0x9123_683E, 0xEF53, 0xF2F5_2010, 0x794C_7630, 0x0102_1994, 0x5846_5342, 0x2FC1_2FC1];
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    #[expect(clippy::useless_conversion, reason = "it is another number on other machines")]
    let system = rustix::fs::fstatfs(file).map(|system| i64::from(system.f_type));
    is_file && system.is_ok_and(|system| LOCAL.contains(&system))
}

#[cfg(not(target_os = "linux"))]
fn is_at_hand(_: &File) -> bool {
    false
}

/// The last line, without its end; `None` if it has none, or is far too long.
fn last_line(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<Vec<u8>>> {
    let mut window = FIRST_LOOK_BYTES;
    loop {
        let start = length.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(length - start).read_to_end(&mut tail)?;
        let Some(tail) = tail.strip_suffix(b"\n") else { return Ok(None) };
        match tail.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => return Ok(Some(tail[end + 1..].to_vec())),
            None if start == 0 => return Ok(Some(tail.to_vec())),
            None if window >= MAX_LINE_BYTES => return Ok(None),
            None => window *= 8,
        }
    }
}

fn link_of(line: &[u8]) -> Option<Link> {
    let line = std::str::from_utf8(line).ok()?;
    let Line { number, .. } = serde_json::from_str(line).ok()?;
    let (_, hash) = split(line)?;
    Some(Link { number, hash: hash.to_owned() })
}
