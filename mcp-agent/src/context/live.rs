//! Pinned resources that stay fresh while a conversation goes on.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt, future, stream};
use mcp_client::{Change, Client};
use mcp_protocol::subscriptions::SubscriptionFilter;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{ContextPart, ServerSource};
use crate::{
    glob::Glob,
    model::{Part, Parts},
    tokens::{EstimatedTokens, TokenCounter},
};

/// How long a question waits for what is being read again.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

/// What to pin, and how much of it the model is shown.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct LiveOptions {
    /// All pinned resources together are never more than this; 20,000 by default.
    pub max_tokens: usize,
    /// How many resources are pinned at most; 64 by default.
    pub max_resources: usize,
    /// Counts tokens; an estimate by default.
    pub counter: Arc<dyn TokenCounter>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        let counter = Arc::new(EstimatedTokens::default());
        Self { max_tokens: 20_000, max_resources: 64, counter }
    }
}

/// Resources that match patterns, read at the start and again whenever their server says that they
/// changed. Dropped, it hears of nothing more.
///
/// A conversation is told only between its turns: [`turn`](Self::turn) puts before a question what
/// is new since the turn before, so that what was said already stays word for word what it was.
///
/// ```no_run
/// # async fn example(hub: mcp_client::Hub, agent: mcp_agent::Agent)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// use mcp_agent::context::{LiveContext, LiveOptions};
///
/// let live = LiveContext::start(hub, ["file:///project/*.md"], LiveOptions::default()).await;
/// let first = agent.run(live.turn("What is left to do?")).await?;
/// println!("{}", first.outcome.text());
/// live.changed().await;
/// for change in live.changes() {
///     println!("{} changed since the answer", change.uri);
/// }
/// agent.go_on(first.run.into_transcript(), live.turn("And now?")).await?;
/// # Ok(())
/// # }
/// ```
pub struct LiveContext {
    shared: Arc<Shared>,
    /// Ended with this value.
    _hearing: JoinSet<()>,
}

struct Shared {
    globs: Vec<Glob>,
    options: LiveOptions,
    state: Mutex<State>,
    /// Counts changes of the state.
    version: watch::Sender<u64>,
    /// How many times something is being read again.
    reading: watch::Sender<usize>,
}

/// Something is being read again, until this is dropped.
struct Reading<'a>(&'a watch::Sender<usize>);

impl<'a> Reading<'a> {
    fn begin(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[derive(Default)]
struct State {
    pinned: BTreeMap<(String, String), LiveResource>,
    /// The version that the conversation knows.
    told: u64,
    /// Whether it was told anything.
    has_told: bool,
    version: u64,
}

/// A pinned resource as it is known now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LiveResource {
    /// What it says, or what it said when it could be read last.
    pub part: ContextPart,
    /// Why it could not be read again, when that failed. The part is old then.
    pub failure: Option<String>,
    /// Whether its server has it no more.
    pub is_gone: bool,
    /// Grows with every change of any pinned resource.
    version: u64,
}

/// A pinned resource that is not what the conversation knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveChange {
    /// The server, as configured.
    pub server: String,
    /// The resource.
    pub uri: String,
    /// When it was read again.
    pub read_at: SystemTime,
    /// Whether its server has it no more.
    pub is_gone: bool,
}

impl LiveContext {
    /// Lists the resources of all servers, reads those that match one of the patterns, and watches
    /// them. A server or resource that fails is left out with a warning in the log; a list that
    /// fails is asked for again later.
    ///
    /// # Cancel safety
    /// Dropping the future abandons it all.
    pub async fn start<G: Into<Glob>>(
        servers: impl ServerSource,
        globs: impl IntoIterator<Item = G>,
        options: LiveOptions,
    ) -> Self {
        let shared = Arc::new(Shared {
            globs: globs.into_iter().map(Into::into).collect(),
            options,
            state: Mutex::default(),
            version: watch::Sender::new(0),
            reading: watch::Sender::new(0),
        });
        let mut hearing = JoinSet::new();
        let starting = servers.clients().into_iter().filter_map(|(server, client)| {
            client.server().capabilities.resources.as_ref()?;
            let shared = Arc::clone(&shared);
            Some(async move {
                // Watched before it is read: no change can fall between the two.
                let lists = client.watch(SubscriptionFilter {
                    resources_list_changed: true,
                    ..SubscriptionFilter::default()
                });
                let mut again = Again::default();
                let listed = again.heed(shared.list(&server, &client).await);
                let uris = listed.unwrap_or_default();
                let contents = watch_all(&client, &uris);
                contents.ready().await;
                shared.read_all(&server, &client, &uris).await;
                (server, client, uris, again, lists, contents)
            })
        });
        let started = future::join_all(starting).await;
        for (server, client, uris, mut again, mut lists, mut contents) in started {
            let shared = Arc::clone(&shared);
            let mut uris = uris;
            hearing.spawn(async move {
                loop {
                    let is_listed_anew = tokio::select! {
                        change = lists.next() => match change {
                            None => return,
                            Some(_) => true,
                        },
                        () = again.wait() => true,
                        change = contents.next() => match change {
                            None => return,
                            Some(Change::Resource(changed)) => {
                                // The server may name a part of what is watched.
                                let concerned: Vec<_> = uris
                                    .iter()
                                    .filter(|uri| changed.starts_with(uri.as_str()))
                                    .cloned()
                                    .collect();
                                shared.read_all(&server, &client, &concerned).await;
                                false
                            }
                            Some(_) => {
                                shared.read_all(&server, &client, &uris).await;
                                false
                            }
                        },
                    };
                    if !is_listed_anew {
                        continue;
                    }
                    let Some(listed) = again.heed(shared.list(&server, &client).await) else {
                        continue;
                    };
                    if listed != uris {
                        contents = watch_all(&client, &listed);
                        shared.forget_others(&server, &listed);
                        shared.read_all(&server, &client, &listed).await;
                        uris = listed;
                    }
                }
            });
        }
        Self { shared, _hearing: hearing }
    }

