//! What several replicas of the service share, as the command line sets it.

#[cfg(feature = "postgres")]
use std::sync::Arc;

#[cfg(feature = "redis")]
use mcp_agent::layers::ResultSharing;
#[cfg(feature = "postgres")]
use mcp_agent::store::{PostgresStore, StoreError, StoreKey};
use mcp_agent::{
    service::{ServiceOptions, ToolPins},
    stack::StackOptions,
};
#[cfg(any(feature = "postgres", feature = "redis"))]
use mcp_client::Secret;
use mcp_client::{Hub, HubOptions};
use mcp_transport::serve::SessionKeys;

#[cfg(any(feature = "postgres", feature = "redis"))]
use crate::secret_source::SecretSource;
use crate::{
    access,
    args::ReplicaOptions,
    context::Context,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    sessions,
};

/// What this replica shares with others.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    session_keys: Option<SessionKeys>,
    #[cfg(feature = "redis")]
    redis: Option<mcp_agent::shared::Redis>,
    #[cfg(feature = "redis")]
    results: Option<SharedResults>,
    #[cfg(feature = "postgres")]
    postgres: Option<PostgresStore>,
}

/// Of which servers results are shared, and what seals them.
#[cfg(feature = "redis")]
#[derive(Debug)]
struct SharedResults {
    servers: Vec<String>,
    secret: Secret,
}

impl ReplicaOptions {
    /// Reads the secrets, and looks for what is shared.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "redis")),
        allow(clippy::unused_async, reason = "only what is outside is waited for")
    )]
    #[cfg_attr(
        not(feature = "redis"),
        allow(unused_variables, reason = "only what may be away needs a warning")
    )]
    pub(crate) async fn shared(&self, context: &Context) -> Result<Shared> {
        Ok(Shared {
            session_keys: self.session_keys()?,
            #[cfg(feature = "redis")]
            redis: self.connect_redis(context).await?,
            #[cfg(feature = "redis")]
            results: self.shared_results()?,
            #[cfg(feature = "postgres")]
            postgres: self.connect_postgres().await?,
        })
    }

    /// Whether what is shared can be, without changing anything there.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(clippy::unused_async, reason = "only what is outside is waited for")
    )]
    pub(crate) async fn check(&self) -> Result<()> {
        self.session_keys()?;
        #[cfg(any(feature = "postgres", feature = "redis"))]
        if let Some(key) = &self.store_key {
            let secret = store_secret(key)?;
            #[cfg(not(feature = "postgres"))]
            drop(secret);
            #[cfg(feature = "postgres")]
            if let Some(url) = &self.postgres {
                let url = url.read("--postgres")?;
                let checked = match StoreKey::derive(secret.reveal().as_bytes()) {
                    Ok(key) => PostgresStore::check(url.reveal(), &key).await,
                    Err(error) => Err(error),
                };
                checked.map_err(|error| unusable(&error))?;
            }
        }
        Ok(())
    }

    fn session_keys(&self) -> Result<Option<SessionKeys>> {
        let Some(source) = &self.session_key else { return Ok(None) };
        let secret = source.read("--session-key")?;
        let mut words = secret.reveal().split_whitespace().map(str::as_bytes);
        let first = SessionKeys::derive(words.next().unwrap_or_default());
        match first.and_then(|first| words.try_fold(first, SessionKeys::and_former)) {
            Ok(keys) => Ok(Some(keys)),
            Err(error) => Err(Report::new(ErrorCode::Usage, "--session-key cannot be used")
                .cause(error.to_string())
                .help("`openssl rand -hex 32` makes a secret")
                .into()),
        }
    }

    /// Unlike limits, what is kept cannot be kept by each replica for itself: without it there is
    /// no service.
    #[cfg(feature = "postgres")]
    async fn connect_postgres(&self) -> Result<Option<PostgresStore>> {
        let (Some(url), Some(key)) = (&self.postgres, &self.store_key) else { return Ok(None) };
        Ok(Some(postgres(url, key).await?))
    }

    #[cfg(feature = "redis")]
    fn shared_results(&self) -> Result<Option<SharedResults>> {
        if self.share_results.is_empty() {
            return Ok(None);
        }
        let Some(key) = &self.store_key else { return Ok(None) };
        let secret = store_secret(key)?;
        Ok(Some(SharedResults { servers: self.share_results.clone(), secret }))
    }

    #[cfg(feature = "redis")]
    async fn connect_redis(&self, context: &Context) -> Result<Option<mcp_agent::shared::Redis>> {
        use mcp_agent::shared::{Presence, Redis};

        let Some(source) = &self.redis else { return Ok(None) };
        let url = source.read("--redis")?;
        let redis = Redis::connect(url.reveal(), &self.replica_group).map_err(|error| {
            Report::new(ErrorCode::Usage, "--redis cannot be used").cause(error.to_string())
        })?;
        if let Presence::Away { reason } = redis.met().await {
            let text = "Redis is away, and each replica keeps to its limits by itself until it is";
            context.messages.warning(format_args!("{text} there: {reason}"));
        }
        Ok(Some(redis))
    }
}

