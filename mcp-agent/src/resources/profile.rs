//! Which tools and resources of a server do what: a profile, as data.

use std::{collections::BTreeMap, fmt};

use mcp_protocol::{resources::ResourceTemplate, tools::Tool};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SqlDialect;

/// What can be asked of a [`TypedResource`](super::TypedResource).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verb {
    /// Runs an SQL statement. Values: `sql`, `params`.
    Execute,
    /// Reads a file as text. Value: `path`.
    Read,
    /// Reads a file as bytes. Value: `path`.
    ReadBytes,
    /// Lists a folder. Value: `path`.
    List,
    /// Lists a folder and all below it. Value: `path`.
    ListRecursive,
    /// Writes a file. Values: `path`, `content`.
    Write,
    /// Gets something by HTTP. Values: `url`, and its parts `path` and `query`.
    HttpGet,
    /// Gets the value of a key. Value: `key`.
    Get,
    /// Sets the value of a key. Values: `key`, `value`, and `ttl_seconds` where one is given.
    Set,
    /// Deletes a key. Value: `key`.
    Delete,
    /// Lists keys. Value: `pattern`.
    Keys,
    /// Sends a message to a queue or channel. Values: `topic`, `message`.
    Publish,
}

impl Verb {
    /// What a step may use, in braces.
    fn values(self) -> &'static [&'static str] {
        match self {
            Self::Execute => &["sql", "params"],
            Self::Read | Self::ReadBytes | Self::List | Self::ListRecursive => &["path"],
            Self::Write => &["path", "content"],
            Self::HttpGet => &["url", "path", "query"],
            Self::Get | Self::Delete => &["key"],
            Self::Set => &["key", "value", "ttl_seconds"],
            Self::Keys => &["pattern"],
            Self::Publish => &["topic", "message"],
        }
    }

    /// Whether it changes nothing, by its meaning.
    pub(super) fn is_read(self) -> bool {
        use Verb::{Get, HttpGet, Keys, List, ListRecursive, Read, ReadBytes};
        matches!(self, Read | ReadBytes | List | ListRecursive | HttpGet | Get | Keys)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Execute => "execute",
            Self::Read => "read",
            Self::ReadBytes => "read_bytes",
            Self::List => "list",
            Self::ListRecursive => "list_recursive",
            Self::Write => "write",
            Self::HttpGet => "http_get",
            Self::Get => "get",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Keys => "keys",
            Self::Publish => "publish",
        })
    }
}

/// How a server does what [`TypedResource`](super::TypedResource) asks.
///
/// ```
/// use mcp_agent::resources::{Profile, Shape, Step, Verb};
///
/// // In code …
/// let notes = Profile::new("notes")
///     .verb(Verb::Get, Step::tool("note_read", serde_json::json!({"id": "{key}"})).shape(Shape::Text))
///     .verb(Verb::Set, Step::tool("note_save", serde_json::json!({"id": "{key}", "text": "{value}"})));
///
/// // … or as data.
/// let read: Profile = serde_json::from_str(r#"{
///     "name": "notes",
///     "verbs": {
///         "get": [{"tool": "note_read", "arguments": {"id": "{key}"}, "shape": "text"}],
///         "set": [{"tool": "note_save", "arguments": {"id": "{key}", "text": "{value}"}}]
///     }
/// }"#)?;
/// assert_eq!(read, notes);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Profile {
    /// For people.
    #[serde(default)]
    pub name: String,
    /// The steps of each verb, done in order; the result is that of the last. They are not one
    /// transaction: where a step fails, those before it are done.
    pub verbs: BTreeMap<Verb, Vec<Step>>,
    /// How to write parameters into the text of a statement, where no step of [`Verb::Execute`]
    /// takes `{params}`. Without it, parameters are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql_literals: Option<SqlDialect>,
    /// What paths of [`Verb::HttpGet`] begin with; without it, they are whole URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// One call of a server on the way to a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenStep", into = "WrittenStep")]
#[non_exhaustive]
pub struct Step {
    /// What is called.
    pub target: Target,
    /// How the result is read; only the last step's counts.
    pub shape: Shape,
    /// The result begins after these words of its text, with the verb's values in braces.
    pub after: Option<String>,
    /// A text that says that there is nothing, with the verb's values in braces.
    pub absent: Option<String>,
    /// How a text begins that says that the server failed, where it does not set `isError`.
    pub failed: Option<String>,
}

