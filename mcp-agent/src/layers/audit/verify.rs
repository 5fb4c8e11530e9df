//! Whether a record is as it was written.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use serde::Deserialize;

use super::record::{GAP, Link, hash, split};

/// A record is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many lines it has.
    pub lines: u64,
    /// How many of them say that lines are missing, since none could be written.
    pub gaps: u64,
    /// How many calls were made without a line, since none could be written.
    pub unrecorded: u64,
    /// The hash of the last one. Kept elsewhere, it shows later that nothing was cut off.
    pub last_hash: String,
}

/// A record is not as it was written, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file cannot be read.
    #[error("the record cannot be read")]
    Read(#[from] io::Error),
    /// A line is no line of a record.
    #[error("line {line} is not one of a record")]
    Malformed {
        /// Counted from 1.
        line: u64,
    },
    /// A line does not have the hash that it claims: it was changed.
    #[error("line {line} was changed after it was written")]
    Changed {
        /// Counted from 1.
        line: u64,
    },
    /// The hash that was kept is that of no line: the end was cut off, or all was written anew.
    #[error("no line has the hash that was kept: the end is missing, or all was written anew")]
    CutOff,
    /// A line does not go on where the one before ended: lines were taken out, put in or moved.
    #[error("line {line} does not follow the one before it: lines are missing, new or moved")]
    Torn {
        /// Counted from 1.
        line: u64,
    },
}

#[derive(Deserialize)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) previous: String,
    #[serde(default)]
    outcome: String,
    /// Of a gap.
    #[serde(default)]
    unrecorded: u64,
}

/// Reads a record from its beginning and checks that each line is as it was written and follows
/// the one before it.
///
/// ```
/// # fn example() -> Result<(), mcp_agent::layers::audit::AuditError> {
/// let verified = mcp_agent::layers::audit::verify("audit.jsonl".as_ref())?;
/// println!("{} calls, last hash {}", verified.lines, verified.last_hash);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// It is not as it was written, or cannot be read. The first such line is named.
pub fn verify(path: &Path) -> Result<Verified, AuditError> {
    read(path, None)
}

/// [`verify`], and that a line still has a hash that was kept elsewhere. Whoever can write the file
/// can cut off its end or write all of it anew, and only this shows it.
///
/// # Errors
/// As [`verify`], and if no line has that hash.
pub fn verify_since(path: &Path, kept_hash: &str) -> Result<Verified, AuditError> {
    read(path, Some(kept_hash))
}

fn read(path: &Path, kept_hash: Option<&str>) -> Result<Verified, AuditError> {
    let mut is_missing = kept_hash.is_some();
    let mut last = Link::default();
    let (mut count, mut gaps, mut missing) = (0, 0, 0);
    for text in BufReader::new(File::open(path)?).lines() {
        let text = text?;
        count += 1;
        let line = count;
        let Ok(Line { number, previous, outcome, unrecorded }) = serde_json::from_str(&text) else {
            return Err(AuditError::Malformed { line });
        };
        let Some((covered, claimed)) = split(&text) else {
            return Err(AuditError::Malformed { line });
        };
        if hash(&covered) != claimed {
            return Err(AuditError::Changed { line });
        }
        if number != last.number + 1 || previous != last.hash {
            return Err(AuditError::Torn { line });
        }
        if outcome == GAP {
            gaps += 1;
            missing += unrecorded;
        }
        is_missing &= kept_hash != Some(claimed);
        last = Link { number, hash: claimed.to_owned() };
    }
    if is_missing {
        return Err(AuditError::CutOff);
    }
    Ok(Verified { lines: count, gaps, unrecorded: missing, last_hash: last.hash })
}
