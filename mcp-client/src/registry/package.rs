//! The command that starts a server from a package.

use std::collections::BTreeMap;

use super::{Argument, Input, Kind, NotUsable, Package, Wire, answers::Filling};
use crate::config::Template;

/// A command line, with its environment.
pub(super) struct Started {
    pub(super) command: Template,
    pub(super) args: Vec<Template>,
    pub(super) env: BTreeMap<String, Template>,
}

/// How a package of this kind is started. There is never a shell.
pub(super) fn start(
    package: &Package,
    kind: Kind,
    filling: &mut Filling<'_>,
) -> Result<Started, NotUsable> {
    let known: &[&str] = match kind {
        Kind::Npm => &["npx", "bunx"],
        Kind::Pypi => &["uvx"],
        Kind::Oci => &["docker", "podman"],
        Kind::Nuget => &["dnx"],
        Kind::Mcpb => {
            return unsupported(format!(
                "is a bundle: download {}, check that its SHA-256 is {}, unpack it and add its \
                 command with `mcp add NAME -- COMMAND`",
                package.identifier,
                package.file_sha256.as_deref().unwrap_or("what its publisher says"),
            ));
        }
        _ => {
            let from = &package.registry_type;
            let name = &package.identifier;
            return unsupported(format!(
                "comes from `{from}`, for which there is no runner: install `{name}` and add its \
                 command with `mcp add NAME -- COMMAND`"
            ));
        }
    };
    if let Wire::StreamableHttp { url } | Wire::Sse { url } = &package.transport {
        let name = &package.identifier;
        return unsupported(format!(
            "listens at {url} once it runs: start the package `{name}` yourself and add that URL"
        ));
    }
    let hinted = package.runtime_hint.as_deref().filter(|hint| known.contains(hint));
    let command = Template::text(hinted.unwrap_or(known[0]));
    let runtime = arguments(&package.runtime_arguments, filling);
    let own = arguments(&package.package_arguments, filling);
    let mut env = BTreeMap::new();
    for variable in &package.environment_variables {
        let Some(name) = &variable.name else { continue };
        if let Some(value) = filling.values(name, variable, false, Some(name)).pop() {
            env.insert(name.clone(), value);
        }
    }
    let word = |text: &str| Template::text(text);
    let says = |option: &str| runtime.iter().any(|arg| arg.as_text() == Some(option));
    let mut args = Vec::new();
    match kind {
        Kind::Npm => {
            // A question of npx would never be answered.
            if hinted != Some("bunx") && !says("-y") && !says("--yes") {
                args.push(word("-y"));
            }
            args.extend(runtime);
            args.push(at_version(package));
        }
        Kind::Oci => {
            args.push(word("run"));
            let wanted = ["-i", "--rm"].into_iter().filter(|option| !says(option));
            args.extend(wanted.map(word));
            // By name alone: values on a command line can be read by everybody.
            args.extend(env.keys().flat_map(|name| [word("-e"), word(name)]));
            // Some publishers write the whole of `docker run`.
            args.extend(runtime.into_iter().skip_while(|arg| arg.as_text() == Some("run")));
            args.push(Template::text(image(package)));
        }
        Kind::Nuget => {
            args.push(at_version(package));
            let asked = says("--yes") || says("-y");
            args.extend(runtime);
            if !asked {
                args.push(word("--yes"));
            }
            if !own.is_empty() {
                args.push(word("--"));
            }
        }
        _ => {
            args.extend(runtime);
            args.push(at_version(package));
        }
    }
    args.extend(own);
    Ok(Started { command, args, env })
}

fn unsupported<T>(reason: String) -> Result<T, NotUsable> {
    Err(NotUsable::Unsupported(reason))
}

fn at_version(package: &Package) -> Template {
    Template::text(match &package.version {
        Some(version) => format!("{}@{version}", package.identifier),
        None => package.identifier.clone(),
    })
}

/// Registry, name and tag of an image. Newer entries hold all of it in the identifier.
fn image(package: &Package) -> String {
    let name = &package.identifier;
    let last = name.rsplit('/').next().unwrap_or(name);
    let has_tag = name.contains('@') || last.contains(':');
    let tag = package.version.as_ref().filter(|_| !has_tag);
    let host = package.registry_base_url.as_deref().and_then(|url| {
        let host = url.trim_start_matches("https://").trim_end_matches('/');
        let usual = matches!(host, "docker.io" | "registry-1.docker.io" | "index.docker.io");
        (!usual && !name.starts_with(host)).then_some(host)
    });
    let host = host.map_or(String::new(), |host| format!("{host}/"));
    let tag = tag.map_or(String::new(), |tag| format!(":{tag}"));
    format!("{host}{name}{tag}")
}

fn arguments(arguments: &[Argument], filling: &mut Filling<'_>) -> Vec<Template> {
    let mut words = Vec::new();
    for (place, argument) in arguments.iter().enumerate() {
        match argument {
            Argument::Positional { value_hint, is_repeated, input } => {
                let id = value_hint.clone().unwrap_or_else(|| format!("argument-{}", place + 1));
                words.extend(filling.values(&id, input, *is_repeated, None));
            }
            Argument::Named { is_repeated, input } => {
                let Some(name) = &input.name else { continue };
                if is_switch(input) {
                    words.push(Template::text(name));
                    continue;
                }
                let id = name.trim_start_matches('-');
                // As two words: more programs understand that than one with `=`.
                for value in filling.values(id, input, *is_repeated, None) {
                    words.extend([Template::text(name), value]);
                }
            }
        }
    }
    words
}

/// Whether an option says everything by being there.
fn is_switch(input: &Input) -> bool {
    let Input { value, default, placeholder, choices, description, is_required, .. } = input;
    let nothing = value.is_none() && default.is_none() && placeholder.is_none();
    nothing && choices.is_empty() && description.is_none() && !is_required
}
