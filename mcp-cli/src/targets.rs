//! Words that name servers, for commands that take several.

use crate::{
    error_report::{Report, Result},
    exit_code::ErrorCode,
    target::{Target, TargetError},
};

/// Reads each word.
pub(crate) fn parse(words: &[String]) -> Result<Vec<Target>> {
    words.iter().map(|word| Target::parse(word).map_err(|error| wrong(&error).into())).collect()
}

/// The error screen for a word that names no server.
pub(crate) fn wrong(error: &TargetError) -> Report {
    let report = Report::new(ErrorCode::Usage, error.to_string());
    match error {
        TargetError::NothingNamed(kind) => report.help(format!(
            "write SERVER.{}, or SERVER and the {kind} as two words",
            kind.to_string().to_uppercase()
        )),
        _ => report,
    }
}
