//! Servers written in another program's way.

mod remote;
mod spelling;
mod stdio;
mod syntax;

use std::time::Duration;

use mcp_transport::http::Reach;
use serde_json::{Map, Value, json};

use self::spelling::Spelling;
pub(super) use self::syntax::toml_with;
use super::{Declared, Dialect, Input, ServerEntry, TransportEntry};
use crate::EraChoice;

/// A file's text, and what could not be said in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// The file.
    pub text: String,
    /// What the dialect has no words for, one sentence each.
    pub notes: Vec<String>,
}

/// Writes servers in the way of a program.
///
/// What its readers did not understand is written back when the dialect is the one it came from.
/// Values stay variables where the dialect knows them; a note says where it does not.
pub fn export(declared: &Declared, dialect: Dialect) -> Exported {
    let mut notes = Vec::new();
    let mut entries = Vec::new();
    for entry in &declared.entries {
        let mut writer = Writer {
            entry,
            object: Map::new(),
            spelling: Spelling::new(dialect, &entry.name, &mut notes),
        };
        if writer.write() {
            entries.push((entry.name.clone(), Value::Object(writer.object)));
        }
    }
    let document = root(declared, dialect, entries);
    Exported { text: syntax::write(&document, dialect), notes }
}

/// Writes one server in the way of a program; `None` when that program cannot have it. Says what
/// the dialect has no words for.
pub(super) fn entry(entry: &ServerEntry, dialect: Dialect) -> (Option<Value>, Vec<String>) {
    let mut notes = Vec::new();
    let spelling = Spelling::new(dialect, &entry.name, &mut notes);
    let mut writer = Writer { entry, object: Map::new(), spelling };
    let written = writer.write().then(|| Value::Object(std::mem::take(&mut writer.object)));
    (written, notes)
}

fn root(declared: &Declared, dialect: Dialect, entries: Vec<(String, Value)>) -> Value {
    let map = |entries: Vec<(String, Value)>| Value::Object(entries.into_iter().collect());
    match dialect {
        Dialect::VsCode => {
            let mut root = json!({"servers": map(entries)});
            if !declared.inputs.is_empty() {
                root["inputs"] = declared.inputs.iter().map(input).collect();
            }
            root
        }
        Dialect::MistralRs => {
            let list: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
            let mut root = json!({"servers": list});
            if let Some(register) = declared.auto_register_tools {
                root["auto_register_tools"] = register.into();
            }
            if let Some(limit) = declared.call_timeout {
                root["tool_timeout_secs"] = limit.as_secs().into();
            }
            if let Some(calls) = declared.max_concurrent_calls {
                root["max_concurrent_calls"] = calls.into();
            }
            root
        }
        Dialect::Codex => json!({"mcp_servers": map(entries)}),
        Dialect::Goose => json!({"extensions": map(entries)}),
        Dialect::OpenCode => json!({"mcp": map(entries)}),
        Dialect::Zed => json!({"context_servers": map(entries)}),
        _ => json!({"mcpServers": map(entries)}),
    }
}

fn input(input: &Input) -> Value {
    let mut object = json!({"id": input.id, "type": "promptString"});
    if let Some(description) = &input.description {
        object["description"] = description.as_str().into();
    }
    if let Some(default) = &input.default {
        object["default"] = default.as_str().into();
    }
    if input.password {
        object["password"] = true.into();
    }
    if !input.options.is_empty() {
        object["type"] = "pickString".into();
        object["options"] = input.options.clone().into();
    }
    object
}

/// Writes one entry.
struct Writer<'a> {
    entry: &'a ServerEntry,
    object: Map<String, Value>,
    spelling: Spelling<'a>,
}

