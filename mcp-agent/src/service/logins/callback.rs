//! Where authorization servers send browsers back to, and the pages that people see there.

use std::fmt::Write as _;

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mcp_client::oauth::ClientIdMetadata;
use url::form_urlencoded;

use super::{
    super::{
        Service, dashboard,
        problem::{Problem, ProblemCode, chain},
    },
    Logins,
    browser::{self, Kept, Over},
    flows::{Next, Outcome},
    place::{CALLBACK, CLIENT, SIGNED_IN},
};

/// The page that an address of a login opens.
pub(in crate::service) async fn page(headers: HeaderMap) -> Response {
    dashboard::login_page(&headers)
}

/// The document about the service as a client of authorization servers.
pub(in crate::service) async fn client(
    State(service): State<Service>,
) -> Result<Json<ClientIdMetadata>, Problem> {
    let base = service.0.logins.base()?;
    if !base.starts_with("https://") {
        let detail = "only a service with an https address has such a document";
        return Err(Problem::new(ProblemCode::NotFound, detail));
    }
    let mut document = ClientIdMetadata::new(format!("{base}{CLIENT}"), "MCP service");
    document.redirect_uris = vec![format!("{base}{CALLBACK}")];
    Ok(Json(document))
}

/// The answer of the authorization server of a server, brought by a browser.
pub(in crate::service) async fn answer(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answered(&service.0.logins, CALLBACK, &query.unwrap_or_default(), &headers).await
}

/// The answer of an issuer at which somebody signs in.
pub(in crate::service) async fn signed_in_answer(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answered(&service.0.logins, SIGNED_IN, &query.unwrap_or_default(), &headers).await
}

/// A browser has come back by a path.
async fn answered(logins: &Logins, path: &str, query: &str, headers: &HeaderMap) -> Response {
    let state = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "state");
    let (Some((_, state)), Some(keys), Ok(base)) = (state, &logins.0.keys, logins.base()) else {
        return Said::nothing().response(None);
    };
    let is_secure = base.starts_with("https://");
    if let Some(over) = browser::saw_over(keys, headers, &state, is_secure) {
        return Said::before(&over).response(None);
    }
    if !browser::remembers(keys, Kept::Began, headers, &state, is_secure) {
        return Said::another_browser().response(None);
    }
    let forget = browser::forget(Kept::Began, &state, is_secure);
    let show = |outcome: Outcome| {
        let over = outcome.of_login();
        let over = over.and_then(|over| browser::is_over(keys, &state, &over, is_secure));
        logins.show(outcome, over.or_else(|| forget.clone()))
    };
    let Some((visit, mut flow)) = logins.0.flows.take(&state) else {
        return match logins.hand_over(&state, path, query).await {
            Ok(Some(outcome)) => show(outcome),
            Ok(None) => Said::over().response(forget),
            Err(error) => {
                tracing::warn!(reason = %chain(&error), "an answer cannot be handed over");
                Said::over().response(forget)
            }
        };
    };
    if let Err(reason) = logins.takes_answer(&flow, path) {
        return show(flow.failed(reason));
    }
    visit.answer(format!("{base}{path}?{query}"));
    match flow.next().await {
        Next::Over(outcome) => show(outcome),
        // The service has to ask as another client than before.
        Next::Visit(visit) => {
            let url = HeaderValue::try_from(visit.url().as_str());
            match (url, logins.send(visit, flow)) {
                (Ok(url), Ok(kept)) => {
                    let headers = [(header::LOCATION, url), (header::SET_COOKIE, kept)];
                    (StatusCode::FOUND, headers).into_response()
                }
                _ => Said::over().response(forget),
            }
        }
    }
}

impl Logins {
    /// Tells a person what came of their visit, or has their browser go on.
    fn show(&self, outcome: Outcome, cookie: Option<HeaderValue>) -> Response {
        match outcome {
            Outcome::LoggedIn { server } => Said::done(&server).response(cookie),
            Outcome::NotLoggedIn { server, reason } => {
                Said::refused(&server, &reason).response(cookie)
            }
            Outcome::SignedIn { id } => {
                let mut response = self.go_on(&id).unwrap_or_else(|| Said::over().response(None));
                response.headers_mut().extend(cookie.map(|value| (header::SET_COOKIE, value)));
                response
            }
            Outcome::SomebodyElse { is, asked } => {
                Said::somebody_else(&is, &asked).response(cookie)
            }
            Outcome::NotSignedIn { reason } => Said::not_signed_in(&reason).response(cookie),
        }
    }
}

