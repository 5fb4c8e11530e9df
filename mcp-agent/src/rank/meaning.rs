//! Relevance by the meaning of words.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use ring::digest::{SHA256, digest};

use super::{Document, RankError, Ranker};
use crate::model::{BoxFuture, embeddings::Embedder};

/// Ranks by how near the vectors of query and document are, so that "cost of a journey" finds
/// `fare_lookup`. Vectors are kept: a text is sent to the model once.
///
/// Names and rare words are found better by [`Keywords`](super::Keywords); take both as one with
/// [`Fused`](super::Fused), which also goes on with one of them while the other cannot be reached.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use mcp_agent::{
///     model::embeddings::OpenAiEmbeddings,
///     rank::{Fused, Keywords, Meaning},
///     toolbox::SearchOptions,
/// };
///
/// # fn example() -> Result<(), mcp_agent::model::ModelError> {
/// let embeddings = OpenAiEmbeddings::new("http://127.0.0.1:11434/v1", "nomic-embed-text")?;
/// let mut options = SearchOptions::default();
/// options.ranker =
///     Arc::new(Fused::new(vec![Arc::new(Keywords), Arc::new(Meaning::new(embeddings))]));
/// # Ok(())
/// # }
/// ```
pub struct Meaning {
    embedder: Box<dyn Embedder>,
    min_similarity: f64,
    max_chars: usize,
    before_query: String,
    before_text: String,
    vectors: Mutex<Vectors>,
}

/// SHA-256 of a text.
type Key = [u8; 32];

/// Those that were made before, the latest last.
struct Vectors {
    known: HashMap<Key, Arc<[f32]>>,
    order: VecDeque<Key>,
    max: usize,
}

impl Meaning {
    /// By the vectors of this model.
    pub fn new(embedder: impl Embedder + 'static) -> Self {
        Self {
            embedder: Box::new(embedder),
            min_similarity: 0.2,
            max_chars: 2_000,
            before_query: String::new(),
            before_text: String::new(),
            vectors: Mutex::new(Vectors {
                known: HashMap::new(),
                order: VecDeque::new(),
                max: 4_096,
            }),
        }
    }

    /// The cosine of the angle (-1 to 1) up to which two texts have nothing to do with each other;
    /// 0.2 by default. It differs from model to model: multilingual-e5-small gives 0.73 for texts
    /// that have nothing in common, and 0.87 for the best.
    #[must_use]
    pub fn min_similarity(mut self, cosine: f64) -> Self {
        self.min_similarity = cosine;
        self
    }

    /// What the model is told of each query and of each text, before it. Models that were trained to
    /// tell the two apart find much less without: nomic-embed-text wants `search_query: ` and
    /// `search_document: `, the E5 models `query: ` and `passage: `. Nothing by default.
    #[must_use]
    pub fn prefixes(mut self, query: impl Into<String>, text: impl Into<String>) -> Self {
        (self.before_query, self.before_text) = (query.into(), text.into());
        self
    }

    /// How much of a text counts, in characters; its first 2,000 by default.
    #[must_use]
    pub fn max_chars(mut self, characters: usize) -> Self {
        self.max_chars = characters.max(1);
        self
    }

