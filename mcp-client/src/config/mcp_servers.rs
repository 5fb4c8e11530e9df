//! The `mcpServers` JSON that most clients share.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    ConfigError, ConfigFile, Lookup, Problem, ServerConfig, TransportConfig, origin,
    variables::expand,
};
use crate::{EraChoice, secret::Secret};

/// Reads a file with an `mcpServers` object.
///
/// `lookup` gives the values of `${VAR}`.
///
/// # Errors
/// The file cannot be read, or is not such JSON as a whole. What is wrong with single entries is in
/// [`ConfigFile::problems`].
pub fn read_file(file: &Path, lookup: Lookup<'_>) -> Result<ConfigFile, ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
    parse(&text, file, lookup)
}

/// [`read_file`] for text that is already here; `file` is only named in origins and errors.
///
/// # Errors
/// As [`read_file`].
pub fn parse(text: &str, file: &Path, lookup: Lookup<'_>) -> Result<ConfigFile, ConfigError> {
    #[derive(Deserialize)]
    struct Root<'a> {
        #[serde(rename = "mcpServers", borrow)]
        servers: Option<OrderedMap<'a>>,
    }
    let root: Root<'_> = serde_json::from_str(text)
        .map_err(|source| ConfigError::NotJson { file: file.to_owned(), source })?;
    let entries = root.servers.ok_or_else(|| ConfigError::NoServers { file: file.to_owned() })?.0;
    let mut found = ConfigFile::default();
    for (name, entry) in entries {
        let at = origin(file, line_of(text, entry.get()));
        let known = found.servers.iter().any(|server| server.name == name);
        let server = if known {
            Err(format!("the name `{name}` is used twice; rename one"))
        } else {
            read_entry(&name, entry, lookup)
        };
        match server {
            Ok(server) => found.servers.push(ServerConfig { origin: Some(at), ..server }),
            Err(reason) => found.problems.push(Problem { server: name, origin: at, reason }),
        }
    }
    Ok(found)
}

/// An object's members in the order of the text, duplicates included.
struct OrderedMap<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for OrderedMap<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of servers")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Visitor).map(Self)
    }
}

/// `part` is a slice of `text`, so its address tells its line.
fn line_of(text: &str, part: &str) -> usize {
    let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    text.as_bytes()[..offset.min(text.len())].split(|byte| *byte == b'\n').count()
}

fn read_entry(name: &str, entry: &RawValue, lookup: Lookup<'_>) -> Result<ServerConfig, String> {
    let entry: Map<String, Value> = serde_json::from_str(entry.get())
        .map_err(|_| "the entry must be an object with `command` or `url`".to_owned())?;
    let fields = Fields { entry: &entry, lookup };
    let transport = match (fields.text("command")?, fields.text("url")?) {
        (Some(command), None) => TransportConfig::Stdio {
            command,
            args: fields.texts("args")?,
            env: fields.secrets("env")?,
            cwd: fields.text("cwd")?.map(Into::into),
        },
        (None, Some(url)) => TransportConfig::Http { url, headers: fields.secrets("headers")? },
        (Some(_), Some(_)) => return Err("has both `command` and `url`; remove one".to_owned()),
        (None, None) => return Err("has neither `command` nor `url`; add one".to_owned()),
    };
    let era = match fields.text("protocolEra")?.as_deref() {
        None | Some("auto") => EraChoice::Auto,
        Some("legacy") => EraChoice::Legacy,
        Some("modern") => EraChoice::Modern,
        Some(other) => {
            return Err(format!("`protocolEra` must be auto, legacy or modern, not `{other}`"));
        }
    };
    let enabled =
        fields.flag("enabled")?.unwrap_or(true) && !fields.flag("disabled")?.unwrap_or(false);
    let mut server = ServerConfig::new(name, transport);
    server.enabled = enabled;
    server.era = era;
    server.startup_timeout = fields.millis("connectionTimeout")?;
    server.call_timeout = fields.millis("timeout")?;
    Ok(server)
}

struct Fields<'a> {
    entry: &'a Map<String, Value>,
    lookup: Lookup<'a>,
}

