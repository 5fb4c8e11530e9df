//! HTTP through a server.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::{
    ResourceError, TypedResource, Verb,
    typed::{shaped, values},
};

impl TypedResource {
    /// Gets a URL, or a path below the profile's `base_url`, with a query. The query serializes to
    /// an object of plain values; `()` is none. An answer that is JSON is read as JSON, any other
    /// as a string.
    ///
    /// A path stays below the base: what would lead out of it (`..`, another host) is refused.
    ///
    /// # Errors
    /// The URL or the query cannot be written, the call failed, or the answer does not read as
    /// `T`.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn http_get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: impl Serialize + Send,
    ) -> Result<T, ResourceError> {
        let verb = Verb::HttpGet;
        let refused =
            |name, reason: &str| ResourceError::Argument { verb, name, reason: reason.to_owned() };
        let mut url = self.address(path).map_err(|reason| refused("path", reason))?;
        let query = match serde_json::to_value(query) {
            Ok(Value::Object(query)) => query,
            Ok(Value::Null) => serde_json::Map::new(),
            Ok(_) => return Err(refused("query", "it is no object")),
            Err(error) => return Err(refused("query", &error.to_string())),
        };
        for (name, value) in &query {
            let mut pairs = url.query_pairs_mut();
            match value {
                Value::Null => {}
                Value::String(text) => {
                    pairs.append_pair(name, text);
                }
                Value::Bool(_) | Value::Number(_) => {
                    pairs.append_pair(name, &value.to_string());
                }
                _ => return Err(refused("query", "its values must be plain")),
            }
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        let values = values([
            ("url", url.as_str().into()),
            ("path", path.into()),
            ("query", Value::Object(query)),
        ]);
        let (found, step) = self.find(verb, &values).await?;
        found.into_type().map_err(|source| shaped(verb, step, source))
    }

    fn address(&self, path: &str) -> Result<Url, &'static str> {
        let Some(base) = &self.profile.base_url else {
            return Url::parse(path).map_err(|_| "it is no URL, and the profile has no base URL");
        };
        let mut base = Url::parse(base).map_err(|_| "the profile's base URL is none")?;
        if !base.path().ends_with('/') {
            let folder = format!("{}/", base.path());
            base.set_path(&folder);
        }
        // Relative to the base's path, whether it begins with a slash or not.
        let url = base
            .join(&format!("./{}", path.trim_start_matches('/')))
            .map_err(|_| "it is no path")?;
        let is_below = url.origin() == base.origin() && url.path().starts_with(base.path());
        if is_below { Ok(url) } else { Err("it leads out of the profile's base URL") }
    }
}
