//! PostgreSQL through `@modelcontextprotocol/server-postgres`.

use mcp_agent::resources::{Profile, ResourceError, TypedResource};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{daemon::Postgres, folder, node};

#[derive(Debug, PartialEq, Deserialize)]
struct User {
    id: i64,
    name: String,
    tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Text {
    text: String,
}

const TABLE: &str = "
    CREATE TABLE users (id int PRIMARY KEY, name text, created_at date, tags jsonb, score float8);
    INSERT INTO users VALUES
        (1, 'Ada', '2023-12-10', '[\"math\"]', 0.5),
        (2, 'O''Hara', '2024-03-01', '[]', -1.5),
        (3, 'back\\slash', '2024-05-05', '[\"a\", \"b\"]', 1e10)";

async fn open(database: &Postgres) -> TypedResource {
    let folder = folder("MCP_DATABASES_DIR");
    node(folder, "mcp-server-postgres", &[&database.url()], Profile::postgres()).await
}

#[tokio::test]
async fn statements_with_parameters_give_typed_rows() {
    let database = Postgres::start().await;
    database.run(TABLE).await;
    let db = open(&database).await;

    let sql = "SELECT id, name, tags FROM users WHERE created_at > ? ORDER BY id";
    let users: Vec<User> = db.execute(sql, ["2024-01-01"]).await.unwrap();
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        users,
        [
            User { id: 2, name: "O'Hara".into(), tags: tags(&[]) },
            User { id: 3, name: "back\\slash".into(), tags: tags(&["a", "b"]) },
        ]
    );
    for (sql, params, ids) in [
        ("name = $1", json!(["O'Hara"]), vec![2]),
        ("name = $1 OR id = $2 OR name = $1", json!(["back\\slash", 1]), vec![1, 3]),
        ("score=? AND id-?=1", json!([-1.5, 1]), vec![2]),
        ("score > 1-?", json!([-1]), vec![3]),
        ("tags @> ?", json!([["a"]]), vec![3]),
        ("tags ? 'math' AND id = $1", json!([1]), vec![1]),
        ("tags ?| array['b'] AND id = ?", json!([3]), vec![3]),
        ("? IS NULL AND ? AND id < 3", json!([null, true]), vec![1, 2]),
        ("name = 'what?' OR /* ? */ id = ? -- ?", json!([1]), vec![1]),
        ("name LIKE ? AND name <> $$?$$", json!(["%a%"]), vec![1, 2, 3]),
    ] {
        let sql = format!("SELECT id FROM users WHERE {sql}\nORDER BY id");
        let rows: Vec<Value> =
            db.execute(&sql, &params).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let found: Vec<_> = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
        assert_eq!(found, ids, "{sql}");
    }

    // What does not fit, and what the database refuses.
    let error = db.execute::<User>("SELECT 1 AS id", ()).await.unwrap_err();
    assert!(matches!(error, ResourceError::Shape { .. }), "{error:?}");
    let error = db.execute::<Value>("SELECT * FROM nowhere", ()).await.unwrap_err();
    let ResourceError::Call { source, .. } = error else { panic!("{error:?}") };
    assert!(source.explain().contains("nowhere"), "{}", source.explain());
    let error = db.execute::<Value>("DELETE FROM users WHERE id = ?", [1]).await.unwrap_err();
    assert!(matches!(error, ResourceError::Call { .. }), "{error:?}");
    let error = db.execute::<Value>("COMMIT; DELETE FROM users", ()).await.unwrap_err();
    assert!(matches!(error, ResourceError::Bind(_)), "{error:?}");
    let rows: Vec<Value> = db.execute("SELECT id FROM users", ()).await.unwrap();
    assert_eq!(rows.len(), 3);
    database.stop().await;
}

/// Texts that try to leave their quotes, whatever the database's setting for backslashes.
#[tokio::test]
async fn no_text_leaves_its_literal() {
    let pieces = [
        "'", "\\", "''", "\\'", "\"", "$1", "?", "$$", ";", "--", "/*", "*/", "E'", "\n", "ü", "🦀",
    ];
    let mut texts: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
    for one in pieces {
        for other in pieces {
            texts.push(format!("{one}{other} OR 1=1; DROP TABLE users; --{one}"));
        }
    }
    let database = Postgres::start().await;
    database.run(TABLE).await;
    for setting in ["on", "off"] {
        let set = format!("ALTER DATABASE postgres SET standard_conforming_strings = {setting}");
        database.run(&set).await;
        let db = open(&database).await;
        // All at once: what reaches the database must be each of them, in order.
        let places: Vec<_> = (1..=texts.len()).map(|n| format!("({n}, ${n}::text)")).collect();
        let sql =
            format!("SELECT text FROM (VALUES {}) AS t (n, text) ORDER BY n", places.join(","));
        let rows: Vec<Text> = db.execute(&sql, &texts).await.unwrap();
        let got: Vec<_> = rows.into_iter().map(|row| row.text).collect();
        assert_eq!(got, texts, "standard_conforming_strings = {setting}");
    }
    database.stop().await;
}
