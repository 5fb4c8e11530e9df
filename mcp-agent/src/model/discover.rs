//! Finding a model: what was asked for, else a provider whose key is at hand, else a server on
//! this machine, else the model that was set up for this purpose.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future;
use http::{Request, header::AUTHORIZATION};
use mcp_client::Secret;
use mcp_transport::http::{HttpClient, PlainLimits};
use serde::Deserialize;
use url::Url;

#[cfg(unix)]
use super::managed::{ManagedError, Manifest};
use super::{
    ChatModel, ModelError, ModelErrorKind,
    address::{base_url_of, below, invalid, is_loopback},
    failure,
    hosted::undelivered,
    openai_chat::OpenAiChat,
    provider::{ModelChoice, PROVIDERS, Provider},
};

/// How long a server on this machine may take to list its models.
const LOCAL_LIMIT: Duration = Duration::from_millis(300);
const MAX_LIST_BYTES: usize = 4 << 20;

/// Where servers listen that people run on their own machine.
const LOCAL: [(&str, u16); 5] = [
    ("llama.cpp", 8080),
    ("Ollama", 11434),
    ("LM Studio or mistral.rs", 1234),
    ("vLLM", 8000),
    ("SGLang", 30000),
];

/// What is asked for. Everything may be left out.
#[derive(Clone, Debug, Default)]
pub struct ModelWish {
    /// The address of a server, up to and without `/chat/completions`.
    pub base_url: Option<String>,
    /// The server's name for the model, or a provider and its name for the model, such as
    /// `anthropic:claude-sonnet-4-5`.
    pub model: Option<String>,
    /// The key for the server.
    pub key: Option<Secret>,
}

/// A model that was found.
#[derive(Debug)]
#[non_exhaustive]
pub enum Found {
    /// It answers now.
    Ready {
        /// The model.
        model: Box<dyn ChatModel>,
        /// Where it was found.
        place: Place,
    },
    /// It was set up on this machine and must be started.
    #[cfg(unix)]
    Managed(Manifest),
}

/// Where a model was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Where the wish says.
    Wish,
    /// A provider whose key, or address, is in the environment.
    Environment {
        /// The provider.
        provider: &'static str,
        /// The variable.
        variable: &'static str,
    },
    /// A server on this machine.
    Local {
        /// What usually listens there.
        server: &'static str,
        /// Its address.
        url: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wish => f.write_str("as asked for"),
            Self::Environment { provider, variable } => write!(f, "{provider} by {variable}"),
            Self::Local { server, url } => write!(f, "{url} ({server})"),
        }
    }
}

/// No model can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// There is none in any of the usual places.
    #[error("no language model was found; looked at {}", .looked_at.join(", "))]
    NoModel {
        /// The places.
        looked_at: Vec<String>,
    },
    /// The server that was asked for, or that the environment names, cannot be used.
    #[error("the model cannot be used")]
    Model(#[from] ModelError),
    /// The server has no model of this name.
    #[error("{url} has no model `{model}`; it has {}", .available.join(", "))]
    NoSuchModel {
        /// The server.
        url: String,
        /// As asked for.
        model: String,
        /// What it has.
        available: Vec<String>,
    },
    /// The provider wants a key, and none is at hand.
    #[error("{provider} wants a key; set {}", .variables.join(" or "))]
    NoKey {
        /// The provider.
        provider: &'static str,
        /// The variables that may hold it.
        variables: &'static [&'static str],
    },
    /// The description of the model that was set up cannot be used.
    #[cfg(unix)]
    #[error("the model of this machine cannot be used")]
    Managed(#[from] ManagedError),
}

