//! Instructions with files, served as resources: the extension `io.modelcontextprotocol/skills`
//! (SEP-2640).

#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    cache_hint::{CacheHint, CacheScope},
    decode::DecodeError,
    list::{self, ListResult, SkippedItem},
    meta::Meta,
    method::Method,
    object::Object,
    outcome::{ResultType, only_complete},
    pagination::{Cursor, PaginatedParams},
    raw::RawJson,
    resources::{ListResourcesResult, ResourceParams},
    tolerant::optional_whole,
};

/// `skills/list`: what skills there are, as far as the server enumerates them.
#[derive(Debug)]
pub enum ListSkills {}

impl Method for ListSkills {
    const NAME: &'static str = "skills/list";
    type Params = PaginatedParams;
    type Output = ListSkillsResult;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        list::decode(result)
    }
}

/// `skills/get`: the entry of one skill, listed or not, by the URI of its `SKILL.md`.
#[derive(Debug)]
pub enum GetSkill {}

impl Method for GetSkill {
    const NAME: &'static str = "skills/get";
    type Params = ResourceParams;
    type Output = GetSkillResult;
}

/// `resources/directory/read`: what lies directly in a directory. Only for servers that declare
/// `directoryRead`.
#[derive(Debug)]
pub enum ReadDirectory {}

impl Method for ReadDirectory {
    const NAME: &'static str = "resources/directory/read";
    type Params = ReadDirectoryParams;
    type Output = ListResourcesResult;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        list::decode(result)
    }
}

/// The media type of a directory among resources.
pub const DIRECTORY: &str = "inode/directory";

/// The settings with which a server declares the extension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SkillsCapability {
    /// Whether `resources/directory/read` may be sent.
    #[serde(default)]
    pub directory_read: bool,
}

/// Which directory, and where to go on in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadDirectoryParams {
    /// Of the directory, without a slash at its end.
    pub uri: String,
    /// Where to go on; `None` starts at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl ReadDirectoryParams {
    /// A directory, from its beginning.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), ..Self::default() }
    }
}

/// The entry of a skill. Its text is untrusted, and nothing in it grants a permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skill {
    /// Of its `SKILL.md`. Another server may have an unrelated skill at the same URI.
    pub uri: String,
    /// What stands at the head of its `SKILL.md`.
    pub frontmatter: Object,
    /// Its files.
    pub resources: SkillResources,
}

impl Skill {
    /// Its label, which other skills may share.
    pub fn name(&self) -> Option<String> {
        self.frontmatter.get("name")?.parse().ok()
    }

    /// What it is for.
    pub fn description(&self) -> Option<String> {
        self.frontmatter.get("description")?.parse().ok()
    }

    /// The URI of its directory, without a slash at the end; `None` if its own URI is not that of
    /// a `SKILL.md`.
    pub fn root(&self) -> Option<&str> {
        self.uri.strip_suffix("/SKILL.md")
    }

    /// What the entry says of a file.
    pub fn resource(&self, uri: &str) -> Option<&SkillResource> {
        match &self.resources {
            SkillResources::Listed(files) => files.iter().find(|file| file.uri == uri),
            SkillResources::Dynamic => None,
        }
    }
}

/// The files of a skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkillResources {
    /// All of them, `SKILL.md` included.
    Listed(Vec<SkillResource>),
    /// Made as they are read, so that nothing can be said of them beforehand.
    Dynamic,
}

const DYNAMIC: &str = "dynamic";

impl Serialize for SkillResources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Listed(files) => files.serialize(serializer),
            Self::Dynamic => serializer.serialize_str(DYNAMIC),
        }
    }
}

impl<'de> Deserialize<'de> for SkillResources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawJson::deserialize(deserializer)?;
        if raw.as_str().starts_with('[') {
            return raw.parse().map(Self::Listed).map_err(de::Error::custom);
        }
        match raw.parse::<String>() {
            Ok(word) if word == DYNAMIC => Ok(Self::Dynamic),
            _ => Err(de::Error::custom("`resources` must be a list of files or \"dynamic\"")),
        }
    }
}

/// One file of a skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillResource {
    /// What to read it by.
    pub uri: String,
    /// The SHA-256 of its bytes: `sha256:` and 64 lowercase hexadecimal digits. It tells that
    /// listing and file belong together; it is no proof of who wrote either.
    pub digest: String,
    /// Its length, in bytes.
    pub size: u64,
}

/// One page of skills.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListSkillsResult {
    /// The skills of this page. A server need not enumerate all that it has.
    pub skills: Vec<Skill>,
    /// Entries that could not be read and were left out.
    #[serde(skip)]
    pub skipped: Vec<SkippedItem>,
    /// Where the next page starts, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
    /// How long the page stays good, in milliseconds.
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Who may share the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_scope: Option<CacheScope>,
    /// The kind of result.
    #[serde(default, deserialize_with = "only_complete", skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl ListResult for ListSkillsResult {
    const ITEMS: &'static str = "skills";
    const NAME: &'static str = "uri";
    type Item = Skill;

    fn parts(&mut self) -> (&mut Vec<Skill>, &mut Vec<SkippedItem>) {
        (&mut self.skills, &mut self.skipped)
    }
}

impl ListSkillsResult {
    /// What the server says about reusing the page.
    pub fn cache_hint(&self) -> CacheHint {
        CacheHint::new(self.ttl_ms, self.cache_scope.as_ref())
    }
}

/// One skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetSkillResult {
    /// Its entry, as the server holds it now.
    pub skill: Skill,
    /// The kind of result.
    #[serde(default, deserialize_with = "only_complete", skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}
