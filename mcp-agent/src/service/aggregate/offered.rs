//! What all servers offer together.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use mcp_client::{Availability, Catalog, CatalogLists, Hub, Server, ServerStatus, StateKind};
use mcp_protocol::{
    prompts::Prompt,
    resources::{Resource, ResourceTemplate},
    tools::Tool,
};
use tokio::time::timeout;

use super::{
    names,
    tool_index::{Place, Source, ToolIndex},
};
use crate::service::{logins, own_servers::OwnServers, tool_pins::ToolPins, view::View};

/// How long servers that are still starting hold a list up.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a server may take to list what it has. Then what it offered last is used, so that one
/// that is silent does not hold up the lists of all.
const LIST_LIMIT: Duration = Duration::from_secs(2);

/// Waits until none of the servers that are meant is starting: what the others do is no matter, and
/// one of them may be this very service under another name.
async fn ready(hub: &Hub, view: &View) {
    let is_starting = |server: &ServerStatus| {
        server.state.kind() == StateKind::Starting && view.sees(&server.name)
    };
    let mut seen = 0;
    while hub.status().iter().any(is_starting) {
        seen = hub.changed_since(seen).await;
    }
}

/// The catalogs of the servers that are meant, in the order of the configuration.
pub(super) struct Offered<'a> {
    view: &'a View,
    pins: Option<&'a ToolPins>,
    catalogs: Vec<(Server, Catalog)>,
    /// For those of them that want a login first, by their places.
    logins: Vec<(usize, Tool)>,
}

impl<'a> Offered<'a> {
    /// What is known now, without asking anybody.
    pub(super) fn known(own: &OwnServers, view: &'a View, pins: Option<&'a ToolPins>) -> Self {
        let meant = own.servers(view).into_iter();
        let catalogs = meant.map(|server| (server.clone(), server.catalog())).collect();
        Self::new(view, pins, catalogs)
    }

    /// Asks the servers that are there; of the others, and of those that do not answer soon, what
    /// they offered last is used.
    pub(super) async fn ask(
        hub: &Hub,
        own: &OwnServers,
        view: &'a View,
        pins: Option<&'a ToolPins>,
        lists: CatalogLists,
    ) -> Self {
        // Whoever is not up by then is told of when it is.
        let ready = async { tokio::join!(ready(hub, view), own.ready(view)) };
        let _ = timeout(START_LIMIT, ready).await;
        let known = Self::known(own, view, pins);
        let asking = known.catalogs.into_iter().map(|(server, mut catalog)| async move {
            let is_there = catalog.availability == Availability::Available;
            if is_there
                && let Ok(Ok(asked)) = timeout(LIST_LIMIT, server.refresh_catalog(lists)).await
            {
                catalog = asked;
            }
            if let Some(pins) = pins {
                pins.settle(&server, &catalog).await;
            }
            (server, catalog)
        });
        Self::new(view, pins, join_all(asking).await)
    }

    fn new(view: &'a View, pins: Option<&'a ToolPins>, catalogs: Vec<(Server, Catalog)>) -> Self {
        let servers = catalogs.iter().enumerate();
        let logins =
            servers.filter_map(|(at, (server, _))| Some((at, logins::tool_for(server)?))).collect();
        Self { view, pins, catalogs, logins }
    }

    /// All tools under the names that they are offered by.
    pub(super) fn tools(&self) -> Vec<(&Server, String, &Tool)> {
        let named = self.named_tools(&self.sources()).into_iter();
        let named = named.map(|(at, name)| (&self.catalogs[at.0].0, name, self.tool_at(at)));
        let mut all: Vec<_> = named.collect();
        for (at, login) in &self.logins {
            // A name that a server has given stays that server's.
            if all.iter().all(|(_, name, _)| *name != login.name) {
                all.push((&self.catalogs[*at].0, login.name.clone(), login));
            }
        }
        all
    }

    /// The tool that is offered by this name. What was found out before is used as long as it holds.
    pub(super) fn tool(&self, known: &ToolIndex, name: &str) -> Option<(&Server, &Tool)> {
        if let Some(at) = known.find(self.sources(), |sources| self.named_tools(sources), name) {
            return Some((&self.catalogs[at.0].0, self.tool_at(at)));
        }
        let (at, login) = self.logins.iter().find(|(_, login)| login.name == name)?;
        Some((&self.catalogs[*at].0, login))
    }

    fn tool_at(&self, (server, tool): Place) -> &Tool {
        &self.catalogs[server].1.tools.listing.items[tool]
    }

