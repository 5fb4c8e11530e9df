//! What a program itself does around calls.

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use crate::{
    caller::{Call, CallError, Caller, Reply},
    model::BoxFuture,
};

/// Does something before and after a call, or instead of it.
///
/// A log:
///
/// ```
/// use mcp_agent::{
///     caller::{Call, CallError, Reply},
///     layers::{Middleware, Next},
///     model::BoxFuture,
/// };
///
/// struct Log;
///
/// impl Middleware for Log {
///     fn around<'a>(
///         &'a self,
///         call: Call,
///         next: Next<'a>,
///     ) -> BoxFuture<'a, Result<Reply, CallError>> {
///         Box::pin(async move {
///             println!("{} on {}", call.operation.target(), call.server);
///             let outcome = next.call(call).await;
///             println!("{}", if outcome.is_ok() { "done" } else { "failed" });
///             outcome
///         })
///     }
/// }
/// ```
///
/// A cache answers in the place of the server:
///
/// ```
/// # use mcp_agent::{caller::{Call, CallError, Reply}, layers::{Middleware, Next}, model::BoxFuture};
/// use std::{collections::HashMap, sync::Mutex};
///
/// #[derive(Default)]
/// struct Remember(Mutex<HashMap<String, Reply>>);
///
/// impl Middleware for Remember {
///     fn around<'a>(
///         &'a self,
///         call: Call,
///         next: Next<'a>,
///     ) -> BoxFuture<'a, Result<Reply, CallError>> {
///         Box::pin(async move {
///             // Only resources: a tool may change something.
///             if call.operation.method() != "resources/read" {
///                 return next.call(call).await;
///             }
///             let key = format!("{} {}", call.server, call.operation.target());
///             let known = self.0.lock().unwrap().get(&key).cloned();
///             if let Some(reply) = known {
///                 return Ok(reply);
///             }
///             let reply = next.call(call).await?;
///             self.0.lock().unwrap().insert(key, reply.clone());
///             Ok(reply)
///         })
///     }
/// }
/// ```
///
/// A token in `_meta` that is fetched anew when the server refuses it:
///
/// ```
/// # use mcp_agent::{caller::{Call, CallError, Reply}, layers::{Middleware, Next}, model::BoxFuture};
/// # use mcp_client::protocol::raw::RawJson;
/// use std::sync::Mutex;
///
/// struct WithToken {
///     token: Mutex<String>,
///     fetch: fn() -> String,
/// }
///
/// impl WithToken {
///     fn stamp(&self, call: &Call) -> Call {
///         let mut call = call.clone();
///         let token = RawJson::from(serde_json::json!(*self.token.lock().unwrap()));
///         call.meta.push(("example.com/token".into(), token));
///         call
///     }
/// }
///
/// impl Middleware for WithToken {
///     fn around<'a>(
///         &'a self,
///         call: Call,
///         next: Next<'a>,
///     ) -> BoxFuture<'a, Result<Reply, CallError>> {
///         Box::pin(async move {
///             match next.call(self.stamp(&call)).await {
///                 Err(CallError::Failed { source, .. }) if source.wants_authorization() => {
///                     *self.token.lock().unwrap() = (self.fetch)();
///                     next.call(self.stamp(&call)).await
///                 }
///                 outcome => outcome,
///             }
///         })
///     }
/// }
/// ```
pub trait Middleware: Send + Sync {
    /// Makes the call with [`Next::call`], or not, or more than once.
    ///
    /// # Errors
    /// Those of the call; [`CallError::stopped`] makes one for a call that may not pass.
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, CallError>>;
}

/// The rest of the way of a call: the middleware further in, and then the server.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    rest: &'a [Arc<dyn Middleware>],
    inner: &'a dyn Inner,
}

trait Inner: Send + Sync {
    fn call_boxed(&self, call: Call) -> BoxFuture<'_, Result<Reply, CallError>>;
}

impl<C: Caller> Inner for C {
    fn call_boxed(&self, call: Call) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(self.call(call))
    }
}

impl<'a> Next<'a> {
    /// Goes on with the call.
    ///
    /// # Errors
    /// Those of the call.
    pub fn call(self, call: Call) -> BoxFuture<'a, Result<Reply, CallError>> {
        match self.rest.split_first() {
            Some((first, rest)) => first.around(call, Self { rest, inner: self.inner }),
            None => self.inner.call_boxed(call),
        }
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("middleware", &self.rest.len()).finish_non_exhaustive()
    }
}

/// Looks at a call, changes it, answers it or refuses it before anything is sent.
///
/// ```
/// use mcp_agent::{
///     caller::{Call, CallError, Reply},
///     layers::Before,
/// };
///
/// let no_shell = Before(|call: &mut Call| match call.operation.tool() {
///     Some("shell") => Err(CallError::stopped(&call.server, "no shell today")),
///     _ => Ok(None::<Reply>),
/// });
/// ```
pub struct Before<F>(pub F);

