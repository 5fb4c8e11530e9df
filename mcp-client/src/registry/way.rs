//! From an entry of a registry to one of a configuration.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use mcp_transport::http::Reach;

use super::{
    Answers, Need, NotUsable, Package, Remote, ServerDetail,
    answers::Filling,
    package::{self, Started},
};
use crate::config::{Origin, RemoteKind, ServerEntry, TransportEntry};

/// How a server is reached or started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// At a URL, over Streamable HTTP.
    Http,
    /// At a URL, over HTTP+SSE.
    Sse,
    /// A package of npm.
    Npm,
    /// A package of `PyPI`.
    Pypi,
    /// A container image.
    Oci,
    /// A package of `NuGet`.
    Nuget,
    /// A bundle: one file with everything in it.
    Mcpb,
    /// Something else.
    Other,
}

impl Kind {
    /// All that have a name.
    pub const ALL: [Self; 7] =
        [Self::Http, Self::Sse, Self::Npm, Self::Pypi, Self::Oci, Self::Nuget, Self::Mcpb];

    /// The word: `http`, `sse`, `npm`, `pypi`, `oci`, `nuget`, `mcpb`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sse => "sse",
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Oci => "oci",
            Self::Nuget => "nuget",
            Self::Mcpb => "mcpb",
            Self::Other => "other",
        }
    }

    fn of_package(package: &Package) -> Self {
        match package.registry_type.to_ascii_lowercase().as_str() {
            "npm" => Self::Npm,
            "pypi" => Self::Pypi,
            "oci" | "docker" => Self::Oci,
            "nuget" => Self::Nuget,
            "mcpb" => Self::Mcpb,
            _ => Self::Other,
        }
    }

    fn of_remote(remote: &Remote) -> Self {
        match remote.kind.as_str() {
            "streamable-http" => Self::Http,
            "sse" => Self::Sse,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ServerDetail {
    /// The ways to use it, in the order of the publisher: first those by URL.
    pub fn ways(&self) -> Vec<Way<'_>> {
        let remotes =
            self.remotes.iter().map(|remote| (Kind::of_remote(remote), Source::Remote(remote)));
        let packages = self
            .packages
            .iter()
            .map(|package| (Kind::of_package(package), Source::Package(package)));
        remotes.chain(packages).map(|(kind, source)| Way { server: self, kind, source }).collect()
    }

    /// What kinds of ways there are, each once.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds = Vec::new();
        for way in self.ways() {
            if !kinds.contains(&way.kind) {
                kinds.push(way.kind);
            }
        }
        kinds
    }

    /// A short name for a configuration: what stands behind the namespace.
    pub fn short_name(&self) -> &str {
        let (_, name) = self.name.rsplit_once('/').unwrap_or(("", &self.name));
        name
    }
}

/// One way to use a server.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    server: &'a ServerDetail,
    kind: Kind,
    source: Source<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Remote(&'a Remote),
    Package(&'a Package),
}

impl Way<'_> {
    /// How the server is reached or started.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The URL, or the name and version of the package.
    pub fn what(&self) -> Cow<'_, str> {
        match self.source {
            Source::Remote(remote) => Cow::Borrowed(&remote.url),
            Source::Package(package) => match &package.version {
                Some(version) => Cow::Owned(format!("{} {version}", package.identifier)),
                None => Cow::Borrowed(&package.identifier),
            },
        }
    }

    /// Whether anything here can start it.
    ///
    /// # Errors
    /// Why nothing can.
    pub fn usable(&self) -> Result<(), NotUsable> {
        match self.fill(&mut Filling::new("", &Answers::new())) {
            Err(unsupported @ NotUsable::Unsupported(_)) => Err(unsupported),
            _ => Ok(()),
        }
    }

    /// What it asks of whoever wants to use it.
    pub fn needs(&self) -> Vec<Need> {
        let answers = Answers::new();
        let mut filling = Filling::new("", &answers);
        // Whether it can be used is said by `usable` and `entry`.
        let _ = self.fill(&mut filling);
        filling.needs
    }

    /// Makes it an entry of a configuration. A secret that is needed and not answered is left to
    /// an environment variable: that of the server itself where it takes one, else
    /// `NAME_OF_THE_SECRET` with the server's name before it.
    ///
    /// A URL from a registry may lead to public addresses only ([`Reach::Public`]), unless it is
    /// changed in the entry.
    ///
    /// # Errors
    /// An answer is missing or cannot be right, or nothing here can start such a server.
    pub fn entry(
        &self,
        name: &str,
        origin: Origin,
        answers: &Answers,
    ) -> Result<ServerEntry, NotUsable> {
        let mut filling = Filling::new(name, answers);
        let transport = self.fill(&mut filling)?;
        filling.end()?;
        let mut entry = ServerEntry::new(name, transport, origin);
        entry.title.clone_from(&self.server.title);
        let about = Some(&self.server.description).filter(|text| !text.is_empty());
        entry.description = about.cloned();
        if matches!(self.source, Source::Remote(_)) {
            entry.reach = Reach::Public;
        }
        Ok(entry)
    }

    fn fill(&self, filling: &mut Filling<'_>) -> Result<TransportEntry, NotUsable> {
        match self.source {
            Source::Remote(remote) => self.remote(remote, filling),
            Source::Package(package) => {
                let Started { command, args, env } = package::start(package, self.kind, filling)?;
                Ok(TransportEntry::Stdio { command, args, env, env_file: None, cwd: None })
            }
        }
    }

    fn remote(
        &self,
        remote: &Remote,
        filling: &mut Filling<'_>,
    ) -> Result<TransportEntry, NotUsable> {
        let kind = match self.kind {
            Kind::Http => RemoteKind::Http,
            Kind::Sse => RemoteKind::Sse,
            _ => {
                let kind = &remote.kind;
                return Err(NotUsable::Unsupported(format!("speaks `{kind}`, which is not known")));
            }
        };
        let url = filling.text(&remote.url, &remote.variables).unwrap_or_default();
        let mut headers = BTreeMap::new();
        for header in &remote.headers {
            let Some(name) = &header.name else { continue };
            if let Some(value) = filling.values(name, header, false, None).pop() {
                headers.insert(name.clone(), value);
            }
        }
        Ok(TransportEntry::Remote { kind, url, headers })
    }
}
