//! The pins that all replicas hold their tools to.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use mcp_client::pins::ServerPins;
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::problem::chain;
use crate::store::{KeptPins, SharedPinStore, StoreError};

/// How often it is looked what is agreed, whatever is told.
const POLL: Duration = Duration::from_secs(30);

/// How long to wait after the store was not to be had. Until then nobody waits for it.
const PAUSE: Duration = Duration::from_secs(1);

/// How many may ask at once.
const QUEUE: usize = 64;

/// What is agreed, in memory, and the task that keeps it so.
pub(super) struct CommonPins {
    store: Arc<dyn SharedPinStore>,
    agreed: watch::Receiver<Agreed>,
    asks: mpsc::Sender<Ask>,
    /// Ends with the last who holds tools to them.
    _keeping: JoinSet<()>,
}

/// What all replicas have agreed to, as far as this one has read it.
#[derive(Debug, Default)]
struct Agreed {
    /// Another one each time that something else is agreed, or the store is there again.
    generation: u64,
    servers: HashMap<String, (i64, Arc<ServerPins>)>,
}

/// Something that the keeper is to do first.
struct Ask {
    /// A server that nobody has seen yet, as far as this replica knows.
    first: Option<(String, ServerPins)>,
    done: oneshot::Sender<Result<(), Unagreed>>,
}

/// It is not known what is agreed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unagreed(Arc<str>);

impl CommonPins {
    /// # Panics
    /// Outside a tokio runtime.
    pub(super) fn new(store: Arc<dyn SharedPinStore>) -> Self {
        let (asks, asked) = mpsc::channel(QUEUE);
        let (writer, agreed) = watch::channel(Agreed::default());
        let keeper = Keeper { store: Arc::clone(&store), agreed: writer, away: None };
        let mut keeping = JoinSet::new();
        keeping.spawn(keeper.run(asked));
        Self { store, agreed, asks, _keeping: keeping }
    }

    /// Changes when something else is agreed.
    pub(super) fn generation(&self) -> u64 {
        self.agreed.borrow().generation
    }

    /// Waits until something else is agreed than at this time.
    pub(super) async fn changed_since(&self, generation: u64) -> u64 {
        let mut agreed = self.agreed.clone();
        let changed = agreed.wait_for(|agreed| agreed.generation != generation).await;
        if let Ok(now) = changed.map(|agreed| agreed.generation) {
            return now;
        }
        // The task ends with this value.
        std::future::pending().await
    }

    /// What is agreed of a server; `None` when this replica does not know.
    pub(super) fn of(&self, key: &str) -> Option<Arc<ServerPins>> {
        let agreed = self.agreed.borrow();
        agreed.servers.get(&KeptPins::key_of(key)).map(|(_, pins)| Arc::clone(pins))
    }

    /// Pins a server that nobody has seen yet, and waits until this replica knows what is agreed:
    /// of several that see it first, one has its way.
    pub(super) async fn see(&self, key: &str, now: ServerPins) -> Result<(), Unagreed> {
        self.ask(Some((KeptPins::key_of(key), now))).await
    }

    /// Changes what is agreed of a server, and waits until this replica knows.
    pub(super) async fn change<T>(
        &self,
        key: &str,
        change: impl Fn(&mut ServerPins) -> T,
    ) -> Result<T, ChangeError> {
        let key = [KeptPins::key_of(key)];
        // Who loses has seen another win, so this ends.
        loop {
            let kept = self.store.load(&key).await?.pop();
            let mut pins = kept.as_ref().map(|kept| kept.pins.clone()).unwrap_or_default();
            let result = change(&mut pins);
            let done = match &kept {
                Some(kept) => self.store.replace(&key[0], kept.revision, &pins).await?,
                None => self.store.insert(&key[0], &pins).await?,
            };
            if done {
                self.ask(None).await?;
                return Ok(result);
            }
        }
    }

    async fn ask(&self, first: Option<(String, ServerPins)>) -> Result<(), Unagreed> {
        let ended = || Unagreed("the service is ending".into());
        let (done, outcome) = oneshot::channel();
        self.asks.send(Ask { first, done }).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

/// What is agreed could not be changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unagreed(#[from] Unagreed),
}

struct Keeper {
    store: Arc<dyn SharedPinStore>,
    agreed: watch::Sender<Agreed>,
    /// Why the store was not to be had, and until when it is not asked again.
    away: Option<(Instant, Unagreed)>,
}

impl Keeper {
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let mut changes = self.store.changes();
        let mut pause = Duration::ZERO;
        loop {
            let ask = select! {
                ask = asks.recv() => match ask {
                    Some(ask) => Some(ask),
                    None => return,
                },
                () = told(&mut changes) => None,
                () = sleep(pause) => None,
            };
            let outcome = match ask {
                Some(Ask { first, done }) => {
                    let outcome = self.answer(first).await;
                    // Whoever asked may have gone.
                    drop(done.send(outcome.clone()));
                    outcome
                }
                None => self.look().await,
            };
            pause = if outcome.is_ok() { POLL } else { PAUSE };
        }
    }

    async fn answer(&mut self, first: Option<(String, ServerPins)>) -> Result<(), Unagreed> {
        let Some((key, now)) = first else { return self.look().await };
        if self.agreed.borrow().servers.contains_key(&key) {
            return Ok(());
        }
        if let Some((until, why)) = &self.away
            && Instant::now() < *until
        {
            return Err(why.clone());
        }
        let inserted = self.store.insert(&key, &now).await;
        self.met(inserted)?;
        self.look().await
    }

    /// Reads what others have changed.
    async fn look(&mut self) -> Result<(), Unagreed> {
        let read = self.read().await;
        self.met(read)
    }

    async fn read(&self) -> Result<(), StoreError> {
        let revisions = self.store.revisions().await?;
        let known: HashMap<String, i64> = {
            let agreed = self.agreed.borrow();
            agreed.servers.iter().map(|(key, (revision, _))| (key.clone(), *revision)).collect()
        };
        let others: Vec<String> = revisions
            .iter()
            .filter(|(key, revision)| known.get(*key) != Some(*revision))
            .map(|(key, _)| key.clone())
            .collect();
        let gone: BTreeSet<&String> =
            known.keys().filter(|key| !revisions.contains_key(*key)).collect();
        if others.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let read = if others.is_empty() { Vec::new() } else { self.store.load(&others).await? };
        self.agreed.send_modify(|agreed| {
            agreed.generation += 1;
            agreed.servers.retain(|key, _| !gone.contains(key));
            let read = read.into_iter();
            agreed.servers.extend(read.map(|one| (one.key, (one.revision, Arc::new(one.pins)))));
        });
        Ok(())
    }

    /// Remembers that the store is away, and says so once.
    fn met<T>(&mut self, outcome: Result<T, StoreError>) -> Result<(), Unagreed> {
        let error = match outcome {
            Ok(_) => {
                if self.away.take().is_some() {
                    // What waited for the store is looked at again.
                    self.agreed.send_modify(|agreed| agreed.generation += 1);
                }
                return Ok(());
            }
            Err(error) => chain(&error),
        };
        if self.away.is_none() {
            tracing::warn!(error, "the pins that replicas share are not to be had");
        }
        let why = Unagreed(format!("the pins that replicas share: {error}").into());
        self.away = Some((Instant::now() + PAUSE, why.clone()));
        Err(why)
    }
}

/// Waits for a change; for ever when none is told any more.
async fn told(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl fmt::Debug for CommonPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommonPins").field("store", &self.store).finish_non_exhaustive()
    }
}
