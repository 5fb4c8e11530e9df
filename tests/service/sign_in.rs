//! People who sign in at an issuer to show who they are, before they log in at a server.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::Arc;

use mcp_agent::service::{AccessSettings, ServiceOptions};
use mcp_client::oauth::{MemoryTokenStore, TokenStore};
use mcp_transport::serve::SessionKeys;
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpListener, task::JoinSet};

use crate::{
    asking::{self, Answer, Serving},
    jwt::{AUDIENCE, Signing, now},
    logins::{entry, line, said},
    mailbox::Mailbox,
};

/// A service that trusts two issuers, in front of a mailbox that wants people to log in.
struct Stand {
    mailbox: Mailbox,
    issuer: Mailbox,
    key: Arc<Signing>,
    other: Mailbox,
    serving: Serving,
    access: AccessSettings,
}

impl Stand {
    async fn new() -> Self {
        Self::with(ServiceOptions::new()).await
    }

    async fn with(options: ServiceOptions) -> Self {
        let mailbox = Mailbox::start().await;
        mailbox.world().consent.is_on = true;
        let key = Arc::new(Signing::new("k1"));
        let (issuer, other) = (issuer(&key).await, issuer(&key).await);
        let mut access = AccessSettings::default();
        for issuer in [&issuer, &other] {
            let trusted = serde_json::from_value(json!({
                "issuer": origin(issuer), "audience": [AUDIENCE], "claim": "role",
                "client_id": "gateway", "scopes": ["openid", "mcp"],
                "grant": [
                    {"value": "*", "role": "viewer"},
                    {"value": "staff", "role": "user", "allow": ["mail"]},
                    {"value": "others", "role": "user", "deny": ["mail"]},
                ],
            }));
            access.issuers.push(trusted.unwrap());
        }
        access.check().unwrap();
        let serving = Serving::start(vec![entry(&mailbox)], options.access(access.clone())).await;
        Self { mailbox, issuer, key, other, serving, access }
    }

    /// The header of a program of somebody.
    fn program(&self, who: &str) -> String {
        let token = self.key.sign(&claims(&origin(&self.issuer), who));
        format!("authorization: Bearer {token}\r\n")
    }

    async fn whoami(&self, who: &str) -> Answer {
        let call = json!({"server_name": "mail", "tool_name": "whoami"}).to_string();
        self.serving.ask("POST", "/mcp/tools/call", &self.program(who), Some(&call)).await
    }

    /// The path that somebody is told to open.
    async fn told(&self, who: &str) -> String {
        let answer = self.whoami(who).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        self.path(answer.json()["login_url"].as_str().unwrap())
    }

    fn path(&self, url: &str) -> String {
        let base = format!("http://{}", self.serving.address);
        url.strip_prefix(&base).unwrap().to_owned()
    }

    async fn ask_to_sign_in(&self, path: &str, issuer: &str) -> Answer {
        let (path, body) = (format!("{path}/sign-in"), json!({"issuer": issuer}).to_string());
        self.serving.ask("POST", &path, "", Some(&body)).await
    }

    /// Begins to sign in: where the browser goes, and the cookie that it keeps.
    async fn begin(&self, path: &str) -> (String, String) {
        let begun = self.ask_to_sign_in(path, &origin(&self.issuer)).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        (begun.json()["url"].as_str().unwrap().to_owned(), cookie(line(&begun, "set-cookie")))
    }

    async fn come_back(&self, path: &str, cookie: &str) -> Answer {
        self.serving.ask("GET", path, cookie, None).await
    }

    /// Signs somebody in at the issuer: what the browser is answered when it comes back.
    async fn sign_in(&self, path: &str, person: &str) -> Answer {
        let (url, cookie) = self.begin(path).await;
        let back = self.path(&consent(&self.issuer, &url, person).await);
        self.come_back(&back, &cookie).await
    }

    async fn wanted(&self, path: &str, headers: &str) -> Answer {
        self.serving.ask("GET", &format!("{path}/wanted"), headers, None).await
    }

    /// Begins the login itself, with the token of a program.
    async fn begin_login(&self, path: &str, who: &str) -> (String, String) {
        let begun = self.serving.ask("POST", path, &self.program(who), None).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        (begun.json()["url"].as_str().unwrap().to_owned(), cookie(line(&begun, "set-cookie")))
    }

    fn redeemed(&self) -> usize {
        self.issuer.world().consent.token_requests.len()
    }

    fn redeemed_at_mailbox(&self) -> usize {
        self.mailbox.world().consent.token_requests.len()
    }