    /// How many vectors are kept; 4,096 by default.
    #[must_use]
    pub fn keep(self, vectors: usize) -> Self {
        self.lock().max = vectors;
        self
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vectors> {
        self.vectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text_of(&self, document: &Document) -> String {
        let fields = document.fields().map(|(_, text)| text.trim());
        let text = fields.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
        self.cut(&self.before_text, &text)
    }

    fn cut(&self, before: &str, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        before.chars().chain(text.chars().take(self.max_chars)).collect()
    }

    /// A vector of length 1 for each text; none for one without words.
    async fn vectors(&self, texts: &[String]) -> Result<Vec<Option<Arc<[f32]>>>, RankError> {
        let keys: Vec<Key> = texts.iter().map(|text| key_of(text)).collect();
        let mut found: HashMap<Key, Arc<[f32]>> = HashMap::new();
        let mut missing: Vec<(Key, String)> = Vec::new();
        {
            let vectors = self.lock();
            for (key, text) in keys.iter().zip(texts) {
                if let Some(vector) = vectors.known.get(key) {
                    found.insert(*key, Arc::clone(vector));
                } else if !text.is_empty() && !missing.iter().any(|(known, _)| known == key) {
                    missing.push((*key, text.clone()));
                }
            }
        }
        if !missing.is_empty() {
            let (new, wanted): (Vec<Key>, Vec<String>) = missing.into_iter().unzip();
            let made =
                self.embedder.embed(&wanted).await.map_err(|error| RankError(error.into()))?;
            let mut vectors = self.lock();
            for (key, vector) in new.into_iter().zip(made) {
                let vector = of_length_one(vector);
                vectors.insert(key, Arc::clone(&vector));
                found.insert(key, vector);
            }
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }
}

impl Vectors {
    fn insert(&mut self, key: Key, vector: Arc<[f32]>) {
        if self.known.insert(key, vector).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > self.max {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

fn key_of(text: &str) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    key
}

fn of_length_one(mut vector: Vec<f32>) -> Arc<[f32]> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        for number in &mut vector {
            *number /= length;
        }
    }
    vector.into()
}

impl Ranker for Meaning {
    fn rank<'a>(
        &'a self,
        query: &'a str,
        documents: &'a [Document],
    ) -> BoxFuture<'a, Result<Vec<f64>, RankError>> {
        Box::pin(async move {
            let mut texts: Vec<String> =
                documents.iter().map(|document| self.text_of(document)).collect();
            texts.push(self.cut(&self.before_query, query.trim()));
            let mut vectors = self.vectors(&texts).await?;
            let Some(Some(query)) = vectors.pop() else { return Ok(vec![0.0; documents.len()]) };
            let score = |vector: Option<Arc<[f32]>>| {
                let Some(vector) = vector.filter(|vector| vector.len() == query.len()) else {
                    return 0.0;
                };
                let cosine: f32 = vector.iter().zip(&*query).map(|(one, other)| one * other).sum();
                f64::from(cosine) - self.min_similarity
            };
            Ok(vectors.into_iter().map(score).collect())
        })
    }
}

impl fmt::Debug for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meaning")
            .field("embedder", &self.embedder)
            .field("vectors", &self.lock().known.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        model::{ModelError, ModelErrorKind, ModelId},
        rank::{Fused, Keywords, best},
        toolbox::{LocalTools, SearchOptions, Searchable},
    };

    /// Travel, money, food.
    const THINGS: [&[&str]; 3] =
        [&["train", "journey", "fare"], &["cost", "fare", "invoice"], &["soup", "bread"]];

    /// Knows three things.
    #[derive(Debug)]
    struct Toy {
        id: ModelId,
        texts: Arc<AtomicUsize>,
        is_down: bool,
    }

    impl Toy {
        fn new(is_down: bool) -> (Self, Arc<AtomicUsize>) {
            let texts = Arc::<AtomicUsize>::default();
            let toy = Self { id: ModelId::new("toy", "3d"), texts: Arc::clone(&texts), is_down };
            (toy, texts)
        }
    }

    impl Embedder for Toy {
        fn id(&self) -> &ModelId {
            &self.id
        }

