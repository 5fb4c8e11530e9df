//! Entries that somebody else wrote are used when a person has looked at them.
//!
//! A project's file comes with the project: whoever can change the project can change what it
//! starts. So its entries are agreed to one by one, and an agreement holds for exactly what was
//! looked at.

use std::path::{Path, PathBuf};

use mcp_transport::http::Reach;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ConfigFile, Declared, ServerEntry, Template, TransportConfig, TransportEntry};
use crate::{
    digest::Digest,
    kept_file::{self, KeptFileError},
};

impl ServerEntry {
    /// What would be run or connected to, as it is written: the command with its arguments, folder
    /// and sandbox, or the URL with the way to log in, the replicas, the names and texts of
    /// variables and headers, the file's own values for inputs, whether its tools are believed,
    /// and which of them run without asking.
    /// A change to any of it gives another digest; variables are not looked up, so a new secret
    /// does not.
    pub fn digest(&self) -> Digest {
        let text = |template: &Template| Value::from(template.to_string());
        let list = |templates: &[Template]| templates.iter().map(text).collect::<Value>();
        let map = |templates: &std::collections::BTreeMap<String, Template>| {
            let entries = templates.iter().map(|(name, template)| (name.clone(), text(template)));
            Value::Object(entries.collect())
        };
        let transport = match &self.transport {
            TransportEntry::Stdio { command, args, env, env_file, cwd } => json!({
                "command": text(command),
                "args": list(args),
                "env": map(env),
                "envFile": env_file.as_ref().map(text),
                "cwd": cwd.as_ref().map(text),
            }),
            TransportEntry::Remote { kind, url, headers } => json!({
                "kind": format!("{kind:?}"),
                "url": text(url),
                "headers": map(headers),
            }),
        };
        let sandbox = self.sandbox.as_ref().map(|sandbox| sandbox.write(Template::to_string));
        let oauth = self.oauth.as_ref().map(|oauth| {
            let mut said = json!({
                "clientId": oauth.client_id.as_ref().map(text),
                "clientSecret": oauth.client_secret.as_ref().map(text),
                "metadataUrl": oauth.metadata_url,
                "allowPrivateAddresses": oauth.allow_private_addresses,
            });
            // Only where it is said, so that what was agreed to before stays agreed to.
            if let Some(url) = &oauth.token_url {
                said["tokenUrl"] = url.as_str().into();
            }
            if let Some(exchange) = &oauth.exchange {
                said["exchange"] = exchange.to_json();
            }
            if oauth.per_caller {
                said["perCaller"] = true.into();
            }
            said
        });
        let mut all = json!({
            "transport": transport,
            "oauth": oauth,
            "sandbox": sandbox,
            "public": self.reach == Reach::Public,
        });
        if let Some(replicas) = &self.replicas {
            all["replicas"] = json!({"count": replicas.count, "urls": list(&replicas.urls)});
        }
        if !self.input_defaults.is_empty() {
            all["inputs"] = json!(self.input_defaults);
        }
        if self.tools.trusted {
            all["trusted"] = true.into();
        }
        if !self.tools.approved.is_empty() {
            all["approved"] = json!(self.tools.approved);
        }
        Digest::of_json(&all)
    }
}

/// One agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trusted {
    /// The project's file.
    pub file: PathBuf,
    /// The key in it.
    pub server: String,
    /// What was looked at.
    pub digest: Digest,
}

/// A file with the agreements of its user. The calls block for a moment.
#[derive(Clone, Debug)]
pub struct TrustStore {
    file: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    trusted: Vec<Trusted>,
}

impl TrustStore {
    /// The agreements in this file; none when it is missing.
    pub fn at(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into() }
    }

    /// All agreements, in the order in which they were made.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn all(&self) -> Result<Vec<Trusted>, KeptFileError> {
        kept_file::read::<Kept>(&self.file).map(|kept| kept.trusted)
    }

    /// Trusts an entry as it is written now. An older agreement about it ends.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn trust(&self, entry: &ServerEntry) -> Result<(), KeptFileError> {
        let agreement = agreement(entry);
        kept_file::change(&self.file, |kept: &mut Kept| {
            kept.trusted.retain(|old| !same_place(old, &agreement));
            kept.trusted.push(agreement);
        })
    }

    /// Ends agreements: about a server of this name, or about all of a file. Returns those that
    /// ended.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn revoke(
        &self,
        file: Option<&Path>,
        server: Option<&str>,
    ) -> Result<Vec<Trusted>, KeptFileError> {
        let file = file.map(settled);
        let ends = |one: &Trusted| {
            file.as_ref().is_none_or(|file| one.file == *file)
                && server.is_none_or(|server| one.server == server)
        };
        kept_file::change(&self.file, |kept: &mut Kept| {
            let (ended, stay) = std::mem::take(&mut kept.trusted).into_iter().partition(ends);
            kept.trusted = stay;
            ended
        })
    }

    /// Marks the servers of a project's file: those without an agreement are
    /// [`untrusted`](super::ServerConfig::untrusted), and none leads into the network around this
    /// machine by a name that its author can point anywhere. Numbers and `localhost` were seen by
    /// whoever agreed, and stay.
    ///
    /// # Errors
    /// The agreements cannot be read; then nothing of the file is to be used.
    pub fn judge(&self, declared: &Declared, found: &mut ConfigFile) -> Result<(), KeptFileError> {
        let trusted = self.all()?;
        for server in &mut found.servers {
            let Some(entry) = declared.entry(&server.name) else { continue };
            let wanted = agreement(entry);
            server.untrusted = (!trusted.contains(&wanted)).then_some(wanted.digest);
            let leads_anywhere = server.transports().any(|transport| match transport {
                TransportConfig::Http { url, .. } | TransportConfig::Sse { url, .. } => {
                    names_a_stranger(url)
                }
                TransportConfig::Stdio { .. } => false,
            });
            if leads_anywhere {
                server.reach = Reach::Public;
            }
        }
        Ok(())
    }
}

