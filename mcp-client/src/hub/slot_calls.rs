//! Calls of one slot, across the restarts of its server.

use mcp_protocol::tools::CallToolResult;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::{ServerError, ServerState, slot::Slot};
use crate::{CallError, CallTool, Client};

impl Slot {
    /// The connection that it has now; starts it if it waits for its first use, and waits while it
    /// is starting. `spent` is of no more use.
    pub(super) async fn connection(&self, spent: Option<&Client>) -> Result<Client, ServerError> {
        let mut changes = self.board.changes.subscribe();
        let patience = self.board.patience.map(|patience| Instant::now() + patience);
        loop {
            changes.mark_unchanged();
            if self.is_gone() {
                return Err(self.unavailable());
            }
            let state = self.state();
            let mut give_up_at = None;
            match &state {
                ServerState::Ready(client) | ServerState::Degraded(client, _) => {
                    let spent = spent.is_some_and(|spent| spent.is_same(client));
                    if !spent && !client.is_closed() {
                        return Ok(client.clone());
                    }
                    // The supervisor is about to notice.
                    self.replace(client);
                }
                ServerState::Stopped => self.wake(),
                ServerState::Starting => {}
                // It is started again by itself, and the caller has time.
                ServerState::Down(_) if patience.is_some() && self.retry_in().is_some() => {
                    give_up_at = patience;
                }
                _ => return Err(self.unavailable()),
            }
            let gone = match give_up_at {
                None => changes.changed().await.is_err(),
                Some(at) => {
                    timeout_at(at, changes.changed()).await.map_or(true, |end| end.is_err())
                }
            };
            if gone {
                return Err(self.unavailable());
            }
        }
    }

    /// Why it cannot be called now.
    pub(super) fn unavailable(&self) -> ServerError {
        let server = self.name().to_owned();
        match self.state() {
            ServerState::Refused(source) => ServerError::Refused { server, source },
            ServerState::PerCaller => ServerError::NeedsCaller { server },
            state => ServerError::Unavailable {
                server,
                state: state.kind(),
                retry_in: self.retry_in(),
                source: match state {
                    ServerState::Down(failure) | ServerState::NeedsAuth(failure) => Some(failure),
                    _ => None,
                },
            },
        }
    }

    /// See [`Server::call`](super::Server::call).
    pub(super) async fn call<T, F, Fut>(&self, call: F) -> Result<T, ServerError>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, CallError>>,
    {
        let mut client = self.connection(None).await?;
        let mut again = false;
        loop {
            let started = Instant::now();
            let error = match call(client.clone()).await {
                Ok(answer) => {
                    let now = Instant::now();
                    self.count(|health| health.answered(now, now - started));
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let now = Instant::now();
            self.count(|health| {
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
                self.replace(&client);
                if (changed || error.is_retryable()) && !again {
                    again = true;
                    client = self.connection(Some(&client)).await?;
                    continue;
                }
            }
            return Err(ServerError::Call { server: self.name().to_owned(), source: error });
        }
    }

    /// See [`Server::call_tool_with`](super::Server::call_tool_with).
    pub(super) async fn call_tool_with<F>(
        &self,
        name: &str,
        arguments: &(impl Serialize + Sync + ?Sized),
        settings: &F,
    ) -> Result<CallToolResult, ServerError>
    where
        F: for<'a> Fn(CallTool<'a>) -> CallTool<'a> + Sync,
    {
        let started = Instant::now();
        let outcome = self
            .call(|client| async move { settings(client.call_tool(name, arguments)).await })
            .await;
        let is_error = outcome.as_ref().map_or(true, |result| result.is_error);
        self.count(|health| health.used(name, started.elapsed(), is_error));
        outcome
    }
}
