//! JSON Web Tokens of issuers that are trusted (RFC 7519, RFC 9068).

use std::{
    collections::BTreeSet,
    env,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use mcp_client::{Secret, oauth::ClientCredentials};
use moka::future::Cache;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::time::sleep;
use url::{Host, Url};

use super::{
    jwks::{FetchError, KeySource},
    keys::KeyDigest,
    principal::{Principal, Role},
    rules::AccessRules,
    settings::InvalidAccess,
};
use crate::stable_hash::StableHash;

/// How far clocks may differ.
const LEEWAY_S: f64 = 30.0;
/// How long to sleep for the end of a token at most: the clock may be set.
const STEP: Duration = Duration::from_secs(5);
/// A larger token is not looked at.
const MAX_BYTES: usize = 16 << 10;
/// How long a token that was found good is not checked again.
const CHECKED: Duration = Duration::from_secs(60);

/// An issuer of tokens, and what its tokens are good for.
///
/// ```toml
/// [[jwt]]
/// issuer = "https://id.example.com"
/// audience = ["https://tools.example.com/mcp"]
/// claim = "groups"
/// grant = [
///     { value = "mcp-admins", role = "admin" },
///     { value = "*", role = "user", allow = ["notes"] },
/// ]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtIssuer {
    /// The `iss` of its tokens, and where its metadata is.
    pub issuer: String,
    /// Of these `aud` must name one.
    pub audience: Vec<String>,
    /// Where its keys are, if its metadata does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// The client that this service is there. With it, people sign in at the issuer in their
    /// browsers where this service asks who they are; without, they show a token that they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The variable of the environment that holds the client's secret, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// What is asked for when somebody signs in; whatever the issuer gives when it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// How its tokens may be signed. Default: all of [`JwtAlgorithm`].
    #[serde(default = "JwtAlgorithm::all")]
    pub algorithms: Vec<JwtAlgorithm>,
    /// The claim that grants go by: a list, or words in one text, such as `scope`. With dots it is
    /// inside of others. Default: `roles`.
    #[serde(default = "usual_claim")]
    pub claim: String,
    /// What tokens may do, by the values of that claim. A token gets all that fit it.
    #[serde(rename = "grant")]
    pub grants: Vec<Grant>,
}

/// What a value of a claim is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The value; `*` is every token, whatever its claims.
    pub value: String,
    /// What its bearer may do.
    pub role: Role,
    /// Patterns of what is there for its bearer; everything when empty. See [`AccessRules`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Patterns of what is not there, whatever allows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

fn usual_claim() -> String {
    "roles".to_owned()
}

/// How a token is signed. There is no `none`, and nothing whose key also signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of RFC 7518 and RFC 8037")]
#[non_exhaustive]
pub enum JwtAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl JwtAlgorithm {
    fn all() -> Vec<Self> {
        use JwtAlgorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        vec![RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA]
    }

    fn name(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::RS384 => Algorithm::RS384,
            Self::RS512 => Algorithm::RS512,
            Self::PS256 => Algorithm::PS256,
            Self::PS384 => Algorithm::PS384,
            Self::PS512 => Algorithm::PS512,
            Self::ES256 => Algorithm::ES256,
            Self::ES384 => Algorithm::ES384,
            Self::EdDSA => Algorithm::EdDSA,
        }
    }

    /// Whether a key is of the kind that signs so.
    fn fits(self, key: &Jwk) -> bool {
        use EllipticCurve::{Ed25519, P256, P384};
        let is_for_signing =
            matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let said = key.common.key_algorithm.map(|said| said.to_string());
        let is_of_kind = match (&key.algorithm, self) {
            (AlgorithmParameters::RSA(_), kind) => {
                !matches!(kind, Self::ES256 | Self::ES384 | Self::EdDSA)
            }
            (AlgorithmParameters::EllipticCurve(key), Self::ES256) => key.curve == P256,
            (AlgorithmParameters::EllipticCurve(key), Self::ES384) => key.curve == P384,
            (AlgorithmParameters::OctetKeyPair(key), Self::EdDSA) => key.curve == Ed25519,
            _ => false,
        };
        is_for_signing && is_of_kind && said.is_none_or(|said| said == format!("{self:?}"))
    }
}

