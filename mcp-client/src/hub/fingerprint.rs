//! What tells a server from others in every process alike.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Hub;
use crate::{
    Digest, Secret,
    config::{ServerConfig, TransportConfig},
};

impl Hub {
    /// The digest of a server's entry, secrets included, which is the same in every process that
    /// has the same entry. What the server says is then not for one account only: there is none for
    /// a server where somebody, or this program for itself, has logged in, nor for one that is not
    /// connected.
    pub fn fingerprint(&self, name: &str) -> Option<Digest> {
        let member = self.find(name)?;
        let config = member.config().filter(|config| config.oauth.is_none())?;
        let mut is_connected = false;
        for slot in member.slots() {
            if let Some(client) = slot.status().state.client() {
                is_connected = true;
                if client.link().transport.authorization() > 0 {
                    return None;
                }
            }
        }
        is_connected.then(|| fingerprint(&config))
    }
}

fn fingerprint(config: &ServerConfig) -> Digest {
    let transports: Value = config.transports().map(transport).collect();
    Digest::of_json(&json!({
        "name": config.name,
        "transports": transports,
        "sandbox": config.sandbox.as_ref().map(|sandbox| format!("{sandbox:?}")),
        "reach": format!("{:?}", config.reach),
        "era": format!("{:?}", config.era),
    }))
}

fn transport(transport: &TransportConfig) -> Value {
    match transport {
        TransportConfig::Stdio { command, args, env, cwd } => json!({
            "command": command, "args": args, "env": revealed(env),
            "cwd": cwd.as_ref().map(|cwd| cwd.to_string_lossy()),
        }),
        TransportConfig::Http { url, headers } => {
            json!({"http": url, "headers": revealed(headers)})
        }
        TransportConfig::Sse { url, headers } => json!({"sse": url, "headers": revealed(headers)}),
    }
}

fn revealed(secrets: &BTreeMap<String, Secret>) -> BTreeMap<&str, &str> {
    secrets.iter().map(|(name, secret)| (name.as_str(), secret.reveal())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_secret_is_another_server() {
        let entry = |name: &str, url: &str, key: &str| {
            let headers = [("X-Key".to_owned(), Secret::new(key))].into();
            let mut config =
                ServerConfig::new(name, TransportConfig::Http { url: url.into(), headers });
            // Nothing that a result depends on.
            config.tool_prefix = Some(key.to_owned());
            fingerprint(&config)
        };
        let one = entry("db", "https://h/mcp", "a");
        assert_eq!(one, entry("db", "https://h/mcp", "a"));
        for other in [
            entry("db", "https://h/mcp", "b"),
            entry("db", "https://h/other", "a"),
            entry("web", "https://h/mcp", "a"),
        ] {
            assert_ne!(one, other);
        }
    }
}
