//! `mcp trust`

use serde_json::json;

use crate::{
    args::{Output, TrustAction},
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    printer::Printer,
    settings,
    terminal_text::one_line,
    theme::Role,
    trust::{describe, kept, store},
};

pub(super) fn run(action: TrustAction, printer: &mut Printer) -> Result<ExitCode> {
    let store = store()?;
    let (word, touched) = match action {
        TrustAction::List => ("trusted", store.all().map_err(|error| kept(&error))?),
        TrustAction::Revoke { server, file } => {
            let ended = store.revoke(file.as_deref(), server.as_deref());
            ("revoked", ended.map_err(|error| kept(&error))?)
        }
        TrustAction::Add { file, servers } => {
            let declared = settings::declared(&file)?;
            let wanted = |name: &String| servers.is_empty() || servers.contains(name);
            if let Some(unknown) = servers.iter().find(|name| declared.entry(name).is_none()) {
                let message = format!("{} has no server `{unknown}`", file.display());
                return Err(Report::new(ErrorCode::UnknownServer, message).into());
            }
            for entry in declared.entries.iter().filter(|entry| wanted(&entry.name)) {
                store.trust(entry).map_err(|error| kept(&error))?;
                if printer.output() == Output::Text {
                    let name = printer.paint(Role::Name, one_line(&entry.name));
                    printer.line(format_args!("trusted {name}"))?;
                    for line in describe(entry) {
                        printer.line(format_args!("  {line}"))?;
                    }
                }
            }
            if printer.output() == Output::Text {
                return Ok(ExitCode::Success);
            }
            ("trusted", store.all().map_err(|error| kept(&error))?)
        }
    };
    match printer.output() {
        Output::Json | Output::Ndjson => printer.json(&json!({"schema": 1, word: touched}))?,
        Output::Text | Output::Raw => {
            for one in touched {
                let name = printer.paint(Role::Name, one_line(&one.server));
                let file = one_line(&one.file.display().to_string());
                let digest = one.digest.short();
                printer.line(format_args!("{word} {name}  {digest}  {file}"))?;
            }
        }
    }
    Ok(ExitCode::Success)
}
