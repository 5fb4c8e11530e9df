//! Questions on the terminal.

use std::{fmt::Display, io};

use serde_json::{Map, Value};
use tokio::{
    sync::{Mutex, MutexGuard},
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    argument_files::ArgumentFiles,
    arguments::{self, Strictness},
    context::Context,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    schema::Schema,
    signature::type_text,
    terminal_text::one_line,
    theme::Role,
};

/// The lines that a person types, and whose turn it is to ask for them.
///
/// Servers stay alive meanwhile: the reading is done on a thread of its own. Nothing can stop that
/// thread, so whoever gives up waiting leaves its line to who asks next.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    reading: Mutex<Option<JoinHandle<io::Result<Option<String>>>>>,
    floor: Mutex<()>,
}

impl Typing {
    /// The next line; `None` when the input has ended.
    pub(crate) async fn line(&self) -> std::result::Result<Option<String>, String> {
        let mut reading = self.reading.lock().await;
        let under_way = reading.get_or_insert_with(|| {
            spawn_blocking(|| {
                let mut line = String::new();
                io::stdin().read_line(&mut line).map(|bytes| (bytes > 0).then_some(line))
            })
        });
        let line = under_way.await;
        *reading = None;
        let line = line.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(line.map(|line| line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// The right to ask, for a question of several lines, until the returned value is dropped.
    pub(crate) async fn floor(&self) -> MutexGuard<'_, ()> {
        self.floor.lock().await
    }

    /// Whether somebody has the right to ask.
    pub(crate) fn is_taken(&self) -> bool {
        self.floor.try_lock().is_err()
    }

    /// Whether a thread reads a line that nobody waits for.
    pub(crate) fn is_left(&self) -> bool {
        self.reading.try_lock().is_ok_and(|reading| reading.is_some())
    }
}

/// Asks for one line. `None` when the input has ended.
pub(crate) async fn ask(context: &Context, question: impl Display) -> Result<Option<String>> {
    context.messages.ask(question);
    context.typing.line().await.map_err(|cause| {
        Report::new(ErrorCode::Unexpected, "cannot read from the terminal").cause(cause).into()
    })
}

/// Asks for each missing argument; an empty answer leaves it out.
pub(crate) async fn ask_for_arguments(
    keys: &[String],
    schema: Schema<'_>,
    given: &mut Map<String, Value>,
    context: &Context,
) -> Result<()> {
    for key in keys {
        let properties = schema.properties();
        let Some(property) = properties.iter().find(|property| property.name == key) else {
            continue;
        };
        if let Some(description) = property.schema.description() {
            let description = context.messages.paint(Role::Dim, one_line(description));
            context.messages.note(format_args!("{description}"));
        }
        loop {
            let kind = type_text(property.schema);
            let question = format!("{} ({kind}):", one_line(key));
            let question = context.messages.paint(Role::Label, question);
            let Some(answer) = ask(context, question).await?.filter(|answer| !answer.is_empty())
            else {
                break;
            };
            let word = [format!("{key}={answer}")];
            let mut files = ArgumentFiles::default();
            match arguments::read(&word, schema, Strictness::Strict, &mut files) {
                Ok(read) => {
                    given.extend(read);
                    break;
                }
                Err(error) => context.messages.note(error),
            }
        }
    }
    Ok(())
}
