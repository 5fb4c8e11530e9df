//! How a program spells variables, and what it cannot say.

use super::super::{Dialect, Template, Variable, template::Part};

/// Spells the values of one entry.
pub(super) struct Spelling<'a> {
    pub(super) dialect: Dialect,
    server: &'a str,
    notes: &'a mut Vec<String>,
}

impl<'a> Spelling<'a> {
    pub(super) fn new(dialect: Dialect, server: &'a str, notes: &'a mut Vec<String>) -> Self {
        Self { dialect, server, notes }
    }

    pub(super) fn note(&mut self, what: &str) {
        self.notes.push(format!("{} {what}", self.server));
    }

    /// Something that the dialect has no words for.
    pub(super) fn lost(&mut self, what: &str) {
        let dialect = self.dialect.as_str();
        self.note(&format!("loses {what}, which {dialect} has no words for"));
    }

    pub(super) fn text(&mut self, field: &str, template: &Template) -> String {
        let mut text = String::new();
        for part in template.parts() {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Variable(variable) => {
                    if let Some(spelled) = spell(self.dialect, variable) {
                        text.push_str(&spelled);
                    } else {
                        let dialect = self.dialect.as_str();
                        self.note(&format!(
                            "needs the value of {variable} in `{field}`: {dialect} has no such variables"
                        ));
                        text.push_str(&variable.to_string());
                    }
                }
            }
        }
        text
    }
}

fn spell(dialect: Dialect, variable: &Variable) -> Option<String> {
    use Dialect::{ClaudeCode, Cursor, Gemini, OpenCode, VsCode, Windsurf};

    match (dialect, variable) {
        (ClaudeCode, variable) => Some(variable.to_string()),
        (Cursor | VsCode | Windsurf, Variable::Environment { name, default: None }) => {
            Some(format!("${{env:{name}}}"))
        }
        (Gemini, Variable::Environment { name, default: None }) => Some(format!("${{{name}}}")),
        (OpenCode, Variable::Environment { name, default: None }) => {
            Some(format!("{{env:{name}}}"))
        }
        (OpenCode, Variable::File(path)) => Some(format!("{{file:{path}}}")),
        (Windsurf, Variable::File(_))
        | (VsCode, Variable::Input(_))
        | (
            Cursor | VsCode,
            Variable::WorkspaceFolder
            | Variable::WorkspaceFolderBasename
            | Variable::UserHome
            | Variable::PathSeparator,
        ) => Some(variable.to_string()),
        _ => None,
    }
}
