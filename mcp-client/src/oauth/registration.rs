//! Who this client is to an authorization server: registered before, by its own document, or now
//! (RFC 7591).

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    AuthorizationServerMetadata, ClientAuthentication, ClientCredentials, OAuthError, boundary,
    fetch::Web, readable,
};
use crate::Secret;

/// A client that is near the end of its secret is registered anew.
const MARGIN: Duration = Duration::from_secs(60);

/// A client that was registered by this program, and all that is needed to use it again.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Registration {
    client_id: String,
    client_secret: Option<String>,
    method: Option<String>,
    /// Seconds since 1970; `None` for ever.
    expires_at: Option<u64>,
    pub(super) redirect_uris: Vec<String>,
    grant_types: Vec<String>,
    /// Whether it was made since the client's metadata document was refused.
    #[serde(default)]
    pub(super) replaces_document: bool,
    /// The servers whose tokens are this client's. `None` in what was kept before this was noted.
    #[serde(default)]
    used_for: Option<BTreeSet<String>>,
}

/// Whether a registration has to be written down, or is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    Nothing,
    Change,
    Unused,
}

impl Registration {
    /// Notes that a server's tokens are those of this client.
    pub(super) fn used_for(&mut self, client_id: &str, resource: &str) -> Noted {
        let known = self.used_for.as_mut().filter(|_| self.client_id == client_id);
        match known.map(|known| known.insert(resource.to_owned())) {
            Some(true) => Noted::Change,
            _ => Noted::Nothing,
        }
    }

    /// Notes that a server's tokens are no more. Where the other users are not known, the
    /// registration stays.
    pub(super) fn unused_for(&mut self, client_id: &str, resource: &str) -> Noted {
        let known = self.used_for.as_mut().filter(|_| self.client_id == client_id);
        match known.map(|known| (known.remove(resource), known.is_empty())) {
            Some((true, true)) => Noted::Unused,
            Some((true, false)) => Noted::Change,
            _ => Noted::Nothing,
        }
    }

    pub(super) fn credentials(&self) -> ClientCredentials {
        let secret = self.client_secret.as_deref().map(Secret::new);
        ClientCredentials {
            client_id: self.client_id.clone(),
            authentication: ClientAuthentication::of_registration(self.method.as_deref(), secret),
        }
    }

    /// Whether it was made for this redirect URI and these grants.
    pub(super) fn covers(&self, redirect_uri: Option<&str>, grant_types: &[&str]) -> bool {
        let has = |list: &[String], item: &str| list.iter().any(|one| one == item);
        redirect_uri.is_none_or(|uri| has(&self.redirect_uris, uri))
            && grant_types.iter().all(|grant| has(&self.grant_types, grant))
    }

    /// Whether it is still good.
    pub(super) fn is_valid(&self, now: SystemTime) -> bool {
        let ends = self.expires_at.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        ends.is_none_or(|ends| now + MARGIN < ends)
    }

    pub(super) fn to_secret(&self) -> Result<Secret, OAuthError> {
        let text = serde_json::to_string(self).map_err(|error| OAuthError::Grant(error.into()))?;
        Ok(Secret::new(text))
    }

    /// A registration that was kept; `None` if it was written by something else.
    pub(super) fn from_secret(secret: &Secret) -> Option<Self> {
        serde_json::from_str(secret.reveal()).ok()
    }
}

/// What a client says of itself when it registers (RFC 7591 section 2).
#[derive(Serialize)]
struct ClientMetadata<'a> {
    client_name: &'a str,
    redirect_uris: &'a [String],
    grant_types: &'a [&'a str],
    response_types: &'a [&'a str],
    token_endpoint_auth_method: &'a str,
    /// Without it OpenID Connect assumes `web`, which may not redirect to this machine.
    application_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<String>,
    #[serde(default)]
    client_secret_expires_at: u64,
    token_endpoint_auth_method: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

/// What to register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applicant<'a> {
    pub(super) name: &'a str,
    pub(super) redirect_uris: &'a [String],
    pub(super) grant_types: &'a [&'a str],
    /// All scopes that may be asked for one day, with blanks between.
    pub(super) scope: &'a str,
}

