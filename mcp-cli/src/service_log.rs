//! What the service logs, for programs: one JSON object a line, on standard error.

use std::io;

use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    args::LogFormat,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    messages::Messages,
};

/// Logs requests, and whatever else is worth knowing: of this program what is information, with
/// `verbose` 1 everything, and of the crates below it what is wrong.
pub(crate) fn begin(format: LogFormat, verbose: u8, messages: &Messages) -> Result<()> {
    let LogFormat::Json = format;
    let own = match verbose {
        0 => tracing::Level::INFO,
        1 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    let names = ["mcp", "mcp_agent", "mcp_client", "mcp_transport"];
    let targets = Targets::new()
        .with_default(tracing::Level::WARN)
        .with_targets(names.into_iter().map(|name| (name, own)));
    let lines = fmt::layer().json().flatten_event(true).with_writer(io::stderr);
    let lines = lines.with_current_span(false).with_span_list(false).with_filter(targets);
    tracing_subscriber::registry().with(lines).try_init().map_err(|error| {
        Report::new(ErrorCode::Unexpected, "nothing can be logged").cause(error.to_string())
    })?;
    messages.log_instead();
    Ok(())
}