    /// All pinned resources as they are known now, by server and URI.
    pub fn resources(&self) -> Vec<LiveResource> {
        self.shared.lock().pinned.values().cloned().collect()
    }

    /// What changed since the conversation was told last; nothing before it was told at all.
    pub fn changes(&self) -> Vec<LiveChange> {
        let state = self.shared.lock();
        let is_new = |resource: &&LiveResource| state.has_told && resource.version > state.told;
        let changed = state.pinned.values().filter(is_new);
        changed
            .map(|LiveResource { part, is_gone, .. }| LiveChange {
                server: part.server.clone(),
                uri: part.uri.clone(),
                read_at: part.read_at,
                is_gone: *is_gone,
            })
            .collect()
    }

    /// Waits until something changed that the conversation was not told.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn changed(&self) {
        let mut version = self.shared.version.subscribe();
        let told = self.shared.lock().told;
        // The sender lives as long as this.
        let _ = version.wait_for(|version| *version > told).await;
    }

    /// Waits, not for long, until nothing is being read again: what a call has changed is mostly
    /// told before the call ends, and read while it does.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(super) async fn settled(&self) {
        let mut reading = self.shared.reading.subscribe();
        // Of a server that is slow the old state is better than none.
        let _ = timeout(SETTLE_LIMIT, reading.wait_for(|count| *count == 0)).await;
    }

    /// A question with what is new before it: everything at first, then what changed since the turn
    /// before. From now on the conversation counts as told.
    pub fn turn(&self, question: impl Into<Parts>) -> Parts {
        let Parts(mut parts) = question.into();
        let is_first = self.shared.lock().told == 0;
        if let Some(news) = self.news(is_first) {
            parts.insert(0, Part::Text(news));
        }
        Parts(parts)
    }

    /// Everything that is pinned, for a message that is made anew for every request.
    pub fn to_part(&self) -> Option<Part> {
        self.news(true).map(Part::Text)
    }

    fn news(&self, everything: bool) -> Option<String> {
        let mut state = self.shared.lock();
        let told = state.told;
        state.told = state.version;
        state.has_told = true;
        let new = state.pinned.values().filter(|entry| everything || entry.version > told);
        let news = render(new, everything, &self.shared.options);
        (!news.is_empty()).then_some(news)
    }
}

/// When to ask again for a list that failed: after a growing wait, until it comes.
#[derive(Default)]
struct Again {
    at: Option<Instant>,
    wait: Duration,
}

impl Again {
    /// Takes note of whether there is a list, and gives it back.
    fn heed(&mut self, listed: Option<Vec<String>>) -> Option<Vec<String>> {
        const FIRST: Duration = Duration::from_secs(1);
        const LONGEST: Duration = Duration::from_secs(300);
        if listed.is_some() {
            *self = Self::default();
        } else {
            self.wait = (self.wait * 2).clamp(FIRST, LONGEST);
            self.at = Some(Instant::now() + self.wait);
        }
        listed
    }

    /// Does not end while no list is missing.
    async fn wait(&self) {
        match self.at {
            Some(at) => sleep_until(at).await,
            None => future::pending().await,
        }
    }
}

fn watch_all(client: &Client, uris: &[String]) -> mcp_client::Watch {
    client.watch(SubscriptionFilter {
        resource_subscriptions: uris.to_vec(),
        ..SubscriptionFilter::default()
    })
}

