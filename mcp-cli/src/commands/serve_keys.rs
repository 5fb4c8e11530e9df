//! `mcp serve keys`

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use mcp_agent::service::{AccessRules, ApiKey};
use serde_json::json;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::{
    args::{KeysAction, KeysAddArgs, KeysFile, Output},
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    printer::Printer,
    serve_file::{self, ServeFile, unreadable},
    terminal_text::one_line,
};

pub(super) fn run(action: KeysAction, printer: &mut Printer) -> Result<ExitCode> {
    match action {
        KeysAction::Add(args) => add(args, printer),
        KeysAction::List(file) => list(&file, printer),
        KeysAction::Remove { name, file } => remove(&name, &file, printer),
    }
}

fn add(args: KeysAddArgs, printer: &mut Printer) -> Result<ExitCode> {
    let path = path(&args.file)?;
    if args.name.trim().is_empty() {
        return Err(Report::new(ErrorCode::Usage, "a key needs a name").into());
    }
    if read(&path)?.iter().any(|known| known.name == args.name) {
        let text = format!("there is a key `{}` already", one_line(&args.name));
        let help = format!("mcp serve keys remove {}", one_line(&args.name));
        return Err(Report::new(ErrorCode::Usage, text).help(help).into());
    }
    let rules = args.allow.into_iter().fold(AccessRules::default(), AccessRules::allow);
    let rules = args.deny.into_iter().fold(rules, AccessRules::deny);
    let (key, secret) = ApiKey::new(args.name, args.role.into(), rules).map_err(|error| {
        Report::new(ErrorCode::Unexpected, "no key can be made").cause(error.to_string())
    })?;
    let mut document = document(&path)?;
    let tables = document.entry("key").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(tables) = tables.as_array_of_tables_mut() else {
        let text = format!("`key` in {} is written in another way", path.display());
        return Err(Report::new(ErrorCode::Config, text).help("write it as [[key]]").into());
    };
    tables.push(table(&key));
    write(&path, &document)?;
    match printer.output() {
        Output::Json | Output::Ndjson => {
            let told = json!({
                "schema": 1, "name": key.name, "role": key.role, "key": secret.reveal(),
            });
            printer.json(&told)?;
        }
        Output::Text | Output::Raw => printer.line(secret.reveal())?,
    }
    Ok(ExitCode::Success)
}

fn list(file: &KeysFile, printer: &mut Printer) -> Result<ExitCode> {
    let keys = read(&path(file)?)?;
    if matches!(printer.output(), Output::Json | Output::Ndjson) {
        printer.json(&json!({"schema": 1, "keys": keys}))?;
        return Ok(ExitCode::Success);
    }
    let width = keys.iter().map(|key| one_line(&key.name).chars().count()).max().unwrap_or(0);
    for key in keys {
        let name = one_line(&key.name);
        let allow =
            if key.allow.is_empty() { "everything".to_owned() } else { key.allow.join(", ") };
        let deny = if key.deny.is_empty() {
            String::new()
        } else {
            format!(", not {}", key.deny.join(", "))
        };
        let rights = one_line(&format!("{allow}{deny}"));
        printer.line(format_args!("{name:width$}  {:8}  {rights}", key.role.as_str()))?;
    }
    Ok(ExitCode::Success)
}

fn remove(name: &str, file: &KeysFile, printer: &mut Printer) -> Result<ExitCode> {
    let path = path(file)?;
    let mut document = document(&path)?;
    let tables = document.get_mut("key").and_then(Item::as_array_of_tables_mut);
    let before = tables.as_ref().map_or(0, |tables| tables.len());
    let after = tables.map_or(0, |tables| {
        tables.retain(|table| table.get("name").and_then(Item::as_str) != Some(name));
        tables.len()
    });
    if before == after {
        let text = format!("there is no key `{}` in {}", one_line(name), path.display());
        return Err(Report::new(ErrorCode::Usage, text).help("mcp serve keys list").into());
    }
    write(&path, &document)?;
    match printer.output() {
        Output::Json | Output::Ndjson => printer.json(&json!({"schema": 1, "removed": name}))?,
        Output::Text | Output::Raw => printer.line(format_args!("removed {}", one_line(name)))?,
    }
    Ok(ExitCode::Success)
}

fn path(file: &KeysFile) -> Result<PathBuf> {
    let path = file.path.clone().or_else(serve_file::usual_path);
    path.ok_or_else(|| Report::new(ErrorCode::Config, "there is no home folder").into())
}

/// The keys; none where there is no file yet.
fn read(path: &Path) -> Result<Vec<ApiKey>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(ServeFile::read(Some(path))?.access().keys)
}

fn document(path: &Path) -> Result<DocumentMut> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unreadable(path, &error)),
    };
    text.parse().map_err(|error: toml_edit::TomlError| {
        Report::new(ErrorCode::Config, format!("{} is no TOML", path.display()))
            .cause(error.to_string().trim_end().to_owned())
            .into()
    })
}

fn table(key: &ApiKey) -> Table {
    let mut table = Table::new();
    table["name"] = value(&key.name);
    table["role"] = value(key.role.as_str());
    table["digest"] = value(key.digest.to_string());
    for (name, patterns) in [("allow", &key.allow), ("deny", &key.deny)] {
        if !patterns.is_empty() {
            table[name] = value(patterns.iter().collect::<toml_edit::Array>());
        }
    }
    table
}

/// Writes beside the file and moves the new one over the old, for this user's eyes only.
fn write(path: &Path, document: &DocumentMut) -> Result<()> {
    let written = || -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder)?;
        }
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options.create_new(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(document.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    written().map_err(|error| {
        let text = format!("{} cannot be written", path.display());
        Report::new(ErrorCode::Config, text).cause(error.to_string()).into()
    })
}