/// Finds a model.
///
/// `environment` looks a variable up; nothing else of the environment is read. `managed` is the
/// folder of the model that was set up on this machine, see [`managed::folder`].
///
/// # Errors
/// There is none, or the one asked for cannot be used: what was asked for is never replaced by
/// something else.
///
/// # Cancel safety
/// Dropping the future ends the search.
///
/// [`managed::folder`]: super::managed::folder
pub async fn find(
    wish: &ModelWish,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
    managed: Option<&Path>,
    http: &Arc<HttpClient>,
) -> Result<Found, DiscoverError> {
    let variable = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
    if let Some(choice) = wish.model.as_deref().and_then(ModelChoice::parse) {
        return by_name(choice, wish, &variable, http);
    }
    if let Some(base_url) = &wish.base_url {
        let key = wish.key.clone().or_else(|| known_key(base_url, &variable));
        let model = at(base_url, wish.model.as_deref(), key, http).await?;
        return Ok(Found::Ready { model: Box::new(model), place: Place::Wish });
    }
    if let Some(found) = by_environment(wish, &variable, http).await? {
        return Ok(found);
    }
    if let Some(found) = by_port(wish, http, &LOCAL).await? {
        return Ok(found);
    }
    #[cfg(unix)]
    if let Some(manifest) = managed.map(Manifest::read).transpose()?.flatten()
        && wish.model.as_ref().is_none_or(|model| *model == manifest.name)
    {
        return Ok(Found::Managed(manifest));
    }
    let keys = PROVIDERS.iter().map(|provider| provider.keys[0].to_owned());
    let ports = LOCAL.iter().map(|(server, port)| format!("127.0.0.1:{port} ({server})"));
    let folder = managed.map(|folder| folder.display().to_string());
    Err(DiscoverError::NoModel { looked_at: keys.chain(ports).chain(folder).collect() })
}

