use jsonwebtoken::Validation;
use proptest::prelude::*;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::Value;
use url::form_urlencoded;

use super::*;

fn server(methods: &[&str]) -> AuthorizationServerMetadata {
    let mut server = AuthorizationServerMetadata::new("https://as.example/tenant");
    if !methods.is_empty() {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        server.token_endpoint_auth_methods_supported = Some(methods);
    }
    server
}

/// The `Authorization` header and the names of the body's fields.
fn sent(how: &ClientAuthentication, server: &AuthorizationServerMetadata) -> (bool, Vec<String>) {
    let (headers, form) = applied(how, "me", server);
    let names = form.into_iter().map(|(name, _)| name).collect();
    (headers.contains_key(header::AUTHORIZATION), names)
}

fn applied(
    how: &ClientAuthentication,
    client_id: &str,
    server: &AuthorizationServerMetadata,
) -> (HeaderMap, Vec<(String, String)>) {
    let (mut headers, mut form) = (HeaderMap::new(), Vec::new());
    how.apply(client_id, server, &mut headers, &mut form).unwrap();
    (headers, form)
}

// covers: auth-client-authentication
#[test]
fn the_server_chooses_where_a_secret_goes() {
    let secret = || Secret::new("s");
    let check = |how: ClientAuthentication, methods: &[&str], header: bool, body: &[&str]| {
        let (has_header, names) = sent(&how, &server(methods));
        assert_eq!(
            (has_header, names.iter().map(String::as_str).collect()),
            (header, body.to_vec())
        );
    };
    let both = ["client_id", "client_secret"];
    check(ClientAuthentication::None, &[], false, &["client_id"]);
    check(ClientAuthentication::Secret(secret()), &[], true, &[]);
    check(ClientAuthentication::Secret(secret()), &["client_secret_post"], false, &both);
    let listed = ["client_secret_post", "client_secret_basic"];
    check(ClientAuthentication::Secret(secret()), &listed, true, &[]);
    check(ClientAuthentication::SecretPost(secret()), &["client_secret_basic"], false, &both);
    check(ClientAuthentication::SecretBasic(secret()), &["client_secret_post"], true, &[]);
}

#[test]
fn a_registration_tells_the_method() {
    let check = |method: Option<&str>, secret: Option<&str>, header: bool, fields: usize| {
        let how = ClientAuthentication::of_registration(method, secret.map(Secret::new));
        let (has_header, names) = sent(&how, &server(&[]));
        assert_eq!((has_header, names.len()), (header, fields), "{method:?}");
    };
    check(Some("none"), Some("s"), false, 1);
    check(Some("none"), None, false, 1);
    check(Some("client_secret_basic"), Some("s"), true, 0);
    check(Some("client_secret_post"), Some("s"), false, 2);
    check(None, Some("s"), true, 0);
    check(None, None, false, 1);
}

// covers: auth-client-authentication
#[test]
fn an_assertion_names_the_issuer_and_ends_soon() {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = SigningKey::from_pkcs8(der.as_ref()).unwrap();
    let how = ClientAuthentication::PrivateKeyJwt(key.clone());
    let (headers, form) = applied(&how, "me", &server(&[]));
    assert!(headers.is_empty());
    let names: Vec<_> = form.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["client_assertion_type", "client_assertion"]);
    assert_eq!(form[0].1, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let jwk = serde_json::from_value(key.public_jwk().unwrap().to_json()).unwrap();
    let public = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["https://as.example/tenant"]);
    validation.set_issuer(&["me"]);
    let claims = jsonwebtoken::decode::<Value>(&form[1].1, &public, &validation).unwrap().claims;
    assert_eq!(claims["sub"], "me");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    let (_, again) = applied(&how, "me", &server(&[]));
    assert_ne!(again[1].1, form[1].1, "an assertion is used once");
}

proptest! {
    /// Whatever is in them, a server that splits at the colon and decodes gets both back.
    #[test]
    fn basic_survives_any_text(id in ".*", secret in ".*") {
        let how = ClientAuthentication::SecretBasic(Secret::new(secret.clone()));
        let (headers, _) = applied(&how, &id, &server(&[]));
        let value = &headers[header::AUTHORIZATION];
        prop_assert!(value.is_sensitive());
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
        let (left, right) = pair.split_once(':').unwrap();
        let decode = |text: &str| -> String {
            form_urlencoded::parse(format!("x={text}").as_bytes()).next().unwrap().1.into_owned()
        };
        prop_assert_eq!((decode(left), decode(right)), (id, secret));
    }
}
