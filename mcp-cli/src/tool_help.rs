//! `mcp call TOOL --help`: what one tool takes, like a page of a manual.

use serde_json::{Value, json};

use crate::{
    args::Output,
    error_report::Result,
    printer::Printer,
    quote::{join, quote},
    schema::{Property, Schema},
    signature::{type_text, value_text},
    terminal_text::{clean, one_line},
    theme::Role,
    tool_view::ToolView,
};

/// Prints the page; the schema itself for programs.
pub(crate) fn print(
    tool: &ToolView,
    server: &str,
    typed: &str,
    command: &[String],
    printer: &mut Printer,
) -> Result<()> {
    if matches!(printer.output(), Output::Json | Output::Ndjson) {
        return printer.json(&json!({"schema": 1, "server": server, "tool": tool.tool}));
    }
    let title = printer.paint(Role::Name, tool.signature().text);
    printer.line(title)?;
    let hints = tool.hints().join(", ");
    let about =
        if hints.is_empty() { format!("of {server}") } else { format!("of {server}, {hints}") };
    let about = printer.paint(Role::Dim, about);
    printer.line(format_args!("  {about}"))?;
    if let Some(description) = &tool.tool.description {
        printer.line("")?;
        for line in clean(description).trim().lines() {
            printer.line(format!("  {line}").trim_end())?;
        }
    }
    let properties = tool.schema().properties();
    if !properties.is_empty() {
        printer.line("")?;
        let heading = printer.paint(Role::Label, "Arguments:");
        printer.line(heading)?;
        print_arguments(&properties, printer)?;
    }
    if let Some(output) = &tool.tool.output_schema {
        let output: Value = output.parse().unwrap_or_default();
        let results = Schema::new(&output).properties();
        if !results.is_empty() {
            printer.line("")?;
            let heading = printer.paint(Role::Label, "Structured result:");
            printer.line(heading)?;
            print_arguments(&results, printer)?;
        }
    }
    printer.line("")?;
    let heading = printer.paint(Role::Label, "Example:");
    printer.line(heading)?;
    let mut example = format!("mcp call {typed}");
    for property in properties.iter().filter(|property| property.required) {
        example.push(' ');
        example.push_str(&quote(&example_argument(property)));
    }
    if !command.is_empty() {
        example.push_str(" -- ");
        example.push_str(&join(command));
    }
    printer.line(format_args!("  {}", one_line(&example)))
}

fn print_arguments(properties: &[Property<'_>], printer: &mut Printer) -> Result<()> {
    let heads: Vec<String> = properties
        .iter()
        .map(|property| format!("{}: {}", one_line(property.name), type_text(property.schema)))
        .collect();
    let column = heads.iter().map(|head| head.chars().count()).max().unwrap_or(0).min(40);
    for (property, head) in properties.iter().zip(&heads) {
        let mut notes = Vec::new();
        if let Some(description) = property.schema.description() {
            notes.push(one_line(description));
        }
        if property.required {
            notes.push("(required)".to_owned());
        }
        if let Some(default) = property.schema.default() {
            notes.push(format!("(default: {})", value_text(default)));
        }
        printer.line(format!("  {head:column$}  {}", notes.join(" ")).trim_end())?;
    }
    Ok(())
}

/// An argument that fits the schema, with a value that is easy to replace.
fn example_argument(property: &Property<'_>) -> String {
    let name = property.name;
    let types = property.schema.types();
    let examples = property.schema.examples();
    if let Some(value) = examples.first().or(property.schema.default()) {
        return match value {
            Value::String(text) => format!("{name}={text}"),
            other if types.string || types.is_any() => format!("{name}:={other}"),
            other => format!("{name}={other}"),
        };
    }
    if let Some(choices) = property.schema.choices()
        && let Some(first) = choices.first()
    {
        return format!(
            "{name}={}",
            first.as_str().map_or_else(|| first.to_string(), str::to_owned)
        );
    }
    let value = if types.string || types.is_any() {
        name.to_uppercase()
    } else if types.number || types.integer {
        "1".to_owned()
    } else if types.boolean {
        "true".to_owned()
    } else if types.array {
        match property.schema.items().map(Schema::types) {
            Some(items) if items.integer || items.number => "1".to_owned(),
            Some(items) if items.object => "[{}]".to_owned(),
            _ => name.to_uppercase(),
        }
    } else {
        "{}".to_owned()
    };
    format!("{name}={value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_fit_the_schema() {
        let schema = json!({"properties": {
            "a": {"type": "number"}, "b": {"type": "string"}, "c": {"enum": ["x", "y"]},
            "d": {"type": "array", "items": {"type": "integer"}}, "e": {"type": "boolean"},
            "f": {"type": "string", "examples": ["two words"]}, "g": {"type": "object"}}});
        let words: Vec<String> =
            Schema::new(&schema).properties().iter().map(example_argument).collect();
        assert_eq!(words, ["a=1", "b=B", "c=x", "d=1", "e=true", "f=two words", "g={}"]);
    }
}
