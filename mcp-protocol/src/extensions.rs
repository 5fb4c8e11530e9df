//! Optional parts of the protocol that both sides must name before they are used.

use serde::{Deserialize, Serialize};

use crate::{meta::is_prefixed_key, object::Object, raw::RawJson};

/// Long-running requests as tasks; see [`tasks`](crate::tasks).
pub const TASKS: &str = "io.modelcontextprotocol/tasks";
/// Pages that a tool shows in the client.
pub const UI: &str = "io.modelcontextprotocol/ui";
/// Instructions with files, served as resources; see [`skills`](crate::skills).
pub const SKILLS: &str = "io.modelcontextprotocol/skills";
/// OAuth for programs without a person.
pub const OAUTH_CLIENT_CREDENTIALS: &str = "io.modelcontextprotocol/oauth-client-credentials";
/// OAuth under the control of an organisation's identity provider.
pub const ENTERPRISE_MANAGED_AUTHORIZATION: &str =
    "io.modelcontextprotocol/enterprise-managed-authorization";

/// Extensions by their ids, each with its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extensions(pub Object);

/// An extension id must be a prefix, a slash and a name, such as `com.example/search`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an extension id: expected a prefix and a name, such as `com.example/search`")]
pub struct InvalidExtensionId(pub String);

impl Extensions {
    /// Adds an extension without settings.
    ///
    /// # Errors
    /// The id is not of the form `prefix/name`.
    pub fn enable(&mut self, id: &str) -> Result<(), InvalidExtensionId> {
        self.enable_with(id, serde_json::Value::Object(serde_json::Map::new()))
    }

    /// Adds an extension with its settings, a JSON object.
    ///
    /// # Errors
    /// The id is not of the form `prefix/name`.
    pub fn enable_with(
        &mut self,
        id: &str,
        settings: impl Into<RawJson>,
    ) -> Result<(), InvalidExtensionId> {
        if !is_prefixed_key(id) {
            return Err(InvalidExtensionId(id.to_owned()));
        }
        self.0.insert(id, settings);
        Ok(())
    }

    /// The settings of an extension, if it is enabled.
    pub fn settings(&self, id: &str) -> Option<&RawJson> {
        self.0.get(id)
    }

    /// Whether an extension is enabled.
    pub fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: extension-ids
    #[test]
    fn ids_need_a_prefix() {
        let mut extensions = Extensions::default();
        extensions.enable(TASKS).unwrap();
        extensions.enable_with("com.example/x", serde_json::json!({"a": 1})).unwrap();
        for bad in ["tasks", "/x", "com.example/", "9a/x", "a..b/x", "a/b/c"] {
            assert!(extensions.enable(bad).is_err(), "{bad}");
        }
        let text = serde_json::to_string(&extensions).unwrap();
        assert_eq!(text, r#"{"io.modelcontextprotocol/tasks":{},"com.example/x":{"a":1}}"#);
    }
}
