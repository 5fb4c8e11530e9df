use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::json;

use super::*;

/// Checks a proof as RFC 9449 section 4.3 tells servers to, and gives its claims.
fn checked(proof: &HeaderValue) -> Value {
    let proof = proof.to_str().unwrap();
    let header = jsonwebtoken::decode_header(proof).unwrap();
    assert_eq!(header.typ.as_deref(), Some("dpop+jwt"));
    let jwk = header.jwk.unwrap();
    assert!(serde_json::to_value(&jwk).unwrap().get("d").is_none(), "the private key is shown");
    let algorithm = header.alg;
    assert!(matches!(algorithm, Algorithm::ES256 | Algorithm::EdDSA));
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    jsonwebtoken::decode::<Value>(proof, &key, &validation).unwrap().claims
}

fn nonce(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        header::HeaderName::from_static(DPOP_NONCE),
        HeaderValue::from_static(value),
    )])
}

// covers: auth-dpop
#[test]
fn a_proof_is_about_one_request() {
    for listed in [&[][..], &["EdDSA".to_owned()], &["EdDSA".to_owned(), "ES256".to_owned()]] {
        let key = DpopKey::generate(listed).unwrap();
        let url = Uri::from_static("https://User:pw@MCP.example:8443/mcp/x?q=1");
        let token = Secret::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        let claims = checked(&key.proof(&Method::POST, &url, Some(&token)).unwrap());
        assert_eq!(claims["htm"], "POST");
        assert_eq!(claims["htu"], "https://mcp.example:8443/mcp/x");
        // RFC 9449 section 7.1.
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert!(claims.get("nonce").is_none());
        let now = unix_seconds(SystemTime::now());
        assert!((now - claims["iat"].as_i64().unwrap()).abs() < 60);
        let next = checked(&key.proof(&Method::POST, &url, None).unwrap());
        assert_ne!(claims["jti"], next["jti"]);
        assert!(next.get("ath").is_none());
    }
}

// covers: auth-dpop
#[test]
fn a_nonce_stays_with_its_origin_until_the_next() {
    let key = DpopKey::generate(&[]).unwrap();
    let ours = Uri::from_static("https://as.example/token");
    let other = Uri::from_static("https://mcp.example/mcp");
    assert!(!key.observe(&ours, &HeaderMap::new()));
    assert!(key.observe(&ours, &nonce("n1")));
    assert!(key.observe(&ours, &nonce("n2")));
    let claims = |url| checked(&key.clone().proof(&Method::GET, url, None).unwrap());
    assert_eq!(claims(&ours)["nonce"], "n2");
    assert!(claims(&other).get("nonce").is_none());
}

#[test]
fn the_clock_of_the_server_counts() {
    let key = DpopKey::generate(&[]).unwrap();
    let url = Uri::from_static("https://as.example/token");
    let ahead = SystemTime::now() + std::time::Duration::from_secs(3600);
    let date = HeaderValue::from_str(&httpdate::fmt_http_date(ahead)).unwrap();
    key.observe(&url, &HeaderMap::from_iter([(header::DATE, date)]));
    let issued = checked(&key.proof(&Method::GET, &url, None).unwrap())["iat"].as_i64().unwrap();
    assert!((issued - unix_seconds(ahead)).abs() < 60);
}

#[test]
fn a_key_can_be_kept() {
    let key = DpopKey::generate(&[]).unwrap();
    let kept = DpopKey::from_pkcs8(key.pkcs8()).unwrap();
    assert_eq!(kept.thumbprint(), key.thumbprint());
    assert_eq!(format!("{key:?}"), format!("DpopKey(\"{}\")", key.thumbprint()));
    assert_eq!(json!(key.thumbprint().len()), 43);
}
