//! A skill that is in use, and its files.

use mcp_protocol::skills::{Skill, SkillResource};

use super::{SkillError, entry, frontmatter, verify::verified};
use crate::{Client, Source};

/// A skill whose `SKILL.md` was read and verified.
///
/// Keep it for as long as its instructions are in a model's context: it holds the entry by which
/// further files are verified. Its text is untrusted: show [`origin`](Self::origin) beside it,
/// grant nothing that its frontmatter asks for, and let a person approve what it would have run.
#[derive(Clone, Debug)]
pub struct LoadedSkill {
    client: Client,
    entry: Skill,
    root: String,
    text: String,
}

/// A file of a skill, as its entry describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkillFile {
    /// What it was read by.
    pub uri: String,
    /// The media type, if the server names one.
    pub mime_type: Option<String>,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl SkillFile {
    /// The file as text, if it is UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

impl LoadedSkill {
    pub(super) async fn load(client: Client, entry: Skill) -> Result<Self, SkillError> {
        let (root, main) = entry::check(&entry)?;
        let root = root.to_owned();
        let file = read(&client, main).await?;
        let text = String::from_utf8(file.bytes).map_err(|_| SkillError::Unreadable {
            uri: entry.uri.clone(),
            reason: "is not UTF-8".to_owned(),
        })?;
        frontmatter::compare(&entry, &text)?;
        Ok(Self { client, entry, root, text })
    }

    /// The entry by which it was loaded.
    pub fn entry(&self) -> &Skill {
        &self.entry
    }

    /// The server that it comes from: a command line or a URL, without secrets.
    pub fn origin(&self) -> &str {
        self.client.endpoint()
    }

    /// Its `SKILL.md`, frontmatter included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads a file of the skill, now, and verifies it: by a reference relative to the skill's
    /// directory such as `references/FORMS.md`, or by its URI. Another skill's `SKILL.md` below
    /// that directory is an ordinary file here.
    ///
    /// Dropping the future abandons the read.
    ///
    /// # Errors
    /// The entry does not list the file, or the file is not what the entry says; then it must not
    /// be used. As any call otherwise.
    pub async fn read(&self, reference: &str) -> Result<SkillFile, SkillError> {
        let uri = entry::resolve(&self.root, reference)
            .ok_or_else(|| SkillError::Unlisted { uri: reference.to_owned() })?;
        match self.entry.resource(&uri) {
            Some(file) => read(&self.client, file).await,
            None => Err(SkillError::Unlisted { uri }),
        }
    }
}

async fn read(client: &Client, entry: &SkillResource) -> Result<SkillFile, SkillError> {
    let answer = client.read_resource(&entry.uri).cached().await?;
    match verified(entry, &answer) {
        // What was kept may be older than the entry.
        Err(error) if error.is_mismatch() && !matches!(answer.source(), Source::Server) => {
            tracing::debug!(%error, "the file is read anew");
            let answer = client.read_resource(&entry.uri).anew().cached().await?;
            verified(entry, &answer)
        }
        outcome => outcome,
    }
}
