//! `mcp sessions`

use std::time::SystemTime;

use mcp_agent::{
    Journal as _,
    store::{SqliteStore, Store as _, Stored, to_markdown},
};
use serde_json::json;

use crate::{
    args::{Output, SessionsAction},
    context::Context,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    measure::{count, show_time},
    printer::Printer,
    sessions::{find, open, report},
    terminal_text::one_line,
    theme::Role,
};

pub(super) async fn run(
    action: SessionsAction,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let store = open()?;
    match action {
        SessionsAction::List => list(&store, context, printer).await?,
        SessionsAction::Show { session } => {
            show(&store, session.as_deref(), None, printer).await?;
        }
        SessionsAction::Export { session, at } => {
            show(&store, session.as_deref(), at, printer).await?;
        }
        SessionsAction::Fork { session, at } => {
            let stored = find(&store, session.as_deref()).await?;
            let run = store.load(&stored.id, at).await.map_err(|error| report(&error))?;
            let fork = run.fork();
            store.begin(&fork).await.map_err(|error| {
                Report::new(ErrorCode::Unexpected, error.to_string()).causes_of(&error)
            })?;
            printer.line(fork.id().short())?;
            let id = fork.id().short();
            context.messages.note(format_args!("go on with `mcp chat --resume {id}`"));
        }
        SessionsAction::Rm { sessions } => {
            for name in sessions {
                let stored = find(&store, Some(&name)).await?;
                store.remove(&stored.id).await.map_err(|error| report(&error))?;
                context.messages.note(format_args!("forgot {}", stored.id.short()));
            }
        }
    }
    printer.flush()?;
    Ok(ExitCode::Success)
}

async fn list(store: &SqliteStore, context: &Context, printer: &mut Printer) -> Result<()> {
    let all = store.list().await.map_err(|error| report(&error))?;
    if printer.output() != Output::Text {
        let all: Vec<_> = all.iter().map(document).collect();
        printer.json(&json!({"schema": 1, "sessions": all}))?;
        return Ok(());
    }
    for stored in &all {
        let age = SystemTime::now().duration_since(stored.updated).unwrap_or_default();
        let about = format!("{} ago · {}", show_time(age), count(steps(stored), "step"));
        printer.line(format_args!(
            "{}  {}   {}",
            printer.paint(Role::Name, stored.id.short()),
            one_line(&stored.title),
            printer.paint(Role::Dim, about)
        ))?;
    }
    context.messages.aside(count(all.len(), "session"));
    Ok(())
}

fn steps(stored: &Stored) -> usize {
    usize::try_from(stored.feeds).unwrap_or(usize::MAX)
}

fn document(stored: &Stored) -> serde_json::Value {
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    };
    json!({
        "id": stored.id, "title": stored.title, "steps": stored.feeds,
        "created": seconds(stored.created), "updated": seconds(stored.updated),
    })
}

async fn show(
    store: &SqliteStore,
    name: Option<&str>,
    at: Option<u64>,
    printer: &mut Printer,
) -> Result<()> {
    let stored = find(store, name).await?;
    let run = store.load(&stored.id, at).await.map_err(|error| report(&error))?;
    if printer.output() == Output::Text {
        printer.text(&to_markdown(run.transcript()))?;
    } else {
        let mut document = document(&stored);
        document["schema"] = json!(1);
        document["transcript"] = json!(run.transcript());
        printer.json(&document)?;
    }
    Ok(())
}
