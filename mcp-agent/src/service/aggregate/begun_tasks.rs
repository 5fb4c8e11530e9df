//! Tasks of revision 2025-11-25 that were begun here: `tasks/list`, and
//! `notifications/tasks/status`.
//!
//! A connection with a server is everybody's, so the server cannot tell whose tasks are whose: its
//! own list is never asked for. What is listed is what a principal began in this process, as its
//! server says that it stands now. Where nobody shows who they are, nothing is listed at all.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use mcp_client::{CallError, Change, Client, Server, ServerWatch};
use mcp_protocol::{
    error_code,
    jsonrpc::{ErrorObject, Request},
    meta,
    method::Notification as _,
    pagination::{Cursor, PaginatedParams},
    raw::RawJson,
    subscriptions::SubscriptionFilter,
    tasks::{
        TaskParams,
        legacy::{self, ListTasksResult, TaskStatusChanged},
    },
    version::Era,
};
use mcp_transport::serve::Peer;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Aggregate,
    asked::{Caller, params},
    finish::{self, write},
    no_method,
    tasks::Place,
};

/// How many tasks of one principal are known; the oldest gives way.
const MAX_TASKS: usize = 256;
/// Of how many principals; the one that began none for longest gives way.
const MAX_PRINCIPALS: usize = 1024;
/// How many tasks a page has.
const PAGE: usize = 32;
/// How many servers are asked at the same time, and how long each may take.
const AT_ONCE: usize = 8;
const LIMIT: Duration = Duration::from_secs(2);

/// The tasks of all principals.
#[derive(Debug, Default)]
pub(super) struct BegunTasks(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    last: u64,
    /// By the ids of principals.
    tasks: HashMap<String, VecDeque<Begun>>,
}

#[derive(Clone, Debug)]
struct Begun {
    number: u64,
    place: Place,
    /// As it stood last, under its id here.
    task: legacy::Task,
    until: Option<Instant>,
}

impl BegunTasks {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, principal: &str, place: Place, task: legacy::Task) {
        let mut book = self.lock();
        book.last += 1;
        let number = book.last;
        if !book.tasks.contains_key(principal) && book.tasks.len() >= MAX_PRINCIPALS {
            let newest = |(id, tasks): (&String, &VecDeque<Begun>)| {
                (tasks.back().map_or(0, |begun| begun.number), id.clone())
            };
            if let Some((_, id)) = book.tasks.iter().map(newest).min() {
                book.tasks.remove(&id);
            }
        }
        let tasks = book.tasks.entry(principal.to_owned()).or_default();
        tasks.retain(|begun| !begun.is_over());
        if tasks.len() >= MAX_TASKS {
            tasks.pop_front();
        }
        let until = end_of(&task);
        tasks.push_back(Begun { number, place, task, until });
    }

    /// Those after a number, the oldest first; one more than fit on a page.
    fn after(&self, principal: &str, number: u64) -> Vec<Begun> {
        let book = self.lock();
        let all = book.tasks.get(principal).into_iter().flatten();
        let there = all.filter(|begun| begun.number > number && !begun.is_over());
        there.take(PAGE + 1).cloned().collect()
    }

    /// How a task stands now; `None` when its server has forgotten it.
    fn stands(&self, principal: &str, number: u64, now: Option<&legacy::Task>) {
        let mut book = self.lock();
        let Some(tasks) = book.tasks.get_mut(principal) else { return };
        let Some(at) = tasks.iter().position(|begun| begun.number == number) else { return };
        match now {
            Some(now) => tasks[at].task.clone_from(now),
            None => _ = tasks.remove(at),
        }
    }
}

impl Begun {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }
}

/// When its server may have forgotten it.
fn end_of(task: &legacy::Task) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(task.ttl?))
}

impl Aggregate {
    /// `tasks/list` of revision 2025-11-25.
    pub(super) async fn list_tasks(
        &self,
        request: &Request,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        if self.legacy_tasks().is_none_or(|tasks| tasks.list.is_none()) {
            return Err(no_method(&request.method));
        }
        let after = match params::<PaginatedParams>(request)?.cursor {
            None => 0,
            Some(Cursor(cursor)) => cursor.parse().map_err(|_| {
                let told = "this cursor is not one of a list of tasks: begin without";
                ErrorObject::new(error_code::INVALID_PARAMS, told)
            })?,
        };
        let mut page = self.0.begun.after(self.0.view.principal.id(), after);
        let has_more = page.len() > PAGE;
        page.truncate(PAGE);
        let last = page.last().map(|begun| begun.number).filter(|_| has_more);
        let is_there = |begun: &Begun| self.0.view.has_tool(&begun.place.server, &begun.place.tool);
        page.retain(is_there);
        let asking = stream::iter(page).map(|begun| self.now(begun)).buffered(AT_ONCE);
        let tasks = caller.scope.clone().within(asking.collect::<Vec<_>>()).await;
        let next_cursor = last.map(|number| Cursor::from(number.to_string()));
        let tasks = tasks.into_iter().flatten().collect();
        write(&ListTasksResult { tasks, next_cursor, ..Default::default() })
    }

