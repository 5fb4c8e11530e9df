//! A server of a hub, whatever connection it has at the moment.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use mcp_protocol::tools::CallToolResult;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Catalog, CatalogLists, Hub, Refusal, ServerState, ServerStatus, StateKind, follow::ask,
    slot::Slot,
};
use crate::{CallError, CallTool, Client, config::ServerConfig};

/// One server of a [`Hub`], across all its restarts.
///
/// ```no_run
/// # async fn example(hub: mcp_client::Hub) -> Result<(), mcp_client::ServerError> {
/// let Some(files) = hub.server("files") else { return Ok(()) };
/// let tools = files.call(|client| async move { client.list_tools().await }).await?;
/// println!("{} tools, {:?}", tools.items.len(), files.status().state.kind());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Server {
    /// Keeps the supervision alive.
    hub: Hub,
    pub(super) slot: Arc<Slot>,
}

/// A server of a hub did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It has no connection, and none is being made.
    #[error("server `{server}` is {state}{}", retry_in.map_or(String::new(), |wait| format!(
        "; it is started again in {:.1} s", wait.as_secs_f64()
    )))]
    Unavailable {
        /// Which server.
        server: String,
        /// What it is doing instead.
        state: StateKind,
        /// When it is started again.
        retry_in: Option<Duration>,
        /// Why.
        #[source]
        source: Option<Arc<crate::ConnectFailure>>,
    },
    /// It may not be used.
    #[error("server `{server}` is refused")]
    Refused {
        /// Which server.
        server: String,
        /// Why.
        #[source]
        source: Refusal,
    },
    /// The call failed.
    #[error("server `{server}`")]
    Call {
        /// Which server.
        server: String,
        /// Why, and whether it may have run.
        #[source]
        source: CallError,
    },
}

impl Server {
    pub(super) fn new(hub: Hub, slot: Arc<Slot>) -> Self {
        Self { hub, slot }
    }

    /// The key in the configuration.
    pub fn name(&self) -> &str {
        self.slot.name()
    }

    /// What it is doing.
    pub fn status(&self) -> ServerStatus {
        self.slot.status()
    }

    /// The connection that it has now; starts it if it waits for its first use, and waits while it
    /// is starting.
    ///
    /// # Errors
    /// It is down, switched off, or wants somebody to log in.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing; the start goes on.
    pub async fn client(&self) -> Result<Client, ServerError> {
        self.client_other_than(None).await
    }