/// Looks at how a call ended, and may say otherwise.
pub struct After<F>(pub F);

impl<F> Middleware for Before<F>
where
    F: Fn(&mut Call) -> Result<Option<Reply>, CallError> + Send + Sync,
{
    fn around<'a>(
        &'a self,
        mut call: Call,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, CallError>> {
        match (self.0)(&mut call) {
            Ok(None) => next.call(call),
            Ok(Some(reply)) => Box::pin(std::future::ready(Ok(reply))),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl<F> Middleware for After<F>
where
    F: Fn(&Call, Result<Reply, CallError>) -> Result<Reply, CallError> + Send + Sync,
{
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, CallError>> {
        Box::pin(async move {
            let outcome = next.call(call.clone()).await;
            (self.0)(&call, outcome)
        })
    }
}

impl<F> fmt::Debug for Before<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Before").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for After<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("After").finish_non_exhaustive()
    }
}

/// Runs middleware around calls: the first is the outermost.
pub struct Middlewares<C> {
    inner: C,
    chain: Arc<[Arc<dyn Middleware>]>,
}

/// Makes [`Middlewares`].
#[derive(Clone, Default)]
pub struct MiddlewaresLayer {
    chain: Arc<[Arc<dyn Middleware>]>,
}

impl MiddlewaresLayer {
    /// In this order, outside in.
    pub fn new(chain: impl IntoIterator<Item = Arc<dyn Middleware>>) -> Self {
        Self { chain: chain.into_iter().collect() }
    }
}

impl<C> Layer<C> for MiddlewaresLayer {
    type Service = Middlewares<C>;

    fn layer(&self, inner: C) -> Middlewares<C> {
        Middlewares { inner, chain: Arc::clone(&self.chain) }
    }
}

impl<C: Caller> Caller for Middlewares<C> {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        if self.chain.is_empty() {
            return self.inner.call(call).await;
        }
        Next { rest: &self.chain, inner: &self.inner }.call(call).await
    }
}

impl<C: fmt::Debug> fmt::Debug for Middlewares<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Middlewares")
            .field("inner", &self.inner)
            .field("middleware", &self.chain.len())
            .finish()
    }
}

impl fmt::Debug for MiddlewaresLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiddlewaresLayer").field("middleware", &self.chain.len()).finish()
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

    struct Named(&'static str, Arc<Mutex<Vec<String>>>);

    impl Middleware for Named {
        fn around<'a>(
            &'a self,
            call: Call,
            next: Next<'a>,
        ) -> BoxFuture<'a, Result<Reply, CallError>> {
            Box::pin(async move {
                self.1.lock().unwrap().push(format!("before {}", self.0));
                let outcome = next.call(call).await;
                self.1.lock().unwrap().push(format!("after {}", self.0));
                outcome
            })
        }
    }

    #[tokio::test]
    async fn in_order_and_a_reply_ends_the_way() {
        let seen = Arc::default();
        let server = Arc::new(Fake::new(|_, _| Box::pin(async { Ok(Reply::new(Answer::Pong)) })));
        let stop = Before(|call: &mut Call| {
            Ok((*call.server == *"here").then(|| Reply::new(Answer::Pong)))
        });
        let chain: [Arc<dyn Middleware>; 3] = [
            Arc::new(Named("one", Arc::clone(&seen))),
            Arc::new(stop),
            Arc::new(Named("two", Arc::clone(&seen))),
        ];
        let caller = MiddlewaresLayer::new(chain).layer(Arc::clone(&server));
        caller.call(Call::new("there", Operation::Ping)).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["before one", "before two", "after two", "after one"]);
        seen.lock().unwrap().clear();
        caller.call(Call::new("here", Operation::Ping)).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["before one", "after one"]);
        assert_eq!(server.calls(), 1);
    }

    #[tokio::test]
    async fn refuses_and_says_otherwise() {
        let server = Arc::new(Fake::new(|_, _| Box::pin(async { Ok(Reply::new(Answer::Pong)) })));
        let refuse = Before(|call: &mut Call| Err(CallError::stopped(&call.server, "not today")));
        let chain: [Arc<dyn Middleware>; 2] = [
            Arc::new(After(|_: &Call, outcome: Result<Reply, CallError>| {
                assert_eq!(
                    outcome.unwrap_err().explain(),
                    "the call of server `a` was not let through: not today"
                );
                Ok(Reply::new(Answer::Pong))
            })),
            Arc::new(refuse),
        ];
        let caller = MiddlewaresLayer::new(chain).layer(Arc::clone(&server));
        caller.call(Call::new("a", Operation::Ping)).await.unwrap();
        assert_eq!(server.calls(), 0);
    }
}
