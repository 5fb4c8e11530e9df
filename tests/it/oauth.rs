//! Access that is got, kept, renewed and refused.

#![expect(clippy::unwrap_used, reason = "the steps that several tests share fail like a test")]

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::future::join_all;
use mcp_client::{
    CallError, Client, ConnectFailure, EraChoice, Hub, HubOptions, Secret, StateKind,
    config::{ServerConfig, TransportConfig},
    oauth::{
        AuthorizationCode, Browser, ClientCredentials, FileTokenStore, MemoryTokenStore, OAuth,
        OAuthError, ResponseError, Revocation, StoreEntry, TokenStore, TokenStoreError,
    },
    transport::{
        BoxFuture,
        authorize::{Authorize as _, Target},
        error::BoxError,
        http::{HttpClient, PlainLimits},
    },
};
use mcp_tests::protected_server::ProtectedServer;
use serde_json::json;
use tokio::sync::watch;
use url::Url;

/// Consents at once: opens the URL and gives back where it redirects to.
pub(crate) async fn consent(url: Url) -> Result<String, BoxError> {
    let request = http::Request::get(url.as_str()).body(Bytes::new())?;
    let answer = HttpClient::new().send(request, PlainLimits::default()).await?;
    Ok(answer.headers[http::header::LOCATION].to_str()?.to_owned())
}

pub(crate) fn pasted() -> OAuth {
    OAuth::pasted(consent)
}

pub(crate) async fn connect(
    server: &ProtectedServer,
    oauth: OAuth,
) -> Result<Client, ConnectFailure> {
    Client::http(server.url()).era(EraChoice::Legacy).auth(oauth).connect().await
}

/// The cause that authorization gave, below whatever the layers above say.
pub(crate) fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a OAuthError {
    let mut error = Some(error);
    while let Some(one) = error {
        if let Some(found) = one.downcast_ref::<Arc<OAuthError>>() {
            return found;
        }
        error = one.source();
    }
    panic!("authorization is not the cause");
}

// covers: auth-refresh
#[tokio::test]
async fn many_refused_calls_renew_once() {
    let server = ProtectedServer::start().await.unwrap();
    let client = connect(&server, pasted()).await.unwrap();
    for round in 1..=2 {
        // The server takes the token back.
        server.world().access_token = None;
        let results = join_all((0..50).map(|_| async { client.list_tools().await })).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let world = server.world();
        assert_eq!(world.token_requests.len(), 1 + round);
        let last = world.token_requests.last().unwrap();
        assert_eq!(last["grant_type"], "refresh_token");
        assert_eq!(last["refresh_token"], format!("refresh-{round}"), "each is used once");
        assert_eq!(last["resource"], server.url());
        assert_eq!(world.authorizations.len(), 1, "nobody was asked again");
    }
    client.close().await;
}

// covers: auth-refresh
#[tokio::test]
async fn tokens_are_renewed_before_they_end() {
    let server = ProtectedServer::start().await.unwrap();
    // So short that it is always about to end.
    server.world().expires_in = Some(0);
    let client = connect(&server, pasted()).await.unwrap();
    client.list_tools().await.unwrap();
    let world = server.world();
    let refreshes =
        world.token_requests.iter().filter(|form| form["grant_type"] == "refresh_token");
    assert!(refreshes.count() >= 2, "{:?}", world.requests);
    assert_eq!(world.count("GET /metadata"), 1, "only the first request was refused");
}

// covers: auth-refresh
#[tokio::test]
async fn a_refresh_token_that_was_taken_back_leads_to_the_person() {
    let server = ProtectedServer::start().await.unwrap();
    let client = connect(&server, pasted()).await.unwrap();
    {
        let mut world = server.world();
        (world.access_token, world.refresh_token) = (None, None);
    }
    client.list_tools().await.unwrap();
    let world = server.world();
    assert_eq!(world.authorizations.len(), 2);
    assert_eq!(world.count("POST /register"), 1, "the registration is kept");
    let grants: Vec<_> =
        world.token_requests.iter().map(|form| form["grant_type"].as_str()).collect();
    assert_eq!(grants, ["authorization_code", "refresh_token", "authorization_code"]);
}

