//! Names of tools as a provider takes them, where it does not take ours.

use std::collections::{HashMap, HashSet};

use super::{ModelEvent, ModelRequest, Part, ToolChoice};
use crate::toolbox::names;

/// Which names of tools a provider takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameRule {
    /// 1 to 64 of `A-Z a-z 0-9 _ -`.
    Plain,
    /// The same, and the first is no digit and no dash.
    LetterFirst,
}

impl NameRule {
    /// Whether a provider with this rule takes the name.
    pub fn takes(self, name: &str) -> bool {
        let first = name.bytes().next();
        names::fits(name)
            && (self == Self::Plain
                || first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_'))
    }
}

/// Names that had to be changed for a provider, both ways.
#[derive(Debug, Default)]
pub(super) struct WireNames {
    to_ours: HashMap<String, String>,
    to_theirs: HashMap<String, String>,
}

impl WireNames {
    /// `None` when all names can be sent as they are, which is the rule.
    pub(super) fn of(request: &ModelRequest, rule: NameRule) -> Option<Self> {
        let called = request.messages.iter().flat_map(|message| &message.parts).filter_map(name_of);
        let offered = request.tools.iter().map(|tool| tool.name.as_str());
        let all: Vec<&str> = offered.chain(called).collect();
        if all.iter().all(|name| rule.takes(name)) {
            return None;
        }
        let mut names = Self::default();
        let mut taken: HashSet<String> =
            all.iter().filter(|name| rule.takes(name)).map(|&name| name.to_owned()).collect();
        for name in all {
            if rule.takes(name) || names.to_theirs.contains_key(name) {
                continue;
            }
            let wanted = match rule {
                NameRule::LetterFirst => format!("_{name}"),
                NameRule::Plain => name.to_owned(),
            };
            let theirs = names::distinct(&wanted, "wire", &taken);
            taken.insert(theirs.clone());
            names.to_ours.insert(theirs.clone(), name.to_owned());
            names.to_theirs.insert(name.to_owned(), theirs);
        }
        Some(names)
    }

    /// The request in the provider's names.
    pub(super) fn translate(&self, request: &ModelRequest) -> ModelRequest {
        let mut request = request.clone();
        let rename = |name: &mut String| {
            if let Some(theirs) = self.to_theirs.get(name) {
                name.clone_from(theirs);
            }
        };
        let mut tools = request.tools.to_vec();
        for tool in &mut tools {
            rename(&mut tool.name);
        }
        request.tools = tools.into();
        if let ToolChoice::Named(name) = &mut request.tool_choice {
            rename(name);
        }
        for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
            match part {
                Part::ToolCall(call) => rename(&mut call.name),
                Part::ToolResult(result) => rename(&mut result.name),
                _ => {}
            }
        }
        request
    }

    /// The event in our names.
    pub(super) fn translate_back(&self, event: &mut ModelEvent) {
        if let ModelEvent::ToolCallStarted { name, .. } = event
            && let Some(ours) = self.to_ours.get(name)
        {
            name.clone_from(ours);
        }
    }
}

fn name_of(part: &Part) -> Option<&str> {
    match part {
        Part::ToolCall(call) => Some(&call.name),
        Part::ToolResult(result) => Some(&result.name),
        _ => None,
    }
}
