//! Which of several like servers takes a call.

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use crate::caller::{Call, CallError, Caller, Reply};

/// Chooses among servers that do the same.
pub trait Chooser: Send + Sync {
    /// The server that takes this call, or `None` to leave it with the one that it names. Asked
    /// again for each repetition, and when the call surely did not reach the server that was
    /// chosen: `tried` are those that it did not reach, by name. `None` ends the search then.
    fn choose(&self, call: &Call, tried: &[Arc<str>]) -> Option<Chosen>;
}

/// A server that was chosen, and what to do when it is done.
pub struct Chosen {
    name: Arc<str>,
    is_replica: bool,
    done: Done,
}

type Done = Option<Box<dyn FnOnce(Option<&Result<Reply, CallError>>) + Send>>;

impl Chosen {
    /// This server in the place of the one that the call names.
    pub fn new(server: impl Into<Arc<str>>) -> Self {
        Self { name: server.into(), is_replica: false, done: None }
    }

    /// This replica of the server that the call names.
    pub fn replica(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), is_replica: true, done: None }
    }

    /// Is told how the call ended; `None` if it was called off.
    #[must_use]
    pub fn on_done(
        mut self,
        done: impl FnOnce(Option<&Result<Reply, CallError>>) + Send + 'static,
    ) -> Self {
        self.done = Some(Box::new(done));
        self
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chosen").field(&self.name).finish()
    }
}

/// Sends each call to the server that a [`Chooser`] names.
pub struct Balance<C> {
    inner: C,
    chooser: Option<Arc<dyn Chooser>>,
}

/// Makes [`Balance`] callers.
#[derive(Clone, Default)]
pub struct BalanceLayer {
    chooser: Option<Arc<dyn Chooser>>,
}

impl BalanceLayer {
    /// With this chooser; without one every call goes where it says.
    pub fn new(chooser: Option<Arc<dyn Chooser>>) -> Self {
        Self { chooser }
    }
}

impl<C> Layer<C> for BalanceLayer {
    type Service = Balance<C>;

    fn layer(&self, inner: C) -> Balance<C> {
        Balance { inner, chooser: self.chooser.clone() }
    }
}

/// Tells that a call was called off, unless somebody else told how it ended.
struct Telling(Done);

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(None);
        }
    }
}

impl<C: Caller> Caller for Balance<C> {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let Some(chooser) = &self.chooser else { return self.inner.call(call).await };
        let mut tried: Vec<Arc<str>> = Vec::new();
        let mut failed = None;
        loop {
            let chosen = chooser.choose(&call, &tried);
            let chosen = chosen.filter(|chosen| !tried.contains(&chosen.name));
            let Some(Chosen { name, is_replica, done }) = chosen else {
                return match failed {
                    Some(error) => Err(error),
                    None => self.inner.call(call).await,
                };
            };
            let mut telling = Telling(done);
            let mut attempt = call.clone();
            if is_replica {
                attempt.replica = Some(Arc::clone(&name));
            } else {
                attempt.server = Arc::clone(&name);
            }
            let outcome = self.inner.call(attempt).await;
            if let Some(done) = telling.0.take() {
                done(Some(&outcome));
            }
            match outcome {
                Err(error) if error.is_another_servers_chance() => {
                    tracing::debug!(replica = &*name, %error, "another one is tried");
                    tried.push(name);
                    failed = Some(error);
                }
                outcome => return outcome,
            }
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for Balance<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance")
            .field("inner", &self.inner)
            .field("chooses", &self.chooser.is_some())
            .finish()
    }
}

impl fmt::Debug for BalanceLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceLayer").field("chooses", &self.chooser.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        caller::{Answer, Operation},
        layers::testing::Fake,
    };

    /// One after the other.
    struct Turns(Mutex<usize>, Arc<Mutex<Vec<bool>>>);

    impl Chooser for Turns {
        fn choose(&self, _: &Call, _: &[Arc<str>]) -> Option<Chosen> {
            let mut turn = self.0.lock().unwrap();
            *turn += 1;
            let told = Arc::clone(&self.1);
            let chosen = Chosen::new(format!("replica-{}", *turn % 2));
            Some(chosen.on_done(move |outcome| told.lock().unwrap().push(outcome.is_some())))
        }
    }

    #[tokio::test]
    async fn takes_turns_and_tells_the_end() {
        let told = Arc::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&seen);
        let chooser: Arc<dyn Chooser> = Arc::new(Turns(Mutex::new(0), Arc::clone(&told)));
        let server = Fake::new(move |call, before| {
            heard.lock().unwrap().push(call.server.to_string());
            Box::pin(async move {
                if before == 2 {
                    std::future::pending().await
                } else {
                    Ok(Reply::new(Answer::Pong))
                }
            })
        });
        let caller = BalanceLayer::new(Some(chooser)).layer(server);
        let ping = || Call::new("logical", Operation::Ping);
        caller.call(ping()).await.unwrap();
        caller.call(ping()).await.unwrap();
        let mut dropped = Box::pin(caller.call(ping()));
        assert!(futures_util::FutureExt::now_or_never(&mut dropped).is_none());
        drop(dropped);
        assert_eq!(*seen.lock().unwrap(), ["replica-1", "replica-0", "replica-1"]);
        assert_eq!(*told.lock().unwrap(), [true, true, false]);
    }

    /// The first one that was not tried.
    struct InOrder;

    impl Chooser for InOrder {
        fn choose(&self, _: &Call, tried: &[Arc<str>]) -> Option<Chosen> {
            let is_left = |name: &&str| !tried.iter().any(|one| **one == **name);
            ["a", "b", "c"].into_iter().find(is_left).map(Chosen::replica)
        }
    }

    /// What came of a call where each replica ends it in its own way, and who was asked.
    async fn at_replicas(ends: [fn() -> CallError; 3]) -> (Result<Reply, CallError>, Vec<String>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&seen);
        let server = Fake::new(move |call, before| {
            assert_eq!(&*call.server, "logical", "the server stays the one that was called");
            heard.lock().unwrap().push(call.replica.unwrap().to_string());
            let end = ends[before]();
            Box::pin(async move { Err(end) })
        });
        let outcome = BalanceLayer::new(Some(Arc::new(InOrder)))
            .layer(server)
            .call(Call::new("logical", Operation::Ping))
            .await;
        let seen = seen.lock().unwrap().clone();
        (outcome, seen)
    }

    #[tokio::test]
    async fn what_was_not_sent_goes_to_another_and_nothing_else() {
        let busy = || CallError::Busy { server: "logical".into(), waiting: 7 };
        let unknown = || CallError::TimedOut {
            server: "logical".into(),
            method: "ping",
            after: std::time::Duration::ZERO,
            scope: crate::caller::TimeScope::Attempt,
            sent: true,
        };
        let (outcome, seen) = at_replicas([busy, unknown, busy]).await;
        assert!(outcome.unwrap_err().was_sent());
        assert_eq!(seen, ["a", "b"]);
        let (outcome, seen) = at_replicas([busy, busy, busy]).await;
        assert!(matches!(outcome, Err(CallError::Busy { .. })));
        assert_eq!(seen, ["a", "b", "c"]);
    }
}
