//! From a recipe to a connected client: open, find the era, shake hands.

mod declared;
mod detect;
mod legacy;
mod modern;
mod session;
mod sibling;
mod verdicts;

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicI64},
};

use mcp_protocol::{
    error_code,
    jsonrpc::ErrorObject,
    version::{Era, ProtocolVersion},
};
use mcp_transport::{
    Connect, ConnectError, Transport,
    error::{DeliveryErrorKind, Sent},
    transport::Binding,
};
use serde::Deserialize;
use tokio::time::timeout;

use self::detect::{ProbeOutcome, Verdict, classify};
pub use self::verdicts::{FileVerdicts, MemoryVerdicts, VerdictStore};
pub(crate) use self::{declared::Declared, session::Sessions};
use crate::{
    CallError, CallErrorKind, Client, ClientOptions, ConnectFailure, EraChoice,
    cache::CacheAccess,
    link::{Beside, Link},
};

/// Opens a connection to the server, within the options' time.
pub(crate) async fn open(
    recipe: Arc<dyn Connect>,
    options: ClientOptions,
) -> Result<Client, ConnectFailure> {
    let endpoint: Arc<str> = recipe.endpoint().into();
    let limit = options.connect_timeout;
    let newest = Mutex::default();
    let opening = Opening { recipe, endpoint: Arc::clone(&endpoint), options, newest };
    let mut run = pin!(opening.run());
    loop {
        if let Ok(outcome) = timeout(limit, &mut run).await {
            return outcome;
        }
        // The time that a person takes to consent is not the server's.
        if !opening.newest().is_some_and(|transport| transport.is_asking()) {
            break;
        }
    }
    let stderr = opening.newest().map_or_else(Vec::new, |transport| transport.stderr_tail());
    Err(ConnectFailure::TimedOut { endpoint, after: limit, stderr })
}

/// One attempt to connect.
struct Opening {
    recipe: Arc<dyn Connect>,
    endpoint: Arc<str>,
    options: ClientOptions,
    /// The one in use: for the last words of a child process that never got ready.
    newest: Mutex<Option<Arc<dyn Transport>>>,
}

/// A transport and the ids used on it.
#[derive(Clone)]
struct Dialed {
    transport: Arc<dyn Transport>,
    ids: Arc<AtomicI64>,
}

impl Opening {
    async fn run(&self) -> Result<Client, ConnectFailure> {
        self.options.check().map_err(|source| ConnectFailure::InvalidOptions {
            endpoint: Arc::clone(&self.endpoint),
            source,
        })?;
        let dialed = self.dial(&*self.recipe).await?;
        match self.options.era {
            // This binding has no later revision.
            EraChoice::Auto if self.recipe.binding() == Binding::HttpSse => {
                self.legacy(dialed).await
            }
            EraChoice::Legacy => self.legacy(dialed).await,
            EraChoice::Modern => self.modern(dialed, ProtocolVersion::LATEST, false).await,
            EraChoice::Auto => self.remembered(dialed).await,
        }
    }

    /// Trusts an earlier verdict until it proves wrong; else finds out.
    async fn remembered(&self, mut dialed: Dialed) -> Result<Client, ConnectFailure> {
        let verdicts = &self.options.verdicts;
        let endpoint = &*self.endpoint;
        if verdicts.is_legacy(endpoint) {
            let transport = Arc::clone(&dialed.transport);
            match self.legacy(dialed).await {
                Ok(client) => return Ok(client),
                Err(failure) if !failure.challenges().is_empty() => return Err(failure),
                Err(failure) => {
                    tracing::debug!(endpoint, %failure, "it speaks otherwise than before");
                    verdicts.remember(endpoint, false);
                    transport.close().await;
                    dialed = self.dial(&*self.recipe).await?;
                }
            }
        }
        let client = self.detect(dialed).await?;
        // In this process there are many servers of one name.
        if client.server().era == Era::Legacy && self.recipe.binding() != Binding::Memory {
            verdicts.remember(endpoint, true);
        }
        Ok(client)
    }

