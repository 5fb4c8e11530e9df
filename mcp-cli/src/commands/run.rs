//! `mcp run`

use std::{
    cell::RefCell,
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use mcp_agent::{
    Agent, AgentRun,
    model::Usage,
    policy::Decision,
    run::{ExpectedOutput, Feed, Run, Step},
};
use mcp_client::SchemaValidator;
use mcp_protocol::raw::RawJson;
use tokio::task::spawn_blocking;

use crate::{
    agent::{self, Company},
    args::{Approve, Output, RunArgs},
    context::Context,
    conversation::{Watched, exit_code_of, to_json},
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    measure::{count, show_time},
    printer::Printer,
    sessions,
    theme::Role,
};

/// The longest text on standard input, in bytes.
const MAX_STDIN_BYTES: u64 = 4 << 20;

pub(super) async fn run(
    args: RunArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let mut prompt = args.prompt.clone();
    if !args.no_stdin
        && let Some(prompt) = &mut prompt
        && let Some(text) = piped().await?
    {
        prompt.push_str("\n\n");
        prompt.push_str(&text);
    }
    let keeps = args.save || args.resume.is_some() || args.approve == Some(Approve::Later);
    let store = if keeps { Some(sessions::open()?) } else { None };
    let resumed = match (&store, &args.resume) {
        (Some(store), Some(name)) => Some(sessions::load(store, Some(name)).await?),
        _ => None,
    };
    // What was left to be asked about is not allowed by leaving out a word.
    let asking = if context.settings.interactive { Approve::Ask } else { Approve::Later };
    let approve = args.approve.or(prompt.is_none().then_some(asking));
    let request = Company {
        servers: &args.servers,
        command: &args.command,
        approve,
        options: &args.server,
        layers: &args.layers,
        model: &args.model,
        agent: &args.agent,
        terms: &args.terms,
        store,
        chats: false,
    };
    let expected = args.schema.as_deref().map(read_schema).transpose()?;
    let mut agent = agent::assemble(request, context).await?;
    if let Some(expected) = expected {
        agent.agent = agent.agent.expecting(expected);
    }
    let streams =
        args.schema.is_none() && printer.output() == Output::Text && printer.is_terminal();
    if prompt.is_none() && approve == Some(Approve::Auto) {
        // The conversation keeps the terms under which it began.
        agent.questions.answer_all(true);
    }
    let prompt = prompt.map(|prompt| agent.question(prompt));
    let run = match (resumed, prompt) {
        (Some(run), Some(prompt)) => agent.agent.prompt(run, prompt),
        (Some(run), None) => go_on(run, &agent.agent, &args)?,
        (None, prompt) => agent.agent.run(prompt.unwrap_or_else(|| String::new().into())),
    };
    let under_way = RefCell::new(run.canceller());
    let watched = agent.watch(run, streams, &under_way, context, printer).await?;
    show(&watched, &agent.model_name, streams, printer)?;
    summarize(&watched, context);
    let advice = "Ask again for a fresh answer.";
    agent::say_what_changed(&agent, advice, context);
    let ended = exit_code_of(&watched);
    if keeps && let Some(run) = watched.run() {
        let saved = format!("saved as session {}", run.id().short());
        match ended {
            Ok(_) => context.messages.aside(saved),
            Err(_) => context.messages.note(format_args!("{saved}; `mcp run --resume` goes on")),
        }
    }
    ended.map_err(Into::into)
}

/// Goes on with a conversation where it stopped, broke off, or waits for a person.
fn go_on(run: Run, agent: &Agent, args: &RunArgs) -> Result<AgentRun> {
    match run.step() {
        Step::NeedApproval(requests) if args.approve == Some(Approve::Never) => {
            let denied = requests.into_iter().map(|request| Feed::Decision {
                call: request.call.id,
                decision: Decision::deny(),
            });
            let denied: Vec<_> = denied.collect();
            Ok(agent.drive_after(run, denied))
        }
        Step::Done(_) => {
            let more = Feed::Extend { steps: args.model.answer.max_steps };
            let may = run.clone().feed(more.clone()).is_ok();
            if may {
                return Ok(agent.drive_after(run, [more]));
            }
            let report = Report::new(ErrorCode::Usage, "the conversation has come to its end");
            Err(report.help("ask something: `mcp run --resume=SESSION PROMPT`").into())
        }
        _ => Ok(agent.drive(run)),
    }
}

/// The shape of the answer, from a file with a JSON Schema.
fn read_schema(path: &Path) -> Result<ExpectedOutput> {
    let unusable = |cause: String| {
        Report::new(ErrorCode::Usage, format!("the schema {} cannot be used", path.display()))
            .cause(cause)
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let schema = RawJson::parse_text(&text).map_err(|error| unusable(error.to_string()))?;
    SchemaValidator::compile(&schema).map_err(|error| unusable(error.to_string()))?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(ExpectedOutput::new(name.unwrap_or_default(), schema))
}

fn show(watched: &Watched, model: &str, streams: bool, printer: &mut Printer) -> Result<()> {
    match printer.output() {
        Output::Json => printer.json(&to_json(watched, model))?,
        Output::Ndjson => {
            let mut document = to_json(watched, model);
            document["type"] = "finished".into();
            printer.json(&document)?;
        }
        Output::Text | Output::Raw if streams => (),
        Output::Text | Output::Raw => {
            if let Ok(finished) = &watched.ended {
                let text = finished.outcome.text();
                printer.text(text)?;
                if printer.output() == Output::Text && !text.is_empty() {
                    printer.end_line()?;
                }
            }
        }
    }
    printer.flush()
}

/// What the answer cost, for people who watch.
pub(super) fn summarize(watched: &Watched, context: &Context) {
    let mut text = count(watched.calls.len(), "call");
    if let Ok(finished) = &watched.ended {
        let mut usage = watched.earlier;
        usage += finished.run.spent().usage;
        if usage.total_tokens() > 0 {
            let (read, wrote) = (thousands(usage.input_tokens), thousands(usage.output_tokens));
            // Writing to a `String` cannot fail.
            let _ = write!(text, " · {read} in{} / {wrote} out tokens", cached(&usage));
        }
        if let Some(cost) = finished.run.settings().budget.cost_of(&usage) {
            let _ = write!(text, " · {cost}");
        }
    }
    let _ = write!(text, " · {}", show_time(watched.took));
    context.messages.aside(context.messages.paint(Role::Dim, text));
}

/// Such as ` (80 % cached)`: the part that the provider did not have to read anew.
pub(super) fn cached(usage: &Usage) -> String {
    match usage.cached_percent() {
        Some(percent) if usage.cached_input_tokens > 0 => format!(" ({percent} % cached)"),
        _ => String::new(),
    }
}

fn thousands(count: u64) -> String {
    if count < 1000 {
        count.to_string()
    } else {
        format!("{}.{}k", count / 1000, count % 1000 / 100)
    }
}

/// The text on standard input when that is a pipe or a file. Terminals, sockets and devices are
/// left alone: nobody may ever end them.
async fn piped() -> Result<Option<String>> {
    if !is_pipe_or_file() {
        return Ok(None);
    }
    let failed = |cause: String| {
        Report::new(ErrorCode::Unexpected, "cannot read standard input")
            .cause(cause)
            .help("leave it alone with --no-stdin")
    };
    // On a thread of its own, so that Ctrl-C is heard meanwhile.
    let reading = spawn_blocking(|| {
        let mut bytes = Vec::new();
        io::stdin().take(MAX_STDIN_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = reading
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MAX_STDIN_BYTES {
        return Err(failed(format!("it is longer than {} MiB", MAX_STDIN_BYTES >> 20)).into());
    }
    let text = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

#[cfg(unix)]
fn is_pipe_or_file() -> bool {
    use std::os::{fd::AsFd as _, unix::fs::FileTypeExt as _};

    // A second handle to the same input, closed again at once.
    let Ok(handle) = io::stdin().as_fd().try_clone_to_owned() else { return false };
    File::from(handle).metadata().is_ok_and(|found| {
        let kind = found.file_type();
        kind.is_fifo() || kind.is_file()
    })
}

#[cfg(not(unix))]
fn is_pipe_or_file() -> bool {
    use std::io::IsTerminal as _;
    !io::stdin().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_shortly() {
        assert_eq!(thousands(210), "210");
        assert_eq!(thousands(1949), "1.9k");
        let mut usage = Usage::new(1000, 10);
        assert_eq!(cached(&usage), "");
        usage.cached_input_tokens = 799;
        assert_eq!(cached(&usage), " (79 % cached)");
    }
}
