//! The tables, from one version to the next. What was released once is never changed.

use sqlx::PgPool;

/// Each brings the tables from the version of its place in this list to the next.
const STEPS: &[&str] = &[
    "
    CREATE TABLE mcp_conversations (
        id text PRIMARY KEY, created bigint NOT NULL, updated bigint NOT NULL,
        feeds bigint NOT NULL, title bytea NOT NULL, beginning bytea NOT NULL
    );
    CREATE TABLE mcp_feeds (
        conversation text NOT NULL REFERENCES mcp_conversations (id) ON DELETE CASCADE,
        number bigint NOT NULL, feed bytea NOT NULL, PRIMARY KEY (conversation, number)
    );
    CREATE TABLE mcp_tokens (name text PRIMARY KEY, sealed bytea NOT NULL)",
    "
    CREATE TABLE mcp_servers (
        name text PRIMARY KEY, revision bigint GENERATED ALWAYS AS IDENTITY,
        sealed bytea NOT NULL
    )",
    "
    CREATE TABLE mcp_pins (
        server text PRIMARY KEY, revision bigint GENERATED ALWAYS AS IDENTITY,
        sealed bytea NOT NULL
    )",
    "
    CREATE TABLE mcp_turns (
        id text PRIMARY KEY, owner text NOT NULL, made timestamptz NOT NULL DEFAULT now(),
        expires timestamptz NOT NULL, sealed bytea NOT NULL
    );
    CREATE INDEX mcp_turns_expires ON mcp_turns (expires)",
    "
    CREATE TABLE mcp_switches (name text PRIMARY KEY, enabled boolean NOT NULL)",
    "
    CREATE TABLE mcp_key (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), sealed bytea NOT NULL
    )",
];

/// Held by whoever changes the tables. Any number that nobody else takes.
const LOCK: i64 = 0x6d63_702d_7461_626c;

/// Brings the tables to the latest version, all steps or none.
pub(super) async fn run(pool: &PgPool) -> Result<(), MigrationError> {
    let mut work = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *work).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS mcp_version (version bigint NOT NULL)")
        .execute(&mut *work)
        .await?;
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM mcp_version")
        .fetch_one(&mut *work)
        .await?;
    let done = usize::try_from(found).ok().filter(|done| *done <= STEPS.len());
    let done = done.ok_or(MigrationError::Later { found, known: STEPS.len() })?;
    for step in &STEPS[done..] {
        sqlx::raw_sql(*step).execute(&mut *work).await?;
    }
    if done < STEPS.len() {
        sqlx::query("INSERT INTO mcp_version VALUES ($1)")
            .bind(i64::try_from(STEPS.len()).unwrap_or(i64::MAX))
            .execute(&mut *work)
            .await?;
    }
    work.commit().await?;
    Ok(())
}

/// The tables are not what this version needs.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrationError {
    #[error("the tables cannot be made")]
    Database(#[from] sqlx::Error),
    #[error(
        "its tables are of version {found}, and this program knows up to {known}: use a later one"
    )]
    Later { found: i64, known: usize },
}
