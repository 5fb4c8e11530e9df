//! The service over real HTTP, in front of real child processes.

mod access;
mod asking;
mod belongings;
mod chat;
mod client_tools;
mod conversations;
mod dashboard;
mod following;
mod gateway_bodies;
mod jwt;
mod layers;
mod leaving;
mod limits;
mod mcp;
mod offered;
mod otlp;
mod pins;
mod plans;
mod questions;
mod responses;
mod rest;
mod rounds;
mod security;
mod sessions;
mod tasks;
mod templates;
