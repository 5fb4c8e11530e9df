//! Configuration values with variables in them.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use super::Dialect;

/// A text with variables, not yet looked up: `Bearer ${TOKEN}`.
///
/// Every file format spells variables in its own way; a template holds what is meant, so that it
/// can be written in another format. `Debug` shows the variables and hides the text between them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Variable(Variable),
}

/// Something that is looked up when a server starts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Variable {
    /// An environment variable, and the text that stands in for it.
    Environment {
        /// Its name.
        name: String,
        /// What is used when it is unset or empty.
        default: Option<String>,
    },
    /// A value that a person is asked for.
    Input(String),
    /// The content of a file, without the line end at its end.
    File(String),
    /// An entry of the keychain.
    Keychain(String),
    /// The folder of the project.
    WorkspaceFolder,
    /// The last name of the folder of the project.
    WorkspaceFolderBasename,
    /// The home folder.
    UserHome,
    /// `/`, or `\` on Windows.
    PathSeparator,
}

impl fmt::Display for Variable {
    /// As our own files spell it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment { name, default: None } => write!(f, "${{{name}}}"),
            Self::Environment { name, default: Some(default) } => {
                write!(f, "${{{name}:-{default}}}")
            }
            Self::Input(id) => write!(f, "${{input:{id}}}"),
            Self::File(path) => write!(f, "${{file:{path}}}"),
            Self::Keychain(name) => write!(f, "${{keyring:{name}}}"),
            Self::WorkspaceFolder => f.write_str("${workspaceFolder}"),
            Self::WorkspaceFolderBasename => f.write_str("${workspaceFolderBasename}"),
            Self::UserHome => f.write_str("${userHome}"),
            Self::PathSeparator => f.write_str("${pathSeparator}"),
        }
    }
}

impl Template {
    /// A text without variables, whatever it looks like.
    pub fn text(text: impl Into<String>) -> Self {
        Self(vec![Part::Text(text.into())])
    }

    /// One variable and nothing else.
    pub fn variable(variable: Variable) -> Self {
        Self(vec![Part::Variable(variable)])
    }

    /// One environment variable and nothing else.
    pub fn environment(name: impl Into<String>) -> Self {
        Self::variable(Variable::Environment { name: name.into(), default: None })
    }

    /// Reads a text as files of this dialect spell variables.
    ///
    /// `${…}` is a variable in every dialect, in those without variables too: nobody wants the
    /// literal `${TOKEN}` to be sent to a server. A `$` that starts none stays as it is.
    pub fn parse(text: &str, dialect: Dialect) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let found = braced(rest, "${")
                .map(|(inside, after)| (Some(dollar(inside)), after))
                .or_else(|| {
                    let (inside, after) =
                        braced(rest, "{").filter(|_| dialect.curly_variables())?;
                    Some((curly(inside), after))
                })
                .or_else(|| bare(rest).filter(|_| dialect.bare_variables()));
            if let Some((Some(variable), after)) = found {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Variable(variable));
                rest = after;
            } else {
                plain.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
        if !plain.is_empty() || parts.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self(parts)
    }

    #[cfg(feature = "config-formats")]
    pub(super) fn parts(&self) -> &[Part] {
        &self.0
    }

    pub(super) fn prefixed(mut self, prefix: &str) -> Self {
        self.0.insert(0, Part::Text(prefix.to_owned()));
        self
    }

    /// The text, if there are no variables.
    pub fn as_text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The variable, if there is nothing else.
    pub fn as_variable(&self) -> Option<&Variable> {
        match self.0.as_slice() {
            [Part::Variable(variable)] => Some(variable),
            _ => None,
        }
    }

    /// The variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Text(_) => None,
        })
    }

    /// Looks everything up.
    ///
    /// # Errors
    /// The variables that have no value.
    pub fn resolve(&self, values: &Variables<'_>) -> Result<String, Vec<Variable>> {
        let mut text = String::new();
        let mut missing = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Variable(variable) => match values.get(variable) {
                    Some(value) => text.push_str(&value),
                    None => missing.push(variable.clone()),
                },
            }
        }
        if missing.is_empty() { Ok(text) } else { Err(missing) }
    }
}

impl FromIterator<Self> for Template {
    /// One after the other.
    fn from_iter<T: IntoIterator<Item = Self>>(templates: T) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for part in templates.into_iter().flat_map(|template| template.0) {
            match (parts.last_mut(), part) {
                (_, Part::Text(text)) if text.is_empty() => {}
                (Some(Part::Text(known)), Part::Text(text)) => known.push_str(&text),
                (_, part) => parts.push(part),
            }
        }
        if parts.is_empty() {
            parts.push(Part::Text(String::new()));
        }
        Self(parts)
    }
}