/// What a [`Step`] calls.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// A tool. An argument that is `{name}` and nothing else becomes the verb's value of this name,
    /// at any depth and with its own type; where the verb has no such value this time, the member
    /// is left out. Nothing is ever put into the middle of a text.
    Tool {
        /// Its name at the server.
        name: String,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
    /// A resource by its URI template (RFC 6570).
    Resource {
        /// The template.
        uri: String,
    },
}

/// How a result is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shape {
    /// It is not read.
    #[default]
    Nothing,
    /// Structured content, or a text that is JSON.
    Json,
    /// The same, at a JSON pointer (RFC 6901).
    JsonAt(String),
    /// The same, where nothing at the pointer says that there is nothing.
    OptionAt(String),
    /// The text as it is.
    Text,
    /// What stands in Base64 in a picture, a sound or a resource; else the text's bytes.
    Bytes,
    /// A text with an item on each line.
    Lines,
    /// A text with a file or folder on each line, after a mark.
    MarkedLines {
        /// In front of files.
        file: String,
        /// In front of folders.
        folder: String,
    },
    /// A text that is JSON: a list of `{"name", "type": "file" | "directory", "children": […]}`.
    Tree,
}

/// A profile that cannot work.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidProfile {
    /// A step uses a value that its verb does not have.
    #[error("`{verb}` has no value `{name}`; it has {}", verb.values().join(", "))]
    NoSuchValue {
        /// The verb.
        verb: Verb,
        /// As written in braces.
        name: String,
    },
    /// A verb without steps.
    #[error("`{0}` has no steps")]
    NoSteps(Verb),
    /// A URI template that is none.
    #[error("`{uri}` of `{verb}` is not a URI template (RFC 6570)")]
    Template {
        /// The verb.
        verb: Verb,
        /// The template.
        uri: String,
    },
    /// Where URLs are to begin is no URL.
    #[error("the base URL `{0}` is not a URL")]
    BaseUrl(String),
}

impl Profile {
    /// A profile without verbs.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Adds a step to those of a verb.
    #[must_use]
    pub fn verb(mut self, verb: Verb, step: Step) -> Self {
        self.verbs.entry(verb).or_default().push(step);
        self
    }

    /// Writes parameters into the text of statements, as literals of this dialect.
    #[must_use]
    pub fn sql_literals(self, dialect: SqlDialect) -> Self {
        Self { sql_literals: Some(dialect), ..self }
    }

    /// Where paths of [`Verb::HttpGet`] begin.
    #[must_use]
    pub fn base_url(self, url: impl Into<String>) -> Self {
        Self { base_url: Some(url.into()), ..self }
    }

    /// Whether it can work with any server.
    ///
    /// # Errors
    /// A verb has no steps, or a step uses what its verb does not have.
    pub fn check(&self) -> Result<(), InvalidProfile> {
        if let Some(base) = self.base_url.as_ref().filter(|base| url::Url::parse(base).is_err()) {
            return Err(InvalidProfile::BaseUrl(base.clone()));
        }
        for (&verb, steps) in &self.verbs {
            if steps.is_empty() {
                return Err(InvalidProfile::NoSteps(verb));
            }
            for step in steps {
                let used = match &step.target {
                    Target::Tool { arguments, .. } => used(arguments),
                    Target::Resource { uri } => ResourceTemplate::new(uri, "")
                        .variables()
                        .map_err(|_| InvalidProfile::Template { verb, uri: uri.clone() })?,
                };
                if let Some(name) = used.into_iter().find(|name| !verb.values().contains(&&**name))
                {
                    return Err(InvalidProfile::NoSuchValue { verb, name });
                }
            }
        }
        Ok(())
    }

    /// The first tool of the profile that is not among these, and the verb that needs it.
    pub fn missing(&self, tools: &[Tool]) -> Option<(Verb, &str)> {
        let needed = self.verbs.iter().flat_map(|(verb, steps)| {
            steps.iter().filter_map(move |step| match &step.target {
                Target::Tool { name, .. } => Some((*verb, name.as_str())),
                Target::Resource { .. } => None,
            })
        });
        needed.into_iter().find(|(_, name)| tools.iter().all(|tool| tool.name != *name))
    }

