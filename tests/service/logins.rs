//! Servers at which each caller logs in: the login, its bounds, and whose tokens go where.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{path::Path, sync::Arc, time::Duration};

use mcp_agent::service::{AccessRules, AccessSettings, ApiKey, Role, ServiceOptions};
use mcp_client::{
    Hub, HubOptions, StateKind,
    config::{self, ServerConfig},
    oauth::{MemoryTokenStore, TokenStore},
};
use mcp_transport::serve::SessionKeys;
use serde_json::{Value, json};

use crate::{
    asking::{self, Answer, Serving},
    mailbox::Mailbox,
};

/// A service with two people and an administrator, in front of a mailbox that wants them to log in.
pub(crate) struct Stand {
    mailbox: Mailbox,
    pub(crate) serving: Serving,
    access: AccessSettings,
    pub(crate) ada: String,
    pub(crate) bob: String,
}

impl Stand {
    pub(crate) async fn new() -> Self {
        Self::with(ServiceOptions::new()).await
    }

    /// With a second service that has the same logins.
    async fn with_another_replica() -> (Self, Serving) {
        let store: Arc<dyn TokenStore> = Arc::new(MemoryTokenStore::new());
        let options = || {
            let keys = SessionKeys::derive(b"the secret of all replicas").unwrap();
            ServiceOptions::new().shared_logins(Arc::clone(&store)).session_keys(keys)
        };
        let stand = Self::with(options()).await;
        let access = stand.access.clone();
        let other = Serving::start(vec![entry(&stand.mailbox)], options().access(access)).await;
        (stand, other)
    }

    async fn with(options: ServiceOptions) -> Self {
        let mailbox = Mailbox::start().await;
        mailbox.world().consent.is_on = true;
        let mut access = AccessSettings::default();
        let mut header = |name: &str, rules: AccessRules| {
            let (key, secret) = ApiKey::new(name, Role::User, rules).unwrap();
            access.keys.push(key);
            format!("authorization: Bearer {}\r\n", secret.reveal())
        };
        let ada = header("ada", AccessRules::default());
        let bob = header("bob", AccessRules::default());
        let servers = vec![entry(&mailbox)];
        let serving = Serving::start(servers, options.access(access.clone())).await;
        Self { mailbox, serving, access, ada, bob }
    }

    async fn whoami(&self, who: &str) -> Answer {
        self.call(who, "whoami").await
    }

    async fn call(&self, who: &str, tool: &str) -> Answer {
        let call = json!({"server_name": "mail", "tool_name": tool}).to_string();
        self.serving.ask("POST", "/mcp/tools/call", who, Some(&call)).await
    }

    /// The path that somebody is told to open.
    fn told(&self, answer: &Answer) -> String {
        assert_eq!(answer.status, 403, "{answer:?}");
        let problem = answer.json();
        assert_eq!(problem["code"], "login_required", "{problem}");
        self.path(problem["login_url"].as_str().unwrap())
    }

    pub(crate) fn path(&self, url: &str) -> String {
        let base = format!("http://{}", self.serving.address);
        url.strip_prefix(&base).unwrap().to_owned()
    }

    /// Begins a login: where the browser goes, and the cookie that it keeps.
    async fn begin(&self, who: &str, path: &str) -> (String, String) {
        let begun = self.serving.ask("POST", path, who, None).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let cookie = line(&begun, "set-cookie").split(';').next().unwrap().to_owned();
        (begun.json()["url"].as_str().unwrap().to_owned(), format!("cookie: {cookie}\r\n"))
    }

    /// Consents as a person of the authorization server: where the browser comes back to.
    async fn consent(&self, url: &str, person: &str) -> String {
        let origin = self.mailbox.url();
        let address = origin.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
        let (_, target) = url.split_once(address).unwrap();
        let person = format!("x-person: {person}\r\n");
        let sent = asking::ask(address, "GET", target, &person, None).await;
        assert_eq!(sent.status, 302, "{sent:?}");
        self.path(line(&sent, "location"))
    }

