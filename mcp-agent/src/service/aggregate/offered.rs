//! What all servers offer together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use mcp_client::{Availability, Catalog, CatalogLists, Hub, Server, ServerStatus, StateKind};
use mcp_protocol::{
    prompts::Prompt,
    resources::{Resource, ResourceTemplate},
    tools::Tool,
};
use tokio::time::timeout;

use super::names;
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
        let mut held = Vec::new();
        let configs: Vec<_> = self.catalogs.iter().map(|(server, _)| server.config()).collect();
        for (server, catalog) in &self.catalogs {
            let names = self.pins.map(|pins| pins.held(server, catalog)).unwrap_or_default();
            if !names.is_empty() {
                held.push((server.name(), names));
            }
        }
        let has = |at: usize, tool: &Tool| {
            let (server, config) = (&self.catalogs[at].0, configs[at].as_deref());
            let is_held = |(name, held): &(&str, Arc<BTreeMap<String, String>>)| {
                *name == server.name() && held.contains_key(&tool.name)
            };
            self.view.offers_as(server.name(), config, &tool.name) && !held.iter().any(is_held)
        };
        let mut all = self.named(|catalog| &catalog.tools.listing.items, |tool| &tool.name, has);
        for (at, login) in &self.logins {
            // A name that a server has given stays that server's.
            if all.iter().all(|(_, name, _)| *name != login.name) {
                all.push((&self.catalogs[*at].0, login.name.clone(), login));
            }
        }
        all
    }

    /// All prompts under the names that they are offered by.
    pub(super) fn prompts(&self) -> Vec<(&Server, String, &Prompt)> {
        let has = |at: usize, _: &Prompt| self.view.has_contents(self.catalogs[at].0.name());
        self.named(|catalog| &catalog.prompts.listing.items, |prompt| &prompt.name, has)
    }

    fn named<T>(
        &self,
        items: impl Fn(&Catalog) -> &Vec<T>,
        name: impl Fn(&T) -> &str,
        has: impl Fn(usize, &T) -> bool,
    ) -> Vec<(&Server, String, &T)> {
        let all: Vec<(&Server, &T)> = self
            .catalogs
            .iter()
            .enumerate()
            .flat_map(|(at, (_, catalog))| items(catalog).iter().map(move |item| (at, item)))
            .filter(|(at, item)| has(*at, item))
            .map(|(at, item)| (&self.catalogs[at].0, item))
            .collect();
        let pairs: Vec<_> = all.iter().map(|(server, item)| (server.name(), name(item))).collect();
        let names = names::shared(&pairs);
        all.into_iter().zip(names).map(|((server, item), name)| (server, name, item)).collect()
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
