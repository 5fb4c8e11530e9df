//! A page that a server wants visited.

use mcp_client::Destination;
use mcp_protocol::{
    elicitation::{ElicitResult, ElicitUrlParams},
    jsonrpc::ErrorObject,
};
use tokio::task::spawn_blocking;

use super::{Dialogue, quoted};
use crate::terminal_text::one_line;

/// Asks whether to visit a page, and opens it with `open` if so. The page itself is never read.
pub(super) async fn visit<F>(
    page: &ElicitUrlParams,
    server: &str,
    person: &impl Dialogue,
    open: impl Fn(String) -> F + Send,
) -> Result<ElicitResult, ErrorObject>
where
    F: Future<Output = Result<(), String>> + Send,
{
    let destination = match Destination::of(page) {
        Ok(destination) => destination,
        Err(reason) => {
            person.say(reason);
            return Ok(ElicitResult::decline());
        }
    };
    let url = destination.url.to_string();
    person.say(format_args!("`{}` asks you to visit a page:", one_line(server)));
    person.say(quoted(&page.message));
    person.say(format_args!("  host  {}", one_line(&destination.host)));
    person.say(format_args!("  page  {}", one_line(&url)));
    if destination.is_punycode {
        person.say("  The name of the host is spelled in other letters than it may seem.");
    }
    if !destination.is_secure {
        person.say("  The way there is not encrypted.");
    }
    match person.ask("open it in your browser? [y/N]").await? {
        None => return Ok(ElicitResult::cancel()),
        Some(answer) if is_yes(&answer) => (),
        Some(_) => return Ok(ElicitResult::decline()),
    }
    match open(url.clone()).await {
        Ok(()) => person.say("If your browser does not show it, open the address above."),
        Err(error) => {
            person
                .say(format_args!("cannot open a browser ({}). Open the page:", one_line(&error)));
            person.say(format_args!("  {}", one_line(&url)));
        }
    }
    Ok(ElicitResult::accept_url())
}

/// Asks about a page that was opened before: the server still waits for what is done there.
pub(super) async fn wait_again(
    page: &ElicitUrlParams,
    server: &str,
    person: &impl Dialogue,
) -> Result<ElicitResult, ErrorObject> {
    person.say(format_args!("`{}` still waits for what you do at this page:", one_line(server)));
    person.say(format_args!("  {}", one_line(&page.url)));
    Ok(match person.ask("still waiting; Enter to try again, n to stop:").await? {
        None => ElicitResult::cancel(),
        Some(answer) if answer.trim().is_empty() || is_yes(&answer) => ElicitResult::accept_url(),
        Some(_) => ElicitResult::decline(),
    })
}

/// Opens the person's browser.
pub(super) async fn open(url: String) -> Result<(), String> {
    match spawn_blocking(move || webbrowser::open(&url)).await {
        Ok(opened) => opened.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::{super::Script, *};

    const PAGE: &str = "https://login.example/start?id=1";

    async fn visited(page: &str, typed: &[&str], fails: bool) -> (ElicitResult, usize, String) {
        let person = Script::of(typed);
        let opened = Mutex::new(Vec::new());
        let open = |url: String| {
            opened.lock().unwrap().push(url);
            async move { if fails { Err("no display".to_owned()) } else { Ok(()) } }
        };
        let page = ElicitUrlParams::new("Log in\u{1b}[2J first", page);
        let result = visit(&page, "mail", &person, open).await.unwrap();
        let count = opened.lock().unwrap().len();
        (result, count, person.seen())
    }

    #[tokio::test]
    async fn opens_only_with_consent() {
        for (typed, want, opens) in [
            (&["y"][..], ElicitResult::accept_url(), 1),
            (&["YES"], ElicitResult::accept_url(), 1),
            (&[""], ElicitResult::decline(), 0),
            (&["n"], ElicitResult::decline(), 0),
            (&[], ElicitResult::cancel(), 0),
        ] {
            let (result, opened, seen) = visited(PAGE, typed, false).await;
            assert_eq!((result, opened), (want, opens), "{typed:?}");
            assert!(seen.contains("`mail` asks you to visit a page:\n  Log in first\n"), "{seen}");
            assert!(
                seen.contains("  host  login.example\n  page  https://login.example/start?id=1")
            );
        }
    }

    #[tokio::test]
    async fn shows_what_is_odd_about_an_address() {
        let (result, _, seen) = visited(PAGE, &["y"], true).await;
        assert_eq!(result, ElicitResult::accept_url());
        assert!(seen.ends_with(&format!("(no display). Open the page:\n  {PAGE}\n")), "{seen}");
        let (_, _, seen) = visited("http://xn--80ak6aa92e.com/", &["n"], false).await;
        assert!(seen.contains("other letters") && seen.contains("not encrypted"), "{seen}");
        let (result, opened, _) = visited("file:///etc/passwd", &["y"], false).await;
        assert_eq!((result, opened), (ElicitResult::decline(), 0));
    }

    #[tokio::test]
    async fn a_page_that_was_opened_is_not_opened_anew() {
        let page = ElicitUrlParams::new("Log in", PAGE);
        for (typed, want) in [
            (&[""][..], ElicitResult::accept_url()),
            (&["n"], ElicitResult::decline()),
            (&[], ElicitResult::cancel()),
        ] {
            let person = Script::of(typed);
            assert_eq!(wait_again(&page, "mail", &person).await.unwrap(), want, "{typed:?}");
        }
    }
}