impl fmt::Display for Template {
    /// The text as our own files spell it, secrets included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Variable(variable) => variable.fmt(f),
        })
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(_) => f.write_str("•••"),
            Part::Variable(variable) => fmt::Display::fmt(variable, f),
        })
    }
}

/// The inside of `open … }` at the start of a text, and what follows.
fn braced<'a>(text: &'a str, open: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(open)?.split_once('}')
}

fn dollar(inside: &str) -> Variable {
    match inside {
        "workspaceFolder" => return Variable::WorkspaceFolder,
        "workspaceFolderBasename" => return Variable::WorkspaceFolderBasename,
        "userHome" => return Variable::UserHome,
        "pathSeparator" | "/" => return Variable::PathSeparator,
        _ => {}
    }
    let inside = match inside.split_once(':') {
        Some(("input", id)) => return Variable::Input(id.to_owned()),
        Some(("file", path)) => return Variable::File(path.to_owned()),
        Some(("keyring" | "keychain", name)) => return Variable::Keychain(name.to_owned()),
        Some(("env", name)) => name,
        _ => inside,
    };
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (inside, None),
    };
    Variable::Environment { name: name.to_owned(), default }
}

/// `{env:X}` and `{file:path}`.
fn curly(inside: &str) -> Option<Variable> {
    match inside.split_once(':')? {
        ("env", name) => Some(Variable::Environment { name: name.to_owned(), default: None }),
        ("file", path) => Some(Variable::File(path.to_owned())),
        _ => None,
    }
}

/// `$NAME` at the start of a text.
fn bare(text: &str) -> Option<(Option<Variable>, &str)> {
    let inside = text.strip_prefix('$')?;
    let end = inside
        .find(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .unwrap_or(inside.len());
    let (name, rest) = inside.split_at(end);
    let starts = name.chars().next().is_some_and(|first| !first.is_ascii_digit());
    let variable = Variable::Environment { name: name.to_owned(), default: None };
    starts.then_some((Some(variable), rest))
}

/// Looks up a name; [`std::env::var`] in programs, a map in tests.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Looks up an entry of a keychain; `None` when it has none of this name, an error when it cannot be
/// used, in words that say what to do.
pub type KeychainLookup<'a> = &'a dyn Fn(&str) -> Result<Option<String>, String>;

/// The values of variables.
#[derive(Clone)]
pub struct Variables<'a> {
    environment: Lookup<'a>,
    inputs: Option<Lookup<'a>>,
    input_defaults: BTreeMap<String, String>,
    keychain: Option<KeychainLookup<'a>>,
    workspace: Option<PathBuf>,
    home: Option<PathBuf>,
}

impl<'a> Variables<'a> {
    /// Values from the environment, files included; nothing else has a value.
    pub fn new(environment: Lookup<'a>) -> Self {
        Self {
            environment,
            inputs: None,
            input_defaults: BTreeMap::new(),
            keychain: None,
            workspace: None,
            home: None,
        }
    }

    /// Values that a person was asked for, by the input's id.
    #[must_use]
    pub fn inputs(mut self, inputs: Lookup<'a>) -> Self {
        self.inputs = Some(inputs);
        self
    }

    pub(super) fn input_defaults(mut self, defaults: BTreeMap<String, String>) -> Self {
        self.input_defaults = defaults;
        self
    }

    /// Values from a keychain; `keychain_entry` reads that of the operating system (feature
    /// `keychain`).
    #[must_use]
    pub fn keychain(mut self, keychain: KeychainLookup<'a>) -> Self {
        self.keychain = Some(keychain);
        self
    }

    /// The folder of the project.
    #[must_use]
    pub fn workspace(mut self, folder: impl Into<PathBuf>) -> Self {
        self.workspace = Some(folder.into());
        self
    }

    /// The home folder; the environment's `HOME` otherwise.
    #[must_use]
    pub fn home(mut self, folder: impl Into<PathBuf>) -> Self {
        self.home = Some(folder.into());
        self
    }

    fn home_folder(&self) -> Option<PathBuf> {
        self.home.clone().or_else(|| (self.environment)("HOME").map(PathBuf::from))
    }

    /// The value of a variable.
    pub fn get(&self, variable: &Variable) -> Option<String> {
        let shown = |folder: PathBuf| folder.into_os_string().into_string().ok();
        match variable {
            Variable::Environment { name, default: None } => (self.environment)(name),
            Variable::Environment { name, default: Some(default) } => (self.environment)(name)
                .filter(|value| !value.is_empty())
                .or_else(|| Some(default.clone())),
            Variable::Input(id) => self
                .inputs
                .and_then(|inputs| inputs(id))
                .or_else(|| self.input_defaults.get(id).cloned()),
            Variable::Keychain(name) => (self.keychain?)(name).ok().flatten(),
            Variable::File(path) => self.content(path),
            Variable::WorkspaceFolder => shown(self.workspace.clone()?),
            Variable::WorkspaceFolderBasename => {
                Some(self.workspace.as_ref()?.file_name()?.to_str()?.to_owned())
            }
            Variable::UserHome => shown(self.home_folder()?),
            Variable::PathSeparator => Some(std::path::MAIN_SEPARATOR_STR.to_owned()),
        }
    }

