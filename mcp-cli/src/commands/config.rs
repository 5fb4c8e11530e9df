//! `mcp config`

use std::path::PathBuf;

use mcp_client::config::{self, Declared, Dialect, Problem, ServerEntry, TransportEntry};
use serde_json::json;

use crate::{
    args::{ConfigAction, Output},
    context::Context,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    printer::Printer,
    settings,
    terminal_text::one_line,
    theme::Role,
};

pub(super) fn run(
    action: ConfigAction,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    match action {
        ConfigAction::Show { file } => show(&read(file, context)?, context, printer),
        ConfigAction::Export { file, format } => {
            let declared = read(file, context)?;
            let exported = config::export(&declared, format.into());
            printer.text(&exported.text)?;
            for note in exported.notes {
                context.messages.warning(one_line(&note));
            }
            Ok(ended(&declared.problems, context))
        }
    }
}

/// The file that was named, or the one that is used anyway.
fn read(file: Option<PathBuf>, context: &Context) -> Result<Declared> {
    let file = file.or_else(|| context.settings.config_file()).ok_or_else(|| {
        Report::new(ErrorCode::Config, "there is no configuration file")
            .help("name one: `mcp config show FILE`")
    })?;
    settings::declared(&file)
}

fn show(declared: &Declared, context: &Context, printer: &mut Printer) -> Result<ExitCode> {
    let dialect = declared.dialect.map_or("", Dialect::as_str);
    match printer.output() {
        Output::Json | Output::Ndjson => {
            let servers: Vec<_> = declared.entries.iter().map(describe).collect();
            let problems: Vec<_> = declared
                .problems
                .iter()
                .map(|one| {
                    json!({"name": one.server, "origin": one.origin.to_string(), "reason": one.reason})
                })
                .collect();
            printer.json(&json!({
                "schema": 1,
                "file": declared.file,
                "format": dialect,
                "servers": servers,
                "problems": problems,
            }))?;
        }
        Output::Text | Output::Raw => {
            printer.line(format_args!("{}  ({dialect})", declared.file.display()))?;
            let width = declared.entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
            for entry in &declared.entries {
                let name = printer.paint(Role::Name, format!("{:width$}", one_line(&entry.name)));
                let off = match (entry.enabled, entry.required) {
                    (false, _) => "  (off)",
                    (true, true) => "  (required)",
                    (true, false) => "",
                };
                let (kind, place) = place(entry);
                let line = entry.origin.line;
                let more = more(entry).map_or(String::new(), |more| format!(" (+{more})"));
                printer
                    .line(format_args!("  {name}  {kind:<5}  {place}{more}{off}  line {line}"))?;
                if !entry.tools.approved.is_empty() {
                    let tools: Vec<_> =
                        entry.tools.approved.iter().map(|tool| one_line(tool)).collect();
                    printer.line(format_args!(
                        "  {:width$}  runs without asking: {}",
                        "",
                        tools.join(", ")
                    ))?;
                }
                if !entry.unknown.is_empty() {
                    let keys: Vec<_> = entry.unknown.keys().map(|key| one_line(key)).collect();
                    printer.line(format_args!(
                        "  {:width$}  not understood: {}",
                        "",
                        keys.join(", ")
                    ))?;
                }
            }
        }
    }
    Ok(ended(&declared.problems, context))
}

fn ended(problems: &[Problem], context: &Context) -> ExitCode {
    for Problem { server, origin, reason, .. } in problems {
        let text = one_line(&format!("server `{server}` {reason} ({origin})"));
        context.messages.warning(text);
    }
    if problems.is_empty() { ExitCode::Success } else { ExitCode::Partial }
}

/// Variables are shown as such, never their values.
fn place(entry: &ServerEntry) -> (&'static str, String) {
    match &entry.transport {
        TransportEntry::Stdio { command, args, .. } => {
            let words = std::iter::once(command).chain(args).map(ToString::to_string);
            ("stdio", one_line(&words.collect::<Vec<_>>().join(" ")))
        }
        TransportEntry::Remote { url, .. } => ("url", one_line(&url.to_string())),
        _ => ("", String::new()),
    }
}

/// How many replicas there are beside the entry's own endpoint.
fn more(entry: &ServerEntry) -> Option<usize> {
    let replicas = entry.replicas.as_ref()?;
    Some(replicas.count.map_or(replicas.urls.len(), |count| count - 1))
}

fn describe(entry: &ServerEntry) -> serde_json::Value {
    let (kind, place) = place(entry);
    let variables: Vec<_> = entry.variables().iter().map(ToString::to_string).collect();
    json!({
        "name": entry.name,
        "origin": entry.origin.to_string(),
        "transport": kind,
        "endpoint": place,
        "enabled": entry.enabled,
        "required": entry.required,
        "approved": entry.tools.approved,
        "replicas": more(entry).unwrap_or(0) + 1,
        "variables": variables,
        "unknown": entry.unknown,
    })
}
