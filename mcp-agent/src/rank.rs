//! What is most relevant to a query: tools, resources, anything with words.

mod meaning;

use std::{collections::HashMap, fmt, sync::Arc};

pub use self::meaning::Meaning;
use crate::model::BoxFuture;

/// Something that can be found by its words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    fields: Vec<(f64, String)>,
}

impl Document {
    /// Without words yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds words; those of a field with weight 3 count as if each stood there three times.
    #[must_use]
    pub fn field(mut self, weight: f64, text: impl Into<String>) -> Self {
        self.fields.push((weight, text.into()));
        self
    }

    /// The fields in the order given, with their weights.
    pub fn fields(&self) -> impl Iterator<Item = (f64, &str)> {
        self.fields.iter().map(|(weight, text)| (*weight, text.as_str()))
    }
}

/// Says how relevant documents are to a query. [`Keywords`] and [`Meaning`] do,
/// and both as one by [`Fused`].
pub trait Ranker: Send + Sync + fmt::Debug {
    /// A number for each document, in their order: the higher the more relevant, 0 or less for
    /// what has nothing to do with the query.
    ///
    /// # Errors
    /// What the documents are compared with cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the ranking.
    fn rank<'a>(
        &'a self,
        query: &'a str,
        documents: &'a [Document],
    ) -> BoxFuture<'a, Result<Vec<f64>, RankError>>;
}

/// Documents could not be ranked.
#[derive(Debug, thiserror::Error)]
#[error("cannot rank by relevance")]
pub struct RankError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Ranks by words that query and document share (BM25 over weighted fields). Names are taken apart
/// at `_`, `-`, `.`, `/` and where a capital begins a word, so that `list_pull_requests` and
/// `listPullRequests` are found by `pull request`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keywords;

/// How soon more of the same word stops to count.
const SATURATION: f64 = 1.2;
/// How much the length of a document counts.
const LENGTH_WEIGHT: f64 = 0.6;

impl Keywords {
    /// The scores, without waiting.
    #[expect(clippy::cast_precision_loss, reason = "counts of documents are far below 2^52")]
    pub fn scores(query: &str, documents: &[Document]) -> Vec<f64> {
        let mut query = words(query);
        query.sort();
        query.dedup();
        let indexed: Vec<(HashMap<String, f64>, f64)> = documents.iter().map(index).collect();
        let count = documents.len().max(1) as f64;
        let average = (indexed.iter().map(|(_, length)| length).sum::<f64>() / count).max(1.0);
        let rarity = |word: &str| {
            let having =
                indexed.iter().filter(|(words, _)| words.contains_key(word)).count() as f64;
            (1.0 + (count - having + 0.5) / (having + 0.5)).ln()
        };
        let query: Vec<_> = query.into_iter().map(|word| (rarity(&word), word)).collect();
        let score = |(words, length): &(HashMap<String, f64>, f64)| {
            let norm = SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / average);
            let parts = query.iter().filter_map(|(rarity, word)| {
                let often = words.get(word)?;
                Some(rarity * often * (SATURATION + 1.0) / (often + norm))
            });
            parts.sum()
        };
        indexed.iter().map(score).collect()
    }
}

impl Ranker for Keywords {
    fn rank<'a>(
        &'a self,
        query: &'a str,
        documents: &'a [Document],
    ) -> BoxFuture<'a, Result<Vec<f64>, RankError>> {
        Box::pin(std::future::ready(Ok(Self::scores(query, documents))))
    }
}

/// Several rankers as one, by the places that each gives (reciprocal rank fusion), so that their
/// scales need not agree. A ranker that fails is left out as long as another one answers.
#[derive(Clone, Debug)]
pub struct Fused(Vec<Arc<dyn Ranker>>);

impl Fused {
    /// These rankers, all alike in weight.
    pub fn new(rankers: Vec<Arc<dyn Ranker>>) -> Self {
        Self(rankers)
    }
}

