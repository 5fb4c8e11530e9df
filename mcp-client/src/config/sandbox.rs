//! The bounds around a child process, as a file declares them.

use std::{path::Path, time::Duration};

use mcp_transport::stdio::Sandbox;
use serde_json::{Value, json};

use super::{
    Template, Variable, Variables,
    document::{Node, Value as Kind},
    fields::Fields,
};
use crate::Digest;

/// How much of a name is seen in the name of its folder, in characters.
const NAME_SHOWN: usize = 40;

/// A name is a stranger's: it must neither lead out of the folder nor to that of another entry.
pub(super) fn folder_name(server: &str, file: &Path) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = server.chars().take(NAME_SHOWN).map(safe).collect();
    // Two projects may have a file of the same relative path.
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let digest = Digest::of_json(&json!([file.to_string_lossy(), server])).short();
    format!("{name}-{digest}")
}

/// The member `sandbox` of an entry: `true`, or an object. See
/// [`Sandbox`](mcp_transport::stdio::Sandbox) for what it stops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SandboxEntry {
    /// `folder`: its own; `~/.cache/mcp/sandbox/NAME-DIGEST` when absent, where the digest is that
    /// of the configuration file and the name: no two entries share one.
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
        file: &Path,
        values: &Variables<'_>,
        mut text: impl FnMut(&str, &Template) -> String,
    ) -> Result<Sandbox, Variable> {
        let folder = if let Some(folder) = &self.folder {
            text("sandbox.folder", folder).into()
        } else {
            let home = values.get(&Variable::UserHome).ok_or(Variable::UserHome)?;
            Path::new(&home).join(".cache/mcp/sandbox").join(folder_name(server, file))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_entries_share_a_folder() {
        let long = "x".repeat(300);
        let names =
            ["a.b", "a b", "a_b", "A_b", "../etc", "ä", "ö", "", &long, &format!("{long}y")];
        let files = ["/home/me/one/.mcp.json", "/home/me/two/.mcp.json", ".mcp.json"];
        let folders: Vec<_> = files
            .iter()
            .flat_map(|file| names.iter().map(|name| folder_name(name, Path::new(file))))
            .collect();
        assert_eq!(folders.iter().collect::<BTreeSet<_>>().len(), names.len() * files.len());
        for folder in &folders {
            assert!(folder.len() < 64 && !folder.contains(['/', '.', ' ']), "{folder}");
        }
        assert!(folders[0].starts_with("a_b-"), "{}", folders[0]);
        // The same next time.
        assert_eq!(folders[0], folder_name("a.b", Path::new(files[0])));
    }
}