    async fn come_back(&self, path: &str, cookie: &str) -> Answer {
        self.serving.ask("GET", path, cookie, None).await
    }

    /// The whole way.
    pub(crate) async fn log_in(&self, who: &str, path: &str, person: &str) -> Answer {
        let (url, cookie) = self.begin(who, path).await;
        let back = self.consent(&url, person).await;
        self.come_back(&back, &cookie).await
    }

    /// The path by which somebody can log in, without a call.
    async fn wish(&self, who: &str) -> String {
        let asked = json!({"server_name": "mail"}).to_string();
        let wanted = self.serving.ask("POST", "/mcp/logins", who, Some(&asked)).await;
        assert_eq!(wanted.status, 201, "{wanted:?}");
        self.path(wanted.json()["url"].as_str().unwrap())
    }

    async fn logins(&self, who: &str) -> Value {
        let told = self.serving.ask("GET", "/mcp/logins", who, None).await;
        assert_eq!(told.status, 200, "{told:?}");
        told.json()["logins"].clone()
    }
}

pub(crate) fn line<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).unwrap().1
}

pub(crate) fn entry(mailbox: &Mailbox) -> ServerConfig {
    let text =
        json!({"mcpServers": {"mail": {"url": mailbox.url(), "oauth": {"perCaller": true}}}});
    let file = config::parse(&text.to_string(), Path::new("mcp.json"), &|_| None).unwrap();
    assert!(file.problems.is_empty(), "{:?}", file.problems);
    file.servers.into_iter().next().unwrap()
}

pub(crate) fn said(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn everybody_logs_in_for_themselves() {
    let stand = Stand::new().await;
    // One of them is another person there than here.
    for (who, person) in [(&stand.ada, "ada"), (&stand.bob, "robert")] {
        let path = stand.told(&stand.whoami(who).await);
        let page = stand.serving.get(&path).await;
        assert_eq!(page.status, 200);
        assert!(page.head.contains("default-src 'none'") && page.body.contains("login.js"));
        let looked = stand.serving.ask("GET", &format!("{path}/wanted"), who, None).await.json();
        assert_eq!((&looked["server"], &looked["host"]), (&json!("mail"), &json!("127.0.0.1")));
        let done = stand.log_in(who, &path, person).await;
        assert_eq!(done.status, 200, "{done:?}");
        assert!(done.body.contains("You are logged in"), "{}", done.body);
        // The connection that waited for it is there at once.
        assert_eq!(said(&stand.whoami(who).await), person);
        let tools = stand.serving.ask("GET", "/mcp/tools", who, None).await.json();
        let names: Vec<_> = tools["tools"].as_array().unwrap().iter().collect();
        assert_eq!(names[1]["name"], format!("only_{person}"), "{tools}");
        let login = &stand.logins(who).await[0];
        assert_eq!(
            (&login["logged_in"], &login["renews"]),
            (&json!(true), &json!(true)),
            "{login}"
        );
    }
    assert_eq!(said(&stand.whoami(&stand.ada).await), "ada");
    {
        let world = stand.mailbox.world();
        assert_eq!(world.consent.registrations.len(), 1, "one client for all");
        let uri = format!("http://{}/connect/callback", stand.serving.address);
        assert_eq!(world.consent.registrations[0]["redirect_uris"], json!([uri]));
        for query in &world.consent.authorizations {
            assert_eq!(query["resource"], stand.mailbox.url());
            assert_eq!(query["code_challenge_method"], "S256");
        }
        // What callers show ends at the service.
        let secret = stand.ada.trim_end().rsplit(' ').next().unwrap();
        assert!(!world.heads.iter().any(|head| head.contains(secret)));
    }
    stand.serving.end().await;
}

/// An address that somebody else was told is of no use: nobody can have another person log in for
/// them, or take over a login that they began.
#[tokio::test]
async fn nobody_logs_in_for_somebody_else() {
    let stand = Stand::new().await;
    let path = stand.told(&stand.whoami(&stand.ada).await);
    for (method, path) in [("POST", path.clone()), ("GET", format!("{path}/wanted"))] {
        let refused = stand.serving.ask(method, &path, &stand.bob, None).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(!refused.body.contains("mail") && !refused.body.contains("ada"), "{refused:?}");
        assert_eq!(stand.serving.ask(method, &path, "", None).await.status, 401);
    }
    let (url, cookie) = stand.begin(&stand.ada, &path).await;
    let back = stand.consent(&url, "ada").await;
    // Another browser, with no cookie or with that of another login.
    let (_, others) = stand.begin(&stand.bob, &stand.told(&stand.whoami(&stand.bob).await)).await;
    for cookie in ["", &others, "cookie: mcp-login=x\r\n"] {
        let refused = stand.come_back(&back, cookie).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.body.contains("not begun here"), "{}", refused.body);
    }
    assert!(stand.mailbox.world().consent.token_requests.is_empty());
    stand.told(&stand.whoami(&stand.ada).await);
    // Nothing of that has harmed the one who began it. It is good once.
    assert_eq!(stand.come_back(&back, &cookie).await.status, 200);
    assert_eq!(stand.come_back(&back, &cookie).await.status, 410);
    assert_eq!(said(&stand.whoami(&stand.ada).await), "ada");
    stand.told(&stand.whoami(&stand.bob).await);
    assert_eq!(stand.mailbox.world().consent.token_requests.len(), 1);
    stand.serving.end().await;
}

