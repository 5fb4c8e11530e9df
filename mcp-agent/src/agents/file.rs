//! Agents declared in a file.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};

use super::AgentDeclaration;

/// How declarations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeclarationFormat {
    /// `[agents.NAME]`, a table for each.
    #[cfg(feature = "toml")]
    Toml,
    /// `{"agents": {"NAME": {…}}}`, or a list of agents with their names.
    Json,
}

/// A file of declarations cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeclarationFileError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its name does not say how it is written.
    #[error("{} ends neither in .toml nor in .json", .path.display())]
    UnknownFormat {
        /// Which.
        path: PathBuf,
    },
    /// It is not written as it should be.
    #[error("{} does not declare agents", .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where, and what is wrong.
        #[source]
        source: MalformedDeclarations,
    },
}

/// A text does not declare agents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
#[non_exhaustive]
pub struct MalformedDeclarations {
    /// Counts from 1.
    pub line: usize,
    /// Counts from 1.
    pub column: usize,
    /// Such as an unknown key, with those that are known.
    pub reason: String,
}

/// Reads the agents that a `.toml` (feature `toml`) or `.json` file declares.
///
/// # Errors
/// There is no such file, or it has a key that nobody knows; the error says where.
pub fn read(path: &Path) -> Result<Vec<AgentDeclaration>, DeclarationFileError> {
    let format = match path.extension().and_then(|ending| ending.to_str()) {
        #[cfg(feature = "toml")]
        Some("toml") => DeclarationFormat::Toml,
        Some("json") => DeclarationFormat::Json,
        _ => return Err(DeclarationFileError::UnknownFormat { path: path.to_owned() }),
    };
    let text = fs::read_to_string(path)
        .map_err(|source| DeclarationFileError::Unreadable { path: path.to_owned(), source })?;
    parse(&text, format)
        .map_err(|source| DeclarationFileError::Malformed { path: path.to_owned(), source })
}

/// As [`read`], from text.
///
/// ```
/// use mcp_agent::agents::{DeclarationFormat, parse};
///
/// let declared = parse(
///     r#"{"agents": {"poet": {"description": "Writes verse.", "tools": []}}}"#,
///     DeclarationFormat::Json,
/// )?;
/// assert_eq!(declared[0].name, "poet");
/// let error = parse(r#"{"agents": {"poet": {"tool": []}}}"#, DeclarationFormat::Json).unwrap_err();
/// assert_eq!(error.line, 1);
/// assert!(error.reason.starts_with("unknown field `tool`"));
/// # Ok::<(), mcp_agent::agents::MalformedDeclarations>(())
/// ```
///
/// # Errors
/// The text is not written so, or has a key that nobody knows.
pub fn parse(
    text: &str,
    format: DeclarationFormat,
) -> Result<Vec<AgentDeclaration>, MalformedDeclarations> {
    match format {
        DeclarationFormat::Json => {
            let read = if text.trim_start().starts_with('[') {
                serde_json::from_str(text).map(|Listed(agents)| agents)
            } else {
                serde_json::from_str(text).map(|File { agents: Listed(agents) }| agents)
            };
            read.map_err(|error| malformed_json(&error))
        }
        #[cfg(feature = "toml")]
        DeclarationFormat::Toml => match toml_edit::de::from_str(text) {
            Ok(File { agents: Listed(agents) }) => Ok(agents),
            Err(error) => Err(malformed_toml(text, &error)),
        },
    }
}

fn malformed_json(error: &serde_json::Error) -> MalformedDeclarations {
    let (line, column) = (error.line(), error.column());
    let said = error.to_string();
    let place = format!(" at line {line} column {column}");
    let reason = said.strip_suffix(place.as_str()).unwrap_or(&said).to_owned();
    MalformedDeclarations { line: line.max(1), column: column.max(1), reason }
}

#[cfg(feature = "toml")]
fn malformed_toml(text: &str, error: &toml_edit::de::Error) -> MalformedDeclarations {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    MalformedDeclarations {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        reason: error.message().trim_end().replace('\n', "; "),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    agents: Listed,
}

/// A list of agents, or a map of them by name. No untagged enum: its errors have no place.
struct Listed(Vec<AgentDeclaration>);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AgentsVisitor).map(Self)
    }
}

struct AgentsVisitor;

impl<'de> Visitor<'de> for AgentsVisitor {
    type Value = Vec<AgentDeclaration>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("agents by name, or a list of agents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut agents: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(agent) = agents.next_element()? {
            all.push(agent);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut agents: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some((name, mut agent)) = agents.next_entry::<String, AgentDeclaration>()? {
            if !agent.name.is_empty() && agent.name != name {
                let other = &agent.name;
                return Err(A::Error::custom(format!("the agent `{name}` is named `{other}`")));
            }
            agent.name = name;
            all.push(agent);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_and_lists_say_the_same() {
        let map = r#"{"agents": {"a": {"description": "A."}, "b": {"asks": ["a"]}}}"#;
        let list = r#"[{"name": "a", "description": "A."}, {"name": "b", "asks": ["a"]}]"#;
        let wrapped = format!(r#"{{"agents": {list}}}"#);
        let read = |text: &str| parse(text, DeclarationFormat::Json).unwrap();
        assert_eq!(read(map), read(list));
        assert_eq!(read(map), read(&wrapped));
    }

    #[test]
    fn json_that_is_wrong_says_where() {
        let refused = |text: &str| parse(text, DeclarationFormat::Json).unwrap_err();
        let error = refused("{\n \"agents\": {\n  \"a\": {\"tool\": []}\n }\n}");
        assert_eq!(error.line, 3);
        assert!(error.reason.starts_with("unknown field `tool`, expected one of"), "{error}");
        assert_eq!(refused("{\"agent\": {}}").line, 1);
        assert_eq!(refused("{\n").line, 2);
        let error = refused(r#"{"agents": {"a": {"name": "b"}}}"#);
        assert!(error.to_string().contains("the agent `a` is named `b`"), "{error}");
    }

    #[cfg(feature = "toml")]
    #[test]
    fn toml_has_a_table_for_each() {
        let text = "[agents.clerk]\ndescription = \"Answers.\"\nhands_over_to = [\"expert\"]\n\
                    tools = []\n\n[agents.expert]\nmodel = \"large\"\nmax_steps = 3\n";
        let read = parse(text, DeclarationFormat::Toml).unwrap();
        assert_eq!(read.len(), 2);
        let clerk = read.iter().find(|agent| agent.name == "clerk").unwrap();
        assert_eq!(clerk.tools.as_deref(), Some(&[][..]));
        let expert = read.iter().find(|agent| agent.name == "expert").unwrap();
        assert_eq!((expert.model.as_deref(), expert.max_steps), (Some("large"), Some(3)));
    }

    #[cfg(feature = "toml")]
    #[test]
    fn toml_that_is_wrong_says_where() {
        let refused = |text: &str| parse(text, DeclarationFormat::Toml).unwrap_err();
        let error = refused("[agents.a]\ndescription = \"A.\"\ntool = []\n");
        assert_eq!((error.line, error.column), (3, 1), "{error}");
        assert!(error.reason.starts_with("unknown field `tool`, expected one of"), "{error}");
        assert_eq!(refused("[agents.a]\nmax_steps = \"many\"\n").line, 2);
        assert_eq!(refused("[agents.a\n").line, 1);
    }
}