    /// What the names of the tools depend on, beside who asks.
    fn sources(&self) -> Vec<Source> {
        let all = self.catalogs.iter().map(|(server, catalog)| Source {
            server: server.name().to_owned(),
            listing: Arc::clone(&catalog.tools.listing),
            config: server.config(),
            held: self.pins.map(|pins| pins.held(server, catalog)).unwrap_or_default(),
        });
        all.collect()
    }

    fn named_tools(&self, sources: &[Source]) -> Vec<(Place, String)> {
        let has = |at: usize, tool: &Tool| {
            let Source { server, config, held, .. } = &sources[at];
            self.view.offers_as(server, config.as_deref(), &tool.name)
                && !held.contains_key(&tool.name)
        };
        self.named(|catalog| &catalog.tools.listing.items, |tool| &tool.name, has)
    }

    /// All prompts under the names that they are offered by.
    pub(super) fn prompts(&self) -> Vec<(&Server, String, &Prompt)> {
        let has = |at: usize, _: &Prompt| self.view.has_contents(self.catalogs[at].0.name());
        let named =
            self.named(|catalog| &catalog.prompts.listing.items, |prompt| &prompt.name, has);
        named
            .into_iter()
            .map(|((server, prompt), name)| {
                let (server, catalog) = &self.catalogs[server];
                (server, name, &catalog.prompts.listing.items[prompt])
            })
            .collect()
    }

    fn named<T>(
        &self,
        items: impl Fn(&Catalog) -> &Vec<T>,
        name: impl Fn(&T) -> &str,
        has: impl Fn(usize, &T) -> bool,
    ) -> Vec<(Place, String)> {
        let of = |at: usize| items(&self.catalogs[at].1);
        let places: Vec<Place> = (0..self.catalogs.len())
            .flat_map(|at| (0..of(at).len()).map(move |item| (at, item)))
            .filter(|(at, item)| has(*at, &of(*at)[*item]))
            .collect();
        let pairs: Vec<_> = places
            .iter()
            .map(|(at, item)| (self.catalogs[*at].0.name(), name(&of(*at)[*item])))
            .collect();
        let names = names::shared(&pairs);
        places.into_iter().zip(names).collect()
    }

    /// All resources. Of those with the same URI the first one counts.
    pub(super) fn resources(&self) -> Vec<&Resource> {
        let mut seen = std::collections::HashSet::new();
        let all = self.contents().flat_map(|(_, catalog)| &catalog.resources.listing.items);
        all.filter(|resource| seen.insert(resource.uri.as_str())).collect()
    }

    /// All templates of resources.
    pub(super) fn templates(&self) -> Vec<&ResourceTemplate> {
        let all =
            self.contents().flat_map(|(_, catalog)| &catalog.resource_templates.listing.items);
        all.collect()
    }

    /// Whether a server lists this URI.
    pub(super) fn lists(&self, uri: &str) -> bool {
        let mut all = self.contents().flat_map(|(_, catalog)| &catalog.resources.listing.items);
        all.any(|resource| resource.uri == uri)
    }

    /// The servers that may know this URI: the one that lists it, else all that have templates.
    pub(super) fn readers(&self, uri: &str) -> Vec<&Server> {
        let lists = |catalog: &Catalog| {
            catalog.resources.listing.items.iter().any(|resource| resource.uri == uri)
        };
        match self.contents().find(|(_, catalog)| lists(catalog)) {
            Some((server, _)) => vec![server],
            None => self
                .contents()
                .filter(|(_, catalog)| !catalog.resource_templates.listing.items.is_empty())
                .map(|(server, _)| server)
                .collect(),
        }
    }

    /// The servers whose resources and prompts are there.
    fn contents(&self) -> impl Iterator<Item = &(Server, Catalog)> {
        self.catalogs.iter().filter(|(server, _)| self.view.has_contents(server.name()))
    }

    /// The server with this template.
    pub(super) fn owner_of_template(&self, template: &str) -> Option<&Server> {
        let has = |catalog: &Catalog| {
            let templates = &catalog.resource_templates.listing.items;
            templates.iter().any(|known| known.uri_template == template)
        };
        self.contents().find(|(_, catalog)| has(catalog)).map(|(server, _)| server)
    }

    /// What the servers say of themselves to models.
    pub(super) fn instructions(&self) -> Option<String> {
        let said: Vec<_> = self
            .catalogs
            .iter()
            .filter_map(|(server, _)| {
                let status = server.status();
                let client = status.state.client()?;
                let said = client.server().instructions.as_deref()?;
                Some(format!("# {}\n{said}", server.name()))
            })
            .collect();
        (!said.is_empty()).then(|| said.join("\n\n"))
    }
}