#[tokio::test]
async fn answers_that_are_not_of_the_one_who_was_asked_are_refused() {
    let stand = Stand::new().await;
    let path = stand.told(&stand.whoami(&stand.ada).await);
    stand.mailbox.world().consent.pretends = Some("https://other.example");
    let refused = stand.log_in(&stand.ada, &path, "ada").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("iss"), "{}", refused.body);
    stand.mailbox.world().consent.pretends = None;
    stand.mailbox.world().consent.refuses = true;
    let refused = stand.log_in(&stand.ada, &path, "ada").await;
    assert!(refused.body.contains("access_denied"), "{}", refused.body);
    assert!(stand.mailbox.world().consent.token_requests.is_empty());
    // The same address may be used again.
    stand.mailbox.world().consent.refuses = false;
    assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
    for path in ["/connect/callback", "/connect/callback?state=x&code=y", "/connect/callback?"] {
        assert!(matches!(stand.come_back(path, "").await.status, 400 | 403), "{path}");
    }
    let unknown = stand.serving.ask("POST", "/connect/nothing", &stand.ada, None).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    stand.serving.end().await;
}

#[tokio::test]
async fn tokens_are_renewed_and_logging_out_takes_them_back() {
    let stand = Stand::new().await;
    for (who, person) in [(&stand.ada, "ada"), (&stand.bob, "bob")] {
        let path = stand.told(&stand.whoami(who).await);
        assert_eq!(stand.log_in(who, &path, person).await.status, 200);
        assert_eq!(said(&stand.whoami(who).await), person);
    }
    stand.mailbox.world().end_all();
    assert_eq!(said(&stand.whoami(&stand.ada).await), "ada");
    {
        let world = stand.mailbox.world();
        let renewals = world.consent.token_requests.iter();
        let renewals = renewals.filter(|form| form["grant_type"] == "refresh_token").count();
        // Also what only listens renews what it shows, once for each.
        assert!((1..=2).contains(&renewals), "{renewals}");
    }
    let out = stand.serving.ask("DELETE", "/mcp/logins/mail", &stand.ada, None).await;
    assert_eq!((out.status, &out.json()["revoked"]), (200, &json!(true)), "{out:?}");
    assert_eq!(stand.mailbox.world().consent.revocations.len(), 2, "both kinds of tokens");
    assert_eq!(stand.logins(&stand.ada).await[0]["logged_in"], false);
    stand.told(&stand.whoami(&stand.ada).await);
    // Nobody else is logged out, and the client is still known.
    assert_eq!(said(&stand.whoami(&stand.bob).await), "bob");
    let path = stand.told(&stand.whoami(&stand.ada).await);
    assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
    assert_eq!(said(&stand.whoami(&stand.ada).await), "ada");
    assert_eq!(stand.mailbox.world().consent.registrations.len(), 1);
    stand.serving.end().await;
}

