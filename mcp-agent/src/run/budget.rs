//! What a run may spend, and what it has spent.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{glob::matches, model::Usage, toolbox::ToolFacts};

/// What a run may spend on one prompt. Nothing is limited by default.
///
/// Calls beyond their number are refused, and the model is told; a model that goes on calling
/// stops the run. The other limits stop the run before the model is asked again; the one of time
/// ends what is going on.
///
/// ```
/// use mcp_agent::run::{Budget, Cost};
/// use std::time::Duration;
///
/// let budget = Budget::default()
///     .calls_of("mcp__db__query", 5)
///     .tokens(200_000)
///     .cost(Cost::dollars(0.25))
///     .time(Duration::from_secs(300));
/// assert_eq!(budget.calls_per_tool["mcp__db__query"], 5);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Budget {
    /// Tokens that are read and written, all answers together.
    pub max_tokens: Option<u64>,
    /// What the tokens cost; needs [`prices`](Self::prices).
    pub max_cost: Option<Cost>,
    /// Time on the wall, waiting for people not counted.
    pub max_time: Option<Duration>,
    /// Tool calls in all.
    pub max_calls: Option<u32>,
    /// Calls of the tools that match a pattern for `server.tool` or for the name that the model
    /// uses; all that match count together.
    pub calls_per_tool: BTreeMap<String, u32>,
    /// Calls of all tools of the servers that match a pattern.
    pub calls_per_server: BTreeMap<String, u32>,
    /// What the model's tokens cost.
    pub prices: Option<TokenPrices>,
}

impl Budget {
    /// At most so many tokens, read and written together.
    #[must_use]
    pub fn tokens(mut self, tokens: u64) -> Self {
        self.max_tokens = Some(tokens);
        self
    }

    /// At most this cost; give the [`prices`](Self::priced) too.
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        self.max_cost = Some(cost);
        self
    }

    /// At most this time.
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.max_time = Some(time);
        self
    }

    /// At most so many tool calls in all.
    #[must_use]
    pub fn calls(mut self, calls: u32) -> Self {
        self.max_calls = Some(calls);
        self
    }

    /// At most so many calls of the tools that match this pattern.
    #[must_use]
    pub fn calls_of(mut self, tool: impl Into<String>, calls: u32) -> Self {
        self.calls_per_tool.insert(tool.into(), calls);
        self
    }

    /// At most so many calls of the tools of the servers that match this pattern.
    #[must_use]
    pub fn calls_at(mut self, server: impl Into<String>, calls: u32) -> Self {
        self.calls_per_server.insert(server.into(), calls);
        self
    }

    /// What the model's tokens cost.
    #[must_use]
    pub fn priced(mut self, prices: TokenPrices) -> Self {
        self.prices = Some(prices);
        self
    }

    /// The limit on calls that one more call would pass.
    pub(super) fn forbids(&self, spent: &Spent, name: &str, facts: &ToolFacts) -> Option<Used> {
        if let Some(limit) = self.max_calls
            && spent.calls >= limit
        {
            return Some(Used { what: "all tools".to_owned(), limit });
        }
        let used = |pattern: &str| spent.by_limit.get(pattern).copied().unwrap_or(0);
        for (pattern, limit) in &self.calls_per_tool {
            if is_about(pattern, name, facts) && used(pattern) >= *limit {
                return Some(Used { what: format!("`{pattern}`"), limit: *limit });
            }
        }
        let server = facts.server.as_deref()?;
        for (pattern, limit) in &self.calls_per_server {
            if matches(pattern, server) && used(&server_key(pattern)) >= *limit {
                return Some(Used { what: format!("the server `{pattern}`"), limit: *limit });
            }
        }
        None
    }

    /// Counts a call, or takes one back.
    pub(super) fn count(&self, spent: &mut Spent, name: &str, facts: &ToolFacts, times: Times) {
        let step = |count: &mut u32| match times {
            Times::Once => *count = count.saturating_add(1),
            Times::Back => *count = count.saturating_sub(1),
        };
        step(&mut spent.calls);
        for pattern in self.calls_per_tool.keys() {
            if is_about(pattern, name, facts) {
                step(spent.by_limit.entry(pattern.clone()).or_default());
            }
        }
        let Some(server) = facts.server.as_deref() else { return };
        for pattern in self.calls_per_server.keys() {
            if matches(pattern, server) {
                step(spent.by_limit.entry(server_key(pattern)).or_default());
            }
        }
    }

    /// What the tokens cost, where the prices are known.
    pub fn cost_of(&self, usage: &Usage) -> Option<Cost> {
        self.prices.as_ref().map(|prices| prices.cost_of(usage))
    }
}

/// Whether a call is counted or taken back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Times {
    Once,
    Back,
}

fn is_about(pattern: &str, name: &str, facts: &ToolFacts) -> bool {
    matches(pattern, name) || matches(pattern, &facts.full_name())
}

/// Told apart from the patterns of tools, none of which can begin so.
fn server_key(pattern: &str) -> String {
    format!("\n{pattern}")
}

/// A limit on calls that is used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Used {
    /// Whose limit, for people and the model.
    pub(super) what: String,
    pub(super) limit: u32,
}

/// What was spent since the last prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Spent {
    /// Tokens of all answers.
    pub usage: Usage,
    /// Tool calls that ran, or wait to.
    pub calls: u32,
    /// Time on the wall; counted only where it is limited.
    pub time: Duration,
    /// Calls by the limit that they count for.
    by_limit: BTreeMap<String, u32>,
}

/// What a million tokens cost, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TokenPrices {
    /// That are read.
    pub input: f64,
    /// That are read from the provider's cache; as the others where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// That are read and kept in the provider's cache; as the others where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// That are written.
    pub output: f64,
}

impl TokenPrices {
    /// US dollars for a million tokens read, and for a million written.
    pub fn new(input: f64, output: f64) -> Self {
        Self { input, cached_input: None, cache_write: None, output }
    }

    /// US dollars for a million tokens read from the provider's cache.
    #[must_use]
    pub fn cached(mut self, input: f64) -> Self {
        self.cached_input = Some(input);
        self
    }

    /// What these tokens cost.
    pub fn cost_of(&self, usage: &Usage) -> Cost {
        #[expect(clippy::cast_precision_loss, reason = "nobody is billed for 2^52 tokens")]
        let count = |tokens: u64| tokens as f64 / 1e6;
        let kept = usage.cached_input_tokens.saturating_add(usage.cache_write_tokens);
        let fresh = usage.input_tokens.saturating_sub(kept);
        Cost::dollars(
            count(fresh) * self.input
                + count(usage.cached_input_tokens) * self.cached_input.unwrap_or(self.input)
                + count(usage.cache_write_tokens) * self.cache_write.unwrap_or(self.input)
                + count(usage.output_tokens) * self.output,
        )
    }
}

/// An amount of money, in US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cost {
    /// Whole numbers, so that sums and comparisons are exact.
    nano_dollars: u64,
}

impl Cost {
    /// So many US dollars; none for what is no positive number.
    pub fn dollars(dollars: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast ends at both ends of the range, and makes no number 0"
        )]
        let nano_dollars = (dollars * 1e9).round() as u64;
        Self { nano_dollars }
    }

    /// In US dollars.
    pub fn as_dollars(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below a cent")]
        let dollars = self.nano_dollars as f64 / 1e9;
        dollars
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${:.4}", self.as_dollars())
    }
}
