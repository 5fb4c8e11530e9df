//! Lists that come in pages.

use serde::{Deserialize, Serialize};

use crate::meta::Meta;

/// A place in a list, opaque to everybody but its server. The empty string is a place like any
/// other; only the absence of a cursor ends a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

impl From<&str> for Cursor {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Cursor {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The parameters of every list method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaginatedParams {
    /// Where to go on; `None` starts at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl PaginatedParams {
    /// Goes on at a place.
    pub fn after(cursor: Cursor) -> Self {
        Self { cursor: Some(cursor), meta: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: cursors
    #[test]
    fn an_empty_cursor_is_a_cursor() {
        let params: PaginatedParams = serde_json::from_str(r#"{"cursor":""}"#).unwrap();
        assert_eq!(params, PaginatedParams::after("".into()));
        assert_eq!(serde_json::to_string(&params).unwrap(), r#"{"cursor":""}"#);
        assert_eq!(serde_json::to_string(&PaginatedParams::default()).unwrap(), "{}");
    }
}
