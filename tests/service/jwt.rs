//! Tokens of an authorization server.

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mcp_agent::service::{AccessSettings, JwtIssuer, ServiceOptions};
use mcp_client::{Client, Secret, testing::HttpScript};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use crate::asking::{Serving, misbehaving};

pub(crate) const AUDIENCE: &str = "https://tools.example/mcp";

/// A key that signs, under a name.
pub(crate) struct Signing {
    name: &'static str,
    key: EncodingKey,
    pub(crate) public: Value,
}

impl Signing {
    pub(crate) fn new(name: &'static str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).expect("a key");
        let point = &pair.public_key().as_ref()[1..];
        let public = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": name,
            "x": URL_SAFE_NO_PAD.encode(&point[..32]), "y": URL_SAFE_NO_PAD.encode(&point[32..]),
        });
        Self { name, key: EncodingKey::from_ec_der(der.as_ref()), public }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut head = Header::new(Algorithm::ES256);
        head.kid = Some(self.name.to_owned());
        jsonwebtoken::encode(&head, claims, &self.key).expect("a token")
    }
}

/// An authorization server that publishes its keys.
pub(crate) struct Issuer {
    pub(crate) url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    script: HttpScript,
}

impl Issuer {
    pub(crate) async fn start(key: &Signing) -> Self {
        let keys = Arc::new(Mutex::new(vec![json!({"kty": "new"}), key.public.clone()]));
        let (published, own) = (Arc::clone(&keys), Arc::new(Mutex::new(String::new())));
        let known = Arc::clone(&own);
        // One document that is metadata and keys.
        let script = HttpScript::start(move |_| {
            let (url, keys) = (known.lock().expect("fine"), published.lock().expect("fine"));
            (200, json!({"issuer": *url, "jwks_uri": format!("{url}/keys"), "keys": *keys}))
        });
        let script = script.await.expect("a port");
        let url = script.url().trim_end_matches("/mcp").to_owned();
        own.lock().expect("fine").clone_from(&url);
        Self { url, keys, script }
    }

    fn asked(&self) -> usize {
        self.script.posted("").len()
    }

    fn access(&self) -> AccessSettings {
        let issuer: JwtIssuer = serde_json::from_value(json!({
            "issuer": self.url, "audience": [AUDIENCE, "other"], "claim": "scope",
            "grant": [
                {"value": "mcp:look", "role": "viewer"},
                {"value": "mcp:use", "role": "user", "allow": ["one"]},
            ],
        }))
        .expect("settings");
        let mut access = AccessSettings::default();
        access.issuers.push(issuer);
        access.check().expect("settings that can work");
        access
    }

    pub(crate) fn claims(&self) -> Value {
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "ada", "exp": now() + 300,
            "scope": "openid mcp:use",
        })
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

async fn status(serving: &Serving, token: &str) -> (u16, String) {
    let header = format!("authorization: Bearer {token}\r\n");
    let answer = serving.ask("GET", "/mcp/servers", &header, None).await;
    (answer.status, answer.head)
}

async fn serving(issuer: &Issuer) -> Serving {
    let servers = vec![misbehaving("one", "ok"), misbehaving("two", "ok")];
    Serving::start(servers, ServiceOptions::new().access(issuer.access())).await
}

