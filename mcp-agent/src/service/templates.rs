//! Commands that an operator has written down beforehand, of which administrators may start
//! servers over HTTP. Who asks fills in what was left open, within patterns, and nothing else: the
//! program is fixed, no shell is involved, and no value becomes an option or a second argument.

use std::{collections::BTreeMap, fmt};

use mcp_client::{
    Secret,
    config::{ServerConfig, TransportConfig},
};
use regex::Regex;
use serde::Deserialize;

use super::problem::{Problem, ProblemCode};

/// How long a value may be, in bytes.
const MAX_VALUE_BYTES: usize = 256;

/// A command with blanks. `{name}` in an argument, or in the value of a variable, is a blank that
/// `parameters` says the pattern of; `{{` and `}}` are braces.
///
/// ```
/// use mcp_agent::service::ServerTemplate;
///
/// let template: ServerTemplate = serde_json::from_value(serde_json::json!({
///     "name": "repository",
///     "command": "git-mcp",
///     "args": ["--repository", "/srv/git/{repo}"],
///     "parameters": {"repo": "[a-z0-9-]{1,40}"},
/// }))?;
/// template.check()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerTemplate {
    /// What requests call it.
    pub name: String,
    /// The program. It has no blanks.
    pub command: String,
    /// Its arguments; none becomes two, or disappears.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables of its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The pattern (a regular expression) of each blank. All of a value must match it.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// A template cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTemplate {
    /// Two templates of one name.
    #[error("there are two templates named `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// The program is not fixed, or there is none.
    #[error("template `{template}`: `command` must name a program, without blanks")]
    Command {
        /// The template.
        template: String,
    },
    /// A blank has no pattern.
    #[error("template `{template}`: `parameters` has no pattern for `{blank}`")]
    NoPattern {
        /// The template.
        template: String,
        /// The blank.
        blank: String,
    },
    /// A pattern is for nothing.
    #[error("template `{template}`: there is no blank `{{{parameter}}}`")]
    NoBlank {
        /// The template.
        template: String,
        /// The parameter.
        parameter: String,
    },
    /// A pattern is no regular expression.
    #[error("template `{template}`: the pattern of `{parameter}` cannot be used")]
    Pattern {
        /// The template.
        template: String,
        /// The parameter.
        parameter: String,
        /// What is wrong with it.
        #[source]
        source: regex::Error,
    },
    /// A brace belongs to no blank.
    #[error("template `{template}`: a brace in `{text}` belongs to no blank; `{{{{` is a brace")]
    Brace {
        /// The template.
        template: String,
        /// Where it stands.
        text: String,
    },
}

impl ServerTemplate {
    /// Looks for what cannot work.
    ///
    /// # Errors
    /// The first thing found.
    pub fn check(&self) -> Result<(), InvalidTemplate> {
        self.prepare().map(drop)
    }

    fn prepare(&self) -> Result<Prepared, InvalidTemplate> {
        let template = || self.name.clone();
        if self.command.is_empty() || self.command.contains(['{', '}']) {
            return Err(InvalidTemplate::Command { template: template() });
        }
        let mut patterns = BTreeMap::new();
        for (parameter, pattern) in &self.parameters {
            // By itself first: a pattern must not close the group that it is put into.
            let whole =
                Regex::new(pattern).and_then(|_| Regex::new(&format!(r"\A(?:{pattern})\z")));
            let whole = whole.map_err(|source| {
                let parameter = parameter.clone();
                InvalidTemplate::Pattern { template: template(), parameter, source }
            })?;
            patterns.insert(parameter.clone(), whole);
        }
        let read = |text: &String| {
            pieces(text)
                .ok_or_else(|| InvalidTemplate::Brace { template: template(), text: text.clone() })
        };
        let args = self.args.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let env = self.env.iter().map(|(name, text)| Ok((name.clone(), read(text)?)));
        let env = env.collect::<Result<BTreeMap<_, _>, _>>()?;
        let mut blanks: Vec<&str> = Vec::new();
        for piece in args.iter().chain(env.values()).flatten() {
            if let Piece::Blank(blank) = piece {
                blanks.push(blank);
            }
        }
        if let Some(blank) = blanks.iter().find(|blank| !patterns.contains_key(**blank)) {
            let blank = (*blank).to_owned();
            return Err(InvalidTemplate::NoPattern { template: template(), blank });
        }
        if let Some(parameter) = patterns.keys().find(|name| !blanks.contains(&name.as_str())) {
            let parameter = parameter.clone();
            return Err(InvalidTemplate::NoBlank { template: template(), parameter });
        }
        Ok(Prepared { command: self.command.clone(), args, env, patterns })
    }
}

