//! One word of the command line, by its form alone.

use super::ArgumentError;

/// A word that gives arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// A JSON object.
    Object(&'a str),
    /// A file with a JSON object; `-` is standard input.
    ObjectIn(&'a str),
    /// One argument.
    Pair {
        /// Before the sign.
        key: &'a str,
        /// After it.
        content: Content<'a>,
    },
}

/// How the value of a pair is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// `key=value`
    Text(&'a str),
    /// `key=@file`
    TextFile(&'a str),
    /// `key:=JSON`
    Json(&'a str),
    /// `key:=@file`
    JsonFile(&'a str),
    /// `key%=file`
    Base64File(&'a str),
}

impl<'a> Word<'a> {
    /// Splits at the first `=`, so that values may contain more of them.
    pub(super) fn parse(word: &'a str) -> Result<Self, ArgumentError> {
        if word.trim_start().starts_with('{') {
            return Ok(Self::Object(word));
        }
        if word == "-" {
            return Ok(Self::ObjectIn("-"));
        }
        if let Some(file) = word.strip_prefix('@').filter(|file| !file.is_empty()) {
            return Ok(Self::ObjectIn(file));
        }
        let wrong = || ArgumentError::NotAnArgument { word: word.to_owned() };
        let (before, value) = word.split_once('=').ok_or_else(wrong)?;
        let file = value.strip_prefix('@').filter(|file| !file.is_empty());
        let (key, content) = if let Some(key) = before.strip_suffix(':') {
            (key, file.map_or(Content::Json(value), Content::JsonFile))
        } else if let Some(key) = before.strip_suffix('%') {
            (key, Content::Base64File(file.unwrap_or(value)))
        } else {
            (before, file.map_or(Content::Text(value), Content::TextFile))
        };
        if key.is_empty() { Err(wrong()) } else { Ok(Self::Pair { key, content }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_forms_apart() {
        let pair = |key, content| Some(Word::Pair { key, content });
        for (word, want) in [
            ("a=1", pair("a", Content::Text("1"))),
            ("a=", pair("a", Content::Text(""))),
            ("a=b=c", pair("a", Content::Text("b=c"))),
            ("url=http://h/?x:=1", pair("url", Content::Text("http://h/?x:=1"))),
            ("a.b=x", pair("a.b", Content::Text("x"))),
            ("a:=[1]", pair("a", Content::Json("[1]"))),
            ("a=@f.txt", pair("a", Content::TextFile("f.txt"))),
            ("a=@", pair("a", Content::Text("@"))),
            ("a=@-", pair("a", Content::TextFile("-"))),
            ("a:=@f.json", pair("a", Content::JsonFile("f.json"))),
            ("a%=cat.png", pair("a", Content::Base64File("cat.png"))),
            ("a%=@cat.png", pair("a", Content::Base64File("cat.png"))),
            ("{\"a\":1}", Some(Word::Object("{\"a\":1}"))),
            ("@args.json", Some(Word::ObjectIn("args.json"))),
            ("-", Some(Word::ObjectIn("-"))),
            ("word", None),
            ("=x", None),
            (":=1", None),
            ("@", None),
            ("", None),
        ] {
            assert_eq!(Word::parse(word).ok(), want, "{word}");
        }
    }
}