impl Ranker for Fused {
    #[expect(clippy::cast_precision_loss, reason = "places are far below 2^52")]
    fn rank<'a>(
        &'a self,
        query: &'a str,
        documents: &'a [Document],
    ) -> BoxFuture<'a, Result<Vec<f64>, RankError>> {
        // The usual constant of the method: how much the first places stand out.
        const EVENNESS: f64 = 60.0;
        Box::pin(async move {
            let mut fused = vec![0.0; documents.len()];
            let rankings = self.0.iter().map(|ranker| ranker.rank(query, documents));
            let mut failure = None;
            let mut answered = false;
            for ranking in futures_util::future::join_all(rankings).await {
                match ranking {
                    Ok(scores) => {
                        answered = true;
                        for (place, number) in best(&scores).into_iter().enumerate() {
                            fused[number] += 1.0 / (EVENNESS + place as f64);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "one ranker is left out");
                        failure = Some(error);
                    }
                }
            }
            match failure {
                Some(error) if !answered => Err(error),
                _ => Ok(fused),
            }
        })
    }
}

/// The documents that have to do with the query, best first; of equal ones the earlier first.
pub fn best(scores: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).filter(|&place| scores[place] > 0.0).collect();
    places.sort_by(|&one, &other| scores[other].total_cmp(&scores[one]));
    places
}

/// How often each word stands in a document, and how long that is, both by weight.
fn index(document: &Document) -> (HashMap<String, f64>, f64) {
    let mut often = HashMap::new();
    let mut length = 0.0;
    for (weight, text) in &document.fields {
        for word in words(text) {
            *often.entry(word).or_insert(0.0) += weight;
            length += weight;
        }
    }
    (often, length)
}

/// The words of a text in small letters, names taken apart, plural endings dropped.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    let characters: Vec<char> = text.chars().collect();
    for (place, &c) in characters.iter().enumerate() {
        let next_is_small = characters.get(place + 1).is_some_and(|next| next.is_lowercase());
        let starts =
            c.is_uppercase() && (before.is_lowercase() || next_is_small && !word.is_empty());
        if !c.is_alphanumeric() || starts {
            push(&mut words, &mut word);
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    push(&mut words, &mut word);
    words
}

fn push(words: &mut Vec<String>, word: &mut String) {
    let taken = std::mem::take(word);
    if !taken.is_empty() && !EMPTY_WORDS.contains(&taken.as_str()) {
        words.push(singular(taken));
    }
}

/// Words that say nothing about what is looked for.
const EMPTY_WORDS: [&str; 36] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "for", "from", "how", "i", "in",
    "is", "it", "me", "my", "of", "on", "or", "please", "that", "the", "this", "to", "use", "used",
    "was", "what", "which", "will", "with", "you", "your",
];

fn singular(mut word: String) -> String {
    if word.len() > 4 && word.ends_with("ies") {
        word.truncate(word.len() - 3);
        word.push('y');
    } else if word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") {
        word.truncate(word.len() - 1);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(words("listPullRequests"), ["list", "pull", "request"]);
        assert_eq!(words("mcp__files__read-file.v2"), ["mcp", "file", "read", "file", "v2"]);
        assert_eq!(words("the HTTPServer of entries"), ["http", "server", "entry"]);
    }

    #[test]
    fn a_word_in_the_name_counts_more_than_one_in_the_text() {
        let tool = |name: &str, text: &str| Document::new().field(3.0, name).field(1.0, text);
        let documents = [
            tool("send_mail", "Sends a message to a person."),
            tool("read_file", "Reads a file; can also read what mail programs write."),
            tool("weather", "The weather in a city."),
        ];
        assert_eq!(best(&Keywords::scores("a mail, please", &documents)), [0, 1]);
        assert_eq!(best(&Keywords::scores("Wetter", &documents)), [0_usize; 0]);
    }

    #[derive(Debug)]
    struct Broken;

    impl Ranker for Broken {
        fn rank<'a>(
            &'a self,
            _: &'a str,
            _: &'a [Document],
        ) -> BoxFuture<'a, Result<Vec<f64>, RankError>> {
            Box::pin(std::future::ready(Err(RankError("no embeddings today".into()))))
        }
    }

    #[tokio::test]
    async fn one_broken_ranker_does_not_stop_the_others() {
        let documents = ["beta", "alpha"].map(|text| Document::new().field(1.0, text));
        let fused = Fused::new(vec![Arc::new(Broken), Arc::new(Keywords)]);
        assert_eq!(best(&fused.rank("alpha", &documents).await.unwrap()), [1]);
        Fused::new(vec![Arc::new(Broken)]).rank("alpha", &documents).await.unwrap_err();
    }
}
