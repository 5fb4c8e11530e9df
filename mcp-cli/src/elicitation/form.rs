//! A form, filled line by line.

use mcp_protocol::{
    elicitation::{
        ElicitFormParams, ElicitResult, FormSchema, NumberKind, PrimitiveSchema, StringFormat,
    },
    jsonrpc::ErrorObject,
    object::Object,
};
use serde_json::{Number, Value};

use super::{Dialogue, quoted};
use crate::terminal_text::one_line;

/// Lets a person fill a form. Nothing is sent that they have not seen and agreed to; the end of the
/// input cancels.
pub(super) async fn fill(
    form: &ElicitFormParams,
    server: &str,
    person: &impl Dialogue,
) -> Result<ElicitResult, ErrorObject> {
    let schema = &form.requested_schema;
    let server = one_line(server);
    person.say(format_args!("`{server}` asks:"));
    person.say(quoted(&form.message));
    let has_fields = !schema.properties.is_empty();
    if has_fields {
        person.say("  Never type passwords or keys here: servers may not ask for them in a form.");
    }
    match choose("answer? [y]es  [d]ecline  [c]ancel:", "ydc", has_fields, person).await? {
        Some('y') => (),
        Some('d') => return Ok(ElicitResult::decline()),
        _ => return Ok(ElicitResult::cancel()),
    }
    if !has_fields {
        return Ok(ElicitResult::accept(Object::new()));
    }
    let start = |(_, field): &(String, PrimitiveSchema)| field.default_value();
    let mut values: Vec<Option<Value>> = schema.properties.iter().map(start).collect();
    loop {
        for ((name, field), value) in schema.properties.iter().zip(&mut values) {
            let asked = Field { name, schema: field, is_required: schema.is_required(name) };
            match asked.ask(value.take(), person).await? {
                Some(answer) => *value = answer,
                None => return Ok(ElicitResult::cancel()),
            }
        }
        person.say(format_args!("`{server}` would get:"));
        for ((name, field), value) in schema.properties.iter().zip(&values) {
            let shown = value.as_ref().map_or_else(|| "(nothing)".to_owned(), |v| show(field, v));
            person.say(format_args!("  {}: {shown}", one_line(name)));
        }
        match choose("[s]end  [e]dit  [d]ecline  [c]ancel:", "sedc", false, person).await? {
            Some('s') => {
                let names = schema.properties.iter().map(|(name, _)| name.as_str());
                let filled = names.zip(values).filter_map(|(name, value)| Some((name, value?)));
                return Ok(ElicitResult::accept(filled.collect()));
            }
            Some('d') => return Ok(ElicitResult::decline()),
            Some('e') => (),
            _ => return Ok(ElicitResult::cancel()),
        }
    }
}

/// One of these letters, or a word that begins with it; the first one on Enter where that is
/// allowed. `None` when the input has ended.
async fn choose(
    question: &str,
    letters: &str,
    takes_enter: bool,
    person: &impl Dialogue,
) -> Result<Option<char>, ErrorObject> {
    loop {
        let Some(line) = person.ask(question).await? else { return Ok(None) };
        match line.trim().chars().next() {
            None if takes_enter => return Ok(letters.chars().next()),
            Some(first) if letters.contains(first.to_ascii_lowercase()) => {
                return Ok(Some(first.to_ascii_lowercase()));
            }
            _ => (),
        }
    }
}

/// A field that is asked for.
struct Field<'a> {
    name: &'a str,
    schema: &'a PrimitiveSchema,
    is_required: bool,
}

impl Field<'_> {
    /// The value, `Some(None)` to leave it out, or `None` when the input has ended.
    async fn ask(
        &self,
        now: Option<Value>,
        person: &impl Dialogue,
    ) -> Result<Option<Option<Value>>, ErrorObject> {
        let name = one_line(self.name);
        let title = self.schema.title().map(one_line).filter(|title| *title != name);
        let title = title.map(|title| format!("{title}: ")).unwrap_or_default();
        let need = if self.is_required { "required" } else { "optional" };
        person.say(format_args!("{title}{} ({need})", kind(self.schema)));
        if let Some(description) = self.schema.description() {
            person.say(quoted(description));
        }
        for (index, option) in self.schema.options().unwrap_or_default().iter().enumerate() {
            person.say(format_args!("  {}) {}", index + 1, one_line(option.display_name())));
        }
        // A default would be filled in again.
        let can_clear = !self.is_required && self.schema.default_value().is_none();
        let question = match &now {
            Some(now) if can_clear => format!("{name} [{}, - for none]:", show(self.schema, now)),
            Some(now) => format!("{name} [{}]:", show(self.schema, now)),
            None => format!("{name}:"),
        };
        loop {
            let Some(line) = person.ask(&question).await? else { return Ok(None) };
            let value = match line.trim() {
                "" => match &now {
                    Some(now) => Ok(now.clone()),
                    None if self.is_required => Err("must be filled".to_owned()),
                    None => return Ok(Some(None)),
                },
                "-" if can_clear && now.is_some() => return Ok(Some(None)),
                _ => read(self.schema, &line),
            };
            match value.and_then(|value| self.check(value)) {
                Ok(value) => return Ok(Some(Some(value))),
                Err(rule) => person.say(format_args!("  {name} {}", one_line(&rule))),
            }
        }
    }

    fn check(&self, value: Value) -> Result<Value, String> {
        let alone = FormSchema::new().required(self.name, self.schema.clone());
        let answer = Object::from_iter([(self.name, value.clone())]);
        alone.check(&answer).map_err(|invalid| invalid.rule)?;
        Ok(value)
    }
}

