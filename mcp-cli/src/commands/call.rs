//! `mcp call`

use std::{cell::RefCell, sync::Arc, time::Duration};

use clap::CommandFactory as _;
use mcp_agent::{
    caller::{self, Caller as _, ServerCaller, ToolHints},
    stack::Stack,
    toolbox::ToolProgress,
};
use mcp_client::Client;
use mcp_protocol::{
    tools::{CallToolParams, CallToolResult},
    version::Era,
};
use serde_json::{Map, Value, json};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    args::{CallArgs, Cli, Output},
    argument_files::ArgumentFiles,
    arguments::{self, ArgumentError, Strictness},
    ask::ask_for_arguments,
    content::{self, Piece, Save},
    context::Context,
    error_report::{CliError, Report, Result},
    exit_code::{ErrorCode, ExitCode},
    failure,
    logs::Logged,
    measure::{number, show_time},
    printer::Printer,
    progress::{Reached, call_line, watch},
    resolve::{Request, Resolved, resolve},
    target::Kind,
    terminal_text::one_line,
    theme::Role,
    tool_help,
    tool_view::{self, ToolView},
};

pub(super) async fn run(
    args: CallArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    if args.words.is_empty() {
        if args.help {
            return print_own_help(printer);
        }
        return Err(Report::new(ErrorCode::Usage, "which tool? None is named")
            .help("mcp tools lists them; mcp call --help explains")
            .into());
    }
    let request = Request {
        kind: Kind::Tool,
        words: &args.words,
        command: &args.command,
        options: &args.server,
    };
    let Resolved { server, client, item, words, typed } =
        resolve(request, context, |client| async move { tool_view::list(&client).await }).await?;
    let tool = ToolView::new(item);
    if args.help {
        tool_help::print(&tool, &server, &typed, &args.command, printer)?;
        return Ok(ExitCode::Success);
    }
    let arguments = read_arguments(&args, &args.words[words..], &tool, context).await?;
    if args.dry_run {
        let params = CallToolParams::new(&tool.tool.name).arguments(Value::Object(arguments));
        printer.json(&params)?;
        return Ok(ExitCode::Success);
    }
    let started = Instant::now();
    let call = Call { server: &server, client: &client, tool: &tool, args: &args };
    let result = call.send(arguments, context, printer).await?;
    call.show(&result, started.elapsed(), context, printer)
}

fn print_own_help(printer: &mut Printer) -> Result<ExitCode> {
    let mut command = Cli::command();
    command.build();
    if let Some(call) = command.find_subcommand_mut("call") {
        printer.text(&call.render_long_help().to_string())?;
        printer.end_line()?;
    }
    Ok(ExitCode::Success)
}

async fn read_arguments(
    args: &CallArgs,
    words: &[String],
    tool: &ToolView,
    context: &Context,
) -> Result<Map<String, Value>> {
    let strictness = if args.no_validate { Strictness::Lenient } else { Strictness::Strict };
    let wrong = |error: &ArgumentError| wrong_argument(error, tool);
    let mut files = ArgumentFiles::for_words(words).await?;
    let mut given = arguments::read(words, tool.schema(), strictness, &mut files)
        .map_err(|error| wrong(&error))?;
    if strictness == Strictness::Strict {
        match arguments::check(&given, tool.schema()) {
            Err(ArgumentError::Missing { keys }) if context.settings.interactive => {
                ask_for_arguments(&keys, tool.schema(), &mut given, context).await?;
                arguments::check(&given, tool.schema()).map_err(|error| wrong(&error))?;
            }
            checked => checked.map_err(|error| wrong(&error))?,
        }
    }
    Ok(given)
}

/// The error screen for an argument, with the tool's signature.
fn wrong_argument(error: &ArgumentError, tool: &ToolView) -> CliError {
    let report = Report::new(ErrorCode::InvalidArguments, error.to_string())
        .causes_of(error)
        .maybe_help(error.help());
    if tool.schema().properties().is_empty() {
        return report.into();
    }
    report.signature(&tool.signature(), error.parameter()).into()
}

