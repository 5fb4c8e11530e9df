//! Asking from time to time for what a server does not tell of.

use std::{
    hash::{DefaultHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use mcp_protocol::{
    cache_hint::CacheHint,
    header_values,
    method::Method,
    outcome::Outcome,
    pagination::PaginatedParams,
    prompts::ListPrompts,
    resources::{ListResources, ReadResource, ReadResourceParams},
    subscriptions::SubscriptionFilter,
    tools::ListTools,
    version::Era,
};
use mcp_transport::transport::{Binding, Mirrored};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::change::{Change, Concern};
use crate::{
    CallError, CallErrorKind, Page, PageCursor,
    link::{CallOptions, Link},
    random::fraction,
};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Of a longer list only so many pages are looked at.
const MAX_PAGES: usize = 100;
/// An answer that stays the same is asked for less and less often, at least this often.
const LONGEST_INTERVAL: Duration = Duration::from_secs(600);

/// Asks for what the coverage says is refused, while it says so. Never ends by itself.
pub(super) async fn run(link: &Arc<Link>) {
    let mut coverage = link.watchers.coverage();
    let mut polls: Vec<Poll> = Vec::new();
    loop {
        let refused = coverage.borrow_and_update().refused.clone();
        let shortest = link.poll_interval;
        let asked = match shortest {
            Some(_) => link.watchers.pollable(&refused),
            None => SubscriptionFilter::default(),
        };
        let now = Instant::now();
        let pace = shortest.unwrap_or(LONGEST_INTERVAL);
        let wanted = changes_of(&asked);
        polls.retain(|poll| wanted.contains(&poll.change));
        for change in wanted {
            if polls.iter().all(|poll| poll.change != change) {
                polls.push(Poll {
                    change,
                    last: None,
                    tried: false,
                    due: now,
                    pace: Pace::new(pace),
                });
            }
        }
        // Only what was looked at once can be seen to change.
        let is_new = |filter: &SubscriptionFilter| {
            polls.iter().any(|poll| !poll.tried && poll.change.concerns(filter) == Concern::Surely)
        };
        let polled = if is_new(&asked) { SubscriptionFilter::default() } else { asked.clone() };
        link.watchers.cover(|coverage| {
            coverage.unavailable = refused.missing_from(&asked);
            coverage.polled = polled;
        });
        coverage.mark_unchanged();
        let next = polls.iter().map(|poll| poll.due).min();
        tokio::select! {
            _ = coverage.changed() => {}
            () = sleep_until(next.unwrap_or(now)), if next.is_some() => {
                for poll in polls.iter_mut().filter(|poll| poll.due <= Instant::now()) {
                    poll.run(link).await;
                }
            }
        }
    }
}

fn changes_of(filter: &SubscriptionFilter) -> Vec<Change> {
    let lists = [
        (filter.tools_list_changed, Change::Tools),
        (filter.prompts_list_changed, Change::Prompts),
        (filter.resources_list_changed, Change::Resources),
    ];
    let uris = filter.resource_subscriptions.iter();
    lists
        .into_iter()
        .filter_map(|(wanted, change)| wanted.then_some(change))
        .chain(uris.map(|uri| Change::Resource(uri.as_str().into())))
        .collect()
}

/// One thing that is asked for.
struct Poll {
    change: Change,
    /// What it was like.
    last: Option<u64>,
    /// Whether it was asked for at all.
    tried: bool,
    due: Instant,
    pace: Pace,
}

impl Poll {
    async fn run(&mut self, link: &Arc<Link>) {
        let (changed, fresh_for) = match look(link, &self.change).await {
            Ok((print, hint)) => {
                let changed = self.last.replace(print).is_some_and(|last| last != print);
                (changed, hint.fresh_for)
            }
            Err(error) => {
                tracing::debug!(endpoint = %link.endpoint, %error, "cannot look for changes");
                (false, Duration::ZERO)
            }
        };
        self.tried = true;
        if changed {
            link.announce(&self.change);
        }
        self.due = Instant::now() + self.pace.next(changed, fresh_for, fraction());
    }
}

/// How often to ask: a value, no clock.
struct Pace {
    shortest: Duration,
    interval: Duration,
}

impl Pace {
    fn new(shortest: Duration) -> Self {
        Self { shortest, interval: shortest }
    }

    /// The wait after an answer, which may have been an error. A server's word that its answer
    /// stays good for a while is kept to. `chance` is from 0 to 1.
    fn next(&mut self, changed: bool, fresh_for: Duration, chance: f64) -> Duration {
        self.interval = if changed {
            self.shortest
        } else {
            (self.interval * 3 / 2).min(LONGEST_INTERVAL.max(self.shortest))
        };
        let wait = self.interval.max(fresh_for.min(Duration::from_secs(86_400)));
        wait.mul_f64(1.0 + chance.clamp(0.0, 1.0) / 4.0)
    }
}

/// The print of what is there now, and what the server says about its future.
async fn look(link: &Arc<Link>, change: &Change) -> Result<(u64, CacheHint), CallError> {
    match change {
        Change::Tools => list::<ListTools>(link).await,
        Change::Prompts => list::<ListPrompts>(link).await,
        Change::Resources => list::<ListResources>(link).await,
        Change::Resource(uri) => read(link, uri).await,
        Change::Task(_) | Change::LegacyTask(_) | Change::Gap => Ok((0, CacheHint::default())),
    }
}

async fn list<M>(link: &Arc<Link>) -> Result<(u64, CacheHint), CallError>
where
    M: Method<Params = PaginatedParams>,
    M::Output: Page + PageCursor,
    <M::Output as Page>::Item: Serialize,
{
    let mut print = DefaultHasher::new();
    let mut hint = None;
    let mut params = PaginatedParams::default();
    for _ in 0..MAX_PAGES {
        let text = request::<M>(link, &params).await?;
        let page = M::decode(&text)
            .map_err(|error| link.error(CallErrorKind::Undecodable(error), M::NAME))?;
        hint = hint.or_else(|| page.cache_hint());
        let next = page.next_cursor().cloned();
        add(&mut print, &page.into_parts().0);
        match next {
            Some(cursor) => params = PaginatedParams::after(cursor),
            None => break,
        }
    }
    Ok((print.finish(), hint.unwrap_or_default()))
}

async fn read(link: &Arc<Link>, uri: &str) -> Result<(u64, CacheHint), CallError> {
    let text = request::<ReadResource>(link, &ReadResourceParams::new(uri)).await?;
    let outcome = ReadResource::decode(&text)
        .map_err(|error| link.error(CallErrorKind::Undecodable(error), ReadResource::NAME))?;
    // A resource that needs somebody's input cannot be looked at unasked.
    let Outcome::Complete(result) = outcome else { return Ok((0, CacheHint::default())) };
    let mut print = DefaultHasher::new();
    add(&mut print, &result.contents);
    Ok((print.finish(), result.cache_hint()))
}

async fn request<M: Method>(
    link: &Arc<Link>,
    params: &M::Params,
) -> Result<bytes::Bytes, CallError> {
    let mut options = CallOptions { total: Some(LIMIT), ..CallOptions::default() };
    let mut mirrored = Mirrored::default();
    if link.era == Era::Modern && link.binding == Binding::Http {
        mirrored.name = M::name_header(params).map(|name| header_values::encode(name).into_owned());
    }
    link.request(M::NAME, params, mirrored, &mut options).await
}

fn add(print: &mut DefaultHasher, value: &impl Serialize) {
    // What was read as JSON can be written as JSON; if not, nothing is told apart.
    print.write(&serde_json::to_vec(value).unwrap_or_default());
}
