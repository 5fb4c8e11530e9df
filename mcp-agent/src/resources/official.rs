//! Profiles for published servers. Each was tried against the version that is named.

use serde_json::json;

use super::{Profile, Shape, SqlDialect, Step, Verb};

impl Profile {
    /// `@modelcontextprotocol/server-postgres` (npm, 0.6.2): [`Verb::Execute`].
    ///
    /// The server takes the text of a statement and nothing else, in a transaction that only
    /// reads. So parameters become literals of PostgreSQL; see [`SqlDialect::bind`].
    pub fn postgres() -> Self {
        Self::new("postgres")
            .verb(Verb::Execute, Step::tool("query", json!({"sql": "{sql}"})).shape(Shape::Json))
            .sql_literals(SqlDialect::Postgresql)
    }

    /// `@modelcontextprotocol/server-redis` (npm, 2025.4.25): keys and values.
    ///
    /// The server tells a missing key in words, so a value that is just these words
    /// (`Key not found: ` and the key) counts as missing too. It has no tool that publishes.
    pub fn redis() -> Self {
        let value = json!({"key": "{key}", "value": "{value}", "expireSeconds": "{ttl_seconds}"});
        Self::new("redis")
            .verb(
                Verb::Get,
                Step::tool("get", json!({"key": "{key}"}))
                    .shape(Shape::Text)
                    .absent("Key not found: {key}"),
            )
            .verb(Verb::Set, Step::tool("set", value))
            .verb(Verb::Delete, Step::tool("delete", json!({"key": "{key}"})))
            .verb(
                Verb::Keys,
                Step::tool("list", json!({"pattern": "{pattern}"}))
                    .shape(Shape::Lines)
                    .after("Found keys:\n")
                    .absent("No keys found matching pattern"),
            )
    }

    /// `redis-mcp-server` (PyPI, 0.5.1), the server of Redis itself: keys, values and channels.
    ///
    /// The server tells faults and missing keys in words; a value that begins with these words
    /// counts as such. Its SDK reads a value that is JSON before the tool sees it: objects are
    /// written anew, with other spaces, and lists and `null` are refused
    /// ([`ResourceError::Failed`](super::ResourceError::Failed)).
    pub fn redis_mcp_server() -> Self {
        let value = json!({"key": "{key}", "value": "{value}", "expiration": "{ttl_seconds}"});
        let publish = json!({"channel": "{topic}", "message": "{message}"});
        Self::new("redis-mcp-server")
            .verb(
                Verb::Get,
                Step::tool("get", json!({"key": "{key}"}))
                    .shape(Shape::Text)
                    .absent("Key {key} does not exist")
                    .failed("Error retrieving key {key}: "),
            )
            .verb(Verb::Set, Step::tool("set", value).failed("Error setting key {key}: "))
            .verb(
                Verb::Delete,
                Step::tool("delete", json!({"key": "{key}"})).failed("Error deleting key {key}: "),
            )
            .verb(
                Verb::Keys,
                Step::tool("scan_all_keys", json!({"pattern": "{pattern}"}))
                    .shape(Shape::JsonAt("/result".to_owned()))
                    .failed("Error scanning all keys with pattern '{pattern}': "),
            )
            .verb(
                Verb::Publish,
                Step::tool("publish", publish)
                    .failed("Error publishing message to channel '{topic}': "),
            )
    }

    /// `@modelcontextprotocol/server-filesystem` (npm, 2026.8.31): files and folders. Paths are
    /// absolute, or relative to where the server was started.
    pub fn filesystem() -> Self {
        let path = json!({"path": "{path}"});
        let marks = Shape::MarkedLines { file: "[FILE] ".to_owned(), folder: "[DIR] ".to_owned() };
        Self::new("filesystem")
            .verb(Verb::Read, Step::tool("read_text_file", path.clone()).shape(Shape::Text))
            .verb(Verb::ReadBytes, Step::tool("read_media_file", path.clone()).shape(Shape::Bytes))
            .verb(Verb::List, Step::tool("list_directory", path.clone()).shape(marks))
            .verb(Verb::ListRecursive, Step::tool("directory_tree", path).shape(Shape::Tree))
            .verb(
                Verb::Write,
                Step::tool("write_file", json!({"path": "{path}", "content": "{content}"})),
            )
    }

    /// `@modelcontextprotocol/server-memory` (npm, 2026.8.31), a graph of entities: a key is an
    /// entity, its value the first of its observations; to publish is to add an observation to the
    /// topic.
    ///
    /// To set is to delete and to create, in two calls: who reads in between finds nothing.
    pub fn memory() -> Self {
        let entity = |name: &str, observations: serde_json::Value| json!({"entities": [{"name": name, "entityType": "value", "observations": observations}]});
        let delete = || Step::tool("delete_entities", json!({"entityNames": ["{key}"]}));
        Self::new("memory")
            .verb(
                Verb::Get,
                Step::tool("open_nodes", json!({"names": ["{key}"]}))
                    .shape(Shape::OptionAt("/entities/0/observations/0".to_owned())),
            )
            .verb(Verb::Set, delete())
            .verb(Verb::Set, Step::tool("create_entities", entity("{key}", json!(["{value}"]))))
            .verb(Verb::Delete, delete())
            .verb(Verb::Publish, Step::tool("create_entities", entity("{topic}", json!([]))))
            .verb(
                Verb::Publish,
                Step::tool(
                    "add_observations",
                    json!({"observations": [{"entityName": "{topic}", "contents": ["{message}"]}]}),
                ),
            )
    }

    /// `mcp-server-fetch` (PyPI, 2026.10.24): [`Verb::HttpGet`]. It asks the site's `robots.txt`
    /// first, gives at most 100,000 characters, and refuses private addresses unless it is started
    /// with `--allow-private-ips`.
    pub fn fetch() -> Self {
        let arguments = json!({"url": "{url}", "raw": true, "max_length": 100_000});
        Self::new("fetch").verb(
            Verb::HttpGet,
            Step::tool("fetch", arguments).shape(Shape::Text).after("Contents of {url}:\n"),
        )
    }

    /// All of these.
    pub fn official() -> Vec<Self> {
        vec![
            Self::postgres(),
            Self::redis(),
            Self::redis_mcp_server(),
            Self::filesystem(),
            Self::memory(),
            Self::fetch(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_can_work_and_are_data() {
        for profile in Profile::official() {
            assert_eq!(profile.check(), Ok(()), "{}", profile.name);
            let written = serde_json::to_string(&profile).unwrap();
            assert_eq!(serde_json::from_str::<Profile>(&written).unwrap(), profile);
        }
    }
}
