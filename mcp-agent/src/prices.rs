//! What models cost, by a table of whoever pays for them.
//!
//! Prices change, and differ by contract; so there is none in this crate. A table names models by
//! patterns and says what a million tokens cost in US dollars:
//!
//! ```json
//! {
//!     "gpt-5-mini*": {"input": 0.25, "cached_input": 0.025, "output": 2.0},
//!     "api.anthropic.com/claude-sonnet-*": {"input": 3.0, "cache_write": 3.75, "output": 15.0}
//! }
//! ```
//!
//! The numbers are examples.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{glob::matches, model::ModelId, run::TokenPrices};

/// What models cost. A pattern is for the name of a model, or for `provider/model`; of several that
/// match, the one with the most characters beside `*` and `?` counts.
///
/// ```
/// use mcp_agent::{model::ModelId, prices::PriceTable};
///
/// let table: PriceTable = r#"{
///     "*": {"input": 1.0, "output": 4.0},
///     "tiny-*": {"input": 0.1, "output": 0.4}
/// }"#.parse()?;
/// let tiny = table.of(&ModelId::new("api.example", "tiny-2")).unwrap();
/// assert_eq!(tiny.input, 0.1);
/// # Ok::<(), mcp_agent::prices::PriceTableError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceTable(BTreeMap<String, TokenPrices>);

/// A table of prices cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PriceTableError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its name does not say how it is written.
    #[error("{} ends neither in .toml nor in .json", .path.display())]
    UnknownFormat {
        /// Which.
        path: PathBuf,
    },
    /// It is not written as it should be.
    #[error("this is no table of prices: {0}")]
    Malformed(String),
    /// A price is no amount of money.
    #[error("the prices of `{model}` are not all numbers from 0 on")]
    Price {
        /// The pattern.
        model: String,
    },
}

impl PriceTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what the models of a pattern cost.
    #[must_use]
    pub fn with(mut self, model: impl Into<String>, prices: TokenPrices) -> Self {
        self.0.insert(model.into(), prices);
        self
    }

    /// Reads a `.json` file, or a `.toml` one (feature `toml`) with a table for each pattern:
    /// `["gpt-5-mini*"]`.
    ///
    /// # Errors
    /// There is no such file, it has a key that nobody knows, or a price that is none.
    pub fn read(path: &Path) -> Result<Self, PriceTableError> {
        let text = |path: &Path| {
            fs::read_to_string(path)
                .map_err(|source| PriceTableError::Unreadable { path: path.to_owned(), source })
        };
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => text(path)?.parse(),
            #[cfg(feature = "toml")]
            Some("toml") => toml_edit::de::from_str(&text(path)?)
                .map_err(|error| PriceTableError::Malformed(error.to_string().trim().to_owned()))
                .and_then(Self::checked),
            _ => Err(PriceTableError::UnknownFormat { path: path.to_owned() }),
        }
    }

    /// What a model costs, where the table says.
    pub fn of(&self, model: &ModelId) -> Option<TokenPrices> {
        let whole = format!("{}/{}", model.provider, model.model);
        let fitting = self
            .0
            .iter()
            .filter(|(pattern, _)| matches(pattern, &model.model) || matches(pattern, &whole));
        fitting.max_by_key(|(pattern, _)| certainty(pattern)).map(|(_, prices)| *prices)
    }

    fn checked(self) -> Result<Self, PriceTableError> {
        let is_price = |price: &f64| price.is_finite() && *price >= 0.0;
        for (model, prices) in &self.0 {
            let TokenPrices { input, cached_input, cache_write, output } = prices;
            let all = [Some(input), cached_input.as_ref(), cache_write.as_ref(), Some(output)];
            if !all.into_iter().flatten().all(is_price) {
                return Err(PriceTableError::Price { model: model.clone() });
            }
        }
        Ok(self)
    }
}

/// How many characters of a pattern stand for themselves.
fn certainty(pattern: &str) -> usize {
    pattern.chars().filter(|c| !matches!(c, '*' | '?')).count()
}