    /// Has the issuer give tokens with other claims.
    fn give(&self, change: impl Fn(&mut Value) + Send + 'static) {
        let (key, at) = (Arc::clone(&self.key), origin(&self.issuer));
        self.issuer.world().consent.signs = Some(Box::new(move |who| {
            let mut claims = claims(&at, who);
            change(&mut claims);
            key.sign(&claims)
        }));
    }
}

/// An authorization server whose access tokens are those of an issuer.
async fn issuer(key: &Arc<Signing>) -> Mailbox {
    let issuer = Mailbox::start().await;
    let (signing, at) = (Arc::clone(key), origin(&issuer));
    let mut world = issuer.world();
    world.consent.is_on = true;
    world.consent.keys = vec![key.public.clone()];
    world.consent.signs = Some(Box::new(move |who| signing.sign(&claims(&at, who))));
    drop(world);
    issuer
}

fn origin(server: &Mailbox) -> String {
    server.url().trim_end_matches("/mcp").to_owned()
}

fn claims(issuer: &str, who: &str) -> Value {
    json!({"iss": issuer, "aud": AUDIENCE, "sub": who, "exp": now() + 300, "role": "staff"})
}

/// Consents as a person: where the browser is sent back to.
async fn consent(server: &Mailbox, url: &str, person: &str) -> String {
    let origin = origin(server);
    let address = origin.strip_prefix("http://").unwrap();
    let (_, target) = url.split_once(address).unwrap();
    let person = format!("x-person: {person}\r\n");
    let sent = asking::ask(address, "GET", target, &person, None).await;
    assert_eq!(sent.status, 302, "{sent:?}");
    line(&sent, "location").to_owned()
}

/// The same answer by the path of the other kind of login.
fn other_way(back: &str) -> String {
    let (login, sign_in) = ("/connect/callback?", "/connect/signed-in?");
    match back.strip_prefix(login) {
        Some(query) => format!("{sign_in}{query}"),
        None => format!("{login}{}", back.strip_prefix(sign_in).unwrap()),
    }
}

fn cookie(set: &str) -> String {
    format!("cookie: {}\r\n", set.split(';').next().unwrap())
}

/// The cookie of a browser in which the right one has signed in.
fn signed_in(answer: &Answer) -> String {
    assert_eq!(answer.status, 302, "{answer:?}");
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    let set = lines.map(|(_, value)| value).find(|value| value.starts_with("mcp-signed-in-"));
    let set = set.unwrap();
    assert!(set.ends_with("; HttpOnly; SameSite=Strict"), "{set}");
    cookie(set)
}

fn is_not_signed_in(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("You are not signed in"), "{answer:?}");
    assert!(answer.body.contains(why), "{why}: {answer:?}");
    assert!(!answer.head.contains("mcp-signed-in"), "{answer:?}");
}

#[tokio::test]
async fn whoever_was_asked_signs_in_and_logs_in() {
    let stand = Stand::new().await;
    let path = stand.told("ada").await;
    let issuers = stand.serving.get("/connect/issuers").await.json();
    assert_eq!(issuers, json!({"issuers": [origin(&stand.issuer), origin(&stand.other)]}));
    let back = stand.sign_in(&path, "ada").await;
    let to = format!("http://{}{path}#signed-in", stand.serving.address);
    assert_eq!(line(&back, "location"), to);
    let cookie = signed_in(&back);
    let base = format!("http://{}", stand.serving.address);
    {
        let world = stand.issuer.world();
        let query = &world.consent.authorizations[0];
        assert_eq!(query["client_id"], "gateway");
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["resource"], format!("{base}/mcp"));
        assert_eq!(query["redirect_uri"], format!("{base}/connect/signed-in"));
        // Nothing is asked for that would outlast this.
        assert_eq!((&*query["scope"], query.get("prompt")), ("openid mcp", None));
        assert!(world.consent.registrations.is_empty());
    }
    // From here on it is the login as with a token.
    let wanted = stand.wanted(&path, &cookie).await;
    assert_eq!(wanted.json()["server"], "mail", "{wanted:?}");
    let begun = stand.serving.ask("POST", &path, &cookie, None).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let kept = self::cookie(line(&begun, "set-cookie"));
    let url = begun.json()["url"].as_str().unwrap().to_owned();
    let back = stand.path(&consent(&stand.mailbox, &url, "ada").await);
    let done = stand.come_back(&back, &kept).await;
    assert!(done.body.contains("You are logged in"), "{done:?}");
    assert_eq!(said(&stand.whoami("ada").await), "ada");
    // What the issuer gave went nowhere.
    let head =
        stand.program("ada").split('.').next().unwrap().rsplit(' ').next().unwrap().to_owned();
    assert!(!stand.mailbox.world().heads.iter().any(|sent| sent.contains(&head)));
    stand.serving.end().await;
}