// covers: auth-refresh
#[tokio::test]
async fn a_client_that_the_server_forgot_is_registered_anew() {
    let server = ProtectedServer::start().await.unwrap();
    let client = connect(&server, pasted()).await.unwrap();
    {
        let mut world = server.world();
        (world.access_token, world.client_error) = (None, Some("invalid_client"));
    }
    client.list_tools().await.unwrap();
    let world = server.world();
    assert_eq!(world.count("POST /register"), 2);
    assert_eq!(world.authorizations.len(), 2);
}

async fn access_outlives_the_process(open: impl Fn() -> Arc<dyn TokenStore>) {
    let server = ProtectedServer::start().await.unwrap();
    connect(&server, pasted().shared_store(open())).await.unwrap().close().await;
    let nobody = || OAuth::pasted(|_| async { Err("nobody is there".into()) }).shared_store(open());
    // The token is still good.
    connect(&server, nobody()).await.unwrap().close().await;
    assert_eq!(server.world().token_requests.len(), 1);
    // The token ended meanwhile.
    server.world().access_token = None;
    connect(&server, nobody()).await.unwrap().close().await;
    // And so it did again: the store has the refresh token that came last.
    server.world().access_token = None;
    connect(&server, nobody()).await.unwrap().close().await;
    let world = server.world();
    assert_eq!(world.authorizations.len(), 1);
    assert_eq!(world.count("POST /register"), 1);
    assert_eq!(world.token_requests.last().unwrap()["refresh_token"], "refresh-2");
    assert_eq!(world.token_requests.last().unwrap()["client_id"], "registered");
}

#[tokio::test]
async fn access_outlives_the_client_in_memory() {
    let store: Arc<dyn TokenStore> = Arc::new(MemoryTokenStore::new());
    access_outlives_the_process(|| Arc::clone(&store)).await;
}

#[tokio::test]
async fn access_outlives_the_process_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| Arc::new(FileTokenStore::open(path));
    access_outlives_the_process(|| open(folder.path())).await;
}

#[tokio::test]
async fn a_refused_consent_ends_all_calls_that_waited_for_it() {
    let server = ProtectedServer::start().await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let oauth = OAuth::pasted(move |url| {
        counter.fetch_add(1, Ordering::Relaxed);
        consent(url)
    });
    let client = connect(&server, oauth).await.unwrap();
    {
        let mut world = server.world();
        (world.access_token, world.refresh_token) = (None, None);
        world.refuses = true;
    }
    let results = join_all((0..20).map(|_| async { client.list_tools().await })).await;
    for result in results {
        let error: CallError = result.unwrap_err();
        assert!(!error.is_retryable() && !error.was_sent() && error.wants_authorization());
        let OAuthError::Response(ResponseError::Refused { code, .. }) = cause(&error) else {
            panic!("{error:?}")
        };
        assert_eq!(code, "access_denied");
    }
    // All twenty were refused before the first of them asked; the connection's own stream may
    // have been refused later.
    assert!(asked.load(Ordering::Relaxed) <= 3, "{asked:?}");
}

/// What a browser does, in a thread of its own as it would.
fn browse(url: &Url) -> io::Result<()> {
    let get = |url: &Url| {
        let address = (url.host_str().unwrap_or_default(), url.port().unwrap_or(80));
        let mut stream = TcpStream::connect(address)?;
        let target = &url[url::Position::BeforePath..];
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
            head.push(byte[0]);
        }
        Ok::<_, io::Error>(String::from_utf8_lossy(&head).into_owned())
    };
    let head = get(url)?;
    let location = head.lines().find_map(|line| line.strip_prefix("location: "));
    let place = location.and_then(|url| Url::parse(url).ok()).ok_or(io::ErrorKind::InvalidData)?;
    std::thread::spawn(move || get(&place));
    Ok(())
}

