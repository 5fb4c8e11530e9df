//! What replicas tell each other by `NOTIFY`.

use std::time::Duration;

use sqlx::{PgPool, Postgres, postgres::PgArguments, postgres::PgListener, query::Query};
use tokio::{sync::watch, time::sleep};

use super::{super::StoreError, Shared};

/// Where changes of servers are told.
pub(super) const SERVERS: &str = "mcp_servers";

/// Where changes of pins are told.
pub(super) const PINS: &str = "mcp_pins";

/// How long to wait before the next try to listen.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts what others may have changed.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    pub(super) servers: watch::Sender<u64>,
    pub(super) pins: watch::Sender<u64>,
}

impl Shared {
    /// Changes something and tells all replicas, this one too. Returns whether it changed.
    pub(super) async fn change(
        &self,
        channel: &str,
        statement: Query<'_, Postgres, PgArguments>,
    ) -> Result<bool, StoreError> {
        let change = async {
            let mut work = self.pool.begin().await?;
            let changed = statement.execute(&mut *work).await?.rows_affected() > 0;
            if changed {
                sqlx::query("SELECT pg_notify($1, '')").bind(channel).execute(&mut *work).await?;
                work.commit().await?;
            }
            Ok(changed)
        };
        change.await.map_err(|error: sqlx::Error| self.failed(error))
    }
}

/// Hears of what others change, on a connection of its own.
pub(super) async fn listen(pool: PgPool, news: News) {
    loop {
        match hear(&pool, &news).await {
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => tracing::debug!(%error, "changes are not heard of for now"),
            Ok(()) => {}
        }
        sleep(PAUSE).await;
    }
}

/// Until the connection is lost.
async fn hear(pool: &PgPool, news: &News) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.ignore_pool_close_event(false);
    listener.listen_all([SERVERS, PINS]).await?;
    // What was told before it listened, it did not hear.
    tell(&news.servers);
    tell(&news.pins);
    while let Some(told) = listener.try_recv().await? {
        match told.channel() {
            SERVERS => tell(&news.servers),
            _ => tell(&news.pins),
        }
    }
    Ok(())
}

fn tell(news: &watch::Sender<u64>) {
    news.send_modify(|number| *number += 1);
}
