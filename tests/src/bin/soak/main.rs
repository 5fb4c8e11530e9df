//! Many servers under load while they are killed, stopped, slowed and restarted; at calm moments in
//! between, everything that could leak is counted. `cargo xtask soak` builds and runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod churn;
mod load;
mod processes;
mod random;
mod sample;
mod servers;
mod slope;
mod socket;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use self::{churn::Churn, load::Load, random::Random, sample::Sample, servers::World};

/// How many callers there are.
const CALLERS: u64 = 24;
/// How long servers may take to be well again at a calm moment.
const HEALING: Duration = Duration::from_secs(60);
/// How long what was just let go of may take to end.
const SETTLING: Duration = Duration::from_secs(3);

/// What the command line says.
struct Arguments {
    minutes: f64,
    seed: u64,
    /// The `mcp` program, for its demo server.
    mcp: PathBuf,
    /// The server that misbehaves.
    misbehave: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let outcome = match words.next().as_deref() {
        Some("--serve-socket") => match words.next() {
            Some(path) => socket::serve(path.as_ref()).await,
            None => Err(anyhow::anyhow!("--serve-socket needs a path")),
        },
        _ => match arguments(std::env::args().skip(1)) {
            Ok(arguments) => soak(&arguments).await,
            Err(error) => Err(error),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments> {
    let (mut minutes, mut seed, mut mcp, mut misbehave) = (1.0, 1, None, None);
    while let Some(name) = words.next() {
        let value = words.next().with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--minutes" => minutes = value.parse().context("--minutes takes a number")?,
            "--seed" => seed = value.parse().context("--seed takes a whole number")?,
            "--mcp" => mcp = Some(value.into()),
            "--misbehave" => misbehave = Some(value.into()),
            _ => bail!("unknown argument `{name}`"),
        }
    }
    if !(0.1..=10_000.0).contains(&minutes) {
        bail!("--minutes takes a number from 0.1 to 10000");
    }
    Ok(Arguments {
        minutes,
        seed,
        mcp: mcp.context("--mcp PATH is missing")?,
        misbehave: misbehave.context("--misbehave PATH is missing")?,
    })
}

async fn soak(arguments: &Arguments) -> Result<()> {
    let whole = Duration::from_secs_f64(arguments.minutes * 60.0);
    let period = (whole / 40).clamp(Duration::from_secs(3), Duration::from_secs(60));
    let begin = Instant::now();
    println!(
        "seed {}, {:.1} minutes, a calm moment every {period:?}",
        arguments.seed, arguments.minutes
    );
    let world = World::start(arguments, &mut Random::new(arguments.seed))?;
    let storm = watch::Sender::new(false);
    let load = Load::default();
    let mut tasks = JoinSet::new();
    for number in 0..CALLERS {
        let random = Random::new(arguments.seed.wrapping_mul(1_000).wrapping_add(number));
        tasks.spawn(load.clone().caller(world.hub.clone(), storm.subscribe(), random));
    }
    let churn = Churn::default();
    let random = Random::new(arguments.seed ^ u64::MAX);
    tasks.spawn(churn.clone().run(world.hub.clone(), storm.subscribe(), random));

    println!("{}", Sample::HEADER);
    let mut samples = Vec::new();
    loop {
        calm(&world, &load, &churn).await?;
        let sample = Sample::take(begin.elapsed())?;
        println!("{sample}  {}", load.counts());
        samples.push(sample);
        if begin.elapsed() >= whole {
            break;
        }
        world.unsettle();
        storm.send_replace(true);
        tokio::select! {
            () = sleep_until(Instant::now() + period) => {}
            // Callers and churn end only by panicking.
            ended = tasks.join_next() => bail!("a task ended early: {ended:?}"),
        }
        storm.send_replace(false);
    }
    tasks.shutdown().await;
    println!("{}", churn.counts());
    world.close().await;
    sample::judge(&samples)?;
    load.judge()?;
    println!("no slope, no wrong answer");
    Ok(())
}

/// Waits until nothing is under way and every good server is up.
async fn calm(world: &World, load: &Load, churn: &Churn) -> Result<()> {
    churn.wake_all().await;
    let healed = async {
        load.is_idle().await;
        world.is_well().await;
    };
    if timeout(HEALING, healed).await.is_err() {
        bail!("not well after {HEALING:?}: {}", world.trouble());
    }
    // The last children are reaped and the last tasks end.
    sleep(SETTLING).await;
    Ok(())
}
