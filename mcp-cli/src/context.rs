//! What every command is given.

use crate::{connect::Open, messages::Messages, settings::Settings};

/// Settings, standard error, and the servers that must be ended with the program.
///
/// Standard output is handed to a command beside it, so that only one place writes at a time.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) messages: Messages,
    pub(crate) open: Open,
}

impl Context {
    /// A context without servers.
    pub(crate) fn new(settings: Settings) -> Self {
        let messages = Messages::new(
            settings.stderr_theme,
            settings.loudness,
            settings.error_form(),
            settings.progress,
        );
        Self { settings, messages, open: Open::default() }
    }
}