impl Outcome {
    /// What its browser is told of a login when it comes once more.
    fn of_login(&self) -> Option<Over> {
        let (server, logged_in) = match self {
            Self::LoggedIn { server } => (server, true),
            Self::NotLoggedIn { server, .. } => (server, false),
            Self::SignedIn { .. } | Self::SomebodyElse { .. } | Self::NotSignedIn { .. } => {
                return None;
            }
        };
        Some(Over { server: server.clone(), logged_in })
    }
}

/// A page with one thing to say.
struct Said {
    status: StatusCode,
    title: &'static str,
    text: String,
    /// In the words of others.
    detail: Option<String>,
}

impl Said {
    fn done(server: &str) -> Self {
        Self {
            status: StatusCode::OK,
            title: "You are logged in",
            text: format!("{server} can be used now. You can close this page and go back."),
            detail: None,
        }
    }

    fn refused(server: &str, reason: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: "You are not logged in",
            text: format!(
                "Nothing was kept for {server}. To try again, ask your program again: it gives a \
                 new address."
            ),
            detail: Some(reason.to_owned()),
        }
    }

    /// Somebody opens the page once more.
    fn before(over: &Over) -> Self {
        let server = &over.server;
        let (status, title, text) = if over.logged_in {
            let text = format!(
                "You have logged in to {server} already, and need not do it again. You can close \
                 this page and go back."
            );
            (StatusCode::OK, "This login is finished", text)
        } else {
            let text = format!(
                "This login to {server} came to nothing, and its address is used up. To try again, \
                 ask your program again: it gives a new address."
            );
            (StatusCode::GONE, "This login is over", text)
        };
        Self { status, title, text, detail: None }
    }

    /// Said to whoever has shown who they are, though it is none of the one who was asked.
    fn somebody_else(is: &str, asked: &str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            title: "Somebody else was asked",
            text: format!(
                "You are signed in as {is}. The login is for {asked}. If nobody has asked you, \
                 close this page. Else sign out where you have signed in, and open the address that \
                 your program gave once more."
            ),
            detail: None,
        }
    }

    fn not_signed_in(reason: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: "You are not signed in",
            text: "Nothing was done. To try again, open the address that your program gave once \
                   more."
                .to_owned(),
            detail: Some(reason.to_owned()),
        }
    }

    fn another_browser() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            title: "This login was not begun here",
            text:
                "It can only be finished in the browser that began it. If you did not begin one, \
                   close this page. Else open the address that your program gave in this browser, \
                   with cookies allowed."
                    .to_owned(),
            detail: None,
        }
    }

    fn over() -> Self {
        Self {
            status: StatusCode::GONE,
            title: "Nobody waits for this login",
            text: "It was finished, it took longer than ten minutes, or the service was started \
                   anew. If something still wants a login, ask your program again."
                .to_owned(),
            detail: None,
        }
    }

    fn nothing() -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: "There is nothing to finish",
            text: "Authorization servers send browsers here after a login. Begin one in your \
                   program."
                .to_owned(),
            detail: None,
        }
    }

    fn response(&self, cookie: Option<HeaderValue>) -> Response {
        let mut response = dashboard::say(self.status, self.html());
        if let Some(cookie) = cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }

    fn html(&self) -> String {
        let (title, text) = (escaped(self.title), escaped(&self.text));
        let detail = self.detail.as_deref().map(escaped);
        let detail = detail.map(|text| format!("<p class=\"bad\">{text}</p>")).unwrap_or_default();
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\
             <link rel=\"icon\" href=\"/dashboard/icon.svg\" type=\"image/svg+xml\">\
             <link rel=\"stylesheet\" href=\"/dashboard/style.css\"></head><body>\
             <main id=\"main\" class=\"alone\"><div class=\"sign-in card\"><h1>{title}</h1>\
             <p>{text}</p>{detail}</div></main></body></html>"
        )
    }
}

/// A text as HTML shows it, wherever it comes from.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut html, c| {
        match c {
            '&' | '<' | '>' | '"' | '\'' => {
                // Writing to a string cannot fail.
                let _ = write!(html, "&#{};", u32::from(c));
            }
            _ => html.push(c),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_no_markup() {
        let said = Said::refused("<b>", "a \"quote\" & <script>alert('1')</script>");
        let html = said.html();
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&#60;script&#62;alert(&#39;1&#39;)"), "{html}");
        // Nothing that the policy of pages does not allow.
        assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains("onload"));
    }
}
