//! Tasks of servers, for the clients that began them.
//!
//! | client | server | a call that becomes a task |
//! |---|---|---|
//! | modern, knows tasks | modern | is handed on; the client asks for the task, answers it, stops it |
//! | legacy, asks for a task | legacy, the tool can | the same, by the requests of that revision |
//! | any other pair | | is waited for here, and the client gets the result |
//!
//! A task has another id here than at its server: a sealed one, which says where the task is and
//! is good for one principal. Nothing else is needed, so every replica with the same keys knows the
//! task, and nobody can ask for the task of somebody else. What this process has begun for a legacy
//! client can be listed, and is told of as its server tells; see [`begun_tasks`].

use mcp_client::{Client, Server, ServerWatch};
use mcp_protocol::{
    capabilities::{Offered as OfferedCapability, TasksCapability},
    error_code::{self, MissingRequiredClientCapability},
    extensions::{Extensions, TASKS},
    input_required::InputRequest,
    jsonrpc::{ErrorObject, Request},
    meta::{self, Meta},
    object::Object,
    outcome::ResultType,
    raw::RawJson,
    subscriptions::SubscriptionFilter,
    tasks::{
        CancelTask, CreatedTask, DetailedTask, GetTask, TaskParams, UpdateTask, UpdateTaskParams,
        legacy::{self, TaskMetadata},
    },
    tools::{CallToolParams, TaskSupport, Tool},
    version::Era,
};
use mcp_transport::serve::Peer;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Aggregate,
    asked::{Caller, params},
    begun_tasks, failed,
    finish::{self, write},
    no_method,
    rounds::{self, ask_peer, for_another_connection, internal},
    unknown,
};
use crate::caller::BegunTask;

/// What an id says: where the task is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    /// As configured.
    pub(super) server: String,
    /// Which of its replicas, as the hub calls it; the server itself otherwise.
    pub(super) at: String,
    /// Where that led: the id is told to nobody else who has the name later.
    endpoint: String,
    pub(super) tool: String,
    /// As the server calls it.
    pub(super) task: String,
    era: PlaceEra,
}

impl Place {
    /// Whether a connection leads to it.
    pub(super) fn is_at(&self, client: &Client) -> bool {
        let speaks = PlaceEra::from(client.server().protocol_version.era());
        client.endpoint() == self.endpoint && speaks == self.era
    }

