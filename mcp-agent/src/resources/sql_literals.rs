//! Parameters as literals in the text of a statement, for servers that take nothing but text.
//!
//! A value becomes a literal in parentheses, never a part of the text around it: strings are quoted
//! as libpq's `PQescapeLiteral` does. The text of the statement is read by the rules of PostgreSQL's
//! lexical structure, so that a placeholder inside a string, a name or a comment is left alone;
//! where it cannot be told for sure what is inside, nothing is sent.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An SQL dialect whose literals are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SqlDialect {
    /// PostgreSQL, with a database in UTF-8.
    Postgresql,
}

/// The parameters of a statement cannot be given.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindError {
    /// The server takes text only, and its profile names no dialect.
    #[error(
        "server `{server}` takes the text of a statement and no parameters; name its dialect in \
         the profile (`sql_literals`), or send a statement without parameters"
    )]
    TextOnly {
        /// Which server.
        server: String,
    },
    /// There are more or fewer placeholders than parameters.
    #[error("the statement has {wanted} parameters, and {given} are given")]
    Count {
        /// Of the statement.
        wanted: usize,
        /// Of the caller.
        given: usize,
    },
    /// Placeholders count from `$1`.
    #[error("`${0}` is no placeholder; the first is `$1`")]
    Number(String),
    /// A string, a name or a comment does not end.
    #[error("the {0} that begins at byte {1} does not end")]
    Unterminated(&'static str, usize),
    /// A setting of the database decides where such a string ends.
    #[error(
        "the string at byte {0} holds a backslash, so a setting of the database decides where it \
         ends; give it as a parameter, or write it as E'…'"
    )]
    Backslash(usize),
    /// There is more after the first statement.
    #[error("there is more than one statement: a second begins at byte {0}")]
    SeveralStatements(usize),
    /// PostgreSQL has no character NUL.
    #[error("a text holds the character NUL")]
    Nul,
}

impl SqlDialect {
    /// The statement with its parameters as literals.
    ///
    /// Numbers are numbers, `null` is `NULL`, texts are strings of no type yet, so that `date > $1`
    /// takes a date; lists and objects are their JSON as such a string. Placeholders are `$1`, `$2`,
    /// …, each as often as one likes; in a statement without them, every `?` is the next parameter,
    /// save in `?|`, `?&` and `@?`, which are operators.
    ///
    /// ```
    /// use mcp_agent::resources::SqlDialect;
    /// use serde_json::json;
    ///
    /// let bound = SqlDialect::Postgresql
    ///     .bind("SELECT * FROM t WHERE name = ? -- why?", &[json!("O'Hara; DROP TABLE t")])?;
    /// assert_eq!(bound, "SELECT * FROM t WHERE name =  ('O''Hara; DROP TABLE t')  -- why?");
    /// # Ok::<(), mcp_agent::resources::BindError>(())
    /// ```
    ///
    /// # Errors
    /// The numbers differ, there are several statements, or it is not sure where strings end.
    pub fn bind(self, sql: &str, params: &[Value]) -> Result<String, BindError> {
        let Self::Postgresql = self;
        let scanned = Scanner::new(sql).run()?;
        if let (Some(&at), false) = (scanned.backslashes.first(), params.is_empty()) {
            return Err(BindError::Backslash(at));
        }
        let numbered = scanned.places.iter().any(|place| place.number.is_some());
        let places: Vec<_> =
            scanned.places.iter().filter(|place| place.number.is_some() == numbered).collect();
        let wanted = places.iter().filter_map(|place| place.number).max().unwrap_or(places.len());
        if wanted != params.len() {
            return Err(BindError::Count { wanted, given: params.len() });
        }
        let mut bound = String::with_capacity(sql.len() + 16 * params.len());
        let mut copied = 0;
        for (nth, place) in places.iter().enumerate() {
            bound.push_str(&sql[copied..place.start]);
            // There are as many parameters as the highest number, and numbers begin with 1.
            let param = &params[place.number.map_or(nth, |number| number - 1)];
            bound.push(' ');
            bound.push_str(&literal(param)?);
            bound.push(' ');
            copied = place.end;
        }
        bound.push_str(&sql[copied..]);
        Ok(bound)
    }
}

/// A value in parentheses, so that it stands alone whatever is around it: no sign joins with an
/// operator, no string with the one before.
fn literal(value: &Value) -> Result<String, BindError> {
    Ok(match value {
        Value::Null => "(NULL)".to_owned(),
        Value::Bool(true) => "(TRUE)".to_owned(),
        Value::Bool(false) => "(FALSE)".to_owned(),
        Value::Number(number) => format!("({number})"),
        Value::String(text) => quoted(text)?,
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string())?,
    })
}