/// The templates of a service.
#[derive(Default)]
pub(super) struct Templates(BTreeMap<String, Prepared>);

struct Prepared {
    command: String,
    args: Vec<Vec<Piece>>,
    env: BTreeMap<String, Vec<Piece>>,
    patterns: BTreeMap<String, Regex>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Blank(String),
}

/// Takes a text apart; nothing if its braces do not fit.
fn pieces(text: &str) -> Option<Vec<Piece>> {
    let (mut pieces, mut plain) = (Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '{' | '}' if rest.next_if_eq(&letter).is_some() => plain.push(letter),
            '}' => return None,
            '{' => {
                let mut name = String::new();
                loop {
                    match rest.next()? {
                        '}' => break,
                        letter if letter == '_' || letter.is_ascii_alphanumeric() => {
                            name.push(letter);
                        }
                        _ => return None,
                    }
                }
                if name.is_empty() {
                    return None;
                }
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Blank(name));
            }
            letter => plain.push(letter),
        }
    }
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Some(pieces)
}

impl Templates {
    /// # Errors
    /// The first thing that cannot work.
    pub(super) fn new(all: &[ServerTemplate]) -> Result<Self, InvalidTemplate> {
        let mut templates = BTreeMap::new();
        for template in all {
            if templates.insert(template.name.clone(), template.prepare()?).is_some() {
                return Err(InvalidTemplate::Duplicate { name: template.name.clone() });
            }
        }
        Ok(Self(templates))
    }

    /// The server of a template, with its blanks filled in.
    pub(super) fn fill(
        &self,
        server: &str,
        template: &str,
        arguments: &BTreeMap<String, String>,
    ) -> Result<ServerConfig, Problem> {
        let wrong = |detail: String| Problem::new(ProblemCode::Config, detail).server(server);
        let Some(prepared) = self.0.get(template) else {
            return Err(wrong(format!(
                "there is no template `{}`, or templates are not allowed here",
                template.escape_debug()
            )));
        };
        if let Some(unknown) = arguments.keys().find(|name| !prepared.patterns.contains_key(*name))
        {
            let unknown = unknown.escape_debug();
            return Err(wrong(format!("the template has no blank `{unknown}`")));
        }
        for (name, pattern) in &prepared.patterns {
            let Some(value) = arguments.get(name) else {
                return Err(wrong(format!("`{name}` is missing")));
            };
            let is_plain = value.len() <= MAX_VALUE_BYTES && !value.contains(char::is_control);
            if !is_plain || !pattern.is_match(value) {
                return Err(wrong(format!("the value of `{name}` does not fit its pattern")));
            }
        }
        let mut args = Vec::with_capacity(prepared.args.len());
        for pieces in &prepared.args {
            let text = filled(pieces, arguments);
            // What begins with a blank must not become an option, whatever its pattern allows.
            if matches!(pieces.first(), Some(Piece::Blank(_))) && text.starts_with('-') {
                return Err(wrong("a value must not begin with `-` here".to_owned()));
            }
            args.push(text);
        }
        let env = prepared
            .env
            .iter()
            .map(|(name, pieces)| (name.clone(), Secret::new(filled(pieces, arguments))));
        let (command, env) = (prepared.command.clone(), env.collect());
        Ok(ServerConfig::new(server, TransportConfig::Stdio { command, args, env, cwd: None }))
    }
}

