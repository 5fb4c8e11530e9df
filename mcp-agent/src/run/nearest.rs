//! What the model reads when it calls a tool that does not exist.

use crate::model::ToolDefinition;

const SHOWN: usize = 5;

pub(super) fn no_such_tool(name: &str, tools: &[ToolDefinition]) -> String {
    if tools.is_empty() {
        return format!("there is no tool `{name}`; there are no tools at all, answer in words");
    }
    let mut ranked: Vec<_> =
        tools.iter().map(|tool| (likeness(name, &tool.name), tool.name.as_str())).collect();
    // The order of equal ones is that of the tools.
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
    ranked.truncate(SHOWN);
    let names: Vec<_> = ranked.iter().map(|(_, name)| format!("`{name}`")).collect();
    let others = match tools.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} others"),
    };
    format!(
        "there is no tool `{name}`; the tools are {}{others}. Call one of them by its exact name, \
         or answer in words",
        names.join(", ")
    )
}

/// Models leave prefixes out, so a name that ends like the wanted one is near.
fn likeness(wanted: &str, name: &str) -> f64 {
    let (wanted, name) = (wanted.to_lowercase(), name.to_lowercase());
    let ending = if name.ends_with(&wanted) || wanted.ends_with(&name) { 1.0 } else { 0.0 };
    strsim::jaro_winkler(&wanted, &name).max(ending)
}
