//! Which tools to offer.

use mcp_protocol::tools::ToolAnnotations;

use super::ToolFacts;
use crate::{glob::Glob, model::ToolDefinition};

/// Chooses tools. Each kind of condition that is set must hold; of several of one kind, one is
/// enough. Without conditions it chooses all.
///
/// ```
/// use mcp_agent::toolbox::{Filtered, LocalTools, ToolFilter, Toolset};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct File { path: String }
///
/// let files = LocalTools::new()
///     .tool("read_file", "Reads a file.", |file: File| async { file.path })
///     .tool("delete_file", "Deletes a file.", |file: File| async { file.path });
/// let safe = Filtered::by(files, ToolFilter::new().name("*_file").except("delete_*"));
/// assert_eq!(safe.snapshot().tools.len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ToolFilter {
    names: Vec<Glob>,
    exceptions: Vec<Glob>,
    servers: Vec<Glob>,
    tags: Vec<Glob>,
    capabilities: Vec<String>,
    hints: Vec<Hint>,
}

/// What a tool's annotations must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// It changes nothing.
    ReadOnly,
    /// It may change something, but says that it destroys nothing.
    NotDestructive,
    /// The same call again changes nothing more.
    Idempotent,
    /// It touches nothing beyond its server.
    ClosedWorld,
}

impl ToolFilter {
    /// Chooses all tools.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tools of this name: the model's, the source's, or `server.tool`.
    pub fn name(mut self, pattern: impl Into<Glob>) -> Self {
        self.names.push(pattern.into());
        self
    }

    /// Not the tools of this name, whatever else holds.
    pub fn except(mut self, pattern: impl Into<Glob>) -> Self {
        self.exceptions.push(pattern.into());
        self
    }

    /// Tools of this server. Tools of this program have none and are not chosen.
    pub fn server(mut self, pattern: impl Into<Glob>) -> Self {
        self.servers.push(pattern.into());
        self
    }

    /// Tools with this tag.
    pub fn tag(mut self, pattern: impl Into<Glob>) -> Self {
        self.tags.push(pattern.into());
        self
    }

    /// Tools that speak of this in their name, title, description or tags, such as `search`.
    pub fn capability(mut self, word: impl Into<String>) -> Self {
        self.capabilities.push(word.into().to_lowercase());
        self
    }

    /// Tools whose annotations say this; of several hints all must hold. The servers' own word,
    /// which proves nothing.
    pub fn hint(mut self, hint: Hint) -> Self {
        self.hints.push(hint);
        self
    }

    /// Whether the tool is chosen.
    pub fn accepts(&self, tool: &ToolDefinition, facts: &ToolFacts) -> bool {
        let qualified = facts.server.as_ref().map(|server| format!("{server}.{}", facts.tool));
        let is_named = |glob: &Glob| {
            glob.matches(&tool.name)
                || glob.matches(&facts.tool)
                || qualified.as_ref().is_some_and(|name| glob.matches(name))
        };
        let any = |globs: &[Glob], holds: &dyn Fn(&Glob) -> bool| {
            globs.is_empty() || globs.iter().any(holds)
        };
        any(&self.names, &is_named)
            && !self.exceptions.iter().any(is_named)
            && any(&self.servers, &|glob| facts.server.as_ref().is_some_and(|s| glob.matches(s)))
            && any(&self.tags, &|glob| facts.tags.iter().any(|tag| glob.matches(tag)))
            && (self.capabilities.is_empty() || self.speaks(tool, facts))
            && self.hints.iter().all(|hint| hint.holds(&facts.annotations))
    }

    fn speaks(&self, tool: &ToolDefinition, facts: &ToolFacts) -> bool {
        let title = facts.title.as_deref().unwrap_or_default();
        let texts = [&*tool.name, &*facts.tool, title, &*tool.description];
        let texts = texts.into_iter().chain(facts.tags.iter().map(String::as_str));
        let said = texts.collect::<Vec<_>>().join("\n").to_lowercase();
        self.capabilities.iter().any(|word| said.contains(word.as_str()))
    }
}

impl Hint {
    fn holds(self, annotations: &ToolAnnotations) -> bool {
        match self {
            Self::ReadOnly => annotations.is_read_only(),
            Self::NotDestructive => !annotations.is_destructive(),
            Self::Idempotent => annotations.idempotent_hint.unwrap_or(false),
            Self::ClosedWorld => !annotations.open_world_hint.unwrap_or(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_kinds_of_conditions_must_hold() {
        let tool = ToolDefinition {
            name: "mcp__db__query".into(),
            description: "Runs a SQL query.".into(),
            parameters: json!({"type": "object"}).into(),
        };
        let facts = ToolFacts {
            server: Some("db".into()),
            tool: "query".into(),
            tags: vec!["sql".into()],
            annotations: ToolAnnotations { read_only_hint: Some(true), ..Default::default() },
            ..ToolFacts::default()
        };
        let filter = ToolFilter::new;
        for (filter, want) in [
            (filter(), true),
            (filter().name("query"), true),
            (filter().name("nothing").name("db.*"), true),
            (filter().name("mcp__db__*"), true),
            (filter().name("que"), false),
            (filter().name("query").except("*__query"), false),
            (filter().server("db").tag("s*").capability("SQL").hint(Hint::ReadOnly), true),
            (filter().server("db").tag("other"), false),
            (filter().server("web"), false),
            (filter().capability("mail"), false),
            (filter().hint(Hint::ReadOnly).hint(Hint::ClosedWorld), false),
        ] {
            assert_eq!(filter.accepts(&tool, &facts), want, "{filter:?}");
        }
    }
}
