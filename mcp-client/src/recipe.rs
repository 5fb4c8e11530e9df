//! From a configured server to a recipe of its connection.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[cfg(feature = "websocket")]
use mcp_transport::websocket::WebSocketConfig;
use mcp_transport::{
    Connect, ConnectError, UrlConnect,
    http::{HttpConfig, Reach},
    stdio::ChildCommand,
};

use crate::{
    config::{ServerConfig, TransportConfig},
    oauth::OAuth,
    secret::Secret,
};

impl ServerConfig {
    /// How to connect to the server, within its bounds. `shutdown_grace` is how long a child
    /// process may take to exit after its input was closed; `authorization` is for servers that are
    /// reached by URL.
    ///
    /// # Errors
    /// The settings cannot work, such as a URL that is none.
    pub fn recipe(
        &self,
        shutdown_grace: Option<Duration>,
        authorization: Option<OAuth>,
    ) -> Result<Arc<dyn Connect>, ConnectError> {
        let child = |mut child: ChildCommand| {
            if let Some(grace) = shutdown_grace {
                child = child.shutdown_grace(grace);
            }
            if let Some(sandbox) = &self.sandbox {
                child = child.sandbox(sandbox.clone());
            }
            Arc::new(child)
        };
        Ok(match &self.transport {
            TransportConfig::Stdio { command, args, env, cwd } => {
                let mut command = ChildCommand::new(command).args(args);
                for (name, value) in env {
                    command = command.env(name, value.reveal());
                }
                if let Some(folder) = cwd {
                    command = command.cwd(folder);
                }
                child(command)
            }
            TransportConfig::Http { url, headers } => match UrlConnect::parse(url)? {
                UrlConnect::Stdio(command) => {
                    without_headers(headers)?;
                    child(command)
                }
                recipe => at_url(recipe, url, headers, self.reach, authorization)?,
            },
            TransportConfig::Sse { url, headers } => {
                Arc::new(http(url, headers, self.reach, authorization).http_sse())
            }
        })
    }
}

/// A server at a URL of any scheme.
fn at_url(
    recipe: UrlConnect,
    url: &str,
    headers: &BTreeMap<String, Secret>,
    reach: Reach,
    authorization: Option<OAuth>,
) -> Result<Arc<dyn Connect>, ConnectError> {
    Ok(match recipe {
        UrlConnect::Http(_) => Arc::new(http(url, headers, reach, authorization)),
        #[cfg(feature = "websocket")]
        UrlConnect::WebSocket(config) => {
            let add = |config: WebSocketConfig, (name, value): (&String, &Secret)| {
                config.header(name, value.reveal())
            };
            Arc::new(headers.iter().fold(config, add).reach(reach))
        }
        UrlConnect::Socket(config) => {
            without_headers(headers)?;
            Arc::new(config.reach(reach))
        }
        recipe => {
            without_headers(headers)?;
            Arc::new(recipe)
        }
    })
}

fn without_headers(headers: &BTreeMap<String, Secret>) -> Result<(), ConnectError> {
    if headers.is_empty() {
        return Ok(());
    }
    Err(ConnectError::InvalidSetting {
        setting: "headers".to_owned(),
        reason: "only http(s) and ws(s) URLs have headers".to_owned(),
    })
}

fn http(
    url: &str,
    headers: &BTreeMap<String, Secret>,
    reach: Reach,
    authorization: Option<OAuth>,
) -> HttpConfig {
    // As in `Client::http`.
    let mut config = HttpConfig::new(url).first_byte_timeout(None).reach(reach);
    for (name, value) in headers {
        config = config.header(name, value.reveal());
    }
    // A URL that is none is explained when it is connected to.
    if let Some(Ok(authorizer)) = authorization.map(|oauth| oauth.server_within(reach).at(url)) {
        config = config.authorize(Arc::new(authorizer));
    }
    config
}
