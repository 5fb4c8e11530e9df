//! What servers ask the person at the terminal (elicitation): forms to fill and pages to visit.

mod form;
mod page;

use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_client::{Asker, HubOptions};
use mcp_protocol::{
    elicitation::{ElicitFormParams, ElicitResult, ElicitUrlParams},
    error_code,
    jsonrpc::ErrorObject,
};
use tokio::sync::watch;

use crate::{ask::Typing, logs::Logs, messages::Messages, terminal_text::one_line, theme::Role};

/// A person who is told things and types lines; in tests, a script.
trait Dialogue: Sync {
    /// Tells something on lines of its own.
    fn say(&self, text: impl Display);

    /// Asks for one line. `None` when the input has ended.
    fn ask(
        &self,
        question: &str,
    ) -> impl Future<Output = Result<Option<String>, ErrorObject>> + Send;
}

/// Puts the questions of servers to the person, one at a time.
#[derive(Debug)]
pub(crate) struct Elicitation {
    messages: Arc<Messages>,
    logs: Arc<Logs>,
    typing: Arc<Typing>,
    /// Whether questions are taken. A chat has its own line between two answers.
    open: watch::Sender<bool>,
    /// The servers and pages that the person agreed to visit.
    visited: Mutex<Vec<(Arc<str>, String)>>,
}

impl Elicitation {
    pub(crate) fn new(messages: Arc<Messages>, logs: Arc<Logs>, typing: Arc<Typing>) -> Arc<Self> {
        let open = watch::Sender::new(true);
        Arc::new(Self { messages, logs, typing, open, visited: Mutex::default() })
    }

    /// Declares forms and pages to the servers.
    pub(crate) fn declare(self: &Arc<Self>, options: &mut HubOptions) {
        let this = Arc::clone(self);
        options.client.on_form(move |form, asker| {
            let this = Arc::clone(&this);
            async move { this.fill(form, asker).await }
        });
        let this = Arc::clone(self);
        options.client.on_url(move |page, asker| {
            let this = Arc::clone(&this);
            async move { this.visit(page, asker).await }
        });
    }

    /// Takes questions from now on.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Cancels the open questions, and all that come until [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    async fn fill(
        &self,
        form: ElicitFormParams,
        asker: Asker,
    ) -> Result<ElicitResult, ErrorObject> {
        let server = self.logs.name_of(&asker);
        self.put(form::fill(&form, &server, self)).await
    }

    async fn visit(
        &self,
        page: ElicitUrlParams,
        asker: Asker,
    ) -> Result<ElicitResult, ErrorObject> {
        let server = self.logs.name_of(&asker);
        let known = (Arc::clone(&asker.endpoint), page.url.clone());
        let visit = async {
            if self.visited().contains(&known) {
                let result = page::wait_again(&page, &server, self).await?;
                if result != ElicitResult::accept_url() {
                    // Whoever comes back to it is asked from the beginning.
                    self.visited().retain(|visited| *visited != known);
                }
                return Ok(result);
            }
            let result = page::visit(&page, &server, self, page::open).await?;
            if result == ElicitResult::accept_url() {
                self.visited().push(known);
            }
            Ok(result)
        };
        self.put(visit).await
    }

    /// Lets one question at a time be answered, with nothing drawn meanwhile.
    async fn put(
        &self,
        dialogue: impl Future<Output = Result<ElicitResult, ErrorObject>>,
    ) -> Result<ElicitResult, ErrorObject> {
        let mut open = self.open.subscribe();
        let answered = async {
            let _floor = self.typing.floor().await;
            let _still = self.messages.hold();
            dialogue.await
        };
        tokio::select! {
            biased;
            // The sender lives as long as this.
            _ = open.wait_for(|open| !open) => Ok(ElicitResult::cancel()),
            result = answered => result,
        }
    }

    fn visited(&self) -> std::sync::MutexGuard<'_, Vec<(Arc<str>, String)>> {
        self.visited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dialogue for Elicitation {
    fn say(&self, text: impl Display) {
        self.messages.say(text);
    }

    async fn ask(&self, question: &str) -> Result<Option<String>, ErrorObject> {
        self.messages.ask(self.messages.paint(Role::Label, question));
        self.typing.line().await.map_err(|cause| {
            let text = format!("cannot read from the terminal: {cause}");
            ErrorObject::new(error_code::INTERNAL_ERROR, text)
        })
    }
}

/// A server's words, each line set in and harmless.
fn quoted(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("  {}", one_line(line))).collect();
    lines.join("\n")
}

/// A script in place of a person.
#[cfg(test)]
#[derive(Debug, Default)]
struct Script {
    typed: Mutex<std::collections::VecDeque<String>>,
    seen: Mutex<String>,
}

#[cfg(test)]
impl Script {
    fn of(lines: &[&str]) -> Self {
        let typed = lines.iter().map(|line| (*line).to_owned()).collect();
        Self { typed: Mutex::new(typed), seen: Mutex::default() }
    }

    fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }
}

#[cfg(test)]
impl Dialogue for Script {
    fn say(&self, text: impl Display) {
        self.seen.lock().unwrap().extend([text.to_string().as_str(), "\n"]);
    }

    async fn ask(&self, question: &str) -> Result<Option<String>, ErrorObject> {
        let line = self.typed.lock().unwrap().pop_front();
        self.say(format_args!("{question} {}", line.as_deref().unwrap_or("<end>")));
        Ok(line)
    }
}