#[tokio::test]
async fn somebody_else_is_told_who_was_asked_and_goes_no_further() {
    let stand = Stand::new().await;
    let path = stand.told("ada").await;
    let back = stand.sign_in(&path, "bob").await;
    assert_eq!(back.status, 403, "{back:?}");
    for who in ["bob", "ada"] {
        let principal = format!("jwt:{}&#35;{who}", origin(&stand.issuer));
        let plain = format!("jwt:{}#{who}", origin(&stand.issuer));
        assert!(back.body.contains(&principal) || back.body.contains(&plain), "{back:?}");
    }
    assert!(!back.head.contains("mcp-signed-in") && !back.body.contains("mail"), "{back:?}");
    assert_eq!(stand.wanted(&path, "").await.status, 401);
    // The same name at another issuer is somebody else.
    let begun = stand.ask_to_sign_in(&path, &origin(&stand.other)).await;
    let (url, cookie) = (begun.json()["url"].clone(), cookie(line(&begun, "set-cookie")));
    let back = stand.path(&consent(&stand.other, url.as_str().unwrap(), "ada").await);
    let refused = stand.come_back(&back, &cookie).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    // Who was asked can still go on.
    signed_in(&stand.sign_in(&path, "ada").await);
    stand.serving.end().await;
}

#[tokio::test]
async fn an_answer_is_taken_once_from_the_browser_that_began() {
    let stand = Stand::new().await;
    let path = stand.told("ada").await;
    let (url, own) = stand.begin(&path).await;
    let back = stand.path(&consent(&stand.issuer, &url, "ada").await);
    let (_, others) = stand.begin(&path).await;
    for cookie in ["", &others, "cookie: mcp-login=x\r\n"] {
        let refused = stand.come_back(&back, cookie).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.body.contains("not begun here"), "{refused:?}");
    }
    assert_eq!(stand.redeemed(), 0);
    signed_in(&stand.come_back(&back, &own).await);
    assert_eq!(stand.come_back(&back, &own).await.status, 410);
    assert_eq!(stand.redeemed(), 1);
    // A code that was redeemed, and one that somebody else was given, in an answer of one's own.
    let (bobs, _) = stand.begin(&stand.told("bob").await).await;
    let bobs = consent(&stand.issuer, &bobs, "ada").await;
    for answer in [back, stand.path(&bobs)] {
        let (url, own) = stand.begin(&path).await;
        let state = url.split('&').find(|part| part.starts_with("state=")).unwrap();
        let theirs = answer.split('&').find(|part| part.starts_with("state=")).unwrap();
        let refused = stand.come_back(&answer.replace(theirs, state), &own).await;
        is_not_signed_in(&refused, "");
    }
    stand.serving.end().await;
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused() {
    let stand = Stand::new().await;
    let path = stand.told("ada").await;
    stand.issuer.world().consent.pretends = Some("https://other.example");
    is_not_signed_in(&stand.sign_in(&path, "ada").await, "iss");
    assert_eq!(stand.redeemed(), 0);
    stand.issuer.world().consent.pretends = None;
    stand.issuer.world().consent.refuses = true;
    is_not_signed_in(&stand.sign_in(&path, "ada").await, "access_denied");
    assert_eq!(stand.redeemed(), 0);
    stand.serving.end().await;
}

/// Another authorization server could have the browser bring it the code that an issuer gave, or the
/// issuer one of its own (RFC 9700 section 4.4).
#[tokio::test]
async fn an_answer_by_the_path_of_another_kind_is_redeemed_nowhere() {
    let stand = Stand::new().await;
    let path = stand.told("ada").await;
    let (url, own) = stand.begin(&path).await;
    let back = stand.path(&consent(&stand.issuer, &url, "ada").await);
    is_not_signed_in(&stand.come_back(&other_way(&back), &own).await, "redirect URI");
    // It is over.
    assert_eq!(stand.come_back(&back, &own).await.status, 410);
    let (url, own) = stand.begin_login(&path, "ada").await;
    let back = stand.path(&consent(&stand.mailbox, &url, "ada").await);
    let refused = stand.come_back(&other_way(&back), &own).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("You are not logged in"), "{refused:?}");
    assert!(refused.body.contains("redirect URI"), "{refused:?}");
    assert_eq!(stand.come_back(&back, &own).await.status, 410);
    assert_eq!((stand.redeemed(), stand.redeemed_at_mailbox()), (0, 0));
    stand.serving.end().await;
}

