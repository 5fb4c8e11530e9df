//! What servers offer is known while they are away.

use std::time::Duration;

use mcp_client::{
    Availability, Backoff, Catalog, CatalogLists, Hub, HubChange, HubEvent, HubOptions, StateKind,
};
use serde_json::json;

use super::{
    healing::{pid, quick, signal},
    misbehaving, until,
};

fn tools(catalog: &Catalog) -> Vec<&str> {
    catalog.tools.listing.items.iter().map(|tool| tool.name.as_str()).collect()
}

fn catalog(hub: &Hub, name: &str) -> Catalog {
    hub.server(name).expect("is in the hub").catalog()
}

/// The settings of a hub that keeps catalogs, and leaves servers down that go down.
fn keeping() -> HubOptions {
    let mut options = HubOptions::default();
    options.catalogs = CatalogLists::ALL;
    let hour = Duration::from_secs(3600);
    options.restart = Some(Backoff { first: hour, longest: hour });
    options
}

#[tokio::test]
async fn a_server_that_is_down_keeps_its_tools_and_says_why() {
    let servers = vec![misbehaving("one", "ok"), misbehaving("dead", "exit-at-once")];
    let hub = Hub::start(servers, &keeping());
    hub.listed().await;
    let before = catalog(&hub, "one");
    assert_eq!((tools(&before), &before.availability), (vec!["good"], &Availability::Available));
    let dead = catalog(&hub, "dead");
    assert!(tools(&dead).is_empty() && dead.tools.told.is_none());
    let Availability::Unavailable(reason) = dead.availability else { panic!("is up") };
    assert!(reason.contains("does not open") || reason.contains("ended"), "{reason}");

    signal(pid(&hub, "one").await, "-KILL");
    until(&hub, "one", StateKind::Down).await;
    let after = catalog(&hub, "one");
    assert_eq!((tools(&after), after.generation), (vec!["good"], before.generation));
    let Availability::Unavailable(reason) = after.availability else { panic!("is up") };
    assert!(reason.starts_with("the connection to ") && reason.ends_with(" ended"), "{reason}");

    // Back with the same list: nothing has changed for those who use it.
    let generation = hub.catalog_generation();
    hub.restart("one");
    until(&hub, "one", StateKind::Ready).await;
    hub.listed().await;
    assert_eq!(catalog(&hub, "one").generation, before.generation);
    assert_eq!(catalog(&hub, "one").availability, Availability::Available);
    assert_eq!(hub.catalog_generation(), generation);
    hub.close().await;
}

#[tokio::test]
async fn an_announced_change_is_asked_for_and_told() {
    let hub = Hub::start(vec![misbehaving("one", "changes")], &keeping());
    hub.listed().await;
    let mut events = hub.events();
    let before = catalog(&hub, "one");
    assert_eq!(tools(&before), ["good"]);
    hub.server("one").unwrap().call_tool("grow", &json!({})).await.unwrap();
    let told = events.recv().await.unwrap();
    let after = catalog(&hub, "one");
    assert_eq!((told.server.as_str(), told.change), ("one", HubChange::Catalog(after.generation)));
    assert_eq!(tools(&after), ["good", "better"]);
    assert!(after.generation > before.generation);
    hub.close().await;
}

#[tokio::test]
async fn a_hub_asks_for_nothing_that_nobody_wants() {
    let hub = Hub::start(vec![misbehaving("one", "ok")], &HubOptions::default());
    hub.listed().await;
    assert!(catalog(&hub, "one").tools.told.is_none());
    hub.keep_catalogs(CatalogLists::TOOLS);
    hub.listed().await;
    assert_eq!(tools(&catalog(&hub, "one")), ["good"]);
    hub.close().await;
}

#[tokio::test]
async fn a_replaced_server_keeps_its_tools_until_it_says_otherwise() {
    let mut options = quick();
    options.catalogs = CatalogLists::TOOLS;
    let hub = Hub::start(vec![misbehaving("one", "ok")], &options);
    hub.listed().await;
    hub.apply(vec![misbehaving("one", "silent")]).await;
    let now = catalog(&hub, "one");
    assert_eq!(tools(&now), ["good"]);
    assert_eq!(now.availability, Availability::Unavailable("it is still starting".into()));
    assert!(hub.remove("one").await && hub.server("one").is_none());
}

#[tokio::test]
async fn resources_that_the_configuration_names_are_watched() {
    let mut server = misbehaving("one", "changes");
    server.resources = vec!["note:*".to_owned()];
    let mut options = quick();
    options.catalogs = CatalogLists::ALL;
    let hub = Hub::start(vec![server], &options);
    hub.listed().await;
    let mut events = hub.events();
    let server = hub.server("one").unwrap();
    server.call_tool("touch", &json!({"uri": "note:two"})).await.unwrap();
    assert_eq!(next_resource(&mut events).await, "note:two");

    // After a restart they are watched again, and may have changed meanwhile.
    signal(pid(&hub, "one").await, "-KILL");
    assert_eq!(next_resource(&mut events).await, "note:one");
    assert_eq!(next_resource(&mut events).await, "note:two");
    hub.listed().await;
    server.call_tool("touch", &json!({"uri": "note:one"})).await.unwrap();
    assert_eq!(next_resource(&mut events).await, "note:one");
    hub.close().await;
}

async fn next_resource(events: &mut tokio::sync::broadcast::Receiver<HubEvent>) -> String {
    loop {
        if let HubChange::Resource(uri) = events.recv().await.expect("the hub lives").change {
            return uri.to_string();
        }
    }
}
