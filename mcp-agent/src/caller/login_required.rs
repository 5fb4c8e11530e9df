//! Somebody has to log in before a call can be made for them.

use std::sync::Arc;

/// A server wants the person on whose behalf it is called to log in there first, and this is where.
///
/// It is no fault of the server: nothing was sent, and nothing is tried again before the login.
///
/// ```
/// use mcp_agent::caller::{CallError, LoginRequired};
///
/// let login = LoginRequired::new("notes", "https://tools.example.com/connect/a1", "a1");
/// let told = CallError::from(login).to_string();
/// assert!(told.contains("https://tools.example.com/connect/a1"), "{told}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "server `{server}` is used by everyone with an account of their own, and {}: open {url} in a \
     browser, log in, and ask again",
    if *more { "the login does not allow this yet" } else { "nobody is logged in here" }
)]
pub struct LoginRequired {
    server: Arc<str>,
    url: String,
    id: String,
    more: bool,
}

impl LoginRequired {
    /// A login at a server, begun by visiting an address. The id names this one wish: a client that
    /// was told of it hears under that id when it is done.
    pub fn new(server: impl Into<Arc<str>>, url: impl Into<String>, id: impl Into<String>) -> Self {
        Self { server: server.into(), url: url.into(), id: id.into(), more: false }
    }

    /// Somebody is logged in, and wants to do what the login does not allow yet.
    #[must_use]
    pub fn for_more(mut self) -> Self {
        self.more = true;
        self
    }

    /// Which server.
    pub fn server(&self) -> &Arc<str> {
        &self.server
    }

    /// Where to log in, with a browser. It is of use to whoever was told only: the page asks who
    /// opens it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the login is called when it is done.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// One sentence for the person, without the address.
    pub fn message(&self) -> String {
        let Self { server, more, .. } = self;
        if *more {
            format!("Log in to `{server}` again: this needs more rights than you gave so far.")
        } else {
            format!("Log in to `{server}` to go on: it is used with an account of your own.")
        }
    }
}
