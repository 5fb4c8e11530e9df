//! One more server in a file that is already there.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstObject, CstRootNode},
};
use serde_json::Value;

use super::{ConfigError, Declared, Dialect, ServerEntry, declare, export};
use crate::private_file;

/// What to do about a server of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfThere {
    /// Leave it, and refuse.
    #[default]
    Refuse,
    /// Put the new one in its place.
    Replace,
}

/// A file with one server more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Added {
    /// The whole file.
    pub text: String,
    /// The new entry alone, as it stands in the file.
    pub entry: Value,
    /// Whether one of this name stood there.
    pub replaced: bool,
    /// What the file has no words for, one sentence each.
    pub notes: Vec<String>,
}

/// A server cannot be added to a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The file cannot be used as it is.
    #[error("cannot add a server to {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: ConfigError,
    },
    /// It cannot be written.
    #[error("cannot write {}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is one of this name.
    #[error("{} has a server `{name}` already; choose another name, or replace it", file.display())]
    Exists {
        /// The file.
        file: PathBuf,
        /// Its name.
        name: String,
    },
    /// Such files cannot be changed here.
    #[error("cannot change {}: {reason}", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Adds a server to a file's text, in the way of the file. All else in it stays as it is, comments
/// included. An empty text becomes a file with `mcpServers`.
///
/// What is written is read again before it counts: it means what the entry means, or it is
/// refused. So a text that some file would take for a variable is never written as one.
///
/// # Errors
/// The file is malformed, or has such a server, or is YAML, or cannot say what is to be said.
pub fn add(
    text: &str,
    file: &Path,
    entry: &ServerEntry,
    if_there: IfThere,
) -> Result<Added, AddError> {
    let unsupported = |reason: String| AddError::Unsupported { file: file.to_owned(), reason };
    let known = match declare(text, file, None) {
        Ok(known) => known,
        Err(ConfigError::NoServers { .. }) => Declared::default(),
        Err(_) if text.trim().is_empty() => Declared::default(),
        Err(source) => return Err(AddError::File { file: file.to_owned(), source }),
    };
    let names = known.entries.iter().map(|entry| &entry.name);
    let mut names = names.chain(known.problems.iter().map(|problem| &problem.server));
    let replaced = names.any(|name| *name == entry.name);
    if replaced && if_there == IfThere::Refuse {
        let name = entry.name.clone();
        return Err(AddError::Exists { file: file.to_owned(), name });
    }
    let is_toml = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"));
    let usual = if is_toml { Dialect::Codex } else { Dialect::ClaudeCode };
    let dialect = known.dialect.unwrap_or(usual);
    let (value, notes) = export::entry(entry, dialect);
    let Some(value) = value else { return Err(unsupported(notes.join("; "))) };
    let text = if is_toml {
        export::toml_with(text, dialect, &entry.name, &value).map_err(unsupported)?
    } else {
        json_with(text, dialect, &entry.name, &value).map_err(unsupported)?
    };
    let read = declare(&text, file, None)
        .map_err(|source| AddError::File { file: file.to_owned(), source })?;
    if read.entry(&entry.name).is_none_or(|read| read.transport != entry.transport) {
        let reason = format!(
            "it would read `{}` as something else there: a part of it looks like a variable",
            entry.name
        );
        return Err(unsupported(reason));
    }
    Ok(Added { text, entry: value, replaced, notes })
}

/// [`add`] to a file, which is replaced as a whole; one that is not there is made, for its user
/// alone.
///
/// # Errors
/// As [`add`]; or the file cannot be read or written.
pub fn add_to_file(file: &Path, entry: &ServerEntry, if_there: IfThere) -> Result<Added, AddError> {
    let unwritable = |source| AddError::Unwritable { file: file.to_owned(), source };
    // Not the link to a file, but the file itself is replaced.
    let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let text = match fs::read_to_string(&real) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => {
            let source = ConfigError::Unreadable { file: file.to_owned(), source };
            return Err(AddError::File { file: file.to_owned(), source });
        }
    };
    let added = add(text.as_deref().unwrap_or_default(), file, entry, if_there)?;
    let rights = match text {
        Some(_) => Some(fs::metadata(&real).map_err(unwritable)?.permissions()),
        None => None,
    };
    if let Some(folder) = real.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_file::create_folder(folder).map_err(unwritable)?;
    }
    private_file::replace(&real, added.text.as_bytes()).map_err(unwritable)?;
    if let Some(rights) = rights {
        fs::set_permissions(&real, rights).map_err(unwritable)?;
    }
    Ok(added)
}

fn json_with(text: &str, dialect: Dialect, name: &str, value: &Value) -> Result<String, String> {
    let text = if text.trim().is_empty() { "{\n  \"mcpServers\": {}\n}\n" } else { text };
    let root = CstRootNode::parse(text, &ParseOptions::default())
        .map_err(|error| format!("it is not JSON: {error}"))?;
    let Some(object) = root.object_value_or_create() else {
        return Err("it holds no JSON object".to_owned());
    };
    if dialect == Dialect::MistralRs {
        let list = object.array_value_or_create("servers").ok_or("`servers` is no list")?;
        let same = |id: Value| id.get("id").or(id.get("name")).is_some_and(|id| id == name);
        let known = list.elements().into_iter();
        for known in known.filter(|known| as_json(known).is_some_and(same)) {
            known.remove();
        }
        list.append(input(value));
        return Ok(root.to_string());
    }
    let servers = table(&object, dialect)?;
    match servers.get(name) {
        Some(known) => known.set_value(input(value)),
        None => {
            servers.append(name, input(value));
        }
    }
    Ok(root.to_string())
}

fn as_json(node: &jsonc_parser::cst::CstNode) -> Option<Value> {
    serde_json::from_str(&node.to_string()).ok()
}

/// Where the servers stand.
fn table(root: &CstObject, dialect: Dialect) -> Result<CstObject, String> {
    let inside = |outer: &CstObject, key: &str| {
        outer.object_value_or_create(key).ok_or_else(|| format!("`{key}` is no object"))
    };
    match dialect {
        Dialect::VsCode if root.get("servers").is_none() && root.get("mcp").is_some() => {
            inside(&inside(root, "mcp")?, "servers")
        }
        Dialect::VsCode => inside(root, "servers"),
        Dialect::OpenCode => {
            let outer = inside(root, "mcp")?;
            // The newer form has one table more.
            match outer.object_value("servers") {
                Some(servers) => Ok(servers),
                None => Ok(outer),
            }
        }
        Dialect::Zed => inside(root, "context_servers"),
        Dialect::Codex => inside(root, "mcp_servers"),
        Dialect::Goose => inside(root, "extensions"),
        _ if root.get("mcpServers").is_some() || root.properties().is_empty() => {
            inside(root, "mcpServers")
        }
        _ if root.get("servers").is_some() => inside(root, "servers"),
        // A map of nothing but servers, or a file about other things.
        _ => {
            let is_server = |key: &str| {
                root.object_value(key).is_some_and(|entry| {
                    ["command", "url", "httpUrl", "serverUrl"]
                        .iter()
                        .any(|key| entry.get(key).is_some())
                })
            };
            let bare = root
                .properties()
                .iter()
                .all(|one| one.decoded_name().is_some_and(|name| is_server(&name)));
            if bare { Ok(root.clone()) } else { inside(root, "mcpServers") }
        }
    }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(flag) => CstInputValue::Bool(*flag),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(members) => CstInputValue::Object(
            members.iter().map(|(key, value)| (key.clone(), input(value))).collect(),
        ),
    }
}
