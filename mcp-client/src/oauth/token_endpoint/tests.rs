use std::{collections::HashMap, fmt::Write as _};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use super::*;

/// A request as a server sees it: its headers and the fields of its form.
struct Seen {
    headers: HashMap<String, String>,
    form: HashMap<String, String>,
}

/// Asks an endpoint that gives these answers (status, more headers, body), one per request.
async fn ask(
    answers: &[(u16, &str, &str)],
    client: ClientCredentials,
    dpop: Option<&DpopKey>,
    grant: &[(&str, &str)],
) -> (Result<TokenSet, TokenError>, Vec<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut seen = Vec::new();
        for (status, headers, body) in answers {
            seen.push(receive(&mut stream).await);
            let mut answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
            write!(answer, "{headers}\r\n{body}").unwrap();
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        }
        seen
    };
    let mut metadata = AuthorizationServerMetadata::new("https://as.example");
    metadata.token_endpoint = Some(format!("http://{address}/token"));
    let http = HttpClient::new();
    let endpoint = TokenEndpoint {
        http: &http,
        metadata: &metadata,
        client: &client,
        dpop,
        resource: "https://mcp.example",
    };
    tokio::join!(endpoint.request(grant), server)
}

async fn receive(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Seen {
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.insert(name.to_owned(), value.to_owned());
        }
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    Seen { headers, form: form_urlencoded::parse(&body).into_owned().collect() }
}

const CODE: &[(&str, &str)] =
    &[("grant_type", "authorization_code"), ("code", "a b&c"), ("scope", "x y")];

// covers: auth-resource
#[tokio::test]
async fn a_grant_becomes_tokens() {
    let body = r#"{"access_token":"at","token_type":"bearer","expires_in":"3600",
        "refresh_token":"rt","unknown":[1]}"#;
    let before = SystemTime::now();
    let (tokens, seen) = ask(&[(200, "", body)], ClientCredentials::public("me"), None, CODE).await;
    let tokens = tokens.unwrap();
    assert_eq!(tokens.access_token.reveal(), "at");
    assert_eq!(tokens.refresh_token.unwrap().reveal(), "rt");
    assert_eq!(tokens.scopes_granted, ["x", "y"], "what was asked for, as the server is silent");
    assert!(tokens.expires_at.unwrap() >= before + Duration::from_secs(3600));
    assert_eq!(tokens.resource, "https://mcp.example");
    let [seen] = &seen[..] else { panic!("one request") };
    assert_eq!(seen.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(seen.headers["accept"], "application/json");
    assert!(!seen.headers.contains_key("dpop"));
    assert_eq!(seen.form["code"], "a b&c");
    assert_eq!(seen.form["client_id"], "me");
    assert_eq!(seen.form["resource"], "https://mcp.example", "no slash is added");
}

#[tokio::test]
async fn a_refusal_keeps_its_reason() {
    let body = "{\"error\":\"invalid_grant\",\"error_description\":\"used\\u0007 up\"}";
    for status in [400, 200] {
        let client = ClientCredentials::public("me");
        let (result, _) = ask(&[(status, "", body)], client, None, CODE).await;
        let error = result.unwrap_err();
        assert_eq!(error.refusal().unwrap().code, TokenErrorCode::InvalidGrant);
        assert_eq!(error.to_string(), "the authorization server refused: invalid_grant (used up)");
    }
}

// covers: auth-secrets-hidden
#[tokio::test]
async fn what_is_no_token_response_is_an_error_without_secrets() {
    let cases = [
        (500, "<html>down</html>", "HTTP 500"),
        (200, "\"hunter2\"", "no JSON of a token response"),
        (200, "{}", "no JSON of a token response"),
        (403, r#"["hunter2"]"#, "HTTP 403"),
        (502, r#"{"access_token":"hunter2"}"#, "HTTP 502"),
        (200, r#"{"access_token":"hunter2","token_type":"mac"}"#, "unknown type `mac`"),
        (200, r#"{"access_token":"hunter2","token_type":"DPoP"}"#, "unknown type `DPoP`"),
    ];
    for (status, body, expected) in cases {
        let client = ClientCredentials::public("me");
        let (result, _) = ask(&[(status, "", body)], client, None, CODE).await;
        let error = result.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
    }
}

// covers: auth-dpop
#[tokio::test]
async fn a_nonce_is_repeated_with_a_new_proof() {
    let key = DpopKey::generate(&[]).unwrap();
    let refusal = r#"{"error":"use_dpop_nonce"}"#;
    let answers = [
        (400, "dpop-nonce: n1\r\n", refusal),
        (200, "dpop-nonce: n2\r\n", r#"{"access_token":"at","token_type":"DPoP"}"#),
    ];
    let client = ClientCredentials::secret("me", "s");
    let (tokens, seen) = ask(&answers, client, Some(&key), CODE).await;
    let tokens = tokens.unwrap();
    assert_eq!(tokens.token_type, TokenType::Dpop);
    assert_eq!(tokens.dpop_key.as_ref(), Some(&key));
    assert_eq!(seen.len(), 2);
    assert_ne!(seen[0].headers["dpop"], seen[1].headers["dpop"]);
    assert!(seen.iter().all(|seen| seen.headers["authorization"] == "Basic bWU6cw=="));
}

#[tokio::test]
async fn a_server_without_a_nonce_is_not_asked_for_ever() {
    let key = DpopKey::generate(&[]).unwrap();
    let refusal = (400, "", r#"{"error":"use_dpop_nonce"}"#);
    let client = ClientCredentials::public("me");
    let (result, seen) = ask(&[refusal], client, Some(&key), CODE).await;
    assert_eq!(result.unwrap_err().refusal().unwrap().code, TokenErrorCode::UseDpopNonce);
    assert_eq!(seen.len(), 1);
}
