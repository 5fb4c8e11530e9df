//! How many calls run at a time.

mod lent_place;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_layer::Layer;

use self::lent_place::LentPlace;
use crate::caller::{Answers, Call, CallError, Caller, Reply};

/// How many calls run and wait at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConcurrencyLimits {
    /// Over all servers.
    pub global: usize,
    /// For each server, so that one that hangs does not hold all the places.
    pub per_server: usize,
    /// How many may wait for a place at each server; more are refused.
    pub max_waiting: usize,
}

impl Default for ConcurrencyLimits {
    fn default() -> Self {
        Self { global: 10, per_server: 8, max_waiting: 1024 }
    }
}

impl ConcurrencyLimits {
    /// Over all servers; at least 1.
    #[must_use]
    pub fn global(mut self, calls: usize) -> Self {
        self.global = calls;
        self
    }

    /// For each server; at least 1.
    #[must_use]
    pub fn per_server(mut self, calls: usize) -> Self {
        self.per_server = calls;
        self
    }
}

/// Lets so many calls through at a time; the others wait in the order in which they came. A
/// server's own places are taken first, so that calls that wait for it hold none of the common
/// ones. A call that waits for a person's answer, by its [`Dialog`](crate::caller::Dialog), holds
/// none at all, and takes one again before it goes on.
pub struct Concurrency<C> {
    inner: C,
    gate: Arc<Gate>,
}

/// Makes [`Concurrency`] callers, which share the common places.
#[derive(Clone)]
pub struct ConcurrencyLayer {
    common: Arc<Semaphore>,
    limits: ConcurrencyLimits,
}

struct Gate {
    common: Arc<Semaphore>,
    own: Arc<Semaphore>,
    limits: ConcurrencyLimits,
    waiting: AtomicUsize,
    running: AtomicUsize,
}

impl ConcurrencyLayer {
    /// These limits.
    pub fn new(limits: ConcurrencyLimits) -> Self {
        Self { common: Arc::new(Semaphore::new(places(limits.global))), limits }
    }

    /// Another limit for a server, within the common one.
    #[must_use]
    pub fn per_server(mut self, calls: usize) -> Self {
        self.limits.per_server = calls;
        self
    }
}

fn places(wanted: usize) -> usize {
    wanted.clamp(1, Semaphore::MAX_PERMITS)
}

impl<C> Layer<C> for ConcurrencyLayer {
    type Service = Concurrency<C>;

    fn layer(&self, inner: C) -> Concurrency<C> {
        let gate = Gate {
            common: Arc::clone(&self.common),
            own: Arc::new(Semaphore::new(places(self.limits.per_server))),
            limits: self.limits,
            waiting: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
        };
        Concurrency { inner, gate: Arc::new(gate) }
    }
}

impl<C> Concurrency<C> {
    /// Something that goes on telling how many calls run and how many wait.
    pub(crate) fn watch(&self) -> impl Fn() -> (usize, usize) + Send + Sync + 'static {
        let gate = Arc::clone(&self.gate);
        move || (gate.running.load(Ordering::Relaxed), gate.waiting.load(Ordering::Relaxed))
    }
}