    #[cfg(test)]
    pub(super) fn legacy(server: &str, tool: &str) -> Self {
        let [server, tool] = [server, tool].map(str::to_owned);
        let (at, endpoint, task) = (server.clone(), String::new(), String::new());
        Self { server, at, endpoint, tool, task, era: PlaceEra::Legacy }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum PlaceEra {
    Legacy,
    Modern,
}

impl From<Era> for PlaceEra {
    fn from(era: Era) -> Self {
        if era == Era::Modern { Self::Modern } else { Self::Legacy }
    }
}

impl Aggregate {
    /// The task in place of a result, under its id here.
    pub(super) fn hand_out(
        &self,
        begun: &BegunTask,
        server: &str,
        tool: &str,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        let Some(created) = begun.handle.created() else {
            return Err(internal("the task was not begun by this call"));
        };
        let place = |era| Place {
            server: server.to_owned(),
            at: begun.server.as_ref().to_owned(),
            endpoint: begun.handle.endpoint().to_owned(),
            tool: tool.to_owned(),
            task: begun.handle.task_id().to_owned(),
            era,
        };
        match created.clone() {
            CreatedTask::Extension(mut task) => {
                task.task_id = self.seal(&place(PlaceEra::Modern))?;
                task.result_type = Some(ResultType::Task);
                task.meta = finish::meta_of(task.meta.take(), Era::Modern);
                write(&task)
            }
            CreatedTask::Legacy(mut created) => {
                let place = place(PlaceEra::Legacy);
                created.task.task_id = self.seal(&place)?;
                if let (Some(conversation), Some(server)) =
                    (caller.conversation, self.server(&place.at))
                {
                    let heard = begun_tasks::hear(server, &place);
                    conversation.tell_of_task(heard, created.task.clone());
                }
                self.0.begun.note(self.0.view.principal.id(), place, created.task.clone());
                created.meta = finish::meta_of(created.meta.take(), Era::Legacy);
                write(&created)
            }
            _ => Err(internal("a task of a kind that is not known")),
        }
    }

    /// `tasks/get`, `tasks/update` and `tasks/cancel` of the extension.
    pub(super) async fn answer_about_task(
        &self,
        request: &Request,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        let known = self.known_task(request, Era::Modern, || !self.extensions().is_empty())?;
        if !caller.capabilities.extensions.contains(TASKS) {
            return Err(undeclared());
        }
        let (id, place) = known?;
        let server = self.server_of(&place, &id).await?;
        let capabilities = &*caller.capabilities;
        let task = &*place.task;
        let asking = async {
            match &*request.method {
                "tasks/get" => {
                    let get = |client: Client| async move {
                        let asking = client.request::<GetTask>(TaskParams::new(task));
                        asking.on_question(capabilities.clone(), refuse).await
                    };
                    let found = server.call(get).await.map_err(|error| failed(&error))?;
                    write(&under(&id, found))
                }
                "tasks/update" => {
                    let responses = params::<UpdateTaskParams>(request)?.input_responses;
                    let responses = &responses;
                    let update = |client: Client| async move {
                        let params = UpdateTaskParams::new(task, responses.clone());
                        let asking = client.request::<UpdateTask>(params);
                        asking.on_question(capabilities.clone(), refuse).await
                    };
                    finish!(server.call(update).await.map_err(|error| failed(&error))?, Era::Modern)
                }
                _ => {
                    let cancel = |client: Client| async move {
                        let asking = client.request::<CancelTask>(TaskParams::new(task));
                        asking.on_question(capabilities.clone(), refuse).await
                    };
                    finish!(server.call(cancel).await.map_err(|error| failed(&error))?, Era::Modern)
                }
            }
        };
        caller.scope.clone().within(asking).await
    }

    /// `tasks/get`, `tasks/result` and `tasks/cancel` of revision 2025-11-25.
    pub(super) async fn answer_about_legacy_task(
        &self,
        request: &Request,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        let (id, place) =
            self.known_task(request, Era::Legacy, || self.legacy_tasks().is_some())??;
        let server = self.server_of(&place, &id).await?;
        let task = &*place.task;
        let asking = async {
            let told = match &*request.method {
                "tasks/get" => {
                    let get = |client: Client| async move {
                        client.request::<legacy::GetTask>(TaskParams::new(task)).await
                    };
                    server.call(get).await
                }
                "tasks/cancel" => {
                    let cancel = |client: Client| async move {
                        client.request::<legacy::CancelTask>(TaskParams::new(task)).await
                    };
                    server.call(cancel).await
                }
                _ => return self.wait_for_result(&server, &place, &id, caller).await,
            };
            let mut found = told.map_err(|error| failed(&error))?;
            found.task_id.clone_from(&id);
            found.meta = finish::meta_of(found.meta.take(), Era::Legacy);
            write(&found)
        };
        caller.scope.clone().within(asking).await
    }

    /// `tasks/result`, on whose stream the server asks what it needs for the task.
    async fn wait_for_result(
        &self,
        server: &Server,
        place: &Place,
        id: &str,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        let (task, peer, capabilities) = (&*place.task, caller.peer, &*caller.capabilities);
        let wait = |client: Client| async move {
            let (peer, id) = (peer.clone(), id.to_owned());
            let asking = client.request::<legacy::GetTaskResult>(TaskParams::new(task));
            let asking =
                asking.timeout(None).on_question(capabilities.clone(), move |question, _| {
                    ask_peer(peer.clone(), about(&id, for_another_connection(question)))
                });
            asking.await
        };
        let result = server.call(wait).await.map_err(|error| failed(&error))?;
        let mut result: Object = result.parse().map_err(|error| internal(error.to_string()))?;
        let entries = result.remove("_meta").and_then(|meta| meta.parse::<Meta>().ok());
        if let Some(entries) = finish::meta_of(Some(related(entries, id)), Era::Legacy) {
            let entries = RawJson::from_value(&entries);
            result.insert("_meta", entries.map_err(|error| internal(error.to_string()))?);
        }
        write(&result)
    }

    /// Hears of a task, if it is one of this client's.
    pub(super) fn watch_task(&self, id: &str, caller: &Caller<'_>) -> Option<(ServerWatch, Place)> {
        let place = self.place(id, Era::Modern)?;
        if !caller.capabilities.extensions.contains(TASKS) {
            return None;
        }
        let server = self.server(&place.at)?;
        let wanted =
            SubscriptionFilter { task_ids: vec![place.task.clone()], ..Default::default() };
        Some((server.watch(wanted), place))
    }

    /// What is declared to legacy clients.
    pub(super) fn legacy_tasks(&self) -> Option<TasksCapability> {
        let can = self.0.keys.is_some() && self.servers().any(|server| are_taken_by(&server));
        can.then(|| {
            let mut requests = Object::default();
            requests.insert("tools", json!({"call": {}}));
            // Who is not known cannot be told from others.
            let list = self.0.access.tells_apart().then(OfferedCapability::default);
            TasksCapability { list, cancel: Some(OfferedCapability::default()), requests }
        })
    }

    /// What is declared to modern clients.
    pub(super) fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::default();
        let has = |server: Server| {
            server
                .status()
                .state
                .client()
                .is_some_and(|client| client.server().capabilities.extensions.contains(TASKS))
        };
        if self.0.keys.is_some() && self.servers().any(has) {
            extensions.0.insert(TASKS, json!({}));
        }
        extensions
    }

    fn purpose(&self) -> String {
        format!("task {}", self.0.view.principal.id())
    }

    fn seal(&self, place: &Place) -> Result<String, ErrorObject> {
        let keys = self.0.keys.as_ref().ok_or_else(|| internal("no task can be handed out"))?;
        let text = serde_json::to_string(place).map_err(|error| internal(error.to_string()))?;
        keys.seal_text(&self.purpose(), &text).map_err(|error| internal(error.to_string()))
    }

    /// Where a task is that this principal began and may still use.
    fn place(&self, id: &str, era: Era) -> Option<Place> {
        let text = self.0.keys.as_ref()?.open_text(&self.purpose(), id)?;
        let place: Place = serde_json::from_str(&text).ok()?;
        let is_there = self.0.view.has_tool(&place.server, &place.tool);
        (is_there && place.era == PlaceEra::from(era)).then_some(place)
    }

    /// The task that a request names, or why there is none. Where no server has tasks, the outer
    /// error says that there is no such method; a task that was begun keeps its server's methods
    /// while that is away.
    fn known_task(
        &self,
        request: &Request,
        era: Era,
        are_offered: impl FnOnce() -> bool,
    ) -> Result<Result<(String, Place), ErrorObject>, ErrorObject> {
        let known = params::<TaskParams>(request).and_then(|TaskParams { task_id: id, .. }| {
            let place = self.place(&id, era).ok_or_else(|| unknown("task", &id))?;
            Ok((id, place))
        });
        if known.is_err() && !are_offered() {
            return Err(no_method(&request.method));
        }
        Ok(known)
    }

    /// Whoever has the task.
    async fn server_of(&self, place: &Place, id: &str) -> Result<Server, ErrorObject> {
        let server = self.server(&place.at).ok_or_else(|| unknown("task", id))?;
        let client = server.client().await.map_err(|error| failed(&error))?;
        if !place.is_at(&client) {
            return Err(unknown("task", id));
        }
        Ok(server)
    }
}

/// Whether a server of revision 2025-11-25 runs tools as tasks.
pub(super) fn are_taken_by(server: &Server) -> bool {
    server.status().state.client().is_some_and(|client| {
        let known = client.server();
        let tasks = known.capabilities.tasks.as_ref();
        known.protocol_version.era() == Era::Legacy
            && tasks.is_some_and(|tasks| tasks.covers("tools/call"))
    })
}

/// The task that a legacy client asks for. Others do not ask: their servers decide.
pub(super) fn wanted(
    params: &CallToolParams,
    era: Era,
    server: &Server,
    tool: &Tool,
) -> Result<Option<TaskMetadata>, ErrorObject> {
    let Some(task) = params.task.filter(|_| era == Era::Legacy) else { return Ok(None) };
    let support = tool.execution.as_ref().and_then(|execution| execution.task_support.as_ref());
    if are_taken_by(server)
        && matches!(support, Some(TaskSupport::Optional | TaskSupport::Required))
    {
        return Ok(Some(task));
    }
    let told = format!("the tool `{}` does not run as a task", params.name);
    Err(ErrorObject::new(error_code::METHOD_NOT_FOUND, told))
}

/// Tells a client how its task stands, until the server is in the hub no more.
pub(super) async fn follow_task(
    mut watch: ServerWatch,
    place: Place,
    id: String,
    peer: Peer,
    meta: Meta,
) {
    use mcp_client::Change;

    while let Some(change) = watch.next().await {
        let Change::Task(task) = change else { continue };
        if task.task.task_id != place.task {
            continue;
        }
        let mut told = under(&id, (*task).clone());
        told.task.result_type = None;
        told.task.meta = Some(meta.clone());
        if peer.notify("notifications/tasks", &told).await.is_err() {
            return;
        }
    }
}

fn under(id: &str, mut found: DetailedTask) -> DetailedTask {
    id.clone_into(&mut found.task.task_id);
    found.task.result_type = Some(ResultType::Complete);
    found.task.meta = finish::meta_of(found.task.meta.take(), Era::Modern);
    found
}

/// A question that belongs to a task, as whoever is asked knows the task.
fn about(id: &str, mut question: InputRequest) -> InputRequest {
    if let Some(meta) = rounds::meta_of(&mut question) {
        *meta = Some(related(meta.take(), id));
    }
    question
}

fn related(entries: Option<Meta>, id: &str) -> Meta {
    let mut entries = entries.map(|meta| meta.entries()).unwrap_or_default();
    entries.insert(meta::RELATED_TASK, json!({"taskId": id}));
    Meta::new(&entries)
}

async fn refuse(question: InputRequest, _: mcp_client::Asker) -> Result<RawJson, ErrorObject> {
    let told = format!("`{}` is no part of this request", question.method());
    Err(ErrorObject::new(error_code::METHOD_NOT_FOUND, told))
}

fn undeclared() -> ErrorObject {
    let mut required = mcp_protocol::capabilities::ClientCapabilities::default();
    required.extensions.0.insert(TASKS, json!({}));
    let data = MissingRequiredClientCapability { required_capabilities: required };
    let told = format!("declare the extension `{TASKS}` with this request");
    ErrorObject {
        data: RawJson::from_value(&data).ok(),
        ..ErrorObject::new(error_code::MISSING_REQUIRED_CLIENT_CAPABILITY, told)
    }
}