enum Event {
    Progress(ToolProgress),
    Log(Logged),
}

struct Call<'a> {
    server: &'a str,
    client: &'a Client,
    tool: &'a ToolView,
    args: &'a CallArgs,
}

impl Call<'_> {
    async fn send(
        &self,
        arguments: Map<String, Value>,
        context: &Context,
        printer: &mut Printer,
    ) -> Result<CallToolResult> {
        let name = &self.tool.tool.name;
        // Every event is taken up at once, so the queue cannot grow.
        let (events, mut taken) = mpsc::unbounded_channel();
        let (logs, mut logged) = mpsc::unbounded_channel();
        if printer.output() == Output::Ndjson {
            context.logs.hand_to(logs);
        }
        let (server, own_logs) = (self.server.to_owned(), events.clone());
        let hints = self.tool.tool.annotations.as_ref().map(ToolHints::from).unwrap_or_default();
        let mut call = caller::Call::tool(self.server, name.as_str(), arguments)
            .hints(hints)
            // The receiver lives as long as the call.
            .on_progress(Arc::new(move |progress| drop(events.send(Event::Progress(progress)))))
            .on_log(Arc::new(move |message| {
                drop(own_logs.send(Event::Log((server.clone(), message))));
            }));
        if let Some(limit) = self.args.max_time {
            call = call.at_most(limit);
        }
        if let Some(level) = context.logs.wanted() {
            let connected = self.client.server();
            if connected.era == Era::Modern {
                call = call.log_level(level);
            } else if connected.capabilities.logging.is_some() {
                self.client
                    .set_log_level(level)
                    .await
                    .map_err(|error| failure::call(self.server, &error))?;
            }
        }
        let reached = RefCell::new(None);
        let shown = format!("{}.{}", self.server, one_line(name));
        let mut told = Ok(());
        let stack = self.stack(context)?;
        let reply = watch(
            &context.messages,
            stack.call(call),
            &mut taken,
            |event| {
                if told.is_ok() && printer.output() == Output::Ndjson {
                    told = print_event(&event, printer);
                }
                match event {
                    Event::Progress(progress) => {
                        *reached.borrow_mut() = Some(Reached {
                            progress: progress.progress,
                            total: progress.total,
                            message: progress.message,
                        });
                    }
                    Event::Log(_) if printer.output() == Output::Ndjson => (),
                    Event::Log(logged) => context.logs.show(&logged),
                }
            },
            |elapsed| call_line(&shown, reached.borrow().as_ref(), elapsed),
        )
        .await;
        told?;
        // Messages that came beside the call are on their way through another task.
        tokio::task::yield_now().await;
        while let Ok(logged) = logged.try_recv() {
            print_event(&Event::Log(logged), printer)?;
        }
        let reply = reply.map_err(|error| failure::layered(self.server, &error))?;
        // Nothing but the server itself answers here.
        reply.into_tool().ok_or_else(|| {
            Report::new(ErrorCode::Unexpected, "the answer is not that of a tool").into()
        })
    }

    /// The layers around the call.
    fn stack(&self, context: &Context) -> Result<Stack> {
        let hub = context.open.hub_of(self.server);
        let trusted = hub.as_ref().and_then(|hub| hub.server(self.server));
        let trusted =
            trusted.filter(|server| server.config().is_some_and(|config| config.tools.trusted));
        let trusted = trusted.map(|server| server.name().to_owned()).into_iter().collect();
        let options = self.args.layers.options(&[self.server], trusted)?;
        let servers = match hub {
            Some(hub) => ServerCaller::of_hub(hub),
            None => ServerCaller::of_clients([(self.server, self.client.clone())]),
        };
        Ok(Stack::new(servers, &options))
    }

    fn show(
        &self,
        result: &CallToolResult,
        took: Duration,
        context: &Context,
        printer: &mut Printer,
    ) -> Result<ExitCode> {
        let name = &self.tool.tool.name;
        match printer.output() {
            Output::Text if result.is_error => (),
            Output::Text => self.show_text(result, printer)?,
            Output::Raw => {
                let pieces: Vec<_> = result.content.iter().map(Piece::of_block).collect();
                match &result.structured_content {
                    Some(structured) if pieces.is_empty() => printer.text(structured.as_str())?,
                    _ => content::print_raw(printer, &pieces)?,
                }
            }
            Output::Json => {
                let mut document = json!({"schema": 1, "server": self.server, "tool": name});
                merge(&mut document, json!(result));
                document["isError"] = json!(result.is_error);
                document["tookMs"] = json!(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                if let Some(folder) = &self.args.save {
                    document["saved"] = json!(content::save_all(folder, name, &result.content)?);
                }
                printer.json(&document)?;
            }
            Output::Ndjson => {
                for block in &result.content {
                    printer.json(&json!({"type": "content", "content": block}))?;
                }
                printer.json(&json!({
                    "type": "result", "server": self.server, "tool": name,
                    "structuredContent": result.structured_content, "isError": result.is_error,
                    "tookMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                }))?;
            }
        }
        printer.flush()?;
        if result.is_error {
            let text = result.joined_text();
            let what = format!("tool `{}` of server `{}` failed", one_line(name), self.server);
            let report = Report::new(ErrorCode::ToolError, what).server(self.server);
            return Err(match text.trim() {
                "" => report.cause("the server did not say why"),
                text => report.said(text.lines()),
            }
            .into());
        }
        context.messages.aside(format_args!(
            "{} {} · {}",
            context.messages.paint(Role::Good, "✓"),
            show_time(took),
            content::summary(&result.content)
        ));
        Ok(ExitCode::Success)
    }

    fn show_text(&self, result: &CallToolResult, printer: &mut Printer) -> Result<()> {
        let pieces = result.content.iter().map(Piece::of_block);
        if let Some(structured) = &result.structured_content {
            let structured: Value = structured.parse().unwrap_or_default();
            // The text is often the same JSON, written for models.
            let repeated = |text: &str| {
                serde_json::from_str::<Value>(text).is_ok_and(|value| value == structured)
            };
            let has_text = pieces.clone().any(|p| matches!(p, Piece::Text(t) if !repeated(t)));
            if !has_text {
                let pretty = serde_json::to_string_pretty(&structured).unwrap_or_default();
                printer.text(&pretty)?;
                printer.end_line()?;
                let rest = pieces.filter(|piece| !matches!(piece, Piece::Text(_)));
                return self.print_pieces(rest, printer);
            }
        }
        self.print_pieces(pieces, printer)
    }

    fn print_pieces<'p>(
        &self,
        pieces: impl Iterator<Item = Piece<'p>>,
        printer: &mut Printer,
    ) -> Result<()> {
        let advise = Save::Advise("--save DIR or -o raw");
        let save = self.args.save.as_deref().map_or(advise, Save::Into);
        content::print_text(printer, pieces, &self.tool.tool.name, save)
    }
}

fn merge(document: &mut Value, more: Value) {
    if let (Value::Object(document), Value::Object(more)) = (document, more) {
        document.extend(more);
    }
}

fn print_event(event: &Event, printer: &mut Printer) -> Result<()> {
    match event {
        Event::Progress(progress) => printer.json(&json!({
            "type": "progress", "progress": number(progress.progress),
            "total": progress.total.map(number),
            "message": progress.message,
        }))?,
        Event::Log((server, message)) => printer.json(&json!({
            "type": "log", "server": server, "level": message.level, "logger": message.logger, "data": message.data,
        }))?,
    }
    printer.flush()
}
