//! Replicas of the service that share PostgreSQL and Redis; and typed resources against real
//! databases, and against the published servers that the built-in profiles are for. `cargo xtask databases` sets up what it needs.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod address;
mod daemon;
mod files;
mod guide;
mod hanging;
mod kept;
mod keys;
mod logins;
mod model;
mod pins;
mod postgres;
mod replicas;
mod rows;
mod stores;

use std::{env, path::PathBuf};

use mcp_agent::resources::{Profile, TypedResource};
use mcp_client::Client;

/// A folder that `cargo xtask databases` names.
fn folder(variable: &str) -> PathBuf {
    let folder = env::var_os(variable);
    folder.unwrap_or_else(|| panic!("{variable} is not set; use `cargo xtask databases`")).into()
}

/// A server from npm.
async fn node(folder: PathBuf, package: &str, args: &[&str], profile: Profile) -> TypedResource {
    let program = folder.join("node_modules/.bin").join(package);
    start(program, args, &[], profile).await
}

/// A server from PyPI.
async fn python(folder: PathBuf, script: &str, args: &[&str], profile: Profile) -> TypedResource {
    start(folder.join("venv/bin").join(script), args, &[], profile).await
}

async fn start(
    program: PathBuf,
    args: &[&str],
    env: &[(&str, &str)],
    profile: Profile,
) -> TypedResource {
    let name = profile.name.clone();
    let mut client = Client::stdio(program.to_str().unwrap()).args(args.iter().copied());
    for (name, value) in env {
        client = client.env(*name, *value);
    }
    TypedResource::of_client(name, client.connect().await.unwrap(), profile).await.unwrap()
}
