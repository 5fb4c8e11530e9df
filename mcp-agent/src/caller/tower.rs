//! An adapter for programs that have tower stacks.

use std::task::{Context, Poll};

use tower_service::Service;

use super::{Call, CallError, Caller, Reply, SharedCaller};
use crate::model::BoxFuture;

/// A [`Caller`] as a [`tower_service::Service`]: always ready, for limits wait inside the call.
///
/// ```
/// use mcp_agent::caller::{Call, CallService, Operation, SharedCaller};
/// use tower_service::Service as _;
///
/// # async fn example(stack: mcp_agent::stack::Stack) -> Result<(), mcp_agent::caller::CallError> {
/// let mut service = CallService::new(SharedCaller::new(stack));
/// let reply = service.call(Call::new("files", Operation::Ping)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CallService(SharedCaller);

impl CallService {
    /// Calls this one.
    pub fn new(caller: SharedCaller) -> Self {
        Self(caller)
    }
}

impl Service<Call> for CallService {
    type Response = Reply;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Reply, CallError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let caller = self.0.clone();
        Box::pin(async move { caller.call(call).await })
    }
}
