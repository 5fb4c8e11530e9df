//! The programs whose configuration files are read and written.

use std::path::Path;

use super::document::{Node, Syntax, Value};

/// A program's way to write servers down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// `mcpServers` with `${VAR}`, as in `.mcp.json`; also our own `mcp.json`.
    ClaudeCode,
    /// `claude_desktop_config.json`.
    ClaudeDesktop,
    /// `.cursor/mcp.json`.
    Cursor,
    /// `.vscode/mcp.json`: `servers` and `inputs`.
    VsCode,
    /// `config.toml`: `[mcp_servers.NAME]`.
    Codex,
    /// `config.yaml`: `extensions`.
    Goose,
    /// A list of `servers` with a `source` each.
    MistralRs,
    /// `.gemini/settings.json`.
    Gemini,
    /// `mcp_config.json` with `serverUrl`.
    Windsurf,
    /// `opencode.json`: `mcp`.
    OpenCode,
    /// `settings.json`: `context_servers`.
    Zed,
    /// `cline_mcp_settings.json`, and that of its relatives.
    Cline,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ClaudeCode,
        Self::ClaudeDesktop,
        Self::Cursor,
        Self::VsCode,
        Self::Codex,
        Self::Goose,
        Self::MistralRs,
        Self::Gemini,
        Self::Windsurf,
        Self::OpenCode,
        Self::Zed,
        Self::Cline,
    ];

    /// A short name for command lines: `claude-code`, `vscode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::ClaudeDesktop => "claude-desktop",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::Codex => "codex",
            Self::Goose => "goose",
            Self::MistralRs => "mistralrs",
            Self::Gemini => "gemini",
            Self::Windsurf => "windsurf",
            Self::OpenCode => "opencode",
            Self::Zed => "zed",
            Self::Cline => "cline",
        }
    }

    /// The dialect of this short name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }

    /// Whether `$NAME` is a variable.
    pub(super) fn bare_variables(self) -> bool {
        matches!(self, Self::Gemini | Self::Goose)
    }

    /// Whether `{env:NAME}` and `{file:PATH}` are variables.
    pub(super) fn curly_variables(self) -> bool {
        self == Self::OpenCode
    }

    /// Whether `timeout` counts seconds; milliseconds elsewhere.
    pub(super) fn timeout_in_seconds(self) -> bool {
        matches!(self, Self::Goose | Self::Cline | Self::MistralRs)
    }

    /// Finds the servers of a document, and whose way of writing it is.
    ///
    /// By content first: people copy and rename files. `project` chooses among the projects of a
    /// file that holds several.
    pub(super) fn find<'a>(
        syntax: Syntax,
        root: &'a Node,
        file: &Path,
        project: Option<&Path>,
    ) -> Option<(Self, Vec<&'a Node>)> {
        if let Some(servers) = root.get("mcpServers") {
            let mut tables = vec![servers];
            // The project's own servers win over the user's, so they come first.
            if let Some(own) = project_servers(root, project) {
                tables.insert(0, own);
            }
            return Some((mcp_servers(servers, file), tables));
        }
        if let Some(own) = project_servers(root, project) {
            return Some((Self::ClaudeCode, vec![own]));
        }
        let found = match (root.get("servers"), root.get("mcp"), root.get("extensions")) {
            (Some(servers @ Node { value: Value::List(_), .. }), ..) => (Self::MistralRs, servers),
            (Some(servers), ..) if syntax == Syntax::Json => (Self::VsCode, servers),
            (Some(servers), ..) => (Self::ClaudeCode, servers),
            // VS Code's old place, inside its settings, and opencode's new one have one spelling.
            (None, Some(mcp), _) => match mcp.get("servers").filter(|node| is_map(node)) {
                Some(servers) if says_local(servers) => (Self::OpenCode, servers),
                Some(servers) => (Self::VsCode, servers),
                None => (Self::OpenCode, mcp),
            },
            (None, None, Some(extensions)) => (Self::Goose, extensions),
            (None, None, None) => match (root.get("mcp_servers"), root.get("context_servers")) {
                (Some(servers), _) => (Self::Codex, servers),
                (None, Some(servers)) => (Self::Zed, servers),
                // A map of nothing but servers, as people paste it.
                (None, None) if is_bare_map(root) => (mcp_servers(root, file), root),
                (None, None) => return None,
            },
        };
        Some((found.0, vec![found.1]))
    }
}

fn project_servers<'a>(root: &'a Node, project: Option<&Path>) -> Option<&'a Node> {
    root.get("projects")?.get(project?.to_str()?)?.get("mcpServers")
}

fn is_map(node: &Node) -> bool {
    node.entries().is_some()
}

fn says_local(servers: &Node) -> bool {
    servers.entries().unwrap_or_default().iter().any(|(_, entry)| {
        let kind = entry.get("type").map(|node| &node.value);
        matches!(kind, Some(Value::Text(text)) if text == "local" || text == "remote")
    })
}

fn is_bare_map(root: &Node) -> bool {
    let entries = root.entries().unwrap_or_default();
    !entries.is_empty()
        && entries.iter().all(|(_, entry)| {
            ["command", "url", "httpUrl", "serverUrl"].iter().any(|key| entry.get(key).is_some())
        })
}

/// Which of the programs that say `mcpServers` wrote this.
fn mcp_servers(servers: &Node, file: &Path) -> Dialect {
    let says = |key: &str| {
        servers.entries().unwrap_or_default().iter().any(|(_, entry)| entry.get(key).is_some())
    };
    let path = file.to_string_lossy().replace('\\', "/").to_lowercase();
    if says("httpUrl") || says("includeTools") || path.contains(".gemini/") {
        Dialect::Gemini
    } else if says("serverUrl") || path.contains("windsurf") {
        Dialect::Windsurf
    } else if says("autoApprove") || says("alwaysAllow") || path.contains("cline") {
        Dialect::Cline
    } else if says("auth") || says("envFile") || path.contains(".cursor/") {
        Dialect::Cursor
    } else if path.ends_with("claude_desktop_config.json") {
        Dialect::ClaudeDesktop
    } else {
        Dialect::ClaudeCode
    }
}
