use std::sync::Arc;

use mcp_client::Secret;
use mcp_transport::http::HttpClient;

use super::{DiscoverError, Found, ModelWish, Place, by_port, choose, find};
use crate::model::{
    ChatModel,
    canned_server::{CannedServer, answer},
};

const LIST: &str = r#"{"object":"list","data":[{"id":"nomic-embed-text:latest"},{"id":"qwen3:latest"},{"id":"llama3:8b"}]}"#;

fn list() -> String {
    answer("200 OK", "application/json", LIST)
}

async fn found(wish: ModelWish, environment: &[(&str, &str)]) -> Result<Found, DiscoverError> {
    let lookup = |name: &str| {
        let found = environment.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    find(&wish, &lookup, None, &Arc::new(HttpClient::new())).await
}

/// Provider and name of the model, and where it was found.
#[track_caller]
fn ready(found: Result<Found, DiscoverError>) -> (String, String) {
    match found.unwrap() {
        Found::Ready { model, place } => (model.id().to_string(), place.to_string()),
        Found::Managed(manifest) => panic!("{manifest:?}"),
    }
}

fn pair(model: &str, place: &str) -> (String, String) {
    (model.to_owned(), place.to_owned())
}

#[tokio::test]
async fn the_wish_wins() {
    let wish = ModelWish {
        base_url: Some("https://example.com/v1".into()),
        model: Some("m".into()),
        key: Some(Secret::new("k")),
    };
    let model = ready(found(wish, &[("OPENAI_API_KEY", "k")]).await);
    assert_eq!(model, pair("m at example.com", "as asked for"));
}

#[tokio::test]
async fn keys_of_the_environment() {
    let key = ("GROQ_API_KEY", "k");
    let model = ready(found(ModelWish::default(), &[key]).await);
    assert_eq!(model, pair("openai/gpt-oss-120b at api.groq.com", "Groq by GROQ_API_KEY"));
    let environment = [key, ("OPENAI_API_KEY", "k"), ("OPENAI_MODEL", "m")];
    let model = ready(found(ModelWish::default(), &environment).await);
    assert_eq!(model, pair("m at api.openai.com", "OpenAI by OPENAI_API_KEY"));
    let wish = ModelWish { model: Some("w".into()), ..ModelWish::default() };
    let model = ready(found(wish, &[key, ("OPENAI_API_KEY", " ")]).await);
    assert_eq!(model, pair("w at api.groq.com", "Groq by GROQ_API_KEY"));
}

#[tokio::test]
async fn a_provider_in_the_name_decides() {
    let wish = |model: &str| ModelWish { model: Some(model.into()), ..ModelWish::default() };
    let keys = [("OPENAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", "k"), ("GOOGLE_API_KEY", "k")];
    for (name, model, place) in [
        ("anthropic:claude-x", "claude-x at api.anthropic.com", "Anthropic by ANTHROPIC_API_KEY"),
        ("anthropic:", "claude-sonnet-4-5 at api.anthropic.com", "Anthropic by ANTHROPIC_API_KEY"),
        (
            "gemini:gemini-3-flash",
            "gemini-3-flash at generativelanguage.googleapis.com",
            "Gemini by GOOGLE_API_KEY",
        ),
        ("responses:gpt-5", "gpt-5 at api.openai.com", "OpenAI by OPENAI_API_KEY"),
        ("openai:gpt-5", "gpt-5 at api.openai.com", "OpenAI by OPENAI_API_KEY"),
    ] {
        assert_eq!(ready(found(wish(name), &keys).await), pair(model, place));
    }
    let error = found(wish("gemini:x"), &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "Gemini wants a key; set GEMINI_API_KEY or GOOGLE_API_KEY");
    // A gateway may want none; and it is sent nobody else's.
    let wish = ModelWish { base_url: Some("http://127.0.0.1:1/v1".into()), ..wish("anthropic:c") };
    assert_eq!(ready(found(wish, &keys).await), pair("c at 127.0.0.1:1", "as asked for"));
}

#[tokio::test]
async fn a_key_goes_only_to_its_own_provider() {
    let server = CannedServer::start([list()]).await;
    let wish = ModelWish { base_url: Some(server.base_url()), ..ModelWish::default() };
    ready(found(wish, &[("OPENAI_API_KEY", "k"), ("GROQ_API_KEY", "k")]).await);
    assert!(!server.requests()[0].contains("authorization"));
    let server = CannedServer::start([list()]).await;
    let base = server.base_url();
    let environment = [("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", base.as_str())];
    let model = ready(found(ModelWish::default(), &environment).await);
    assert_eq!(model.1, "OpenAI by OPENAI_BASE_URL");
    assert!(server.requests()[0].contains("authorization: Bearer k"));
}

#[tokio::test]
async fn a_server_without_a_named_model_is_asked() {
    let server = CannedServer::start([list(), list()]).await;
    let wish = ModelWish { base_url: Some(server.base_url()), ..ModelWish::default() };
    let model = ready(found(wish.clone(), &[]).await);
    assert_eq!(model.0, format!("qwen3:latest at {}", server.address));
    let wish = ModelWish { model: Some("gone".into()), ..wish };
    let error = found(wish, &[]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} has no model `gone`; it has nomic-embed-text:latest, qwen3:latest, llama3:8b",
            server.base_url()
        )
    );
}

#[tokio::test]
async fn what_was_asked_for_is_never_replaced() {
    let wish = ModelWish { base_url: Some("http://127.0.0.1:9".into()), ..ModelWish::default() };
    let error = found(wish, &[("OPENAI_API_KEY", "k")]).await.unwrap_err();
    assert!(matches!(error, DiscoverError::Model(_)), "{error:?}");
}

#[tokio::test]
async fn servers_of_this_machine_in_their_order() {
    let other = CannedServer::start([answer("200 OK", "text/html", "<html>")]).await;
    let ollama = CannedServer::start([list(), list()]).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = |address: &str| address.rsplit(':').next().unwrap().parse().unwrap();
    let places = [
        ("nobody", 9),
        ("silent", silent.local_addr().unwrap().port()),
        ("other", port(&other.address)),
        ("Ollama", port(&ollama.address)),
    ];
    let http = Arc::new(HttpClient::new());
    let found = by_port(&ModelWish::default(), &http, &places).await.unwrap().unwrap();
    let Found::Ready { model, place } = found else { panic!() };
    assert_eq!(model.id().model, "qwen3:latest");
    assert_eq!(place, Place::Local { server: "Ollama", url: ollama.base_url() });
    let wish = ModelWish { model: Some("gone".into()), ..ModelWish::default() };
    assert!(by_port(&wish, &http, &places[3..]).await.unwrap().is_none());
}

#[test]
fn choosing() {
    let names = ["text-embedding-3".to_owned(), "a:latest".to_owned(), "b".to_owned()];
    let choose = |wish| choose(&names, wish);
    assert_eq!(choose(None).unwrap(), "a:latest");
    assert_eq!(choose(Some("a")).unwrap(), "a:latest");
    assert_eq!(choose(Some("b")).unwrap(), "b");
    assert_eq!(choose(Some("c")), None);
}
