//! Clients of both lifecycles whose people log in on the way: what they are told, and when.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::{Arc, Mutex};

use mcp_client::{
    Change, Client, EraChoice, PendingInput, Step,
    protocol::{
        elicitation::{ElicitResult, ElicitUrlParams},
        error_code,
        input_required::InputResponses,
        tools::CallTool,
    },
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::logins::Stand;

/// A client whose person consents to every page; the pages, as they are shown.
async fn visitor(
    stand: &Stand,
    who: &str,
    era: EraChoice,
) -> (Client, mpsc::UnboundedReceiver<ElicitUrlParams>) {
    let (shown, pages) = mpsc::unbounded_channel();
    let (name, value) = who.trim_end().split_once(": ").unwrap();
    let client = Client::http(format!("http://{}/mcp", stand.serving.address)).era(era);
    let client = client.header(name, value).on_url(move |page, _| {
        shown.send(page).unwrap();
        async { Ok(ElicitResult::accept_url()) }
    });
    (client.connect().await.unwrap(), pages)
}

fn names(tools: &mcp_client::protocol::tools::Tool) -> &str {
    &tools.name
}

#[tokio::test]
async fn a_call_goes_on_when_its_person_has_logged_in() {
    for era in [EraChoice::Modern, EraChoice::Legacy] {
        let stand = Stand::new().await;
        let (ada, mut pages) = visitor(&stand, &stand.ada, era).await;
        let (bob, mut others) = visitor(&stand, &stand.bob, era).await;
        // Nothing is known of the server yet but the way in.
        let tools = ada.list_tools().await.unwrap().items;
        assert_eq!(tools.iter().map(names).collect::<Vec<_>>(), ["log_in_to_mail"]);
        let mut changes = ada.changes();
        changes.ready().await;
        let logging_in = async {
            let page = pages.recv().await.unwrap();
            assert_eq!(page.elicitation_id.is_some(), era == EraChoice::Legacy);
            let path = stand.path(&page.url);
            assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
        };
        let (told, ()) = tokio::join!(ada.call_tool("log_in_to_mail", json!({})), logging_in);
        let told = told.unwrap();
        assert!(!told.is_error && told.joined_text().contains("logged in to `mail`"), "{told:?}");
        assert_eq!(changes.next().await, Some(Change::Tools));
        let tools = ada.list_tools().await.unwrap().items;
        let tools: Vec<_> = tools.iter().map(names).collect();
        assert!(tools.contains(&"only_ada") && !tools.contains(&"log_in_to_mail"), "{tools:?}");
        let result = ada.call_tool("whoami", json!({})).await.unwrap();
        assert_eq!(result.joined_text(), "ada");

        // More than the login allows is asked for in the same way.
        let logging_in = async {
            let page = pages.recv().await.unwrap();
            assert!(page.message.contains("more rights"), "{}", page.message);
            let path = stand.path(&page.url);
            assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
        };
        let (sent, ()) = tokio::join!(ada.call_tool("send", json!({})), logging_in);
        assert_eq!(sent.unwrap().joined_text(), "sent by ada");
        assert!(pages.try_recv().is_err() && others.try_recv().is_err());
        let tools = bob.list_tools().await.unwrap().items;
        assert_eq!(tools.iter().map(names).collect::<Vec<_>>(), ["log_in_to_mail"]);
        drop(changes);
        ada.close().await;
        bob.close().await;
        stand.serving.end().await;
    }
}

/// A session by hand, to see who is told what.
async fn session(
    stand: &Stand,
    who: &str,
) -> (Client, Arc<Mutex<Vec<String>>>, mpsc::UnboundedReceiver<String>) {
    let (heard, told) = mpsc::unbounded_channel();
    let ids = Arc::new(Mutex::new(Vec::new()));
    let (name, value) = who.trim_end().split_once(": ").unwrap();
    let client = Client::http(format!("http://{}/mcp", stand.serving.address));
    let client = client.era(EraChoice::Legacy).header(name, value);
    let noted = Arc::clone(&ids);
    let client = client
        .on_url(move |page, _| {
            noted.lock().unwrap().push(page.elicitation_id.unwrap());
            async { Ok(ElicitResult::decline()) }
        })
        .on_notification(move |said, _| {
            if &*said.method == "notifications/elicitation/complete" {
                let params: Value = serde_json::from_slice(&said.params).unwrap();
                // Nobody listens at the end of the test.
                let _ = heard.send(params["elicitationId"].as_str().unwrap().to_owned());
            }
        });
    (client.connect().await.unwrap(), ids, told)
}

#[tokio::test]
async fn only_the_session_that_was_told_hears_of_a_login() {
    let stand = Stand::new().await;
    let (first, ids, mut told) = session(&stand, &stand.ada).await;
    let (second, other_ids, mut others) = session(&stand, &stand.ada).await;
    let (silent, _, mut silence) = session(&stand, &stand.ada).await;
    let mut refusals = Vec::new();
    for _ in 0..2 {
        let error = first.call_tool("log_in_to_mail", json!({})).await.unwrap_err();
        assert_eq!(error.error_object().unwrap().code, error_code::URL_ELICITATION_REQUIRED);
        let data: Value = error.error_object().unwrap().data.as_ref().unwrap().parse().unwrap();
        refusals.push(data["elicitations"][0].clone());
    }
    assert_eq!(refusals[0], refusals[1], "one page for all");
    second.call_tool("log_in_to_mail", json!({})).await.unwrap_err();
    let (mine, other) = (ids.lock().unwrap()[0].clone(), other_ids.lock().unwrap()[0].clone());
    assert_ne!(mine, other);
    let path = stand.path(refusals[0]["url"].as_str().unwrap());
    assert_eq!(stand.log_in(&stand.ada, &path, "ada").await.status, 200);
    assert_eq!(told.recv().await.unwrap(), mine);
    // The same person, so it is granted too; each by the name that they know.
    assert_eq!(others.recv().await.unwrap(), other);
    assert!(told.try_recv().is_err() && silence.try_recv().is_err());
    for client in [first, second, silent] {
        assert_eq!(client.call_tool("whoami", json!({})).await.unwrap().joined_text(), "ada");
        client.close().await;
    }
    stand.serving.end().await;
}

#[tokio::test]
async fn a_state_is_of_use_to_nobody_else_and_who_does_not_answer_is_asked_again() {
    let stand = Stand::new().await;
    let (ada, _pages) = visitor(&stand, &stand.ada, EraChoice::Modern).await;
    let (bob, _others) = visitor(&stand, &stand.bob, EraChoice::Modern).await;
    bob.list_tools().await.unwrap();
    let step = ada.call_tool("log_in_to_mail", json!({})).stepwise().await.unwrap();
    let Step::InputRequired(pending) = step else { panic!("no question") };
    let asked = serde_json::to_value(&pending).unwrap();
    let (key, question) = pending.questions().iter().next().unwrap();
    let url = serde_json::to_value(question).unwrap()["params"]["url"].clone();
    let mut declined = InputResponses::default();
    declined.insert(key, json!(ElicitResult::decline()));
    // With bob's hand it is bob who is asked.
    let again: PendingInput<CallTool> = serde_json::from_value(asked).unwrap();
    let mut consent = InputResponses::default();
    consent.insert(key, json!(ElicitResult::accept_url()));
    let Step::InputRequired(his) = bob.answer(again, consent).await.unwrap() else {
        panic!("not asked")
    };
    let his = serde_json::to_value(&his).unwrap();
    assert_ne!(his["asked"]["inputRequests"]["login"]["params"]["url"], url);
    let Step::Complete(result) = ada.answer(pending, declined).await.unwrap() else {
        panic!("not at its end")
    };
    assert!(result.is_error && result.joined_text().contains("declined"), "{result:?}");
    ada.close().await;
    bob.close().await;
    stand.serving.end().await;
}
