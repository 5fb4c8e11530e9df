//! Which server is meant, and which of its tools: pure reading of words.

use std::{fmt, path::PathBuf};

/// One server, as a word on the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A name from the configuration.
    Name(String),
    /// An address.
    Url(String),
    /// A program and its arguments.
    Command(Vec<String>),
    /// A server of a configuration file that is named here.
    File {
        /// The file.
        file: PathBuf,
        /// The server's name in it.
        name: String,
    },
}

/// A word that names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    /// Nothing is there.
    #[error("the name of a server is empty")]
    Empty,
    /// An address that this program cannot speak to.
    #[error("cannot connect to `{0}`: known are http(s)://, ws(s)://, tcp://, unix://, stdio://")]
    Scheme(String),
    /// A command with an open quote.
    #[error("a quote is not closed in the command `{0}`")]
    Quote(String),
    /// `file.json#` without a name.
    #[error("`{0}` names no server: write FILE#NAME")]
    FileWithoutName(String),
    /// No word for the tool or the prompt.
    #[error("which {0}? None is named")]
    NothingNamed(Kind),
}

/// What the server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
        })
    }
}

impl Target {
    /// Reads one word.
    pub(crate) fn parse(word: &str) -> Result<Self, TargetError> {
        if word.trim().is_empty() {
            return Err(TargetError::Empty);
        }
        if let Some((scheme, _)) = word.split_once("://")
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        {
            return match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" | "ws" | "wss" | "tcp" | "unix" | "stdio" => {
                    Ok(Self::Url(word.to_owned()))
                }
                _ => Err(TargetError::Scheme(word.to_owned())),
            };
        }
        if word.contains(char::is_whitespace) {
            let command =
                shell_words::split(word).map_err(|_| TargetError::Quote(word.to_owned()))?;
            return Ok(Self::Command(command));
        }
        match word.rsplit_once('#') {
            Some((_, "")) => Err(TargetError::FileWithoutName(word.to_owned())),
            Some((file, name)) if !file.is_empty() => {
                Ok(Self::File { file: file.into(), name: name.to_owned() })
            }
            _ => Ok(Self::Name(word.to_owned())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Url(url) => f.write_str(url),
            Self::Command(words) => f.write_str(&crate::quote::join(words)),
            Self::File { file, name } => write!(f, "{}#{name}", file.display()),
        }
    }
}

/// A tool or a prompt, where to look for it, and how many words said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The server; `None` asks all configured servers for the only one that has it.
    pub(crate) server: Option<Target>,
    /// The tool's or prompt's own name.
    pub(crate) name: String,
    /// The number of words that are used up; the rest are arguments.
    pub(crate) words: usize,
}

/// Finds the tool or prompt that the first words name.
///
/// `known` are the configured names; `command` are the words after `--`.
pub(crate) fn member(
    kind: Kind,
    words: &[String],
    known: &[&str],
    command: &[String],
) -> Result<Member, TargetError> {
    let first = words.first().ok_or(TargetError::NothingNamed(kind))?;
    if !command.is_empty() {
        let server = Some(Target::Command(command.to_vec()));
        return Ok(Member { server, name: first.clone(), words: 1 });
    }
    if let Some((server, name)) = first.strip_prefix("mcp__").and_then(|rest| {
        let at_known = longest_known(known, rest, &["__"]);
        at_known.or_else(|| rest.split_once("__")).filter(|(server, _)| !server.is_empty())
    }) {
        return Ok(named(server, name));
    }
    let target = match Target::parse(first)? {
        Target::File { file, name: inside } => {
            // `file.json#server.tool`, or the tool as a word of its own.
            if let Some((server, name)) = split_name(&inside) {
                let server = Some(Target::File { file, name: server.to_owned() });
                return Ok(Member { server, name: name.to_owned(), words: 1 });
            }
            Target::File { file, name: inside }
        }
        Target::Name(word) => {
            if !known.contains(&word.as_str()) {
                if let Some((server, name)) =
                    longest_known(known, &word, &[".", "/"]).or_else(|| split_name(&word))
                {
                    return Ok(named(server, name));
                }
                return Ok(Member { server: None, name: word, words: 1 });
            }
            // A tool may carry the name of a server; without a second word it is meant.
            if words.get(1).is_none_or(|word| is_argument(word)) {
                return Ok(Member { server: None, name: word, words: 1 });
            }
            Target::Name(word)
        }
        other => other,
    };
    match words.get(1) {
        Some(name) if !is_argument(name) => {
            Ok(Member { server: Some(target), name: name.clone(), words: 2 })
        }
        _ => Err(TargetError::NothingNamed(kind)),
    }
}

