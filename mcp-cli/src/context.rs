//! What every command is given.

use std::sync::Arc;

use mcp_client::HubOptions;

use crate::{
    ask::Typing, connect::Open, elicitation::Elicitation, logs::Logs, messages::Messages,
    settings::Settings,
};

/// Settings, standard error, and the servers that must be ended with the program.
///
/// Standard output is handed to a command beside it, so that only one place writes at a time.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) messages: Arc<Messages>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) open: Open,
    pub(crate) typing: Arc<Typing>,
    pub(crate) elicitation: Arc<Elicitation>,
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
        let typing = Arc::new(Typing::default());
        let elicitation =
            Elicitation::new(Arc::clone(&messages), Arc::clone(&logs), Arc::clone(&typing));
        Self { settings, messages, logs, open: Open::default(), typing, elicitation }
    }

    /// Lets servers ask the person at the terminal, if there is one.
    pub(crate) fn let_servers_ask(&self, options: &mut HubOptions) {
        if self.settings.interactive {
            self.elicitation.declare(options);
        }
    }
}