#[tokio::test]
async fn more_is_asked_for_when_it_is_needed() {
    let stand = Stand::new().await;
    let path = stand.told(&stand.whoami(&stand.ada).await);
    assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
    let refused = stand.call(&stand.ada, "send").await;
    let path = stand.told(&refused);
    assert!(refused.json()["detail"].as_str().unwrap().contains("not allow"), "{refused:?}");
    let looked = stand.serving.ask("GET", &format!("{path}/wanted"), &stand.ada, None).await;
    assert!(looked.json()["scopes"].as_array().unwrap().contains(&json!("send")), "{looked:?}");
    // What was given is still good meanwhile.
    assert_eq!(said(&stand.whoami(&stand.ada).await), "ada");
    assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
    assert_eq!(said(&stand.call(&stand.ada, "send").await), "sent by ada");
    let scope = stand.mailbox.world().consent.authorizations[1]["scope"].clone();
    assert!(scope.contains("read") && scope.contains("send"), "{scope}");
    stand.serving.end().await;
}

#[tokio::test]
async fn a_login_outlives_the_service_and_is_nobody_elses() {
    let store: Arc<dyn TokenStore> = Arc::new(MemoryTokenStore::new());
    let options = || ServiceOptions::new().logins(Arc::clone(&store));
    let Stand { mailbox, serving, access, ada, bob } = {
        let stand = Stand::with(options()).await;
        let path = stand.wish(&stand.ada).await;
        assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
        stand
    };
    serving.end().await;
    let servers = vec![entry(&mailbox)];
    let serving = Serving::start(servers, options().access(access.clone())).await;
    let stand = Stand { mailbox, serving, access, ada, bob };
    assert_eq!(said(&stand.whoami(&stand.ada).await), "ada");
    stand.told(&stand.whoami(&stand.bob).await);
    assert_eq!(stand.logins(&stand.bob).await[0]["logged_in"], false);
    // Whoever is let in no more has no connection.
    let mut left = stand.access.clone();
    left.keys.remove(0);
    stand.serving.service.set_access(&left);
    assert_eq!(stand.whoami(&stand.ada).await.status, 401);
    stand.serving.end().await;
    // Without a service there is no caller.
    let hub = Hub::start(vec![entry(&stand.mailbox)], &HubOptions::default());
    hub.ready().await;
    assert_eq!(hub.server("mail").unwrap().state(), StateKind::PerCaller);
}

#[tokio::test]
async fn the_owner_of_a_service_logs_in_too_and_servers_of_others_are_told_apart() {
    let mailbox = Mailbox::start().await;
    mailbox.world().consent.is_on = true;
    let servers = vec![entry(&mailbox), asking::misbehaving("plain", "none")];
    let serving = Serving::start(servers, ServiceOptions::new()).await;
    let stand = Stand {
        mailbox,
        serving,
        access: AccessSettings::default(),
        ada: String::new(),
        bob: String::new(),
    };
    let refused = stand.serving.post("/mcp/logins", &json!({"server_name": "plain"})).await;
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("config")), "{refused:?}");
    let unknown = stand.serving.post("/mcp/logins", &json!({"server_name": "none"})).await;
    assert_eq!(unknown.status, 404);
    let path = stand.told(&stand.whoami("").await);
    assert_eq!(stand.log_in("", &path, "ada").await.status, 200);
    assert_eq!(said(&stand.whoami("").await), "ada");
    assert_eq!(stand.logins("").await.as_array().unwrap().len(), 1);
    stand.serving.end().await;
}

