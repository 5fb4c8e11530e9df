//! The service over real HTTP, in front of real child processes.

mod access;
mod asking;
mod chat;
mod dashboard;
mod jwt;
mod layers;
mod mcp;
mod offered;
mod questions;
mod rest;
mod rounds;
mod sessions;
