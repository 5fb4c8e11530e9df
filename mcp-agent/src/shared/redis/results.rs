//! Results of tools.

use std::time::Duration;

use super::Redis;
use crate::{
    layers::{SharedAway, SharedFind, SharedResults},
    model::BoxFuture,
};

impl Redis {
    fn key(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.0.link.prefix)
    }

    async fn set(
        &self,
        key: String,
        value: impl redis::ToSingleRedisArg,
        ttl: Duration,
    ) -> Result<(), SharedAway> {
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 50);
        let mut set = redis::cmd("SET");
        set.arg(key).arg(value).arg("PX").arg(millis);
        self.0.link.ask(&set).await
    }
}

impl SharedResults for Redis {
    fn find<'a>(
        &'a self,
        server: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<SharedFind, SharedAway>> {
        Box::pin(async move {
            let value = self.key("result", name);
            let mut asked = redis::pipe();
            asked.get(self.key("mark", server)).get(&value).pttl(&value);
            let link = &self.0.link;
            let (mut connection, number) = link.connection()?;
            let (mark, value, left): (Option<u64>, Option<Vec<u8>>, i64) =
                link.answered(number, asked.query_async(&mut connection)).await?;
            // Below 0 there is none any more, or it was kept by somebody else, for ever.
            let left = u64::try_from(left).ok().map(Duration::from_millis);
            Ok(SharedFind { mark, value: value.zip(left) })
        })
    }

    fn keep<'a>(
        &'a self,
        name: &'a str,
        value: &'a [u8],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), SharedAway>> {
        Box::pin(self.set(self.key("result", name), value, ttl))
    }

    fn mark<'a>(
        &'a self,
        server: &'a str,
        mark: u64,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), SharedAway>> {
        Box::pin(self.set(self.key("mark", server), mark, ttl))
    }
}
