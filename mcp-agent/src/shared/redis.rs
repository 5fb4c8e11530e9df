//! Limits and results that replicas share through Redis, or Valkey, which speaks the same.

mod results;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo as _,
    aio::MultiplexedConnection,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{Companion, Presence};
use crate::{
    layers::{Lease, Rate, SharedAway, SharedRates},
    model::BoxFuture,
};

/// How long one answer may take. Calls wait for it.
const ANSWER: Duration = Duration::from_millis(250);

/// How long a connection may take. Nobody waits for it.
const CONNECT: Duration = Duration::from_secs(2);

/// How often it is seen whether Redis is there.
const BEAT: Duration = Duration::from_secs(1);

/// The generic cell rate algorithm for several calls at once, on the clock of Redis: `KEYS[1]` is
/// the time when the bucket is full again, in microseconds. Arguments: the time for one call, the
/// burst, and how many calls are wanted. Gives how many are granted, or the time until there is one.
const TAKE: &str = "
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local each, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local granted = math.min(math.floor((now + burst * each - full) / each), wanted)
if granted < 1 then return {0, math.ceil(full + each - burst * each - now)} end
full = full + granted * each
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil((full - now) / 1000) + 1000)
return {granted, 0}";

/// One connection to Redis, which all share who use it. While Redis is away nobody waits for it:
/// whatever is asked fails at once until a look at it, once a second, finds it there again. Cloning
/// gives another handle.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    link: Arc<Link>,
    /// Ends with the last handle.
    _beating: JoinSet<()>,
}

struct Link {
    client: Client,
    /// Before all keys.
    prefix: String,
    line: Mutex<Line>,
    presence: watch::Sender<Presence>,
}

#[derive(Default)]
struct Line {
    connection: Option<MultiplexedConnection>,
    /// Counts the connections, so that one that failed does not end the next one.
    number: u64,
}

/// Redis cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// That is no address of Redis.
    #[error("that is no URL of Redis: write such as redis://user:password@host:6379/0")]
    Url(#[source] redis::RedisError),
}

impl Redis {
    /// Begins to connect, and goes on trying for as long as it lives. All keys begin with `prefix`:
    /// processes with the same one share what they count.
    ///
    /// # Errors
    /// The URL is none of Redis. The error does not repeat it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect(url: &str, prefix: impl Into<String>) -> Result<Self, RedisError> {
        let info = url.into_connection_info().map_err(RedisError::Url)?;
        let client = Client::open(info).map_err(RedisError::Url)?;
        let presence = watch::Sender::new(Presence::Unknown);
        let link = Link { client, prefix: prefix.into(), line: Mutex::default(), presence };
        let link = Arc::new(link);
        let mut beating = JoinSet::new();
        beating.spawn(beat(Arc::clone(&link)));
        Ok(Self(Arc::new(Shared { link, _beating: beating })))
    }

    /// Waits until it is known whether Redis is there; at most about two seconds.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn met(&self) -> Presence {
        let mut presence = self.0.link.presence.subscribe();
        // The sender lives as long as this handle.
        let met = presence.wait_for(|presence| *presence != Presence::Unknown).await;
        met.map(|presence| presence.clone()).unwrap_or_default()
    }
}

impl Link {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks what is answered at once or not at all.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, SharedAway> {
        let (mut connection, number) = self.connection()?;
        self.answered(number, command.query_async(&mut connection)).await
    }

    /// The connection, and its number.
    fn connection(&self) -> Result<(MultiplexedConnection, u64), SharedAway> {
        let line = self.line();
        if let Some(connection) = line.connection.clone() {
            return Ok((connection, line.number));
        }
        drop(line);
        Err(match &*self.presence.borrow() {
            Presence::Away { reason } => SharedAway { reason: Arc::clone(reason) },
            _ => SharedAway { reason: "it was not met so far".into() },
        })
    }

    async fn answered<T>(
        &self,
        number: u64,
        asking: impl Future<Output = redis::RedisResult<T>>,
    ) -> Result<T, SharedAway> {
        let reason: Arc<str> = match timeout(ANSWER, asking).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string().into(),
            Err(_) => format!("no answer within {ANSWER:?}").into(),
        };
        self.lost(number, &reason);
        Err(SharedAway { reason })
    }

    fn lost(&self, number: u64, reason: &Arc<str>) {
        let mut line = self.line();
        if line.number != number || line.connection.take().is_none() {
            return;
        }
        drop(line);
        self.is_away(reason);
    }

    fn is_away(&self, reason: &Arc<str>) {
        self.presence.send_if_modified(|presence| {
            let is_news = !matches!(presence, Presence::Away { .. });
            if is_news {
                tracing::warn!(%reason, "Redis is away: each replica keeps to its limits by itself");
            }
            *presence = Presence::Away { reason: Arc::clone(reason) };
            true
        });
    }

    async fn look(&self) {
        if self.line().connection.is_some() {
            // What went wrong is noted there.
            let _: Result<String, _> = self.ask(&redis::cmd("PING")).await;
            return;
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(CONNECT));
        match self.client.get_multiplexed_async_connection_with_config(&config).await {
            Ok(connection) => {
                let mut line = self.line();
                line.connection = Some(connection);
                line.number += 1;
                drop(line);
                self.presence.send_if_modified(|presence| {
                    if matches!(presence, Presence::Away { .. }) {
                        tracing::info!("Redis is there again");
                    }
                    *presence = Presence::Here;
                    true
                });
            }
            Err(error) => self.is_away(&error.to_string().into()),
        }
    }
}

async fn beat(link: Arc<Link>) {
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        link.look().await;
    }
}

impl SharedRates for Redis {
    fn lease<'a>(
        &'a self,
        name: &'a str,
        rate: Rate,
        wanted: u32,
    ) -> BoxFuture<'a, Result<Lease, SharedAway>> {
        Box::pin(async move {
            let link = &self.0.link;
            let each = rate.interval().as_secs_f64() * 1e6;
            let mut take = redis::cmd("EVAL");
            // A limit that was changed begins anew.
            take.arg(TAKE).arg(1).arg(format!("{}:rate:{rate}:{name}", link.prefix));
            take.arg(each).arg(rate.burst_size()).arg(wanted);
            let (granted, wait): (u32, u64) = link.ask(&take).await?;
            Ok(match granted {
                0 => Lease::NotBefore(Duration::from_micros(wait)),
                calls => Lease::Granted(calls.min(wanted)),
            })
        })
    }
}

impl Companion for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn presence(&self) -> Presence {
        self.0.link.presence.borrow().clone()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its address may have a password.
        f.debug_struct("Redis").field("presence", &self.presence()).finish_non_exhaustive()
    }
}