#[tokio::test]
async fn what_the_issuer_gives_is_judged_as_any_token() {
    let stand = Stand::new().await;
    let path = stand.told("ada").await;
    for (claim, value, why) in [
        ("aud", json!("https://elsewhere.example"), "for somebody else"),
        ("exp", json!(now() - 120), "expired"),
        ("sub", Value::Null, "cannot be read"),
        // Another issuer that is trusted too, and has the same keys.
        ("iss", json!(origin(&stand.other)), "of another issuer"),
        ("iss", json!("https://id.example"), "of another issuer"),
        ("role", json!("guests"), "needs the role"),
        ("role", json!("others"), "no server"),
    ] {
        let given = value.clone();
        stand.give(move |claims| claims[claim] = given.clone());
        let refused = stand.sign_in(&path, "ada").await;
        is_not_signed_in(&refused, why);
    }
    let another = Signing::new("k1");
    let at = origin(&stand.issuer);
    let forged = move |who: &str| another.sign(&claims(&at, who));
    stand.issuer.world().consent.signs = Some(Box::new(forged));
    is_not_signed_in(&stand.sign_in(&path, "ada").await, "no key of the issuer");
    stand.issuer.world().consent.signs = None;
    is_not_signed_in(&stand.sign_in(&path, "ada").await, "no JSON Web Token");
    stand.give(|_| {});
    signed_in(&stand.sign_in(&path, "ada").await);
    stand.serving.end().await;
}

#[tokio::test]
async fn who_has_signed_in_may_make_that_login_and_nothing_else() {
    let stand = Stand::new().await;
    let (path, bobs) = (stand.told("ada").await, stand.told("bob").await);
    let cookie = signed_in(&stand.sign_in(&path, "ada").await);
    assert_eq!(stand.wanted(&path, &cookie).await.status, 200);
    let again = stand.told("ada").await;
    for path in [&bobs, &again] {
        assert_eq!(stand.wanted(path, &cookie).await.status, 401, "{path}");
        assert_eq!(stand.serving.ask("POST", path, &cookie, None).await.status, 401, "{path}");
    }
    for path in ["/mcp/servers", "/mcp/logins", "/mcp/tools", "/metrics"] {
        let refused = stand.serving.ask("GET", path, &cookie, None).await;
        assert_eq!(refused.status, 401, "{refused:?}");
    }
    // A token goes before it.
    let both = format!("{cookie}{}", stand.program("bob"));
    assert_eq!(stand.wanted(&path, &both).await.status, 403);
    // Pages of elsewhere have no part in it.
    let foreign = format!("{cookie}origin: https://evil.example\r\n");
    assert_eq!(stand.serving.ask("POST", &path, &foreign, None).await.status, 403);
    let body = json!({"issuer": origin(&stand.issuer)}).to_string();
    let (sign_in, foreign) = (format!("{path}/sign-in"), "origin: https://evil.example\r\n");
    let refused = stand.serving.ask("POST", &sign_in, foreign, Some(&body)).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    // An issuer that is trusted no more has signed nobody in, and signs nobody in.
    let (url, began) = stand.begin(&path).await;
    let back = stand.path(&consent(&stand.issuer, &url, "ada").await);
    let mut left = stand.access.clone();
    left.issuers.remove(0);
    stand.serving.service.set_access(&left);
    assert_eq!(stand.wanted(&path, &cookie).await.status, 401);
    assert_eq!(stand.come_back(&back, &began).await.status, 410);
    assert_eq!(stand.ask_to_sign_in(&path, &origin(&stand.issuer)).await.status, 404);
    stand.serving.end().await;
}

