//! `mcp prompts`

use mcp_client::{CallError, Client, Listing};
use mcp_protocol::prompts::Prompt;
use serde_json::{Value, json};

use crate::{
    args::{ListArgs, Output},
    connect::choose,
    context::Context,
    error_report::Result,
    exit_code::ExitCode,
    failure,
    measure::count,
    printer::Printer,
    prompt_schema::prompt_schema,
    schema::Schema,
    server_line::{self, Kind},
    signature::Signature,
    survey::{Found, survey},
    targets,
    terminal_text::one_line,
    theme::Role,
    tool_view::or_nothing,
};

pub(super) async fn run(
    args: ListArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let configured = context.settings.configured()?;
    let named = targets::parse(&args.targets)?;
    let chosen = choose(&named, &args.command, &configured, &args.server)?;
    let several = chosen.servers.len() + chosen.problems.len() > 1;
    let width = chosen.servers.iter().map(|server| server.name.chars().count()).max().unwrap_or(0);
    let mut documents = Vec::new();
    let ask = |name: String, client: Client| async move {
        list(client).await.map_err(|error| failure::call(&name, &error))
    };
    let tally =
        survey(context, chosen, ask, |found| show(found, several, width, printer, &mut documents))
            .await?;
    if printer.output() == Output::Json {
        printer.json(&json!({"schema": 1, "servers": documents}))?;
    }
    printer.flush()?;
    Ok(tally.finish(context))
}

/// Lists a server's prompts; none when the server has no such thing.
pub(super) async fn list(client: Client) -> std::result::Result<Listing<Prompt>, CallError> {
    let declared = client.server().capabilities.prompts.is_some();
    or_nothing(client.list_prompts().await, declared)
}

fn show(
    found: &Found<Listing<Prompt>>,
    several: bool,
    width: usize,
    printer: &mut Printer,
    documents: &mut Vec<Value>,
) -> Result<()> {
    let Ok((client, prompts)) = &found.outcome else {
        return match printer.output() {
            Output::Text if several => {
                let line = server_line::dead(found, width, printer);
                printer.line(line)
            }
            Output::Json => {
                documents.push(server_line::to_json(found, None));
                Ok(())
            }
            _ => Ok(()),
        };
    };
    match printer.output() {
        Output::Text => {
            if let Some(status) = &found.status {
                let head = server_line::head(status, Kind::of(status), width, printer);
                printer.line(format_args!("{head}  {}", count(prompts.items.len(), "prompt")))?;
            }
            for prompt in &prompts.items {
                let schema = prompt_schema(prompt);
                let signature = Signature::new(&prompt.name, Schema::new(&schema)).text;
                let about = prompt.description.as_deref().or(prompt.title.as_deref());
                let about = printer.paint(Role::Dim, one_line(about.unwrap_or_default()));
                printer.line(format!("  {signature}   {about}").trim_end())?;
            }
        }
        Output::Json => {
            let mut document = server_line::to_json(found, Some(client));
            document["prompts"] = json!(prompts.items);
            documents.push(document);
        }
        Output::Ndjson => {
            for prompt in &prompts.items {
                let mut document = json!(prompt);
                document["server"] = json!(found.name);
                printer.json(&document)?;
            }
        }
        Output::Raw => {
            for prompt in &prompts.items {
                printer.line(format_args!("{}.{}", found.name, one_line(&prompt.name)))?;
            }
        }
    }
    printer.flush()
}
