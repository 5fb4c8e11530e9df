//! `mcp tools`

use std::fmt::Write as _;

use mcp_agent::{
    glob,
    toolbox::{self, McpToolset, Toolset as _},
};
use mcp_client::{Client, Listing, ServerStatus};
use mcp_protocol::tools::Tool;
use serde_json::{Value, json};

use crate::{
    args::{Export, Output, ToolsArgs},
    connect::{Chosen, choose},
    context::Context,
    error_report::Result,
    exit_code::ExitCode,
    failure,
    measure::{count, show_time},
    printer::Printer,
    server_line::{self, Kind},
    signature::tokens_text,
    survey::{Found, survey},
    targets,
    terminal_text::{clean, one_line, shorten},
    theme::Role,
    tool_view::{self, ToolView},
};

/// How many tools of each server are shown when there are several servers on a terminal.
const SHORT_LIST: usize = 10;
/// Signatures wider than this push their description to the side.
const MAX_SIGNATURE_COLUMN: usize = 56;

pub(super) async fn run(
    args: ToolsArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let configured = context.settings.configured()?;
    let named = targets::parse(&args.targets)?;
    let chosen = choose(&named, &args.command, &configured, &args.server)?;
    if configured.is_empty() && named.is_empty() && args.command.is_empty() {
        server_line::say_that_demo_is_used(context);
    }
    if let Some(form) = args.export {
        return export(form, &args, chosen, context, printer).await;
    }
    let several = chosen.servers.len() + chosen.problems.len() > 1;
    let width = chosen.servers.iter().map(|server| server.name.chars().count()).max().unwrap_or(0);
    let mut view =
        View { args: &args, several, width, tools: 0, servers: 0, documents: Vec::new() };
    let ask = |name: String, client: Client| async move {
        tool_view::list(&client).await.map_err(|error| failure::call(&name, &error))
    };
    let tally = survey(context, chosen, ask, |found| view.show(found, printer)).await?;
    let View { tools, servers, documents, .. } = view;
    if printer.output() == Output::Json {
        printer.json(&json!({"schema": 1, "servers": documents}))?;
    }
    printer.flush()?;
    if several && printer.output() == Output::Text {
        let missing = match tally.failed.len() {
            0 => String::new(),
            failed => format!(" · {failed} not available"),
        };
        let (servers, tools) = (count(servers, "server"), count(tools, "tool"));
        context.messages.note(format_args!("{servers} · {tools}{missing}"));
    }
    Ok(tally.finish(context))
}

/// The tools of all servers, as one list that a provider's API takes.
async fn export(
    form: Export,
    args: &ToolsArgs,
    chosen: Chosen,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let hub = context.start(chosen.servers).await?;
    hub.report_problems(chosen.problems);
    let tools = McpToolset::of_hub(hub).await;
    let wanted = |name: &str| {
        let Some(pattern) = &args.glob else { return true };
        tools.tool(name).is_some_and(|known| glob::matches(pattern, &known.tool.name))
    };
    let snapshot = tools.snapshot();
    let offered = snapshot.tools.iter().filter(|tool| wanted(&tool.name));
    printer.json(&match form {
        Export::Openai => toolbox::export::openai(offered),
        Export::Anthropic => toolbox::export::anthropic(offered),
    })?;
    printer.flush()?;
    let problems = tools.problems();
    for problem in &problems {
        let reason = one_line(&problem.reason);
        context.messages.warning(format_args!("without {}: {reason}", problem.server));
    }
    Ok(match (problems.is_empty(), snapshot.tools.is_empty()) {
        (true, _) => ExitCode::Success,
        (false, false) => ExitCode::Partial,
        (false, true) => ExitCode::Unreachable,
    })
}

struct View<'a> {
    args: &'a ToolsArgs,
    several: bool,
    width: usize,
    tools: usize,
    servers: usize,
    documents: Vec<Value>,
}