    async fn dial(&self, recipe: &dyn Connect) -> Result<Dialed, ConnectFailure> {
        let transport = recipe.connect().await.map_err(|source| match source {
            ConnectError::Failed(error) => {
                let endpoint = Arc::clone(&self.endpoint);
                ConnectFailure::Handshake(CallError::delivery(error, "connect", endpoint))
            }
            source => ConnectFailure::Open { endpoint: Arc::clone(&self.endpoint), source },
        })?;
        *self.lock_newest() = Some(Arc::clone(&transport));
        Ok(Dialed { transport, ids: Arc::new(AtomicI64::new(1)) })
    }

    fn lock_newest(&self) -> MutexGuard<'_, Option<Arc<dyn Transport>>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self) -> Option<Arc<dyn Transport>> {
        self.lock_newest().clone()
    }

    async fn detect(&self, dialed: Dialed) -> Result<Client, ConnectFailure> {
        let mut version = ProtocolVersion::LATEST;
        for again in [false, true] {
            let link = self.modern_link(&dialed, version.clone());
            let probe = modern::discover(&link, self.options.probe_timeout).await;
            let (outcome, error) = match &probe {
                Ok(found) => (ProbeOutcome::Discovered(found.supported_versions.clone()), None),
                Err(error) => (outcome_of(error, self.recipe.binding()), Some(error)),
            };
            tracing::debug!(endpoint = %self.endpoint, ?outcome, "probed the era");
            match classify(outcome, again) {
                Verdict::Modern(chosen) => {
                    if let Ok(found) = probe {
                        let same = chosen == version;
                        let link = if same { link } else { self.modern_link(&dialed, chosen) };
                        return Ok(modern::client(link, &self.options, found));
                    }
                }
                Verdict::ProbeAgain(other) => {
                    version = other;
                    continue;
                }
                Verdict::Legacy => return self.legacy(dialed).await,
                Verdict::LegacyOnNewProcess => {
                    dialed.transport.close().await;
                    return self.legacy(self.dial(&*self.recipe).await?).await;
                }
                Verdict::LegacyOrSlow => return self.after_silence(dialed).await,
                Verdict::NoCommonVersion(supported) => {
                    let endpoint = Arc::clone(&self.endpoint);
                    return Err(ConnectFailure::NoCommonVersion { endpoint, supported });
                }
                Verdict::Unknown => {}
            }
            debug_assert!(error.is_some() || again, "a discovery always has a verdict");
            if let Err(error) = probe {
                return Err(ConnectFailure::Handshake(error));
            }
        }
        let endpoint = Arc::clone(&self.endpoint);
        Err(ConnectFailure::NoCommonVersion { endpoint, supported: Vec::new() })
    }

    async fn modern(
        &self,
        dialed: Dialed,
        version: ProtocolVersion,
        again: bool,
    ) -> Result<Client, ConnectFailure> {
        let link = self.modern_link(&dialed, version.clone());
        match modern::discover(&link, self.options.connect_timeout).await {
            Ok(found) => {
                let supported = &found.supported_versions;
                if supported.iter().any(|one| one == version.as_str()) {
                    return Ok(modern::client(link, &self.options, found));
                }
                Err(ConnectFailure::NoCommonVersion {
                    endpoint: Arc::clone(&self.endpoint),
                    supported: supported.clone(),
                })
            }
            Err(error) if !again => match outcome_of(&error, self.recipe.binding()) {
                // A server may refuse its first request whatever the version is.
                ProbeOutcome::Rejected {
                    code: error_code::UNSUPPORTED_PROTOCOL_VERSION,
                    supported: Some(supported),
                } if supported.iter().any(|one| one == version.as_str()) => {
                    Box::pin(self.modern(dialed, version, true)).await
                }
                _ => Err(ConnectFailure::Handshake(error)),
            },
            Err(error) => Err(ConnectFailure::Handshake(error)),
        }
    }

    async fn legacy(&self, dialed: Dialed) -> Result<Client, ConnectFailure> {
        let transport = Arc::clone(&dialed.transport);
        let refused = match legacy::connect(self, dialed).await {
            Err(ConnectFailure::Handshake(error)) if is_http_sse_likely(&error) => error,
            outcome => return outcome,
        };
        let Some(earlier) = self.recipe.earlier() else {
            return Err(ConnectFailure::Handshake(refused));
        };
        transport.close().await;
        match self.dial(&*earlier).await {
            Ok(dialed) => legacy::connect(self, dialed).await,
            Err(failure) if !failure.challenges().is_empty() => Err(failure),
            Err(failure) => {
                tracing::debug!(endpoint = %self.endpoint, %failure, "it is not HTTP+SSE either");
                // What the newer binding met tells more.
                Err(ConnectFailure::Handshake(refused))
            }
        }
    }

    fn modern_link(&self, dialed: &Dialed, version: ProtocolVersion) -> Arc<Link> {
        let declared = Declared::modern(version.clone(), &self.options);
        self.link(dialed, Era::Modern, Some(version), declared, None)
    }

    fn link(
        &self,
        dialed: &Dialed,
        era: Era,
        version: Option<ProtocolVersion>,
        declared: Declared,
        sessions: Option<Box<Sessions>>,
    ) -> Arc<Link> {
        Arc::new(Link {
            transport: Arc::clone(&dialed.transport),
            endpoint: Arc::clone(&self.endpoint),
            binding: self.recipe.binding(),
            handlers: self.options.handlers.clone(),
            era,
            sessions,
            version,
            ids: Arc::clone(&dialed.ids),
            cache: CacheAccess::new(
                self.options.cache.clone(),
                self.recipe.server_key(),
                &declared.all(),
            ),
            extensions: self.options.extensions.clone(),
            trace: self.options.trace.clone(),
            input_timeout: self.options.input_timeout,
            declared,
            beside: Beside::default(),
            watchers: Arc::default(),
            poll_interval: self.options.poll_interval,
            log_level: self.options.log_level.clone(),
        })
    }
}

