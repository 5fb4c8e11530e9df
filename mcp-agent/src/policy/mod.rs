//! Which calls run, which a person is asked about, and which never run.
//!
//! A [`Policy`] is data: rules that a person wrote, and what happens to calls that no rule matches.
//! What a server says about its own tools can only make a policy stricter, unless the server is
//! trusted. [`Grants`] remember what a person allowed for longer than once; each holds for one
//! exact definition of a tool, so that a tool which changes is asked about again.

mod approval;
mod grants;
mod rule;

use mcp_client::config::ToolApproval;
use serde::{Deserialize, Serialize};

pub use self::{
    approval::{ApprovalRequest, Decision, Remember},
    grants::{Grants, definition_hash},
    rule::{ArgumentPattern, Effect, Rule, RuleError},
};
use crate::{
    glob::matches,
    toolbox::{PreparedCall, ToolFacts},
};

/// Which calls run.
///
/// Of the rules that match a call the strictest counts, so their order does not: deny, then ask,
/// then allow. Where no rule matches, a tool that the configuration of its server approves
/// (`autoApprove`, `alwaysAllow`, `trust`) runs.
///
/// ```
/// use mcp_agent::{policy::{Effect, Policy}, toolbox::{PreparedCall, ToolFacts}};
///
/// let policy = Policy::asking()
///     .rule("allow fs.read_*".parse()?)
///     .rule("deny fs.*(path=/etc/*)".parse()?);
/// let facts = ToolFacts::of_server("fs", "read_file");
/// let call = |path: &str| {
///     let arguments = [("path".to_owned(), path.into())].into_iter().collect();
///     PreparedCall::new("1", "mcp__fs__read_file", arguments)
/// };
/// assert_eq!(policy.judge(&call("notes.txt"), &facts).effect, Effect::Allow);
/// assert_eq!(policy.judge(&call("/etc/shadow"), &facts).effect, Effect::Deny);
/// # Ok::<(), mcp_agent::policy::RuleError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Policy {
    /// What a person laid down.
    pub rules: Vec<Rule>,
    /// For calls that no rule matches.
    pub otherwise: Otherwise,
    /// Servers, by pattern, whose word about their own tools is believed.
    pub trusted_servers: Vec<String>,
}

/// What happens to calls that no rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Otherwise {
    /// They run.
    #[default]
    Allow,
    /// Those that only read, at trusted servers, run; a person is asked about the others.
    Ask,
    /// Those that only read, at trusted servers, run; the others do not.
    Deny,
}

/// What a policy says of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether it runs.
    pub effect: Effect,
    /// Why, for people.
    pub why: String,
}

impl Policy {
    /// Everything runs that no rule forbids.
    pub fn allowing() -> Self {
        Self::default()
    }

    /// A person is asked unless a rule, or a trusted server, says that there is no need.
    pub fn asking() -> Self {
        Self { otherwise: Otherwise::Ask, ..Self::default() }
    }

    /// Nothing runs but what a rule allows, and what only reads at a trusted server.
    pub fn denying() -> Self {
        Self { otherwise: Otherwise::Deny, ..Self::default() }
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Believes what the servers that match this pattern say about their tools.
    #[must_use]
    pub fn trust(mut self, servers: impl Into<String>) -> Self {
        self.trusted_servers.push(servers.into());
        self
    }

    /// Judges a call.
    pub fn judge(&self, call: &PreparedCall, facts: &ToolFacts) -> Verdict {
        let matching = self.rules.iter().filter(|rule| rule.matches(call, facts));
        if let Some(rule) = matching.max_by_key(|rule| rule.effect) {
            let named = rule.names_one_tool();
            if rule.effect == Effect::Allow && !named && says_it_destroys(facts) {
                let why = "the tool says that it destroys, and no rule names it".to_owned();
                return Verdict { effect: Effect::Ask, why };
            }
            return Verdict { effect: rule.effect, why: format!("by the rule `{rule}`") };
        }
        if let Some(why) = approval_of(facts) {
            return Verdict { effect: Effect::Allow, why: why.to_owned() };
        }
        let effect = match self.otherwise {
            Otherwise::Allow => Effect::Allow,
            Otherwise::Ask | Otherwise::Deny if self.is_known_to_read(facts) => Effect::Allow,
            Otherwise::Ask => Effect::Ask,
            Otherwise::Deny => Effect::Deny,
        };
        let why =
            if effect == Effect::Deny { "as no rule allows it" } else { "no rule is about it" };
        Verdict { effect, why: why.to_owned() }
    }

    fn is_known_to_read(&self, facts: &ToolFacts) -> bool {
        let Some(server) = &facts.server else { return facts.annotations.is_read_only() };
        facts.annotations.is_read_only()
            && self.trusted_servers.iter().any(|pattern| matches(pattern, server))
    }
}

/// Why the configuration lets a tool run. What is approved in general is not, if it destroys.
fn approval_of(facts: &ToolFacts) -> Option<&'static str> {
    match facts.approved {
        ToolApproval::Named => Some("the configuration of its server approves it by name"),
        ToolApproval::General if !says_it_destroys(facts) => {
            Some("the configuration of its server approves it")
        }
        _ => None,
    }
}

/// Whether the tool says so itself, which is more than not denying it.
fn says_it_destroys(facts: &ToolFacts) -> bool {
    facts.annotations.destructive_hint == Some(true) && !facts.annotations.is_read_only()
}

#[cfg(test)]
mod tests;
