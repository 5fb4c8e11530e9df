//! Words as a shell takes them, with quotes only where they are needed.

use std::borrow::Cow;

/// One word.
pub(crate) fn quote(word: &str) -> Cow<'_, str> {
    let is_plain = !word.is_empty()
        && !word.starts_with(['=', '~'])
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:=@%+,^".contains(c));
    if is_plain { Cow::Borrowed(word) } else { shell_words::quote(word) }
}

/// Several words.
pub(crate) fn join<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<_> = words.iter().map(|word| quote(word.as_ref())).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_where_needed() {
        assert_eq!(
            join(&["a=1", "x=two words", "", "fs.read", "*"]),
            "a=1 'x=two words' '' fs.read '*'"
        );
    }
}
