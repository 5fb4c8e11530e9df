//! `mcp ping`

use std::time::Duration;

use mcp_client::Client;
use serde_json::json;

use crate::{
    args::{Output, PingArgs},
    connect::choose,
    context::Context,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    failure,
    measure::show_time,
    printer::Printer,
    progress::wait,
    target::Target,
    targets,
    terminal_text::one_line,
    theme::Role,
};

pub(super) async fn run(
    args: PingArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let configured = context.settings.configured()?;
    let targets: Vec<Target> = targets::parse(args.target.as_slice())?;
    let chosen = choose(&targets, &args.command, &configured, &args.server)?;
    if chosen.servers.len() > 1 {
        let names: Vec<_> = chosen.servers.iter().map(|server| server.name.as_str()).collect();
        return Err(Report::new(ErrorCode::Usage, "which server? Several are configured")
            .help(format!("mcp ping {}", names.join(" | ")))
            .into());
    }
    let (name, client) = context.connect(chosen).await?;
    let version = client.server().protocol_version.as_str().to_owned();
    let about = match &client.server().implementation {
        Some(it) => format!("{} {}", one_line(&it.name), one_line(&it.version)),
        None => "unnamed".to_owned(),
    };
    let mut times = Vec::new();
    for _ in 0..args.count {
        let took = ping(context, &name, &client).await?;
        times.push(took);
        match printer.output() {
            Output::Text => {
                let good = printer.paint(Role::Good, "✓").to_string();
                printer.line(format_args!(
                    "{good} {name}  {}  {about}  protocol {version}",
                    micros(took)
                ))?;
                printer.flush()?;
            }
            Output::Ndjson => {
                printer.json(&json!({"type": "pong", "server": name, "ms": millis(took)}))?;
                printer.flush()?;
            }
            Output::Raw => printer.line(millis(took))?,
            Output::Json => (),
        }
    }
    if printer.output() == Output::Json {
        let times: Vec<f64> = times.into_iter().map(millis).collect();
        printer.json(&json!({
            "schema": 1, "server": name, "implementation": client.server().implementation,
            "protocolVersion": version, "ms": times,
        }))?;
    }
    Ok(ExitCode::Success)
}

async fn ping(context: &Context, name: &str, client: &Client) -> Result<Duration> {
    let ping = wait(&context.messages, client.ping(), |elapsed| {
        format!("waiting for {name}  {}", show_time(elapsed))
    });
    ping.await.map_err(|error| failure::call(name, &error).into())
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn micros(time: Duration) -> String {
    if time.as_millis() < 10 {
        format!("{:.2} ms", time.as_secs_f64() * 1e3)
    } else {
        show_time(time)
    }
}