    /// How a task stands; as it stood last while its server is away or silent.
    async fn now(&self, begun: Begun) -> Option<legacy::Task> {
        let Begun { number, place, task, .. } = begun;
        let server = self.server(&place.at)?;
        let state = server.status().state;
        let Some(client) = state.client().cloned() else { return Some(task) };
        if !place.is_at(&client) {
            return None;
        }
        let principal = self.0.view.principal.id();
        match ask(&client, &place).await {
            Ok(mut now) => {
                now.task_id.clone_from(&task.task_id);
                now.meta = finish::meta_of(now.meta.take(), Era::Legacy);
                self.0.begun.stands(principal, number, Some(&now));
                Some(now)
            }
            Err(error) if error.error_object().is_some() => {
                self.0.begun.stands(principal, number, None);
                None
            }
            Err(_) => Some(task),
        }
    }
}

async fn ask(client: &Client, place: &Place) -> Result<legacy::Task, CallError> {
    client.request::<legacy::GetTask>(TaskParams::new(&place.task)).timeout(LIMIT).await
}

/// A task that is heard of.
pub(super) struct HeardTask {
    server: Server,
    place: Place,
    watch: ServerWatch,
}

impl HeardTask {
    /// How it stands, where its server says so soon.
    async fn asked(&self) -> Option<legacy::Task> {
        let client = timeout(LIMIT, self.server.client()).await.ok()?.ok()?;
        if !self.place.is_at(&client) {
            return None;
        }
        let asked = ask(&client, &self.place).await;
        asked.inspect_err(|error| tracing::debug!(%error, "a task cannot be asked for")).ok()
    }
}

/// Begins to hear of a task, before whoever began it knows that it did.
pub(super) fn hear(server: Server, place: &Place) -> HeardTask {
    let wanted = SubscriptionFilter { task_ids: vec![place.task.clone()], ..Default::default() };
    let mut watch = server.watch(wanted);
    // It is heard from here on, whatever else the server has to be asked for.
    let _ = watch.ready().now_or_never();
    HeardTask { server, place: place.clone(), watch }
}

/// Tells a client how its task stands, until it stands for good or its server may forget it.
pub(super) async fn tell(mut heard: HeardTask, task: legacy::Task, client: Peer) {
    let id = &task.task_id;
    let telling = async {
        let mut last = task.status.clone();
        // Its server may have told before anybody listened, and while it could not be heard.
        let mut is_unsure = true;
        loop {
            let now = if std::mem::take(&mut is_unsure) {
                heard.watch.ready().await;
                heard.asked().await.filter(|now| now.status != last)
            } else {
                match heard.watch.next().await {
                    Some(Change::LegacyTask(now)) => Some((*now).clone()),
                    Some(change) => {
                        is_unsure = change == Change::Gap;
                        None
                    }
                    None => return,
                }
            };
            let Some(now) = now else { continue };
            last = now.status.clone();
            let mut now = legacy::Task { task_id: id.clone(), ..now };
            let mut entries = now.meta.take().map(|meta| meta.entries()).unwrap_or_default();
            // The id is in its place already, and this would be the server's.
            entries.remove(meta::RELATED_TASK);
            now.meta = finish::meta_of(Some(meta::Meta::new(&entries)), Era::Legacy);
            let told = client.notify(TaskStatusChanged::NAME, &now).await;
            if told.is_err() || now.status.is_terminal() {
                return;
            }
        }
    };
    match end_of(&task) {
        // What is not told in time is not told: a client asks all the same.
        Some(end) => _ = timeout_at(end, telling).await,
        None => telling.await,
    }
}

#[cfg(test)]
mod tests {
    use mcp_protocol::tasks::TaskStatus;

    use super::*;

    fn task(number: usize, ttl: Option<u64>) -> legacy::Task {
        serde_json::from_value(serde_json::json!({
            "taskId": number.to_string(), "status": "working", "createdAt": "", "ttl": ttl,
        }))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_bounded_and_forgotten_in_time() {
        let begun = BegunTasks::default();
        let place = || Place::legacy("a", "t");
        for number in 0..MAX_TASKS + 3 {
            begun.note("ada", place(), task(number, None));
        }
        let page = begun.after("ada", 0);
        assert_eq!((page.len(), &*page[0].task.task_id), (PAGE + 1, "3"));
        assert_eq!(begun.after("ada", page[PAGE - 1].number)[0].task, page[PAGE].task);
        assert!(begun.after("bob", 0).is_empty());
        begun.stands("ada", page[0].number, None);
        assert_eq!(begun.after("ada", 0)[0].task, page[1].task);
        begun.note("bob", place(), task(1, Some(50)));
        tokio::time::advance(Duration::from_millis(50)).await;
        assert!(begun.after("bob", 0).is_empty());
        for number in 0..MAX_PRINCIPALS {
            begun.note(&format!("p{number}"), place(), task(7, None));
        }
        assert!(begun.after("ada", 0).is_empty());
        let [one] = &*begun.after("p1", 0) else { panic!("one task") };
        let done = legacy::Task { status: TaskStatus::Completed, ..task(7, None) };
        begun.stands("p1", one.number, Some(&done));
        assert_eq!(begun.after("p1", 0)[0].task.status, TaskStatus::Completed);
    }
}
