//! Heeds changes of the configuration while servers run.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use mcp_client::{
    Applied, Hub, Reloaded,
    config::{ConfigFile, ConfigWatch},
};
use tokio::{task::AbortHandle, time::timeout};

use crate::{
    args::ServerOptions,
    connect::{Chosen, choose},
    context::Context,
    error_report::{CliError, Result},
    messages::Messages,
    settings::{Configured, Settings},
    target::Target,
    terminal_text::one_line,
};

/// How long new servers are waited for before it is told that they are there.
const SETTLE: Duration = Duration::from_secs(5);

/// Which servers were meant when the command began; the same are meant after a change.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    targets: Vec<Target>,
    command: Vec<String>,
    options: ServerOptions,
}

impl Selection {
    pub(crate) fn new(targets: Vec<Target>, command: &[String], options: &ServerOptions) -> Self {
        Self { targets, command: command.to_vec(), options: options.clone() }
    }

    /// The files that say something about them.
    fn files(&self, settings: &Settings) -> Vec<PathBuf> {
        let own = self.targets.iter().filter_map(|target| match target {
            Target::File { file, .. } => Some(file.clone()),
            _ => None,
        });
        let all = self.targets.is_empty() && self.command.is_empty();
        let named = self.targets.iter().any(|target| matches!(target, Target::Name(_)));
        let usual = if all || named { settings.config_file() } else { None };
        own.chain(usual).collect()
    }

    fn choose(&self, settings: &Settings) -> Result<Chosen> {
        let configured: Configured = settings.configured()?;
        choose(&self.targets, &self.command, &configured, &self.options)
    }
}

/// Heeds changes for as long as it lives.
pub(crate) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").finish_non_exhaustive()
    }
}

impl Context {
    /// Makes the servers of a hub those of the configuration whenever that changes. `None` when no
    /// file says anything about them.
    pub(crate) fn follow(&self, hub: &Hub, selection: Selection) -> Option<Following> {
        let files = selection.files(&self.settings);
        if files.is_empty() {
            return None;
        }
        let watch = match ConfigWatch::new(&files) {
            Ok(watch) => watch,
            Err(error) => {
                let text = format!("changes of the configuration are not heeded: {error}");
                self.messages.warning(text);
                return None;
            }
        };
        let (hub, settings) = (hub.clone(), self.settings.clone());
        let following = follow(watch, hub, settings, selection, Arc::clone(&self.messages));
        #[expect(clippy::disallowed_methods, reason = "aborted with the handle")]
        let task = tokio::spawn(following);
        Some(Following(task.abort_handle()))
    }
}

async fn follow(
    mut watch: ConfigWatch,
    hub: Hub,
    settings: Settings,
    selection: Selection,
    messages: Arc<Messages>,
) {
    loop {
        if let Err(error) = watch.changed().await {
            messages.warning(format_args!("changes of the configuration are not heeded: {error}"));
            return;
        }
        match selection.choose(&settings) {
            Ok(chosen) => {
                let mut file = ConfigFile::default();
                file.servers = chosen.servers;
                file.problems = chosen.problems;
                let reloaded = hub.reload(Ok(file)).await;
                // One that hangs is no reason to say nothing.
                let _ = timeout(SETTLE, hub.listed()).await;
                tell(reloaded, &hub, &messages);
            }
            Err(CliError::Report(report)) => messages.warning(format_args!(
                "the configuration was changed and cannot be used, so the servers go on as they \
                 were: {}",
                one_line(report.message())
            )),
            Err(CliError::BrokenPipe) => {}
        }
    }
}

fn tell(reloaded: Reloaded, hub: &Hub, messages: &Messages) {
    let Reloaded::Applied { applied, problems, .. } = reloaded else { return };
    let Applied { added, replaced, removed, .. } = applied;
    let mut news = Vec::new();
    for (verb, names) in [("added", added), ("restarted", replaced), ("removed", removed)] {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| state(hub, name)).collect();
            news.push(format!("{verb} {}", names.join(", ")));
        }
    }
    if !news.is_empty() {
        messages.note(format_args!("configuration: {}", news.join("; ")));
    }
    for problem in problems {
        let text = format!("server `{}` {} ({})", problem.server, problem.reason, problem.origin);
        messages.warning(one_line(&text));
    }
}

/// A server's name, and what it does where that is not what it should.
fn state(hub: &Hub, name: &str) -> String {
    let state = hub.server(name).map(|server| server.status().state);
    match state.filter(|state| state.client().is_none()) {
        Some(state) => format!("{} ({})", one_line(name), state.kind()),
        None => one_line(name),
    }
}
