//! What servers log: to standard error, or to the command that wants it as data.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_client::{Asker, Hub};
use mcp_protocol::logging::{LoggingLevel, LoggingMessageParams};
use tokio::sync::mpsc::UnboundedSender;

use crate::{messages::Messages, terminal_text::one_line, theme::Role};

/// A log message and the name of its server.
pub(crate) type Logged = (String, LoggingMessageParams);

/// Takes the log messages of all servers.
#[derive(Debug)]
pub(crate) struct Logs {
    messages: Arc<Messages>,
    /// The least level that people are shown.
    level: LoggingLevel,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Names by endpoint, which is what a message tells of its server.
    names: HashMap<String, String>,
    taker: Option<UnboundedSender<Logged>>,
}

impl Logs {
    /// Shows warnings and worse; with `verbose` 1 also information, from 2 on everything.
    pub(crate) fn new(messages: Arc<Messages>, verbose: u8) -> Self {
        let level = match verbose {
            0 => LoggingLevel::Warning,
            1 => LoggingLevel::Info,
            _ => LoggingLevel::Debug,
        };
        Self { messages, level, state: Mutex::default() }
    }

    /// The level to ask servers for; `None` leaves it to them.
    pub(crate) fn wanted(&self) -> Option<LoggingLevel> {
        (self.level != LoggingLevel::Warning).then(|| self.level.clone())
    }

    /// Learns the names of servers.
    pub(crate) fn know(&self, hub: &Hub) {
        let names = &mut self.state().names;
        names.extend(hub.status().into_iter().map(|status| (status.endpoint, status.name)));
    }

    /// The name of the server that asks something.
    pub(crate) fn name_of(&self, asker: &Asker) -> String {
        let name = self.state().names.get(&*asker.endpoint).cloned();
        name.unwrap_or_else(|| asker.endpoint.to_string())
    }

    /// Hands messages to `taker` instead of showing them, until it is dropped.
    pub(crate) fn hand_to(&self, taker: UnboundedSender<Logged>) {
        self.state().taker = Some(taker);
    }

    /// Takes in a message.
    pub(crate) fn take(&self, message: LoggingMessageParams, asker: &Asker) {
        let (name, taker) = {
            let state = self.state();
            let name = state.names.get(&*asker.endpoint).cloned();
            (name.unwrap_or_else(|| asker.endpoint.to_string()), state.taker.clone())
        };
        let logged = (name, message);
        match taker {
            // Whoever took them has ended: then people are told.
            Some(taker) => {
                if let Err(unsent) = taker.send(logged) {
                    self.show(&unsent.0);
                }
            }
            None => self.show(&logged),
        }
    }

    /// Shows a message, if it is important enough.
    pub(crate) fn show(&self, (server, message): &Logged) {
        if message.level.severity() >= self.level.severity() {
            let text =
                format!("{server}: {}: {}", message.level.as_str(), one_line(&message.text()));
            self.messages.note(self.messages.paint(Role::Dim, text));
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