impl JwtIssuer {
    pub(super) fn check(&self) -> Result<(), InvalidAccess> {
        check_url(&self.issuer)?;
        self.jwks_url.as_deref().map_or(Ok(()), check_url)?;
        if self.audience.is_empty() {
            return Err(InvalidAccess::NoAudience { issuer: self.issuer.clone() });
        }
        if self.grants.is_empty() {
            return Err(InvalidAccess::NoGrant { issuer: self.issuer.clone() });
        }
        let is_for_sign_in = self.client_secret_env.is_some() || !self.scopes.is_empty();
        match &self.client_id {
            None if is_for_sign_in => Err(InvalidAccess::NoClient { issuer: self.issuer.clone() }),
            Some(id) if id.is_empty() => {
                Err(InvalidAccess::NoClient { issuer: self.issuer.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The client that this service is at the issuer, if people sign in there.
    pub(in crate::service) fn client(&self) -> Result<Option<ClientCredentials>, InvalidAccess> {
        let Some(id) = &self.client_id else { return Ok(None) };
        let Some(variable) = &self.client_secret_env else {
            return Ok(Some(ClientCredentials::public(id)));
        };
        let secret = env::var(variable).ok().filter(|secret| !secret.is_empty());
        let secret =
            secret.ok_or_else(|| InvalidAccess::NoSecret { variable: variable.clone() })?;
        Ok(Some(ClientCredentials::secret(id, secret)))
    }

    /// What a token with these claims is good for.
    fn granted(&self, claims: &Map<String, Value>) -> Option<(Role, AccessRules)> {
        let values = values(claims, &self.claim);
        let fitting = self
            .grants
            .iter()
            .filter(|grant| grant.value == "*" || values.contains(grant.value.as_str()));
        fitting.fold(None, |granted: Option<(Role, AccessRules)>, grant| {
            let rules = AccessRules { allow: grant.allow.clone(), deny: grant.deny.clone() };
            Some(match granted {
                Some((role, known)) => (role.max(grant.role), known.or(&rules)),
                None => (grant.role, rules),
            })
        })
    }
}

/// https, or http to this machine.
pub(super) fn check_url(text: &str) -> Result<(), InvalidAccess> {
    let is_good = Url::parse(text).is_ok_and(|url| match (url.scheme(), url.host()) {
        // It sets issuer and subject apart in the names of principals.
        _ if url.fragment().is_some() => false,
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    });
    if is_good { Ok(()) } else { Err(InvalidAccess::Url { url: text.to_owned() }) }
}

/// The words of a claim.
fn values<'a>(claims: &'a Map<String, Value>, name: &str) -> BTreeSet<&'a str> {
    let found = claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |inside, part| inside.get(part))
    });
    match found {
        Some(Value::String(words)) => words.split_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    }
}

/// A token that somebody has shown and that was found good.
#[derive(Debug)]
pub(in crate::service) struct Shown {
    pub(in crate::service) issuer: String,
    /// Whether no other issuer is trusted here.
    pub(in crate::service) is_of_the_only_issuer: bool,
    pub(in crate::service) token: Secret,
    /// The same for tokens of the same application, for the same purposes.
    pub(in crate::service) kind: u64,
    /// Seconds since 1970.
    pub(in crate::service) ends: f64,
}

impl Shown {
    pub(in crate::service) fn has_ended(&self) -> bool {
        until(self.ends).is_zero()
    }

    /// Waits until it has ended.
    pub(in crate::service) async fn end(&self) {
        loop {
            match until(self.ends) {
                Duration::ZERO => return,
                left => sleep(left.min(STEP)).await,
            }
        }
    }
}

/// What a good token says.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) principal: Principal,
    /// Seconds since 1970.
    pub(super) ends: f64,
    /// See [`Shown::kind`].
    pub(super) kind: u64,
}

/// What sets tokens of one subject apart: which application has them, and what they are good for.
fn kind_of(claims: &Map<String, Value>) -> u64 {
    ["azp", "client_id", "scope", "scp", "acr"]
        .iter()
        .fold(StableHash::new(), |hash, name| {
            let words: Vec<_> = values(claims, name).into_iter().collect();
            hash.field(&words.join(" "))
        })
        .finish()
}

/// Why a token is not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is not good, for this reason.
    Invalid(&'static str),
    /// It is good, for nothing here.
    NoGrant,
    /// Whether it is good cannot be found out now.
    NoKeys(Arc<FetchError>),
}

/// Checks the tokens of one issuer.
#[derive(Debug)]
pub(super) struct Verifier {
    issuer: JwtIssuer,
    keys: KeySource,
    /// Tokens that were found good, and when they end.
    checked: Cache<KeyDigest, Judged>,
}

#[derive(Deserialize)]
struct Head {
    alg: JwtAlgorithm,
    kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<Value>,
}

