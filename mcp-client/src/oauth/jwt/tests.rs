use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::Jwk};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use serde_json::json;

use super::*;

/// Verifies a token with another implementation, and gives its claims.
fn verified(token: &str, algorithm: Algorithm, jwk: &PublicJwk) -> Value {
    let jwk: Jwk = serde_json::from_value(jwk.to_json()).unwrap();
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_aud = false;
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    jsonwebtoken::decode(token, &key, &validation).unwrap().claims
}

#[test]
fn another_implementation_verifies_what_is_signed() {
    let random = SystemRandom::new();
    let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    for (der, algorithm) in [(p256, Algorithm::ES256), (ed25519, Algorithm::EdDSA)] {
        let key = SigningKey::from_pkcs8(der.as_ref()).unwrap().key_id("k1");
        let claims = json!({"sub": "é", "n": 1});
        let token = key.sign(Map::new(), &claims).unwrap();
        assert_eq!(verified(&token, algorithm, &key.public_jwk().unwrap()), claims);
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (algorithm, Some("k1")));
    }
}

#[test]
fn an_rsa_key_signs_both_ways() {
    let key = SigningKey::from_pem(include_str!("rsa_test_key.pem")).unwrap();
    let Pair::Rsa(pair) = &*key.pair else { panic!("it is an RSA key") };
    let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
    for (ours, theirs) in
        [(SigningAlgorithm::Rs256, Algorithm::RS256), (SigningAlgorithm::Ps256, Algorithm::PS256)]
    {
        let key = key.clone().with_algorithm(ours).unwrap();
        let token = key.sign(Map::new(), &json!({"sub": "me"})).unwrap();
        let mut validation = Validation::new(theirs);
        validation.required_spec_claims.clear();
        jsonwebtoken::decode::<Value>(&token, &public, &validation).unwrap();
    }
    let listed = ["PS256".to_owned()];
    assert_eq!(key.accepted_by(&listed).algorithm(), SigningAlgorithm::Ps256);
    assert_eq!(key.accepted_by(&["ES256".to_owned()]).algorithm(), SigningAlgorithm::Rs256);
    assert!(key.with_algorithm(SigningAlgorithm::Es256).is_err());
}

/// RFC 8037 appendix A.3, and the `jkt` of RFC 9449 section 6.1.
#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let okp = PublicJwk::Okp { x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned() };
    assert_eq!(okp.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let ec = PublicJwk::Ec {
        x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs".to_owned(),
        y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA".to_owned(),
    };
    assert_eq!(ec.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

/// RFC 8037 appendix A.4: signatures of Ed25519 are always the same.
#[test]
fn an_ed25519_signature_is_that_of_the_rfc() {
    let secret = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let pair = Ed25519KeyPair::from_seed_and_public_key(&secret, &public).unwrap();
    let key = SigningKey::new(Pair::Ed25519(pair));
    let signature = key.signature(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
    assert_eq!(
        URL_SAFE_NO_PAD.encode(signature.unwrap()),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

#[test]
fn what_is_no_key_is_refused() {
    assert!(matches!(SigningKey::from_pem("hello"), Err(JwtError::NotPem(_))));
    let pem = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    assert!(matches!(SigningKey::from_pem(pem), Err(JwtError::UnusableKey)));
}
