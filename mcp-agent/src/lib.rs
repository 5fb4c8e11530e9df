//! Language models that use the tools of Model Context Protocol servers.
#![forbid(unsafe_code)]

pub mod run;
pub mod transcript;

pub mod toolbox;

pub mod model;

mod stable_hash;
