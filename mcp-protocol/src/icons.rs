//! Pictures that stand for servers, tools, prompts and resources.

use serde::{Deserialize, Serialize};

use crate::{open_enum::open_enum, tolerant::one_or_many};

/// One picture. Untrusted: show only `https:` and `data:` sources, fetched without credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Icon {
    /// A URL or a `data:` URI.
    pub src: String,
    /// Overrides the type that the source claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Such as `48x48` or `any`; none means any size.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<String>,
    /// The background that it is made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<IconTheme>,
}

open_enum! {
    /// A background.
    pub enum IconTheme {
        /// Light.
        Light = "light",
        /// Dark.
        Dark = "dark",
    }
}

impl Icon {
    /// An icon by its address.
    pub fn new(src: impl Into<String>) -> Self {
        Self { src: src.into(), ..Self::default() }
    }

    /// Whether the source has a scheme that a client may show at all: `https:` or `data:`.
    pub fn has_safe_scheme(&self) -> bool {
        let scheme = self.src.split_once(':').map_or("", |(scheme, _)| scheme);
        scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_size_or_many() {
        for (wire, sizes) in [
            (r#"{"src":"data:x","sizes":["48x48","any"]}"#, 2),
            (r#"{"src":"data:x","sizes":"any"}"#, 1),
            (r#"{"src":"data:x","sizes":null}"#, 0),
            (r#"{"src":"data:x"}"#, 0),
        ] {
            assert_eq!(serde_json::from_str::<Icon>(wire).unwrap().sizes.len(), sizes, "{wire}");
        }
    }

    // covers: icons
    #[test]
    fn refuses_schemes_that_run_or_leak() {
        for (src, safe) in [
            ("https://example.com/a.png", true),
            ("DATA:image/png;base64,AA==", true),
            ("http://example.com/a.png", false),
            ("javascript:alert(1)", false),
            ("file:///etc/passwd", false),
            ("a.png", false),
        ] {
            assert_eq!(Icon::new(src).has_safe_scheme(), safe, "{src}");
        }
    }
}
