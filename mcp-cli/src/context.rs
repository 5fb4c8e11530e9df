//! What every command is given.

use std::sync::Arc;

use crate::{connect::Open, logs::Logs, messages::Messages, settings::Settings};

/// Settings, standard error, and the servers that must be ended with the program.
///
/// Standard output is handed to a command beside it, so that only one place writes at a time.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) messages: Arc<Messages>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) open: Open,
}

impl Context {
    /// A context without servers.
    pub(crate) fn new(settings: Settings) -> Self {
        let messages = Arc::new(Messages::new(
            settings.stderr_theme,
            settings.loudness,
            settings.error_form(),
            settings.progress,
        ));
        let logs = Arc::new(Logs::new(Arc::clone(&messages), settings.verbose));
        Self { settings, messages, logs, open: Open::default() }
    }
}
