//! A server of a hub, whatever connection it has at the moment.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use mcp_protocol::tools::CallToolResult;
use serde::Serialize;

use super::{
    Catalog, CatalogLists, Hub, Refusal, Replicas, ServerStatus, StateKind, follow::ask,
    member::Member,
};
use crate::{CallError, CallTool, Client, MissingLogin, config::ServerConfig};

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
///
/// Where the configuration gives it [replicas](crate::config::ReplicasEntry), each call goes to one
/// of them, and to another when the first surely was not reached.
#[derive(Clone)]
pub struct Server {
    /// Keeps the supervision alive.
    hub: Hub,
    pub(super) member: Member,
}

/// Why a server is not there for everybody alike, and what to do.
pub(super) const PER_CALLER: &str = "it has no credentials of its own and is reached on behalf of \
     whoever asks: ask through `mcp serve`, with the token of a person of an issuer that is \
     trusted there, or log in to it there, as its entry says";

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
    /// It is reached on behalf of somebody, and nobody is known.
    #[error("server `{server}` is not there for everybody: {PER_CALLER}")]
    NeedsCaller {
        /// Which server.
        server: String,
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

impl ServerError {
    /// As [`CallError::missing_login`].
    pub fn missing_login(&self) -> Option<MissingLogin<'_>> {
        match self {
            Self::Unavailable { source: Some(failure), .. } => failure.missing_login(),
            Self::Call { source, .. } => source.missing_login(),
            _ => None,
        }
    }
}

impl Server {
    pub(super) fn new(hub: Hub, member: Member) -> Self {
        Self { hub, member }
    }

    /// The key in the configuration.
    pub fn name(&self) -> &str {
        self.member.name()
    }

    /// What it is doing. One with replicas is up while one of them is.
    pub fn status(&self) -> ServerStatus {
        self.member.status()
    }

    /// What it is doing, in a word; quicker to be had than [`status`](Self::status).
    pub fn state(&self) -> StateKind {
        self.member.first().kind()
    }

    /// The replicas behind the name, if there are several.
    pub fn replicas(&self) -> Option<Replicas> {
        match &self.member {
            Member::One(_) => None,
            Member::Replicated(group) => Some(Replicas::new(self.hub.clone(), Arc::clone(group))),
        }
    }

    /// The connection that it has now; starts it if it waits for its first use, and waits while it
    /// is starting. Of several replicas it is the first one that is up: calls that are made on it
    /// stay together.
    ///
    /// # Errors
    /// It is down, switched off, or wants somebody to log in.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing; the start goes on.
    pub async fn client(&self) -> Result<Client, ServerError> {
        self.member.first().connection(None).await
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
        match &self.member {
            Member::One(slot) => slot.call(call).await,
            Member::Replicated(group) => group.call(call).await,
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
        match &self.member {
            Member::One(slot) => slot.call_tool_with(name, arguments, &settings).await,
            Member::Replicated(group) => group.call_tool_with(name, arguments, &settings).await,
        }
    }

    /// Counts a use of a tool that was called by other means than
    /// [`call_tool`](Self::call_tool), and how long that took.
    pub fn used(&self, tool: &str, duration: Duration, is_error: bool) {
        self.member.first().count(|health| health.used(tool, duration, is_error));
    }

    /// What it offers, as far as it was asked for; see [`HubOptions::catalogs`]. A server that is
    /// down keeps what it offered last.
    ///
    /// [`HubOptions::catalogs`]: super::HubOptions::catalogs
    pub fn catalog(&self) -> Catalog {
        self.member.catalog()
    }

    /// Asks it for these lists now, and keeps the answers.
    ///
    /// # Errors
    /// There is no connection. That it refuses a list is told by the [`Catalog`].
    ///
    /// # Cancel safety
    /// Dropping the future abandons the questions.
    pub async fn refresh_catalog(&self, lists: CatalogLists) -> Result<Catalog, ServerError> {
        let slot = self.member.first();
        let client = slot.connection(None).await?;
        let (answers, _) = ask(&client, lists).await;
        slot.take_lists(lists, answers);
        Ok(self.catalog())
    }

    /// How it is configured now; `None` for an entry of a file that cannot be used.
    pub fn config(&self) -> Option<Arc<ServerConfig>> {
        self.member.config()
    }

    /// Starts it anew, whatever it is doing; all its replicas.
    pub fn restart(&self) {
        for slot in self.member.slots() {
            slot.begin_anew();
        }
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
