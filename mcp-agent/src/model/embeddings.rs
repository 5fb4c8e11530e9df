//! Models that turn texts into vectors whose directions stand for their meaning.

use std::{fmt, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use mcp_client::Secret;
use mcp_transport::http::{HttpClient, PlainLimits};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{
    BoxFuture, ModelError, ModelErrorKind, ModelId,
    address::{self, base_url_of, below, invalid},
    codec::{read, secret_value, undecodable},
    failure,
    hosted::{undelivered, without_key},
};

const MAX_ANSWER_BYTES: usize = 64 << 20;
const MAX_FAILURE_BYTES: usize = 64 << 10;

/// Turns texts into vectors.
pub trait Embedder: Send + Sync + fmt::Debug {
    /// Which model it is. Vectors of two models have nothing to do with each other.
    fn id(&self) -> &ModelId;

    /// A vector for each text, in their order, all of one length.
    ///
    /// # Errors
    /// The model could not be reached, refused, or gave something else.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the answer.
    fn embed<'a>(&'a self, texts: &'a [String])
    -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>>;
}

impl<E: Embedder + ?Sized> Embedder for Arc<E> {
    fn id(&self) -> &ModelId {
        (**self).id()
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        (**self).embed(texts)
    }
}

/// A model behind `POST /embeddings` of OpenAI, which Ollama, llama.cpp, vLLM and others speak too.
///
/// ```no_run
/// # async fn example() -> Result<(), mcp_agent::model::ModelError> {
/// use mcp_agent::model::embeddings::{Embedder, OpenAiEmbeddings};
///
/// let model = OpenAiEmbeddings::new("http://127.0.0.1:11434/v1", "nomic-embed-text")?;
/// let vectors = model.embed(&["a cat".to_owned(), "a dog".to_owned()]).await?;
/// assert_eq!(vectors.len(), 2);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct OpenAiEmbeddings {
    id: ModelId,
    endpoint: Url,
    key: Option<Secret>,
    headers: HeaderMap,
    http: Arc<HttpClient>,
    limits: PlainLimits,
}

impl OpenAiEmbeddings {
    /// How many texts go into one request.
    const BATCH: usize = 128;

    /// A model of the server at this address, which is the part before `/embeddings`. An address
    /// without a path gets `/v1`.
    ///
    /// # Errors
    /// [`ModelErrorKind::InvalidSetting`]: the address is not an HTTP URL.
    pub fn new(base_url: &str, model: impl Into<String>) -> Result<Self, ModelError> {
        let text = base_url.trim().trim_end_matches('/');
        let base = base_url_of(text.strip_suffix("/embeddings").unwrap_or(text))?;
        Ok(Self {
            id: ModelId::new(address::provider(&base), model),
            endpoint: below(&base, "embeddings"),
            key: None,
            headers: HeaderMap::new(),
            http: Arc::default(),
            limits: PlainLimits {
                connect: Some(Duration::from_secs(10)),
                first_byte: Some(Duration::from_secs(60)),
                idle: Some(Duration::from_secs(60)),
            },
        })
    }

    /// Sends this key as a bearer token.
    ///
    /// # Errors
    /// [`ModelErrorKind::InvalidSetting`]: it has characters that a header cannot carry.
    pub fn key(mut self, key: impl Into<Secret>) -> Result<Self, ModelError> {
        let key = key.into();
        self.headers.insert(AUTHORIZATION, secret_value(&format!("Bearer {}", key.reveal()))?);
        self.key = Some(key);
        Ok(self)
    }