/// What is kept in PostgreSQL. `key` seals it.
#[cfg(feature = "postgres")]
pub(crate) async fn postgres(url: &SecretSource, key: &SecretSource) -> Result<PostgresStore> {
    let (url, secret) = (url.read("--postgres")?, store_secret(key)?);
    let connected = match StoreKey::derive(secret.reveal().as_bytes()) {
        Ok(key) => PostgresStore::connect(url.reveal(), key).await,
        Err(error) => Err(error),
    };
    connected.map_err(|error| unusable(&error).into())
}

#[cfg(feature = "postgres")]
fn unusable(error: &StoreError) -> Report {
    match error {
        StoreError::WrongKey { .. } => {
            Report::new(ErrorCode::Usage, "--store-key is not the secret of this database")
                .cause(error.to_string())
                .help("give the secret that the other replicas have, or a database of its own")
        }
        _ => Report::new(ErrorCode::Unreachable, "PostgreSQL cannot be used")
            .cause(error.to_string())
            .causes_of(error),
    }
}

#[cfg(any(feature = "postgres", feature = "redis"))]
fn store_secret(source: &SecretSource) -> Result<Secret> {
    let secret = source.read("--store-key")?;
    if secret.reveal().len() < 16 {
        return Err(Report::new(ErrorCode::Usage, "the secret of --store-key is too short")
            .help("16 characters or more; `openssl rand -hex 32` makes some")
            .into());
    }
    Ok(secret)
}

impl Shared {
    /// The service with what it shares.
    pub(crate) fn service(&self, mut options: ServiceOptions) -> ServiceOptions {
        if let Some(keys) = &self.session_keys {
            options = options.session_keys(keys.clone());
        }
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            options = options.companion(redis.clone());
        }
        #[cfg(feature = "postgres")]
        if let Some(postgres) = &self.postgres {
            options = options.companion(postgres.clone());
            options = options.servers(postgres.clone()).turns(postgres.clone());
            return options.shared_logins(Arc::new(postgres.clone()));
        }
        match access::files() {
            Some(files) => options.logins(files),
            None => options,
        }
    }

    /// Where conversations are: in what is shared, or in a file of this user's.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_self, reason = "conversations are in a file")
    )]
    pub(crate) fn conversations(&self, options: ServiceOptions) -> Result<ServiceOptions> {
        #[cfg(feature = "postgres")]
        if let Some(postgres) = &self.postgres {
            return Ok(options.conversations(postgres.clone()));
        }
        Ok(options.conversations(sessions::open()?))
    }

    /// The pins of all replicas.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_self, unused_variables, reason = "pins are in a file")
    )]
    pub(crate) fn pins(&self, context: &Context) -> Option<ToolPins> {
        #[cfg(feature = "postgres")]
        if let Some(postgres) = &self.postgres {
            return Some(crate::pins::of_replicas(postgres.clone(), context));
        }
        None
    }

    /// The servers with the tokens that are shared.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(clippy::unused_self, unused_variables, reason = "tokens are in files")
    )]
    pub(crate) fn hub(&self, options: &mut HubOptions) {
        #[cfg(feature = "postgres")]
        if let Some(postgres) = self.postgres.clone() {
            options.authorize(move |_| Some(access::kept_in(postgres.clone())));
        }
    }

    /// The layers with what they share. `hub` has the servers.
    #[cfg_attr(
        not(feature = "redis"),
        expect(
            clippy::unused_self,
            clippy::unnecessary_wraps,
            unused_variables,
            reason = "nothing is shared without Redis"
        )
    )]
    pub(crate) fn layers(&self, options: StackOptions, hub: &Hub) -> Result<StackOptions> {
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            let options = options.shared_rates(redis.clone());
            let Some(SharedResults { servers, secret }) = &self.results else { return Ok(options) };
            let servers = servers.clone();
            let is_shared = move |name: &str| servers.iter().any(|one| one == "*" || one == name);
            let secret = secret.reveal().as_bytes();
            let sharing = ResultSharing::new(redis.clone(), secret, hub.clone(), is_shared);
            let sharing = sharing.map_err(|error| {
                Report::new(ErrorCode::Usage, "--store-key cannot be used").cause(error.to_string())
            })?;
            return Ok(options.shared_results(sharing));
        }
        Ok(options)
    }
}