impl Gate {
    async fn enter(self: &Arc<Self>, call: &Call) -> Result<Place, CallError> {
        if let Some(place) = self.place_at_once() {
            return Ok(place);
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.before >= self.limits.max_waiting {
            let server = Arc::clone(&call.server);
            return Err(CallError::Busy { server, waiting: waiting.before });
        }
        Ok(self.wait_for_place().await)
    }

    fn place_at_once(self: &Arc<Self>) -> Option<Place> {
        let own = Arc::clone(&self.own).try_acquire_owned().ok()?;
        let common = Arc::clone(&self.common).try_acquire_owned().ok()?;
        Some(Place::new(self, own, common))
    }

    async fn wait_for_place(self: &Arc<Self>) -> Place {
        let own = Arc::clone(&self.own).acquire_owned().await;
        let common = Arc::clone(&self.common).acquire_owned().await;
        match (own, common) {
            (Ok(own), Ok(common)) => Place::new(self, own, common),
            _ => unreachable!("nobody closes these semaphores"),
        }
    }
}

/// Counts a waiting call until it is dropped.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { before: count.fetch_add(1, Ordering::Relaxed), count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place for one call until it is dropped.
struct Place {
    gate: Arc<Gate>,
    _own: OwnedSemaphorePermit,
    _common: OwnedSemaphorePermit,
}

impl Place {
    fn new(gate: &Arc<Gate>, own: OwnedSemaphorePermit, common: OwnedSemaphorePermit) -> Self {
        gate.running.fetch_add(1, Ordering::Relaxed);
        Self { gate: Arc::clone(gate), _own: own, _common: common }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<C: Caller> Caller for Concurrency<C> {
    async fn call(&self, mut call: Call) -> Result<Reply, CallError> {
        let place = self.gate.enter(&call).await?;
        let asking = call.dialog.as_deref().and_then(|dialog| match &dialog.answers {
            Answers::Each(sink) => Some((dialog, sink)),
            Answers::Rounds { .. } => None,
        });
        let Some((dialog, sink)) = asking else {
            let reply = self.inner.call(call).await;
            drop(place);
            return reply;
        };
        let lent = LentPlace::new(&self.gate, place);
        call.dialog = Some(Arc::new(lent.around(dialog, sink)));
        self.inner.call(call).await
    }
}

impl<C: fmt::Debug> fmt::Debug for Concurrency<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concurrency")
            .field("inner", &self.inner)
            .field("limits", &self.gate.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConcurrencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLayer").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::Duration};

    use futures_util::{FutureExt, future::join_all};
    use mcp_protocol::{
        capabilities::ClientCapabilities, input_required::InputRequest, roots::ListRootsParams,
    };
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::{
        caller::{Answer, Dialog, Operation, QuestionSink},
        layers::testing::Fake,
    };

    /// Takes a second for each call and remembers how many ran at a time.
    fn slow(most: &Arc<AtomicUsize>, order: &Arc<Mutex<Vec<Arc<str>>>>) -> Fake {
        let (most, order) = (Arc::clone(most), Arc::clone(order));
        let running = Arc::new(AtomicUsize::new(0));
        Fake::new(move |call, _| {
            let (most, order, running) = (most.clone(), order.clone(), running.clone());
            Box::pin(async move {
                order.lock().unwrap().push(Arc::from(call.operation.target()));
                most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                sleep(Duration::from_secs(1)).await;
                running.fetch_sub(1, Ordering::Relaxed);
                Ok(Reply::new(Answer::Pong))
            })
        })
    }

    fn read(server: &str, number: usize) -> Call {
        Call::new(server, Operation::ReadResource { uri: number.to_string().into() })
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_at_a_time_in_the_order_in_which_they_came() {
        let (most, order) = (Arc::default(), Arc::default());
        let limits = ConcurrencyLimits::default().global(3).per_server(3);
        let caller = ConcurrencyLayer::new(limits).layer(slow(&most, &order));
        let replies = join_all((0..12).map(|number| caller.call(read("a", number)))).await;
        assert!(replies.iter().all(Result::is_ok));
        assert_eq!(most.load(Ordering::Relaxed), 3);
        let order: Vec<usize> = order.lock().unwrap().iter().map(|n| n.parse().unwrap()).collect();
        assert_eq!(order, (0..12).collect::<Vec<_>>());
        assert_eq!(caller.watch()(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_hangs_leaves_places_for_others() {
        let layer = ConcurrencyLayer::new(ConcurrencyLimits::default().global(3).per_server(2));
        let hanging = layer.layer(Fake::new(|_, _| Box::pin(std::future::pending())));
        let good = layer.layer(slow(&Arc::default(), &Arc::default()));
        let stuck = join_all((0..6).map(|number| hanging.call(read("hangs", number))));
        let mut stuck = std::pin::pin!(stuck);
        assert!(stuck.as_mut().now_or_never().is_none());
        assert_eq!(hanging.watch()(), (2, 4));
        good.call(read("good", 0)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_leaves_no_trace() {
        let limits = ConcurrencyLimits { global: 1, per_server: 1, max_waiting: 1 };
        let hanging =
            ConcurrencyLayer::new(limits).layer(Fake::new(|_, _| Box::pin(std::future::pending())));
        let second = Duration::from_secs(1);
        let running = timeout(second, hanging.call(read("a", 0)));
        let waiting = timeout(second, hanging.call(read("a", 1)));
        let refused = async { hanging.call(read("a", 2)).await };
        let (_, _, refused) = tokio::join!(running, waiting, refused);
        assert!(matches!(refused, Err(CallError::Busy { waiting: 1, .. })), "{refused:?}");
        assert_eq!(hanging.watch()(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_person_holds_no_place() {
        let limits = ConcurrencyLimits::default().global(1).per_server(1);
        let caller = ConcurrencyLayer::new(limits).layer(Fake::new(|call, _| {
            Box::pin(async move {
                let Some(dialog) = &call.dialog else { return Ok(Reply::new(Answer::Pong)) };
                let Answers::Each(ask) = &dialog.answers else { unreachable!() };
                let question = || InputRequest::ListRoots(ListRootsParams::default());
                // Two at a time: the place is taken again with the last answer.
                let (one, other) = tokio::join!(ask(question()), ask(question()));
                one.and(other).unwrap();
                sleep(Duration::from_secs(1)).await;
                Ok(Reply::new(Answer::Pong))
            })
        }));
        let answers = Arc::new(Semaphore::new(0));
        let waiting = Arc::clone(&answers);
        let asking: QuestionSink = Arc::new(move |_| {
            let waiting = Arc::clone(&waiting);
            Box::pin(async move {
                waiting.acquire().await.unwrap().forget();
                Ok(serde_json::json!({"roots": []}).into())
            })
        });
        let dialog = || {
            let answers = Answers::Each(Arc::clone(&asking));
            Dialog { capabilities: ClientCapabilities::default(), answers }
        };
        let mut asks = std::pin::pin!(caller.call(read("a", 0).dialog(dialog())));
        assert!(asks.as_mut().now_or_never().is_none());
        assert_eq!(caller.watch()(), (0, 0));
        caller.call(read("a", 1)).await.unwrap();
        answers.add_permits(1);
        assert!(asks.as_mut().now_or_never().is_none());
        assert_eq!(caller.watch()(), (0, 0));
        answers.add_permits(1);
        assert!(asks.as_mut().now_or_never().is_none());
        assert_eq!(caller.watch()(), (1, 0));
        asks.await.unwrap();
        assert_eq!(caller.watch()(), (0, 0));
        // One that is given up leaves nothing behind.
        let mut asks = Box::pin(caller.call(read("a", 2).dialog(dialog())));
        assert!(asks.as_mut().now_or_never().is_none());
        drop(asks);
        caller.call(read("a", 3)).await.unwrap();
        assert_eq!(caller.watch()(), (0, 0));
    }
}