impl Writer<'_> {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.object.insert(key.to_owned(), value.into());
    }

    fn put_list(&mut self, key: &str, items: &[String]) {
        if !items.is_empty() {
            self.put(key, items.to_vec());
        }
    }

    /// Whether the entry is to be written at all.
    fn write(&mut self) -> bool {
        let entry = self.entry;
        let dialect = self.spelling.dialect;
        if !entry.enabled
            && matches!(
                dialect,
                Dialect::ClaudeDesktop | Dialect::Cursor | Dialect::VsCode | Dialect::Zed
            )
        {
            self.spelling.note("is switched off, which cannot be said there; left out");
            return false;
        }
        let written = match &entry.transport {
            TransportEntry::Stdio { command, args, env, env_file, cwd } => {
                self.stdio(command, args, env, env_file.as_ref(), cwd.as_ref());
                true
            }
            TransportEntry::Remote { kind, url, headers } => self.remote(*kind, url, headers),
        };
        if !written {
            return false;
        }
        self.state();
        self.limits();
        self.calls();
        self.tools();
        self.names();
        self.bounds();
        if entry.dialect == dialect {
            for (key, value) in &entry.unknown {
                self.object.entry(key).or_insert_with(|| value.clone());
            }
        } else if !entry.unknown.is_empty() {
            let keys: Vec<_> = entry.unknown.keys().map(|key| format!("`{key}`")).collect();
            let from = entry.dialect.as_str();
            self.spelling.note(&format!("has {} of {from}; left out", keys.join(", ")));
        }
        true
    }

    fn state(&mut self) {
        let ServerEntry { enabled, required, era, .. } = *self.entry;
        match self.spelling.dialect {
            // These write it always.
            Dialect::MistralRs | Dialect::Goose => self.put("enabled", enabled),
            Dialect::Codex | Dialect::OpenCode | Dialect::ClaudeCode if !enabled => {
                self.put("enabled", false);
            }
            _ if !enabled => self.put("disabled", true),
            _ => {}
        }
        if required {
            match self.spelling.dialect {
                Dialect::Codex | Dialect::ClaudeCode => self.put("required", true),
                _ => self.spelling.lost("required"),
            }
        }
        let era = match era {
            EraChoice::Auto => return,
            EraChoice::Legacy => "legacy",
            EraChoice::Modern => "modern",
        };
        match self.spelling.dialect {
            Dialect::ClaudeCode => self.put("protocolEra", era),
            _ => self.spelling.lost("protocolEra"),
        }
    }

    fn limits(&mut self) {
        let seconds = |limit: Duration| match limit.subsec_nanos() {
            0 => Value::from(limit.as_secs()),
            _ => Value::from(limit.as_secs_f64()),
        };
        let millis = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let dialect = self.spelling.dialect;
        if let Some(limit) = self.entry.startup_timeout {
            match dialect {
                Dialect::ClaudeCode => self.put("connectionTimeout", millis(limit)),
                Dialect::Codex => self.put("startup_timeout_sec", seconds(limit)),
                _ => self.spelling.lost("the limit for starting"),
            }
        }
        if let Some(limit) = self.entry.call_timeout {
            match dialect {
                Dialect::ClaudeCode | Dialect::Gemini | Dialect::OpenCode => {
                    self.put("timeout", millis(limit));
                }
                Dialect::Goose | Dialect::Cline => self.put("timeout", seconds(limit)),
                Dialect::Codex => self.put("tool_timeout_sec", seconds(limit)),
                Dialect::MistralRs => self.object["source"]["timeout_secs"] = seconds(limit),
                _ => self.spelling.lost("the limit for calls"),
            }
        }
    }

    fn tools(&mut self) {
        let tools = &self.entry.tools;
        let (allow, deny) = match self.spelling.dialect {
            Dialect::Codex => (Some("enabled_tools"), Some("disabled_tools")),
            Dialect::Gemini => (Some("includeTools"), Some("excludeTools")),
            Dialect::Goose => (Some("available_tools"), None),
            Dialect::ClaudeCode => (Some("allowedTools"), Some("disabledTools")),
            Dialect::Windsurf => (None, Some("disabledTools")),
            _ => (None, None),
        };
        if let Some(only) = &tools.allow {
            match allow {
                Some(key) => self.put(key, only.clone()),
                None => self.spelling.lost("the choice of tools"),
            }
        }
        match deny {
            Some(key) => self.put_list(key, &tools.deny),
            None if !tools.deny.is_empty() => self.spelling.lost("the tools to hide"),
            None => {}
        }
        match self.spelling.dialect {
            Dialect::Cline | Dialect::ClaudeCode => self.put_list("autoApprove", &tools.approved),
            _ if !tools.approved.is_empty() => {
                self.spelling.lost("the tools that nobody is asked for");
            }
            _ => {}
        }
        if tools.trusted {
            match self.spelling.dialect {
                Dialect::Gemini | Dialect::ClaudeCode => self.put("trust", true),
                _ => self.spelling.lost("trust"),
            }
        }
    }

    fn calls(&mut self) {
        let Some(calls) = self.entry.max_concurrent_calls else { return };
        match self.spelling.dialect {
            Dialect::ClaudeCode | Dialect::MistralRs => self.put("max_concurrent_calls", calls),
            _ => self.spelling.lost("the limit of calls at a time"),
        }
    }

    /// Our own words, which a file of the widest form keeps.
    fn bounds(&mut self) {
        let ours = self.spelling.dialect == Dialect::ClaudeCode;
        if let Some(sandbox) = &self.entry.sandbox {
            if ours {
                let written = sandbox.write(|path| self.spelling.text("sandbox", path));
                self.put("sandbox", written);
            } else {
                self.spelling.lost("its sandbox");
            }
        }
        if let Some(replicas) = &self.entry.replicas {
            if ours {
                let written = replicas.write(|url| self.spelling.text("replicas", url));
                self.put("replicas", written);
            } else {
                self.spelling.lost("its replicas");
            }
        }
        match (self.entry.reach, ours) {
            (Reach::Anywhere, _) => {}
            (_, true) => self.put("reach", "public"),
            (_, false) => self.spelling.lost("the limit to public addresses"),
        }
    }

    fn names(&mut self) {
        let ServerEntry { name, title, description, tool_prefix, resources, .. } = self.entry;
        match self.spelling.dialect {
            Dialect::MistralRs => {
                self.put("id", name.as_str());
                self.put("name", title.as_ref().unwrap_or(name).as_str());
            }
            Dialect::Goose => self.put("name", title.as_ref().unwrap_or(name).as_str()),
            Dialect::ClaudeCode => {
                if let Some(title) = title {
                    self.put("title", title.as_str());
                }
            }
            _ => {}
        }
        let described =
            matches!(self.spelling.dialect, Dialect::Goose | Dialect::ClaudeCode | Dialect::Gemini);
        if let Some(description) = description.as_ref().filter(|_| described) {
            self.put("description", description.as_str());
        }
        let ours = matches!(self.spelling.dialect, Dialect::MistralRs | Dialect::ClaudeCode);
        if let Some(prefix) = tool_prefix {
            if ours {
                self.put("tool_prefix", prefix.as_str());
            } else {
                self.spelling.lost("the prefix of tools");
            }
        }
        if ours {
            self.put_list("resources", resources);
        } else if !resources.is_empty() {
            self.spelling.lost("the resources to follow");
        }
    }
}