    /// Whether a verb's value goes into an argument of a tool.
    pub(super) fn uses(&self, verb: Verb, value: &str) -> bool {
        self.verbs.get(&verb).into_iter().flatten().any(|step| match &step.target {
            Target::Tool { arguments, .. } => used(arguments).iter().any(|name| name == value),
            Target::Resource { .. } => false,
        })
    }
}

impl Step {
    /// Calls a tool. The arguments are a JSON object; anything else is taken for an empty one.
    pub fn tool(name: impl Into<String>, arguments: impl Into<Value>) -> Self {
        let arguments = match arguments.into() {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        Self::new(Target::Tool { name: name.into(), arguments })
    }

    /// Reads a resource.
    pub fn resource(uri: impl Into<String>) -> Self {
        Self::new(Target::Resource { uri: uri.into() })
    }

    fn new(target: Target) -> Self {
        Self { target, shape: Shape::Nothing, after: None, absent: None, failed: None }
    }

    /// How the result is read.
    #[must_use]
    pub fn shape(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// After which words of the text the result begins.
    #[must_use]
    pub fn after(self, heading: impl Into<String>) -> Self {
        Self { after: Some(heading.into()), ..self }
    }

    /// Which text says that there is nothing.
    #[must_use]
    pub fn absent(self, text: impl Into<String>) -> Self {
        Self { absent: Some(text.into()), ..self }
    }

    /// How a text begins that says that the server failed.
    #[must_use]
    pub fn failed(self, text: impl Into<String>) -> Self {
        Self { failed: Some(text.into()), ..self }
    }
}

/// The name in braces, if the text is that and nothing else.
pub(super) fn placeholder(text: &str) -> Option<&str> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(name)
}

fn used(arguments: &Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    let mut left: Vec<&Value> = arguments.values().collect();
    while let Some(value) = left.pop() {
        match value {
            Value::String(text) => names.extend(placeholder(text).map(str::to_owned)),
            Value::Array(items) => left.extend(items),
            Value::Object(members) => left.extend(members.values()),
            _ => {}
        }
    }
    names
}

/// A [`Step`] as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    arguments: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(default)]
    shape: Shape,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    absent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl TryFrom<WrittenStep> for Step {
    type Error = &'static str;

    fn try_from(written: WrittenStep) -> Result<Self, Self::Error> {
        let WrittenStep { tool, arguments, resource, shape, after, absent, failed } = written;
        let target = match (tool, resource) {
            (Some(name), None) => Target::Tool { name, arguments },
            (None, Some(uri)) if arguments.is_empty() => Target::Resource { uri },
            (None, Some(_)) => return Err("a resource takes no `arguments`; put them in its URI"),
            _ => return Err("a step has either a `tool` or a `resource`"),
        };
        Ok(Self { target, shape, after, absent, failed })
    }
}

impl From<Step> for WrittenStep {
    fn from(step: Step) -> Self {
        let Step { target, shape, after, absent, failed } = step;
        let (tool, arguments, resource) = match target {
            Target::Tool { name, arguments } => (Some(name), arguments, None),
            Target::Resource { uri } => (None, Map::new(), Some(uri)),
        };
        Self { tool, arguments, resource, shape, after, absent, failed }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_that_cannot_work_is_refused() {
        let unknown =
            Profile::new("x").verb(Verb::Get, Step::tool("t", json!({"a": {"b": ["{path}"]}})));
        let error = unknown.check().unwrap_err();
        assert_eq!(error.to_string(), "`get` has no value `path`; it has key");
        let uri = Profile::new("x").verb(Verb::Read, Step::resource("file://{+nothing}"));
        assert!(matches!(uri.check(), Err(InvalidProfile::NoSuchValue { .. })));
        let template = Profile::new("x").verb(Verb::Read, Step::resource("file://{"));
        assert!(matches!(template.check(), Err(InvalidProfile::Template { .. })));
        for text in [
            r#"{"verbs": {"get": [{"tool": "t", "argumnets": {}}]}}"#,
            r#"{"verbs": {"get": [{"shape": "text"}]}}"#,
            r#"{"verbs": {"got": []}}"#,
        ] {
            assert!(serde_json::from_str::<Profile>(text).is_err(), "{text}");
        }
    }
}