fn is_http_sse_likely(error: &CallError) -> bool {
    let code = error.error_object().map(|object| object.code);
    error.http_status().is_some_and(|status| detect::may_be_http_sse(status.as_u16(), code))
}

/// Translates a failed probe for the table.
fn outcome_of(error: &CallError, binding: Binding) -> ProbeOutcome {
    match error.kind() {
        CallErrorKind::Rejected(object) => {
            ProbeOutcome::Rejected { code: object.code, supported: supported_versions(object) }
        }
        CallErrorKind::Undecodable(_) => ProbeOutcome::OtherResult,
        CallErrorKind::TimedOut { .. } if is_own(binding) => ProbeOutcome::Mute,
        CallErrorKind::TimedOut { .. } => ProbeOutcome::Silence,
        CallErrorKind::Http(failure) => ProbeOutcome::Status(failure.status.as_u16()),
        CallErrorKind::NotSent(failure) | CallErrorKind::Lost(failure) => match &failure.kind {
            // As a child process dies, so a connection of its own is hung up.
            DeliveryErrorKind::Closed(_) if is_own(binding) => ProbeOutcome::Died,
            DeliveryErrorKind::TimedOut { .. } if failure.sent == Sent::Maybe => {
                ProbeOutcome::Silence
            }
            DeliveryErrorKind::NotMcp(_) => ProbeOutcome::OtherResult,
            _ => ProbeOutcome::Unreachable,
        },
        _ => ProbeOutcome::Unreachable,
    }
}

/// Whether a connection is the client's alone, so that another one meets a fresh server.
fn is_own(binding: Binding) -> bool {
    matches!(binding, Binding::Stdio | Binding::Socket | Binding::WebSocket | Binding::Memory)
}

fn supported_versions(object: &ErrorObject) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Data {
        supported: Vec<String>,
    }
    object.data.as_ref()?.parse::<Data>().ok().map(|data| data.supported)
}
