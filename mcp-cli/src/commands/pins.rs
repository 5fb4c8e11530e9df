//! `mcp pins`

use std::collections::BTreeMap;

use mcp_agent::toolbox::pins::diff;
use mcp_client::{
    Hub, HubOptions,
    pins::{Drift, ServerPins},
};
use serde_json::json;

use crate::{
    args::{Output, PinsAction, ServerOptions},
    connect::{choose, ready, unusable},
    context::Context,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    failure, pins,
    pins_kept::PinsKept,
    printer::Printer,
    target::Target,
    targets,
    terminal_text::one_line,
    theme::Role,
};

pub(super) async fn run(
    action: PinsAction,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    match action {
        PinsAction::List { kept } => {
            let pins = PinsKept::open(&kept).await?.all(|| names(context)).await?;
            list(pins, printer)
        }
        PinsAction::Show { target, kept } => {
            let kept = PinsKept::open(&kept).await?;
            let (key, now, is_of_caller) = offered(&target, &kept, context).await?;
            // A server that was never used with a model has nothing to differ from.
            let mut drift = kept.load(&key).await?.map_or_else(Vec::new, |pins| pins.drift(&now));
            drift.retain(|one| one.now.is_some() || !is_of_caller);
            show(&drift, printer)?;
            Ok(if drift.is_empty() { ExitCode::Success } else { ExitCode::Refused })
        }
        PinsAction::Accept { target, tool, kept } => {
            let kept = PinsKept::open(&kept).await?;
            let (key, now, is_of_caller) = offered(&target, &kept, context).await?;
            let accept = |pinned: Option<ServerPins>| {
                let mut pins = pinned.unwrap_or_else(|| now.clone());
                let mut drift = pins.drift(&now);
                drift.retain(|one| match &tool {
                    Some(tool) => *tool == one.tool,
                    None => one.now.is_some() || !is_of_caller,
                });
                for one in &drift {
                    match &one.now {
                        Some(pin) => _ = pins.tools.insert(one.tool.clone(), pin.clone()),
                        None => _ = pins.tools.remove(&one.tool),
                    }
                }
                (pins, drift)
            };
            show(&kept.change(&key, accept).await?, printer)?;
            Ok(ExitCode::Success)
        }
    }
}

/// The keys of what is configured here, by which those of replicas are told apart.
fn names(context: &Context) -> Result<Vec<String>> {
    let servers = context.settings.configured()?.servers;
    let mut options = HubOptions::default();
    // Nothing is started.
    options.lazy = true;
    let hub = Hub::start(servers, &options);
    Ok(hub.status().iter().map(pins::key).collect())
}

fn list(servers: BTreeMap<String, ServerPins>, printer: &mut Printer) -> Result<ExitCode> {
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

/// The key of a server's pins, its tools as they are now, and whether those are of one caller: what
/// is not among them may be there for others.
async fn offered(
    target: &str,
    kept: &PinsKept,
    context: &Context,
) -> Result<(String, ServerPins, bool)> {
    let configured = context.settings.configured()?;
    let of_callers = configured.servers.iter().filter(|one| one.is_per_caller());
    let of_callers: Vec<_> = of_callers.map(|one| one.name.clone()).collect();
    let named: Vec<Target> = targets::parse(&[target.to_owned()])?;
    let chosen = choose(&named, &[], &configured, &ServerOptions::default())?;
    if let Some(problem) = chosen.problems.first() {
        return Err(unusable(problem).into());
    }
    let Some(name) = chosen.servers.first().map(|server| server.name.clone()) else {
        return Err(Report::new(ErrorCode::Usage, "no server is named").into());
    };
    let hub = context.start_with(chosen.servers, |options| kept.logins(options)).await?;
    let status = context.wait_for(&hub, &name).await?;
    let client = ready(&status)?;
    let tools = client.list_tools().await.map_err(|error| failure::call(&name, &error))?;
    let is_of_caller = of_callers.contains(&name);
    Ok((pins::key(&status), ServerPins::of(&tools.items), is_of_caller))
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