#[tokio::test]
async fn behind_https_the_service_has_a_document_and_cookies_of_its_own() {
    let mut access = AccessSettings::default();
    access.public_url = Some("https://tools.example.com/".to_owned());
    let stand = {
        let mailbox = Mailbox::start().await;
        mailbox.world().consent.is_on = true;
        let servers = vec![entry(&mailbox)];
        let serving = Serving::start(servers, ServiceOptions::new().access(access.clone())).await;
        Stand { mailbox, serving, access, ada: String::new(), bob: String::new() }
    };
    let document = stand.serving.get("/connect/client").await.json();
    assert_eq!(document["client_id"], "https://tools.example.com/connect/client");
    let callback = "https://tools.example.com/connect/callback";
    assert_eq!(document["redirect_uris"], json!([callback]));
    let url = stand.whoami("").await.json()["login_url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix("https://tools.example.com").unwrap();
    let begun = stand.serving.ask("POST", path, "", None).await;
    let cookie = line(&begun, "set-cookie");
    assert!(cookie.starts_with("__Host-") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(begun.json()["url"].as_str().unwrap().contains("tools.example.com"), "{begun:?}");
    stand.serving.end().await;
}

#[tokio::test]
async fn an_answer_that_comes_to_another_replica_is_handed_over() {
    let store: Arc<dyn TokenStore> = Arc::new(MemoryTokenStore::new());
    let secret = b"the secret of all replicas";
    let options = || {
        let keys = SessionKeys::derive(secret).unwrap();
        ServiceOptions::new().shared_logins(Arc::clone(&store)).session_keys(keys)
    };
    let stand = Stand::with(options()).await;
    let other =
        Serving::start(vec![entry(&stand.mailbox)], options().access(stand.access.clone())).await;
    for (refuses, status) in [(true, 400), (false, 200)] {
        stand.mailbox.world().consent.refuses = refuses;
        let path = stand.told(&stand.whoami(&stand.ada).await);
        let (url, cookie) = stand.begin(&stand.ada, &path).await;
        let back = stand.consent(&url, "ada").await;
        assert_eq!(other.ask("GET", &back, "", None).await.status, 403);
        let answer = other.ask("GET", &back, &cookie, None).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.body.contains("access_denied"), refuses, "{}", answer.body);
    }
    assert_eq!(said(&stand.whoami(&stand.ada).await), "ada");
    // The tokens are those of both.
    let logins = other.ask("GET", "/mcp/logins", &stand.ada, None).await.json();
    assert_eq!(logins["logins"][0]["logged_in"], true, "{logins}");
    other.end().await;
    stand.serving.end().await;
}

#[tokio::test]
async fn who_logs_in_again_is_who_they_are_now() {
    let stand = Stand::new().await;
    let path = stand.told(&stand.whoami(&stand.ada).await);
    assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
    assert_eq!(said(&stand.whoami(&stand.ada).await), "ada");
    let path = stand.wish(&stand.ada).await;
    assert_eq!(stand.log_in(&stand.ada, &path, "robert").await.status, 200);
    assert_eq!(said(&stand.whoami(&stand.ada).await), "robert");
    let tools = stand.serving.ask("GET", "/mcp/tools", &stand.ada, None).await.body;
    assert!(tools.contains("only_robert") && !tools.contains("only_ada"), "{tools}");
    stand.serving.end().await;
}

/// Whoever logs out, or is let in no more, has no login under way.
#[tokio::test]
async fn a_login_that_was_begun_ends_with_a_logout_and_with_its_principal() {
    let stand = Stand::new().await;
    let path = stand.wish(&stand.ada).await;
    let (url, cookie) = stand.begin(&stand.ada, &path).await;
    let back = stand.consent(&url, "ada").await;
    let out = stand.serving.ask("DELETE", "/mcp/logins/mail", &stand.ada, None).await;
    assert_eq!((out.status, &out.json()["revoked"]), (200, &json!(false)), "{out:?}");
    assert_eq!(stand.come_back(&back, &cookie).await.status, 410);

    let (url, cookie) = stand.begin(&stand.ada, &path).await;
    let back = stand.consent(&url, "ada").await;
    let mut left = stand.access.clone();
    left.keys.remove(0);
    stand.serving.service.set_access(&left);
    assert_eq!(stand.come_back(&back, &cookie).await.status, 410);
    assert!(stand.mailbox.world().consent.token_requests.is_empty());
    stand.serving.end().await;
}

#[tokio::test]
async fn logins_and_logouts_at_one_replica_are_those_of_all() {
    let (stand, other) = Stand::with_another_replica().await;
    let call = json!({"server_name": "mail", "tool_name": "whoami"}).to_string();
    let there = || other.ask("POST", "/mcp/tools/call", &stand.ada, Some(&call));
    assert_eq!(there().await.status, 403);
    let path = stand.told(&stand.whoami(&stand.ada).await);
    assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
    // Nobody is asked to log in once more.
    assert_eq!(said(&there().await), "ada");
    assert_eq!(said(&stand.whoami(&stand.ada).await), "ada");

    let out = stand.serving.ask("DELETE", "/mcp/logins/mail", &stand.ada, None).await;
    assert_eq!((out.status, &out.json()["revoked"]), (200, &json!(true)), "{out:?}");
    stand.mailbox.world().end_all();
    let refused = there().await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("login_required")));
    // What is gone from the store is neither redeemed nor brought back.
    {
        let world = stand.mailbox.world();
        let mut asked = world.consent.token_requests.iter();
        assert!(asked.all(|form| form["grant_type"] == "authorization_code"));
    }
    assert_eq!(stand.logins(&stand.ada).await[0]["logged_in"], false);
    other.end().await;
    stand.serving.end().await;
}