/// The key of the provider that has this address, if it is at hand. No other's key is ever sent.
fn known_key(base_url: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<Secret> {
    let host = base_url_of(base_url).ok()?.host_str()?.to_owned();
    let of_provider = PROVIDERS.iter().find(|provider| {
        Url::parse(provider.base_url).is_ok_and(|url| url.host_str() == Some(&host))
    });
    let key = of_provider
        .and_then(|provider| provider.keys.iter().find_map(|key| variable(key)))
        .or_else(|| {
            let own = base_url_of(&variable("OPENAI_BASE_URL")?).ok()?;
            (own.host_str() == Some(&host)).then(|| variable("OPENAI_API_KEY"))?
        });
    key.map(Secret::new)
}

async fn by_environment(
    wish: &ModelWish,
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
    http: &Arc<HttpClient>,
) -> Result<Option<Found>, DiscoverError> {
    if let Some(base_url) = variable("OPENAI_BASE_URL") {
        let key = wish.key.clone().or_else(|| variable("OPENAI_API_KEY").map(Secret::new));
        let name = wish.model.clone().or_else(|| variable("OPENAI_MODEL"));
        let model = at(&base_url, name.as_deref(), key, http).await?;
        let place = Place::Environment { provider: "OpenAI", variable: "OPENAI_BASE_URL" };
        return Ok(Some(Found::Ready { model: Box::new(model), place }));
    }
    // A key without an address is OpenAI's.
    let wished = wish.key.clone().map(|key| (&PROVIDERS[0], PROVIDERS[0].keys[0], key));
    let at_hand = || {
        PROVIDERS.iter().find_map(|provider| {
            let (name, key) = key_of(provider, variable)?;
            Some((provider, name, key))
        })
    };
    let Some((provider, key_variable, key)) = wished.or_else(at_hand) else { return Ok(None) };
    let own = variable("OPENAI_MODEL").filter(|_| provider.prefix == "openai");
    let name = wish.model.clone().or(own).unwrap_or_else(|| provider.model.to_owned());
    let choice = ModelChoice { provider: *provider, model: &name };
    let model = choice.open(None, Some(key), http)?;
    let place = Place::Environment { provider: provider.name, variable: key_variable };
    Ok(Some(Found::Ready { model, place }))
}

fn key_of(
    provider: &Provider,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<(&'static str, Secret)> {
    provider.keys.iter().find_map(|name| Some((*name, Secret::new(variable(name)?))))
}

/// A model whose provider is named. Its key is sent to the provider's own address, and to the one
/// that the environment gives for it.
fn by_name(
    choice: ModelChoice<'_>,
    wish: &ModelWish,
    variable: &dyn Fn(&str) -> Option<String>,
    http: &Arc<HttpClient>,
) -> Result<Found, DiscoverError> {
    let provider = choice.provider;
    let at_hand = || key_of(&provider, variable);
    let (base_url, key) = if let Some(base_url) = &wish.base_url {
        (Some(base_url.clone()), known_key(base_url, variable))
    } else {
        let other = provider.base_url_variable.and_then(variable);
        let key = at_hand().map(|(_, key)| key);
        if key.is_none() && wish.key.is_none() && other.is_none() {
            let variables = provider.keys;
            return Err(DiscoverError::NoKey { provider: provider.name, variables });
        }
        (other, key)
    };
    let place = match (&wish.base_url, &wish.key, at_hand()) {
        (None, None, Some((variable, _))) => {
            Place::Environment { provider: provider.name, variable }
        }
        _ => Place::Wish,
    };
    let model = choice.open(base_url.as_deref(), wish.key.clone().or(key), http)?;
    Ok(Found::Ready { model, place })
}

async fn by_port(
    wish: &ModelWish,
    http: &Arc<HttpClient>,
    places: &[(&'static str, u16)],
) -> Result<Option<Found>, DiscoverError> {
    let limits = PlainLimits {
        connect: Some(LOCAL_LIMIT),
        first_byte: Some(LOCAL_LIMIT),
        idle: Some(LOCAL_LIMIT),
    };
    let asked = places.iter().map(|(server, port)| async move {
        let url = format!("http://127.0.0.1:{port}/v1");
        let base = base_url_of(&url).ok()?;
        let names = models(&base, None, http, limits).await.ok()?;
        let name = choose(&names, wish.model.as_deref())?;
        Some((*server, url, name))
    });
    let found = future::join_all(asked).await.into_iter().flatten().next();
    let Some((server, url, name)) = found else { return Ok(None) };
    let model = OpenAiChat::new(&url, name)?.http(Arc::clone(http));
    Ok(Some(Found::Ready { model: Box::new(model), place: Place::Local { server, url } }))
}

/// A model at an address. Without a name, the server is asked what it has.
async fn at(
    base_url: &str,
    model: Option<&str>,
    key: Option<Secret>,
    http: &Arc<HttpClient>,
) -> Result<OpenAiChat, DiscoverError> {
    let base = base_url_of(base_url)?;
    let name = match model {
        // A hosted provider has models that it does not list.
        Some(model) if !is_loopback(&base) => model.to_owned(),
        Some(model) => match models(&base, key.as_ref(), http, PlainLimits::default()).await {
            Ok(names) if !names.is_empty() => {
                choose(&names, Some(model)).ok_or_else(|| DiscoverError::NoSuchModel {
                    url: base.to_string(),
                    model: model.to_owned(),
                    available: names.clone(),
                })?
            }
            // That it has no list, or none worth the name, is no reason not to ask it.
            _ => model.to_owned(),
        },
        None => {
            let names = models(&base, key.as_ref(), http, PlainLimits::default()).await?;
            choose(&names, None).ok_or_else(|| {
                invalid("model", "it is not named, and the server lists none that can chat")
            })?
        }
    };
    let chat = OpenAiChat::new(base_url, name)?.http(Arc::clone(http));
    Ok(match key {
        Some(key) => chat.key(key)?,
        None => chat,
    })
}

/// The wished model, with Ollama's tag or without; else the first that can chat.
fn choose(names: &[String], wish: Option<&str>) -> Option<String> {
    let can_chat = |name: &str| {
        let name = name.to_lowercase();
        !["embed", "rerank", "whisper", "tts"].iter().any(|word| name.contains(word))
    };
    let fits = |name: &&String| {
        wish.map_or_else(
            || can_chat(name),
            |wish| **name == wish || name.strip_suffix(":latest") == Some(wish),
        )
    };
    names.iter().find(fits).cloned()
}

/// The names of a server's models, in its order.
pub(super) async fn models(
    base: &Url,
    key: Option<&Secret>,
    http: &HttpClient,
    limits: PlainLimits,
) -> Result<Vec<String>, ModelError> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        id: String,
    }
    let url = below(base, "models");
    let list = async {
        let mut get = Request::get(url.as_str());
        if let Some(key) = key {
            get = get.header(AUTHORIZATION, format!("Bearer {}", key.reveal()));
        }
        let get =
            get.body(Bytes::new()).map_err(|error| invalid("base URL", &error.to_string()))?;
        let mut answer = http.send(get, limits).await.map_err(undelivered)?;
        let body = answer.bytes(MAX_LIST_BYTES).await.map_err(undelivered)?;
        if !answer.status.is_success() {
            return Err(failure::decode(answer.status, &answer.headers, &body));
        }
        let list: List = serde_json::from_slice(&body).map_err(|error| {
            ModelError::new(ModelErrorKind::Undecodable {
                reason: format!("no list of models: {error}"),
                snippet: mcp_protocol::decode::snippet(&body),
            })
        })?;
        Ok(list.data.into_iter().map(|entry| entry.id).collect())
    };
    list.await.map_err(|error: ModelError| error.at(&url))
}

#[cfg(test)]
mod tests;
