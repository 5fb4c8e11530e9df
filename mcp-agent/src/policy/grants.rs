//! What a person allowed for longer than once.

use std::{collections::BTreeMap, fmt::Write as _};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{model::ToolDefinition, toolbox::ToolFacts};

/// What a person allowed for longer than once. A grant is for one definition of a tool: when the
/// server changes the tool's description, schema or hints, the grant no longer holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants {
    /// The hash of the definition, by the name that the model uses.
    tools: BTreeMap<String, String>,
}

impl Grants {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a tool as it is defined now.
    pub fn grant(&mut self, tool: &ToolDefinition, facts: &ToolFacts) {
        self.tools.insert(tool.name.clone(), definition_hash(tool, facts));
    }

    /// Takes a grant back. Returns whether there was one.
    pub fn revoke(&mut self, tool: &str) -> bool {
        self.tools.remove(tool).is_some()
    }

    /// Whether a tool is allowed as it is defined now.
    pub fn holds(&self, tool: &ToolDefinition, facts: &ToolFacts) -> bool {
        // Only a tool with a grant is worth a hash.
        let granted = self.tools.get(&tool.name);
        granted.is_some_and(|hash| *hash == definition_hash(tool, facts))
    }

    /// The names of the tools, as the model uses them.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    /// Adds another's grants.
    pub fn merge(&mut self, other: &Self) {
        self.tools.extend(other.tools.iter().map(|(name, hash)| (name.clone(), hash.clone())));
    }
}

/// The SHA-256, in hexadecimal, of all that a tool's server says of it: what the model is shown,
/// where the tool lives, and its hints. The order of the schema's members does not matter.
pub fn definition_hash(tool: &ToolDefinition, facts: &ToolFacts) -> String {
    // A schema that is no JSON counts as it is written.
    let schema = tool.parameters.parse::<Value>();
    let schema = schema.map_or_else(|_| Value::from(tool.parameters.as_str()), in_order);
    let whole = Value::from(vec![
        Value::from(tool.name.as_str()),
        Value::from(tool.description.as_str()),
        schema,
        Value::from(facts.server.as_deref()),
        Value::from(facts.tool.as_str()),
        // Plain data always serializes.
        serde_json::to_value(&facts.annotations).map(in_order).unwrap_or_default(),
    ]);
    let hash = digest(&SHA256, whole.to_string().as_bytes());
    hash.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The same value with the members of all objects in the order of their names.
fn in_order(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<_, _> =
                object.into_iter().map(|(name, value)| (name, in_order(value))).collect();
            Value::Object(sorted.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(in_order).collect(),
        other => other,
    }
}
