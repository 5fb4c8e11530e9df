//! Finds the model of a conversation, and starts it where it must be started.

use std::{env, fmt, sync::Arc};

use mcp_agent::model::{
    ChatModel,
    discover::{self, DiscoverError, ModelWish},
    managed,
};
use mcp_client::Secret;
use mcp_transport::http::HttpClient;

use crate::{
    args::ModelChoice,
    context::Context,
    conversation::failure,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    measure::show_bytes,
    terminal_text::one_line,
    theme::Role,
};

/// A model that can be asked now.
pub(crate) struct FoundModel {
    pub(crate) model: Box<dyn ChatModel>,
    /// Its name, for people.
    pub(crate) name: String,
}

impl fmt::Debug for FoundModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundModel").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Finds a model: as the options say, else by the environment, else on this machine. Says which.
pub(crate) async fn find(options: &ModelChoice, context: &Context) -> Result<FoundModel> {
    let variable = |name: &str| env::var(name).ok();
    let key = match &options.api_key_env {
        Some(name) => Some(variable(name).map(Secret::new).ok_or_else(|| {
            Report::new(
                ErrorCode::Usage,
                format!("the variable `{name}`, which --api-key-env names, is not set"),
            )
        })?),
        None => None,
    };
    let wish = ModelWish { base_url: options.base_url.clone(), model: options.model.clone(), key };
    let http = Arc::new(HttpClient::new());
    let folder = managed::folder(&variable);
    let found = discover::find(&wish, &variable, folder.as_deref(), &http)
        .await
        .map_err(|error| not_found(&error))?;
    let say = |text: String| {
        context.messages.note(context.messages.paint(Role::Dim, text));
    };
    match found {
        discover::Found::Ready { model, place } => {
            let name = one_line(&model.id().model);
            say(format!("model: {name}, {place}"));
            Ok(FoundModel { model, name })
        }
        discover::Found::Managed(manifest) => {
            let name = one_line(&manifest.name);
            let size = usize::try_from(manifest.size_bytes).unwrap_or(usize::MAX);
            say(format!("model: {name} ({}), started on this machine", show_bytes(size)));
            let model = manifest.start(&http).await.map_err(|error| {
                Report::new(ErrorCode::Unreachable, "the local model cannot be started")
                    .cause(error.to_string())
                    .causes_of(&error)
            })?;
            Ok(FoundModel { model: Box::new(model), name })
        }
        _ => Err(Report::new(ErrorCode::NoModel, "the model is of an unknown kind").into()),
    }
}

fn not_found(error: &DiscoverError) -> Report {
    match error {
        DiscoverError::NoModel { looked_at } => {
            Report::new(ErrorCode::NoModel, "no language model was found")
                .fact("looked", looked_at.join("\n"))
                .help(
                    "start one (such as `ollama serve`), set a provider's key, \
                     or name one with --base-url and -m",
                )
        }
        DiscoverError::NoKey { variables, .. } => {
            let variable = variables.first().copied().unwrap_or_default();
            Report::new(ErrorCode::NoModel, error.to_string()).help(format!(
                "`export {variable}=…`, or name the variable that holds it with --api-key-env"
            ))
        }
        DiscoverError::Model(error) => failure(error),
        DiscoverError::NoSuchModel { available, .. } => {
            let report = Report::new(ErrorCode::NoModel, error.to_string());
            match available.first() {
                Some(first) => report.help(format!("such as -m {}", one_line(first))),
                None => report,
            }
        }
        error => Report::new(ErrorCode::NoModel, error.to_string()).causes_of(error),
    }
}
