//! `mcp read`

use std::{fs, path::Path};

use mcp_protocol::resources::ReadResourceResult;
use serde_json::json;

use crate::{
    args::{Output, ReadArgs},
    connect::choose,
    content::{self, Piece, Save},
    context::Context,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    failure,
    measure::{show_bytes, show_time},
    printer::Printer,
    progress::wait,
    targets,
    theme::Role,
};

pub(super) async fn run(
    args: ReadArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let (targets, uri) = match args.words.as_slice() {
        [server, uri] => (targets::parse(std::slice::from_ref(server))?, uri),
        [uri] => (Vec::new(), uri),
        _ => return Err(Report::new(ErrorCode::Usage, "which resource? No URI is given").into()),
    };
    let configured = context.settings.configured()?;
    let chosen = choose(&targets, &args.command, &configured, &args.server)?;
    if chosen.servers.len() + chosen.problems.len() > 1 {
        let names: Vec<_> = chosen.servers.iter().map(|server| server.name.as_str()).collect();
        return Err(Report::new(ErrorCode::Usage, "which server? Several are configured")
            .help(format!("mcp read {} {uri}", names.first().copied().unwrap_or("SERVER")))
            .into());
    }
    let (name, client) = context.connect(chosen).await?;
    let reading = wait(&context.messages, client.read_resource(uri).into_future(), |elapsed| {
        format!("reading {uri}  {}", show_time(elapsed))
    });
    let result = reading.await.map_err(|error| {
        failure::call(&name, &error).help(format!("mcp resources {name} lists what there is"))
    })?;
    show(&result, &name, uri, args.out.as_deref(), context, printer)?;
    printer.flush()?;
    Ok(ExitCode::Success)
}

fn show(
    result: &ReadResourceResult,
    server: &str,
    uri: &str,
    out: Option<&Path>,
    context: &Context,
    printer: &mut Printer,
) -> Result<()> {
    let pieces: Vec<Piece<'_>> = result.contents.iter().map(Piece::of_resource).collect();
    if let Some(file) = out {
        let mut bytes = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                Piece::Bytes { base64, .. } => bytes.extend(content::decode(base64)?),
                Piece::Link { .. } | Piece::Other(_) => (),
            }
        }
        fs::write(file, &bytes).map_err(|error| {
            Report::new(ErrorCode::Unexpected, format!("cannot write {}", file.display()))
                .cause(error.to_string())
        })?;
        let good = context.messages.paint(Role::Good, "✓");
        let size = show_bytes(bytes.len());
        context.messages.note(format_args!("{good} {} · {size}", file.display()));
        return Ok(());
    }
    match printer.output() {
        Output::Text => {
            let advise = Save::Advise("-O FILE or -o raw");
            content::print_text(printer, pieces.into_iter(), "resource", advise)?;
        }
        Output::Raw => content::print_raw(printer, &pieces)?,
        Output::Json => {
            let mut document = json!({"schema": 1, "server": server, "uri": uri});
            document["contents"] = json!(result.contents);
            printer.json(&document)?;
        }
        Output::Ndjson => {
            for contents in &result.contents {
                printer.json(contents)?;
            }
        }
    }
    Ok(())
}
