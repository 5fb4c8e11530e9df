//! The resources that a question needs, within a budget.

use std::{fmt, sync::Arc};

use futures_util::{StreamExt, future, stream};
use mcp_client::Client;
use mcp_protocol::resources::Resource;

use super::{ContextPart, ServerSource, part};
use crate::{
    glob::Glob,
    model::Part,
    rank::{self, Document, Keywords, RankError, Ranker},
    tokens::{EstimatedTokens, TokenCounter},
};

/// How much to gather, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct GatherOptions {
    /// What is gathered is never more than this; 100,000 by default.
    pub max_tokens: usize,
    /// How many resources are read at most; 20 by default.
    pub max_reads: usize,
    /// How many are read at the same time; 8 by default.
    pub parallel_reads: usize,
    /// Which resources may be read at all, by URI; all by default.
    pub allowed: Vec<Glob>,
    /// Says what is relevant; shared words by default.
    pub ranker: Arc<dyn Ranker>,
    /// Counts tokens; an estimate by default.
    pub counter: Arc<dyn TokenCounter>,
}

impl Default for GatherOptions {
    fn default() -> Self {
        Self {
            max_tokens: 100_000,
            max_reads: 20,
            parallel_reads: 8,
            allowed: Vec::new(),
            ranker: Arc::new(Keywords),
            counter: Arc::new(EstimatedTokens::default()),
        }
    }
}

/// Looks through the resources of all servers for what a question needs.
pub struct Gatherer {
    servers: Box<dyn ServerSource>,
    options: GatherOptions,
}

/// What was found for a question.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Gathered {
    /// Most relevant first.
    pub parts: Vec<ContextPart>,
    /// Of all parts together with their labels.
    pub tokens: usize,
    /// Candidates that are relevant, but not among the parts.
    pub left_out: Vec<LeftOut>,
}

/// A relevant resource that is not among the parts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The server, as configured.
    pub server: String,
    /// The resource, or empty when all resources of the server are meant.
    pub uri: String,
    /// Why.
    pub reason: Reason,
}

/// Why a resource was left out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The budget was spent on more relevant ones.
    NoRoom,
    /// More relevant ones were read instead.
    NotRead,
    /// It could not be listed or read.
    Failed(String),
}

impl Gathered {
    /// All parts as one text for the model, or `None` where nothing was found.
    pub fn to_part(&self) -> Option<Part> {
        part::as_part(&self.parts)
    }
}

impl Gatherer {
    /// Looks in all these servers.
    pub fn new(servers: impl ServerSource, options: GatherOptions) -> Self {
        Self { servers: Box::new(servers), options }
    }

    /// Finds and reads what the question needs: candidates by what the servers say of them, then
    /// again by what stands in them.
    ///
    /// # Errors
    /// The ranker failed. Servers and resources that fail are named in [`Gathered::left_out`].
    ///
    /// # Cancel safety
    /// Dropping the future abandons listing and reading.
    pub async fn gather(&self, question: &str) -> Result<Gathered, RankError> {
        let mut gathered = Gathered::default();
        let candidates = self.candidates(&mut gathered.left_out).await;
        let described: Vec<_> =
            candidates.iter().map(|(_, _, resource)| described(resource)).collect();
        let scores = self.options.ranker.rank(question, &described).await?;
        let best = rank::best(&scores);
        for &place in best.iter().skip(self.options.max_reads) {
            let (server, _, resource) = &candidates[place];
            gathered.left_out.push(left_out(server, &resource.uri, Reason::NotRead));
        }
        let reads = best.iter().take(self.options.max_reads).map(|&place| {
            let (server, client, resource) = &candidates[place];
            async move { (place, server, resource, client.read_resource(&resource.uri).await) }
        });
        let mut read: Vec<_> =
            stream::iter(reads).buffered(self.options.parallel_reads.max(1)).collect().await;
        let mut parts = Vec::new();
        let mut documents = Vec::new();
        for (place, server, resource, result) in read.drain(..) {
            match result {
                Ok(result) => {
                    let title = resource.display_name();
                    let part = ContextPart::new(server, &resource.uri, title, result);
                    documents.push(described[place].clone().field(1.0, part.text.as_str()));
                    parts.push(part);
                }
                Err(error) => {
                    let reason = Reason::Failed(error.to_string());
                    gathered.left_out.push(left_out(server, &resource.uri, reason));
                }
            }
        }
        let scores = self.options.ranker.rank(question, &documents).await?;
        self.fit(rank::best(&scores).into_iter().map(|place| &parts[place]), &mut gathered);
        Ok(gathered)
    }

    /// Takes parts until the budget is spent.
    fn fit<'a>(&self, parts: impl Iterator<Item = &'a ContextPart>, gathered: &mut Gathered) {
        let counter = &*self.options.counter;
        let mut text = String::new();
        for part in parts {
            let left = self.options.max_tokens.saturating_sub(gathered.tokens);
            let fitting = part.within(left, counter).filter(|part| {
                // The whole is what counts.
                counter.count(&format!("{text}{}", part.render())) <= self.options.max_tokens
            });
            match fitting {
                Some(part) => {
                    text.push_str(&part.render());
                    gathered.tokens = counter.count(&text);
                    gathered.parts.push(part);
                }
                None => gathered.left_out.push(left_out(&part.server, &part.uri, Reason::NoRoom)),
            }
        }
    }

    async fn candidates(
        &self,
        left_out_ones: &mut Vec<LeftOut>,
    ) -> Vec<(String, Client, Resource)> {
        let lists = self.servers.clients().into_iter().map(|(server, client)| async move {
            let has = client.server().capabilities.resources.is_some();
            let list = if has { Some(client.list_resources().await) } else { None };
            (server, client, list)
        });
        let mut candidates = Vec::new();
        for (server, client, list) in future::join_all(lists).await {
            match list {
                None => {}
                Some(Ok(list)) => {
                    for resource in list.items {
                        if self.allows(&resource.uri) {
                            candidates.push((server.clone(), client.clone(), resource));
                        }
                    }
                }
                Some(Err(error)) => {
                    left_out_ones.push(left_out(&server, "", Reason::Failed(error.to_string())));
                }
            }
        }
        candidates
    }

    fn allows(&self, uri: &str) -> bool {
        self.options.allowed.is_empty() || self.options.allowed.iter().any(|glob| glob.matches(uri))
    }
}

fn left_out(server: &str, uri: &str, reason: Reason) -> LeftOut {
    LeftOut { server: server.to_owned(), uri: uri.to_owned(), reason }
}

fn described(resource: &Resource) -> Document {
    Document::new()
        .field(3.0, resource.name.as_str())
        .field(3.0, resource.title.as_deref().unwrap_or_default())
        .field(2.0, resource.description.as_deref().unwrap_or_default())
        .field(1.5, resource.uri.as_str())
}

impl fmt::Debug for Gatherer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gatherer").field("options", &self.options).finish_non_exhaustive()
    }
}
