//! `/mcp/events`: what happens, as it happens.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_core::Stream;
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{
    Service,
    access::{Principal, Role},
    journal::{Entry, Journal},
    problem::{Problem, ProblemCode},
    view::View,
};

/// How many may watch at the same time.
pub(super) const WATCHERS: usize = 64;

/// How soon those beyond may ask again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Of servers and tools that are there for whoever watches; calls, with all that is in them, are for
/// operators. What is kept comes first, then what happens. With `Last-Event-ID` only what came after that
/// event; an event `missed` says how many of those are forgotten.
pub(super) async fn stream(
    State(service): State<Service>,
    principal: Principal,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Ok(permit) = Arc::clone(&service.0.watchers).try_acquire_owned() else {
        let problem = Problem::new(ProblemCode::Overloaded, "too many are watching already");
        return Err(problem.again_in(TRY_AGAIN));
    };
    let journal = Arc::clone(&service.0.journal);
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last.map_or(0, |id| journal.number(id));
    let news = journal.news();
    let view = View::new(principal, None);
    let waiting = VecDeque::new();
    let watching = Watching { journal, view, news, last, waiting, _permit: permit };
    let events = stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok(event), watching))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Watching {
    journal: Arc<Journal>,
    view: View,
    news: watch::Receiver<Option<u64>>,
    /// The number of the entry that was told last.
    last: u64,
    waiting: VecDeque<Entry>,
    _permit: OwnedSemaphorePermit,
}

impl Watching {
    /// Whether an entry is for this one's eyes.
    fn is_there(&self, entry: &Entry) -> bool {
        let is_seen = |server: &str| match entry.tool.as_deref() {
            Some(tool) => self.view.has_tool(server, tool),
            None => self.view.sees(server),
        };
        entry.server.as_deref().is_none_or(is_seen)
            && (entry.kind != "call" || self.view.principal.is(Role::Operator))
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(entry) = self.waiting.pop_front() {
                self.last = entry.number;
                if !self.is_there(&entry) {
                    continue;
                }
                let Entry { number, kind, data, .. } = entry;
                return Some(Event::default().event(kind).id(self.journal.id(number)).data(data));
            }
            (*self.news.borrow_and_update())?;
            let (entries, forgotten) = self.journal.since(self.last);
            self.waiting.extend(entries);
            // Of a client that begins, nothing was forgotten that it had asked for.
            if forgotten > 0 && self.last > 0 {
                let missed = json!({ "events": forgotten }).to_string();
                return Some(Event::default().event("missed").data(missed));
            }
            if self.waiting.is_empty() && self.news.changed().await.is_err() {
                return None;
            }
        }
    }
}