    /// Why a variable has no value, where more is known than that.
    pub(super) fn trouble(&self, variable: &Variable) -> Option<String> {
        let Variable::Keychain(name) = variable else { return None };
        match (self.keychain?)(name) {
            Ok(Some(_)) => None,
            Ok(None) => Some("the keychain has no such entry".to_owned()),
            Err(trouble) => Some(trouble),
        }
    }

    fn content(&self, path: &str) -> Option<String> {
        let path = match path.strip_prefix("~/") {
            Some(rest) => self.home_folder()?.join(rest),
            None => Path::new(path).to_owned(),
        };
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables").field("workspace", &self.workspace).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_by_table() {
        let lookup = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            "HOME" => Some("/home/me".to_owned()),
            _ => None,
        };
        let inputs = |id: &str| (id == "token").then(|| "typed".to_owned());
        let values = Variables::new(&lookup).inputs(&inputs).workspace("/src/app");
        for (dialect, text, expected) in [
            (Dialect::ClaudeCode, "plain", Ok("plain")),
            (Dialect::ClaudeCode, "", Ok("")),
            (Dialect::ClaudeCode, "${A}", Ok("1")),
            (Dialect::ClaudeCode, "x${A}y${A}z", Ok("x1y1z")),
            (Dialect::ClaudeCode, "${env:A}", Ok("1")),
            (Dialect::ClaudeCode, "${B:-d}", Ok("d")),
            (Dialect::ClaudeCode, "${B:-http://h}", Ok("http://h")),
            (Dialect::ClaudeCode, "${EMPTY:-d}", Ok("d")),
            (Dialect::ClaudeCode, "${EMPTY}", Ok("")),
            (Dialect::ClaudeCode, "${B:-}", Ok("")),
            (Dialect::ClaudeCode, "$A ${", Ok("$A ${")),
            (Dialect::ClaudeCode, "{env:A}", Ok("{env:A}")),
            (Dialect::ClaudeCode, "${B} ${C}", Err("${B} ${C}")),
            (Dialect::ClaudeCode, "é${A}é", Ok("é1é")),
            (Dialect::VsCode, "${input:token}", Ok("typed")),
            (Dialect::VsCode, "${input:other}", Err("${input:other}")),
            (Dialect::VsCode, "${workspaceFolder}/x", Ok("/src/app/x")),
            (Dialect::VsCode, "${workspaceFolderBasename}", Ok("app")),
            (Dialect::Cursor, "${userHome}/x", Ok("/home/me/x")),
            (Dialect::Gemini, "$A/$B-$1 $", Err("${B}")),
            (Dialect::Gemini, "$A-$1 $", Ok("1-$1 $")),
            (Dialect::OpenCode, "{env:A}{x:A}{", Ok("1{x:A}{")),
            (Dialect::OpenCode, "{file:/nowhere/at/all}", Err("${file:/nowhere/at/all}")),
        ] {
            let template = Template::parse(text, dialect);
            let result = template.resolve(&values).map_err(|missing| {
                missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(
                result,
                expected.map(str::to_owned).map_err(str::to_owned),
                "{dialect:?} {text}"
            );
        }
    }

    #[test]
    fn a_files_content_is_a_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let template = Template::parse(&format!("${{file:{}}}", file.display()), Dialect::Windsurf);
        assert_eq!(template.resolve(&Variables::new(&|_| None)).unwrap(), "s3cret");
    }

    #[test]
    fn a_keychain_says_why_it_has_no_value() {
        let keychain = |name: &str| match name {
            "there" => Ok(Some("s3cret".to_owned())),
            "locked" => Err("unlock it".to_owned()),
            _ => Ok(None),
        };
        let values = Variables::new(&|_| None).keychain(&keychain);
        let read = |name: &str| {
            let template = Template::parse(&format!("${{keyring:{name}}}"), Dialect::ClaudeCode);
            template.resolve(&values).map_err(|missing| values.trouble(&missing[0]))
        };
        assert_eq!(read("there"), Ok("s3cret".to_owned()));
        assert_eq!(read("locked"), Err(Some("unlock it".to_owned())));
        assert_eq!(read("else"), Err(Some("the keychain has no such entry".to_owned())));
    }

    #[test]
    fn debug_hides_the_text() {
        let template = Template::parse("Bearer abc ${TOKEN}", Dialect::ClaudeCode);
        assert_eq!(format!("{template:?}"), "•••${TOKEN}");
        assert_eq!(template.to_string(), "Bearer abc ${TOKEN}");
    }
}
