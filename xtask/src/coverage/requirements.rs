//! The list of requirements, read from its file.

use anyhow::{Context, Result, bail};

use crate::conformance;

pub(super) struct Group {
    pub(super) title: String,
    pub(super) requirements: Vec<Requirement>,
}

pub(super) struct Requirement {
    pub(super) name: String,
    pub(super) level: Level,
    pub(super) what: String,
    /// Scenarios of the official suite that check it.
    pub(super) scenarios: Vec<String>,
    pub(super) left_out: Option<String>,
}

#[derive(Clone, Copy)]
pub(super) enum Level {
    Must,
    Should,
    May,
    /// Not in the specification; servers in use need it.
    Practice,
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::May => "may",
            Self::Practice => "practice",
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        parse_line(&mut groups, line).with_context(|| format!("line {}: {line}", number + 1))?;
    }
    let mut names: Vec<_> =
        groups.iter().flat_map(|group| &group.requirements).map(|one| &one.name).collect();
    names.sort();
    let twice = names.windows(2).find_map(|pair| match pair {
        [one, next] if one == next => Some(one),
        _ => None,
    });
    if let Some(name) = twice {
        bail!("`{name}` is there twice");
    }
    Ok(groups)
}

fn parse_line(groups: &mut Vec<Group>, line: &str) -> Result<()> {
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(());
    }
    if let Some(title) = line.strip_prefix("== ") {
        groups.push(Group { title: title.to_owned(), requirements: Vec::new() });
        return Ok(());
    }
    let group = groups.last_mut().context("before the first group")?;
    let Some(detail) = line.strip_prefix("    ") else {
        let mut fields = line.splitn(3, " | ");
        let (Some(name), Some(level), Some(what)) = (fields.next(), fields.next(), fields.next())
        else {
            bail!("not `name | level | what`");
        };
        group.requirements.push(Requirement {
            name: name.to_owned(),
            level: level_of(level)?,
            what: what.to_owned(),
            scenarios: Vec::new(),
            left_out: None,
        });
        return Ok(());
    };
    let requirement = group.requirements.last_mut().context("before the first requirement")?;
    if let Some(scenarios) = detail.strip_prefix("conformance: ") {
        for scenario in scenarios.split(", ") {
            if !conformance::has(scenario) {
                bail!("no scenario `{scenario}` is run");
            }
            requirement.scenarios.push(scenario.to_owned());
        }
    } else if let Some(reason) = detail.strip_prefix("left out: ") {
        requirement.left_out = Some(reason.to_owned());
    } else {
        bail!("neither `conformance:` nor `left out:`");
    }
    Ok(())
}

fn level_of(word: &str) -> Result<Level> {
    [Level::Must, Level::Should, Level::May, Level::Practice]
        .into_iter()
        .find(|level| level.word() == word)
        .with_context(|| format!("no level `{word}`"))
}
