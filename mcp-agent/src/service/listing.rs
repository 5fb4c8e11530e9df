//! The same question to one server or to all of them.

use std::future::Future;

use axum::extract::{FromRequestParts, Query, rejection::QueryRejection};
use axum::http::request::Parts;
use mcp_client::{CallError, Client, Listing, Server};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Service,
    problem::{Problem, ProblemCode},
    scope::Scope,
    view::View,
};

/// `?server_name=`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Of this server alone.
    server_name: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Which {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<Self>::from_request_parts(parts, state).await {
            Ok(Query(which)) => Ok(which),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &QueryRejection) -> Problem {
    Problem::new(ProblemCode::Usage, rejection.body_text())
}

/// What the servers listed, and which of them did not.
#[derive(Debug)]
pub(super) struct Listed {
    /// Each with its `server_name`.
    pub(super) items: Vec<Map<String, Value>>,
    pub(super) problems: Vec<Problem>,
}

impl Service {
    /// A server, by name, if it is there for whoever asks.
    pub(super) fn server(&self, name: &str, view: &View) -> Result<Server, Problem> {
        let found = self.0.own.named(name, &view.principal).filter(|_| view.sees(name));
        found.ok_or_else(|| Problem::unknown_server(name))
    }

    /// A server that is to be asked something for whoever asks.
    pub(super) fn server_for(&self, name: &str, view: &View) -> Result<Server, Problem> {
        let found = self.hub().server(name).filter(|_| view.sees(name));
        let server = found.ok_or_else(|| Problem::unknown_server(name))?;
        let scope = Scope::current();
        let shown = scope.request().and_then(|request| request.shown());
        Ok(self.0.own.of(server, &view.principal, shown)?)
    }

    /// Asks the servers that are meant for a list, side by side. One that fails hides no other; if
    /// it was asked alone, its problem is the answer.
    pub(super) async fn list<T, F, Fut>(
        &self,
        which: Which,
        view: &View,
        list: F,
        has: impl Fn(&Server, &T) -> bool,
    ) -> Result<Listed, Problem>
    where
        T: Serialize,
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<Listing<T>, CallError>>,
    {
        let mut listed = Listed { items: Vec::new(), problems: Vec::new() };
        let servers = if let Some(name) = &which.server_name {
            vec![self.server_for(name, view)?]
        } else {
            let all = self.hub().servers().into_iter();
            let meant = all.filter(|server| view.sees(server.name()));
            let (mut servers, scope) = (Vec::new(), Scope::current());
            let shown = scope.request().and_then(|request| request.shown());
            for server in meant {
                match self.0.own.of(server, &view.principal, shown) {
                    Ok(server) => servers.push(server),
                    Err(error) => listed.problems.push(error.into()),
                }
            }
            servers
        };
        let asked = servers.iter().map(|server| server.call(&list));
        let answers = futures_util::future::join_all(asked).await;
        for (server, answer) in servers.iter().zip(answers) {
            match answer {
                Ok(listing) => {
                    let items = listing.items.iter().filter(|item| has(server, item));
                    listed.items.extend(items.filter_map(|item| {
                        let Ok(Value::Object(mut item)) = serde_json::to_value(item) else {
                            return None;
                        };
                        item.insert("server_name".to_owned(), server.name().into());
                        Some(item)
                    }));
                    listed.problems.extend(listing.skipped.into_iter().map(|item| {
                        let name = item.name.unwrap_or_else(|| format!("item {}", item.index));
                        Problem::new(ProblemCode::ProtocolError, format!("{name}: {}", item.error))
                            .server(server.name())
                    }));
                }
                Err(error) => listed.problems.push(error.into()),
            }
        }
        match listed.problems.pop() {
            Some(problem) if which.server_name.is_some() && listed.items.is_empty() => Err(problem),
            problem => {
                listed.problems.extend(problem);
                Ok(listed)
            }
        }
    }
}