#[tokio::test]
async fn a_token_that_is_meant_for_the_service_lets_in() {
    let key = Signing::new("k1");
    let issuer = Issuer::start(&key).await;
    let serving = serving(&issuer).await;
    let token = key.sign(&issuer.claims());
    assert_eq!(status(&serving, &token).await.0, 200);
    let url = format!("http://{}/mcp", serving.address);
    let bearer = format!("Bearer {token}");
    let client = Client::http(&url).header("authorization", bearer).connect().await.unwrap();
    let tools = client.list_tools().await.unwrap().items;
    assert_eq!(tools.len(), 1, "those of `one`: {tools:?}");
    assert_eq!(client.call_tool("good", json!({})).await.unwrap().joined_text(), "ok");
    client.close().await;
    // Metadata once, keys once.
    assert_eq!(issuer.asked(), 2);
    serving.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_token_keeps_it_out() {
    let (key, other) = (Signing::new("k1"), Signing::new("k1"));
    let issuer = Issuer::start(&key).await;
    let serving = serving(&issuer).await;
    for (claim, value) in [
        ("exp", json!(now() - 120)),
        ("exp", json!("2999-01-01")),
        ("exp", Value::Null),
        ("nbf", json!(now() + 600)),
        ("nbf", json!("soon")),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("iss", json!("https://id.example")),
    ] {
        let mut claims = issuer.claims();
        claims[claim] = value.clone();
        let (status, head) = status(&serving, &key.sign(&claims)).await;
        assert_eq!(status, 401, "{claim} = {value}");
        assert!(head.contains(r#"error="invalid_token""#), "{head}");
    }
    let good = key.sign(&issuer.claims());
    let (_, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let head = |head: Value| URL_SAFE_NO_PAD.encode(head.to_string());
    let mut other_claims = issuer.claims();
    other_claims["sub"] = json!("bob");
    // The public key is known to everybody; so is what it would sign as a secret.
    let secret = EncodingKey::from_secret(key.public.to_string().as_bytes());
    let symmetric = jsonwebtoken::encode(&Header::default(), &issuer.claims(), &secret).unwrap();
    for forged in [
        other.sign(&issuer.claims()),
        symmetric,
        format!("{}.{claims}.", head(json!({"alg": "none"}))),
        format!("{}.{claims}.{signature}", head(json!({"alg": "None", "kid": "k1"}))),
        format!("{}.{claims}.{signature}", head(json!({"alg": "RS256", "kid": "k1"}))),
        format!("{}.{claims}.{signature}", head(json!({"alg": "ES384", "kid": "k1"}))),
        format!("{}.{claims}.{signature}", head(json!({"alg": "ES256", "crit": ["x"]}))),
        good.replace(claims, &head(other_claims)),
        format!("{good}."),
        "a.b.c".to_owned(),
        "..".to_owned(),
    ] {
        let (status, head) = status(&serving, &forged).await;
        assert_eq!(status, 401, "{forged}: {head}");
    }
    assert_eq!(status(&serving, &good).await.0, 200);
    serving.end().await;
}

#[tokio::test]
async fn a_token_without_a_grant_is_refused_as_such() {
    let key = Signing::new("k1");
    let issuer = Issuer::start(&key).await;
    let serving = serving(&issuer).await;
    let mut claims = issuer.claims();
    claims["scope"] = json!("openid");
    let (refused, head) = status(&serving, &key.sign(&claims)).await;
    assert_eq!(refused, 403);
    assert!(head.contains(r#"error="insufficient_scope""#), "{head}");
    claims["scope"] = json!("mcp:look");
    let token = key.sign(&claims);
    assert_eq!(status(&serving, &token).await.0, 200);
    let header = format!("authorization: Bearer {token}\r\n");
    let body = json!({"server_name": "one", "tool_name": "good"}).to_string();
    let call = serving.ask("POST", "/mcp/tools/call", &header, Some(&body)).await;
    assert_eq!(call.status, 403, "{call:?}");
    serving.end().await;
}

#[tokio::test]
async fn a_new_key_is_fetched_once_and_an_unknown_one_is_no_load() {
    let (first, second, unknown) = (Signing::new("k1"), Signing::new("k2"), Signing::new("k3"));
    let issuer = Issuer::start(&first).await;
    let serving = serving(&issuer).await;
    assert_eq!(status(&serving, &first.sign(&issuer.claims())).await.0, 200);
    let asked = issuer.asked();
    *issuer.keys.lock().unwrap() = vec![second.public.clone()];
    assert_eq!(status(&serving, &second.sign(&issuer.claims())).await.0, 200);
    assert_eq!(issuer.asked(), asked + 2);
    // The old one is not good any more, as soon as that is known.
    let mut claims = issuer.claims();
    claims["sub"] = json!("bob");
    assert_eq!(status(&serving, &first.sign(&claims)).await.0, 401);
    for _ in 0..5 {
        assert_eq!(status(&serving, &unknown.sign(&claims)).await.0, 401);
    }
    assert_eq!(issuer.asked(), asked + 2);
    serving.end().await;
}

#[tokio::test]
async fn whoever_comes_without_a_token_is_told_where_they_come_from() {
    let issuer = Issuer::start(&Signing::new("k1")).await;
    let serving = serving(&issuer).await;
    let base = format!("http://{}", serving.address);
    for (path, resource) in [("/mcp", "/mcp"), ("/servers/one/mcp", "/servers/one/mcp")] {
        let refused = serving.post(path, &json!({})).await;
        assert_eq!(refused.status, 401);
        let place = format!("/.well-known/oauth-protected-resource{resource}");
        let told = format!(r#"resource_metadata="{base}{place}""#);
        assert!(refused.head.contains(&told), "{}", refused.head);
        let metadata = serving.get(&place).await.json();
        assert_eq!(
            metadata,
            json!({
                "resource": format!("{base}{resource}"),
                "authorization_servers": [issuer.url],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["mcp:look", "mcp:use"],
            })
        );
    }
    // Where no tokens are taken there is nothing to tell.
    let without = Serving::start(vec![], ServiceOptions::new().token(Secret::new("x"))).await;
    assert!(!without.get("/mcp/servers").await.head.contains("resource_metadata"));
    assert_eq!(without.get("/.well-known/oauth-protected-resource/mcp").await.status, 404);
    without.end().await;
    serving.end().await;
}

#[tokio::test]
async fn an_issuer_that_is_away_is_no_reason_to_let_in() {
    let key = Signing::new("k1");
    let issuer = Issuer::start(&key).await;
    let token = key.sign(&issuer.claims());
    let serving = serving(&issuer).await;
    drop(issuer);
    let (status, head) = status(&serving, &token).await;
    assert_eq!(status, 503, "{head}");
    assert!(head.contains("retry-after: 5"), "{head}");
    serving.end().await;
}