/// Registers a client. A server that does not like what the client says of itself is told less: the
/// scopes are left out, and the other ways to authenticate that it lists are tried.
pub(super) async fn register(
    web: &Web,
    metadata: &AuthorizationServerMetadata,
    applicant: Applicant<'_>,
) -> Result<Registration, OAuthError> {
    let Some(endpoint) = &metadata.registration_endpoint else {
        return Err(OAuthError::NoClient { issuer: readable(&metadata.issuer) });
    };
    let methods = auth_methods(metadata.token_endpoint_auth_methods_supported.as_deref());
    let mut outcome = attempt(web, metadata, endpoint, applicant, methods[0]).await;
    let less = Applicant { scope: "", ..applicant };
    // Nothing is told twice.
    for method in methods.into_iter().skip(usize::from(applicant.scope.is_empty())) {
        match outcome {
            Err(Attempt::Disliked(_)) => {
                outcome = attempt(web, metadata, endpoint, less, method).await;
            }
            _ => break,
        }
    }
    outcome.map_err(|attempt| match attempt {
        Attempt::Disliked(error) | Attempt::Failed(error) => error,
    })
}

/// How an attempt to register fails.
enum Attempt {
    /// What the client said of itself is not taken (`invalid_client_metadata`).
    Disliked(OAuthError),
    Failed(OAuthError),
}

impl From<OAuthError> for Attempt {
    fn from(error: OAuthError) -> Self {
        Self::Failed(error)
    }
}

async fn attempt(
    web: &Web,
    metadata: &AuthorizationServerMetadata,
    endpoint: &str,
    applicant: Applicant<'_>,
    method: &str,
) -> Result<Registration, Attempt> {
    let response_types: &[&str] = if applicant.redirect_uris.is_empty() { &[] } else { &["code"] };
    let client = ClientMetadata {
        client_name: applicant.name,
        redirect_uris: applicant.redirect_uris,
        grant_types: applicant.grant_types,
        response_types,
        token_endpoint_auth_method: method,
        application_type: application_type(applicant.redirect_uris),
        scope: applicant.scope,
    };
    let body = serde_json::to_vec(&client).map_err(|error| OAuthError::Grant(error.into()))?;
    let (status, body) = web.post_json(endpoint, body).await?;
    let refused = |reason: String| OAuthError::RegistrationRefused {
        issuer: readable(&metadata.issuer),
        reason,
    };
    if !status.is_success() {
        let Ok(Refusal { error, error_description }) = serde_json::from_slice(&body) else {
            return Err(refused(format!("HTTP {status}")).into());
        };
        let reason = match error_description {
            Some(words) => format!("{}: {}", readable(&error), readable(&words)),
            None => readable(&error),
        };
        return Err(match error.as_str() {
            "invalid_client_metadata" => Attempt::Disliked(refused(reason)),
            _ => refused(reason).into(),
        });
    }
    // What is wrong may stand beside a secret, so only the place is told.
    let registered: Registered = serde_json::from_slice(&body).map_err(|error| {
        refused(format!("its answer cannot be read (column {})", error.column()))
    })?;
    let lasting = registered.client_secret_expires_at == 0 || registered.client_secret.is_none();
    Ok(Registration {
        client_id: registered.client_id,
        client_secret: registered.client_secret,
        method: registered.token_endpoint_auth_method.or_else(|| Some(method.to_owned())),
        expires_at: (!lasting).then_some(registered.client_secret_expires_at),
        redirect_uris: applicant.redirect_uris.to_vec(),
        grant_types: applicant.grant_types.iter().map(ToString::to_string).collect(),
        replaces_document: false,
        used_for: Some(BTreeSet::new()),
    })
}

/// A program on a person's machine cannot keep a secret, so it is public where that is possible.
///
/// All that the server lists, best first; never empty.
fn auth_methods(supported: Option<&[String]>) -> Vec<&'static str> {
    // What is not said means `client_secret_basic`, yet most servers then know public clients.
    let Some(supported) = supported else { return vec!["none", "client_secret_basic"] };
    let is_listed = |method: &&str| supported.iter().any(|one| one == method);
    let ours = ["none", "client_secret_basic", "client_secret_post"].into_iter();
    let mut methods: Vec<_> = ours.filter(is_listed).collect();
    if methods.is_empty() {
        methods.push("none");
    }
    methods
}

