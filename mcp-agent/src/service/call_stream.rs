//! A call of a tool, told as it goes on.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_core::{Stream, future::BoxFuture};
use futures_util::stream;
use mcp_protocol::logging::LoggingLevel;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    journal::NotedCall,
    problem::{Problem, ProblemCode},
};
use crate::{
    caller::{Call, CallError, Caller as _, Reply},
    stack::Stack,
};

/// Events `progress` and `log`, and then one of `result` or `problem`. Dropping the stream abandons
/// the call.
pub(super) fn answer(
    stack: Stack,
    call: Call,
    noted: NotedCall,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // A server is read no faster than its call is polled, so little waits in here.
    let (told, heard) = mpsc::unbounded_channel();
    let call = listen(call, told);
    let calling = Box::pin(async move {
        let outcome = stack.call(call).await;
        noted.ended(&outcome);
        outcome
    });
    let state = Calling { outcome: Some(calling), heard, waiting: VecDeque::new() };
    let events = stream::unfold(state, |mut state| async move {
        let event = state.next().await?;
        Some((Ok(event), state))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// The receiver is gone only if nobody waits for the call any more.
fn listen(call: Call, told: mpsc::UnboundedSender<Event>) -> Call {
    let log = told.clone();
    call.log_level(LoggingLevel::Info)
        .on_progress(Arc::new(move |heard| {
            let what = json!({
                "progress": heard.progress, "total": heard.total, "message": heard.message,
            });
            let _ = told.send(event("progress", &what));
        }))
        .on_log(Arc::new(move |heard| {
            let what = json!({
                "level": heard.level, "logger": heard.logger, "data": heard.data,
            });
            let _ = log.send(event("log", &what));
        }))
}

struct Calling {
    /// Gone once the call has ended.
    outcome: Option<BoxFuture<'static, Result<Reply, CallError>>>,
    heard: mpsc::UnboundedReceiver<Event>,
    waiting: VecDeque<Event>,
}

impl Calling {
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.waiting.pop_front() {
            return Some(event);
        }
        let calling = self.outcome.as_mut()?;
        let outcome = tokio::select! {
            biased;
            Some(event) = self.heard.recv() => return Some(event),
            outcome = calling => outcome,
        };
        self.outcome = None;
        while let Ok(event) = self.heard.try_recv() {
            self.waiting.push_back(event);
        }
        self.waiting.push_back(last(outcome));
        self.waiting.pop_front()
    }
}

fn last(outcome: Result<Reply, CallError>) -> Event {
    let result = match outcome {
        Ok(reply) => reply.into_tool().ok_or_else(Problem::another_answer),
        Err(error) => Err(error.into()),
    };
    let problem = match result.map(serde_json::to_value) {
        Ok(Ok(result)) => return event("result", &result),
        Ok(Err(error)) => Problem::new(ProblemCode::ProtocolError, error.to_string()),
        Err(problem) => problem,
    };
    event("problem", &json!(problem))
}

fn event(kind: &str, what: &Value) -> Event {
    Event::default().event(kind).data(what.to_string())
}
