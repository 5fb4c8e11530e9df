//! `mcp prompt`

use std::future::IntoFuture as _;

use mcp_protocol::prompts::GetPromptResult;
use serde_json::{Value, json};

use super::prompts;
use crate::{
    args::{Output, PromptArgs},
    argument_files::ArgumentFiles,
    arguments::{self, ArgumentError, Strictness},
    ask::ask_for_arguments,
    content::{self, Piece, Save},
    context::Context,
    error_report::{CliError, Report, Result},
    exit_code::{ErrorCode, ExitCode},
    failure,
    measure::show_time,
    printer::Printer,
    progress::wait,
    prompt_schema::prompt_schema,
    resolve::{Request, Resolved, resolve},
    schema::Schema,
    signature::Signature,
    target::Kind,
    theme::Role,
};

pub(super) async fn run(
    args: PromptArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let request = Request {
        kind: Kind::Prompt,
        words: &args.words,
        command: &args.command,
        options: &args.server,
    };
    let Resolved { server, client, item: prompt, words, .. } =
        resolve(request, context, prompts::list).await?;
    let schema = prompt_schema(&prompt);
    let schema = Schema::new(&schema);
    let wrong = |error: &ArgumentError| -> CliError {
        Report::new(ErrorCode::InvalidArguments, error.to_string())
            .causes_of(error)
            .maybe_help(error.help())
            .signature(&Signature::new(&prompt.name, schema), error.parameter())
            .into()
    };
    let words = &args.words[words..];
    let mut files = ArgumentFiles::for_words(words).await?;
    let mut given = arguments::read(words, schema, Strictness::Strict, &mut files)
        .map_err(|error| wrong(&error))?;
    match arguments::check(&given, schema) {
        Err(ArgumentError::Missing { keys }) if context.settings.interactive => {
            ask_for_arguments(&keys, schema, &mut given, context).await?;
            arguments::check(&given, schema).map_err(|error| wrong(&error))?;
        }
        checked => checked.map_err(|error| wrong(&error))?,
    }
    let mut get = client.get_prompt(&prompt.name);
    for (key, value) in given {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        get = get.argument(key, text);
    }
    let getting = wait(&context.messages, get.into_future(), |elapsed| {
        format!("getting {}  {}", prompt.name, show_time(elapsed))
    });
    let result = getting.await.map_err(|error| failure::call(&server, &error))?;
    show(&result, &server, &prompt.name, printer)?;
    printer.flush()?;
    Ok(ExitCode::Success)
}

fn show(result: &GetPromptResult, server: &str, name: &str, printer: &mut Printer) -> Result<()> {
    let pieces = || result.messages.iter().map(|message| Piece::of_block(&message.content));
    match printer.output() {
        Output::Text => {
            for (position, message) in result.messages.iter().enumerate() {
                if position > 0 {
                    printer.line("")?;
                }
                // One message needs no name; a conversation does.
                if result.messages.len() > 1 {
                    let role = printer.paint(Role::Label, format!("{}:", message.role.as_str()));
                    printer.line(role)?;
                }
                let piece = std::iter::once(Piece::of_block(&message.content));
                content::print_text(printer, piece, name, Save::Advise("-o json"))?;
            }
        }
        Output::Raw => content::print_raw(printer, &pieces().collect::<Vec<_>>())?,
        Output::Json => {
            let mut document = json!({"schema": 1, "server": server, "prompt": name});
            if let (Value::Object(document), Value::Object(result)) = (&mut document, json!(result))
            {
                document.extend(result);
            }
            printer.json(&document)?;
        }
        Output::Ndjson => {
            for message in &result.messages {
                printer.json(message)?;
            }
        }
    }
    Ok(())
}