        fn embed<'a>(
            &'a self,
            texts: &'a [String],
        ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
            self.texts.fetch_add(texts.len(), Ordering::Relaxed);
            if self.is_down {
                let kind = ModelErrorKind::Unreachable { source: "down".into() };
                return Box::pin(std::future::ready(Err(ModelError::new(kind))));
            }
            let vectors = texts.iter().map(|text| {
                let text = text.to_lowercase();
                let about = |words: &&[&str]| {
                    if words.iter().any(|word| text.contains(word)) { 3.0 } else { 0.0 }
                };
                THINGS.iter().map(about).collect()
            });
            Box::pin(std::future::ready(Ok(vectors.collect())))
        }
    }

    fn documents() -> Vec<Document> {
        ["invoice_list", "fare_lookup", "soup_recipe", ""]
            .map(|name| Document::new().field(4.0, name).field(1.0, ""))
            .into()
    }

    #[tokio::test]
    async fn other_words_for_the_same_are_found_and_texts_are_sent_once() {
        let (toy, texts) = Toy::new(false);
        let ranker = Meaning::new(toy);
        let query = "the cost of a journey";
        let scores = ranker.rank(query, &documents()).await.unwrap();
        assert_eq!(best(&scores), [1, 0], "{scores:?}");
        assert_eq!(best(&Keywords::scores(query, &documents())), [0_usize; 0]);
        // Three documents with words, and the query.
        assert_eq!(texts.load(Ordering::Relaxed), 4);
        ranker.rank(query, &documents()).await.unwrap();
        assert_eq!(texts.load(Ordering::Relaxed), 4);
        ranker.rank("bread", &documents()).await.unwrap();
        assert_eq!(texts.load(Ordering::Relaxed), 5);
    }

    /// Notes what it is told.
    #[derive(Debug)]
    struct Noting(ModelId, Arc<Mutex<Vec<String>>>);

    impl Embedder for Noting {
        fn id(&self) -> &ModelId {
            &self.0
        }

        fn embed<'a>(
            &'a self,
            texts: &'a [String],
        ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
            self.1.lock().unwrap().extend_from_slice(texts);
            Box::pin(std::future::ready(Ok(vec![vec![1.0]; texts.len()])))
        }
    }

    #[tokio::test]
    async fn queries_and_texts_are_told_apart_where_the_model_wants_it() {
        let told = Arc::<Mutex<Vec<String>>>::default();
        let noting = Noting(ModelId::new("toy", "1d"), Arc::clone(&told));
        let ranker = Meaning::new(noting).prefixes("query: ", "passage: ").max_chars(5);
        // The same words as both, and a text without any.
        let texts = [Document::new().field(1.0, "bread and soup"), Document::new()];
        let scores = ranker.rank("bread", &texts).await.unwrap();
        assert_eq!(*told.lock().unwrap(), ["passage: bread", "query: bread"]);
        assert!(scores[0] > 0.0 && scores[1] <= 0.0, "{scores:?}");
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let (toy, texts) = Toy::new(false);
        let ranker = Meaning::new(toy).keep(2).max_chars(8);
        ranker.rank("soup and bread", &documents()).await.unwrap();
        assert_eq!(ranker.lock().known.len(), 2);
        assert_eq!(ranker.lock().order.len(), 2);
        let before = texts.load(Ordering::Relaxed);
        ranker.rank("soup and something", &[]).await.unwrap();
        assert_eq!(texts.load(Ordering::Relaxed), before, "the first characters are the same");
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Nothing {}

    #[tokio::test]
    async fn tools_are_found_by_meaning_and_by_words_while_it_is_down() {
        let tools = || {
            LocalTools::new().tool("fare_lookup", "By line.", |_: Nothing| async { "" }).tool(
                "soup_recipe",
                "By season.",
                |_: Nothing| async { "" },
            )
        };
        let search = |is_down: bool| {
            let (toy, _) = Toy::new(is_down);
            let ranker =
                Arc::new(Fused::new(vec![Arc::new(Keywords), Arc::new(Meaning::new(toy))]));
            Searchable::new(tools(), SearchOptions { ranker, ..SearchOptions::default() })
        };
        let found = search(false).find("cost of a journey").await.unwrap();
        assert_eq!(found[0].name, "fare_lookup");
        assert_eq!(found.len(), 1);
        assert!(search(true).find("cost of a journey").await.unwrap().is_empty());
        let found = search(true).find("a recipe for soup").await.unwrap();
        assert_eq!(found[0].name, "soup_recipe");
    }
}
