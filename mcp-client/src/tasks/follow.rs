//! A task, followed to its end.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use mcp_protocol::{
    decode, subscriptions::SubscriptionFilter, tasks::CreatedTask, tools::CallToolResult,
    version::Era,
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout_at},
};

use super::{
    TaskHandle, TaskHandler, TaskReport, WhenDropped,
    handle::unix_ms,
    legacy::LegacyTask,
    modern::ModernTask,
    pace::{Pace, life_left},
};
use crate::{
    CallError, CallErrorKind, Client, TaskError, TimeLimit, Watch, answering::Answering,
    link::CallOptions, random::fraction,
};

/// How long the word that a task is no longer wanted may take.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);
/// A wait as long as this is worth a word of the server that cuts it short.
const WORTH_WATCHING: Duration = Duration::from_secs(1);

/// How a task is followed.
pub(super) struct Following {
    /// The longest silence of one question.
    pub(super) idle: Option<Duration>,
    /// The longest time in all.
    pub(super) total: Option<Duration>,
    pub(super) on_task: Option<TaskHandler>,
    pub(super) when_dropped: WhenDropped,
    /// Who answers what the task asks, in place of the client's callbacks.
    pub(super) answering: Option<Arc<Answering>>,
}

/// What a question about a task came to.
pub(super) enum News {
    /// It goes on.
    Goes(TaskReport),
    /// It has a result.
    Result(Bytes),
    /// It was stopped.
    Cancelled(TaskReport),
}

/// Follows a task that a call of this program made.
pub(crate) async fn finish(
    client: &Client,
    created: &CreatedTask,
    options: &mut CallOptions,
) -> Result<CallToolResult, CallError> {
    let handle = client.task_handle(created);
    let following = Following {
        idle: options.idle,
        total: options.total,
        on_task: options.on_task.take(),
        when_dropped: WhenDropped::Cancel,
        answering: options.answering.clone(),
    };
    follow(client, handle, following).await
}

pub(super) async fn follow(
    client: &Client,
    handle: TaskHandle,
    mut following: Following,
) -> Result<CallToolResult, CallError> {
    client.check_handle(&handle)?;
    let total = following.total;
    let mut guard = Guard::new(client, &handle, following.when_dropped);
    let outcome = match total.and_then(|total| Instant::now().checked_add(total)) {
        None => poll(client, &handle, &mut following).await,
        Some(deadline) => {
            let polling = timeout_at(deadline, poll(client, &handle, &mut following));
            polling.await.unwrap_or_else(|_| {
                let after = total.unwrap_or_default();
                let stderr = client.stderr_tail();
                let kind = CallErrorKind::TimedOut { after, limit: TimeLimit::Total, stderr };
                Err(client.link().error(kind, "tools/call"))
            })
        }
    };
    // A failure that says nothing of the task leaves it running: it is worth a word to stop.
    guard.disarm_unless(matches!(&outcome, Err(error) if !is_about_the_task(error)));
    let result = decode::strict(&outcome?)
        .map_err(|error| client.link().error(CallErrorKind::Undecodable(error), "tools/call"))?;
    #[cfg(feature = "schema")]
    crate::schema::check_promised(client, handle.output_schema.as_ref(), &result).await?;
    Ok(result)
}

fn is_about_the_task(error: &CallError) -> bool {
    matches!(error.kind(), CallErrorKind::Rejected(_) | CallErrorKind::Task(_))
}

async fn poll(
    client: &Client,
    handle: &TaskHandle,
    following: &mut Following,
) -> Result<Bytes, CallError> {
    let news = client.link().beside.tasks.of(&handle.task_id);
    let mut task = match handle.protocol_version.era() {
        Era::Modern => Kind::Modern(ModernTask::new(
            client,
            handle,
            following.idle,
            following.answering.as_ref(),
        )),
        Era::Legacy => Kind::Legacy(LegacyTask::new(
            client,
            handle,
            following.idle,
            following.answering.as_ref(),
        )),
    };
    let mut pace = Pace::default();
    let mut interval = handle.poll_interval_ms;
    let left = |ttl| life_left(handle.created_unix_ms, ttl, unix_ms(SystemTime::now()));
    let mut end_of_life = left(handle.ttl_ms).map(|left| Instant::now() + left);
    let mut watch = None;
    loop {
        let pause = pace.next(interval, fraction());
        if pause >= WORTH_WATCHING && watch.is_none() {
            watch = listen(client, handle);
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = news.heard() => {}
        }
        let is_last = end_of_life.is_some_and(|end| Instant::now() >= end);
        let asked = match &mut task {
            Kind::Modern(task) => task.ask().await,
            Kind::Legacy(task) => task.ask().await,
        };
        let report = match asked {
            Ok(News::Result(result)) => return Ok(result),
            Ok(News::Cancelled(report)) => {
                let error = TaskError::Cancelled { message: report.message };
                return Err(client.link().error(CallErrorKind::Task(error), "tools/call"));
            }
            Ok(News::Goes(report)) => report,
            // To ask how a task stands changes nothing, so it may be asked again.
            Err(error) if is_passing(&error) && pace.failed() => {
                tracing::debug!(endpoint = %client.endpoint(), %error, "asking for a task again");
                continue;
            }
            Err(error) => return Err(error),
        };
        pace.succeeded();
        if let Some(on_task) = &mut following.on_task {
            on_task(&report);
        }
        if is_last {
            let error = TaskError::Expired { ttl: handle.ttl().unwrap_or_default() };
            return Err(client.link().error(CallErrorKind::Task(error), "tools/call"));
        }
        interval = report.poll_interval_ms;
        end_of_life = left(report.ttl_ms).map(|left| Instant::now() + left);
    }
}

/// Has the server tell of the task. What it tells goes to those who wait for the task's news. Servers
/// of revision 2025-11-25 tell unasked, or not at all.
fn listen(client: &Client, handle: &TaskHandle) -> Option<Watch> {
    (handle.protocol_version.era() == Era::Modern).then(|| {
        client.watch(SubscriptionFilter {
            task_ids: vec![handle.task_id.clone()],
            ..SubscriptionFilter::default()
        })
    })
}

enum Kind<'a> {
    Modern(ModernTask<'a>),
    Legacy(LegacyTask<'a>),
}

/// Whether the next question may find the server well again.
fn is_passing(error: &CallError) -> bool {
    error.is_retryable()
        || matches!(error.kind(), CallErrorKind::Lost(_) | CallErrorKind::TimedOut { .. })
}

/// Tells the server that a task is no longer wanted, unless it was seen to its end.
struct Guard {
    armed: Option<(Client, TaskHandle, Handle)>,
}

impl Guard {
    fn new(client: &Client, handle: &TaskHandle, when_dropped: WhenDropped) -> Self {
        let armed = matches!(when_dropped, WhenDropped::Cancel)
            .then(|| (client.clone(), handle.clone(), Handle::current()));
        Self { armed }
    }

    fn disarm_unless(&mut self, keep: bool) {
        if !keep {
            self.armed = None;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some((client, handle, runtime)) = self.armed.take() else { return };
        // A future may be dropped outside of the runtime that ran it.
        let _entered = runtime.enter();
        let link = Arc::clone(client.link());
        link.keep(async move {
            let cancel = client.cancel_task(&handle);
            match tokio::time::timeout(CANCEL_LIMIT, cancel).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the task was not cancelled"),
                Err(_) => tracing::debug!("the server was not told in time to cancel a task"),
            }
        });
    }
}
