//! Folders that a client is willing to let a server work in. Advice, not a fence.

use serde::{Deserialize, Serialize};

use crate::{
    meta::Meta,
    method::{Method, Notification},
    notifications::NotificationParams,
};

/// `roots/list`, from server to client.
#[derive(Debug)]
pub enum ListRoots {}

impl Method for ListRoots {
    const NAME: &'static str = "roots/list";
    type Params = ListRootsParams;
    type Output = ListRootsResult;
}

/// Nothing but what stands beside the parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRootsParams {
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// The folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRootsResult {
    /// The folders and files.
    pub roots: Vec<Root>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl ListRootsResult {
    /// Some folders.
    pub fn new(roots: Vec<Root>) -> Self {
        Self { roots, meta: None }
    }
}

/// One folder or file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// A `file://` URI.
    pub uri: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Entries beside the description.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl Root {
    /// A folder or file by its `file://` URI.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), ..Self::default() }
    }

    /// Names it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// `notifications/roots/list_changed`, from client to server (up to 2025-11-25).
#[derive(Debug)]
pub enum RootsListChanged {}

impl Notification for RootsListChanged {
    const NAME: &'static str = "notifications/roots/list_changed";
    type Params = NotificationParams;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_folders() {
        let list = ListRootsResult::new(vec![Root::new("file:///srv/a").name("a")]);
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(text, r#"{"roots":[{"uri":"file:///srv/a","name":"a"}]}"#);
        assert_eq!(serde_json::from_str::<ListRootsResult>(&text).unwrap(), list);
    }
}