fn quoted(text: &str) -> Result<String, BindError> {
    if text.contains('\0') {
        return Err(BindError::Nul);
    }
    let quoted = text.replace('\'', "''");
    // Only `E'…'` means the same whatever `standard_conforming_strings` is.
    Ok(if quoted.contains('\\') {
        format!("( E'{}')", quoted.replace('\\', r"\\"))
    } else {
        format!("('{quoted}')")
    })
}

/// A placeholder in the text.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    start: usize,
    end: usize,
    /// That of `$1`; `?` has none.
    number: Option<usize>,
}

#[derive(Debug, Default)]
struct Scanned {
    places: Vec<Place>,
    /// Where plain strings begin that hold a backslash.
    backslashes: Vec<usize>,
}

/// Everything that ends a token is ASCII, so bytes will do.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    scanned: Scanned,
}

impl<'a> Scanner<'a> {
    fn new(sql: &'a str) -> Self {
        Self { text: sql.as_bytes(), at: 0, scanned: Scanned::default() }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn run(mut self) -> Result<Scanned, BindError> {
        let mut ended = false;
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            match (byte, self.peek(1)) {
                (b'-', Some(b'-')) => self.line_comment(),
                (b'/', Some(b'*')) => self.block_comment()?,
                _ if byte.is_ascii_whitespace() => self.at += 1,
                (b';', _) => {
                    ended = true;
                    self.at += 1;
                }
                _ if ended => return Err(BindError::SeveralStatements(start)),
                (0, _) => return Err(BindError::Nul),
                (b'\'', _) => self.string(false)?,
                (b'"', _) => self.quoted_name()?,
                (b'$', _) => self.dollar()?,
                (b'?', next) => {
                    let before = start.checked_sub(1).and_then(|at| self.text.get(at));
                    self.at += 1;
                    if !matches!(next, Some(b'|' | b'&')) && before != Some(&b'@') {
                        self.scanned.places.push(Place { start, end: self.at, number: None });
                    }
                }
                _ if begins_word(byte) => self.word()?,
                _ => self.at += 1,
            }
        }
        Ok(self.scanned)
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|byte| !matches!(byte, b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// These nest.
    fn block_comment(&mut self) -> Result<(), BindError> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(BindError::Unterminated("comment", start)),
            }
        }
    }

    /// A word, and the string that it may be the prefix of.
    fn word(&mut self) -> Result<(), BindError> {
        let start = self.at;
        while self
            .peek(0)
            .is_some_and(|byte| begins_word(byte) || byte.is_ascii_digit() || byte == b'$')
        {
            self.at += 1;
        }
        if self.peek(0) == Some(b'\'') {
            let escapes = self.text[start..self.at].eq_ignore_ascii_case(b"e");
            return self.string(escapes);
        }
        Ok(())
    }

    /// A string, with those that go on with it after a line break: they have its kind.
    fn string(&mut self, escapes: bool) -> Result<(), BindError> {
        loop {
            self.one_string(escapes)?;
            let end = self.at;
            while self.peek(0).is_some_and(|byte| byte.is_ascii_whitespace()) {
                self.at += 1;
            }
            let breaks = self.text[end..self.at].iter().any(|byte| matches!(byte, b'\n' | b'\r'));
            if !breaks || self.peek(0) != Some(b'\'') {
                return Ok(());
            }
        }
    }

    fn one_string(&mut self, escapes: bool) -> Result<(), BindError> {
        let start = self.at;
        let mut backslash = false;
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'\\'), Some(_)) if escapes => self.at += 2,
                (Some(b'\''), Some(b'\'')) => self.at += 2,
                (Some(b'\''), _) => {
                    self.at += 1;
                    break;
                }
                (Some(0), _) => return Err(BindError::Nul),
                (Some(byte), _) => {
                    backslash |= byte == b'\\';
                    self.at += 1;
                }
                (None, _) => return Err(BindError::Unterminated("string", start)),
            }
        }
        if backslash && !escapes {
            self.scanned.backslashes.push(start);
        }
        Ok(())
    }

    fn quoted_name(&mut self) -> Result<(), BindError> {
        let start = self.at;
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'"'), Some(b'"')) => self.at += 2,
                (Some(b'"'), _) => {
                    self.at += 1;
                    return Ok(());
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(BindError::Unterminated("name", start)),
            }
        }
    }

    /// A placeholder, or a string between `$tag$` and `$tag$`.
    fn dollar(&mut self) -> Result<(), BindError> {
        let start = self.at;
        let rest = &self.text[start + 1..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            self.at += 1 + digits;
            let written = String::from_utf8_lossy(&rest[..digits]).into_owned();
            let number = written.parse().ok().filter(|number| *number > 0);
            let number = number.ok_or(BindError::Number(written))?;
            self.scanned.places.push(Place { start, end: self.at, number: Some(number) });
            return Ok(());
        }
        let tag = rest.iter().take_while(|byte| begins_word(**byte) || byte.is_ascii_digit());
        let tag = tag.count();
        if rest.get(tag) != Some(&b'$') {
            self.at += 1;
            return Ok(());
        }
        let mark = &self.text[start..start + tag + 2];
        let body = start + mark.len();
        let end = self.text[body..].windows(mark.len()).position(|window| window == mark);
        let end = end.ok_or(BindError::Unterminated("string", start))?;
        self.at = body + end + mark.len();
        Ok(())
    }
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn bind(sql: &str, params: &[Value]) -> Result<String, BindError> {
        SqlDialect::Postgresql.bind(sql, params)
    }

    #[test]
    fn placeholders_where_they_are_placeholders() {
        let one = [json!("x")];
        for (sql, bound) in [
            ("a = $1", "a =  ('x') "),
            ("a=?", "a= ('x') "),
            ("$1 $1", " ('x')   ('x') "),
            ("'$1 ?' || $1", "'$1 ?' ||  ('x') "),
            ("'it''s ?' || ?", "'it''s ?' ||  ('x') "),
            (r"E'\' ?' || ?", r"E'\' ?' ||  ('x') "),
            ("E'a'\n'\\' ?' || ?", "E'a'\n'\\' ?' ||  ('x') "),
            (r#""a ""?" = ?"#, r#""a ""?" =  ('x') "#),
            ("-- ?\n?", "-- ?\n ('x') "),
            ("/* ? /* ? */ ? */ ?", "/* ? /* ? */ ? */  ('x') "),
            ("$$ ? $$ || ?", "$$ ? $$ ||  ('x') "),
            ("$a$ $$ ? $b$ $a$ || ?", "$a$ $$ ? $b$ $a$ ||  ('x') "),
            ("col$1 = ?", "col$1 =  ('x') "),
            (
                "a ?| b AND c ?& d AND e @? f AND g = ?",
                "a ?| b AND c ?& d AND e @? f AND g =  ('x') ",
            ),
            ("a ? 'k' AND b = $1", "a ? 'k' AND b =  ('x') "),
            ("größe = ?;  -- end", "größe =  ('x') ;  -- end"),
        ] {
            assert_eq!(bind(sql, &one).as_deref(), Ok(bound), "{sql}");
        }
    }

    #[test]
    fn values_are_literals() {
        for (value, literal) in [
            (json!(null), "(NULL)"),
            (json!(true), "(TRUE)"),
            (json!(-1), "(-1)"),
            (json!(1.5), "(1.5)"),
            (json!("'; DROP TABLE t; --"), "('''; DROP TABLE t; --')"),
            (json!(r"\'; --"), r"( E'\\''; --')"),
            (json!(["a'b"]), r#"('["a''b"]')"#),
        ] {
            assert_eq!(bind("$1", std::slice::from_ref(&value)), Ok(format!(" {literal} ")));
        }
    }

    #[test]
    fn what_is_not_sure_is_not_sent() {
        let one = [json!("x")];
        for (sql, error) in [
            ("SELECT 1", BindError::Count { wanted: 0, given: 1 }),
            ("? ?", BindError::Count { wanted: 2, given: 1 }),
            ("$2", BindError::Count { wanted: 2, given: 1 }),
            ("$0", BindError::Number("0".into())),
            (r"'\' $1", BindError::Backslash(0)),
            ("' $1", BindError::Unterminated("string", 0)),
            ("$a$ $1 $b$", BindError::Unterminated("string", 0)),
            ("/* /* */ $1", BindError::Unterminated("comment", 0)),
            ("$1; COMMIT", BindError::SeveralStatements(4)),
            ("$1 \0", BindError::Nul),
        ] {
            assert_eq!(bind(sql, &one), Err(error), "{sql}");
        }
        assert_eq!(bind("$1", &[json!("a\0b")]), Err(BindError::Nul));
        assert_eq!(bind(r"SELECT '\d'", &[]).as_deref(), Ok(r"SELECT '\d'"));
        assert!(bind("SELECT 1; SELECT 2", &[]).is_err());
    }

    proptest! {
        /// Whatever the value, the statement has one string more, and what it says is the value.
        #[test]
        fn a_value_never_leaves_its_literal(text in r#"[a-z'"\\$?;\-/* \n]*"#) {
            let bound = bind("SELECT $1", &[json!(text)]).unwrap();
            let scanned = Scanner::new(&bound).run().unwrap();
            prop_assert!(scanned.places.is_empty() && scanned.backslashes.is_empty(), "{}", bound);
            let inner = bound.strip_prefix("SELECT  (").and_then(|rest| rest.strip_suffix(") "));
            let inner = inner.expect("in parentheses").trim_start();
            let (body, escapes) = match inner.strip_prefix('E') {
                Some(body) => (body, true),
                None => (inner, false),
            };
            let body = body.strip_prefix('\'').and_then(|body| body.strip_suffix('\'')).unwrap();
            let body = body.replace("''", "'");
            prop_assert_eq!(if escapes { body.replace(r"\\", r"\") } else { body }, text);
        }
    }
}
