//! Which recipe a URL asks for.

use std::sync::Arc;

#[cfg(unix)]
use percent_encoding::percent_decode_str;
use url::Url;

#[cfg(unix)]
use crate::stdio::{ChildCommand, CommandUrl};
#[cfg(feature = "websocket")]
use crate::websocket::WebSocketConfig;
use crate::{
    BoxFuture, Connect, ConnectError, Transport, http::HttpConfig, socket::SocketConfig,
    transport::Binding,
};

/// The recipe for a URL, by its scheme. The variants can be taken apart to set more.
///
/// ```
/// use mcp_transport::UrlConnect;
///
/// assert!(matches!(UrlConnect::parse("tcp://127.0.0.1:7000")?, UrlConnect::Socket(_)));
/// # Ok::<(), mcp_transport::ConnectError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum UrlConnect {
    /// `http://` and `https://`.
    Http(HttpConfig),
    /// `ws://` and `wss://`; known with the feature `websocket`.
    #[cfg(feature = "websocket")]
    WebSocket(WebSocketConfig),
    /// `tcp://HOST:PORT` and `unix:///PATH`.
    Socket(SocketConfig),
    /// `stdio://PROGRAM?arg=…`; see [`CommandUrl`].
    #[cfg(unix)]
    Stdio(ChildCommand),
}

impl UrlConnect {
    /// Reads a URL. Nothing is connected.
    ///
    /// # Errors
    /// The scheme is unknown, or the URL lacks what the scheme needs.
    pub fn parse(url: &str) -> Result<Self, ConnectError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(invalid("it has no scheme; it should begin with one such as https://"));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Ok(Self::Http(HttpConfig::new(url))),
            #[cfg(feature = "websocket")]
            "ws" | "wss" => Ok(Self::WebSocket(WebSocketConfig::new(url))),
            #[cfg(not(feature = "websocket"))]
            "ws" | "wss" => Err(invalid("this program was built without WebSocket")),
            "tcp" => tcp(url).map(Self::Socket),
            #[cfg(unix)]
            "unix" => unix(rest).map(Self::Socket),
            #[cfg(unix)]
            "stdio" => Ok(Self::Stdio(CommandUrl::parse(url)?.into())),
            _ => {
                let _ = rest;
                Err(invalid("its scheme is none of http, https, ws, wss, tcp, unix and stdio"))
            }
        }
    }

    fn recipe(&self) -> &dyn Connect {
        match self {
            Self::Http(recipe) => recipe,
            #[cfg(feature = "websocket")]
            Self::WebSocket(recipe) => recipe,
            Self::Socket(recipe) => recipe,
            #[cfg(unix)]
            Self::Stdio(recipe) => recipe,
        }
    }
}

fn tcp(url: &str) -> Result<SocketConfig, ConnectError> {
    let form = || invalid("it must have the form tcp://HOST:PORT");
    let url = Url::parse(url).map_err(|_| form())?;
    let more =
        !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty();
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) if !more && !host.is_empty() => {
            Ok(SocketConfig::tcp(host.trim_matches(['[', ']']), port))
        }
        _ => Err(form()),
    }
}

#[cfg(unix)]
fn unix(path: &str) -> Result<SocketConfig, ConnectError> {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

    if !path.starts_with('/') || path.contains(['?', '#']) {
        return Err(invalid("it must have the form unix:///PATH"));
    }
    let path: Vec<u8> = percent_decode_str(path).collect();
    Ok(SocketConfig::unix(OsString::from_vec(path)))
}

fn invalid(reason: &str) -> ConnectError {
    ConnectError::InvalidSetting { setting: "url".to_owned(), reason: reason.to_owned() }
}

impl Connect for UrlConnect {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        self.recipe().connect()
    }

    fn check(&self) -> Result<(), ConnectError> {
        self.recipe().check()
    }

    fn endpoint(&self) -> String {
        self.recipe().endpoint()
    }

    fn binding(&self) -> Binding {
        self.recipe().binding()
    }

    fn earlier(&self) -> Option<Arc<dyn Connect>> {
        self.recipe().earlier()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        for (url, shown) in [
            ("https://h/mcp", Some("https://h/mcp")),
            ("tcp://localhost:70", Some("tcp://localhost:70")),
            ("tcp://[::1]:70/", Some("tcp://[::1]:70")),
            ("unix:///run/my%20s.sock", Some("unix:///run/my s.sock")),
            ("tcp://localhost", None),
            ("tcp://h:1/path", None),
            ("tcp://u@h:1", None),
            ("unix://relative", None),
            ("ftp://h", None),
            ("npx", None),
        ] {
            let found = UrlConnect::parse(url).ok().map(|recipe| recipe.endpoint());
            assert_eq!(found.as_deref(), shown, "{url}");
        }
        let child = UrlConnect::parse("stdio://server?arg=1").unwrap();
        assert_eq!(child.binding(), Binding::Stdio);
    }
}
