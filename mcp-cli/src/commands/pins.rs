//! `mcp pins`

use mcp_agent::toolbox::pins::diff;
use mcp_client::pins::{Drift, PinFile, PinStore as _, ServerPins};
use serde_json::json;

use crate::{
    args::{Output, PinsAction, ServerOptions},
    connect::{choose, ready, unusable},
    context::Context,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    failure, pins,
    printer::Printer,
    target::Target,
    targets,
    terminal_text::one_line,
    theme::Role,
    trust::kept,
};

pub(super) async fn run(
    action: PinsAction,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let file = pins::file()
        .ok_or_else(|| Report::new(ErrorCode::Config, "there is no home folder to keep pins in"))?;
    match action {
        PinsAction::List => list(&file, printer),
        PinsAction::Show { target } => {
            let (_, _, drift) = compare(&target, &file, context).await?;
            show(&drift, printer)?;
            Ok(if drift.is_empty() { ExitCode::Success } else { ExitCode::Refused })
        }
        PinsAction::Accept { target, tool } => {
            let (key, mut pins, mut drift) = compare(&target, &file, context).await?;
            drift.retain(|one| tool.as_ref().is_none_or(|tool| *tool == one.tool));
            for one in &drift {
                match &one.now {
                    Some(pin) => _ = pins.tools.insert(one.tool.clone(), pin.clone()),
                    None => _ = pins.tools.remove(&one.tool),
                }
            }
            file.save(&key, pins).map_err(|error| kept(&error))?;
            show(&drift, printer)?;
            Ok(ExitCode::Success)
        }
    }
}

fn list(file: &PinFile, printer: &mut Printer) -> Result<ExitCode> {
    let servers = file.all().map_err(|error| kept(&error))?;
    match printer.output() {
        Output::Json | Output::Ndjson => {
            let servers: Vec<_> = servers
                .iter()
                .map(|(server, pins)| {
                    let tools: Vec<_> = pins.tools.keys().collect();
                    json!({"server": server, "digest": pins.digest(), "tools": tools})
                })
                .collect();
            printer.json(&json!({"schema": 1, "servers": servers}))?;
        }
        Output::Text | Output::Raw => {
            for (server, pins) in servers {
                let (count, digest) = (pins.tools.len(), pins.digest().short());
                printer.line(format_args!("{}  {count} tools  {digest}", one_line(&server)))?;
            }
        }
    }
    Ok(ExitCode::Success)
}

/// The pins of one server, and how its tools differ from them now.
async fn compare(
    target: &str,
    file: &PinFile,
    context: &Context,
) -> Result<(String, ServerPins, Vec<Drift>)> {
    let configured = context.settings.configured()?;
    let named: Vec<Target> = targets::parse(&[target.to_owned()])?;
    let chosen = choose(&named, &[], &configured, &ServerOptions::default())?;
    if let Some(problem) = chosen.problems.first() {
        return Err(unusable(problem).into());
    }
    let Some(name) = chosen.servers.first().map(|server| server.name.clone()) else {
        return Err(Report::new(ErrorCode::Usage, "no server is named").into());
    };
    let hub = context.start(chosen.servers).await?;
    let status = context.wait_for(&hub, &name).await?;
    let client = ready(&status)?;
    let tools = client.list_tools().await.map_err(|error| failure::call(&name, &error))?;
    let key = pins::key(&status);
    let now = ServerPins::of(&tools.items);
    let pinned = file.load(&key).map_err(|error| kept(&error))?;
    // A server that was never used with a model has nothing to differ from.
    let pins = pinned.unwrap_or_else(|| now.clone());
    let drift = pins.drift(&now);
    Ok((key, pins, drift))
}

fn show(drift: &[Drift], printer: &mut Printer) -> Result<()> {
    if let Output::Json | Output::Ndjson = printer.output() {
        let drift: Vec<_> = drift
            .iter()
            .map(|one| {
                json!({"tool": one.tool, "kind": one.kind(), "before": one.before, "now": one.now})
            })
            .collect();
        return printer.json(&json!({"schema": 1, "drift": drift}));
    }
    for one in drift {
        let name = printer.paint(Role::Name, one_line(&one.tool));
        printer.line(format_args!("{name} is {}", one.kind()))?;
        for line in diff(one).lines() {
            // A line's mark must be ours, and not part of a text.
            let (mark, text) = line.split_at_checked(2).unwrap_or((line, ""));
            printer.line(format_args!("  {mark}{}", one_line(text)))?;
        }
    }
    Ok(())
}