/// From JSON.
impl std::str::FromStr for PriceTable {
    type Err = PriceTableError;

    fn from_str(text: &str) -> Result<Self, PriceTableError> {
        let table: Self = serde_json::from_str(text)
            .map_err(|error| PriceTableError::Malformed(error.to_string()))?;
        table.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Agent,
        model::{
            ModelResponse, Part, StopReason, Usage,
            scripted::{Scene, ScriptedModel},
        },
        run::{Budget, Cost, Outcome, Stop},
    };

    #[test]
    fn the_most_certain_pattern_counts() {
        let table: PriceTable = r#"{
            "*": {"input": 1, "output": 1},
            "big-*": {"input": 2, "output": 2},
            "cheap.example/big-*": {"input": 3, "output": 3},
            "big-one": {"input": 4, "output": 4}
        }"#
        .parse()
        .unwrap();
        let input = |provider: &str, model: &str| table.of(&ModelId::new(provider, model)).unwrap();
        for (provider, model, price) in [
            ("a", "small", 1.0),
            ("a", "big-two", 2.0),
            ("cheap.example", "big-two", 3.0),
            ("a", "big-one", 4.0),
        ] {
            assert!((input(provider, model).input - price).abs() < 1e-9, "{provider}/{model}");
        }
        assert_eq!(PriceTable::new().of(&ModelId::new("a", "b")), None);
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for (text, said) in [
            (r#"{"m": {"input": -1, "output": 1}}"#, "the prices of `m` are not"),
            (r#"{"m": {"input": 1}}"#, "missing field `output`"),
            (r#"{"m": {"input": 1, "output": 1, "imput": 1}}"#, "unknown field `imput`"),
            ("[]", "no table of prices"),
        ] {
            let error = text.parse::<PriceTable>().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.yaml");
        assert!(matches!(PriceTable::read(&path), Err(PriceTableError::UnknownFormat { .. })));
        let path = folder.path().join("prices.json");
        assert!(matches!(PriceTable::read(&path), Err(PriceTableError::Unreadable { .. })));
    }

    #[cfg(feature = "toml")]
    #[test]
    fn toml_says_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.toml");
        fs::write(&path, "[\"m-*\"]\ninput = 3\ncache_write = 3.75\noutput = 15.0\n").unwrap();
        let mut prices = TokenPrices::new(3.0, 15.0);
        prices.cache_write = Some(3.75);
        assert_eq!(PriceTable::read(&path).unwrap(), PriceTable::new().with("m-*", prices));
        fs::write(&path, "[m]\ninput = \"much\"\n").unwrap();
        assert!(matches!(PriceTable::read(&path), Err(PriceTableError::Malformed(_))));
    }

    #[tokio::test]
    async fn a_budget_of_money_holds_by_the_table() {
        let answer = |text: &str| {
            let part = Part::Text(text.to_owned());
            let mut response = ModelResponse::new(vec![part], StopReason::Length);
            let mut usage = Usage::new(1_000_000, 100_000);
            (usage.cached_input_tokens, usage.cache_write_tokens) = (400_000, 200_000);
            response.usage = Some(usage);
            Scene::response(response)
        };
        let model = ScriptedModel::new([answer("Half"), answer("More")]);
        let mut prices = TokenPrices::new(1.0, 10.0).cached(0.1);
        prices.cache_write = Some(1.25);
        let table = PriceTable::new().with("script/*", prices);
        let agent = Agent::builder(model)
            .budget(Budget::default().cost(Cost::dollars(10.0)))
            .prices(&table)
            .build();
        let finished = agent.run("?").await.unwrap();
        assert!(matches!(finished.outcome, Outcome::Stopped { why: Stop::OutputLimit, .. }));
        let budget = &finished.run.settings().budget;
        // 0.4 at 1 $, 0.4 cached at 0.1 $, 0.2 written to the cache at 1.25 $, 0.1 at 10 $.
        let cost = budget.cost_of(&finished.run.spent().usage).unwrap();
        assert_eq!(cost, Cost::dollars(1.69));
    }
}
