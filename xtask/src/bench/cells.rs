//! What is measured.

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    /// As contenders know it.
    pub(crate) work: &'static str,
    pub(crate) place: Place,
    pub(crate) era: &'static str,
    /// How many tools are listed.
    pub(crate) tools: usize,
    pub(crate) operations: usize,
    pub(crate) in_flight: usize,
    pub(crate) connections: usize,
    /// Whether contenders made with tokio use its runtime of many threads.
    pub(crate) many_threads: bool,
    pub(crate) figure: Figure,
    /// The most that the figure may be, in its unit.
    pub(crate) target: Option<f64>,
    /// The most that the figure may be in relation to the limit's.
    pub(crate) target_ratio: Option<f64>,
    pub(crate) who: Who,
}

/// Where the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Stdio,
    Json,
    Sse,
}

/// What counts in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time of the process per operation, in µs.
    Cpu,
    /// CPU time of whole processes, start and exit included, in µs.
    Process,
    /// Memory per connection, in KiB.
    Memory,
    /// Wall time per operation, in ms.
    Wall,
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    All,
    /// Those made with tokio.
    Tokio,
    /// This client and the limit: a question about ourselves.
    Ours,
}

const ECHO: Cell = Cell {
    name: "echo",
    work: "echo",
    place: Place::Stdio,
    era: "legacy",
    tools: 3,
    operations: 10_000,
    in_flight: 1,
    connections: 1,
    many_threads: false,
    figure: Figure::Cpu,
    target: None,
    target_ratio: None,
    who: Who::All,
};

const LIST: Cell = Cell { name: "list1000", work: "list", tools: 1_000, operations: 100, ..ECHO };
const COLD: Cell = Cell { name: "cold", work: "cold", era: "modern", operations: 300, ..ECHO };
const IDLE: Cell = Cell {
    name: "idle",
    work: "idle",
    era: "modern",
    operations: 1,
    figure: Figure::Memory,
    ..ECHO
};
const START: Cell = Cell { name: "start", figure: Figure::Process, operations: 40, ..COLD };
const MANY: Cell = Cell { operations: 30_000, who: Who::Ours, ..ECHO };

/// All cells. Targets are those of the project; a ratio is to the limit.
pub(crate) const CELLS: &[Cell] = &[
    Cell { name: "echo/stdio", ..ECHO }.at_most(5.4, 1.3),
    Cell { name: "echo/http-json", place: Place::Json, ..ECHO }.at_most(12.5, 1.15),
    Cell { name: "echo/http-sse", place: Place::Sse, ..ECHO }.at_most(13.0, 1.2),
    Cell { name: "echo/stdio, 2026-07-28", era: "modern", ..ECHO }.at_most(5.4, 1.3),
    Cell { name: "echo/http-json, 2026-07-28", era: "modern", place: Place::Json, ..ECHO }
        .at_most(12.5, 1.15),
    Cell { name: "echo/http-sse, 2026-07-28", era: "modern", place: Place::Sse, ..ECHO }
        .at_most(13.0, 1.2),
    Cell { name: "echo/stdio, threads", many_threads: true, who: Who::Tokio, ..ECHO }
        .at_most(10.5, 1.25),
    Cell {
        name: "echo/http-json, threads",
        many_threads: true,
        place: Place::Json,
        who: Who::Tokio,
        ..ECHO
    }
    .at_most(33.0, 1.25),
    Cell { name: "conc64/stdio", in_flight: 64, operations: 30_000, ..ECHO }.at_most(1.2, 4.0),
    Cell { name: "conc64/http-json", in_flight: 64, place: Place::Json, ..ECHO }
        .at_most(10.2, 1.18),
    Cell { name: "list1000/stdio", ..LIST }.at_most(1_400.0, 8.0),
    Cell { name: "list1000/http-json", place: Place::Json, ..LIST }.at_most(1_100.0, 13.0),
    Cell { name: "blob1M/stdio", work: "blob1m", operations: 100, ..ECHO }.at_most(750.0, 8.0),
    Cell { name: "blob1M/http-json", work: "blob1m", operations: 100, place: Place::Json, ..ECHO }
        .at_most(750.0, 8.0),
    Cell { name: "blob10M/stdio", work: "blob10m", operations: 30, ..ECHO }.at_most(8_000.0, 5.5),
    Cell { name: "blob10M/http-json", work: "blob10m", operations: 30, place: Place::Json, ..ECHO }
        .at_most(8_000.0, 5.5),
    Cell { name: "blob10M/http-sse", work: "blob10m", operations: 30, place: Place::Sse, ..ECHO }
        .at_most(8_000.0, 5.5),
    Cell { name: "cold/stdio", ..COLD }.at_most(140.0, 1.4),
    Cell { name: "cold/http-json", place: Place::Json, ..COLD }.at_most(120.0, 1.4),
    Cell { name: "cold/http-json, 2025-11-25", era: "legacy", place: Place::Json, ..COLD },
    Cell { name: "start/stdio", ..START }.at_most(2_600.0, 1.3),
    Cell { name: "start/http-json", place: Place::Json, ..START }.at_most(1_700.0, 1.3),
    Cell { name: "idle/stdio", connections: 40, ..IDLE }.at_most(8.0, 1.4),
    Cell { name: "idle/http-json", connections: 200, place: Place::Json, ..IDLE }
        .at_most(24.0, 1.4),
    Cell { name: "flight/stdio, 1", ..MANY },
    Cell { name: "flight/stdio, 64", in_flight: 64, ..MANY },
    Cell { name: "flight/stdio, 1024", in_flight: 1_024, ..MANY },
    Cell { name: "flight/stdio, 4096", in_flight: 4_096, ..MANY },
    Cell { name: "flight/http-json, 64", in_flight: 64, place: Place::Json, ..MANY },
    Cell { name: "flight/http-json, 1024", in_flight: 1_024, place: Place::Json, ..MANY },
    Cell { name: "flight/http-json, 4096", in_flight: 4_096, place: Place::Json, ..MANY },
    Cell { name: "connections/http-json, 1", place: Place::Json, ..MANY },
    Cell { name: "connections/http-json, 100", connections: 100, place: Place::Json, ..MANY },
    Cell { name: "connections/http-json, 1000", connections: 1_000, place: Place::Json, ..MANY },
    Cell {
        name: "fleet, 100 servers of 100 tools",
        work: "fleet",
        era: "modern",
        tools: 100,
        connections: 100,
        operations: 5,
        place: Place::Json,
        figure: Figure::Wall,
        target: Some(150.0),
        who: Who::Tokio,
        ..ECHO
    },
];

impl Cell {
    const fn at_most(mut self, target: f64, ratio: f64) -> Self {
        self.target = Some(target);
        self.target_ratio = Some(ratio);
        self
    }

    /// One call at a time on one thread: server and client share a CPU, or waking the other CPU
    /// would come and go in the figures.
    pub(crate) fn is_sequential(&self) -> bool {
        !self.many_threads && self.in_flight == 1 && self.work != "fleet"
    }

    /// The least number of warm-up operations that reaches every connection.
    pub(crate) fn warm_up(&self) -> usize {
        match self.figure {
            Figure::Cpu => (self.operations / 10).max(3).max(self.connections).max(self.in_flight),
            Figure::Process | Figure::Memory | Figure::Wall => 0,
        }
    }
}

impl Figure {
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Cpu | Self::Process => "µs CPU",
            Self::Memory => "KiB",
            Self::Wall => "ms wall",
        }
    }
}
