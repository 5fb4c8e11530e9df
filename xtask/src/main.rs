//! Tasks of the workspace: `cargo xtask`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod bench;
mod ci;
mod conformance;
mod coverage;
mod dashboard;
mod databases;
mod demo;
mod deny;
mod deploy;
mod docs;
mod fidelity;
mod interop;
mod live;
mod lock;
mod model;
mod openai;
mod openapi;
mod process;
mod soak;
mod stopwatch;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::Result;

/// One task: its name, its arguments, what it does, and how.
struct Task {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const TASKS: &[Task] = &[
    Task { name: "ci", arguments: "", about: "all of CI, in order, with a summary", run: ci::run },
    Task {
        name: "bench",
        arguments: "client [--quick] [--cell NAME] [--rounds N] [--write] | --instructions",
        about: "how fast the client is, beside others",
        run: bench::run,
    },
    Task {
        name: "demo",
        arguments: "[QUESTION...]",
        about: "a model answers a question with the tools of two servers from npm",
        run: demo::run,
    },
    Task {
        name: "test",
        arguments: "[FILTER...]",
        about: "all tests: unit, integration, documentation",
        run: test::run,
    },
    Task {
        name: "tidy",
        arguments: "",
        about: "layer directions, module docs, file lengths, left-over words",
        run: tidy::run,
    },
    Task {
        name: "deploy",
        arguments: "",
        about: "the compose file and the manifests: by their schemas, and by what `mcp` understands",
        run: deploy::run,
    },
    Task { name: "docs", arguments: "[--open]", about: "the API documentation", run: docs::run },
    Task {
        name: "tools",
        arguments: "",
        about: "install the pinned npm and pip packages into .cache",
        run: tools::run,
    },
    Task {
        name: "interop",
        arguments: "[ARGS...]",
        about: "the matrix against servers made with other SDKs",
        run: interop::run,
    },
    Task {
        name: "conformance",
        arguments: "[service] [--era ERA] [--release] [--client PATH] [NAME...]",
        about: "the official client scenarios, each singly; or those for servers through `mcp serve`",
        run: conformance::run,
    },
    Task {
        name: "coverage",
        arguments: "[--write]",
        about: "which test proves which requirement of the protocol, as a page",
        run: coverage::run,
    },
    Task {
        name: "dashboard",
        arguments: "[--pictures DIR]",
        about: "the service's page in a real browser",
        run: dashboard::run,
    },
    Task {
        name: "openai",
        arguments: "",
        about: "the service's `/v1` through the official clients for Python and Node",
        run: openai::run,
    },
    Task {
        name: "openapi",
        arguments: "",
        about: "the service's description of itself, held against it by schemathesis",
        run: openapi::run,
    },
    Task {
        name: "fidelity",
        arguments: "",
        about: "faults that users met in agents, each shown to be absent, as a table",
        run: fidelity::run,
    },
    Task {
        name: "model",
        arguments: "[--small] [--dir DIR]",
        about: "set up a real local model (1.1 GB; --small 0.5 GB)",
        run: model::run,
    },
    Task {
        name: "live",
        arguments: "[FILTER...]",
        about: "the suite that asks the real local model",
        run: live::run,
    },
    Task {
        name: "databases",
        arguments: "[FILTER...]",
        about: "typed resources against PostgreSQL, Redis and published servers",
        run: databases::run,
    },
    Task {
        name: "soak",
        arguments: "[--minutes N] [--seed S]",
        about: "servers under load while they are killed and stopped; fails if anything leaks",
        run: soak::run,
    },
    Task {
        name: "deny",
        arguments: "",
        about: "licences, advisories and sources of all dependencies (cargo-deny)",
        run: deny::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        usage();
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        usage();
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprintln!("xtask: no task `{name}`\n");
        usage();
        return ExitCode::from(2);
    };
    match (task.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() {
    println!("Usage: cargo xtask TASK\n");
    for task in TASKS {
        let call = format!("{} {}", task.name, task.arguments);
        println!("  {:<64}{}", call.trim_end(), task.about);
    }
}
