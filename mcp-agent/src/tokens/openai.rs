//! Counting by the vocabulary of a model.

use std::fmt;

use tiktoken_rs::{CoreBPE, bpe_for_tokenizer, tokenizer::get_tokenizer};

use super::TokenCounter;

/// A text is counted in pieces of so many bytes: the cost of some texts, such as a million times
/// the same letter, grows faster than they do.
const PIECE: usize = 4_096;

/// Counts as OpenAI's models do, by their published vocabularies. Other providers' models have
/// others; for them the estimate is nearer.
///
/// A long text is counted in pieces, which can add a token for each 4,096 bytes and never takes
/// one away.
///
/// ```
/// use mcp_agent::tokens::{OpenAiTokens, TokenCounter};
///
/// let counter = OpenAiTokens::for_model("gpt-4o").unwrap();
/// assert_eq!(counter.count("hello world"), 2);
/// assert!(OpenAiTokens::for_model("qwen3").is_none());
/// ```
#[derive(Clone, Copy)]
pub struct OpenAiTokens {
    vocabulary: &'static CoreBPE,
}

impl OpenAiTokens {
    /// With the vocabulary of this model; `None` where it is not one of OpenAI's. The vocabulary
    /// is read once in a process, which takes some tenths of a second, and stays.
    pub fn for_model(model: &str) -> Option<Self> {
        let tokenizer = get_tokenizer(model.rsplit('/').next().unwrap_or(model))?;
        let vocabulary = bpe_for_tokenizer(tokenizer).ok()?;
        Some(Self { vocabulary })
    }
}

impl TokenCounter for OpenAiTokens {
    fn count(&self, text: &str) -> usize {
        let mut rest = text;
        let mut tokens = 0;
        while !rest.is_empty() {
            let mut end = rest.len().min(PIECE);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let (piece, after) = rest.split_at(end);
            tokens += self.vocabulary.encode_ordinary(piece).len();
            rest = after;
        }
        tokens
    }
}

impl fmt::Debug for OpenAiTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiTokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::start_of;

    #[test]
    fn counts_as_published() {
        let old = OpenAiTokens::for_model("gpt-4").unwrap();
        // What the published tokenizer says.
        assert_eq!(old.count("tiktoken is great!"), 6);
        let new = OpenAiTokens::for_model("openai/gpt-4o-mini").unwrap();
        assert_eq!(new.count(""), 0);
        let line = "The quick brown fox jumps over the lazy dog. ";
        assert!((9..=11).contains(&new.count(line)), "{}", new.count(line));
        let start = start_of(&line.repeat(50), 100, &new).len();
        assert!(new.count(&line.repeat(50)[..start]) <= 100);
        assert!(start > 350, "{start}");
    }

    #[test]
    fn hostile_texts_end() {
        let counter = OpenAiTokens::for_model("gpt-4o").unwrap();
        for text in ["a", " ", "\u{1f600}", "\n"] {
            let long = text.repeat(200_000);
            assert!(counter.count(&long) >= counter.count(&text.repeat(1_000)));
        }
    }
}
