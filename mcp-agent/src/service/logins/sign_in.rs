//! Signing in at an issuer whose tokens are trusted, for people who have no token at hand.
//!
//! It is the login that every client has, with this service as the client: the access token that
//! comes is judged as one that a request shows, and then dropped. What remains is a cookie by which
//! the browser is that of the one who was asked, for this wish alone.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mcp_client::{
    Secret,
    oauth::{Authorizer, OAuth, PendingVisit},
};
use mcp_transport::serve::SessionKeys;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    super::{
        Service,
        access::{AccessRules, JwtIssuer, Principal, Role},
        problem::{Problem, ProblemCode, chain},
        read_json,
    },
    Logins,
    browser::{self, Kept},
    flows::{Flow, Next, Outcome, Purpose},
    place::SIGNED_IN,
    wanted::Wanted,
};

/// Where people can sign in.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::service) struct Issuers {
    issuers: Vec<String>,
}

/// The body of `POST /connect/{id}/sign-in`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct NewSignIn {
    /// Where to sign in.
    issuer: String,
}

/// Who has signed in by this browser for the login that is at a path, if anybody has. They may do
/// nothing but that.
pub(in crate::service) fn signed_in(
    keys: &SessionKeys,
    path: &str,
    headers: &HeaderMap,
    is_secure: bool,
) -> Option<Principal> {
    let id = path.strip_prefix("/connect/")?;
    let id = id.strip_suffix("/wanted").unwrap_or(id);
    if !browser::remembers(keys, Kept::SignedIn, headers, id, is_secure) {
        return None;
    }
    let wanted = Wanted::open(keys, id)?;
    // Whether the server is there for them was seen when they signed in.
    Some(Principal::new(wanted.principal, Role::User, AccessRules::default()))
}

impl Logins {
    /// Begins to ask an issuer who somebody is, who may be the one that is wished for.
    fn start_sign_in(&self, id: &str, wanted: Wanted, issuer: &JwtIssuer) -> Result<Flow, Problem> {
        let (authorizer, visits) = self.authorizer_at(issuer)?;
        let issuer = issuer.issuer.clone();
        let (mut tell, outcome) = oneshot::channel();
        let (weak, id, theirs, at) = (self.weak(), id.to_owned(), wanted.clone(), issuer.clone());
        self.aside(async move {
            let came = tokio::select! {
                came = authorizer.login() => came,
                // The browser has gone, and the issuer is asked for nobody.
                () = tell.closed() => return,
            };
            let outcome = match came {
                Ok(tokens) => {
                    let Some(shared) = weak.upgrade() else { return };
                    Self(shared).who(&at, &tokens.access_token, &theirs, id).await
                }
                Err(error) => Outcome::NotSignedIn { reason: chain(&error) },
            };
            if let Outcome::NotSignedIn { reason } = &outcome {
                tracing::info!(issuer = at, %reason, "nobody was signed in");
            }
            // The browser may not wait for it.
            let _ = tell.send(outcome);
        });
        let purpose = Purpose::SignIn { issuer };
        Ok(Flow { wanted, purpose, visits, outcome, begun: Instant::now() })
    }

    /// This service as a client of the issuer. Nothing that comes is kept.
    fn authorizer_at(
        &self,
        issuer: &JwtIssuer,
    ) -> Result<(Authorizer, mpsc::Receiver<PendingVisit>), Problem> {
        let wrong = |reason: String| Problem::new(ProblemCode::Config, reason);
        let client = issuer.client().map_err(|error| wrong(error.to_string()))?;
        let client = client.ok_or_else(|| no_sign_in(&issuer.issuer))?;
        let (grant, visits) = self.ask_in_browser(SIGNED_IN)?;
        let resource = format!("{}/mcp", self.base()?);
        let oauth = OAuth::with(grant.once())
            .authorization_server(&issuer.issuer)
            .client_at(&issuer.issuer, client)
            .scopes(&issuer.scopes)
            // It is the operator's word that it is trusted, wherever it is.
            .allow_private_addresses();
        let authorizer = oauth.at(&resource).map_err(|error| wrong(chain(&error)))?;
        Ok((authorizer, visits))
    }