/// Whether a URL's host is a name whose address somebody else decides.
fn names_a_stranger(url: &str) -> bool {
    match url::Url::parse(url).as_ref().map(url::Url::host) {
        Ok(Some(url::Host::Domain(name))) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name.parse::<std::net::IpAddr>().is_err()
                && name != "localhost"
                && !name.ends_with(".localhost")
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

fn agreement(entry: &ServerEntry) -> Trusted {
    Trusted {
        file: settled(&entry.origin.file),
        server: entry.name.clone(),
        digest: entry.digest(),
    }
}

fn same_place(one: &Trusted, other: &Trusted) -> bool {
    (&one.file, &one.server) == (&other.file, &other.server)
}

/// One spelling of a file's place.
fn settled(file: &Path) -> PathBuf {
    file.canonicalize().or_else(|_| std::path::absolute(file)).unwrap_or_else(|_| file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Variables, declare};

    fn declared(file: &Path, text: &str) -> Declared {
        declare(text, file, None).unwrap()
    }

    fn resolved(declared: &Declared) -> ConfigFile {
        declared.resolve(&Variables::new(&|name| Some(format!("value of {name}"))))
    }

    #[test]
    fn an_agreement_holds_for_what_was_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let store = TrustStore::at(folder.path().join("state/trust.json"));
        let file = folder.path().join(".mcp.json");
        let with = |entry: &str| declared(&file, &format!(r#"{{"mcpServers": {{"a": {entry}}}}}"#));
        let is_trusted = |declared: &Declared| {
            let mut found = resolved(declared);
            store.judge(declared, &mut found).unwrap();
            found.servers.first().is_some_and(|server| server.untrusted.is_none())
        };
        let first = with(r#"{"command": "npx", "args": ["-y", "x"], "env": {"K": "${K}"}}"#);
        assert!(!is_trusted(&first));
        store.trust(&first.entries[0]).unwrap();
        assert!(is_trusted(&first));
        // What says the same in other words.
        let same = r#"{"env": {"K": "${K}"}, "args": ["-y", "x"], "command": "npx", "timeout": 9}"#;
        assert!(is_trusted(&with(same)));
        for other in [
            r#"{"command": "npx", "args": ["-y", "y"], "env": {"K": "${K}"}}"#,
            r#"{"command": "sh", "args": ["-y", "x"], "env": {"K": "${K}"}}"#,
            r#"{"command": "npx", "args": ["-y x"], "env": {"K": "${K}"}}"#,
            r#"{"command": "npx", "args": ["-y", "x"], "env": {"K": "${K}", "NODE_OPTIONS": "-r x"}}"#,
            r#"{"command": "npx", "args": ["-y", "x"], "env": {"K": "${file:~/.ssh/id}"}}"#,
            r#"{"command": "npx", "args": ["-y", "x"], "env": {"K": "${K}"}, "cwd": "/"}"#,
            r#"{"command": "npx", "args": ["-y", "x"], "env": {"K": "${K}"}, "sandbox": true}"#,
            r#"{"url": "https://h/mcp"}"#,
        ] {
            assert!(!is_trusted(&with(other)), "{other}");
        }
        // The same entry in another project is another program.
        let elsewhere = declared(
            &folder.path().join("other.json"),
            r#"{"mcpServers": {"a": {"command": "npx", "args": ["-y", "x"], "env": {"K": "${K}"}}}}"#,
        );
        assert!(!is_trusted(&elsewhere));
        assert_eq!(store.all().unwrap().len(), 1);
        assert_eq!(store.revoke(Some(&file), Some("b")).unwrap(), []);
        assert_eq!(store.revoke(None, Some("a")).unwrap().len(), 1);
        assert!(!is_trusted(&first));
    }

    #[test]
    fn a_name_in_a_project_leads_to_the_public_internet_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = TrustStore::at(folder.path().join("trust.json"));
        for (url, reach) in [
            ("https://mcp.example.com/mcp", Reach::Public),
            ("wss://mcp.example.com/mcp", Reach::Public),
            ("http://localhost:3000/mcp", Reach::Anywhere),
            ("http://127.0.0.1:3000/mcp", Reach::Anywhere),
            ("http://localhost.example.com/mcp", Reach::Public),
            ("nonsense", Reach::Public),
        ] {
            let text = format!(r#"{{"mcpServers": {{"a": {{"url": "{url}"}}}}}}"#);
            let declared = declared(&folder.path().join(".mcp.json"), &text);
            let mut found = resolved(&declared);
            store.judge(&declared, &mut found).unwrap();
            assert_eq!(found.servers[0].reach, reach, "{url}");
        }
    }

    #[test]
    fn a_damaged_file_trusts_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trust.json");
        std::fs::write(&file, "{\"trusted\": [").unwrap();
        let store = TrustStore::at(&file);
        assert!(matches!(store.all(), Err(KeptFileError::Damaged { .. })));
        let declared =
            declared(&folder.path().join("x.json"), r#"{"mcpServers": {"a": {"command": "x"}}}"#);
        assert!(store.trust(&declared.entries[0]).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"trusted\": [");
    }
}
