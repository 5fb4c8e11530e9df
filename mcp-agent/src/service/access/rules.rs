//! Which servers and tools are there for somebody.

use mcp_client::config::glob_matches;
use serde::{Deserialize, Serialize};

/// Patterns of servers and tools. What is denied is denied, whatever else allows it; without a
/// pattern that allows something, everything else is allowed.
///
/// A pattern is `SERVER` or `SERVER/TOOL`, in each of which `*` is any text and `?` any character.
/// Resources and prompts belong to whole servers: patterns of single tools say nothing of them,
/// except that who is allowed single tools only has none of them.
///
/// ```
/// use mcp_agent::service::AccessRules;
///
/// let rules = AccessRules::default().allow("notes").allow("git/log*").deny("notes/delete_*");
/// assert!(rules.may_call("notes", "search") && rules.may_call("git", "log_all"));
/// assert!(!rules.may_call("notes", "delete_all") && !rules.may_call("git", "push"));
/// assert!(rules.may_use("notes") && !rules.may_use("git"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRules {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) allow: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) deny: Vec<String>,
}

/// What rules say of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling<'a> {
    /// Whether it is there.
    pub allowed: bool,
    /// The pattern that decided; `None` when none matched.
    pub pattern: Option<&'a str>,
}

impl AccessRules {
    /// Also allows this.
    #[must_use]
    pub fn allow(mut self, pattern: impl Into<String>) -> Self {
        self.allow.push(pattern.into());
        self
    }

    /// Denies this.
    #[must_use]
    pub fn deny(mut self, pattern: impl Into<String>) -> Self {
        self.deny.push(pattern.into());
        self
    }

    /// Whether everything is allowed.
    pub fn is_unlimited(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// What is said of a tool, and by which pattern.
    pub fn ruling(&self, server: &str, tool: &str) -> Ruling<'_> {
        let find = |patterns: &'_ [String]| {
            patterns.iter().position(|pattern| {
                let (servers, tools) = parts(pattern);
                glob_matches(servers, server) && glob_matches(tools, tool)
            })
        };
        if let Some(at) = find(&self.deny) {
            return Ruling { allowed: false, pattern: Some(&self.deny[at]) };
        }
        let found = find(&self.allow).map(|at| &*self.allow[at]);
        Ruling { allowed: found.is_some() || self.allow.is_empty(), pattern: found }
    }

    /// Whether a tool may be called.
    pub fn may_call(&self, server: &str, tool: &str) -> bool {
        self.ruling(server, tool).allowed
    }

    /// Whether a server's resources and prompts are there.
    pub fn may_use(&self, server: &str) -> bool {
        let is_whole = |pattern: &String| {
            let (servers, tools) = parts(pattern);
            tools == "*" && glob_matches(servers, server)
        };
        !self.deny.iter().any(is_whole)
            && (self.allow.is_empty() || self.allow.iter().any(is_whole))
    }

    /// Whether a server is there with all of its tools, whatever it calls them.
    pub fn sees_all(&self, server: &str) -> bool {
        let of_server = |pattern: &String| glob_matches(parts(pattern).0, server);
        self.may_use(server) && !self.deny.iter().any(of_server)
    }

    /// Whether a server is there, though perhaps not with all of its tools.
    pub fn sees(&self, server: &str) -> bool {
        let of_server = |pattern: &String| glob_matches(parts(pattern).0, server);
        let denied = self.deny.iter().any(|pattern| parts(pattern).1 == "*" && of_server(pattern));
        !denied && (self.allow.is_empty() || self.allow.iter().any(of_server))
    }

    /// What either allows, less what either denies.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        if self.allow.is_empty() || other.allow.is_empty() {
            self.allow.clear();
        } else {
            self.allow.extend(other.allow.iter().cloned());
        }
        self.deny.extend(other.deny.iter().cloned());
        self
    }
}

/// The patterns of the server and of its tools.
fn parts(pattern: &str) -> (&str, &str) {
    pattern.split_once('/').unwrap_or((pattern, "*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        let notes = AccessRules::default().allow("notes/*");
        let single = AccessRules::default().allow("notes/search");
        let less = AccessRules::default().deny("notes/delete_*").deny("admin*");
        for (rules, server, tool, may_call, may_use, sees) in [
            (&AccessRules::default(), "any", "tool", true, true, true),
            (&notes, "notes", "search", true, true, true),
            (&notes, "git", "log", false, false, false),
            (&single, "notes", "search", true, false, true),
            (&single, "notes", "open", false, false, true),
            (&less, "notes", "search", true, true, true),
            (&less, "notes", "delete_all", false, true, true),
            (&less, "admin2", "x", false, false, false),
        ] {
            assert_eq!(rules.may_call(server, tool), may_call, "{rules:?} {server}/{tool}");
            assert_eq!(rules.may_use(server), may_use, "{rules:?} {server}");
            assert_eq!(rules.sees(server), sees, "{rules:?} {server}");
            assert!(!rules.sees_all(server) || (may_call && may_use && sees), "{rules:?}");
        }
    }

    #[test]
    fn all_of_a_server_is_seen_where_no_tool_is_hidden() {
        let (rules, server) = (AccessRules::default(), "notes");
        for (rules, sees_all) in [
            (rules.clone(), true),
            (rules.clone().allow("notes"), true),
            (rules.clone().allow("no*/*").deny("git/push"), true),
            (rules.clone().allow("notes/search"), false),
            (rules.clone().deny("notes/delete_*"), false),
            (rules.clone().allow("git"), false),
            (rules.deny("notes"), false),
        ] {
            assert_eq!(rules.sees_all(server), sees_all, "{rules:?}");
        }
    }

    #[test]
    fn a_denial_wins_and_says_which_it_was() {
        let rules = AccessRules::default().allow("notes").deny("*/delete_*");
        let ruling = rules.ruling("notes", "delete_all");
        assert_eq!(ruling, Ruling { allowed: false, pattern: Some("*/delete_*") });
        assert_eq!(rules.ruling("notes", "x"), Ruling { allowed: true, pattern: Some("notes") });
        assert_eq!(rules.ruling("git", "x"), Ruling { allowed: false, pattern: None });
        let both = rules.or(&AccessRules::default().allow("git"));
        assert!(both.may_call("git", "log") && !both.may_call("git", "delete_it"));
        assert!(both.or(&AccessRules::default()).may_call("other", "x"));
    }
}
