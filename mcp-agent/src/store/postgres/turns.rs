//! What later requests go on from.

use std::{collections::HashMap, sync::Arc, time::Duration};

use mcp_client::{Digest, Secret};
use serde_json::Value;
use sqlx::Connection as _;
use tokio::time::{MissedTickBehavior, interval, timeout_at};

use super::{
    super::{KeptTurn, StoreError, TurnStore},
    PostgresStore, Shared,
    lending::Lender,
};
use crate::model::BoxFuture;

/// How much is kept of one owner, in bytes.
const MOST_OF_ONE: i64 = 64 << 20;

/// How much is kept of all, in bytes.
const MOST: i64 = 1 << 30;

/// How often it is looked what is too old and too much.
const SWEEP: Duration = Duration::from_secs(60);

/// How long the server may take to forget. Less than [`SWEEP`], which the look itself may take.
const MOST_FORGETTING: Duration = Duration::from_secs(50);

/// The place of a sealed turn.
fn place(id: &str) -> String {
    format!("turn {id}")
}

/// A name in the table: whoever reads it cannot ask for what it stands for.
fn hidden(name: &str) -> String {
    Digest::of_json(&Value::from(name)).to_string()
}

impl Shared {
    async fn keep_turn(&self, turn: &KeptTurn) -> Result<(), StoreError> {
        let sealed = self.key.seal(&place(&turn.id), turn.said.reveal().as_bytes())?;
        let insert = sqlx::query(
            "INSERT INTO mcp_turns (id, owner, expires, sealed)
             VALUES ($1, $2, now() + make_interval(secs => $3), $4)",
        )
        .bind(hidden(&turn.id))
        .bind(hidden(&turn.owner))
        .bind(turn.lasts.as_secs_f64())
        .bind(sealed);
        self.lender.execute(insert).await.map(drop)
    }

    async fn turns(&self, ids: &[String]) -> Result<Vec<(String, Secret)>, StoreError> {
        let mut asked: HashMap<String, &String> = ids.iter().map(|id| (hidden(id), id)).collect();
        let hidden: Vec<&String> = asked.keys().collect();
        let query = sqlx::query_as(
            "SELECT id, sealed FROM mcp_turns WHERE id = ANY($1) AND expires > now()",
        );
        let rows: Vec<(String, Vec<u8>)> = self.lender.all(query.bind(hidden)).await?;
        let found = rows.into_iter().filter_map(|(id, sealed)| Some((asked.remove(&id)?, sealed)));
        let opened = found.map(|(id, sealed)| {
            let text = String::from_utf8(self.key.open(&place(id), &sealed)?);
            let text = text.map_err(|error| StoreError::Unreadable(error.into()))?;
            Ok((id.clone(), Secret::new(text)))
        });
        opened.collect()
    }

    async fn remove_turn(&self, id: &str) -> Result<bool, StoreError> {
        let delete = sqlx::query("DELETE FROM mcp_turns WHERE id = $1 AND expires > now()");
        Ok(self.lender.execute(delete.bind(hidden(id))).await? > 0)
    }
}

impl TurnStore for PostgresStore {
    fn keep<'a>(&'a self, turn: &'a KeptTurn) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.0.keep_turn(turn))
    }

    fn find<'a>(
        &'a self,
        ids: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<(String, Secret)>, StoreError>> {
        Box::pin(self.0.turns(ids))
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.0.remove_turn(id))
    }
}

/// Forgets what is too old, and the oldest of what is too much: first of one owner, so that what
/// one has in excess costs nobody else. Each replica does so.
pub(super) async fn sweep(lender: Arc<Lender>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = forget(&lender, MOST_OF_ONE, MOST).await {
            tracing::debug!(%error, "what is too old is not forgotten for now");
        }
    }
}

async fn forget(lender: &Lender, most_of_one: i64, most: i64) -> Result<(), StoreError> {
    let mut lent = lender.lend_for(SWEEP).await?;
    let until = lent.until;
    let delete = sqlx::query(
        "DELETE FROM mcp_turns WHERE expires <= now() OR id IN (
             SELECT id FROM (
                 SELECT id, of_one,
                     sum(bytes) FILTER (WHERE of_one <= $1) OVER (ORDER BY made DESC, id) AS of_all
                 FROM (
                     SELECT id, made, octet_length(sealed) AS bytes,
                         sum(octet_length(sealed)) OVER (PARTITION BY owner ORDER BY made DESC, id)
                             AS of_one
                     FROM mcp_turns
                 ) AS one
             ) AS sized
             WHERE of_one > $1 OR of_all > $2
         )",
    )
    .bind(most_of_one)
    .bind(most);
    let forget = async {
        let mut work = lent.begin().await?;
        sqlx::query("SELECT set_config('statement_timeout', $1, true)")
            .bind(MOST_FORGETTING.as_millis().to_string())
            .execute(&mut *work)
            .await?;
        delete.execute(&mut *work).await?;
        work.commit().await
    };
    let outcome = timeout_at(until, forget).await;
    lender.back(lent, outcome)
}
