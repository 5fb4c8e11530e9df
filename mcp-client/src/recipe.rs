//! From a configured server to a recipe of its connection.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[cfg(feature = "websocket")]
use mcp_transport::websocket::WebSocketConfig;
use mcp_transport::{Connect, ConnectError, UrlConnect, http::HttpConfig, stdio::ChildCommand};

use crate::{config::TransportConfig, oauth::OAuth, secret::Secret};

impl TransportConfig {
    /// How to connect to the server. `shutdown_grace` is how long a child process may take to exit
    /// after its input was closed; `authorization` is for servers that are reached by URL.
    ///
    /// # Errors
    /// The settings cannot work, such as a URL that is none.
    pub fn recipe(
        &self,
        shutdown_grace: Option<Duration>,
        authorization: Option<OAuth>,
    ) -> Result<Arc<dyn Connect>, ConnectError> {
        Ok(match self {
            Self::Stdio { command, args, env, cwd } => {
                let mut child = ChildCommand::new(command).args(args);
                for (name, value) in env {
                    child = child.env(name, value.reveal());
                }
                if let Some(folder) = cwd {
                    child = child.cwd(folder);
                }
                if let Some(grace) = shutdown_grace {
                    child = child.shutdown_grace(grace);
                }
                Arc::new(child)
            }
            Self::Http { url, headers } => at_url(url, headers, authorization)?,
            Self::Sse { url, headers } => Arc::new(http(url, headers, authorization).http_sse()),
        })
    }
}

/// A server at a URL of any scheme.
fn at_url(
    url: &str,
    headers: &BTreeMap<String, Secret>,
    authorization: Option<OAuth>,
) -> Result<Arc<dyn Connect>, ConnectError> {
    Ok(match UrlConnect::parse(url)? {
        UrlConnect::Http(_) => Arc::new(http(url, headers, authorization)),
        #[cfg(feature = "websocket")]
        UrlConnect::WebSocket(config) => {
            let add = |config: WebSocketConfig, (name, value): (&String, &Secret)| {
                config.header(name, value.reveal())
            };
            Arc::new(headers.iter().fold(config, add))
        }
        recipe if headers.is_empty() => Arc::new(recipe),
        _ => {
            return Err(ConnectError::InvalidSetting {
                setting: "headers".to_owned(),
                reason: "only http(s) and ws(s) URLs have headers".to_owned(),
            });
        }
    })
}

fn http(url: &str, headers: &BTreeMap<String, Secret>, authorization: Option<OAuth>) -> HttpConfig {
    // As in `Client::http`.
    let mut config = HttpConfig::new(url).first_byte_timeout(None);
    for (name, value) in headers {
        config = config.header(name, value.reveal());
    }
    // A URL that is none is explained when it is connected to.
    if let Some(Ok(authorizer)) = authorization.map(|oauth| oauth.at(url)) {
        config = config.authorize(Arc::new(authorizer));
    }
    config
}
