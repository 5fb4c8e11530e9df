//! The `mcp` command.
//!
//! `args` → `settings` → `commands/*` → `printer`: one way through. Results go to standard output
//! by way of [`printer`], everything else to standard error by way of [`messages`]. The exit codes
//! are in [`exit_code`].

// The way in.
mod args;
mod settings;
mod target;
mod targets;

// The way through.
mod access;
mod agent;
mod alerts;
mod commands;
mod connect;
mod context;
mod conversation;
mod declared_agents;
mod demo_server;
mod elicitation;
mod interrupt;
mod layers;
mod models;
mod pins;
mod pins_kept;
mod registry;
mod reload;
mod replicas;
mod required;
mod resolve;
mod secret_source;
mod serve_file;
mod service_log;
mod sessions;
mod survey;
mod trust;

// Arguments of tools and prompts.
mod argument_files;
mod arguments;
mod ask;
mod prompt_schema;
mod schema;
mod signature;
mod suggest;
mod tool_help;
mod tool_view;

// The way out.
mod content;
mod error_report;
mod exit_code;
mod failure;
mod logs;
mod measure;
mod messages;
mod printer;
mod progress;
mod quote;
mod server_line;
mod terminal_text;
mod theme;

use std::{env, io, process, time::Duration};

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};

use self::{
    args::{Cli, Command},
    context::Context,
    error_report::{CliError, Report, Result},
    exit_code::{ErrorCode, ExitCode},
    interrupt::interrupted,
    printer::Printer,
    settings::Settings,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    let settings = Settings::new(&cli.global);
    let context = Context::new(settings);
    let exit_code = match run(cli, &context) {
        Ok(exit_code) => exit_code,
        Err(error) => {
            if let CliError::Report(report) = &error {
                context.messages.error(report);
            }
            error.exit_code()
        }
    };
    exit_code.into()
}

fn run(cli: Cli, context: &Context) -> Result<ExitCode> {
    if let Some(folder) = &cli.global.directory {
        env::set_current_dir(folder).map_err(|error| {
            Report::new(ErrorCode::Usage, format!("cannot work in {}", folder.display()))
                .cause(error.to_string())
        })?;
    }
    let threads = threads(&cli.command);
    let runtime = runtime(threads).map_err(|error| {
        Report::new(ErrorCode::Unexpected, "cannot start the runtime").cause(error.to_string())
    })?;
    let mut printer = Printer::new(context.settings.output, context.settings.stdout_theme);
    let outcome = runtime.block_on(async {
        // These hear Ctrl-C themselves: in a chat it stops the answer, and a service ends in order.
        let hears = matches!(cli.command, Command::Chat(_) | Command::Serve(_));
        let command = Box::pin(commands::run(cli.command, context, &mut printer));
        let outcome = if hears { command.await } else { until_interrupted(command).await };
        context.messages.clear();
        let outcome = outcome.and_then(|exit_code| printer.flush().map(|()| exit_code));
        if let Err(CliError::Report(report)) = &outcome {
            // The reason is read while the servers end.
            context.messages.error(report);
        }
        close(context).await;
        outcome
    });
    // With one thread all tasks end here and now, and another may still wait for a line that nobody
    // will type. Several end theirs by themselves, and what they held has to be written.
    runtime.shutdown_timeout(if threads > 1 { LAST_TASKS } else { Duration::ZERO });
    match outcome {
        Err(CliError::Report(report)) => Ok(report.exit_code()),
        outcome => outcome,
    }
}

/// How long the tasks of several threads may take to end.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// One thread does everything, but for a service that is told otherwise: it has many clients.
fn threads(command: &Command) -> usize {
    match command {
        Command::Serve(args) => args.threads(),
        _ => 1,
    }
}

fn runtime(threads: usize) -> io::Result<Runtime> {
    if threads > 1 {
        return Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    }
    Builder::new_current_thread().enable_all().build()
}

/// Runs a command until Ctrl-C, which drops it: calls under way are cancelled at their servers.
async fn until_interrupted(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::select! {
        outcome = command => outcome,
        () = interrupted() => {
            Err(Report::new(ErrorCode::Interrupted, "interrupted").into())
        }
    }
}

/// Ends the servers; a second Ctrl-C ends the waiting.
async fn close(context: &Context) {
    tokio::select! {
        () = context.open.close() => (),
        () = interrupted() => (),
    }
}

/// Prints what clap says: help and the version are results, all else are errors.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = env::args().any(|word| {
        matches!(word.as_str(), "--json" | "-ojson" | "-ondjson" | "--output=json" | "json")
    });
    if error.use_stderr() && wants_json && error.exit_code() != 0 {
        let text = error.to_string();
        let message = text.trim_start_matches("error: ").lines().next().unwrap_or_default();
        let report = Report::new(ErrorCode::Usage, message);
        messages::Messages::new(
            theme::Theme::Plain,
            messages::Loudness::Errors,
            messages::ErrorForm::Json,
            false,
        )
        .error(&report);
        return ExitCode::Usage;
    }
    match error.print() {
        // Nobody reads it: no error.
        Err(_) | Ok(()) if error.exit_code() == 0 => ExitCode::Success,
        _ => ExitCode::Usage,
    }
}
