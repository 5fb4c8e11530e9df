//! Servers that may not be used, and bounds around those that may.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{fs, path::Path};

use mcp_client::{
    Hub, HubOptions, Refusal, ServerError, ServerState,
    config::{
        self, AllowList, ConfigFile, Declared, ServerConfig, TransportConfig, TrustStore, Variables,
    },
    transport::{http::Reach, stdio::Sandbox},
};
use serde_json::json;

use super::{kinds, misbehaving};

/// A project's file as it is found: declared, resolved, and judged by the store.
fn found(file: &Path, store: &TrustStore) -> (Declared, ConfigFile) {
    let declared = config::declared_in(file, None).unwrap();
    let mut found = declared.resolve(&Variables::new(&|_| None));
    store.judge(&declared, &mut found).unwrap();
    (declared, found)
}

#[tokio::test]
async fn a_projects_entry_starts_when_it_was_agreed_to_and_not_when_it_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".mcp.json");
    let store = TrustStore::at(folder.path().join("state/trust.json"));
    let write = |fault: &str| {
        let program = env!("CARGO_BIN_EXE_misbehave");
        let text = json!({"mcpServers": {"one": {"command": program, "args": [fault]}}});
        fs::write(&file, text.to_string()).unwrap();
    };
    write("ok");
    let (declared, first) = found(&file, &store);
    let hub = Hub::start(first.servers, &HubOptions::default());
    hub.ready().await;
    let status = hub.status().remove(0);
    let ServerState::Refused(Refusal::Untrusted { digest }) = status.state else {
        panic!("{:?}", status.state)
    };
    assert_eq!(digest, declared.entries[0].digest());
    let error = hub.server("one").unwrap().call_tool("good", &json!({})).await.unwrap_err();
    assert!(matches!(error, ServerError::Refused { .. }), "{error:?}");
    // Nothing brings it up but an agreement.
    assert!(hub.restart("one") && hub.enable("one", true));
    hub.ready().await;
    assert_eq!(kinds(&hub), ["one refused"]);

    store.trust(&declared.entries[0]).unwrap();
    hub.apply(found(&file, &store).1.servers).await;
    hub.ready().await;
    assert_eq!(kinds(&hub), ["one ready"]);

    write("banner");
    hub.apply(found(&file, &store).1.servers).await;
    hub.ready().await;
    assert_eq!(kinds(&hub), ["one refused"]);
    hub.close().await;
}

#[tokio::test]
async fn only_servers_on_the_list_are_used() {
    let program = env!("CARGO_BIN_EXE_misbehave");
    let list = json!({"commands": [format!("{program} ok")], "urls": ["https://*.example/*"]});
    let mut options = HubOptions::default();
    options.allowed = Some(serde_json::from_value::<AllowList>(list).unwrap());
    let url =
        TransportConfig::Http { url: "http://127.0.0.1:1/mcp?key=1".into(), headers: [].into() };
    let servers = vec![
        misbehaving("good", "ok"),
        misbehaving("other", "banner"),
        ServerConfig::new("web", url),
    ];
    let hub = Hub::start(servers, &options);
    hub.ready().await;
    assert_eq!(kinds(&hub), ["good ready", "other refused", "web refused"]);
    let status = hub.status();
    let ServerState::Refused(refusal) = &status[2].state else { panic!() };
    assert_eq!(
        refusal.to_string(),
        "the URL http://127.0.0.1:1/mcp is not on the list of allowed servers"
    );
    hub.close().await;
}

// covers: auth-ssrf
#[tokio::test]
async fn a_url_of_a_stranger_does_not_lead_to_this_machine() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url =
        TransportConfig::Http { url: format!("http://localhost:{port}/mcp"), headers: [].into() };
    let mut server = ServerConfig::new("web", url);
    server.reach = Reach::Public;
    let mut options = HubOptions::default();
    options.restart = None;
    let hub = Hub::start(vec![server], &options);
    hub.ready().await;
    let ServerState::Down(failure) = hub.status().remove(0).state else { panic!("not down") };
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(&*failure);
    while let Some(error) = next {
        text.push_str(&error.to_string());
        text.push_str(": ");
        next = error.source();
    }
    assert!(text.contains("not on the public internet"), "{text}");
    hub.close().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_in_a_sandbox_works() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = misbehaving("boxed", "ok");
    server.sandbox = Some(Sandbox::in_folder(folder.path().join("own")));
    let hub = Hub::start(vec![server], &HubOptions::default());
    hub.ready().await;
    let result = hub.server("boxed").unwrap().call_tool("good", &json!({})).await.unwrap();
    assert_eq!(result.content[0].as_text(), Some("ok"));
    hub.close().await;
}
