//! How many tokens a text has, before a model says so.

#[cfg(feature = "tiktoken")]
mod openai;

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

#[cfg(feature = "tiktoken")]
pub use self::openai::OpenAiTokens;
use crate::model::{Part, ToolDefinition};

/// What a picture costs where nobody says: providers take from 85 to about 1,600 tokens for one.
const TOKENS_PER_IMAGE: usize = 1_200;

/// Counts tokens.
pub trait TokenCounter: Send + Sync + fmt::Debug {
    /// The tokens of a text. A longer text has no fewer tokens than its start, but for the last
    /// few.
    fn count(&self, text: &str) -> usize;
}

/// Counts without the model's vocabulary: by kinds of characters, and better after it has been told
/// what a provider counted.
///
/// Uncorrected it errs on the side of too many for prose and code in Latin script, and counts two
/// tokens for every character beyond it.
///
/// ```
/// use mcp_agent::tokens::{EstimatedTokens, TokenCounter};
///
/// let counter = EstimatedTokens::default();
/// let text = "The quick brown fox jumps over the lazy dog.";
/// assert_eq!(counter.count(text), 12);
/// // A provider counted 9 for each time that it is said.
/// counter.learn(&text.repeat(20), 180);
/// assert!(counter.count(text) < 12);
/// ```
#[derive(Debug)]
pub struct EstimatedTokens {
    /// Real tokens for one that is estimated, and how many estimated tokens that rests on.
    correction: Mutex<(f64, f64)>,
}

impl Default for EstimatedTokens {
    fn default() -> Self {
        // As if a hundred estimated tokens had proved right.
        Self { correction: Mutex::new((1.0, 100.0)) }
    }
}

impl EstimatedTokens {
    /// Takes note of what a provider counted for a text.
    #[expect(clippy::cast_precision_loss, reason = "a ratio, not a count")]
    pub fn learn(&self, text: &str, counted: usize) {
        let estimated = estimate(text) as f64;
        if estimated < 1.0 || counted == 0 {
            return;
        }
        let mut correction = self.correction.lock().unwrap_or_else(PoisonError::into_inner);
        let (factor, weight) = *correction;
        let learned = (factor * weight + counted as f64) / (weight + estimated);
        // Old lessons fade, since conversations change.
        *correction = (learned.clamp(0.25, 4.0), (weight + estimated).min(50_000.0));
    }
}

impl TokenCounter for EstimatedTokens {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate of a number that is far below 2^52 and not negative"
    )]
    fn count(&self, text: &str) -> usize {
        let (factor, _) = *self.correction.lock().unwrap_or_else(PoisonError::into_inner);
        (estimate(text) as f64 * factor).ceil() as usize
    }
}

/// Quarter tokens: letters one, digits, signs and line ends two, other scripts eight.
fn estimate(text: &str) -> usize {
    let quarters: usize = text
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | ' ' => 1,
            _ if c.is_ascii() => 2,
            '\u{80}'..='\u{24f}' => 3,
            _ => 8,
        })
        .sum();
    quarters.div_ceil(4)
}

impl<T: TokenCounter + ?Sized> TokenCounter for std::sync::Arc<T> {
    fn count(&self, text: &str) -> usize {
        (**self).count(text)
    }
}

/// What a tool's definition costs in every request.
pub fn of_tool(tool: &ToolDefinition, counter: &dyn TokenCounter) -> usize {
    // A few tokens of a provider's own wrap each definition.
    const WRAPPING: usize = 8;
    WRAPPING
        + counter.count(&tool.name)
        + counter.count(&tool.description)
        + counter.count(tool.parameters.as_str())
}

/// What a part of a message costs; pictures by a round number, sounds and files by their size.
pub fn of_part(part: &Part, counter: &dyn TokenCounter) -> usize {
    match part {
        Part::Text(text) => counter.count(text),
        Part::Json(value) => counter.count(&value.to_string()),
        Part::Image(_) => TOKENS_PER_IMAGE,
        Part::Audio(media) | Part::Document(media) => match &media.source {
            crate::model::MediaSource::Base64(data) => data.len() / 16,
            crate::model::MediaSource::Url(_) => TOKENS_PER_IMAGE,
        },
        Part::ToolResult(result) => result.content.iter().map(|part| of_part(part, counter)).sum(),
        Part::ToolCall(call) => counter.count(&call.name) + counter.count(&call.arguments),
        Part::Reasoning(reasoning) => {
            let texts = [&reasoning.text, &reasoning.encrypted];
            texts.into_iter().flatten().map(|text| counter.count(text)).sum()
        }
        Part::Opaque(opaque) => counter.count(&opaque.value.to_string()),
    }
}

/// The longest start of a text, but for the last few tokens, that has no more than so many.
pub fn start_of<'a>(text: &'a str, max_tokens: usize, counter: &dyn TokenCounter) -> &'a str {
    if counter.count(text) <= max_tokens {
        return text;
    }
    let cut = |mut length: usize| {
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        &text[..length]
    };
    // What fits, and what does not.
    let (mut fits, mut too_long) = (0, text.len());
    while too_long - fits > 1 {
        let middle = fits + (too_long - fits) / 2;
        if counter.count(cut(middle)) <= max_tokens {
            fits = middle;
        } else {
            too_long = middle;
        }
    }
    cut(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comes_near_to_what_a_provider_counts() {
        let counter = EstimatedTokens::default();
        let text = "fn main() { println!(\"{}\", 42); }\n".repeat(200);
        // cl100k_base has 13 tokens for the line.
        for _ in 0..5 {
            counter.learn(&text, 2_600);
        }
        let tokens = counter.count(&text);
        assert!((2_470..=2_730).contains(&tokens), "{tokens}");
    }

    proptest! {
        #[test]
        fn a_start_fits_and_one_more_character_does_not(text in "\\PC{0,80}", max in 0_usize..40) {
            let counter = EstimatedTokens::default();
            let start = start_of(&text, max, &counter);
            prop_assert!(counter.count(start) <= max);
            if let Some(next) = text[start.len()..].chars().next() {
                prop_assert!(counter.count(&text[..start.len() + next.len_utf8()]) > max);
            }
        }
    }
}
