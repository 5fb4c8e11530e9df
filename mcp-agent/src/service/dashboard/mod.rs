//! The dashboard: a page for people, made of files that are part of the program.
//!
//! The page is a client of the REST interface like any other. Its files hold no secrets and are
//! given to whoever asks; what it shows needs the token. The page takes the token from the fragment
//! of its address, which browsers send to nobody, removes it from there, and keeps it for the tab.
//! It is no cookie, because a browser sends cookies to every port of a machine and along with
//! requests that other pages make.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::problem::{Problem, ProblemCode};

/// Scripts and styles from here alone, none of them inline, and no markup made of strings.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; media-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // Asked for each time, and sent only when the program is another.
    (header::CACHE_CONTROL, "no-cache"),
];

struct File {
    name: &'static str,
    content: &'static str,
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(File { name: $name, content: include_str!(concat!("assets/", $name)) }),+]
    };
}

const PAGE: File = File { name: "index.html", content: include_str!("assets/index.html") };

/// Where somebody is asked who they are before they log in to a server.
const LOGIN_PAGE: File = File { name: "login.html", content: include_str!("assets/login.html") };

const FILES: &[File] = files![
    "style.css",
    "icon.svg",
    "app.js",
    "api.js",
    "arguments.js",
    "chat.js",
    "connect.js",
    "dom.js",
    "live.js",
    "log.js",
    "login.js",
    "result.js",
    "servers.js",
    "tools.js",
    "try.js",
];

/// Whether something is of the dashboard, and so given without the token.
pub(super) fn is_part(path: &str) -> bool {
    path == "/" || path.starts_with("/dashboard/")
}

pub(super) async fn page(headers: HeaderMap) -> Response {
    PAGE.answer(&headers)
}

pub(super) fn login_page(headers: &HeaderMap) -> Response {
    LOGIN_PAGE.answer(headers)
}

/// A page for one request, with the same bounds as those of files.
pub(super) fn say(status: StatusCode, html: String) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = (status, [(header::CONTENT_TYPE, kind)], html).into_response();
    bounded(response.headers_mut());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn bounded(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match FILES.iter().find(|file| file.name == name) {
        Some(file) => file.answer(&headers),
        None => {
            Problem::new(ProblemCode::NotFound, "there is nothing at this path").into_response()
        }
    }
}

impl File {
    fn answer(&self, asked: &HeaderMap) -> Response {
        let tag = self.tag();
        let is_known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
        let mut response = if is_known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.kind())], self.content).into_response()
        };
        let headers = response.headers_mut();
        bounded(headers);
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }

    /// Another for every content.
    fn tag(&self) -> String {
        let hash = ring::digest::digest(&ring::digest::SHA256, self.content.as_bytes());
        let start = hash.as_ref().first_chunk::<8>().map_or(0, |start| u64::from_be_bytes(*start));
        format!("\"{start:016x}\"")
    }

    fn kind(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_only_files_that_are_there() {
        let known = |name: &str| FILES.iter().any(|file| file.name == name);
        let mut named = 0;
        for page in [&PAGE, &LOGIN_PAGE] {
            for piece in page.content.split("\"/dashboard/").skip(1) {
                let name = piece.split('"').next().unwrap();
                assert!(known(name), "{name}");
                named += 1;
            }
        }
        assert!(named >= 6);
        for file in FILES.iter().filter(|file| file.kind().starts_with("text/javascript")) {
            for piece in file.content.split(" from \"./").skip(1) {
                let name = piece.split('"').next().unwrap();
                assert!(known(name), "{} imports {name}", file.name);
            }
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        for page in [&PAGE, &LOGIN_PAGE] {
            assert!(!page.content.contains("<style") && !page.content.contains(" style="));
            let handler = page.content.split(" on").skip(1).any(|rest| {
                rest.split(|c: char| !c.is_ascii_lowercase()).nth(1).is_some()
                    && rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).starts_with('=')
            });
            assert!(!handler, "handlers are set by scripts");
        }
        for file in FILES.iter().chain([&PAGE, &LOGIN_PAGE]) {
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!file.content.contains(word), "{}: {word}", file.name);
            }
            assert!(!file.content.contains("https:"), "{}", file.name);
        }
    }
}
