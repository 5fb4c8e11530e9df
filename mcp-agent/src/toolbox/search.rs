//! Tools that are found when they are needed, where all of them together cost too much.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};

use super::{
    PreparedCall, ProgressSink, ToolError, ToolFacts, ToolFilter, ToolOutput, ToolSnapshot,
    Toolset, names,
};
use crate::{
    model::{BoxFuture, ToolDefinition},
    rank::{self, Document, Keywords, RankError, Ranker},
    tokens::{self, EstimatedTokens, TokenCounter},
};

/// The tool by which a model finds the others.
const NAME: &str = "search_tools";

/// When to search, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct SearchOptions {
    /// When the model searches instead of being shown all tools.
    pub mode: SearchMode,
    /// What the model can read at once, in tokens. 32,768 by default.
    pub context_window: usize,
    /// The share of the window from which on all tools together cost too much; 0.1 by default.
    pub max_share: f64,
    /// How many tools one search reveals at most; 5 by default.
    pub found: usize,
    /// Tools that are shown at all times; none by default.
    pub always: Option<ToolFilter>,
    /// Finds tools for a query; by shared words by default.
    pub ranker: Arc<dyn Ranker>,
    /// Counts what definitions cost; an estimate by default.
    pub counter: Arc<dyn TokenCounter>,
}

/// When the model searches instead of being shown all tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchMode {
    /// When all tools together cost too much.
    #[default]
    Auto,
    /// At all times.
    Always,
    /// Never; the cost is still counted.
    Never,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            mode: SearchMode::Auto,
            context_window: 32_768,
            max_share: 0.1,
            found: 5,
            always: None,
            ranker: Arc::new(Keywords),
            counter: Arc::new(EstimatedTokens::default()),
        }
    }
}

/// What tools cost in every request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolCosts {
    /// By server, dearest first; tools of this program stand under `None`.
    pub servers: Vec<ServerCost>,
    /// All together, in tokens.
    pub tokens: usize,
    /// Of the model's window.
    pub share: f64,
    /// Whether the share is too much.
    pub is_too_much: bool,
    /// Whether the model searches instead.
    pub searches: bool,
}

/// What the tools of one server cost in every request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCost {
    /// The server, as configured.
    pub server: Option<String>,
    /// How many tools it has.
    pub tools: usize,
    /// What they cost, in tokens.
    pub tokens: usize,
}

/// The tools of another set. Where they cost too much, the model is shown one that finds the
/// others; what it finds is appended to what it was shown before, so that the start of its requests
/// stays in the provider's cache.
///
/// ```
/// use mcp_agent::toolbox::{LocalTools, SearchMode, SearchOptions, Searchable, Toolset};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct City { name: String }
///
/// let tools = LocalTools::new().tool("weather", "The weather.", |city: City| async { city.name });
/// let mut options = SearchOptions::default();
/// options.mode = SearchMode::Always;
/// let tools = Searchable::new(tools, options);
/// assert_eq!(tools.snapshot().tools[0].name, "search_tools");
/// assert!(tools.catalog().get("weather").is_some());
/// ```
pub struct Searchable<T> {
    inner: T,
    options: SearchOptions,
    last: Mutex<Option<Arc<Seen>>>,
}

/// What the inner set offered last, and what became of it.
struct Seen {
    offered: Arc<ToolSnapshot>,
    known: Arc<ToolSnapshot>,
    costs: ToolCosts,
    search_name: String,
    snapshot: Arc<ToolSnapshot>,
    catalog: Arc<ToolSnapshot>,
}

impl<T: Toolset> Searchable<T> {
    /// Watches what the tools cost.
    pub fn new(inner: T, options: SearchOptions) -> Self {
        Self { inner, options, last: Mutex::default() }
    }

    /// What the tools cost now.
    pub fn costs(&self) -> ToolCosts {
        self.seen().costs.clone()
    }

