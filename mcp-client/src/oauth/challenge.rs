//! `WWW-Authenticate`: what a server wants to see (RFC 9110 section 11.6.1, RFC 6750 section 3).

use http::{HeaderMap, header};

/// One challenge of possibly several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthenticateChallenge {
    scheme: String,
    /// Names in lower case, values without quotes.
    params: Vec<(String, String)>,
}

impl AuthenticateChallenge {
    /// All challenges of a refusal. What cannot be read is skipped up to the next comma.
    pub(super) fn all(headers: &HeaderMap) -> Vec<Self> {
        let mut found = Vec::new();
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            let text = String::from_utf8_lossy(value.as_bytes());
            read(&text, &mut found);
        }
        found
    }

    /// Whether the scheme is one that OAuth tokens use: `Bearer`, or `DPoP` (RFC 9449).
    pub(super) fn is_oauth(&self) -> bool {
        self.is("bearer") || self.is("dpop")
    }

    /// Whether this is the scheme, whose case does not matter.
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter; the name is in lower case.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn read(text: &str, found: &mut Vec<AuthenticateChallenge>) {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return;
        }
        let (word, after) = token(rest);
        if word.is_empty() {
            rest = after_comma(rest);
            continue;
        }
        let spaced = after.trim_start_matches([' ', '\t']);
        match spaced.strip_prefix('=') {
            // A parameter of the challenge under way.
            Some(value) if !value.starts_with('=') => {
                let (value, after) = param_value(value.trim_start_matches([' ', '\t']));
                if let Some(challenge) = found.last_mut()
                    && challenge.param(&word.to_ascii_lowercase()).is_none()
                {
                    challenge.params.push((word.to_ascii_lowercase(), value));
                }
                rest = after;
            }
            // The credentials of a scheme that has no parameters, such as Negotiate.
            Some(_) => rest = after_comma(rest),
            None => {
                found.push(AuthenticateChallenge { scheme: word.to_owned(), params: Vec::new() });
                rest = spaced;
            }
        }
    }
}

/// A token, and what follows it.
fn token(text: &str) -> (&str, &str) {
    let is_part =
        |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(letter);
    text.split_at(text.find(|letter| !is_part(letter)).unwrap_or(text.len()))
}

/// A value with or without quotes, and what follows it. Without quotes it goes up to a comma or a
/// blank, since servers forget to quote URLs.
fn param_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            other => value.push(other),
        }
    }
    (value, "")
}

fn after_comma(text: &str) -> &str {
    text.find(',').map_or("", |comma| &text[comma + 1..])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read_all(lines: &[&str]) -> Vec<AuthenticateChallenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_str(line).unwrap());
        }
        AuthenticateChallenge::all(&headers)
    }

    // covers: auth-challenge
    #[test]
    fn parameters_with_and_without_quotes() {
        let found = read_all(&[
            r#"Bearer resource_metadata="https://a.example/x?a=b,c", scope=files:read , error="a \"b\"""#,
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].is("BEARER") && found[0].is_oauth());
        assert_eq!(found[0].param("resource_metadata"), Some("https://a.example/x?a=b,c"));
        assert_eq!(found[0].param("scope"), Some("files:read"));
        assert_eq!(found[0].param("error"), Some(r#"a "b""#));
        assert_eq!(found[0].param("absent"), None);
    }

    // covers: auth-challenge
    #[test]
    fn several_challenges_in_one_line_and_in_several() {
        let found = read_all(&[
            r#"Negotiate YWJj==, Basic realm="a, Bearer x=y", DPoP algs="ES256", SCOPE = "a b""#,
            "Bearer",
        ]);
        let schemes: Vec<_> = found.iter().map(|one| one.scheme.as_str()).collect();
        // What follows `Negotiate` reads as one more scheme, which does no harm.
        assert_eq!(schemes.last(), Some(&"Bearer"));
        let basic = found.iter().find(|one| one.is("basic")).unwrap();
        assert_eq!(basic.param("realm"), Some("a, Bearer x=y"));
        let dpop = found.iter().find(|one| one.is("dpop")).unwrap();
        assert_eq!(dpop.param("scope"), Some("a b"));
        assert_eq!(dpop.param("algs"), Some("ES256"));
        assert_eq!(found.iter().filter(|one| one.is("bearer")).count(), 1);
    }

    #[test]
    fn urls_without_quotes_are_whole() {
        let found = read_all(&["Bearer resource_metadata=https://a.example/b=c?d=e, scope=x"]);
        assert_eq!(found[0].param("resource_metadata"), Some("https://a.example/b=c?d=e"));
        assert_eq!(found[0].param("scope"), Some("x"));
    }

    #[test]
    fn the_first_of_two_values_counts() {
        let found = read_all(&["Bearer scope=a, scope=b"]);
        assert_eq!(found[0].param("scope"), Some("a"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "[ -~é]{0,60}") {
            let mut found = Vec::new();
            read(&text, &mut found);
            prop_assert!(found.len() <= text.len());
        }
    }
}
