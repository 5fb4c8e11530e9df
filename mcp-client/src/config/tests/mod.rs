//! Files as each program writes them.

mod adding;
mod reading;
mod replicas;
mod writing;

use std::path::Path;

use super::{Declared, Dialect, declare};

/// A file as its program writes it: its name, and its text.
fn sample(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::ClaudeCode => (".mcp.json", include_str!("samples/claude-code.json")),
        Dialect::ClaudeDesktop => {
            ("claude_desktop_config.json", include_str!("samples/claude-desktop.json"))
        }
        Dialect::Cursor => (".cursor/mcp.json", include_str!("samples/cursor.json")),
        Dialect::VsCode => (".vscode/mcp.json", include_str!("samples/vscode.json")),
        Dialect::Codex => ("config.toml", include_str!("samples/codex.toml")),
        Dialect::Goose => ("config.yaml", include_str!("samples/goose.yaml")),
        Dialect::MistralRs => ("mcp-config.json", include_str!("samples/mistralrs.json")),
        Dialect::Gemini => (".gemini/settings.json", include_str!("samples/gemini.json")),
        Dialect::Windsurf => ("mcp_config.json", include_str!("samples/windsurf.json")),
        Dialect::OpenCode => ("opencode.json", include_str!("samples/opencode.json")),
        Dialect::Zed => ("settings.json", include_str!("samples/zed.json")),
        Dialect::Cline => ("cline_mcp_settings.json", include_str!("samples/cline.json")),
    }
}

fn declared(dialect: Dialect) -> Declared {
    let (file, text) = sample(dialect);
    let declared = declare(text, Path::new(file), None).expect("the sample is well-formed");
    assert_eq!(declared.dialect, Some(dialect), "{file}");
    declared
}
