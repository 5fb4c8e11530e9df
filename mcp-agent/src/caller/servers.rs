//! The innermost caller: the servers themselves.

use std::{collections::HashMap, fmt, sync::Arc};

use mcp_client::{Client, Hub, Request, ServerError};
use mcp_protocol::{method::Method, version::Era};
use tokio::time::Instant;

use super::{
    Answer, Answers, Call, CallError, Caller, Identities, Operation, Reply, Verdict, tasks,
};
use crate::{
    layers::{Chooser, Chosen},
    toolbox::ToolProgress,
};

/// Calls servers as they are, without any layer.
#[derive(Clone)]
pub struct ServerCaller(Servers);

#[derive(Clone)]
enum Servers {
    Hub(Hub),
    Clients(Arc<HashMap<Arc<str>, Client>>),
}

impl ServerCaller {
    /// The servers of a hub, those included that are added later.
    pub fn of_hub(hub: Hub) -> Self {
        Self(Servers::Hub(hub))
    }

    /// These servers, each with its name.
    pub fn of_clients<N: Into<Arc<str>>>(clients: impl IntoIterator<Item = (N, Client)>) -> Self {
        let named = clients.into_iter().map(|(name, client)| (name.into(), client));
        Self(Servers::Clients(Arc::new(named.collect())))
    }
}

impl Caller for ServerCaller {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let unknown = || CallError::UnknownServer { server: Arc::clone(&call.server) };
        match &self.0 {
            Servers::Clients(clients) => {
                let client = clients.get(&call.server).ok_or_else(unknown)?.clone();
                let server = Arc::clone(&call.server);
                let replied = if call.is_handed_out() {
                    tasks::send(client, call).await
                } else {
                    send(client, call).await
                };
                replied.map_err(|error| CallError::failed(&server, error))
            }
            Servers::Hub(hub) => {
                let name = call.replica.as_ref().unwrap_or(&call.server);
                let server = match &call.own {
                    Some(own) => own.clone(),
                    None => hub.server(name).ok_or_else(unknown)?,
                };
                let outcome = match &*call.operation {
                    _ if call.is_handed_out() => {
                        let started = Instant::now();
                        let replied = server.call(|client| tasks::send(client, call.clone())).await;
                        if let Some(tool) = call.operation.tool() {
                            let failed = replied.as_ref().map_or(true, Reply::is_error);
                            server.used(tool, started.elapsed(), failed);
                        }
                        replied
                    }
                    // So that the server's own counters know the tool.
                    Operation::CallTool { name, arguments } => {
                        let called = server.call_tool_with(name, arguments, |request| {
                            call.clock.attempt_on(request.client());
                            with_options(request, &call)
                        });
                        called.await.map(Reply::from)
                    }
                    _ => server.call(|client| send(client, call.clone())).await,
                };
                outcome.map_err(|error| match error {
                    ServerError::Call { source, .. } => CallError::failed(&call.server, source),
                    unavailable => CallError::Unavailable {
                        server: Arc::clone(&call.server),
                        retry_in: match &unavailable {
                            ServerError::Unavailable { retry_in, .. } => *retry_in,
                            _ => None,
                        },
                        source: Arc::new(unavailable),
                    },
                })
            }
        }
    }

    fn chooser(&self) -> Option<Arc<dyn Chooser>> {
        match &self.0 {
            Servers::Hub(hub) => Some(Arc::new(ReplicasOf(hub.clone()))),
            Servers::Clients(_) => None,
        }
    }

    fn identities(&self) -> Option<Identities> {
        match &self.0 {
            Servers::Hub(hub) => {
                let hub = hub.clone();
                Some(Arc::new(move |name: &str| hub.identity(name)))
            }
            Servers::Clients(_) => None,
        }
    }
}

/// Chooses among the replicas that the configuration gives a server, as their rules say.
struct ReplicasOf(Hub);

impl Chooser for ReplicasOf {
    fn choose(&self, call: &Call, tried: &[Arc<str>]) -> Option<Chosen> {
        let replicas = self.0.server(&call.server)?.replicas()?;
        let turn = replicas.choose(call.affinity.as_deref(), tried)?;
        let chosen = Chosen::replica(turn.server().name());
        Some(chosen.on_done(move |outcome| match outcome {
            Some(Ok(_)) => turn.ended(true),
            Some(Err(error)) => match error.verdict() {
                Verdict::Well => turn.ended(true),
                Verdict::Ill => turn.ended(false),
                Verdict::Unknown => drop(turn),
            },
            None => drop(turn),
        }))
    }
}

/// Makes the call on one connection.
async fn send(client: Client, call: Call) -> Result<Reply, mcp_client::CallError> {
    call.clock.attempt_on(&client);
    let answer = match &*call.operation {
        Operation::CallTool { name, arguments } => {
            let request = with_options(client.call_tool(&**name, arguments), &call);
            Answer::Tool(Arc::new(request.await?))
        }
        Operation::ReadResource { uri } => {
            let request = with_options(client.read_resource(&**uri), &call);
            Answer::Resource(Arc::new(request.await?))
        }
        Operation::GetPrompt { name, arguments } => {
            let mut request = with_options(client.get_prompt(&**name), &call);
            for (name, value) in arguments {
                request = request.argument(name, value);
            }
            Answer::Prompt(Arc::new(request.await?))
        }
        Operation::Ping => {
            client.ping().await?;
            Answer::Pong
        }
    };
    Ok(Reply::new(answer))
}

pub(super) fn with_options<'a, M: Method, F>(
    mut request: Request<'a, M, F>,
    call: &Call,
) -> Request<'a, M, F> {
    if let Some(idle) = call.limits.idle {
        request = request.timeout(idle);
    }
    if let Some(progress) = call.progress.clone() {
        request = request.on_progress(move |heard| {
            let mut told = ToolProgress::new(heard.progress);
            told.total = heard.total;
            told.message = heard.message;
            progress(told);
        });
    }
    if let Some(log) = call.log.clone() {
        request = request.on_log(move |message, _| log(message));
    }
    if let Some(level) = call.log_level.clone()
        && request.client().server().era == Era::Modern
    {
        request = request.log_level(level);
    }
    if let Some(dialog) = call.dialog.as_deref()
        && let Answers::Each(sink) = &dialog.answers
    {
        let sink = Arc::clone(sink);
        let capabilities = dialog.capabilities.clone();
        request = request.on_question(capabilities, move |question, _| sink(question));
    }
    for (key, value) in &call.meta {
        request = request.meta(key, value);
    }
    request
}

impl fmt::Debug for ServerCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("ServerCaller");
        match &self.0 {
            Servers::Hub(hub) => shown.field(hub),
            Servers::Clients(clients) => shown.field(&clients.keys()),
        };
        shown.finish()
    }
}