// covers: auth-redirect, auth-resource
#[tokio::test]
async fn a_browser_brings_the_code_to_a_listener() {
    let server = ProtectedServer::start().await.unwrap();
    let browser = Browser::new().open_with(browse);
    let client = connect(&server, OAuth::with(AuthorizationCode::new(browser))).await.unwrap();
    client.list_tools().await.unwrap();
    let world = server.world();
    let [request] = &world.authorizations[..] else { panic!("{:?}", world.authorizations) };
    assert_eq!(request["resource"], server.url());
    assert_eq!(request["scope"], "tools");
    assert_eq!(request["code_challenge_method"], "S256");
    let place = Url::parse(&request["redirect_uri"]).unwrap();
    assert_eq!(place.host_str(), Some("127.0.0.1"));
    let port = place.port().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nothing listens any more");
    assert_eq!(world.token_requests[0]["redirect_uri"], request["redirect_uri"]);
}

#[tokio::test]
async fn clocks_stand_still_while_a_person_consents() {
    let server = ProtectedServer::start().await.unwrap();
    let oauth = OAuth::pasted(|url| async {
        tokio::time::pause();
        // Far longer than any limit of the connection.
        tokio::time::sleep(Duration::from_secs(290)).await;
        tokio::time::resume();
        consent(url).await
    });
    let client = Client::http(server.url()).auth(oauth).connect().await.unwrap();
    client.list_tools().await.unwrap();
}

#[tokio::test]
async fn a_person_is_not_waited_for_without_end() {
    let server = ProtectedServer::start().await.unwrap();
    let oauth = OAuth::pasted(|_| async {
        tokio::time::pause();
        std::future::pending().await
    });
    let failure = connect(&server, oauth).await.unwrap_err();
    assert!(matches!(cause(&failure), OAuthError::TimedOut { .. }), "{failure:?}");
}

// covers: auth-ssrf, auth-https
#[tokio::test]
async fn metadata_leads_nowhere_that_it_must_not() {
    let server = ProtectedServer::start().await.unwrap();
    for elsewhere in ["http://192.0.2.1/metadata", "file:///etc/passwd", "http://a:b@127.0.0.1:9/"]
    {
        server.world().elsewhere = Some(elsewhere.to_owned());
        let failure = connect(&server, pasted()).await.unwrap_err();
        assert!(matches!(cause(&failure), OAuthError::ForbiddenUrl { .. }), "{failure:?}");
        assert!(!format!("{failure:?}").contains("a:b"));
    }
    assert!(server.world().authorizations.is_empty());
}

// covers: auth-credentials-issuer, auth-registration, auth-secrets-hidden
#[tokio::test]
async fn a_client_of_another_authorization_server_is_not_shown() {
    let server = ProtectedServer::start().await.unwrap();
    let client = ClientCredentials::secret("mine", "hunter2");
    let foreign = pasted().client_at("https://elsewhere.example", client.clone());
    assert!(!format!("{foreign:?}").contains("hunter2"));
    let failure = connect(&server, foreign).await.unwrap_err();
    assert!(matches!(cause(&failure), OAuthError::ForeignClient { .. }), "{failure:?}");
    assert!(server.world().authorizations.is_empty());

    let own = pasted().client_at(server.issuer(), client);
    connect(&server, own).await.unwrap();
    let world = server.world();
    assert_eq!(world.authorizations[0]["client_id"], "mine");
    assert_eq!(world.count("POST /register"), 0);
}

#[tokio::test]
async fn a_refused_registration_says_why() {
    let server = ProtectedServer::start().await.unwrap();
    server.world().registration_error =
        Some(json!({"error": "invalid_redirect_uri", "error_description": "no http"}));
    let failure = connect(&server, pasted()).await.unwrap_err();
    let text = cause(&failure).to_string();
    assert!(
        text.ends_with("refuses to register this client: invalid_redirect_uri: no http"),
        "{text}"
    );
}

