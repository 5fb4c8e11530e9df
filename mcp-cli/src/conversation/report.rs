//! The end of an answer: for programs, as an exit code, and as an error.

use std::{collections::BTreeSet, time::Duration};

use mcp_agent::{
    AgentError,
    model::{ModelError, ModelErrorKind, Usage},
    run::{Outcome, Pause, Stop},
};
use serde_json::{Value, json};

use super::turn::{CallSeen, Denied, Watched};
use crate::{
    error_report::Report,
    exit_code::{ErrorCode, ExitCode},
    measure::show_time,
    terminal_text::one_line,
};

/// How the answer ended, and the error to tell about it, if any.
pub(crate) fn exit_code_of(watched: &Watched) -> Result<ExitCode, Report> {
    let finished = match &watched.ended {
        Ok(finished) => finished,
        Err(AgentError::Model { source, .. }) => return Err(failure(source)),
        Err(error) => {
            return Err(Report::new(ErrorCode::Unexpected, error.to_string()).causes_of(error));
        }
    };
    if let Outcome::Stopped { why, .. } = &finished.outcome {
        let code = match why {
            Stop::ContentFilter
            | Stop::Refusal
            | Stop::TokenLimit { .. }
            | Stop::CostLimit { .. }
            | Stop::TimeLimit { .. }
            | Stop::CallLimit { .. } => ErrorCode::Refused,
            Stop::Cancelled { .. } => ErrorCode::Interrupted,
            _ => ErrorCode::Incomplete,
        };
        return Err(Report::new(code, why.to_string()).help(how_to_go_on(why)));
    }
    if let Outcome::Paused { pause } = &finished.outcome {
        return Err(waits(pause));
    }
    match denied(&watched.calls) {
        Some(report) => Err(report),
        None => Ok(ExitCode::Success),
    }
}

/// What was not called, and what would change that: `--approve` does not lift a rule.
fn denied(calls: &[CallSeen]) -> Option<Report> {
    let (mut not_approved, mut by_rule, mut rules) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for call in calls {
        let tool = format!("`{}`", call.label.dotted());
        match &call.denied {
            None => {}
            Some(Denied::NotApproved) => drop(not_approved.insert(tool)),
            Some(Denied::ByRule(rule)) => {
                by_rule.insert(tool);
                rules.insert(format!("`{}`", one_line(rule)));
            }
        }
    }
    let listed = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join(", ");
    let parts = [(&not_approved, "which was not approved"), (&by_rule, "which a rule forbids")];
    let parts = parts.iter().filter(|(tools, _)| !tools.is_empty());
    let parts: Vec<_> = parts.map(|(tools, why)| format!("{}, {why}", listed(tools))).collect();
    if parts.is_empty() {
        return None;
    }
    let text = format!("the model went on without {}", parts.join(", and without "));
    let mut advice = Vec::new();
    if !not_approved.is_empty() {
        advice.push("allow all tools with --approve auto".to_owned());
    }
    if !rules.is_empty() {
        advice.push(format!("--approve lifts no rule: take back or narrow {}", listed(&rules)));
    }
    Some(Report::new(ErrorCode::Refused, text).help(advice.join("; ")))
}

/// What to write on the command line to get further.
fn how_to_go_on(why: &Stop) -> &'static str {
    match why {
        Stop::StepLimit { .. } => "allow more steps with --max-steps",
        Stop::TokenLimit { .. } => "allow more with --max-tokens, or ask for less",
        Stop::CostLimit { .. } => "allow more with --max-cost, or ask a cheaper model with -m",
        Stop::TimeLimit { .. } => "allow more with --max-time, or ask for less",
        Stop::CallLimit { .. } => "allow more calls of it with --tool-budget or --max-calls",
        other => other.how_to_go_on(),
    }
}

