//! An authorization server at which people log in: who it is, the browser says itself.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::mailbox::World;

/// Makes an access token of who a person is.
pub(crate) type Sign = Box<dyn Fn(&str) -> String + Send>;

/// What it does and what it saw.
#[derive(Default)]
pub(crate) struct Consent {
    /// Whether people log in here at all.
    pub(crate) is_on: bool,
    /// The person says no.
    pub(crate) refuses: bool,
    /// Whom the answer claims to be of, if another.
    pub(crate) pretends: Option<&'static str>,
    /// `expires_in` of its tokens.
    pub(crate) expires_in: Option<u64>,
    /// Makes its access tokens, where they are not those of the mailbox.
    pub(crate) signs: Option<Sign>,
    /// The keys that those are signed with.
    pub(crate) keys: Vec<Value>,
    pub(crate) registrations: Vec<Value>,
    /// The queries of the authorization requests.
    pub(crate) authorizations: Vec<HashMap<String, String>>,
    pub(crate) token_requests: Vec<HashMap<String, String>>,
    pub(crate) revocations: Vec<HashMap<String, String>>,
    /// What is asked for and by whom, by code.
    codes: HashMap<String, (String, HashMap<String, String>)>,
    /// The refresh tokens that are good, and of whom.
    refresh: HashMap<String, (String, String)>,
    /// What access tokens are good for.
    scopes: HashMap<String, String>,
}

impl Consent {
    /// Whether an access token covers a scope.
    pub(crate) fn covers(&self, credentials: &str, scope: &str) -> bool {
        let token = credentials.strip_prefix("Bearer ").unwrap_or_default();
        self.scopes.get(token).is_some_and(|had| had.split(' ').any(|one| one == scope))
    }
}

/// Where the metadata of the MCP server is.
pub(crate) fn challenge(origin: &str) -> String {
    format!("Bearer resource_metadata=\"{origin}/.well-known/oauth-protected-resource/mcp\"")
}

/// Status, further header lines and body; `None` for what is the MCP server's.
pub(crate) fn answer(
    origin: &str,
    (start, person): (&str, &str),
    body: &[u8],
    world: &mut World,
) -> Option<(u16, String, Value)> {
    let mut words = start.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let url = Url::parse(&format!("{origin}{target}")).unwrap();
    let form = |text: &[u8]| form_urlencoded::parse(text).into_owned().collect::<HashMap<_, _>>();
    if !world.consent.is_on {
        return None;
    }
    let ok = |body: Value| Some((200, String::new(), body));
    match (method, url.path()) {
        ("GET", "/.well-known/oauth-protected-resource/mcp") => ok(json!({
            "resource": format!("{origin}/mcp"), "authorization_servers": [origin],
            "scopes_supported": ["read"],
        })),
        ("GET", "/.well-known/oauth-authorization-server") => ok(json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "jwks_uri": format!("{origin}/keys"),
            "scopes_supported": ["offline_access"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": true,
        })),
        ("GET", "/keys") => ok(json!({"keys": world.consent.keys})),
        ("POST", "/register") => {
            let mut client: Value = serde_json::from_slice(body).unwrap();
            world.consent.registrations.push(client.clone());
            client["client_id"] = format!("c-{}", world.consent.registrations.len()).into();
            Some((201, String::new(), client))
        }
        ("GET", "/authorize") => {
            let query = form(url.query().unwrap().as_bytes());
            let code = format!("code-{}", world.consent.authorizations.len());
            let mut back = Url::parse(&query["redirect_uri"]).unwrap();
            let outcome = if world.consent.refuses {
                ("error", "access_denied".to_owned())
            } else {
                ("code", code.clone())
            };
            back.query_pairs_mut()
                .append_pair(outcome.0, &outcome.1)
                .append_pair("state", &query["state"])
                .append_pair("iss", world.consent.pretends.unwrap_or(origin));
            world.consent.codes.insert(code, (person.to_owned(), query.clone()));
            world.consent.authorizations.push(query);
            Some((302, format!("location: {back}\r\n"), json!({})))
        }
        ("POST", "/token") => {
            let form = form(body);
            let issued = match form["grant_type"].as_str() {
                "authorization_code" => {
                    let known = world.consent.codes.remove(&form["code"]);
                    let verifier = digest(&SHA256, form["code_verifier"].as_bytes());
                    let known = known.filter(|(_, query)| {
                        URL_SAFE_NO_PAD.encode(verifier) == query["code_challenge"]
                            && form["redirect_uri"] == query["redirect_uri"]
                            && form["client_id"] == query["client_id"]
                            && form["resource"] == query["resource"]
                    });
                    known.map(|(who, query)| (who, query.get("scope").cloned().unwrap_or_default()))
                }
                _ => world.consent.refresh.remove(&form["refresh_token"]),
            };
            world.consent.token_requests.push(form);
            let Some((who, scope)) = issued else {
                return Some((400, String::new(), json!({"error": "invalid_grant"})));
            };
            let number = world.next_token();
            let (usual, refresh) = (format!("at-{who}-{number}"), format!("rt-{number}"));
            let access = world.consent.signs.as_ref().map_or(usual, |sign| sign(&who));
            let mut tokens = json!({
                "access_token": access, "refresh_token": refresh, "token_type": "Bearer",
                "scope": scope,
            });
            if let Some(seconds) = world.consent.expires_in {
                tokens["expires_in"] = seconds.into();
            }
            world.consent.scopes.insert(access, scope.clone());
            world.consent.refresh.insert(refresh, (who, scope));
            ok(tokens)
        }
        ("POST", "/revoke") => {
            let form = form(body);
            world.consent.refresh.remove(&form["token"]);
            world.consent.revocations.push(form);
            ok(json!({}))
        }
        _ => None,
    }
}
