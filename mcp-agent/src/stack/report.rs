//! What the layers did and do.

use std::sync::Arc;

use crate::layers::{BreakerReport, CacheReport, OperationReport};

/// What the layers of a stack did and do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StackReport {
    /// The servers that were called, by name.
    pub servers: Vec<ServerReport>,
    /// Their tools and methods, by server and name.
    pub operations: Vec<OperationReport>,
    /// The cache, if there is one.
    pub cache: Option<CacheReport>,
}

/// One server as its layers see it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerReport {
    /// As configured.
    pub name: Arc<str>,
    /// Whether it is called at all, if there is a breaker.
    pub breaker: Option<BreakerReport>,
    /// Calls that run.
    pub running: usize,
    /// Calls that wait for a place.
    pub waiting: usize,
    /// All calls that are not over, in whatever layer they are.
    pub on_their_way: u64,
}

impl StackReport {
    /// One server.
    pub fn server(&self, name: &str) -> Option<&ServerReport> {
        self.servers.iter().find(|server| &*server.name == name)
    }

    /// One tool, or one method other than `tools/call`.
    pub fn operation(&self, server: &str, name: &str) -> Option<&OperationReport> {
        self.operations
            .iter()
            .find(|report| &*report.server == server && &*report.operation == name)
    }
}
