//! One rule about calls, and how people write it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{
    glob::matches,
    toolbox::{PreparedCall, ToolFacts},
};

/// What a rule does, from lax to strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Effect {
    /// The call runs.
    Allow,
    /// A person is asked.
    Ask,
    /// The call does not run; the model is told.
    Deny,
}

/// A rule about calls, written `EFFECT TOOL` or `EFFECT TOOL(ARGUMENT=PATTERN, …)`.
///
/// The tool is a pattern for `server.tool`, or for the name that the model uses. An argument is
/// named as in the tool's schema, or by a JSON Pointer; its pattern is held against a string as it
/// is, and against other values as JSON. A rule with argument patterns matches only a call that
/// has all of these arguments. In patterns, `*` is any text, `/` included: a pattern for paths
/// does not understand `..`.
///
/// ```
/// # use mcp_agent::policy::{Effect, Rule};
/// let rule: Rule = "ask git.push(branch=main)".parse()?;
/// assert_eq!(rule.effect, Effect::Ask);
/// assert_eq!(rule.to_string(), "ask git.push(branch=main)");
/// # Ok::<(), mcp_agent::policy::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// What it does.
    pub effect: Effect,
    /// A pattern for `server.tool`, or for the name that the model uses.
    pub tool: String,
    /// All of these must match.
    pub arguments: Vec<ArgumentPattern>,
}

/// A condition on one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArgumentPattern {
    /// As in the tool's schema, or a JSON Pointer.
    pub name: String,
    /// What the value must look like.
    pub pattern: String,
}

/// The text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The first word is none of the effects.
    #[error("`{text}` is no rule: it must begin with allow, ask or deny")]
    Effect {
        /// The whole text.
        text: String,
    },
    /// No tool is named.
    #[error("`{text}` names no tool; write `*` for all")]
    Tool {
        /// The whole text.
        text: String,
    },
    /// What is in parentheses are no conditions.
    #[error("`{text}`: write conditions as `(argument=pattern, …)` at the end")]
    Arguments {
        /// The whole text.
        text: String,
    },
}

impl Effect {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Allow, "allow"), (Self::Ask, "ask"), (Self::Deny, "deny")];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(effect, _)| *effect == self).map_or("ask", |(_, word)| word)
    }
}

impl Rule {
    /// A rule about the tools that match a pattern, whatever their arguments.
    pub fn new(effect: Effect, tool: impl Into<String>) -> Self {
        Self { effect, tool: tool.into(), arguments: Vec::new() }
    }

    /// Whether the rule is about this call.
    pub fn matches(&self, call: &PreparedCall, facts: &ToolFacts) -> bool {
        let by_name = matches(&self.tool, &facts.full_name()) || matches(&self.tool, &call.name);
        by_name && self.arguments.iter().all(|condition| condition.holds(call))
    }

    /// Whether its author meant one tool, and not whatever matches a pattern.
    pub(super) fn names_one_tool(&self) -> bool {
        !self.tool.contains(['*', '?'])
    }
}

impl ArgumentPattern {
    fn holds(&self, call: &PreparedCall) -> bool {
        let value = if self.name.starts_with('/') {
            let mut steps = self.name[1..].splitn(2, '/');
            let first = steps.next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
            let inner = call.arguments.get(&first);
            match steps.next() {
                Some(rest) => inner.and_then(|value| value.pointer(&format!("/{rest}"))),
                None => inner,
            }
        } else {
            call.arguments.get(&self.name)
        };
        match value {
            Some(Value::String(text)) => matches(&self.pattern, text),
            Some(other) => matches(&self.pattern, &other.to_string()),
            None => false,
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let text = text.trim();
        let owned = || text.to_owned();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let (effect, _) = Effect::ALL
            .into_iter()
            .find(|(_, name)| *name == word)
            .ok_or_else(|| RuleError::Effect { text: owned() })?;
        let (tool, conditions) = match rest.trim().split_once('(') {
            None => (rest.trim(), ""),
            Some((tool, conditions)) => {
                let conditions = conditions.strip_suffix(')');
                (tool.trim(), conditions.ok_or_else(|| RuleError::Arguments { text: owned() })?)
            }
        };
        if tool.is_empty() {
            return Err(RuleError::Tool { text: owned() });
        }
        let conditions = conditions.split(',').map(str::trim).filter(|text| !text.is_empty());
        let arguments = conditions.map(|condition| {
            let (name, pattern) =
                condition.split_once('=').ok_or_else(|| RuleError::Arguments { text: owned() })?;
            Ok(ArgumentPattern { name: name.trim().to_owned(), pattern: pattern.trim().to_owned() })
        });
        Ok(Self { effect, tool: tool.to_owned(), arguments: arguments.collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.effect.word(), self.tool)?;
        for (place, ArgumentPattern { name, pattern }) in self.arguments.iter().enumerate() {
            write!(f, "{}{name}={pattern}", if place == 0 { "(" } else { ", " })?;
        }
        if self.arguments.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
