//! What replicas tell each other by `NOTIFY`.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection as _, Postgres, postgres::PgArguments, postgres::PgListener, query::Query};
use tokio::{
    select,
    sync::watch,
    time::{sleep, timeout_at},
};

use super::{super::StoreError, Shared, lending::Lender};

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
        let mut lent = self.lender.lend().await?;
        let until = lent.until;
        let change = async {
            let mut work = lent.begin().await?;
            let changed = statement.execute(&mut *work).await?.rows_affected() > 0;
            if changed {
                sqlx::query("SELECT pg_notify($1, '')").bind(channel).execute(&mut *work).await?;
                work.commit().await?;
            }
            Ok(changed)
        };
        let outcome = timeout_at(until, change).await;
        self.lender.back(lent, outcome)
    }
}

/// Hears of what others change, on a connection of its own.
pub(super) async fn listen(lender: Arc<Lender>, news: News) {
    loop {
        select! {
            outcome = hear(&lender, &news) => if let Err(error) = outcome {
                tracing::debug!(%error, "changes are not heard of for now");
            },
            // A connection to a server that hangs does not end by itself.
            () = lender.away() => {}
            () = lender.closed() => return,
        }
        select! {
            () = async { sleep(PAUSE).await; lender.here().await } => {}
            () = lender.closed() => return,
        }
    }
}

/// Until the connection is lost.
async fn hear(lender: &Lender, news: &News) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(&lender.listening()).await?;
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
