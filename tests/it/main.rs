//! Behaviour through the public API, one binary.

mod bad_input;
mod hub;
mod readme;