/// What is to be typed.
fn kind(field: &PrimitiveSchema) -> String {
    match field {
        PrimitiveSchema::String(text) => match &text.format {
            Some(StringFormat::Email) => "an e-mail address".to_owned(),
            Some(StringFormat::Uri) => "a URI".to_owned(),
            Some(StringFormat::Date) => "a date, such as 2026-07-28".to_owned(),
            Some(StringFormat::DateTime) => "a moment, such as 2026-07-28T09:30:00Z".to_owned(),
            _ => "text".to_owned(),
        },
        PrimitiveSchema::Number(number) => {
            let kind = match number.kind {
                NumberKind::Integer => "a whole number",
                NumberKind::Number => "a number",
            };
            match (&number.minimum, &number.maximum) {
                (Some(least), Some(most)) => format!("{kind} from {least} to {most}"),
                (Some(least), None) => format!("{kind}, {least} or more"),
                (None, Some(most)) => format!("{kind}, {most} or less"),
                (None, None) => kind.to_owned(),
            }
        }
        PrimitiveSchema::Boolean(_) => "yes or no".to_owned(),
        PrimitiveSchema::SingleSelect(_) | PrimitiveSchema::LegacyTitled(_) => {
            "one of these, by its number".to_owned()
        }
        PrimitiveSchema::MultiSelect(_) => {
            "some of these, by their numbers with commas; `none` for none".to_owned()
        }
        _ => "JSON or text".to_owned(),
    }
}

/// Reads a line that is not empty; the error stands after the field's name.
fn read(field: &PrimitiveSchema, line: &str) -> Result<Value, String> {
    let word = line.trim();
    match field {
        PrimitiveSchema::String(_) => Ok(line.into()),
        PrimitiveSchema::Number(_) => {
            word.parse::<Number>().map(Value::Number).map_err(|_| "must be a number".to_owned())
        }
        PrimitiveSchema::Boolean(_) => match word.to_ascii_lowercase().as_str() {
            "y" | "yes" | "true" => Ok(true.into()),
            "n" | "no" | "false" => Ok(false.into()),
            _ => Err("must be yes or no".to_owned()),
        },
        PrimitiveSchema::SingleSelect(_) | PrimitiveSchema::LegacyTitled(_) => {
            pick(field, word).map(Value::String)
        }
        PrimitiveSchema::MultiSelect(_) if word.eq_ignore_ascii_case("none") => {
            Ok(Value::Array(Vec::new()))
        }
        PrimitiveSchema::MultiSelect(_) => {
            let mut chosen = Vec::new();
            for part in word.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                let value = Value::String(pick(field, part)?);
                if !chosen.contains(&value) {
                    chosen.push(value);
                }
            }
            Ok(Value::Array(chosen))
        }
        _ => Ok(serde_json::from_str(word).unwrap_or_else(|_| line.into())),
    }
}

/// An option by the number that is shown beside it, or by its name or value.
fn pick(field: &PrimitiveSchema, word: &str) -> Result<String, String> {
    let options = field.options().unwrap_or_default();
    let numbered =
        word.parse::<usize>().ok().and_then(|number| options.get(number.checked_sub(1)?));
    let found = numbered
        .or_else(|| options.iter().find(|option| option.value == word))
        .or_else(|| options.iter().find(|option| option.display_name() == word));
    found
        .map(|option| option.value.clone())
        .ok_or_else(|| format!("must be a number from 1 to {}", options.len()))
}