#[tokio::test]
async fn logging_in_and_out_by_hand() {
    let server = ProtectedServer::start().await.unwrap();
    let store: Arc<dyn TokenStore> = Arc::new(MemoryTokenStore::new());
    let authorizer = pasted().shared_store(Arc::clone(&store)).at(&server.url()).unwrap();
    assert!(authorizer.tokens().await.unwrap().is_none());
    let tokens = authorizer.login().await.unwrap();
    assert_eq!(tokens.scopes_granted, ["tools"]);
    assert!(!format!("{authorizer:?} {tokens:?}").contains("access-1"));

    let again = pasted().shared_store(Arc::clone(&store)).at(&server.url()).unwrap();
    assert_eq!(again.tokens().await.unwrap().unwrap().access_token, tokens.access_token);
    let revocation = again.logout().await.unwrap();
    assert!(matches!(revocation, Revocation::NotOffered { .. }), "{revocation:?}");
    assert!(matches!(again.logout().await.unwrap(), Revocation::NoTokens));
    let third = pasted().shared_store(store).at(&server.url()).unwrap();
    assert!(third.tokens().await.unwrap().is_none());
}

// covers: auth-revocation
#[tokio::test]
async fn tokens_are_taken_back_at_the_end() {
    let server = ProtectedServer::start().await.unwrap();
    let endpoint = format!("{}/revoke", server.issuer());
    server.world().more_metadata = json!({"revocation_endpoint": endpoint});
    let store: Arc<dyn TokenStore> = Arc::new(MemoryTokenStore::new());
    pasted().shared_store(Arc::clone(&store)).at(&server.url()).unwrap().login().await.unwrap();
    // By another process, which has yet to read who issued them.
    let authorizer = pasted().shared_store(Arc::clone(&store)).at(&server.url()).unwrap();
    let revocation = authorizer.logout().await.unwrap();
    assert!(
        matches!(&revocation, Revocation::Revoked { issuer } if issuer == server.issuer()),
        "{revocation:?}"
    );
    {
        let world = server.world();
        let told = |form: &std::collections::HashMap<String, String>| {
            ["token", "token_type_hint", "client_id"].map(|name| form[name].clone())
        };
        let told: Vec<_> = world.revocations.iter().map(told).collect();
        assert_eq!(
            told,
            [
                ["refresh-1", "refresh_token", "registered"],
                ["access-1", "access_token", "registered"]
            ]
        );
        assert!(!world.revocations[0].contains_key("resource"));
    }

    // A server that cannot be told changes nothing here.
    authorizer.login().await.unwrap();
    server.world().keeps_tokens = true;
    let revocation = authorizer.logout().await.unwrap();
    assert!(matches!(revocation, Revocation::Failed(OAuthError::Token(_))), "{revocation:?}");
    assert!(authorizer.tokens().await.unwrap().is_none());
}

// covers: auth-revocation
#[tokio::test]
async fn tokens_of_another_account_are_taken_back_once_it_is_replaced() {
    let server = ProtectedServer::start().await.unwrap();
    let endpoint = format!("{}/revoke", server.issuer());
    server.world().more_metadata = json!({"revocation_endpoint": endpoint});
    let authorizer = pasted().at(&server.url()).unwrap();
    let is = |person: &str| {
        let claims = URL_SAFE_NO_PAD.encode(json!({"sub": person}).to_string());
        server.world().id_token = Some(format!("e30.{claims}."));
    };
    let revoked = || {
        let world = server.world();
        world.revocations.iter().map(|form| form["token"].clone()).collect::<Vec<_>>()
    };
    // Of one account they may be of one grant, which would end as a whole; also where it is not said.
    for person in [None, Some("ada"), Some("ada")] {
        person.into_iter().for_each(is);
        authorizer.login().await.unwrap();
        assert!(revoked().is_empty());
    }
    is("robert");
    authorizer.login().await.unwrap();
    assert_eq!(revoked(), ["refresh-3", "access-3"]);
    // A server that cannot be told changes nothing here.
    is("ada");
    server.world().keeps_tokens = true;
    assert_eq!(authorizer.login().await.unwrap().access_token.reveal(), "access-5");
}

