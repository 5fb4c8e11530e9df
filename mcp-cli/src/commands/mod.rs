//! One file for each command.

mod add;
mod agents;
mod audit;
mod call;
mod chat;
mod completions;
mod config;
mod demo_server;
mod login;
mod ping;
mod pins;
mod plan;
mod prompt;
mod prompts;
mod read;
mod resources;
mod run;
mod search;
mod serve;
mod serve_check;
mod serve_keys;
mod sessions;
mod status;
mod tools;
mod trust;
mod watch;

pub(crate) use self::{status::StatusArgs, watch::WatchArgs};

use crate::{
    args::Command, context::Context, error_report::Result, exit_code::ExitCode, printer::Printer,
};

/// Runs one command.
pub(crate) async fn run(
    command: Command,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    match command {
        Command::Tools(args) => tools::run(args, context, printer).await,
        Command::Call(args) => call::run(args, context, printer).await,
        Command::Resources(args) => resources::run(args, context, printer).await,
        Command::Read(args) => read::run(args, context, printer).await,
        Command::Prompts(args) => prompts::run(args, context, printer).await,
        Command::Prompt(args) => prompt::run(args, context, printer).await,
        Command::Ping(args) => ping::run(args, context, printer).await,
        Command::Plan { action } => Box::pin(plan::run(action, context, printer)).await,
        Command::Agents { action } => agents::run(&action, context, printer),
        Command::Status(args) => status::run(args, context, printer).await,
        Command::Watch(args) => watch::run(args, context, printer).await,
        Command::Completions { shell } => completions::run(shell, printer),
        Command::Trust { action } => trust::run(action, printer),
        Command::Pins { action } => pins::run(action, context, printer).await,
        Command::Audit { action } => audit::run(&action, printer),
        Command::Search(args) => search::run(args, context, printer).await,
        Command::Add(args) => Box::pin(add::run(args, context, printer)).await,
        Command::Config { action } => config::run(action, context, printer),
        Command::Login(args) => login::login(args, context, printer).await,
        Command::Logout(args) => login::logout(args, context, printer).await,
        Command::Whoami(args) => login::whoami(args, context, printer).await,
        Command::DemoServer { http } => demo_server::run(http.as_deref(), printer).await,
        Command::Sessions { action } => sessions::run(action, context, printer).await,
        Command::Serve(args) => serve::run(args, context, printer).await,
        Command::Run(args) => run::run(args, context, printer).await,
        // The largest future of all.
        Command::Chat(args) => Box::pin(chat::run(args, context, printer)).await,
    }
}
