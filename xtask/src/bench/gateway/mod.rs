//! What a call through a gateway costs: the service of this tree beside others that install from
//! registries, in front of the same server, under the same load.
//!
//! A gateway has one processor to itself, the load and the server have the other.

mod contenders;
mod running;
mod stand;
mod table;

use anyhow::{Context, Result, bail};

use super::{machine, page};
use contenders::Gateway;
use stand::Stand;

#[derive(Debug, Default)]
struct Options {
    quick: bool,
    only: Vec<String>,
    rounds: Option<usize>,
    write: bool,
}

pub(super) fn run(arguments: &[String]) -> Result<()> {
    let options = options(arguments)?;
    let stand = Stand::new(if options.quick { 10 } else { 1 })?;
    let only_ours = [contenders::OURS.to_owned()];
    let is_quick_alone = options.quick && options.only.is_empty();
    let wanted = if is_quick_alone { &only_ours[..] } else { &options.only };
    let (gateways, absent) = Gateway::named(wanted)?;
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 3 });
    let versions: Vec<_> = gateways.iter().map(|one| (one.name, one.version.as_str())).collect();
    let conditions = machine::describe(&versions, rounds)?;
    let rows = stand.measure(&gateways, rounds);
    let text = table::markdown(&conditions, &absent, &rows);
    println!("{text}");
    if options.write {
        page::GATEWAY.write(&text)?;
    }
    if gateways.is_empty() {
        bail!("no gateway could be measured");
    }
    if let Some(row) = rows.iter().find(|row| row.is_ours && row.outcome.is_err()) {
        bail!("the service failed: {}", row.gateway);
    }
    Ok(())
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--only" => options.only.push(rest.next().context("--only needs a name")?.clone()),
            "--rounds" => {
                options.rounds = Some(rest.next().context("--rounds needs a number")?.parse()?);
            }
            "--write" => options.write = true,
            other => bail!("unknown argument `{other}`"),
        }
    }
    if options.rounds == Some(0) {
        bail!("--rounds is at least 1");
    }
    if options.write && (options.quick || !options.only.is_empty()) {
        bail!("only a whole run is written down: --write goes without --quick and --only");
    }
    Ok(options)
}
