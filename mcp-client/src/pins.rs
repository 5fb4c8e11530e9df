//! What a server's tools were when they were agreed to.
//!
//! A server can change what it says about a tool at any time, and a model believes it. So what was
//! seen first, or accepted later, is pinned: the members by digest, and the set of them too, since
//! a renamed tool is a new one.

use std::{collections::BTreeMap, path::PathBuf};

use mcp_protocol::{raw::RawJson, tools::Tool};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    digest::Digest,
    kept_file::{self, KeptFileError},
};

/// One tool as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pin {
    /// Of the definition.
    pub digest: Digest,
    /// Name, title, description, schemas and annotations: what a model or a policy goes by.
    pub definition: Value,
}

impl Pin {
    /// A tool as it is now.
    pub fn of(tool: &Tool) -> Self {
        let schema = |schema: &RawJson| {
            // Too deep for a tree: the text itself then.
            serde_json::from_str(schema.as_str()).unwrap_or_else(|_| Value::from(schema.as_str()))
        };
        let definition = json!({
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": schema(&tool.input_schema),
            "outputSchema": tool.output_schema.as_ref().map(schema),
            "annotations": tool.annotations,
        });
        Self { digest: Digest::of_json(&definition), definition }
    }
}

/// The tools of one server as they were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerPins {
    /// By name.
    pub tools: BTreeMap<String, Pin>,
}

impl ServerPins {
    /// The tools as they are now.
    pub fn of<'a>(tools: impl IntoIterator<Item = &'a Tool>) -> Self {
        let tools = tools.into_iter().map(|tool| (tool.name.clone(), Pin::of(tool)));
        Self { tools: tools.collect() }
    }

    /// Of the set: of all names with their digests.
    pub fn digest(&self) -> Digest {
        let members = self.tools.iter().map(|(name, pin)| (name.clone(), json!(pin.digest)));
        Digest::of_json(&Value::Object(members.collect()))
    }

    /// What is another now, sorted by name.
    pub fn drift(&self, now: &Self) -> Vec<Drift> {
        let mut drift = Vec::new();
        for (name, pin) in &now.tools {
            match self.tools.get(name) {
                Some(before) if before.digest == pin.digest => {}
                before => drift.push(Drift {
                    tool: name.clone(),
                    before: before.cloned(),
                    now: Some(pin.clone()),
                }),
            }
        }
        for (name, pin) in &self.tools {
            if !now.tools.contains_key(name) {
                drift.push(Drift { tool: name.clone(), before: Some(pin.clone()), now: None });
            }
        }
        drift.sort_by(|one, other| one.tool.cmp(&other.tool));
        drift
    }
}

/// One tool that is not as it was.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Drift {
    /// Its name.
    pub tool: String,
    /// What was pinned; `None` for a new tool.
    pub before: Option<Pin>,
    /// What it is now; `None` for one that is gone.
    pub now: Option<Pin>,
}

impl Drift {
    /// One word for it.
    pub fn kind(&self) -> &'static str {
        match (&self.before, &self.now) {
            (None, _) => "new",
            (_, None) => "gone",
            _ => "changed",
        }
    }
}

/// Where pins are kept. The calls may block for a moment.
pub trait PinStore: Send + Sync + std::fmt::Debug {
    /// The pins of a server; `None` when it was never seen.
    ///
    /// # Errors
    /// They cannot be read. Nothing of the server is to be used then.
    fn load(&self, server: &str) -> Result<Option<ServerPins>, KeptFileError>;

    /// Replaces the pins of a server.
    ///
    /// # Errors
    /// They cannot be written.
    fn save(&self, server: &str, pins: ServerPins) -> Result<(), KeptFileError>;
}

/// Pins in a file of the user's.
#[derive(Clone, Debug)]
pub struct PinFile {
    file: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    servers: BTreeMap<String, ServerPins>,
}

impl PinFile {
    /// The pins in this file; none when it is missing.
    pub fn at(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into() }
    }

    /// All of them, by server.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn all(&self) -> Result<BTreeMap<String, ServerPins>, KeptFileError> {
        kept_file::read::<Kept>(&self.file).map(|kept| kept.servers)
    }

    /// Forgets a server: it counts as never seen. Returns whether it was known.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget(&self, server: &str) -> Result<bool, KeptFileError> {
        kept_file::change(&self.file, |kept: &mut Kept| kept.servers.remove(server).is_some())
    }
}

impl PinStore for PinFile {
    fn load(&self, server: &str) -> Result<Option<ServerPins>, KeptFileError> {
        self.all().map(|mut servers| servers.remove(server))
    }

    fn save(&self, server: &str, pins: ServerPins) -> Result<(), KeptFileError> {
        kept_file::change(&self.file, |kept: &mut Kept| {
            kept.servers.insert(server.to_owned(), pins);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(text: &str) -> Tool {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn members_and_the_set_are_pinned() {
        let read = tool(r#"{"name":"read","inputSchema":{"type":"object","x":1}}"#);
        let before = ServerPins::of([&read]);
        // White space and order do not count, nor do icons.
        let same = tool(
            r#"{"icons":[{"src":"https://h/i.png"}], "inputSchema": {"x": 1.0, "type": "object"}, "name": "read"}"#,
        );
        assert_eq!(before.drift(&ServerPins::of([&same])), []);
        assert_eq!(before.digest(), ServerPins::of([&same]).digest());
        for other in [
            r#"{"name":"read","title":"Read","inputSchema":{"type":"object","x":1}}"#,
            r#"{"name":"read","description":"Send me.","inputSchema":{"type":"object","x":1}}"#,
            r#"{"name":"read","inputSchema":{"type":"object","x":2}}"#,
            r#"{"name":"read","inputSchema":{"type":"object","x":1},"outputSchema":{"type":"object"}}"#,
            r#"{"name":"read","inputSchema":{"type":"object","x":1},"annotations":{"readOnlyHint":true}}"#,
        ] {
            let now = ServerPins::of([&tool(other)]);
            let drift = before.drift(&now);
            assert_eq!((drift.len(), drift[0].kind()), (1, "changed"), "{other}");
            assert_ne!(before.digest(), now.digest());
        }
        let renamed = tool(r#"{"name":"read2","inputSchema":{"type":"object","x":1}}"#);
        let drift = before.drift(&ServerPins::of([&renamed]));
        let kinds: Vec<_> = drift.iter().map(|one| (one.tool.as_str(), one.kind())).collect();
        assert_eq!(kinds, [("read", "gone"), ("read2", "new")]);
    }

    #[test]
    fn a_file_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = PinFile::at(folder.path().join("state/pins.json"));
        assert_eq!(file.load("a").unwrap(), None);
        let pins = ServerPins::of([&tool(r#"{"name":"x","inputSchema":{}}"#)]);
        file.save("a", pins.clone()).unwrap();
        file.save("b", ServerPins::default()).unwrap();
        assert_eq!(file.load("a").unwrap(), Some(pins));
        assert_eq!(file.load("b").unwrap(), Some(ServerPins::default()));
        assert!(file.forget("a").unwrap() && !file.forget("a").unwrap());
    }
}
