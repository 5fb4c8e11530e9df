use futures_util::future::join_all;
use serde_json::{Map, json};
use tokio::time::{advance, sleep, timeout};

use super::*;
use crate::{
    caller::{Operation, ToolHints},
    layers::testing::Fake,
};

const SECOND: Duration = Duration::from_secs(1);

fn text(text: &str, is_error: bool) -> Reply {
    let result = json!({"content": [{"type": "text", "text": text}], "isError": is_error});
    Reply::from(serde_json::from_value::<CallToolResult>(result).unwrap())
}

/// Takes a second and numbers its answers.
fn counting() -> Arc<Fake> {
    Arc::new(Fake::new(|_, before| {
        Box::pin(async move {
            sleep(SECOND).await;
            Ok(text(&before.to_string(), false))
        })
    }))
}

fn cached(server: &Arc<Fake>, rules: CacheRules, trust: Trust) -> Cache<Arc<Fake>> {
    CacheLayer::new(ResultCache::new(rules, trust)).layer(Arc::clone(server))
}

fn read(argument: u32) -> Call {
    let hints = ToolHints { read_only: true, ..ToolHints::default() };
    let arguments = Map::from_iter([("n".to_owned(), argument.into())]);
    Call::tool("db", "query", arguments).hints(hints)
}

fn write() -> Call {
    Call::tool("db", "insert", Map::new())
}

fn said(reply: Result<Reply, CallError>) -> (String, bool) {
    let reply = reply.unwrap();
    let from_cache = reply.from_cache;
    (reply.into_tool().unwrap().joined_text(), from_cache)
}

#[tokio::test(start_paused = true)]
async fn a_result_is_given_again_until_it_is_old() {
    let server = counting();
    let caller = cached(&server, CacheRules::new(10 * SECOND), Trust::Everybody);
    assert_eq!(said(caller.call(read(1)).await), ("0".to_owned(), false));
    assert_eq!(said(caller.call(read(1)).await), ("0".to_owned(), true));
    assert_eq!(said(caller.call(read(2)).await), ("1".to_owned(), false));
    advance(10 * SECOND).await;
    assert_eq!(said(caller.call(read(1)).await), ("2".to_owned(), false));
}

#[tokio::test(start_paused = true)]
async fn many_ask_once() {
    let server = counting();
    let caller = cached(&server, CacheRules::new(10 * SECOND), Trust::Everybody);
    let replies = join_all((0..50).map(|_| caller.call(read(1)))).await;
    assert_eq!(server.calls(), 1);
    assert_eq!(replies.into_iter().filter(|reply| reply.as_ref().unwrap().from_cache).count(), 49);
    let ResultCache(shared) = caller.cache.as_ref().unwrap();
    assert_eq!(shared.hits.load(Ordering::Relaxed), 49);
}

#[tokio::test(start_paused = true)]
async fn when_the_first_goes_another_asks() {
    let server = counting();
    let caller = cached(&server, CacheRules::new(10 * SECOND), Trust::Everybody);
    let (first, second) =
        tokio::join!(timeout(SECOND / 2, caller.call(read(1))), caller.call(read(1)));
    assert!(first.is_err());
    second.unwrap();
    assert_eq!(server.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_on_the_word_of_an_untrusted_server() {
    let server = counting();
    let caller = cached(&server, CacheRules::new(10 * SECOND), Trust::Nobody);
    for _ in 0..2 {
        caller.call(read(1)).await.unwrap();
    }
    assert_eq!(server.calls(), 2);
    let rules = CacheRules::new(10 * SECOND).tool("db.query", SECOND * 60);
    let caller = cached(&server, rules, Trust::Nobody);
    for _ in 0..2 {
        caller.call(read(1)).await.unwrap();
    }
    assert_eq!(server.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_change_something_makes_results_old() {
    let server = counting();
    let caller = cached(&server, CacheRules::new(60 * SECOND), Trust::Everybody);
    caller.call(read(1)).await.unwrap();
    caller.call(write()).await.unwrap();
    assert_eq!(said(caller.call(read(1)).await), ("2".to_owned(), false));
    // A read that runs beside a change is not kept either.
    let (_, _) = tokio::join!(caller.call(write()), caller.call(read(2)));
    assert!(!said(caller.call(read(2)).await).1);
    // What another server does is no matter.
    let mut other = write();
    other.server = "mail".into();
    caller.call(other).await.unwrap();
    assert!(said(caller.call(read(2)).await).1);
}

#[tokio::test(start_paused = true)]
async fn another_authorization_never_sees_it() {
    let server = counting();
    let caller = cached(&server, CacheRules::new(60 * SECOND), Trust::Everybody);
    caller.call(read(1).partition("blue")).await.unwrap();
    let (green, nobody) =
        tokio::join!(caller.call(read(1).partition("green")), caller.call(read(1)));
    assert!(!said(green).1 && !said(nobody).1);
    assert!(said(caller.call(read(1).partition("blue")).await).1);
}

#[tokio::test(start_paused = true)]
async fn failures_are_not_kept() {
    let server = Arc::new(Fake::new(|call, before| {
        Box::pin(async move {
            match before {
                0 => Ok(text("boom", true)),
                1 => Err(CallError::UnknownServer { server: call.server }),
                _ => Ok(text("fine", false)),
            }
        })
    }));
    let caller = cached(&server, CacheRules::new(60 * SECOND), Trust::Everybody);
    assert!(caller.call(read(1)).await.unwrap().is_error());
    caller.call(read(1)).await.unwrap_err();
    assert_eq!(said(caller.call(read(1)).await), ("fine".to_owned(), false));
    let ping = Call::new("db", Operation::Ping);
    assert!(!caller.call(ping).await.unwrap().from_cache);
}