    /// Sends a header with every request.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// How long to wait for what. Without a word 10 s for a connection, a minute for the first
    /// byte and between two.
    pub fn limits(mut self, limits: PlainLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Uses the connections of this client.
    pub fn http(mut self, http: Arc<HttpClient>) -> Self {
        self.http = http;
        self
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let body = json!({"model": self.id.model, "input": texts, "encoding_format": "float"});
        let mut post = Request::post(self.endpoint.as_str())
            .body(body.to_string().into())
            .map_err(|error| invalid("base URL", &error.to_string()))?;
        let headers = post.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let agent = concat!("mcp-agent/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.extend(self.headers.clone());
        let mut answer = self.http.send(post, self.limits).await.map_err(undelivered)?;
        if !answer.status.is_success() {
            let body = answer.bytes(MAX_FAILURE_BYTES).await.unwrap_or_default();
            let body = without_key(self.key.as_ref(), &body);
            return Err(failure::decode(answer.status, &answer.headers, &body));
        }
        let body = answer.bytes(MAX_ANSWER_BYTES).await.map_err(undelivered)?;
        decode(&body, texts.len())
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vec<f32>,
}

/// The vectors in the order of the texts.
fn decode(body: &[u8], texts: usize) -> Result<Vec<Vec<f32>>, ModelError> {
    let Answer { data } = read(body)?;
    let mut vectors = vec![Vec::new(); texts];
    for Embedding { index, embedding } in data {
        let is_good = !embedding.is_empty() && embedding.iter().all(|number| number.is_finite());
        match vectors.get_mut(index) {
            Some(place) if is_good => *place = embedding,
            _ => return Err(undecodable("a vector that cannot be one of those asked for", body)),
        }
    }
    let length = vectors.first().map_or(0, Vec::len);
    if vectors.iter().any(|vector| vector.is_empty() || vector.len() != length) {
        return Err(undecodable("a vector is missing or of another length", body));
    }
    Ok(vectors)
}

impl Embedder for OpenAiEmbeddings {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        Box::pin(async move {
            let mut vectors = Vec::with_capacity(texts.len());
            for batch in texts.chunks(Self::BATCH) {
                let some = self.ask(batch).await.map_err(|error| error.at(&self.endpoint))?;
                if vectors.first().is_some_and(|one: &Vec<f32>| one.len() != some[0].len()) {
                    let reason = "two answers with vectors of different lengths".to_owned();
                    let kind = ModelErrorKind::Undecodable { reason, snippet: String::new() };
                    return Err(ModelError::new(kind).at(&self.endpoint));
                }
                vectors.extend(some);
            }
            Ok(vectors)
        })
    }
}

impl fmt::Debug for OpenAiEmbeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiEmbeddings").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::canned_server::{CannedServer, answer};

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[tokio::test]
    async fn vectors_come_in_the_order_of_the_texts() {
        let body = json!({"object": "list", "data": [
            {"object": "embedding", "index": 1, "embedding": [0.0, 1.0]},
            {"object": "embedding", "index": 0, "embedding": [1.0, 0.5]},
        ], "usage": {"prompt_tokens": 4, "total_tokens": 4}});
        let server =
            CannedServer::start([answer("200 OK", "application/json", &body.to_string())]).await;
        let model = OpenAiEmbeddings::new(&server.base_url(), "small")
            .unwrap()
            .key("k-1".to_owned())
            .unwrap();
        let vectors = model.embed(&texts(&["one", "two"])).await.unwrap();
        assert_eq!(vectors, [[1.0, 0.5], [0.0, 1.0]]);
        let request = &server.requests()[0];
        assert!(request.starts_with("POST /v1/embeddings "), "{request}");
        assert!(request.to_lowercase().contains("authorization: bearer k-1"), "{request}");
        let (_, sent) = request.split_once("\r\n\r\n").unwrap();
        let sent: serde_json::Value = serde_json::from_str(sent).unwrap();
        assert_eq!(
            sent,
            json!({"model": "small", "input": ["one", "two"], "encoding_format": "float"})
        );
        assert!(!format!("{model:?}").contains("k-1"));
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        let data = |data: serde_json::Value| json!({"data": data}).to_string();
        for (body, said) in [
            (data(json!([{"index": 0, "embedding": [1.0]}])), "missing or of another length"),
            (data(json!([{"index": 7, "embedding": [1.0]}])), "one of those asked for"),
            (
                data(
                    json!([{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]),
                ),
                "of another length",
            ),
            (data(json!([{"index": 0, "embedding": []}])), "one of those asked for"),
        ] {
            let server = CannedServer::start([answer("200 OK", "application/json", &body)]).await;
            let model = OpenAiEmbeddings::new(&server.base_url(), "small").unwrap();
            let error = model.embed(&texts(&["one", "two"])).await.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let refusal = r#"{"error": {"message": "no key k-secret-1 here"}}"#;
        let server =
            CannedServer::start([answer("401 Unauthorized", "application/json", refusal)]).await;
        let model = OpenAiEmbeddings::new(&server.base_url(), "small")
            .unwrap()
            .key("k-secret-1".to_owned())
            .unwrap();
        let error = model.embed(&texts(&["one"])).await.unwrap_err();
        assert_eq!(error.status(), Some(401));
        assert!(!format!("{error:?}").contains("k-secret-1"), "{error:?}");
    }

    #[test]
    fn addresses() {
        for (base, endpoint) in [
            ("http://h", "http://h/v1/embeddings"),
            ("https://h/openai/v1/", "https://h/openai/v1/embeddings"),
            ("https://h/v1/embeddings", "https://h/v1/embeddings"),
        ] {
            assert_eq!(OpenAiEmbeddings::new(base, "m").unwrap().endpoint.as_str(), endpoint);
        }
        assert!(OpenAiEmbeddings::new("ftp://h", "m").is_err());
    }
}
