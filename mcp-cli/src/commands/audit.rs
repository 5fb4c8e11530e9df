//! `mcp audit`

use std::path::Path;

use mcp_agent::layers::audit::{AuditError, verify, verify_since};
use serde_json::json;

use crate::{
    args::{AuditAction, Output},
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    measure::count,
    printer::Printer,
};

pub(super) fn run(action: &AuditAction, printer: &mut Printer) -> Result<ExitCode> {
    let AuditAction::Verify { file, since } = action;
    let verified = match since {
        Some(hash) => verify_since(file, hash),
        None => verify(file),
    }
    .map_err(|error| broken(file, &error))?;
    let calls = verified.lines - verified.gaps;
    match printer.output() {
        Output::Json | Output::Ndjson => printer.json(&json!({
            "schema": 1, "calls": calls, "unrecorded": verified.unrecorded,
            "lastHash": verified.last_hash,
        }))?,
        Output::Text | Output::Raw => {
            let calls = usize::try_from(calls).unwrap_or(usize::MAX);
            printer.line(format_args!("{}, as they were written", count(calls, "call")))?;
            if verified.unrecorded > 0 {
                let missing = usize::try_from(verified.unrecorded).unwrap_or(usize::MAX);
                printer.line(format_args!(
                    "{} made while nothing could be written",
                    count(missing, "call")
                ))?;
            }
            printer.line(format_args!("last hash {}", verified.last_hash))?;
        }
    }
    printer.flush()?;
    Ok(ExitCode::Success)
}

fn broken(file: &Path, error: &AuditError) -> Report {
    let code = match error {
        AuditError::Read(_) | AuditError::Malformed { .. } => ErrorCode::Usage,
        _ => ErrorCode::Tampered,
    };
    Report::new(code, format!("{}: {error}", file.display())).causes_of(error)
}
