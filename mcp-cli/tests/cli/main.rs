//! The program as people and scripts meet it: commands, and literally what they give.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod model;
mod sandbox;

mod agents;
mod denied;
mod drift;
mod going_on;
mod handover;
mod hostile;
mod http;
mod layers;
mod live;
mod login;
mod plan;
mod registry;
mod registry_api;
mod reload;
mod replicas;
mod required;
mod run;
mod screens;
mod serve;
mod serve_log;
mod sessions;
mod terminal;
