//! What servers offered when they were asked last, kept while they are away.

use std::sync::Arc;

use mcp_protocol::{
    prompts::Prompt,
    resources::{Resource, ResourceTemplate},
    tools::Tool,
};
use tokio::time::Instant;

use super::{ServerState, server::PER_CALLER};
use crate::Listing;

/// Which lists a hub asks its servers for and keeps up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogLists {
    /// Tools.
    pub tools: bool,
    /// Prompts.
    pub prompts: bool,
    /// Resources and their templates. The resources that a server's configuration names by
    /// pattern are watched too; [`HubChange::Resource`](super::HubChange::Resource) tells of them.
    pub resources: bool,
}

impl CatalogLists {
    /// Tools alone.
    pub const TOOLS: Self = Self { tools: true, prompts: false, resources: false };
    /// All of them.
    pub const ALL: Self = Self { tools: true, prompts: true, resources: true };

    /// What either of the two names.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            tools: self.tools || other.tools,
            prompts: self.prompts || other.prompts,
            resources: self.resources || other.resources,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// What one server offers, as far as is known. A server that is down keeps what it offered last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Catalog {
    /// Grows with every change of a list, and not when the server goes down or comes back with
    /// the same lists.
    pub generation: u64,
    /// Whether it can be used now.
    pub availability: Availability,
    /// Its tools.
    pub tools: CatalogList<Tool>,
    /// Its prompts.
    pub prompts: CatalogList<Prompt>,
    /// Its resources.
    pub resources: CatalogList<Resource>,
    /// Its templates of resources.
    pub resource_templates: CatalogList<ResourceTemplate>,
}

/// Whether a server can be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Availability {
    /// It is connected.
    Available,
    /// It is not; to stand after "the server is not available:".
    Unavailable(Arc<str>),
}

/// One list of a server. Cloning shares the items.
#[derive(Debug)]
#[non_exhaustive]
pub struct CatalogList<T> {
    /// As it was told last; empty before that.
    pub listing: Arc<Listing<T>>,
    /// When it was told last; `None` when it never was.
    pub told: Option<Instant>,
    /// Why it could not be had when it was asked for last.
    pub fault: Option<Arc<str>>,
}

impl<T> Clone for CatalogList<T> {
    fn clone(&self) -> Self {
        let Self { listing, told, fault } = self;
        Self { listing: Arc::clone(listing), told: *told, fault: fault.clone() }
    }
}

impl<T> Default for CatalogList<T> {
    fn default() -> Self {
        Self { listing: Arc::default(), told: None, fault: None }
    }
}

impl<T: PartialEq> CatalogList<T> {
    /// Takes in an answer. Returns whether what is known is another now.
    fn take(&mut self, answer: Result<Listing<T>, Arc<str>>) -> bool {
        let listing = match answer {
            Ok(listing) => listing,
            Err(fault) => {
                let fault = Some(fault);
                let changed = self.fault != fault;
                self.fault = fault;
                return changed;
            }
        };
        let changed = self.told.is_none()
            || self.fault.is_some()
            || self.listing.items != listing.items
            || self.listing.skipped != listing.skipped;
        if changed {
            self.listing = Arc::new(listing);
        }
        self.told = Some(Instant::now());
        self.fault = None;
        changed
    }
}

/// The lists of one server.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownLists {
    pub(super) generation: u64,
    tools: CatalogList<Tool>,
    prompts: CatalogList<Prompt>,
    resources: CatalogList<Resource>,
    resource_templates: CatalogList<ResourceTemplate>,
}

/// What came of asking; `None` for what was not asked for.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) tools: Option<Result<Listing<Tool>, Arc<str>>>,
    pub(super) prompts: Option<Result<Listing<Prompt>, Arc<str>>>,
    pub(super) resources: Option<Result<Listing<Resource>, Arc<str>>>,
    pub(super) resource_templates: Option<Result<Listing<ResourceTemplate>, Arc<str>>>,
}

impl KnownLists {
    /// Takes in answers. Returns whether anything is another now.
    pub(super) fn take(&mut self, answers: Answers) -> bool {
        let Answers { tools, prompts, resources, resource_templates } = answers;
        let changed = [
            tools.is_some_and(|answer| self.tools.take(answer)),
            prompts.is_some_and(|answer| self.prompts.take(answer)),
            resources.is_some_and(|answer| self.resources.take(answer)),
            resource_templates.is_some_and(|answer| self.resource_templates.take(answer)),
        ]
        .contains(&true);
        self.generation += u64::from(changed);
        changed
    }

    pub(super) fn catalog(&self, state: &ServerState) -> Catalog {
        let Self { generation, tools, prompts, resources, resource_templates } = self.clone();
        let availability = availability(state);
        Catalog { generation, availability, tools, prompts, resources, resource_templates }
    }
}

fn availability(state: &ServerState) -> Availability {
    let reason = match state {
        ServerState::Ready(_) | ServerState::Degraded(..) => return Availability::Available,
        ServerState::Starting => "it is still starting".into(),
        ServerState::Stopped => "it is stopped".into(),
        ServerState::Disabled => "it is switched off".into(),
        ServerState::NotConfigured(reason) => reason.as_str().into(),
        ServerState::Refused(refusal) => refusal.to_string().into(),
        ServerState::PerCaller => PER_CALLER.into(),
        ServerState::Down(failure) | ServerState::NeedsAuth(failure) => {
            super::slot::chain(&**failure).into()
        }
    };
    Availability::Unavailable(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(names: &[&str]) -> Answers {
        let tool = |name: &&str| {
            serde_json::from_value(serde_json::json!({
                "name": name, "inputSchema": {"type": "object"},
            }))
            .unwrap()
        };
        let items = names.iter().map(tool).collect();
        Answers { tools: Some(Ok(Listing { items, ..Listing::default() })), ..Answers::default() }
    }

    #[tokio::test]
    async fn what_is_known_outlives_faults() {
        let mut known = KnownLists::default();
        assert!(known.take(tools(&["a", "b"])));
        let first = Arc::clone(&known.tools.listing);
        assert!(!known.take(tools(&["a", "b"])), "the same again is no change");
        assert!(Arc::ptr_eq(&first, &known.tools.listing));

        let fault = || Answers { tools: Some(Err("gone".into())), ..Answers::default() };
        assert!(known.take(fault()) && !known.take(fault()));
        assert_eq!(known.tools.listing.items.len(), 2);
        assert_eq!(known.tools.fault.as_deref(), Some("gone"));

        assert!(known.take(tools(&["a"])));
        assert_eq!((known.generation, &known.tools.fault), (3, &None));
        assert!(!known.take(Answers::default()));
    }
}
