//! From what a file declares to servers that can be started.

use std::{collections::BTreeMap, path::Path};

use super::{
    ConfigFile, Declared, OAuthConfig, OAuthEntry, Problem, RemoteKind, ServerConfig, ServerEntry,
    Template, TransportConfig, TransportEntry, Variable, Variables,
};
use crate::secret::Secret;

impl Declared {
    /// Looks up the variables of every entry. An entry with one that has no value becomes a
    /// problem that names it; the others are not disturbed.
    pub fn resolve(&self, values: &Variables<'_>) -> ConfigFile {
        let mut found = ConfigFile {
            servers: Vec::new(),
            problems: self.problems.clone(),
            max_concurrent_calls: self.max_concurrent_calls,
        };
        for entry in &self.entries {
            let server = entry.resolve(&self.with_defaults(values));
            match server {
                Ok(mut server) => {
                    server.call_timeout = server.call_timeout.or(self.call_timeout);
                    server.auto_register_tools = self.auto_register_tools.unwrap_or(true);
                    found.servers.push(server);
                }
                Err(problem) => found.problems.push(problem),
            }
        }
        found.problems.sort_by_key(|problem| problem.origin.line);
        found
    }

    /// Inputs that are not asked for have their defaults.
    fn with_defaults<'a>(&self, values: &Variables<'a>) -> Variables<'a> {
        let defaults = self
            .inputs
            .iter()
            .filter_map(|input| Some((input.id.clone(), input.default.clone()?)))
            .collect();
        values.clone().input_defaults(defaults)
    }
}

impl ServerEntry {
    /// Looks up the variables of this entry.
    ///
    /// # Errors
    /// Some have no value; the problem names them.
    pub fn resolve(&self, values: &Variables<'_>) -> Result<ServerConfig, Problem> {
        let required = self.required && self.enabled;
        self.looked_up(values).map_err(|problem| Problem { required, ..problem })
    }

    fn looked_up(&self, values: &Variables<'_>) -> Result<ServerConfig, Problem> {
        let mut looking = Looking { values, missing: Vec::new() };
        let transport = match &self.transport {
            TransportEntry::Stdio { command, args, env, env_file, cwd } => {
                let mut variables = BTreeMap::new();
                if let Some(file) = env_file {
                    let file = looking.text("envFile", file);
                    variables = read_env_file(Path::new(&file))
                        .map_err(|reason| Problem::new(&self.name, self.origin.clone(), reason))?;
                }
                variables.extend(looking.map("env", env));
                TransportConfig::Stdio {
                    command: looking.text("command", command),
                    args: args.iter().map(|arg| looking.text("args", arg)).collect(),
                    env: variables,
                    cwd: cwd.as_ref().map(|cwd| looking.text("cwd", cwd).into()),
                }
            }
            TransportEntry::Remote { kind, url, headers } => {
                let url = looking.text("url", url);
                let headers = looking.map("headers", headers);
                match kind {
                    RemoteKind::Http | RemoteKind::WebSocket => {
                        TransportConfig::Http { url, headers }
                    }
                    RemoteKind::Sse => TransportConfig::Sse { url, headers },
                }
            }
        };
        let oauth = self.oauth.as_ref().map(|oauth| looking.oauth(oauth));
        let bounds = self.sandbox.as_ref().map(|sandbox| {
            sandbox.resolve(&self.name, &self.origin.file, values, |field, template| {
                looking.text(field, template)
            })
        });
        let sandbox = bounds.transpose().unwrap_or_else(|variable| {
            looking.missing.push(("sandbox.folder".to_owned(), variable));
            None
        });
        let replicas = self.replicas.as_ref().map(|replicas| {
            replicas.resolve(&transport, |template| looking.text("replicas", template))
        });
        let missing = looking.missing;
        if !missing.is_empty() {
            return Err(Problem::unset(&self.name, self.origin.clone(), missing, values));
        }
        let mut server = ServerConfig::new(&self.name, transport);
        server.origin = Some(self.origin.clone());
        server.replicas = replicas;
        server.required = self.required;
        server.enabled = self.enabled;
        server.era = self.era;
        server.startup_timeout = self.startup_timeout;
        server.call_timeout = self.call_timeout;
        server.max_concurrent_calls = self.max_concurrent_calls;
        server.tools = self.tools.clone();
        server.tool_prefix.clone_from(&self.tool_prefix);
        server.resources.clone_from(&self.resources);
        server.oauth = oauth;
        server.sandbox = sandbox;
        server.reach = self.reach;
        Ok(server)
    }
}

/// Looks up many values and remembers those that are not there.
struct Looking<'a, 'v> {
    values: &'a Variables<'v>,
    missing: Vec<(String, Variable)>,
}

impl Looking<'_, '_> {
    fn text(&mut self, field: &str, template: &Template) -> String {
        template.resolve(self.values).unwrap_or_else(|missing| {
            self.missing.extend(missing.into_iter().map(|one| (field.to_owned(), one)));
            String::new()
        })
    }

    fn oauth(&mut self, entry: &OAuthEntry) -> OAuthConfig {
        let OAuthEntry { client_id, client_secret, scopes, callback_port, metadata_url, .. } =
            entry;
        OAuthConfig {
            client_id: client_id.as_ref().map(|id| self.text("oauth.clientId", id)),
            client_secret: client_secret
                .as_ref()
                .map(|secret| Secret::new(self.text("oauth.clientSecret", secret))),
            scopes: scopes.clone(),
            callback_port: *callback_port,
            metadata_url: metadata_url.clone(),
            token_url: entry.token_url.clone(),
            allow_private_addresses: entry.allow_private_addresses,
            exchange: entry.exchange.clone(),
            per_caller: entry.per_caller,
        }
    }

    fn map(
        &mut self,
        field: &str,
        templates: &BTreeMap<String, Template>,
    ) -> BTreeMap<String, Secret> {
        let entries = templates.iter().map(|(key, template)| {
            let text = self.text(&format!("{field}.{key}"), template);
            (key.clone(), Secret::new(text))
        });
        entries.collect()
    }
}

/// `NAME=value` on each line, quoted or not; `#` begins a comment.
fn read_env_file(file: &Path) -> Result<BTreeMap<String, Secret>, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read its `envFile` {}: {error}", file.display()))?;
    let mut variables = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let value = value.trim();
        let unquoted = ['"', '\'']
            .into_iter()
            .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or(value);
        variables.insert(name.trim().to_owned(), Secret::new(unquoted));
    }
    Ok(variables)
}