// covers: auth-tokens-bound
#[tokio::test]
async fn a_token_goes_nowhere_else() {
    let server = ProtectedServer::start().await.unwrap();
    let authorizer = pasted().at(&server.url()).unwrap();
    authorizer.login().await.unwrap();
    let own = server.url();
    let port = Url::parse(&own).unwrap().port().unwrap();
    let others = [
        format!("https://127.0.0.1:{port}/mcp"),
        format!("http://127.0.0.1:{}/mcp", port.wrapping_add(1)),
        format!("http://localhost:{port}/mcp"),
        "http://127.0.0.1/mcp".to_owned(),
    ];
    for url in others.iter().chain([&own]) {
        let url: http::Uri = url.parse().unwrap();
        let target = Target { method: &http::Method::POST, url: &url };
        let mut headers = http::HeaderMap::new();
        authorizer.authorize(target, &mut headers).await.unwrap();
        let shown = headers.get(http::header::AUTHORIZATION);
        assert_eq!(shown.is_some(), url == own.as_str(), "{url}");
        assert!(shown.is_none_or(http::HeaderValue::is_sensitive));
    }
}

#[tokio::test]
async fn a_listener_comes_back_where_it_was_registered() {
    let server = ProtectedServer::start().await.unwrap();
    let browser = Browser::new().open_with(browse);
    let client = connect(&server, OAuth::with(AuthorizationCode::new(browser))).await.unwrap();
    {
        let mut world = server.world();
        (world.access_token, world.refresh_token) = (None, None);
    }
    client.list_tools().await.unwrap();
    let world = server.world();
    let [first, second] = &world.authorizations[..] else { panic!("{:?}", world.requests) };
    assert_eq!(first["redirect_uri"], second["redirect_uri"]);
    assert_ne!(first["state"], second["state"]);
    assert_ne!(first["code_challenge"], second["code_challenge"]);
    assert_eq!(world.count("POST /register"), 1);
}

#[tokio::test]
async fn a_server_that_is_away_is_no_reason_to_ask_somebody() {
    let server = ProtectedServer::start().await.unwrap();
    let client = connect(&server, pasted()).await.unwrap();
    {
        let mut world = server.world();
        world.access_token = None;
        world.overloaded = true;
    }
    let error = client.list_tools().await.unwrap_err();
    assert!(matches!(cause(&error), OAuthError::Status { .. }), "{error:?}");
    assert!(error.is_retryable() && !error.wants_authorization());
    server.world().overloaded = false;
    client.list_tools().await.unwrap();
    assert_eq!(server.world().authorizations.len(), 1);
}

/// Counts how often it is looked at.
#[derive(Debug)]
struct Looked {
    store: FileTokenStore,
    looks: watch::Sender<u64>,
}

impl TokenStore for Looked {
    fn load<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<Option<Secret>, TokenStoreError>> {
        self.looks.send_modify(|looks| *looks += 1);
        self.store.load(entry)
    }

    fn save<'a>(
        &'a self,
        entry: &'a StoreEntry,
        value: &'a Secret,
    ) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        self.store.save(entry, value)
    }

    fn remove<'a>(&'a self, entry: &'a StoreEntry) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        self.store.remove(entry)
    }
}

#[tokio::test]
async fn a_server_that_waits_for_a_login_notices_one_that_another_process_made() {
    let server = ProtectedServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let looks = watch::Sender::new(0);
    let store: Arc<dyn TokenStore> =
        Arc::new(Looked { store: FileTokenStore::open(folder.path()), looks: looks.clone() });
    let mut options = HubOptions::default();
    options.look_for_login = Some(Duration::from_millis(5));
    options.authorize(move |_| {
        let nobody = OAuth::pasted(|_| async { Err("nobody is there".into()) });
        Some(nobody.shared_store(Arc::clone(&store)))
    });
    let transport = TransportConfig::Http { url: server.url(), headers: [].into() };
    let hub = Hub::start(vec![ServerConfig::new("mail", transport)], &options);
    hub.ready().await;
    assert_eq!(hub.status()[0].state.kind(), StateKind::NeedsAuth);
    let asked = server.world().requests.len();
    let mut looks = looks.subscribe();
    let before = *looks.borrow_and_update();
    looks.wait_for(|looks| *looks > before + 5).await.unwrap();
    assert_eq!(server.world().requests.len(), asked, "no server is asked meanwhile");
    // As another process does, which has the same folder.
    let other = pasted().store(FileTokenStore::open(folder.path()));
    connect(&server, other).await.unwrap().close().await;
    let mut seen = 0;
    while hub.status()[0].state.kind() != StateKind::Ready {
        seen = hub.changed_since(seen).await;
    }
    hub.close().await;
}
