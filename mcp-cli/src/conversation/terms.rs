//! The terms of a run, as the command line says them.

use std::{error::Error as _, time::Duration};

use clap::Args;
use mcp_agent::{
    Agent,
    policy::{Policy, Rule},
    prices::PriceTable,
    run::{Budget, Cost, TokenPrices},
};

use crate::{error_report::Report, exit_code::ErrorCode, measure};

/// What may be called, and what may be spent.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Terms {
    /// A rule about calls, such as `allow fs.read_*`, `ask git.push` or `deny fs.*(path=/etc/*)`;
    /// the strictest that matches counts
    #[arg(long = "rule", value_name = "RULE")]
    pub(crate) rules: Vec<Rule>,
    /// At most so many calls of the tools that match, such as `db.query=5`
    #[arg(long = "tool-budget", value_name = "TOOL=N", value_parser = tool_budget)]
    pub(crate) tool_budgets: Vec<(String, u32)>,
    /// At most so many tool calls for one answer
    #[arg(long, value_name = "N")]
    pub(crate) max_calls: Option<u32>,
    /// At most so many tokens for one answer, read and written together
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
    /// At most this time for one answer, such as `90s` or `5m`
    #[arg(long, value_name = "TIME", value_parser = measure::parse_time)]
    pub(crate) max_time: Option<Duration>,
    /// At most so many US dollars for one answer; needs --price or --prices
    #[arg(long, value_name = "DOLLARS", requires = "pricing")]
    pub(crate) max_cost: Option<f64>,
    /// What a million tokens cost in US dollars, read and written, such as `3/15`
    #[arg(long, value_name = "IN/OUT", value_parser = prices, group = "pricing")]
    pub(crate) price: Option<TokenPrices>,
    /// A table of what models cost, in TOML or JSON: patterns for models, each with `input` and
    /// `output` in US dollars for a million tokens
    #[arg(long, value_name = "FILE", value_parser = price_table, group = "pricing")]
    pub(crate) prices: Option<PriceTable>,
}

impl Terms {
    pub(crate) fn policy(&self, policy: Policy) -> Policy {
        self.rules.iter().cloned().fold(policy, Policy::rule)
    }

    pub(crate) fn budget(&self) -> Budget {
        let mut budget = Budget::default();
        for (tool, calls) in &self.tool_budgets {
            budget = budget.calls_of(tool, *calls);
        }
        budget.max_calls = self.max_calls;
        budget.max_tokens = self.max_tokens;
        budget.max_time = self.max_time;
        budget.max_cost = self.max_cost.map(Cost::dollars);
        budget.prices = self.price;
        budget
    }

    /// A limit of money holds only where the price is known.
    pub(crate) fn check_price(&self, agent: &Agent) -> Result<(), Report> {
        if self.max_cost.is_none() || agent.prices().is_some() {
            return Ok(());
        }
        let model = &agent.model().id().model;
        Err(Report::new(ErrorCode::Usage, format!("the price of `{model}` is not known"))
            .help(format!("add `{model}` to the table of --prices, or give --price")))
    }
}

fn price_table(path: &str) -> Result<PriceTable, String> {
    PriceTable::read(path.as_ref()).map_err(|error| match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

fn tool_budget(text: &str) -> Result<(String, u32), String> {
    let (tool, calls) = text.rsplit_once('=').ok_or("write TOOL=N, such as db.query=5")?;
    let calls = calls.parse().map_err(|_| format!("`{calls}` is no number of calls"))?;
    Ok((tool.to_owned(), calls))
}

fn prices(text: &str) -> Result<TokenPrices, String> {
    let price = |text: &str| text.parse::<f64>().ok().filter(|price| *price >= 0.0);
    text.split_once('/')
        .and_then(|(input, output)| Some(TokenPrices::new(price(input)?, price(output)?)))
        .ok_or_else(|| "write IN/OUT, such as 3/15".to_owned())
}