    /// Whether whoever the issuer has given this token is the one who was asked.
    async fn who(&self, issuer: &str, token: &Secret, wanted: &Wanted, id: String) -> Outcome {
        let trusted = self.0.place.trusted();
        let principal = match trusted.signed_in(issuer, token).await {
            Ok(principal) => principal,
            Err(refusal) => {
                let reason = format!("what {issuer} gave is not taken here: {refusal}");
                return Outcome::NotSignedIn { reason };
            }
        };
        if !wanted.is_for(&principal) {
            tracing::info!(
                principal = principal.id(),
                asked = wanted.principal,
                "somebody signed in who was not asked"
            );
            let (is, asked) = (principal.id().to_owned(), wanted.principal.clone());
            return Outcome::SomebodyElse { is, asked };
        }
        if let Err(problem) = principal.must_be(Role::User) {
            return Outcome::NotSignedIn { reason: problem.detail().to_owned() };
        }
        if self.server(&wanted.server, &principal).is_none() {
            let problem = Problem::unknown_server(&wanted.server);
            return Outcome::NotSignedIn { reason: problem.detail().to_owned() };
        }
        tracing::info!(principal = principal.id(), "signed in");
        Outcome::SignedIn { id }
    }

    /// Sends a browser back to the login that somebody has signed in for.
    pub(super) fn go_on(&self, id: &str) -> Option<Response> {
        let base = self.0.place.base()?;
        let is_secure = base.starts_with("https://");
        let keys = self.0.keys.as_ref()?;
        let kept = browser::remember(keys, Kept::SignedIn, id, is_secure).ok()??;
        // The page does not show a token then that it may have of before.
        let url = HeaderValue::try_from(format!("{base}/connect/{id}#signed-in")).ok()?;
        let headers = [(header::LOCATION, url), (header::SET_COOKIE, kept)];
        Some((StatusCode::FOUND, headers).into_response())
    }
}

fn no_sign_in(issuer: &str) -> Problem {
    let detail = format!("nobody signs in at `{issuer}` here");
    Problem::new(ProblemCode::NotFound, detail)
}

/// Where people can sign in who are asked who they are.
pub(in crate::service) async fn issuers(State(service): State<Service>) -> Json<Issuers> {
    let trusted = service.access();
    let issuers = trusted.issuers().filter(|issuer| issuer.client_id.is_some());
    Json(Issuers { issuers: issuers.map(|issuer| issuer.issuer.clone()).collect() })
}

/// Begins to sign somebody in, in this browser. Anybody may who has the address of a login.
pub(in crate::service) async fn begin_sign_in(
    State(service): State<Service>,
    Path(id): Path<String>,
    read_json::Json(asked): read_json::Json<NewSignIn>,
) -> Result<Response, Problem> {
    let logins = &service.0.logins;
    let wanted = logins.wish(&id)?;
    let trusted = service.access();
    let issuer = trusted.signs_in_at(&asked.issuer).ok_or_else(|| no_sign_in(&asked.issuer))?;
    logins.0.flows.has_room()?;
    // Until it is known where the browser goes.
    let _start = logins.0.starting.take(&wanted.principal)?;
    let mut flow = logins.start_sign_in(&id, wanted, issuer)?;
    match flow.next().await {
        Next::Visit(visit) => logins.begun(visit, flow),
        Next::Over(Outcome::NotSignedIn { reason }) => {
            Err(Problem::new(ProblemCode::Unreachable, reason))
        }
        Next::Over(_) => {
            let detail = "somebody was signed in without a browser";
            Err(Problem::new(ProblemCode::Unexpected, detail))
        }
    }
}
