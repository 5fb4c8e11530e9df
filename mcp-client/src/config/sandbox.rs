//! The bounds around a child process, as a file declares them.

use std::time::Duration;

use mcp_transport::stdio::Sandbox;
use serde_json::{Value, json};

use super::{
    Template, Variable, Variables,
    document::{Node, Value as Kind},
    fields::Fields,
};

/// The member `sandbox` of an entry: `true`, or an object. See
/// [`Sandbox`](mcp_transport::stdio::Sandbox) for what it stops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SandboxEntry {
    /// `folder`: its own; `~/.cache/mcp/sandbox/NAME` when absent.
    pub folder: Option<Template>,
    /// `read`: what it may read beside.
    pub read: Vec<Template>,
    /// `write`: what it may read and write beside.
    pub write: Vec<Template>,
    /// `network`: whether it may open sockets.
    pub network: bool,
    /// `memoryBytes`: how much memory each process may map.
    pub memory_bytes: Option<u64>,
    /// `fileBytes`: how large a file it may write.
    pub file_bytes: Option<u64>,
    /// `openFiles`: how many each process may have open.
    pub open_files: Option<u64>,
    /// `cpuSeconds`: how much processor time each process may use in all.
    pub cpu_time: Option<Duration>,
}

impl SandboxEntry {
    /// Reads the member; a word that is not known is an error, since it may be a bound that was
    /// meant.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Option<Self>, String> {
        if let Some((_, Node { value: Kind::Bool(on), .. })) = fields.node(&["sandbox"]) {
            return Ok(on.then(Self::default));
        }
        let Some(inside) = fields.inside(&["sandbox"])? else { return Ok(None) };
        let entry = Self {
            folder: inside.template(&["folder"])?,
            read: inside.templates(&["read"])?,
            write: inside.templates(&["write"])?,
            network: inside.flag(&["network"])?.unwrap_or(false),
            memory_bytes: inside.whole(&["memoryBytes"])?,
            file_bytes: inside.whole(&["fileBytes"])?,
            open_files: inside.whole(&["openFiles"])?,
            cpu_time: inside.whole(&["cpuSeconds"])?.map(Duration::from_secs),
        };
        match inside.unknown().keys().next() {
            Some(word) => Err(format!("`sandbox` has no `{word}`; remove it")),
            None => Ok(Some(entry)),
        }
    }

    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.folder.iter().chain(&self.read).chain(&self.write)
    }

    /// Looks the variables up with `text`.
    pub(super) fn resolve(
        &self,
        server: &str,
        values: &Variables<'_>,
        mut text: impl FnMut(&str, &Template) -> String,
    ) -> Result<Sandbox, Variable> {
        let folder = if let Some(folder) = &self.folder {
            text("sandbox.folder", folder).into()
        } else {
            let home = values.get(&Variable::UserHome).ok_or(Variable::UserHome)?;
            // A name is a stranger's, and must not lead out of the folder.
            let safe = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '_' };
            let name: String = server.chars().map(safe).collect();
            std::path::Path::new(&home).join(".cache/mcp/sandbox").join(name)
        };
        let mut sandbox = Sandbox::in_folder(folder).network(self.network);
        for path in &self.read {
            sandbox = sandbox.read(text("sandbox.read", path));
        }
        for path in &self.write {
            sandbox = sandbox.write(text("sandbox.write", path));
        }
        let limits = [self.memory_bytes, self.file_bytes, self.open_files];
        let setters = [Sandbox::memory_bytes, Sandbox::file_bytes, Sandbox::open_files];
        for (limit, set) in limits.into_iter().zip(setters) {
            sandbox = limit.map_or(sandbox.clone(), |limit| set(sandbox, limit));
        }
        Ok(match self.cpu_time {
            Some(limit) => sandbox.cpu_time(limit),
            None => sandbox,
        })
    }

    /// As it is written, with `text` spelling the templates.
    pub(super) fn write(&self, mut text: impl FnMut(&Template) -> String) -> Value {
        let mut object = json!({"network": self.network});
        let mut put = |key: &str, value: Value| object[key] = value;
        if let Some(folder) = &self.folder {
            put("folder", text(folder).into());
        }
        for (key, paths) in [("read", &self.read), ("write", &self.write)] {
            if !paths.is_empty() {
                put(key, paths.iter().map(&mut text).collect());
            }
        }
        let cpu_seconds = self.cpu_time.map(|time| time.as_secs());
        for (key, limit) in [
            ("memoryBytes", self.memory_bytes),
            ("fileBytes", self.file_bytes),
            ("openFiles", self.open_files),
            ("cpuSeconds", cpu_seconds),
        ] {
            if let Some(limit) = limit {
                put(key, limit.into());
            }
        }
        object
    }
}
