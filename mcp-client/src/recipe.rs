//! From a configured server to a recipe of its connection.

use std::sync::Arc;

use mcp_transport::{Connect, ConnectError, http::HttpConfig, stdio::ChildCommand};

use crate::config::TransportConfig;

impl TransportConfig {
    /// How to connect to the server.
    ///
    /// # Errors
    /// The settings cannot work, such as a URL that is none.
    pub fn recipe(&self) -> Result<Arc<dyn Connect>, ConnectError> {
        Ok(match self {
            Self::Stdio { command, args, env, cwd } => {
                let mut child = ChildCommand::new(command).args(args);
                for (name, value) in env {
                    child = child.env(name, value.reveal());
                }
                if let Some(folder) = cwd {
                    child = child.cwd(folder);
                }
                Arc::new(child)
            }
            Self::Http { url, headers } => {
                let mut config = HttpConfig::new(url);
                for (name, value) in headers {
                    config = config.header(name, value.reveal());
                }
                Arc::new(config)
            }
        })
    }
}