/// Whether a word can only be an argument, never the name of a tool.
fn is_argument(word: &str) -> bool {
    word == "-" || word.starts_with(['{', '@']) || word.contains('=')
}

fn named(server: &str, name: &str) -> Member {
    let server = Some(Target::Name(server.to_owned()));
    Member { server, name: name.to_owned(), words: 1 }
}

fn split_name(word: &str) -> Option<(&str, &str)> {
    let (server, name) = word.split_once(['.', '/'])?;
    (!server.is_empty() && !name.is_empty()).then_some((server, name))
}

/// Splits after the longest configured name that a separator follows.
fn longest_known<'a>(
    known: &[&str],
    word: &'a str,
    separators: &[&str],
) -> Option<(&'a str, &'a str)> {
    known
        .iter()
        .filter_map(|name| {
            let rest = word.strip_prefix(name)?;
            let tool = separators.iter().find_map(|separator| rest.strip_prefix(separator))?;
            (!tool.is_empty()).then_some((&word[..name.len()], tool))
        })
        .max_by_key(|(server, _)| server.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn reads_targets() {
        for (word, want) in [
            ("fs", Ok(Target::Name("fs".into()))),
            ("https://h/mcp#x", Ok(Target::Url("https://h/mcp#x".into()))),
            ("HTTP://h", Ok(Target::Url("HTTP://h".into()))),
            ("npx -y 'a b'", Ok(Target::Command(words(&["npx", "-y", "a b"])))),
            ("a.json#fs", Ok(Target::File { file: "a.json".into(), name: "fs".into() })),
            ("a.json#", Err(TargetError::FileWithoutName("a.json#".into()))),
            ("wss://h/mcp", Ok(Target::Url("wss://h/mcp".into()))),
            ("unix:///run/s.sock", Ok(Target::Url("unix:///run/s.sock".into()))),
            ("stdio://npx?arg=x", Ok(Target::Url("stdio://npx?arg=x".into()))),
            ("ftp://h", Err(TargetError::Scheme("ftp://h".into()))),
            ("npx 'a", Err(TargetError::Quote("npx 'a".into()))),
            (" ", Err(TargetError::Empty)),
        ] {
            assert_eq!(Target::parse(word), want, "{word}");
        }
    }

    #[test]
    fn reads_members() {
        let known = ["fs", "my.files", "ev", "a__b", "a"];
        let name = |name: &str| Some(Target::Name(name.to_owned()));
        for (text, server, tool, used) in [
            (&["fs.read", "path=x"][..], name("fs"), "read", 1),
            (&["fs/read"], name("fs"), "read", 1),
            (&["fs", "read", "path=x"], name("fs"), "read", 2),
            (&["mcp__fs__read"], name("fs"), "read", 1),
            (&["mcp__fs__read__all"], name("fs"), "read__all", 1),
            (&["mcp__a__b__c"], name("a__b"), "c", 1),
            (&["my.files.read"], name("my.files"), "read", 1),
            (&["fs.admin.list"], name("fs"), "admin.list", 1),
            (&["nosuch.read"], name("nosuch"), "read", 1),
            (&["read"], None, "read", 1),
            (&["fs", "path=x"], None, "fs", 1),
            (&["ev"], None, "ev", 1),
            (&["echo", "{}"], None, "echo", 1),
            (&["https://h/mcp", "echo"], Some(Target::Url("https://h/mcp".into())), "echo", 2),
            (&["node s.js", "echo"], Some(Target::Command(words(&["node", "s.js"]))), "echo", 2),
            (
                &["a.json#fs.read"],
                Some(Target::File { file: "a.json".into(), name: "fs".into() }),
                "read",
                1,
            ),
            (
                &["a.json#fs", "read"],
                Some(Target::File { file: "a.json".into(), name: "fs".into() }),
                "read",
                2,
            ),
        ] {
            let found = member(Kind::Tool, &words(text), &known, &[]).unwrap();
            assert_eq!(found, Member { server, name: tool.into(), words: used }, "{text:?}");
        }
        let command = words(&["node", "s.js"]);
        let found = member(Kind::Tool, &words(&["x.y", "a=1"]), &known, &command).unwrap();
        assert_eq!(
            found,
            Member { server: Some(Target::Command(command)), name: "x.y".into(), words: 1 }
        );
        for text in [&[][..], &["https://h/mcp"], &["https://h/mcp", "a=1"]] {
            let error = member(Kind::Tool, &words(text), &known, &[]).unwrap_err();
            assert_eq!(error.to_string(), "which tool? None is named", "{text:?}");
        }
    }
}
