//! How the servers of a conversation are.

use std::fmt::Write as _;

use mcp_agent::{layers::CircuitState, stack::StackReport};

use crate::{
    measure::{count, show_time},
    terminal_text::one_line,
};

/// A line for each of these servers: whether it is called, and what became of its calls.
pub(crate) fn server_lines(names: &[String], report: &StackReport) -> Vec<String> {
    names.iter().map(|name| line(name, report)).collect()
}

fn line(name: &str, report: &StackReport) -> String {
    let mut text = format!("  {}", one_line(name));
    let of_it = report.operations.iter().filter(|one| &*one.server == name);
    let (calls, failures) = of_it.fold((0, 0), |(calls, failures), one| {
        (calls + one.tally.calls, failures + one.tally.failures)
    });
    let calls = count(usize::try_from(calls).unwrap_or(usize::MAX), "call");
    // Writing to a `String` cannot fail.
    let _ = write!(text, "   {calls}");
    if failures > 0 {
        let _ = write!(text, ", {failures} failed");
    }
    let Some(server) = report.server(name) else { return text };
    if server.running + server.waiting > 0 {
        let _ = write!(text, ", {} running, {} waiting", server.running, server.waiting);
    }
    let Some(breaker) = &server.breaker else { return text };
    if breaker.state != CircuitState::Closed {
        let reason = one_line(breaker.reason.as_deref().unwrap_or_default());
        let _ = write!(text, "   {}: {reason}", breaker.state);
        if let Some(wait) = breaker.retry_in {
            let _ = write!(text, "; tried again in {}", show_time(wait));
        }
    }
    text
}