/// What a conversation is told of resources, within the budget.
fn render<'a>(
    resources: impl Iterator<Item = &'a LiveResource>,
    is_first: bool,
    options: &LiveOptions,
) -> String {
    const NOTE: &str = "[more resources are left out: there is no room for them]\n";
    let counter = &*options.counter;
    let max_tokens = options.max_tokens.saturating_sub(counter.count(NOTE));
    let mut text = String::new();
    for LiveResource { part, failure, is_gone, .. } in resources {
        let left = max_tokens.saturating_sub(counter.count(&text));
        let heading = match (is_gone, failure) {
            (true, _) => format!("[the resource {} is gone]\n", part.uri),
            (_, Some(_)) => format!("[{} cannot be read now; this may be old]\n", part.uri),
            _ if is_first => String::new(),
            _ => format!("[{} has changed; what was said of it before is old]\n", part.uri),
        };
        let room = left.saturating_sub(counter.count(&heading));
        let body = if *is_gone {
            Some(String::new())
        } else {
            part.within(room, counter).map(|p| p.render())
        };
        let longer = body.map(|body| format!("{text}{heading}{body}"));
        let Some(longer) = longer.filter(|longer| counter.count(longer) <= max_tokens) else {
            if counter.count(&text) + counter.count(NOTE) <= options.max_tokens {
                text.push_str(NOTE);
            }
            break;
        };
        text = longer;
    }
    text
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The URIs of a server's resources that are to be pinned, sorted; `None` when it cannot be
    /// asked, which says nothing about them.
    async fn list(&self, server: &str, client: &Client) -> Option<Vec<String>> {
        let list = match client.list_resources().await {
            Ok(list) => list.items,
            Err(error) => {
                tracing::warn!(server, %error, "its resources cannot be listed");
                return None;
            }
        };
        let mut uris: Vec<_> = list.into_iter().map(|resource| resource.uri).collect();
        uris.retain(|uri| self.globs.iter().any(|glob| glob.matches(uri)));
        uris.sort();
        uris.dedup();
        if uris.len() > self.options.max_resources {
            tracing::warn!(
                server,
                matching = uris.len(),
                "too many resources match; the first are pinned"
            );
            uris.truncate(self.options.max_resources);
        }
        Some(uris)
    }

    async fn read_all(&self, server: &str, client: &Client, uris: &[String]) {
        const PARALLEL: usize = 8;
        let _reading = Reading::begin(&self.reading);
        let reads = uris.iter().cloned().map(|uri| {
            let client = client.clone();
            async move {
                let result = client.read_resource(uri.as_str()).anew().await;
                (uri, result)
            }
        });
        let mut reads = stream::iter(reads).buffer_unordered(PARALLEL);
        while let Some((uri, result)) = reads.next().await {
            match result {
                Ok(result) => self.note(ContextPart::new(server, &uri, &uri, result)),
                Err(error) => {
                    tracing::warn!(server, uri, %error, "a pinned resource cannot be read");
                    self.note_failure(server, &uri, &error.to_string());
                }
            }
        }
    }

    fn note(&self, part: ContextPart) {
        let key = (part.server.clone(), part.uri.clone());
        self.change(|state| {
            let known = state.pinned.get(&key);
            let is_same = known.is_some_and(|known| {
                known.part.text == part.text && known.failure.is_none() && !known.is_gone
            });
            let version = match known {
                Some(known) if is_same => known.version,
                _ => state.version + 1,
            };
            let entry = LiveResource { part, failure: None, is_gone: false, version };
            state.pinned.insert(key, entry);
            !is_same
        });
    }

    fn note_failure(&self, server: &str, uri: &str, reason: &str) {
        self.change(|state| {
            let version = state.version + 1;
            let entry = state.pinned.get_mut(&(server.to_owned(), uri.to_owned()));
            let Some(entry) = entry.filter(|entry| entry.failure.is_none()) else { return false };
            entry.failure = Some(reason.to_owned());
            entry.version = version;
            true
        });
    }

    /// Marks what a server lists no more.
    fn forget_others(&self, server: &str, listed: &[String]) {
        self.change(|state| {
            let version = state.version + 1;
            let gone = state.pinned.iter_mut().filter(|((of, uri), entry)| {
                of == server && !entry.is_gone && !listed.contains(uri)
            });
            let mut changed = false;
            for (_, entry) in gone {
                entry.is_gone = true;
                entry.version = version;
                changed = true;
            }
            changed
        });
    }

    /// Changes the state; `change` says whether it did, as the next version.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.lock();
        if change(&mut state) {
            state.version += 1;
            self.version.send_replace(state.version);
        }
    }
}

impl fmt::Debug for LiveContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pinned = self.shared.lock().pinned.len();
        f.debug_struct("LiveContext").field("pinned", &pinned).finish_non_exhaustive()
    }
}
