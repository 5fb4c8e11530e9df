//! Runs the contenders of a cell in turn.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::cells::{Cell, Figure, Place};
use super::contenders::{Contender, Kind, Programs};
use super::statistics::median;
use crate::process;

/// What every measurement needs.
pub(crate) struct Bench {
    programs: Programs,
    /// Everything is done so many times less often.
    haste: usize,
    /// Where sequential cells run.
    cpu: usize,
}

/// One row: what came of each contender, in their order.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) cell: &'static Cell,
    pub(crate) outcomes: Vec<Option<Outcome>>,
}

/// What came of one contender in one cell: the medians of its rounds, or why there are none.
pub(crate) type Outcome = Result<Figures, String>;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) kind: Kind,
    /// What counts in the cell, in its unit.
    pub(crate) figure: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) peak_mib: f64,
}

impl Measured {
    /// What contenders of that kind came to, if they did.
    pub(crate) fn figure(&self, kind: Kind) -> Option<f64> {
        let mut good = self.outcomes.iter().flatten().filter_map(|outcome| outcome.as_ref().ok());
        good.find(|figures| figures.kind == kind).map(|figures| figures.figure)
    }

    /// The name of the cell, if those who must not fail in it failed.
    pub(crate) fn broken(&self) -> Option<&'static str> {
        let whole = self.figure(Kind::Limit).and(self.figure(Kind::Ours)).is_some();
        (!whole).then_some(self.cell.name)
    }
}

impl Bench {
    pub(crate) fn new(programs: Programs, haste: usize) -> Result<Self> {
        process::require("taskset", "Install util-linux.")?;
        let cpus = std::thread::available_parallelism()?.get();
        Ok(Self { programs, haste, cpu: cpus - 1 })
    }

    pub(crate) fn measure(
        &self,
        cell: &'static Cell,
        contenders: &[Contender],
        rounds: usize,
    ) -> Result<Measured> {
        let server = HttpServer::start(&self.programs.server, cell, Some(self.cpu))?;
        let mut runs: Vec<Vec<Result<Value, String>>> =
            contenders.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (contender, runs) in contenders.iter().zip(&mut runs) {
                // What failed once is not asked again.
                if contender.takes_part(cell) && !runs.iter().any(Result::is_err) {
                    let run = self.once(cell, contender, server.port);
                    runs.push(run.map_err(|error| format!("{error:#}")));
                }
            }
        }
        let outcomes = contenders.iter().zip(runs).map(|(contender, runs)| {
            (!runs.is_empty()).then(|| {
                let reports: Vec<_> = runs.into_iter().collect::<Result<_, _>>()?;
                figures(cell, contender.kind, &reports)
                    .ok_or_else(|| "its report lacks a field".to_owned())
            })
        });
        Ok(Measured { cell, outcomes: outcomes.collect() })
    }

    fn once(&self, cell: &Cell, contender: &Contender, port: u16) -> Result<Value> {
        let mut job = job(cell, &self.programs.server, port);
        let once = cell.figure == Figure::Process;
        let operations = contender.operations(cell, self.haste);
        let warm_up = (cell.warm_up() / contender.slowness).max(usize::from(cell.warm_up() > 0));
        job["operations"] = json!(if once { 1 } else { operations });
        job["warm_up"] = json!(warm_up);
        job["threads"] = json!(contender.threads(cell));
        job["tuned"] = json!(contender.kind == Kind::RmcpTuned);
        let mut words: Vec<OsString> = Vec::new();
        if cell.is_sequential() {
            words.extend(["taskset".into(), "-c".into(), self.cpu.to_string().into()]);
        }
        if once {
            words.extend([self.programs.start.clone().into(), operations.to_string().into()]);
        }
        words.extend(contender.command.iter().map(OsString::from));
        words.push(job.to_string().into());
        let output = Command::new(&words[0])
            .args(&words[1..])
            .output()
            .with_context(|| format!("cannot start {}", contender.name))?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint = complaint.trim().lines().next_back().unwrap_or("it said nothing");
        ensure!(
            output.status.success(),
            "{} failed ({}): {complaint}",
            contender.name,
            output.status
        );
        let said = String::from_utf8(output.stdout)?;
        let line = said.lines().next_back().context("it printed nothing")?;
        serde_json::from_str(line).with_context(|| format!("not a report: {line}"))
    }
}

/// What all contenders are asked alike in that cell, with a server over HTTP at that port.
pub(super) fn job(cell: &Cell, server: &Path, port: u16) -> Value {
    let server = match cell.place {
        Place::Stdio => {
            let args = ["stdio", cell.era, &cell.tools.to_string()].map(str::to_owned);
            json!({"program": server.display().to_string(), "args": args})
        }
        Place::Json | Place::Sse => {
            let reply = if cell.place == Place::Sse { "sse" } else { "json" };
            let path = format!("{}/{reply}/{}", cell.era, cell.tools);
            json!({"url": format!("http://127.0.0.1:{port}/{path}")})
        }
    };
    json!({
        "work": cell.work,
        "era": cell.era,
        "server": server,
        "tools": cell.tools,
        "in_flight": cell.in_flight,
        "connections": cell.connections,
    })
}

fn figures(cell: &Cell, kind: Kind, reports: &[Value]) -> Option<Figures> {
    let of = |read: &dyn Fn(&Value) -> Option<f64>| {
        median(reports.iter().map(read).collect::<Option<Vec<_>>>()?)
    };
    let number = |report: &Value, field: &str| report[field].as_f64();
    let per_operation = |report: &Value, sum: f64| Some(sum / number(report, "operations")?);
    let figure = match cell.figure {
        Figure::Cpu | Figure::Process => of(&|report| {
            per_operation(report, number(report, "user_us")? + number(report, "system_us")?)
        }),
        Figure::Memory => of(&|report| number(report, "connection_kib")),
        Figure::Wall => of(&|report| Some(number(report, "p50_ns")? / 1e6)),
    };
    Some(Figures {
        kind,
        figure: figure?,
        p50_us: of(&|report| Some(number(report, "p50_ns")? / 1e3))?,
        p99_us: of(&|report| Some(number(report, "p99_ns")? / 1e3))?,
        peak_mib: of(&|report| Some(number(report, "peak_rss_kib")? / 1024.0))?,
    })
}

/// A server of its own for every cell, so that none inherits the state of another.
pub(super) struct HttpServer {
    child: Child,
    pub(super) port: u16,
}

impl HttpServer {
    /// On that CPU alone, if the cell is one for that.
    pub(super) fn start(program: &Path, cell: &Cell, cpu: Option<usize>) -> Result<Self> {
        let mut command = match cpu.filter(|_| cell.is_sequential()) {
            Some(cpu) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &cpu.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut child = command
            .arg("http")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start bench-server")?;
        let output = child.stdout.take().context("its standard output is a pipe")?;
        // From here on it ends with this value.
        let mut server = Self { child, port: 0 };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        server.port = line.trim().parse().context("bench-server names no port")?;
        Ok(server)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // It ends by itself when its input does; when it is gone already there is nothing to do.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