/// People reload pages.
#[tokio::test]
async fn a_page_that_is_opened_again_says_what_came_of_the_login() {
    let stand = Stand::new().await;
    for (refuses, first, again, title) in
        [(true, 400, 410, "This login is over"), (false, 200, 200, "This login is finished")]
    {
        stand.mailbox.world().consent.refuses = refuses;
        let path = stand.wish(&stand.ada).await;
        let (url, cookie) = stand.begin(&stand.ada, &path).await;
        let back = stand.consent(&url, "ada").await;
        let answer = stand.come_back(&back, &cookie).await;
        assert_eq!(answer.status, first, "{answer:?}");
        let kept = line(&answer, "set-cookie").split(';').next().unwrap();
        let reloaded = stand.come_back(&back, &format!("cookie: {kept}\r\n")).await;
        assert_eq!(reloaded.status, again, "{reloaded:?}");
        assert!(reloaded.body.contains(title), "{}", reloaded.body);
        // Nobody else is told anything.
        assert_eq!(stand.come_back(&back, "").await.status, 403);
    }
    let asked = stand.mailbox.world().consent.token_requests.len();
    assert_eq!(asked, 1, "the code is redeemed once");
    stand.serving.end().await;
}

/// The tokens of before are still good, and are not used for long.
#[tokio::test]
async fn who_logs_in_again_at_one_replica_is_who_they_are_now_at_all() {
    let (stand, other) = Stand::with_another_replica().await;
    let call = json!({"server_name": "mail", "tool_name": "whoami"}).to_string();
    let there = || other.ask("POST", "/mcp/tools/call", &stand.ada, Some(&call));
    let path = stand.told(&stand.whoami(&stand.ada).await);
    assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
    assert_eq!(said(&there().await), "ada");

    let path = stand.wish(&stand.ada).await;
    assert_eq!(stand.log_in(&stand.ada, &path, "robert").await.status, 200);
    while said(&there().await) == "ada" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(said(&there().await), "robert");
    let tools = other.ask("GET", "/mcp/tools", &stand.ada, None).await.body;
    assert!(tools.contains("only_robert") && !tools.contains("only_ada"), "{tools}");

    let out = stand.serving.ask("DELETE", "/mcp/logins/mail", &stand.ada, None).await;
    assert_eq!(out.status, 200, "{out:?}");
    while there().await.status == 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stand.told(&stand.whoami(&stand.ada).await);
    other.end().await;
    stand.serving.end().await;
}