impl View<'_> {
    fn show(&mut self, found: &Found<Listing<Tool>>, printer: &mut Printer) -> Result<()> {
        self.servers += 1;
        let Ok((client, listing)) = &found.outcome else {
            return self.show_dead(found, printer);
        };
        let wanted = |tool: &&Tool| {
            self.args.glob.as_ref().is_none_or(|pattern| glob::matches(pattern, &tool.name))
        };
        let tools: Vec<ToolView> =
            listing.items.iter().filter(wanted).cloned().map(ToolView::new).collect();
        self.tools += tools.len();
        match printer.output() {
            Output::Text => {
                if let Some(status) = &found.status {
                    self.show_text(status, &tools, listing.items.len(), printer)?;
                }
                for skipped in &listing.skipped {
                    let name = one_line(skipped.name.as_deref().unwrap_or("(no name)"));
                    let text = format!("  {name}  cannot be used: {}", one_line(&skipped.error));
                    let text = printer.paint(Role::Warning, text);
                    printer.line(text)?;
                }
            }
            Output::Json => {
                let mut document = server_line::to_json(found, Some(client));
                document["tools"] = tools.iter().map(tool_json).collect();
                document["skipped"] = listing
                    .skipped
                    .iter()
                    .map(|skipped| json!({"name": skipped.name, "error": skipped.error}))
                    .collect();
                self.documents.push(document);
            }
            Output::Ndjson => {
                for tool in &tools {
                    let mut document = tool_json(tool);
                    document["server"] = json!(found.name);
                    printer.json(&document)?;
                }
            }
            Output::Raw => {
                for tool in &tools {
                    printer.line(format_args!("{}.{}", found.name, one_line(&tool.tool.name)))?;
                }
            }
        }
        // A slow server must not hold back what the others said.
        printer.flush()
    }

    fn show_dead(&mut self, found: &Found<Listing<Tool>>, printer: &mut Printer) -> Result<()> {
        match printer.output() {
            Output::Text if self.several => {
                let line = server_line::dead(found, self.width, printer);
                printer.line(line)
            }
            Output::Json => {
                self.documents.push(server_line::to_json(found, None));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn show_text(
        &self,
        status: &ServerStatus,
        tools: &[ToolView],
        all: usize,
        printer: &mut Printer,
    ) -> Result<()> {
        let tokens: usize = tools.iter().map(ToolView::tokens).sum();
        let offered = match (tools.len(), all) {
            (shown, all) if shown == all => count(all, "tool"),
            (shown, all) => format!("{shown} of {}", count(all, "tool")),
        };
        let mut line = server_line::head(status, Kind::of(status), self.width, printer);
        let origin = status.origin.as_ref().map(|origin| format!("   (from {origin})"));
        // Writing to a `String` cannot fail.
        let _ = write!(
            line,
            "  {offered:>8}  {:>7}  {}{}",
            show_time(status.took),
            tokens_text(tokens),
            origin.filter(|_| self.args.full).unwrap_or_default()
        );
        printer.line(line)?;
        let limit = if self.several && printer.is_terminal() && !self.args.full {
            SHORT_LIST
        } else {
            usize::MAX
        };
        let shown = &tools[..tools.len().min(limit)];
        let column = shown
            .iter()
            .map(|tool| tool.signature().text.chars().count())
            .filter(|width| *width <= MAX_SIGNATURE_COLUMN)
            .max()
            .unwrap_or(0);
        for tool in shown {
            self.show_tool(tool, column, printer)?;
        }
        if tools.len() > shown.len() {
            printer.line(format_args!("  … {} more (--full)", tools.len() - shown.len()))?;
        }
        Ok(())
    }

    fn show_tool(&self, tool: &ToolView, column: usize, printer: &mut Printer) -> Result<()> {
        let signature = tool.signature().text;
        let (name, parameters) = signature.split_at(signature.find('(').unwrap_or(0));
        let mut line = format!("  {}{parameters}", printer.paint(Role::Name, name));
        let mut plain = signature.chars().count() + 2;
        let mut notes: Vec<String> = Vec::new();
        if !self.args.full {
            notes.extend(tool.headline());
        }
        notes.extend(tool.hints().into_iter().map(str::to_owned));
        if !notes.is_empty() {
            let gap = (column + 2).saturating_sub(plain) + 3;
            plain += gap;
            let notes = notes.join("   ");
            // Only people lose something that does not fit; programs get all of it.
            let room = if printer.is_terminal() {
                crate::messages::terminal_width().saturating_sub(plain + 1).max(20)
            } else {
                usize::MAX
            };
            let notes = shorten(&notes, room);
            let _ = write!(line, "{}{}", " ".repeat(gap), printer.paint(Role::Dim, notes));
        }
        printer.line(line)?;
        if self.args.full
            && let Some(description) = &tool.tool.description
        {
            for text in clean(description).trim().lines() {
                printer.line(format!("      {text}").trim_end())?;
            }
        }
        if self.args.schema {
            let schema = serde_json::to_string_pretty(&tool.schema).unwrap_or_default();
            for text in clean(&schema).lines() {
                printer.line(format_args!("      {text}"))?;
            }
        }
        Ok(())
    }
}

fn tool_json(tool: &ToolView) -> Value {
    let mut document = json!(tool.tool);
    document["signature"] = json!(tool.signature().text);
    document["tokens"] = json!(tool.tokens());
    document
}
