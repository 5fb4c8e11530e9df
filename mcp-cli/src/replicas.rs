//! What several replicas of the service share, as the command line sets it.

use mcp_agent::{service::ServiceOptions, stack::StackOptions};
use mcp_transport::serve::SessionKeys;

use crate::{
    args::ReplicaOptions,
    context::Context,
    error_report::{Report, Result},
    exit_code::ErrorCode,
};

/// What this replica shares with others.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    session_keys: Option<SessionKeys>,
    #[cfg(feature = "redis")]
    redis: Option<mcp_agent::shared::Redis>,
}

impl ReplicaOptions {
    /// Reads the secrets, and looks for what is shared.
    #[cfg_attr(
        not(feature = "redis"),
        expect(clippy::unused_async, unused_variables, reason = "only for what is outside")
    )]
    pub(crate) async fn shared(&self, context: &Context) -> Result<Shared> {
        Ok(Shared {
            session_keys: self.session_keys()?,
            #[cfg(feature = "redis")]
            redis: self.connect_redis(context).await?,
        })
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
        options
    }

    /// The layers with what they share.
    #[cfg_attr(
        not(feature = "redis"),
        expect(clippy::unused_self, reason = "nothing is shared without Redis")
    )]
    pub(crate) fn layers(&self, options: StackOptions) -> StackOptions {
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            return options.shared_rates(redis.clone());
        }
        options
    }
}