/// A value as the person knows it.
fn show(field: &PrimitiveSchema, value: &Value) -> String {
    let options = field.options().unwrap_or_default();
    let named = |value: &Value| match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => {
            let option = options.iter().find(|option| option.value == *text);
            one_line(option.map_or(text.as_str(), |option| option.display_name()))
        }
        other => one_line(&other.to_string()),
    };
    match value {
        Value::Array(several) if several.is_empty() => "none".to_owned(),
        Value::Array(several) => several.iter().map(named).collect::<Vec<_>>().join(", "),
        one => named(one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::Script, *};

    /// What is sent, or the other decision; and what was on the screen.
    async fn filled(fields: Value, required: &[&str], typed: &[&str]) -> (Value, String) {
        let schema = json!({"type": "object", "properties": fields, "required": required});
        let form = ElicitFormParams::new(
            "Tell us\u{1b}]0;evil\u{7} more",
            serde_json::from_value(schema).unwrap(),
        );
        let person = Script::of(typed);
        let result = fill(&form, "shop", &person).await.unwrap();
        let result = serde_json::to_value(result).unwrap();
        (result.get("content").unwrap_or(&result["action"]).clone(), person.seen())
    }

    #[tokio::test]
    async fn every_kind_of_field_is_read() {
        for (field, typed, want) in [
            (json!({"type": "string"}), "Ada L", json!("Ada L")),
            (json!({"type": "integer"}), "7", json!(7)),
            (json!({"type": "number"}), "-1.5", json!(-1.5)),
            (json!({"type": "boolean"}), "Yes", json!(true)),
            (json!({"type": "boolean"}), "n", json!(false)),
            (json!({"type": "string", "enum": ["a", "b"]}), "2", json!("b")),
            (json!({"type": "string", "enum": ["a", "b"]}), "a", json!("a")),
            (
                json!({"type": "string", "oneOf": [{"const": "r", "title": "Red"}]}),
                "Red",
                json!("r"),
            ),
            (
                json!({"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}),
                "2",
                json!("g"),
            ),
            (
                json!({"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}}),
                "3, 1,3",
                json!(["c", "a"]),
            ),
            (
                json!({"type": "array", "items": {"type": "string", "enum": ["a"]}}),
                "none",
                json!([]),
            ),
        ] {
            let (got, seen) = filled(json!({"x": field}), &["x"], &["", typed, "s"]).await;
            assert_eq!(got, json!({"x": want}), "{seen}");
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_is_asked_again() {
        for (field, wrong, rule) in [
            (json!({"type": "string"}), "", "must be filled"),
            (json!({"type": "string", "minLength": 3}), "ab", "3 characters or more"),
            (json!({"type": "string", "format": "email"}), "nobody", "e-mail address"),
            (json!({"type": "integer", "maximum": 9}), "10", "must be 9 or less"),
            (json!({"type": "integer"}), "seven", "must be a number"),
            (json!({"type": "boolean"}), "perhaps", "must be yes or no"),
            (json!({"type": "string", "enum": ["a", "b"]}), "3", "a number from 1 to 2"),
            (
                json!({"type": "array", "maxItems": 1, "items": {"enum": ["a", "b"], "type": "string"}}),
                "1,2",
                "1 entries or fewer",
            ),
        ] {
            let (got, seen) = filled(json!({"x": field}), &["x"], &["y", wrong]).await;
            assert_eq!(got, "cancel");
            assert!(seen.contains(&format!("x {rule}")) || seen.contains(rule), "{seen}");
            assert_eq!(seen.matches("\nx: ").count(), 2, "{seen}");
        }
    }

    #[tokio::test]
    async fn defaults_are_shown_and_taken_and_can_be_edited() {
        let fields = json!({
            "name": {"type": "string", "title": "Your name", "description": "As on\nthe card"},
            "size": {"type": "string", "oneOf": [
                {"const": "s", "title": "Small"}, {"const": "l", "title": "Large"}
            ], "default": "l"},
            "note": {"type": "string"},
        });
        let typed = ["y", "Ada", "", "hi", "e", "Bob", "1", "-", "send"];
        let (got, seen) = filled(fields.clone(), &["name"], &typed).await;
        assert_eq!(got, json!({"name": "Bob", "size": "s"}), "{seen}");
        for shown in [
            "`shop` asks:\n  Tell us more\n",
            "Never type passwords",
            "Your name: text (required)\n  As on\n  the card\nname: Ada",
            "  1) Small\n  2) Large\nsize [Large]: ",
            "`shop` would get:\n  name: Ada\n  size: Large\n  note: hi\n",
            "name [Ada]: Bob",
            "note [hi, - for none]: -",
            "  size: Small\n  note: (nothing)\n",
        ] {
            assert!(seen.contains(shown), "{shown:?} in {seen}");
        }
        assert!(!seen.contains('\u{1b}'), "{seen:?}");
    }

    #[tokio::test]
    async fn nothing_is_sent_without_a_yes() {
        let fields = json!({"x": {"type": "string", "default": "d"}});
        for (typed, want) in [
            (&["d"][..], json!("decline")),
            (&["c"], json!("cancel")),
            (&[], json!("cancel")),
            (&["y"], json!("cancel")),
            (&["y", ""], json!("cancel")),
            (&["y", "", "d"], json!("decline")),
            (&["y", "", "", "?"], json!("cancel")),
            (&["y", "", "s"], json!({"x": "d"})),
        ] {
            assert_eq!(filled(fields.clone(), &[], typed).await.0, want, "{typed:?}");
        }
        // Where there is nothing to fill, Enter is no yes.
        assert_eq!(filled(json!({}), &[], &[""]).await.0, "cancel");
        assert_eq!(filled(json!({}), &[], &["y"]).await.0, json!({}));
    }
}