    async fn client_other_than(&self, spent: Option<&Client>) -> Result<Client, ServerError> {
        let mut changes = self.slot.board.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let state = self.slot.state();
            match &state {
                ServerState::Ready(client) | ServerState::Degraded(client, _) => {
                    let spent = spent.is_some_and(|spent| spent.is_same(client));
                    if !spent && !client.is_closed() {
                        return Ok(client.clone());
                    }
                    // The supervisor is about to notice.
                    self.slot.replace(client);
                }
                ServerState::Stopped => self.slot.wake(),
                ServerState::Starting => {}
                _ => return Err(self.unavailable(&state)),
            }
            if changes.changed().await.is_err() {
                return Err(self.unavailable(&state));
            }
        }
    }

    fn unavailable(&self, state: &ServerState) -> ServerError {
        if let ServerState::Refused(refusal) = state {
            let source = refusal.clone();
            return ServerError::Refused { server: self.name().to_owned(), source };
        }
        let retry_at = self.slot.status().retry_at;
        ServerError::Unavailable {
            server: self.name().to_owned(),
            state: state.kind(),
            retry_in: retry_at.map(|at| at.saturating_duration_since(Instant::now())),
            source: match state {
                ServerState::Down(failure) | ServerState::NeedsAuth(failure) => {
                    Some(Arc::clone(failure))
                }
                _ => None,
            },
        }
    }

    /// Calls the server. When the connection turns out to be gone it is made anew, and what surely
    /// did not reach the server is sent once more, and nothing else.
    ///
    /// # Errors
    /// There is no connection, or the call failed; the error says whether it may have run.
    ///
    /// # Cancel safety
    /// As that of the call itself.
    pub async fn call<T, F, Fut>(&self, call: F) -> Result<T, ServerError>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, CallError>>,
    {
        let mut client = self.client().await?;
        let mut again = false;
        loop {
            let started = Instant::now();
            let error = match call(client.clone()).await {
                Ok(answer) => {
                    let now = Instant::now();
                    self.slot.count(|health| health.answered(now, now - started));
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let now = Instant::now();
            self.slot.count(|health| {
                if error.wants_authorization() {
                    health.refused();
                }
                if error.is_answer() {
                    health.answered(now, now - started);
                } else {
                    health.failed(now, error.to_string());
                }
            });
            // A server that was replaced by a newer or older one refused the call for that alone.
            let changed = error.supported_versions().is_some();
            if changed || client.is_closed() || error.is_session_lost() {
                self.slot.replace(&client);
                if (changed || error.is_retryable()) && !again {
                    again = true;
                    client = self.client_other_than(Some(&client)).await?;
                    continue;
                }
            }
            return Err(ServerError::Call { server: self.name().to_owned(), source: error });
        }
    }

    /// Calls one tool, and counts it by name. See [`call`](Self::call).
    ///
    /// # Errors
    /// As [`call`](Self::call). A result with `isError` is no error.
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: &(impl Serialize + Sync + ?Sized),
    ) -> Result<CallToolResult, ServerError> {
        self.call_tool_with(name, arguments, |request| request).await
    }

    /// [`call_tool`](Self::call_tool) with settings such as a limit of time or a callback for
    /// progress. They are made once for each time that the call is sent.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    ///
    /// # Cancel safety
    /// As that of the call itself.
    pub async fn call_tool_with<F>(
        &self,
        name: &str,
        arguments: &(impl Serialize + Sync + ?Sized),
        settings: F,
    ) -> Result<CallToolResult, ServerError>
    where
        F: for<'a> Fn(CallTool<'a>) -> CallTool<'a> + Sync,
    {
        let started = Instant::now();
        let settings = &settings;
        let outcome = self
            .call(|client| async move { settings(client.call_tool(name, arguments)).await })
            .await;
        let is_error = outcome.as_ref().map_or(true, |result| result.is_error);
        self.used(name, started.elapsed(), is_error);
        outcome
    }

    /// Counts a use of a tool that was called by other means than
    /// [`call_tool`](Self::call_tool), and how long that took.
    pub fn used(&self, tool: &str, duration: Duration, is_error: bool) {
        self.slot.count(|health| health.used(tool, duration, is_error));
    }

    /// What it offers, as far as it was asked for; see [`HubOptions::catalogs`]. A server that is
    /// down keeps what it offered last.
    ///
    /// [`HubOptions::catalogs`]: super::HubOptions::catalogs
    pub fn catalog(&self) -> Catalog {
        self.slot.catalog()
    }

    /// Asks it for these lists now, and keeps the answers.
    ///
    /// # Errors
    /// There is no connection. That it refuses a list is told by the [`Catalog`].
    ///
    /// # Cancel safety
    /// Dropping the future abandons the questions.
    pub async fn refresh_catalog(&self, lists: CatalogLists) -> Result<Catalog, ServerError> {
        let client = self.client().await?;
        let (answers, _) = ask(&client, lists).await;
        self.slot.take_lists(lists, answers);
        Ok(self.catalog())
    }

    /// How it is configured; `None` for an entry of a file that cannot be used.
    pub fn config(&self) -> Option<&ServerConfig> {
        self.slot.config.as_ref()
    }

    /// Starts it anew, whatever it is doing.
    pub fn restart(&self) {
        self.slot.begin_anew();
    }

    /// The hub that it belongs to.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.name()).finish()
    }
}