#[tokio::test]
async fn only_a_good_address_and_an_issuer_with_a_client_lead_anywhere() {
    let stand = Stand::new().await;
    let path = stand.told("ada").await;
    let nothing = stand.ask_to_sign_in("/connect/nothing", &origin(&stand.issuer)).await;
    assert_eq!(nothing.status, 404, "{nothing:?}");
    assert_eq!(stand.ask_to_sign_in(&path, "https://id.example").await.status, 404);
    let mut without = stand.access.clone();
    for issuer in &mut without.issuers {
        (issuer.client_id, issuer.scopes) = (None, Vec::new());
    }
    without.check().unwrap();
    stand.serving.service.set_access(&without);
    assert_eq!(stand.serving.get("/connect/issuers").await.json(), json!({"issuers": []}));
    assert_eq!(stand.ask_to_sign_in(&path, &origin(&stand.issuer)).await.status, 404);
    // Nobody was asked for anything but the keys.
    assert!(stand.issuer.world().consent.authorizations.is_empty());
    // What cannot work is an error.
    without.issuers[0].scopes = vec!["openid".to_owned()];
    without.check().unwrap_err();
    without.issuers[0].client_id = Some("gateway".to_owned());
    without.check().unwrap();
    without.issuers[0].client_secret_env = Some("NO SUCH VARIABLE".to_owned());
    without.check().unwrap();
    without.check_secrets().unwrap_err();
    stand.serving.end().await;
}

#[tokio::test]
async fn whoever_has_an_address_ends_no_login_of_the_one_who_was_asked() {
    let stand = Stand::new().await;
    let path = stand.told("ada").await;
    let (url, own) = stand.begin_login(&path, "ada").await;
    for _ in 0..8 {
        stand.begin(&path).await;
    }
    let back = stand.path(&consent(&stand.mailbox, &url, "ada").await);
    assert_eq!(stand.come_back(&back, &own).await.status, 200);
    stand.serving.end().await;
}

#[tokio::test]
async fn few_wait_for_an_issuer_that_does_not_answer() {
    let stand = Stand::new().await;
    let (path, bobs) = (stand.told("ada").await, stand.told("bob").await);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", silent.local_addr().unwrap());
    let mut access = stand.access.clone();
    let mut issuer = access.issuers[0].clone();
    issuer.issuer.clone_from(&at);
    access.issuers.push(issuer);
    stand.serving.service.set_access(&access);
    let mut asking = JoinSet::new();
    let mut begin = |path: &str| {
        let (address, path) = (stand.serving.address.clone(), format!("{path}/sign-in"));
        let body = json!({"issuer": at}).to_string();
        asking.spawn(async move { asking::ask(&address, "POST", &path, "", Some(&body)).await });
    };
    let mut waiting = Vec::new();
    for path in [&path, &path, &path, &path, &bobs] {
        begin(path);
        waiting.push(silent.accept().await.unwrap().0);
    }
    let refused = stand.ask_to_sign_in(&path, &at).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    // Those whose browsers have gone wait no more.
    asking.shutdown().await;
    for mut connection in waiting {
        connection.read_to_end(&mut Vec::new()).await.unwrap();
    }
    signed_in(&stand.sign_in(&path, "ada").await);
    stand.serving.end().await;
}

#[tokio::test]
async fn any_replica_takes_the_answer_and_knows_who_has_signed_in() {
    let store: Arc<dyn TokenStore> = Arc::new(MemoryTokenStore::new());
    let options = || {
        let keys = SessionKeys::derive(b"the secret of all replicas").unwrap();
        ServiceOptions::new().shared_logins(Arc::clone(&store)).session_keys(keys)
    };
    let stand = Stand::with(options()).await;
    let other =
        Serving::start(vec![entry(&stand.mailbox)], options().access(stand.access.clone())).await;
    let path = stand.told("ada").await;
    for (person, status) in [("bob", 403), ("ada", 302)] {
        let (url, cookie) = stand.begin(&path).await;
        let back = stand.path(&consent(&stand.issuer, &url, person).await);
        let handed = other.ask("GET", &back, &cookie, None).await;
        assert_eq!(handed.status, status, "{handed:?}");
        if status == 302 {
            let cookie = signed_in(&handed);
            assert_eq!(stand.wanted(&path, &cookie).await.json()["server"], "mail");
        }
    }
    // The replica that began looks at the path as it does at answers of its own.
    let (redeemed, at_mailbox) = (stand.redeemed(), stand.redeemed_at_mailbox());
    let begun = [
        (stand.begin(&path).await, &stand.issuer),
        (stand.begin_login(&path, "ada").await, &stand.mailbox),
    ];
    for ((url, own), server) in begun {
        let back = stand.path(&consent(server, &url, "ada").await);
        let refused = other.ask("GET", &other_way(&back), &own, None).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.body.contains("redirect URI"), "{refused:?}");
    }
    assert_eq!((stand.redeemed(), stand.redeemed_at_mailbox()), (redeemed, at_mailbox));
    other.end().await;
    stand.serving.end().await;
}
