//! Skills of servers: instructions with files, read when they are needed and verified when they
//! are read (the extension `io.modelcontextprotocol/skills`, SEP-2640).

mod entry;
mod error;
mod frontmatter;
mod loaded;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::HashSet;

use mcp_protocol::{
    cache_hint::CacheHint,
    extensions,
    list::SkippedItem,
    method::Method,
    pagination::Cursor,
    resources::{Resource, ResourceParams},
    skills::{
        GetSkill, ListSkills, ListSkillsResult, ReadDirectory, ReadDirectoryParams, Skill,
        SkillsCapability,
    },
};

pub use self::{
    error::SkillError,
    loaded::{LoadedSkill, SkillFile},
};
use crate::{CallErrorKind, Client, Extension, List, Listing, Page, PageCursor};

/// More pages than this, and a directory is taken for endless.
const MAX_PAGES: usize = 1_000;

/// The skills extension. Registering it declares it; nothing is read by that.
///
/// ```no_run
/// use mcp_client::{Client, Skills};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::http("https://example.com/mcp").extension(Skills).connect().await?;
/// let skills = client.skills()?;
/// for skill in skills.list().await?.items {
///     println!("{}: {}", skill.uri, skill.description().unwrap_or_default());
/// }
/// let entry = skills.get("skill://pdf-processing/SKILL.md").await?;
/// let skill = skills.load(entry).await?;
/// println!("{} says:\n{}", skill.origin(), skill.text());
/// let forms = skill.read("references/FORMS.md").await?;
/// println!("{}", forms.as_text().unwrap_or("(not text)"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Skills;

impl Extension for Skills {
    fn id(&self) -> &'static str {
        extensions::SKILLS
    }

    fn methods(&self) -> &[&str] {
        &[ListSkills::NAME, GetSkill::NAME, ReadDirectory::NAME]
    }
}

/// The skills of one server; see [`Skills`].
///
/// A skill is known by its server and its URI together: another server may have an unrelated one
/// at the same URI. Who remembers a person's approval of a skill binds it to
/// [`Skill::resources`], and asks again when they differ.
#[derive(Clone, Copy, Debug)]
pub struct ServerSkills<'a> {
    client: &'a Client,
    offered: &'a mcp_protocol::raw::RawJson,
}

impl Client {
    /// The skills of this server.
    ///
    /// # Errors
    /// [`Skills`] was not registered with this client, or the server has no skills.
    pub fn skills(&self) -> Result<ServerSkills<'_>, SkillError> {
        if !self.link().extensions.contains(extensions::SKILLS) {
            return Err(SkillError::NotDeclared);
        }
        let offered = self.server().capabilities.extensions.settings(extensions::SKILLS);
        offered
            .map(|offered| ServerSkills { client: self, offered })
            .ok_or(SkillError::NotOffered { method: ListSkills::NAME })
    }
}

impl<'a> ServerSkills<'a> {
    /// Lists the skills, all pages of them. No file is read. An empty list does not mean that there
    /// are none: [`get`](Self::get) finds those that are not enumerated.
    pub fn list(&self) -> List<'a, ListSkills> {
        List::new(self.client)
    }

    /// The entry of one skill as the server holds it now, by the URI of its `SKILL.md`. No file is
    /// read.
    ///
    /// # Errors
    /// As any call; a URI that is not that of a skill is refused with code -32602.
    pub async fn get(&self, uri: impl Into<String>) -> Result<Skill, SkillError> {
        Ok(self.client.request::<GetSkill>(ResourceParams::new(uri)).await?.skill)
    }

    /// Reads a skill's `SKILL.md` and verifies it. Every other file is read when
    /// [`LoadedSkill::read`] asks for it.
    ///
    /// Dropping the future abandons the read.
    ///
    /// # Errors
    /// The entry breaks a rule of the extension or exceeds its limits, in which case nothing is
    /// read; or the file is not what the entry says. Then [`get`](Self::get) may have a newer
    /// entry, which is another skill than the one a person may have approved.
    pub async fn load(&self, entry: Skill) -> Result<LoadedSkill, SkillError> {
        LoadedSkill::load(self.client.clone(), entry).await
    }

    /// What lies directly in a directory, all pages of it, as the server sees it now. For a loaded
    /// skill its entry says which files may be read, not this.
    ///
    /// # Errors
    /// The server did not declare that it answers this; as any call otherwise.
    pub async fn read_directory(
        &self,
        uri: impl Into<String>,
    ) -> Result<Listing<Resource>, SkillError> {
        let capability: SkillsCapability = self.offered.parse().unwrap_or_else(|error| {
            tracing::warn!(%error, "the settings of the skills extension are not understood");
            SkillsCapability::default()
        });
        if !capability.directory_read {
            return Err(SkillError::NotOffered { method: ReadDirectory::NAME });
        }
        let mut params = ReadDirectoryParams::new(uri);
        let (mut listing, mut seen) = (Listing::default(), HashSet::new());
        loop {
            let page = self.client.request::<ReadDirectory>(params.clone()).await?;
            listing.items.extend(page.resources);
            listing.skipped.extend(page.skipped);
            let Some(next) = page.next_cursor else { return Ok(listing) };
            if seen.len() >= MAX_PAGES || !seen.insert(next.clone()) {
                let reason = "a cursor came twice, or there are too many pages".to_owned();
                let kind = CallErrorKind::Endless { reason };
                return Err(self.client.link().error(kind, ReadDirectory::NAME).into());
            }
            params.cursor = Some(next);
        }
    }
}

impl Page for ListSkillsResult {
    type Item = Skill;

    fn into_parts(self) -> (Vec<Skill>, Vec<SkippedItem>, Option<Cursor>) {
        (self.skills, self.skipped, self.next_cursor)
    }

    fn cache_hint(&self) -> Option<CacheHint> {
        self.ttl_ms.map(|_| self.cache_hint())
    }
}

impl PageCursor for ListSkillsResult {
    fn next_cursor(&self) -> Option<&Cursor> {
        self.next_cursor.as_ref()
    }
}
