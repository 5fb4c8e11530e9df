//! Calls go to the connection of whoever makes them, where each caller has one of their own.

use std::fmt;

use mcp_client::Hub;
use mcp_protocol::tools::CallToolResult;

use super::{
    access::Principal,
    logins::{self, Logins},
    own_servers::OwnServers,
    scope::Scope,
};
use crate::{
    caller::{Call, CallError, Reply},
    layers::{Middleware, Next},
    model::BoxFuture,
};

/// Stands before all that keeps something: what is kept of one caller's calls is for no other.
pub(super) struct OnBehalf {
    hub: Hub,
    own: OwnServers,
    logins: Logins,
}

impl OnBehalf {
    pub(super) fn new(hub: &Hub, own: &OwnServers, logins: &Logins) -> Self {
        Self { hub: hub.clone(), own: own.clone(), logins: logins.clone() }
    }

    /// Whether the call is answered already.
    fn lead(&self, call: &mut Call) -> Result<Option<Reply>, CallError> {
        if !self.own.is_own(&call.server) {
            return Ok(None);
        }
        let Some(server) = self.hub.server(&call.server) else { return Ok(None) };
        let scope = Scope::current();
        let request = scope.request();
        let principal = request.and_then(|request| request.principal()).cloned();
        let principal = principal.unwrap_or_else(Principal::owner);
        let shown = request.and_then(|request| request.shown());
        let own = self.own.of(server, &principal, shown);
        let own = own.map_err(|error| error.into_call_error(&call.server))?;
        // Nothing is asked of a server before somebody has logged in there.
        self.logins.before_call(&own, &call.server)?;
        if call.operation.tool().is_some_and(|tool| logins::is_tool_of(&own, tool)) {
            let text = format!("You are logged in to `{}`; its tools are there now.", call.server);
            return Ok(Some(CallToolResult::text(text).into()));
        }
        let kind = shown.map_or(0, |shown| shown.kind);
        call.partition = Some(format!("{}/{kind:016x}", principal.id()).into());
        call.identity.account = own.identity().account;
        call.own = Some(own);
        Ok(None)
    }
}

impl Middleware for OnBehalf {
    fn around<'a>(
        &'a self,
        mut call: Call,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, CallError>> {
        match self.lead(&mut call) {
            Ok(None) => next.call(call),
            // It may have been made at another replica.
            Err(CallError::LoginRequired(wish)) if self.logins.is_shared() => {
                Box::pin(async move {
                    if !self.logins.is_made_elsewhere(wish.id()).await {
                        return Err(CallError::LoginRequired(wish));
                    }
                    match self.lead(&mut call)? {
                        Some(reply) => Ok(reply),
                        None => next.call(call).await,
                    }
                })
            }
            Ok(Some(reply)) => Box::pin(std::future::ready(Ok(reply))),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }
}

impl fmt::Debug for OnBehalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnBehalf").field(&self.own).finish()
    }
}
