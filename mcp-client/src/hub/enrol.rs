//! From a configured server to its slots, each under a supervisor of its own.

use std::sync::Arc;

use super::{
    Hub, OnBehalfOf, Refusal, ServerState, group::Group, member::Member, slot::Slot,
    supervisor::Supervisor,
};
use crate::{
    config::{ExchangeEntry, ServerConfig, TransportConfig},
    oauth::{AssertionSource, ClientCredentialsGrant, EarlierLogin, OAuth, TokenExchange},
};

impl Hub {
    /// Makes a server and begins to start it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(super) fn member_for(&self, server: ServerConfig) -> Member {
        let Some(replicas) = &server.replicas else {
            let name = server.name.clone();
            return Member::One(self.slot_for(name, server));
        };
        let transports = std::iter::once(&server.transport).chain(&replicas.others);
        let each = transports.enumerate().map(|(index, transport)| {
            let mut one = server.clone();
            one.transport = transport.clone();
            one.replicas = None;
            self.slot_for(format!("{}#{}", server.name, index + 1), one)
        });
        let (slots, rules) = (each.collect(), replicas.rules);
        Member::Replicated(Arc::new(Group::new(server.name.clone(), Some(server), slots, rules)))
    }

    /// Makes a slot; `name` is that of the server, or of one of its replicas.
    fn slot_for(&self, name: String, server: ServerConfig) -> Arc<Slot> {
        let options = &self.0.options;
        let board = &self.0.board;
        let unusable = |name, server, endpoint, reason: String| {
            let state = ServerState::NotConfigured(reason);
            Arc::new(Slot::new(name, server, endpoint, state, board, false))
        };
        let own = options.on_behalf_of.as_ref().filter(|somebody| somebody.fits(&server));
        let authorization = match &server.transport {
            TransportConfig::Http { headers, .. } | TransportConfig::Sse { headers, .. }
                if !headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")) =>
            {
                match (&server.oauth, own) {
                    (_, Some(OnBehalfOf::Login(login))) => {
                        Some(login.oauth(options, &server, EarlierLogin))
                    }
                    (Some(config), Some(OnBehalfOf::Exchange(subject))) => {
                        let exchange = config.exchange.as_ref();
                        let grant = exchange.map(|exchange| exchanging(exchange, subject.clone()));
                        grant.map(|grant| OAuth::with(grant).configured(config))
                    }
                    _ if server.is_per_caller() => None,
                    (Some(config), None) if config.token_url.is_some() => {
                        Some(OAuth::with(ClientCredentialsGrant).configured(config))
                    }
                    (config, _) => {
                        let made = options.authorization.as_ref().and_then(|make| make(&server));
                        match config {
                            Some(config) => made.map(|oauth| oauth.configured(config)),
                            None => made,
                        }
                    }
                }
            }
            _ if server.is_per_caller() => {
                let reason = "it is reached on behalf of whoever asks, so it needs a URL, and no \
                              header `Authorization`";
                return unusable(name, server, String::new(), reason.to_owned());
            }
            _ => None,
        };
        let login = match &server.transport {
            TransportConfig::Http { url, .. } | TransportConfig::Sse { url, .. } => {
                authorization.as_ref().and_then(|oauth| oauth.stored_login(url))
            }
            _ => None,
        };
        let recipe = match server.recipe(options.shutdown_grace, authorization) {
            Ok(recipe) => recipe,
            Err(error) => return unusable(name, server, String::new(), error.to_string()),
        };
        let endpoint = recipe.endpoint();
        if let Some(refusal) = Refusal::of(&server, options.allowed.as_ref()) {
            let state = ServerState::Refused(refusal);
            return Arc::new(Slot::new(name, server, endpoint, state, board, false));
        }
        if self.lock().iter().any(|one| one.name() == server.name || one.slot(&name).is_some()) {
            let reason = format!("the name `{name}` is used twice; rename one");
            return unusable(name, server, endpoint, reason);
        }
        if server.is_per_caller() && own.is_none() {
            let state = if server.enabled { ServerState::PerCaller } else { ServerState::Disabled };
            let slot = Slot::new(name, server, endpoint, state, board, false);
            return Arc::new(slot.per_caller());
        }
        let run = server.enabled && !options.lazy;
        let state = match (server.enabled, run) {
            (false, _) => ServerState::Disabled,
            (true, false) => ServerState::Stopped,
            (true, true) => ServerState::Starting,
        };
        let mut client = options.client.clone();
        client.era = server.era;
        client.connect_timeout = server.startup_timeout.unwrap_or(options.startup_timeout);
        if server.call_timeout.is_some() {
            client.call_timeout = server.call_timeout;
        }
        let slot = Arc::new(Slot::new(name, server, endpoint, state, board, run));
        let supervisor = Supervisor {
            slot: Arc::clone(&slot),
            recipe,
            client,
            restart: options.restart,
            keep_alive: options.keep_alive,
            login: options.look_for_login.and_then(|interval| Some((interval, login?))),
            permits: Arc::clone(&self.0.permits),
        };
        #[expect(clippy::disallowed_methods, reason = "aborted with its slot")]
        let task = tokio::spawn(supervisor.run());
        slot.supervised_by(task.abort_handle());
        slot
    }
}

/// Tokens for a server on behalf of somebody.
fn exchanging(entry: &ExchangeEntry, subject: AssertionSource) -> TokenExchange {
    let ExchangeEntry { audience, resource, subject_token_type, requested_token_type, .. } = entry;
    let mut grant = TokenExchange::new(subject);
    if let Some(name) = audience {
        grant = grant.audience(name);
    }
    if let Some(url) = resource {
        grant = grant.resource(url);
    }
    if let Some(kind) = subject_token_type {
        grant = grant.subject_token(*kind);
    }
    match requested_token_type {
        Some(kind) => grant.requested_token(*kind),
        None => grant,
    }
}