impl Fields<'_> {
    fn expand(&self, field: &str, text: &str) -> Result<String, String> {
        expand(text, self.lookup).map_err(|unset| {
            format!("is not configured: `{field}` needs {}, which is not set", unset.join(", "))
        })
    }

    fn text(&self, field: &str) -> Result<Option<String>, String> {
        match self.entry.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => self.expand(field, text).map(Some),
            Some(_) => Err(format!("`{field}` must be a string")),
        }
    }

    fn texts(&self, field: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("`{field}` must be a list of strings");
        match self.entry.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| self.expand(field, item.as_str().ok_or_else(wrong)?))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    fn secrets(&self, field: &str) -> Result<BTreeMap<String, Secret>, String> {
        match self.entry.get(field) {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(Value::Object(members)) => members
                .iter()
                .map(|(key, value)| {
                    let path = format!("{field}.{key}");
                    let text = match value {
                        Value::String(text) => self.expand(&path, text)?,
                        // People write numbers and booleans here; the meaning is plain.
                        Value::Number(number) => number.to_string(),
                        Value::Bool(flag) => flag.to_string(),
                        _ => return Err(format!("`{path}` must be a string")),
                    };
                    Ok((key.clone(), Secret::new(text)))
                })
                .collect(),
            Some(_) => Err(format!("`{field}` must be an object of strings")),
        }
    }

    fn flag(&self, field: &str) -> Result<Option<bool>, String> {
        match self.entry.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(format!("`{field}` must be true or false")),
        }
    }

    fn millis(&self, field: &str) -> Result<Option<Duration>, String> {
        match self.entry.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .map(|millis| Some(Duration::from_millis(millis)))
                .ok_or_else(|| format!("`{field}` must be a whole number of milliseconds")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ConfigFile {
        let lookup = |name: &str| (name == "KEY").then(|| "s3cret".to_owned());
        parse(text, Path::new("servers.json"), &lookup).unwrap()
    }

    #[test]
    fn one_bad_entry_hides_no_other() {
        let file = read(
            r#"{"mcpServers": {
                "good": {"command": "npx", "args": ["-y", "pkg"], "env": {"K": "${KEY}", "N": 3}},
                "both": {"command": "x", "url": "http://h"},
                "none": {},
                "list": [],
                "args": {"command": "x", "args": "oops"},
                "unset": {"url": "http://h", "headers": {"Authorization": "Bearer ${TOKEN}"}},
                "good": {"command": "twice"},
                "web": {"url": "https://example.com/mcp", "type": "http", "disabled": true,
                        "timeout": 1500, "someone-elses-key": 1}
            }}"#,
        );
        let names: Vec<_> = file.servers.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["good", "web"]);
        assert_eq!(file.servers[0].origin.as_ref().unwrap().line, 2);
        assert!(!file.servers[1].enabled);
        assert_eq!(file.servers[1].call_timeout, Some(Duration::from_millis(1500)));
        let TransportConfig::Stdio { env, .. } = &file.servers[0].transport else { panic!() };
        assert_eq!(env["K"].reveal(), "s3cret");
        assert!(!format!("{file:?}").contains("s3cret"));
        let problems: Vec<_> = file
            .problems
            .iter()
            .map(|p| format!("{} {} {}", p.origin, p.server, p.reason))
            .collect();
        assert_eq!(
            problems,
            [
                "servers.json:3 both has both `command` and `url`; remove one",
                "servers.json:4 none has neither `command` nor `url`; add one",
                "servers.json:5 list the entry must be an object with `command` or `url`",
                "servers.json:6 args `args` must be a list of strings",
                "servers.json:7 unset is not configured: `headers.Authorization` needs TOKEN, \
                 which is not set",
                "servers.json:8 good the name `good` is used twice; rename one",
            ]
        );
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let parse = |text| parse(text, Path::new("f"), &|_| None).unwrap_err().to_string();
        assert_eq!(parse("[1"), "f is not JSON");
        assert_eq!(parse("{}"), "f has no `mcpServers` object");
    }
}