fn filled(pieces: &[Piece], arguments: &BTreeMap<String, String>) -> String {
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.as_str(),
        // All are there, as was seen before.
        Piece::Blank(name) => arguments.get(name).map_or("", String::as_str),
    });
    texts.collect()
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn template(json: Value) -> ServerTemplate {
        serde_json::from_value(json).unwrap()
    }

    fn repository() -> Templates {
        Templates::new(&[template(json!({
            "name": "repository", "command": "git-mcp",
            "args": ["--repository", "/srv/git/{repo}", "{branch}"],
            "env": {"MODE": "{mode}"},
            "parameters": {"repo": "[a-z0-9-]+", "branch": ".*", "mode": "ro|rw"},
        }))])
        .unwrap()
    }

    fn fill(repo: &str, branch: &str, mode: &str) -> Result<Vec<String>, Problem> {
        let given = [("repo", repo), ("branch", branch), ("mode", mode)];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let config = repository().fill("mine", "repository", &given)?;
        let TransportConfig::Stdio { command, args, env, .. } = config.transport else { panic!() };
        assert_eq!((&*command, env["MODE"].reveal()), ("git-mcp", mode));
        Ok(args)
    }

    #[test]
    fn blanks_are_filled_in_and_nothing_else() {
        let args = fill("tools", "main; rm -rf / $(id) {repo}", "ro").unwrap();
        assert_eq!(args, ["--repository", "/srv/git/tools", "main; rm -rf / $(id) {repo}"]);
    }

    #[test]
    fn what_does_not_fit_its_pattern_starts_nothing() {
        let long = "a".repeat(MAX_VALUE_BYTES + 1);
        for (repo, branch, mode) in [
            ("../etc", "main", "ro"),
            ("tools/../../etc", "main", "ro"),
            ("tools\n", "main", "ro"),
            ("", "main", "ro"),
            ("tools", "--upload-pack=id", "ro"),
            ("tools", "-c", "ro"),
            ("tools", "a\0b", "ro"),
            ("tools", "a\nb", "ro"),
            ("tools", "main", "rox"),
            ("tools", "main", "xrw"),
            (&long, "main", "ro"),
        ] {
            let problem = fill(repo, branch, mode).unwrap_err();
            assert_eq!(problem.code(), ProblemCode::Config, "{repo:?} {branch:?} {mode:?}");
        }
        let fill = |template: &str, given: Value| {
            let given = serde_json::from_value(given).unwrap();
            repository().fill("mine", template, &given).unwrap_err().detail().to_owned()
        };
        assert!(fill("other", json!({})).contains("no template"));
        assert!(fill("repository", json!({"repo": "a"})).contains("`branch` is missing"));
        assert!(fill("repository", json!({"command": "sh"})).contains("no blank `command`"));
    }

    #[test]
    fn templates_that_cannot_work_are_refused() {
        for (json, word) in [
            (json!({"name": "x", "command": ""}), "`command`"),
            (json!({"name": "x", "command": "{tool}", "parameters": {"tool": "a"}}), "`command`"),
            (json!({"name": "x", "command": "a", "args": ["{b}"]}), "no pattern for `b`"),
            (json!({"name": "x", "command": "a", "parameters": {"b": "c"}}), "no blank `{b}`"),
            (json!({"name": "x", "command": "a", "args": ["{b"]}), "a brace"),
            (json!({"name": "x", "command": "a", "args": ["b}"]}), "a brace"),
            (json!({"name": "x", "command": "a", "args": ["{b-c}"]}), "a brace"),
            (
                json!({"name": "x", "command": "a", "args": ["{b}"], "parameters": {"b": "a)|(?:b"}}),
                "the pattern of `b`",
            ),
        ] {
            let error = template(json).check().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let twice = template(json!({"name": "x", "command": "a"}));
        let error = Templates::new(&[twice.clone(), twice]).unwrap_err();
        assert!(matches!(error, InvalidTemplate::Duplicate { .. }));
        let unknown = json!({"name": "x", "command": "a", "shell": true});
        serde_json::from_value::<ServerTemplate>(unknown).unwrap_err();
        assert_eq!(pieces("{{x}}"), Some(vec![Piece::Text("{x}".to_owned())]));
    }

    #[test]
    fn a_pattern_is_for_the_whole_value() {
        // An alternative must not end the anchor.
        let alternatives = template(json!({
            "name": "x", "command": "a", "args": ["{b}"], "parameters": {"b": "a|b"},
        }));
        let templates = Templates::new(&[alternatives]).unwrap();
        for (value, fits) in [("a", true), ("b", true), ("ax", false), ("xb", false)] {
            let given = [("b".to_owned(), value.to_owned())].into();
            assert_eq!(templates.fill("s", "x", &given).is_ok(), fits, "{value}");
        }
    }
}
