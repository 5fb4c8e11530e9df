//! How every contender written in Rust does its job.

use std::future::Future;

use anyhow::{Result, bail, ensure};
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{Duration, Instant},
};

use crate::{Job, Meter, Report, Threads, Work, meter::rss_kib};

/// A client, connected.
pub trait Contender: Sized + Send + 'static {
    /// Connects.
    fn connect(job: &Job) -> impl Future<Output = Result<Self>> + Send;
    /// Calls the tool `echo` and looks at the text.
    fn echo(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Lists the tools and counts them.
    fn list(&mut self) -> impl Future<Output = Result<usize>> + Send;
    /// Calls a tool and measures the text of its result.
    fn blob(&mut self, tool: &'static str) -> impl Future<Output = Result<usize>> + Send;
    /// Handles for so many calls at the same time: clones, or connections where that is the way.
    fn handles(self, job: &Job) -> impl Future<Output = Result<Vec<Self>>> + Send;
    /// Calls `echo` through all handles side by side, and tells how long each call took. One task
    /// for each handle, unless there is a better way.
    fn crowd(
        handles: Vec<Self>,
        _job: &Job,
        operations: usize,
    ) -> impl Future<Output = Result<(Vec<Self>, Vec<Duration>)>> + Send {
        crowd(handles, operations)
    }
    /// Ends the connection.
    fn close(self) -> impl Future<Output = Result<()>> + Send;
}

/// The whole program of a contender.
///
/// # Errors
/// Anything went wrong; a figure is printed only for work that was done.
pub fn main<C: Contender>() -> Result<()> {
    let job = Job::from_arguments()?;
    let mut runtime = match job.threads {
        Threads::One => Builder::new_current_thread(),
        Threads::Many => Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(run::<C>(&job))?.print()
}

async fn run<C: Contender>(job: &Job) -> Result<Report> {
    match job.work {
        Work::Cold => cold::<C>(job).await,
        Work::Idle => idle::<C>(job).await,
        Work::Fleet => fleet::<C>(job).await,
        Work::Echo if job.in_flight > 1 => {
            let handles = C::connect(job).await?.handles(job).await?;
            let (handles, _) = C::crowd(handles, job, job.warm_up).await?;
            let meter = Meter::start()?;
            let (handles, laps) = C::crowd(handles, job, job.operations).await?;
            let report = meter.finish(laps)?;
            for handle in handles {
                handle.close().await?;
            }
            Ok(report)
        }
        Work::Echo | Work::List | Work::Blob1M | Work::Blob10M => {
            let mut clients = Vec::with_capacity(job.connections);
            for _ in 0..job.connections {
                clients.push(C::connect(job).await?);
            }
            in_turn(job, &mut clients, job.warm_up).await?;
            let meter = Meter::start()?;
            let laps = in_turn(job, &mut clients, job.operations).await?;
            let report = meter.finish(laps)?;
            for client in clients {
                client.close().await?;
            }
            Ok(report)
        }
    }
}

async fn in_turn<C: Contender>(
    job: &Job,
    clients: &mut [C],
    operations: usize,
) -> Result<Vec<Duration>> {
    let mut laps = Vec::with_capacity(operations);
    let mut start = Instant::now();
    for number in 0..operations {
        let client = &mut clients[number % job.connections];
        match job.work.blob() {
            Some((tool, bytes)) => {
                let got = client.blob(tool).await?;
                ensure!(got >= bytes, "{tool} gave {got} bytes");
            }
            None if job.work == Work::List => counted(client.list().await?, job)?,
            None => client.echo().await?,
        }
        let now = Instant::now();
        laps.push(now - start);
        start = now;
    }
    Ok(laps)
}

async fn cold<C: Contender>(job: &Job) -> Result<Report> {
    for _ in 0..job.warm_up {
        once::<C>(job).await?;
    }
    let meter = Meter::start()?;
    let mut laps = Vec::with_capacity(job.operations);
    for _ in 0..job.operations {
        let start = Instant::now();
        once::<C>(job).await?;
        laps.push(start.elapsed());
    }
    meter.finish(laps)
}

async fn once<C: Contender>(job: &Job) -> Result<()> {
    let mut client = C::connect(job).await?;
    counted(client.list().await?, job)?;
    client.close().await
}

/// Memory per connection: the first is not counted, it brings what all share.
async fn idle<C: Contender>(job: &Job) -> Result<Report> {
    let mut clients = Vec::with_capacity(job.connections + 1);
    clients.push(C::connect(job).await?);
    clients[0].echo().await?;
    let before = rss_kib()?;
    let meter = Meter::start()?;
    let mut laps = Vec::with_capacity(job.connections);
    for _ in 0..job.connections {
        let start = Instant::now();
        let mut client = C::connect(job).await?;
        client.echo().await?;
        clients.push(client);
        laps.push(start.elapsed());
    }
    let grown = rss_kib()?.saturating_sub(before);
    let mut report = meter.finish(laps)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    {
        report.connection_kib = Some(grown as f64 / job.connections as f64);
    }
    for client in clients {
        client.close().await?;
    }
    Ok(report)
}

/// Every operation opens and lists all servers side by side.
async fn fleet<C: Contender>(job: &Job) -> Result<Report> {
    let meter = Meter::start()?;
    let mut laps = Vec::new();
    for _ in 0..job.operations {
        let start = Instant::now();
        let mut starting = JoinSet::new();
        for _ in 0..job.connections {
            let job = job.clone();
            starting.spawn(async move {
                let mut client = C::connect(&job).await?;
                counted(client.list().await?, &job)?;
                anyhow::Ok(client)
            });
        }
        let mut clients = Vec::with_capacity(job.connections);
        while let Some(client) = starting.join_next().await {
            clients.push(client??);
        }
        laps.push(start.elapsed());
        for client in clients {
            client.close().await?;
        }
    }
    meter.finish(laps)
}

fn counted(tools: usize, job: &Job) -> Result<()> {
    if tools != job.tools {
        bail!("{tools} tools instead of {}", job.tools);
    }
    Ok(())
}

/// [`Contender::crowd`] for most: one task for each handle, each calling one after the other.
///
/// # Errors
/// A call failed.
pub async fn crowd<C: Contender>(
    handles: Vec<C>,
    operations: usize,
) -> Result<(Vec<C>, Vec<Duration>)> {
    let share = operations.div_ceil(handles.len());
    let mut tasks = JoinSet::new();
    for mut handle in handles {
        tasks.spawn(async move {
            let mut laps = Vec::with_capacity(share);
            let mut start = Instant::now();
            for _ in 0..share {
                handle.echo().await?;
                let now = Instant::now();
                laps.push(now - start);
                start = now;
            }
            anyhow::Ok((handle, laps))
        });
    }
    let (mut handles, mut laps) = (Vec::new(), Vec::with_capacity(operations));
    while let Some(done) = tasks.join_next().await {
        let (handle, some) = done??;
        handles.push(handle);
        laps.extend(some);
    }
    Ok((handles, laps))
}
