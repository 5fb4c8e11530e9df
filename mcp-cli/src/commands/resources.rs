//! `mcp resources`

use mcp_client::{CallError, Client, Listing};
use mcp_protocol::resources::{Resource, ResourceTemplate};
use serde_json::{Value, json};

use crate::{
    args::{ListArgs, Output},
    connect::choose,
    context::Context,
    error_report::Result,
    exit_code::ExitCode,
    failure,
    measure::{count, show_bytes},
    printer::Printer,
    server_line::{self, Kind},
    survey::{Found, survey},
    targets,
    terminal_text::one_line,
    theme::Role,
    tool_view::or_nothing,
};

type Lists = (Listing<Resource>, Listing<ResourceTemplate>);

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
        list(&client).await.map_err(|error| failure::call(&name, &error))
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

async fn list(client: &Client) -> std::result::Result<Lists, CallError> {
    let declared = client.server().capabilities.resources.is_some();
    let resources = or_nothing(client.list_resources().await, declared)?;
    // Many servers that have resources know no templates.
    let templates = or_nothing(client.list_resource_templates().await, false)?;
    Ok((resources, templates))
}

fn show(
    found: &Found<Lists>,
    several: bool,
    width: usize,
    printer: &mut Printer,
    documents: &mut Vec<Value>,
) -> Result<()> {
    let Ok((client, (resources, templates))) = &found.outcome else {
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
        Output::Text => show_text(found, &resources.items, &templates.items, width, printer)?,
        Output::Json => {
            let mut document = server_line::to_json(found, Some(client));
            document["resources"] = json!(resources.items);
            document["resourceTemplates"] = json!(templates.items);
            documents.push(document);
        }
        Output::Ndjson => {
            for resource in &resources.items {
                let mut document = json!(resource);
                document["server"] = json!(found.name);
                printer.json(&document)?;
            }
            for template in &templates.items {
                let mut document = json!(template);
                document["server"] = json!(found.name);
                printer.json(&document)?;
            }
        }
        Output::Raw => {
            for resource in &resources.items {
                printer.line(one_line(&resource.uri))?;
            }
        }
    }
    printer.flush()
}

fn show_text(
    found: &Found<Lists>,
    resources: &[Resource],
    templates: &[ResourceTemplate],
    width: usize,
    printer: &mut Printer,
) -> Result<()> {
    if let Some(status) = &found.status {
        let mut line = server_line::head(status, Kind::of(status), width, printer);
        line.push_str("  ");
        line.push_str(&count(resources.len(), "resource"));
        if !templates.is_empty() {
            line.push_str(", ");
            line.push_str(&count(templates.len(), "template"));
        }
        printer.line(line)?;
    }
    let uris = resources.iter().map(|resource| &resource.uri);
    let column = uris
        .chain(templates.iter().map(|template| &template.uri_template))
        .map(|uri| uri.chars().count())
        .max()
        .unwrap_or(0)
        .min(60);
    for resource in resources {
        let mut notes = vec![one_line(resource.title.as_deref().unwrap_or(&resource.name))];
        notes.extend(resource.mime_type.as_deref().map(one_line));
        notes.extend(resource.size.and_then(|size| usize::try_from(size).ok()).map(show_bytes));
        show_row(&resource.uri, column, &notes, printer)?;
    }
    for template in templates {
        let mut notes = vec![one_line(template.title.as_deref().unwrap_or(&template.name))];
        notes.extend(template.mime_type.as_deref().map(one_line));
        show_row(&template.uri_template, column, &notes, printer)?;
    }
    Ok(())
}

fn show_row(uri: &str, column: usize, notes: &[String], printer: &mut Printer) -> Result<()> {
    let notes = printer.paint(Role::Dim, notes.join("  "));
    printer.line(format!("  {:column$}  {notes}", one_line(uri)))
}
