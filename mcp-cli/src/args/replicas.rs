//! What several replicas of the service share.

use clap::Args;

use crate::secret_source::SecretSource;

#[derive(Debug, Args)]
#[command(next_help_heading = "Options for several replicas")]
#[cfg_attr(
    any(feature = "postgres", feature = "redis"),
    command(group = clap::ArgGroup::new("what is sealed").multiple(true))
)]
pub(crate) struct ReplicaOptions {
    /// The secret that seals the ids of sessions, `env:NAME` or `file:PATH`: replicas with the same
    /// one serve each other's sessions. More words are former secrets. Made anew when not given
    #[arg(long, value_name = "SECRET")]
    pub(crate) session_key: Option<SecretSource>,
    /// Where the URL of Redis or Valkey is, `env:NAME` or `file:PATH`: replicas with the same one
    /// keep to --rate together. While it is away, each keeps to it by itself
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "SECRET")]
    pub(crate) redis: Option<SecretSource>,
    /// Where the URL of PostgreSQL is, `env:NAME` or `file:PATH`: replicas with the same one keep
    /// the servers that are added or switched over REST there, the tokens that they get for servers,
    /// which one renews for all, the pins of tools, what requests to /v1 go on from, and the
    /// conversations of --sessions
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "SECRET", requires = "store_key", group = "what is sealed")]
    pub(crate) postgres: Option<SecretSource>,
    /// The secret that seals what is kept in PostgreSQL and Redis, `env:NAME` or `file:PATH`
    #[cfg(any(feature = "postgres", feature = "redis"))]
    #[arg(long, value_name = "SECRET", requires = "what is sealed")]
    pub(crate) store_key: Option<SecretSource>,
    /// Share the results that --cache-ttl keeps in Redis, those of a server which is the same
    /// wherever it is called from, or with `*` of all
    #[cfg(feature = "redis")]
    #[arg(
        long,
        value_name = "SERVER",
        requires_all = ["redis", "store_key"],
        group = "what is sealed"
    )]
    pub(crate) share_results: Vec<String>,
    /// The name of this group of replicas in what they share
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "NAME", default_value = "mcp")]
    pub(crate) replica_group: String,
}
