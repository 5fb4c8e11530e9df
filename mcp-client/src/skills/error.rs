//! Why a skill, or a file of it, must not be used.

use crate::CallError;

/// Why a skill, or a file of it, must not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SkillError {
    /// This client does not take part in the extension.
    #[error("skills are not declared; register `Skills` with `ClientBuilder::extension`")]
    NotDeclared,
    /// The server does not declare that it answers this method.
    #[error("the server does not offer `{method}`")]
    NotOffered {
        /// Such as `skills/list`.
        method: &'static str,
    },
    /// The server could not be asked, or said no.
    #[error("the server gave no answer to be used")]
    Call(#[from] CallError),
    /// The entry breaks a rule of the extension.
    #[error("the entry of {uri} is not valid: {reason}")]
    InvalidEntry {
        /// Of the skill.
        uri: String,
        /// Which rule.
        reason: String,
    },
    /// The skill is larger than clients have to accept. Nothing was read.
    #[error("{uri} has {files} files of {bytes} bytes in all; at most 512 of 16 MiB are loaded")]
    TooLarge {
        /// Of the skill.
        uri: String,
        /// How many files the entry lists.
        files: usize,
        /// Their sizes together.
        bytes: u64,
    },
    /// The server makes the skill's files as they are read, so that nothing vouches for them.
    #[error("the files of {uri} are dynamic and cannot be verified")]
    Dynamic {
        /// Of the skill.
        uri: String,
    },
    /// The entry does not list the file.
    #[error("{uri} is not a file of the skill; get its entry anew if it should be")]
    Unlisted {
        /// As resolved.
        uri: String,
    },
    /// The answer is not one file that can be read.
    #[error("{uri} {reason}")]
    Unreadable {
        /// Of the file.
        uri: String,
        /// To stand after the URI.
        reason: String,
    },
    /// The file is not as long as the entry says.
    #[error("{uri} has {actual} bytes, not {expected} as its entry says; get the entry anew")]
    SizeMismatch {
        /// Of the file.
        uri: String,
        /// What the entry says, in bytes.
        expected: u64,
        /// What came, in bytes.
        actual: u64,
    },
    /// The file is not the one that the entry describes.
    #[error("the digest of {uri} is not that of its entry; get the entry anew")]
    DigestMismatch {
        /// Of the file.
        uri: String,
    },
    /// The head of `SKILL.md` is not YAML, or more than such a head may be.
    #[error("the frontmatter of {uri} cannot be read: {reason}")]
    Frontmatter {
        /// Of the file.
        uri: String,
        /// What is wrong.
        reason: String,
    },
    /// The head of `SKILL.md` says something else than the entry.
    #[error("`{field}` in {uri} is not what its entry says; get the entry anew")]
    FrontmatterMismatch {
        /// Of the file.
        uri: String,
        /// The first field that differs.
        field: String,
    },
}

impl SkillError {
    /// Whether the content is not what the entry says: tampered with, or newer than the entry.
    pub fn is_mismatch(&self) -> bool {
        matches!(
            self,
            Self::SizeMismatch { .. }
                | Self::DigestMismatch { .. }
                | Self::FrontmatterMismatch { .. }
                | Self::Unlisted { .. }
        )
    }
}
