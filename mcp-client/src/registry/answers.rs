//! What a way to use a server asks of a person, and what it is told.

use std::collections::BTreeMap;

use super::Input;
use crate::config::{Dialect, Template};

/// Answers by the [id](Need::id) of what was asked; several to what may be repeated.
///
/// `${NAME}` and the like in an answer stay variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<String, Vec<Template>>);

impl Answers {
    /// No answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer. Case does not matter in the id, nor the dashes at its start.
    #[must_use]
    pub fn with(mut self, id: &str, answer: &str) -> Self {
        let answer = Template::parse(answer, Dialect::ClaudeCode);
        self.0.entry(fold(id)).or_default().push(answer);
        self
    }

    /// The ids that were answered, without case and dashes.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether this was answered.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains_key(&fold(id))
    }

    fn get(&self, id: &str) -> &[Template] {
        self.0.get(&fold(id)).map_or(&[], Vec::as_slice)
    }
}

fn fold(id: &str) -> String {
    id.trim_start_matches('-').to_ascii_lowercase()
}

/// Something that a way to use a server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Need {
    /// What it is called.
    pub id: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether the server does not work without, and there is no default.
    pub is_required: bool,
    /// Whether nobody may see it. Without an answer it is left to an environment variable.
    pub is_secret: bool,
    /// Whether there may be several.
    pub is_repeated: bool,
    /// The value when nobody says another.
    pub default: Option<String>,
    /// What a value may look like.
    pub placeholder: Option<String>,
    /// The only possible values; any when empty.
    pub choices: Vec<String>,
    /// `string`, `number`, `boolean` or `filepath`.
    pub format: Option<String>,
}

/// A way cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotUsable {
    /// Answers are missing.
    #[error("needs {}", ids.join(", "))]
    Missing {
        /// To what.
        ids: Vec<String>,
    },
    /// An answer cannot be right.
    #[error("`{id}` {reason}")]
    Answer {
        /// To what.
        id: String,
        /// Why.
        reason: String,
    },
    /// Nothing here can start such a server.
    #[error("{0}")]
    Unsupported(String),
}

/// Fills values in, and notes what is asked for on the way.
pub(super) struct Filling<'a> {
    answers: &'a Answers,
    /// Stands before the names of environment variables that are made up for secrets.
    prefix: String,
    pub(super) needs: Vec<Need>,
    missing: Vec<String>,
    wrong: Option<NotUsable>,
}

impl<'a> Filling<'a> {
    pub(super) fn new(server: &str, answers: &'a Answers) -> Self {
        let prefix = variable_name(server);
        Self { answers, prefix, needs: Vec::new(), missing: Vec::new(), wrong: None }
    }

    /// # Errors
    /// Something was missing or wrong.
    pub(super) fn end(self) -> Result<(), NotUsable> {
        match (self.wrong, self.missing) {
            (Some(wrong), _) => Err(wrong),
            (None, ids) if !ids.is_empty() => Err(NotUsable::Missing { ids }),
            _ => Ok(()),
        }
    }

    /// The values of something that is called `id`; none if it is left out. A secret without an
    /// answer becomes `variable`, or one that is made up.
    pub(super) fn values(
        &mut self,
        id: &str,
        input: &Input,
        is_repeated: bool,
        variable: Option<&str>,
    ) -> Vec<Template> {
        if let Some(value) = &input.value {
            return self.text(value, &input.variables).into_iter().collect();
        }
        self.ask(id, input, is_repeated);
        let answers = self.answers.get(id);
        if !answers.is_empty() {
            let answers = if is_repeated { answers } else { &answers[answers.len() - 1..] };
            for answer in answers {
                self.check(id, input, answer);
            }
            return answers.to_vec();
        }
        if input.is_secret && input.is_required {
            let made_up = || format!("{}_{}", self.prefix, variable_name(id));
            return vec![Template::environment(variable.map_or_else(made_up, str::to_owned))];
        }
        if let Some(default) = &input.default {
            return vec![Template::text(default)];
        }
        if input.is_required && !self.missing.iter().any(|known| known == id) {
            self.missing.push(id.to_owned());
        }
        Vec::new()
    }

    /// A text whose `{names}` are variables. Braces that are none stay as they are. `None` when
    /// one of the variables has no value.
    pub(super) fn text(
        &mut self,
        text: &str,
        variables: &BTreeMap<String, Input>,
    ) -> Option<Template> {
        let mut whole = Vec::new();
        let mut complete = true;
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let (before, inside) = rest.split_at(start);
            let name = inside[1..].split_once('}');
            let Some((name, after)) = name.filter(|(name, _)| variables.contains_key(*name)) else {
                whole.push(Template::text(&rest[..=start]));
                rest = &rest[start + 1..];
                continue;
            };
            whole.push(Template::text(before));
            let values = self.values(name, &variables[name], false, None);
            complete &= !values.is_empty();
            whole.extend(values);
            rest = after;
        }
        whole.push(Template::text(rest));
        complete.then(|| whole.into_iter().collect())
    }

    fn ask(&mut self, id: &str, input: &Input, is_repeated: bool) {
        if self.needs.iter().any(|known| known.id == id) {
            return;
        }
        self.needs.push(Need {
            id: id.to_owned(),
            description: input.description.clone(),
            is_required: input.is_required && input.default.is_none(),
            is_secret: input.is_secret,
            is_repeated,
            default: input.default.clone(),
            placeholder: input.placeholder.clone(),
            choices: input.choices.clone(),
            format: input.format.clone(),
        });
    }

    fn check(&mut self, id: &str, input: &Input, answer: &Template) {
        // What a variable holds is not known here.
        let Some(text) = answer.as_text() else { return };
        let reason = if !input.choices.is_empty() && !input.choices.iter().any(|one| one == text) {
            format!("must be one of {}", input.choices.join(", "))
        } else if input.format.as_deref() == Some("number") && text.parse::<f64>().is_err() {
            "must be a number".to_owned()
        } else if input.format.as_deref() == Some("boolean") && !matches!(text, "true" | "false") {
            "must be true or false".to_owned()
        } else {
            return;
        };
        self.wrong.get_or_insert(NotUsable::Answer { id: id.to_owned(), reason });
    }
}

/// `X-API-Key` as the name of an environment variable.
fn variable_name(id: &str) -> String {
    let id = id.replace(|character: char| !character.is_ascii_alphanumeric(), "_");
    id.trim_matches('_').to_ascii_uppercase()
}
