//! The harness of the behaviour tests.

pub mod scripted;
