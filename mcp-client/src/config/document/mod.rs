//! A configuration file as a tree whose every value knows its line, whatever the syntax.

mod json;
#[cfg(feature = "config-formats")]
mod toml;
#[cfg(feature = "config-formats")]
mod yaml;

use std::path::Path;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What JSON, TOML and YAML have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file, equal keys included.
    Table(Vec<(String, Node)>),
}

/// Which syntax a text was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Json,
    Toml,
    Yaml,
}

/// What is wrong with a text, and on which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) syntax: Syntax,
    pub(super) line: usize,
    pub(super) reason: String,
}

/// Reads a text by the ending of its file; a file without a telling one is JSON if it begins like
/// JSON, else YAML, which knows most of JSON too.
pub(super) fn read(text: &str, file: &Path) -> Result<(Syntax, Node), Malformed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let syntax = match file.extension().and_then(|ending| ending.to_str()) {
        Some("json" | "jsonc" | "json5") => Syntax::Json,
        Some("toml") => Syntax::Toml,
        Some("yaml" | "yml") => Syntax::Yaml,
        _ => match text.trim_start().chars().next() {
            Some('[') if json::read(text).is_err() => Syntax::Toml,
            None | Some('{' | '/' | '[') => Syntax::Json,
            Some(_) => Syntax::Yaml,
        },
    };
    let node = match syntax {
        Syntax::Json => json::read(text),
        #[cfg(feature = "config-formats")]
        Syntax::Toml => toml::read(text),
        #[cfg(feature = "config-formats")]
        Syntax::Yaml => yaml::read(text),
        #[cfg(not(feature = "config-formats"))]
        Syntax::Toml | Syntax::Yaml => Err(Malformed {
            syntax,
            line: 1,
            reason:
                "this program reads only JSON; the feature `config-formats` of mcp-client is off"
                    .to_owned(),
        }),
    };
    node.map(|node| (syntax, node))
}

impl Node {
    pub(super) fn entries(&self) -> Option<&[(String, Self)]> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The member of this name; the last one if there are several, as JSON readers do.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.iter().rfind(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Table(entries) => {
                let members = entries.iter().map(|(key, node)| (key.clone(), node.to_json()));
                serde_json::Value::Object(members.collect())
            }
        }
    }
}

impl Syntax {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        }
    }
}

/// Tells the line of a byte offset.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(offset, _)| offset).collect())
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

#[cfg(all(test, feature = "config-formats"))]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_the_same_from_every_syntax() {
        let json = "// a comment\n{\n  a: 1, 'b': [true, null, 'x'],\n  \"c\": {\"d\": 1.5,},\n}";
        let toml = "a = 1\nb = [true, 'x']\n[c]\nd = 1.5\n";
        let yaml = "a: 1\nb: [true, null, x]\nc:\n  d: 1.5\n";
        let whole = json!({"a": 1, "b": [true, null, "x"], "c": {"d": 1.5}});
        let read = |text, file: &str| read(text, Path::new(file)).unwrap().1;
        assert_eq!(read(json, "f.jsonc").to_json(), whole);
        assert_eq!(read(yaml, "f.yaml").to_json(), whole);
        let mut without_null = whole;
        without_null["b"] = json!([true, "x"]);
        assert_eq!(read(toml, "f.toml").to_json(), without_null);
        for (text, file, line) in [(json, "f.json", 4), (toml, "f.toml", 4), (yaml, "f.yml", 4)] {
            let node = read(text, file);
            assert_eq!(node.get("c").unwrap().get("d").unwrap().line, line, "{file}");
        }
    }

    #[test]
    fn guesses_the_syntax() {
        let syntax = |text| read(text, Path::new("config")).unwrap().0;
        assert_eq!(syntax("{}"), Syntax::Json);
        assert_eq!(syntax("[servers.a]\ncommand = 'x'"), Syntax::Toml);
        assert_eq!(syntax("[1, 2]"), Syntax::Json);
        assert_eq!(syntax("extensions:\n  a: {}"), Syntax::Yaml);
    }

    #[test]
    fn says_where_it_is_malformed() {
        for (text, file, line) in
            [("{\n\"a\": }", "f.json", 2), ("a = 1\nb =", "f.toml", 2), ("a: 1\nb: [", "f.yaml", 2)]
        {
            let malformed = read(text, Path::new(file)).unwrap_err();
            assert!(malformed.line >= line && !malformed.reason.is_empty(), "{malformed:?}");
            assert!(!malformed.reason.contains('\n'), "{malformed:?}");
        }
    }
}