    /// The tools for a query, best first, as many as a search reveals.
    ///
    /// # Errors
    /// The ranker failed.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn find(&self, query: &str) -> Result<Vec<ToolDefinition>, RankError> {
        let offered = Arc::clone(&self.seen().offered);
        let documents: Vec<_> = offered.tools.iter().map(|tool| self.document(tool)).collect();
        let scores = self.options.ranker.rank(query, &documents).await?;
        let best = rank::best(&scores).into_iter().take(self.options.found);
        Ok(best.filter_map(|place| offered.tools.get(place)).cloned().collect())
    }

    fn document(&self, tool: &ToolDefinition) -> Document {
        let facts = self.inner.facts(&tool.name);
        let schema: Value = tool.parameters.parse().unwrap_or_default();
        let mut parameters = String::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let description = property["description"].as_str().unwrap_or_default();
            parameters.extend([name, " ", description, "\n"]);
        }
        Document::new()
            .field(4.0, facts.tool)
            .field(3.0, facts.title.unwrap_or_default())
            .field(2.0, facts.server.unwrap_or_default())
            .field(2.0, facts.tags.join(" "))
            .field(1.5, tool.description.as_str())
            .field(1.0, parameters)
    }

    fn seen(&self) -> Arc<Seen> {
        let (offered, known) = (self.inner.snapshot(), self.inner.catalog());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && Arc::ptr_eq(&last.offered, &offered)
            && Arc::ptr_eq(&last.known, &known)
        {
            return Arc::clone(last);
        }
        let seen = Arc::new(self.look(offered, known));
        *last = Some(Arc::clone(&seen));
        seen
    }

    fn look(&self, offered: Arc<ToolSnapshot>, known: Arc<ToolSnapshot>) -> Seen {
        let costs = self.count(&offered);
        let taken: HashSet<_> = known.tools.iter().map(|tool| tool.name.clone()).collect();
        let search_name = names::distinct(NAME, "", &taken);
        let search = definition(&search_name, offered.tools.len(), &costs);
        let shown = if costs.searches {
            let is_kept = |tool: &&ToolDefinition| {
                let always = self.options.always.as_ref();
                always.is_some_and(|filter| filter.accepts(tool, &self.inner.facts(&tool.name)))
            };
            let kept = offered.tools.iter().filter(is_kept).cloned();
            kept.chain([search.clone()]).collect()
        } else {
            offered.tools.to_vec()
        };
        let all = known.tools.iter().cloned().chain([search]).collect();
        Seen {
            snapshot: Arc::new(ToolSnapshot::new(offered.generation, shown)),
            catalog: Arc::new(ToolSnapshot::new(known.generation, all)),
            offered,
            known,
            costs,
            search_name,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of some thousands of tokens")]
    fn count(&self, offered: &ToolSnapshot) -> ToolCosts {
        let mut by_server: BTreeMap<Option<String>, (usize, usize)> = BTreeMap::new();
        for tool in &*offered.tools {
            let (tools, tokens) = by_server.entry(self.inner.facts(&tool.name).server).or_default();
            *tools += 1;
            *tokens += tokens::of_tool(tool, &*self.options.counter);
        }
        let mut servers: Vec<_> = by_server
            .into_iter()
            .map(|(server, (tools, tokens))| ServerCost { server, tools, tokens })
            .collect();
        servers.sort_by_key(|cost| std::cmp::Reverse(cost.tokens));
        let tokens: usize = servers.iter().map(|cost| cost.tokens).sum();
        let share = tokens as f64 / self.options.context_window.max(1) as f64;
        let is_too_much = share > self.options.max_share;
        let searches = match self.options.mode {
            SearchMode::Auto => is_too_much,
            SearchMode::Always => true,
            SearchMode::Never => false,
        };
        if is_too_much {
            tracing::warn!(tokens, window = self.options.context_window, searches, "dear tools");
        }
        ToolCosts { servers, tokens, share, is_too_much, searches }
    }

    async fn search(&self, call: PreparedCall) -> ToolOutput {
        let query = call.arguments.get("query").and_then(Value::as_str).unwrap_or_default();
        let found = match self.find(query).await {
            Ok(found) => found,
            Err(error) => return ToolOutput::error(ToolError::of(&call.name, error).explain()),
        };
        if found.is_empty() {
            return ToolOutput::text(
                "No tool has to do with that. Search again in other words: name the thing and what \
                 is to be done with it.",
            );
        }
        let mut text = "These tools can be called from now on:".to_owned();
        for tool in &found {
            let first_line = tool.description.trim().lines().next().unwrap_or_default();
            text.extend(["\n- ", &tool.name, ": ", first_line]);
        }
        let mut output = ToolOutput::text(text);
        output.reveals = found;
        output
    }
}

fn definition(name: &str, tools: usize, costs: &ToolCosts) -> ToolDefinition {
    let servers: BTreeMap<_, _> = costs
        .servers
        .iter()
        .filter_map(|cost| Some((cost.server.as_deref()?, cost.tools)))
        .collect();
    let servers: Vec<_> =
        servers.into_iter().map(|(name, tools)| format!("{name} ({tools})")).collect();
    let of = if servers.is_empty() { String::new() } else { format!(" of {}", servers.join(", ")) };
    ToolDefinition {
        name: name.to_owned(),
        description: format!(
            "Finds tools. {tools} tools{of} are not shown; search for one before you say that \
             something cannot be done. The tools that it finds can be called afterwards."
        ),
        parameters: json!({
            "type": "object",
            "properties": {"query": {
                "type": "string",
                "description": "What the tool is to do, such as `read a file`.",
            }},
            "required": ["query"],
        })
        .into(),
    }
}

impl<T: Toolset> Toolset for Searchable<T> {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.seen().snapshot)
    }

    fn catalog(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.seen().catalog)
    }

    fn facts(&self, name: &str) -> ToolFacts {
        if self.seen().search_name == name {
            let mut facts = ToolFacts::new(name);
            facts.annotations.read_only_hint = Some(true);
            return facts;
        }
        self.inner.facts(name)
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        if self.seen().search_name == call.name {
            return Box::pin(async move { Ok(self.search(call).await) });
        }
        self.inner.call(call, progress)
    }
}

impl<T: fmt::Debug> fmt::Debug for Searchable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Searchable")
            .field("inner", &self.inner)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
