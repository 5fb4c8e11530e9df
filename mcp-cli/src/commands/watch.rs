//! `mcp watch`

use clap::{Args, ValueEnum};
use mcp_client::{Change, Server, WatchState, protocol::subscriptions::SubscriptionFilter};
use serde_json::{Value, json};

use crate::{
    args::{Output, ServerOptions},
    connect::{choose, ready},
    context::Context,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    printer::Printer,
    targets,
    terminal_text::one_line,
    theme::Role,
};

/// What to watch.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The server, when it is not a command after `--`
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    /// A resource to hear of, besides the lists
    #[arg(short = 'r', long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// The lists to hear of; all by default
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',')]
    lists: Vec<List>,
    /// End after so many changes
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<usize>,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
    #[command(flatten)]
    server: ServerOptions,
}

/// A list that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum List {
    Tools,
    Prompts,
    Resources,
    /// No list: only the resources of -r
    None,
}

pub(super) async fn run(
    args: WatchArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let configured = context.settings.configured()?;
    let targets = targets::parse(args.target.as_slice())?;
    let chosen = choose(&targets, &args.command, &configured, &args.server)?;
    let [config] = chosen.servers.as_slice() else {
        return Err(Report::new(ErrorCode::Usage, "name one server to watch").into());
    };
    let name = config.name.clone();
    let hub = context.start(vec![config.clone()]).await?;
    ready(&context.wait_for(&hub, &name).await?)?;
    let Some(server) = hub.server(&name) else {
        return Err(Report::new(ErrorCode::Unexpected, "the server is gone").into());
    };
    watch(&server, args, context, printer).await
}

async fn watch(
    server: &Server,
    args: WatchArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let hears = |list| args.lists.is_empty() || args.lists.contains(&list);
    let mut watch = server.watch(SubscriptionFilter {
        tools_list_changed: hears(List::Tools),
        prompts_list_changed: hears(List::Prompts),
        resources_list_changed: hears(List::Resources),
        resource_subscriptions: args.resources,
        ..SubscriptionFilter::default()
    });
    let how = match watch.ready().await {
        Some(WatchState::Live) => "the server tells of changes",
        Some(WatchState::Polling) => {
            "the server does not tell of everything; it is asked from time to time"
        }
        Some(WatchState::Unavailable) => "of some of this the server tells nothing",
        _ => "the server cannot be heard now",
    };
    context.messages.note(format_args!("watching {}: {how}; Ctrl-C ends", server.name()));
    let mut left = args.count.unwrap_or(usize::MAX);
    while left > 0 {
        let Some(change) = watch.next().await else { break };
        left -= 1;
        let (what, uri) = match &change {
            Change::Tools => ("tools", None),
            Change::Prompts => ("prompts", None),
            Change::Resources => ("resources", None),
            Change::Resource(uri) => ("resource", Some(&**uri)),
            Change::Gap => ("gap", None),
            _ => continue,
        };
        match printer.output() {
            Output::Text => {
                let line = match uri {
                    Some(uri) => format!("{}  {}", printer.paint(Role::Name, what), one_line(uri)),
                    None if what == "gap" => {
                        format!("{}  changes may have been missed", printer.paint(Role::Bad, what))
                    }
                    None => printer.paint(Role::Name, what).to_string(),
                };
                printer.line(line)?;
            }
            Output::Raw => printer.line(uri.map_or(what.to_owned(), one_line))?,
            Output::Json | Output::Ndjson => printer.json(&document(server.name(), what, uri))?,
        }
        printer.flush()?;
    }
    Ok(ExitCode::Success)
}

fn document(server: &str, what: &str, uri: Option<&str>) -> Value {
    let mut document = json!({"type": "change", "server": server, "changed": what});
    if let Some(uri) = uri {
        document["uri"] = json!(uri);
    }
    document
}
