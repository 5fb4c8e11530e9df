//! Settings that cannot work, and what is shown of those that do.

use super::*;
use crate::{ConnectError, http::TlsConfig};

async fn refused(config: HttpConfig) -> String {
    match config.connect().await {
        Err(error @ (ConnectError::InvalidSetting { .. } | ConnectError::Tls { .. })) => {
            error.to_string()
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("accepted"),
    }
}

#[tokio::test]
async fn says_what_is_wrong() {
    for (url, part) in [
        ("example.com/mcp", "not a URL"),
        ("ftp://example.com", "scheme is `ftp`"),
        ("http://", "not a URL"),
    ] {
        let error = refused(HttpConfig::new(url)).await;
        assert!(error.contains("`url`") && error.contains(part), "{error}");
    }
    let config = HttpConfig::new("http://localhost/");
    for name in ["Content-Type", "host", "MCP-Method", "mcp-session-id", "a b", "Content-Length"] {
        let error = refused(config.clone().header(name, "x")).await;
        assert!(error.contains(name), "{error}");
    }
    let error = refused(config.clone().header("x-key", "se\ncret")).await;
    assert!(error.contains("x-key") && !error.contains("cret"), "{error}");
    let error = refused(config.bearer("se\ncret")).await;
    assert!(error.contains("bearer") && !error.contains("cret"), "{error}");
    for tls in [
        TlsConfig::new().root_pem("nonsense"),
        TlsConfig::new().only_given_roots(),
        TlsConfig::new().identity_pem("nonsense", "nonsense"),
    ] {
        let error = refused(HttpConfig::new("https://localhost/").tls(tls)).await;
        assert!(error.starts_with("cannot set up TLS"), "{error}");
    }
}

// covers: auth-secrets-hidden
#[tokio::test]
async fn secrets_are_not_shown() {
    let config = HttpConfig::new("https://me:hidden1@example.com:8443/mcp?key=hidden2&k2=hidden3")
        .header("x-api-key", "hidden4")
        .bearer("hidden5");
    assert_eq!(config.endpoint(), "https://example.com:8443/mcp?key=***&k2=***");
    let shown = format!("{config:?}");
    assert!(!shown.contains("hidden") && shown.contains("x-api-key"), "{shown}");
    let shown =
        format!("{:?}", open(HttpConfig::new("http://me:hidden@localhost/?a=hidden")).await);
    assert!(!shown.contains("hidden"), "{shown}");
    assert_eq!(HttpConfig::new("nonsense hidden").endpoint(), "(invalid URL)");
}

#[tokio::test]
async fn user_information_of_the_url_is_sent_as_basic() {
    let server = Server::start(server::Received::echo).await;
    let url = format!("http://me:secret@{}/mcp?a=b", server.address);
    call(&open(HttpConfig::new(url)).await, 1).await;
    let request = server.received().pop().unwrap();
    assert_eq!(request.header("authorization"), Some("Basic bWU6c2VjcmV0"));
    assert_eq!(request.target, "/mcp?a=b");
    assert_eq!(request.header("host"), Some(server.address.to_string().as_str()));
}