fn application_type(redirect_uris: &[String]) -> &'static str {
    let is_web = |uri: &String| {
        Url::parse(uri).is_ok_and(|uri| uri.scheme() == "https" && !boundary::is_loopback(&uri))
    };
    if !redirect_uris.is_empty() && redirect_uris.iter().all(is_web) { "web" } else { "native" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_public_client_where_that_is_possible() {
        let methods = |supported: &str| auth_methods(Some(&list(supported)));
        assert_eq!(auth_methods(None), ["none", "client_secret_basic"]);
        assert_eq!(methods("client_secret_basic none"), ["none", "client_secret_basic"]);
        assert_eq!(methods("client_secret_post client_secret_basic")[0], "client_secret_basic");
        assert_eq!(methods("client_secret_post private_key_jwt"), ["client_secret_post"]);
        assert_eq!(methods("tls_client_auth"), ["none"]);
    }

    #[test]
    fn only_redirects_to_other_machines_make_a_web_application() {
        for uri in ["http://127.0.0.1:1/cb", "https://localhost/cb", "com.example.app:/cb"] {
            assert_eq!(application_type(&list(uri)), "native", "{uri}");
        }
        assert_eq!(application_type(&list("https://app.example/cb")), "web");
        assert_eq!(application_type(&[]), "native");
    }

    #[test]
    fn a_registration_is_of_no_use_when_the_last_server_is_logged_out_of() {
        let text = r#"{"client_id": "c", "redirect_uris": [], "grant_types": []"#;
        let read = |more: &str| Registration::from_secret(&Secret::new(format!("{text}{more}}}")));
        let mut shared = read(r#", "used_for": []"#).unwrap();
        assert_eq!(shared.used_for("c", "one"), Noted::Change);
        assert_eq!(shared.used_for("c", "two"), Noted::Change);
        assert_eq!(shared.used_for("c", "two"), Noted::Nothing);
        assert_eq!(shared.used_for("another client", "three"), Noted::Nothing);
        assert_eq!(shared.unused_for("another client", "one"), Noted::Nothing);
        assert_eq!(shared.unused_for("c", "one"), Noted::Change);
        assert_eq!(shared.unused_for("c", "one"), Noted::Nothing);
        assert_eq!(shared.unused_for("c", "two"), Noted::Unused);
        // Who else uses one that was kept before is not known.
        let mut old = read("").unwrap();
        assert_eq!(old.used_for("c", "one"), Noted::Nothing);
        assert_eq!(old.unused_for("c", "one"), Noted::Nothing);
    }

    #[test]
    fn a_registration_is_kept_whole_until_its_secret_ends() {
        let registration = Registration {
            client_id: "c".to_owned(),
            client_secret: Some("s".to_owned()),
            method: Some("client_secret_post".to_owned()),
            expires_at: Some(1000),
            redirect_uris: list("http://127.0.0.1:1/cb"),
            grant_types: list("authorization_code refresh_token"),
            replaces_document: false,
            used_for: None,
        };
        let secret = registration.to_secret().unwrap();
        let again = Registration::from_secret(&secret).unwrap();
        assert_eq!(again.redirect_uris, registration.redirect_uris);
        let ClientAuthentication::SecretPost(secret) = again.credentials().authentication else {
            panic!("another method")
        };
        assert_eq!(secret.reveal(), "s");
        assert!(again.covers(Some("http://127.0.0.1:1/cb"), &["authorization_code"]));
        assert!(!again.covers(Some("http://127.0.0.1:2/cb"), &["authorization_code"]));
        assert!(!again.covers(None, &["urn:ietf:params:oauth:grant-type:device_code"]));
        assert!(again.is_valid(UNIX_EPOCH + Duration::from_secs(900)));
        assert!(!again.is_valid(UNIX_EPOCH + Duration::from_secs(950)));
        assert!(Registration { expires_at: None, ..again }.is_valid(SystemTime::now()));
        assert!(Registration::from_secret(&Secret::new("[]")).is_none());
    }
}
