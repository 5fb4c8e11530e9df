//! The service over real HTTP, in front of real child processes.

mod asking;
mod chat;
mod dashboard;
mod layers;
mod mcp;
mod questions;
mod rest;
