//! The service over real HTTP, in front of real child processes.

mod asking;
mod chat;
mod mcp;
mod rest;
