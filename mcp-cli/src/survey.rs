//! Asks several servers the same, side by side, and hands on the answers in order.

use std::future::Future;

use futures_util::stream::{FuturesOrdered, StreamExt as _};
use mcp_client::{Client, ServerStatus};

use crate::{
    connect::{Chosen, ready, settled, unusable},
    context::Context,
    error_report::{CliError, Report, Result},
    exit_code::ExitCode,
    progress::wait,
    required::Required,
};

/// One server's answer.
#[derive(Debug)]
pub(crate) struct Found<T> {
    /// The server's name.
    pub(crate) name: String,
    /// What is known of it; `None` when its entry cannot be used.
    pub(crate) status: Option<ServerStatus>,
    /// The answer, or why there is none.
    pub(crate) outcome: std::result::Result<(Client, T), Report>,
}

/// How many servers answered, and why the others did not.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: usize,
    pub(crate) failed: Vec<Report>,
    /// Whether one of them is required.
    lacks_required: bool,
}

impl Tally {
    /// Tells what failed. The exit code is that of the failures when nothing else was done.
    pub(crate) fn finish(self, context: &Context) -> ExitCode {
        for report in &self.failed {
            context.messages.error(report);
        }
        match self.failed.first() {
            None => ExitCode::Success,
            Some(_) if self.answered > 0 && !self.lacks_required => ExitCode::Partial,
            Some(first) => first.exit_code(),
        }
    }
}

/// Starts all servers at once and asks each as soon as it is up.
///
/// The answers come in the order of the servers, each as soon as those before it are there, so
/// that the output is the same every time; servers that failed come last.
pub(crate) async fn survey<T, F, Fut>(
    context: &Context,
    chosen: Chosen,
    ask: F,
    mut each: impl FnMut(&Found<T>) -> Result<()>,
) -> Result<Tally>
where
    F: Fn(String, Client) -> Fut,
    Fut: Future<Output = std::result::Result<T, Report>>,
{
    let required = Required::of(&chosen);
    let names: Vec<String> = chosen.servers.iter().map(|server| server.name.clone()).collect();
    let hub = context.start(chosen.servers).await?;
    let mut answers: FuturesOrdered<_> = names
        .iter()
        .map(|name| async {
            let status = settled(&hub, name).await?;
            let outcome = match ready(&status) {
                Ok(client) => {
                    ask(name.clone(), client.clone()).await.map(|answer| (client, answer))
                }
                Err(report) => Err(report),
            };
            Ok::<_, CliError>(Found { name: name.clone(), status: Some(status), outcome })
        })
        .collect();
    let mut tally = Tally::default();
    let mut dead = Vec::new();
    let mut waiting = names.as_slice();
    while let Some(found) = {
        let line = |_| format!("starting {}", waiting.join(", "));
        wait(&context.messages, answers.next(), line).await
    } {
        waiting = waiting.get(1..).unwrap_or_default();
        let found = found?;
        if found.outcome.is_ok() {
            tally.answered += 1;
            each(&found)?;
        } else {
            dead.push(found);
        }
    }
    dead.extend(chosen.problems.iter().map(|problem| Found {
        name: problem.server.clone(),
        status: None,
        outcome: Err(unusable(problem)),
    }));
    for found in dead {
        each(&found)?;
        if let Err(report) = found.outcome {
            match required.explain(&found.name, report) {
                Err(report) => tally.failed.push(report),
                // First, since its exit code is that of the command.
                Ok(report) => {
                    tally.failed.insert(0, report);
                    tally.lacks_required = true;
                }
            }
        }
    }
    Ok(tally)
}
