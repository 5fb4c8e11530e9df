//! Questions on the terminal.

use std::{fmt::Display, io};

use serde_json::{Map, Value};
use tokio::task::spawn_blocking;

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

/// Asks for one line. `None` when the input has ended.
///
/// Servers stay alive meanwhile: the reading is done on a thread of its own.
pub(crate) async fn ask(context: &Context, question: impl Display) -> Result<Option<String>> {
    context.messages.ask(question);
    let reading = spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|bytes| (bytes > 0).then_some(line))
    });
    let failed = |cause: String| {
        Report::new(ErrorCode::Unexpected, "cannot read from the terminal").cause(cause)
    };
    let line = reading
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))?;
    Ok(line.map(|line| line.trim_end_matches(['\r', '\n']).to_owned()))
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
