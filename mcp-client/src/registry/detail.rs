//! What a registry says about a server, in the words of its API.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

/// An entry of the registry: the server, and what the registry adds.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Listed {
    /// The server.
    pub server: ServerDetail,
    /// What registries say about it, by the name of the registry.
    #[serde(rename = "_meta", default)]
    pub meta: serde_json::Map<String, serde_json::Value>,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// In use.
    Active,
    /// Something else should be used.
    Deprecated,
    /// Gone.
    Deleted,
}

impl Listed {
    fn official(&self, key: &str) -> Option<&serde_json::Value> {
        self.meta.get("io.modelcontextprotocol.registry/official")?.get(key)
    }

    /// What becomes of it; a registry that does not say so lists what is in use.
    pub fn status(&self) -> Status {
        match self.official("status").and_then(|status| status.as_str()) {
            Some("deprecated") => Status::Deprecated,
            Some("deleted") => Status::Deleted,
            _ => Status::Active,
        }
    }

    /// Why it is no longer in use.
    pub fn status_message(&self) -> Option<&str> {
        self.official("statusMessage")?.as_str()
    }

    /// When this version was published, as RFC 3339 writes times.
    pub fn published_at(&self) -> Option<&str> {
        self.official("publishedAt")?.as_str()
    }

    /// Whether there is no later version.
    pub fn is_latest(&self) -> Option<bool> {
        self.official("isLatest")?.as_bool()
    }
}

/// A server as its publisher describes it: a `server.json`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerDetail {
    /// Namespace and name: `io.github.user/weather`.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// A name for display.
    #[serde(default)]
    pub title: Option<String>,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Its page.
    #[serde(default)]
    pub website_url: Option<String>,
    /// Where its source is.
    #[serde(default)]
    pub repository: Option<Repository>,
    /// The packages to start it from. Those that cannot be read are left out.
    #[serde(default, deserialize_with = "readable")]
    pub packages: Vec<Package>,
    /// The URLs to reach it at. Those that cannot be read are left out.
    #[serde(default, deserialize_with = "readable")]
    pub remotes: Vec<Remote>,
}

/// Where the source of a server is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Repository {
    /// Its page.
    pub url: String,
    /// Who hosts it: `github`.
    #[serde(default)]
    pub source: String,
}

/// A package that holds a server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Package {
    /// Where packages of this kind come from: `npm`, `pypi`, `oci`, `nuget`, `mcpb` and others.
    pub registry_type: String,
    /// The package registry, if it is not the usual one.
    #[serde(default)]
    pub registry_base_url: Option<String>,
    /// The name, or the URL of a file.
    pub identifier: String,
    /// The version.
    #[serde(default)]
    pub version: Option<String>,
    /// The digest of the file, in hexadecimal digits.
    #[serde(default)]
    pub file_sha256: Option<String>,
    /// What to run it with: `npx`, `uvx`, `docker`, `dnx`.
    #[serde(default)]
    pub runtime_hint: Option<String>,
    /// What the server speaks once it runs.
    #[serde(default)]
    pub transport: Wire,
    /// Arguments of what runs it.
    #[serde(default)]
    pub runtime_arguments: Vec<Argument>,
    /// Arguments of the server itself.
    #[serde(default)]
    pub package_arguments: Vec<Argument>,
    /// Variables of its environment.
    #[serde(default)]
    pub environment_variables: Vec<Input>,
}

/// What a server of a package speaks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Wire {
    /// Lines over its standard streams.
    #[default]
    Stdio,
    /// Streamable HTTP.
    StreamableHttp {
        /// Where it listens.
        url: String,
    },
    /// HTTP+SSE of 2024-11-05.
    Sse {
        /// Where it listens.
        url: String,
    },
}

/// A URL at which a server is reached.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Remote {
    /// `streamable-http` or `sse`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The URL, with `{names}` of variables.
    pub url: String,
    /// The variables of the URL.
    #[serde(default)]
    pub variables: BTreeMap<String, Input>,
    /// Sent with every request.
    #[serde(default)]
    pub headers: Vec<Input>,
}

/// An argument of a command line.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Argument {
    /// A word of its own.
    #[serde(rename_all = "camelCase")]
    Positional {
        /// What to call it; no part of the command line.
        #[serde(default)]
        value_hint: Option<String>,
        /// Whether there may be several.
        #[serde(default)]
        is_repeated: bool,
        /// Its value.
        #[serde(flatten)]
        input: Input,
    },
    /// A word that names another: `--port 8080`.
    #[serde(rename_all = "camelCase")]
    Named {
        /// Whether there may be several.
        #[serde(default)]
        is_repeated: bool,
        /// Its name, with dashes, and its value.
        #[serde(flatten)]
        input: Input,
    },
}

/// A value that is fixed, has a default, or is to be asked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Input {
    /// The header, variable or option that it is the value of.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether the server does not work without.
    #[serde(default)]
    pub is_required: bool,
    /// Whether nobody may see it.
    #[serde(default)]
    pub is_secret: bool,
    /// `string`, `number`, `boolean` or `filepath`.
    #[serde(default)]
    pub format: Option<String>,
    /// The value, with `{names}` of variables. It is not for the user to choose.
    #[serde(default)]
    pub value: Option<String>,
    /// The value when nobody says another.
    #[serde(default)]
    pub default: Option<String>,
    /// What a value may look like.
    #[serde(default)]
    pub placeholder: Option<String>,
    /// The only possible values.
    #[serde(default)]
    pub choices: Vec<String>,
    /// The variables of the value.
    #[serde(default)]
    pub variables: BTreeMap<String, Self>,
}

/// One that cannot be read hides no other; `null` is an empty list.
fn readable<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let all = Option::<Vec<serde_json::Value>>::deserialize(deserializer)?;
    let read = |value| serde_json::from_value(value).ok();
    Ok(all.unwrap_or_default().into_iter().filter_map(read).collect())
}
