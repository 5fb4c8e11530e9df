//! How many calls run at a time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Semaphore, SemaphorePermit};
use tower_layer::Layer;

use crate::caller::{Call, CallError, Caller, Reply};

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
/// ones.
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
    own: Semaphore,
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
            own: Semaphore::new(places(self.limits.per_server)),
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
    async fn enter(&self, call: &Call) -> Result<Place<'_>, CallError> {
        let at_once = || {
            let own = self.own.try_acquire().ok()?;
            Some((own, self.common.try_acquire().ok()?))
        };
        let (own, common) = match at_once() {
            Some(both) => both,
            None => self.wait(call).await?,
        };
        self.running.fetch_add(1, Ordering::Relaxed);
        Ok(Place { gate: self, _own: own, _common: common })
    }

    async fn wait(
        &self,
        call: &Call,
    ) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), CallError> {
        let waiting = Waiting::new(&self.waiting);
        if waiting.before >= self.limits.max_waiting {
            let server = Arc::clone(&call.server);
            return Err(CallError::Busy { server, waiting: waiting.before });
        }
        let own = self.own.acquire().await;
        let common = self.common.acquire().await;
        match (own, common) {
            (Ok(own), Ok(common)) => Ok((own, common)),
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
struct Place<'a> {
    gate: &'a Gate,
    _own: SemaphorePermit<'a>,
    _common: SemaphorePermit<'a>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<C: Caller> Caller for Concurrency<C> {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let _place = self.gate.enter(&call).await?;
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
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::{
        caller::{Answer, Operation},
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
}
