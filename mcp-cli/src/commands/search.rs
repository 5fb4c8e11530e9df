//! `mcp search`

use mcp_client::registry::{Found, Listed, Search, Status};
use serde_json::{Value, json};

use crate::{
    args::{Output, SearchArgs},
    context::Context,
    error_report::Result,
    exit_code::ExitCode,
    measure::{count, number, show_time},
    messages::terminal_width,
    printer::Printer,
    progress::wait,
    registry,
    terminal_text::{one_line, shorten},
    theme::Role,
};

/// What descriptions are cut to where they are not read on a terminal, in characters.
const MAX_ABOUT_CHARS: usize = 100;

pub(super) async fn run(
    args: SearchArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let registry = registry::open(&args.registry)?;
    let asking = |_| format!("asking {}", registry.url());
    if args.health {
        let took = wait(&context.messages, registry.health(), asking).await;
        let took = took.map_err(|error| registry::failed(&error))?;
        match printer.output() {
            Output::Text | Output::Raw => {
                let text = format!("{} is well  {}", registry.url(), show_time(took));
                printer.line(text)?;
            }
            Output::Json | Output::Ndjson => printer.json(&json!({
                "schema": 1, "registry": registry.url(), "tookMs": number(took.as_secs_f64() * 1e3),
            }))?,
        }
        return Ok(ExitCode::Success);
    }
    let mut search = Search::new(args.text.unwrap_or_default());
    search.kind = args.kind.map(Into::into);
    search.all_versions = args.all_versions;
    search.limit = args.limit.into();
    let found = wait(&context.messages, registry.search(&search), asking).await;
    let found = found.map_err(|error| registry::failed(&error))?;
    print(&found, printer)?;
    if found.servers.is_empty() {
        context.messages.note("no server matches");
    } else if found.next.is_some() {
        let shown = count(found.servers.len(), "server");
        context.messages.note(format_args!("the first {shown}; -n shows more"));
    }
    if found.unreadable > 0 {
        let entries = count(found.unreadable, "entry");
        context.messages.warning(format_args!("left out {entries} that cannot be read"));
    }
    Ok(ExitCode::Success)
}

fn print(found: &Found, printer: &mut Printer) -> Result<()> {
    match printer.output() {
        Output::Json => {
            let servers: Vec<_> = found.servers.iter().map(to_json).collect();
            printer.json(&json!({
                "schema": 1, "servers": servers, "more": found.next.is_some(),
                "unreadable": found.unreadable,
            }))
        }
        Output::Ndjson => found.servers.iter().try_for_each(|one| printer.json(&to_json(one))),
        Output::Raw => {
            found.servers.iter().try_for_each(|one| printer.line(one_line(&one.server.name)))
        }
        Output::Text => {
            let names: Vec<_> =
                found.servers.iter().map(|one| one_line(&one.server.name)).collect();
            let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
            let room = if printer.is_terminal() {
                terminal_width().saturating_sub(width + 26).max(20)
            } else {
                MAX_ABOUT_CHARS
            };
            for (listed, name) in found.servers.iter().zip(names) {
                let name = printer.paint(Role::Name, format!("{name:width$}"));
                let version = one_line(&listed.server.version);
                let kinds = kinds(listed).join(",");
                let about = one_line(&listed.server.description);
                let about = shorten(&about, room);
                let mark = match listed.status() {
                    Status::Active => "",
                    Status::Deprecated => "(deprecated) ",
                    _ => "(deleted) ",
                };
                printer.line(format_args!("{name}  {version:8}  {kinds:12}  {mark}{about}"))?;
            }
            Ok(())
        }
    }
}

fn kinds(listed: &Listed) -> Vec<&'static str> {
    listed.server.kinds().into_iter().map(mcp_client::registry::Kind::as_str).collect()
}

fn to_json(listed: &Listed) -> Value {
    let server = &listed.server;
    json!({
        "name": server.name,
        "version": server.version,
        "title": server.title,
        "description": server.description,
        "types": kinds(listed),
        "status": match listed.status() {
            Status::Active => "active",
            Status::Deprecated => "deprecated",
            _ => "deleted",
        },
        "statusMessage": listed.status_message(),
        "publishedAt": listed.published_at(),
        "repository": server.repository.as_ref().map(|repository| &repository.url),
        "website": server.website_url,
    })
}