/// A claim of a wrong type makes the token one that cannot be read.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: OneOrMany,
    exp: f64,
    nbf: Option<f64>,
    sub: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Verifier {
    pub(super) fn new(issuer: &JwtIssuer) -> Self {
        let keys = KeySource::new(&issuer.issuer, issuer.jwks_url.as_deref());
        let checked = Cache::builder().max_capacity(10_000).time_to_live(CHECKED).build();
        Self { issuer: issuer.clone(), keys, checked }
    }

    pub(super) fn issuer(&self) -> &JwtIssuer {
        &self.issuer
    }

    /// Whose token it is. The signature is checked before anything in it is believed.
    pub(super) async fn verify(&self, token: &str) -> Result<Judged, Refused> {
        use Refused::Invalid;
        if token.len() > MAX_BYTES {
            return Err(Invalid("the token is too large"));
        }
        let digest = KeyDigest::of(token);
        if let Some(judged) = self.checked.get(&digest).await
            && now() < judged.ends
        {
            return Ok(judged);
        }
        let unreadable = Invalid("the token cannot be read");
        let Some((message, signature)) = token.rsplit_once('.') else { return Err(unreadable) };
        let Some((head, claims)) = message.split_once('.') else { return Err(unreadable) };
        let Some(head) = part::<Head>(head) else {
            return Err(Invalid("the token is not signed in a way that is accepted here"));
        };
        if !self.issuer.algorithms.contains(&head.alg) || head.crit.is_some() {
            return Err(Invalid("the token is not signed in a way that is accepted here"));
        }
        let fits = |key: &Jwk| {
            let named = head.kid.is_none() || key.common.key_id == head.kid;
            named && head.alg.fits(key)
        };
        let keys = self.keys.keys(|keys| keys.iter().any(fits)).await.map_err(Refused::NoKeys)?;
        let is_signed = keys.iter().filter(|key| fits(key)).any(|key| {
            let Ok(key) = DecodingKey::from_jwk(key) else { return false };
            let algorithm = head.alg.name();
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm)
                .unwrap_or(false)
        });
        if !is_signed {
            return Err(Invalid("no key of the issuer has signed the token"));
        }
        let Some(claims) = part::<Claims>(claims) else { return Err(unreadable) };
        let ends = claims.exp + LEEWAY_S;
        let kind = kind_of(&claims.rest);
        let judged = Judged { principal: self.judge(claims)?, ends, kind };
        self.checked.insert(digest, judged.clone()).await;
        Ok(judged)
    }

    fn judge(&self, claims: Claims) -> Result<Principal, Refused> {
        use Refused::Invalid;
        let Claims { iss, aud, exp, nbf, sub, rest } = claims;
        if iss != self.issuer.issuer {
            return Err(Invalid("the token is of another issuer"));
        }
        let is_meant = |name: &String| self.issuer.audience.contains(name);
        let is_for_us = match &aud {
            OneOrMany::One(name) => is_meant(name),
            OneOrMany::Many(names) => names.iter().any(is_meant),
        };
        if !is_for_us {
            return Err(Invalid("the token is for somebody else"));
        }
        let now = now();
        if now >= exp + LEEWAY_S {
            return Err(Invalid("the token has expired"));
        }
        if nbf.is_some_and(|begins| now < begins - LEEWAY_S) {
            return Err(Invalid("the token is not valid yet"));
        }
        if sub.is_empty() {
            return Err(Invalid("the token names nobody"));
        }
        let (role, rules) = self.issuer.granted(&rest).ok_or(Refused::NoGrant)?;
        Ok(Principal::new(format!("jwt:{iss}#{sub}"), role, rules))
    }
}

/// Who a token says has issued it; to be believed once it was verified.
pub(super) fn said_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    if token.len() > MAX_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    part::<Issuer>(claims).map(|claims| claims.iss)
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// How long it is until a time in seconds since 1970; nothing once it has come.
pub(in crate::service) fn until(time: f64) -> Duration {
    // What is too far to be told is far enough.
    Duration::try_from_secs_f64((time - now()).max(0.0)).unwrap_or(Duration::MAX)
}

/// Seconds since 1970.
fn now() -> f64 {
    // A clock before 1970 is nobody's.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gets_all_grants_that_fit() {
        let issuer: JwtIssuer = serde_json::from_value(serde_json::json!({
            "issuer": "https://id.example", "audience": ["us"], "claim": "realm.roles",
            "grant": [
                {"value": "staff", "role": "user", "allow": ["notes"]},
                {"value": "ops", "role": "operator", "allow": ["git"], "deny": ["*/delete"]},
            ],
        }))
        .unwrap();
        issuer.check().unwrap();
        let claims = |roles: Value| {
            let Value::Object(claims) = serde_json::json!({"realm": {"roles": roles}}) else {
                panic!()
            };
            issuer.granted(&claims)
        };
        let (role, rules) = claims(serde_json::json!(["staff", "ops"])).unwrap();
        assert_eq!(role, Role::Operator);
        assert!(rules.may_call("notes", "x") && !rules.may_call("notes", "delete"));
        assert_eq!(claims("staff other".into()).unwrap().0, Role::User);
        assert!(claims("nothing".into()).is_none() && claims(Value::Null).is_none());
    }

    #[test]
    fn weak_algorithms_cannot_be_written_down() {
        for name in ["none", "HS256", "RS1", ""] {
            serde_json::from_value::<JwtAlgorithm>(name.into()).unwrap_err();
        }
        for (url, good) in [
            ("https://id.example", true),
            ("http://127.0.0.1:9/x", true),
            ("http://id.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("ftp://localhost", false),
        ] {
            assert_eq!(check_url(url).is_ok(), good, "{url}");
        }
    }
}