/// A conversation that a person must have a word in.
fn waits(pause: &Pause) -> Report {
    let calls: Vec<_> = match pause {
        Pause::Approval(asked) => asked
            .iter()
            .map(|asked| {
                let server = asked.server.as_ref().map(|server| format!("{server}."));
                let arguments = Value::Object(asked.call.arguments.clone());
                format!("{}{} {arguments}", server.unwrap_or_default(), asked.tool)
            })
            .collect(),
        Pause::Input(asked) => asked
            .iter()
            .map(|asked| format!("{}: {}", asked.call.name, asked.question.text))
            .collect(),
        _ => Vec::new(),
    };
    let waits =
        Report::new(ErrorCode::Incomplete, "the conversation waits for a word about a call");
    let waits = calls.iter().fold(waits, |report, call| report.cause(one_line(call)));
    waits.help(
        "go on with `mcp run --resume`, which asks, or with `--approve auto` or `never` besides",
    )
}

/// A model that did not answer.
pub(crate) fn failure(error: &ModelError) -> Report {
    let at = error.url().map(|url| format!(" at {url}")).unwrap_or_default();
    let report = match error.kind() {
        ModelErrorKind::Unreachable { .. } => {
            Report::new(ErrorCode::Unreachable, format!("cannot reach the model{at}"))
                .causes_of(error)
                .help("start the model's server, or choose another with -m and --base-url")
        }
        ModelErrorKind::TimedOut { phase, after } => Report::new(
            ErrorCode::Timeout,
            format!("the model{at} sent no {phase} within {}", show_time(*after)),
        ),
        ModelErrorKind::Status(status) => {
            let code = match status.status {
                Some(401 | 403) => ErrorCode::AuthRequired,
                _ => ErrorCode::ModelFailed,
            };
            let number = status.status.map(|status| format!(" ({status})")).unwrap_or_default();
            let report = Report::new(code, format!("the model's provider refused{at}{number}"))
                .cause(one_line(&status.message));
            match code {
                ErrorCode::AuthRequired => {
                    report.help("check the key; --api-key-env names the variable that holds it")
                }
                _ => report,
            }
        }
        _ => Report::new(ErrorCode::ModelFailed, format!("the model{at} failed"))
            .cause(one_line(&error.to_string()))
            .causes_of(error),
    };
    report.retryable(error.is_retryable())
}

/// The one document of `mcp run --json`.
pub(crate) fn to_json(watched: &Watched, model: &str) -> Value {
    let calls: Vec<Value> = watched
        .calls
        .iter()
        .map(|call| {
            json!({
                "server": call.label.server, "tool": call.label.tool,
                "arguments": call.arguments, "isError": call.is_error, "text": call.text,
                "tookMs": call.took.map(millis),
            })
        })
        .collect();
    let mut document = json!({
        "schema": 1, "model": model, "text": "", "outcome": "failed", "calls": calls,
        "usage": usage(Usage::default()), "steps": 0, "tookMs": millis(watched.took),
    });
    if let Ok(finished) = &watched.ended {
        document["text"] = json!(finished.outcome.text());
        document["steps"] = json!(finished.run.steps());
        let mut used = watched.earlier;
        used += finished.run.usage();
        document["usage"] = usage(used);
        document["outcome"] = json!(match &finished.outcome {
            Outcome::Final { .. } => "final",
            Outcome::Stopped { why, .. } => match why {
                Stop::StepLimit { .. } => "step_limit",
                Stop::Repeating { .. } => "repeating",
                Stop::OutputLimit => "output_limit",
                Stop::ContentFilter => "content_filter",
                Stop::Refusal => "refusal",
                Stop::Unfinished { .. } => "unfinished",
                Stop::EmptyAnswer => "empty_answer",
                Stop::TokenLimit { .. } => "token_limit",
                Stop::CostLimit { .. } => "cost_limit",
                Stop::TimeLimit { .. } => "time_limit",
                Stop::CallLimit { .. } => "call_limit",
                Stop::InvalidOutput { .. } => "invalid_output",
                Stop::Cancelled { .. } => "cancelled",
                _ => "stopped",
            },
            Outcome::Paused { .. } => "paused",
            _ => "stopped",
        });
    }
    document
}

fn usage(usage: Usage) -> Value {
    json!({
        "inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "cachedPercent": usage.cached_percent(),
        "reasoningTokens": usage.reasoning_tokens,
    })
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
